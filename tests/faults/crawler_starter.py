"""A process that has imported the crawler and forks one for each order: most of a start are imports.

`python -m tests.faults.crawler_starter` reads orders as JSON from its standard input, a line each, until it ends:
`{"environment": {…}, "output": PATH, "trap": {…} or null, "lease_s": 60.0, "idle_s": 60}`. It writes `started PID` and
`ended PID STATUS`. The crawlers are the real ones, from `main` on; they die with it.
"""

from __future__ import annotations

import ctypes
import functools
import importlib
import json
import os
import re
import select
import signal
import sys
import traceback

from services.crawler import __main__ as crawler
from services.crawler.catalogue import postgres_server
from tests.faults.failpoints import Trap, set_trap

_PR_SET_PDEATHSIG = 1
# What it imports later.
_LATER = (
    "alembic.context",
    "sqlalchemy.dialects.postgresql.psycopg",
    "sqlalchemy.dialects.sqlite.pysqlite",
)
_IDLE = re.compile(r"(idle_in_transaction_session_timeout = )'[^']+'")


def main():
    """Starts crawlers until the orders end."""
    for name in _LATER:
        importlib.import_module(name)
    woken, waker = os.pipe()
    os.set_blocking(waker, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
    pending = b""
    while True:
        ready, _, _ = select.select([0, woken], [], [])
        if woken in ready:
            os.read(woken, 4_096)
            _reap()
        if 0 in ready:
            chunk = os.read(0, 65_536)
            if not chunk:
                return
            *lines, pending = (pending + chunk).split(b"\n")
            for line in lines:
                _say(f"started {_fork(json.loads(line))}")


def _reap():
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        _say(f"ended {pid} {os.waitstatus_to_exitcode(status)}")


def _say(line):
    os.write(1, f"{line}\n".encode())


def _fork(order):
    parent = os.getpid()
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        _become_child(order, parent)
        crawler.main()
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 0
    except BaseException:  # noqa: BLE001 - whatever it is, this is no starter any more
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _become_child(order, parent):
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.setsid()
    output = os.open(order["output"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((nothing, 0), (output, 1), (output, 2)):
        os.dup2(source, target)
    os.environ.clear()
    os.environ.update(order["environment"])
    _set_terms(order["lease_s"], order["idle_s"])
    if order["trap"]:
        set_trap(Trap(**order["trap"]))


def _set_terms(lease_s, idle_s):
    """For how long leases hold, and how long a session of PostgreSQL may do nothing inside a transaction."""
    crawler.RunLimits = functools.partial(crawler.RunLimits, lease_s=lease_s)
    session, count = _IDLE.subn(rf"\g<1>'{idle_s}s'", postgres_server._SESSION)
    assert count == 1, postgres_server._SESSION
    postgres_server._SESSION = session


if __name__ == "__main__":
    main()
