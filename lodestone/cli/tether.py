"""Runs a command that dies with its supervisor: `python tether.py SUPERVISOR_PID COMMAND...`.

On Linux the kernel is asked (PR_SET_PDEATHSIG, prctl(2)) to kill this process when the one that started it ends,
however it ends; the command then takes this process over, and keeps that. Elsewhere the command just runs. A step of
its own, and not `preexec_fn`, because code between fork and exec can deadlock in a process that has threads, as gRPC's
has.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Sequence

_PR_SET_PDEATHSIG = 1


def tethered(supervisor_pid: int, command: Sequence[str]) -> Sequence[str]:
    """The command that becomes `command`, tied to the process with that id, which has to start it."""
    return (sys.executable, "-I", "-S", __file__, str(supervisor_pid), *command)


def main(supervisor_pid: int, command: list[str]) -> None:
    """Ties this process to its parent and becomes the command."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    if os.getppid() != supervisor_pid:
        sys.exit("the supervisor ended before its child began")
    os.execv(command[0], command)  # noqa: S606 - no shell is the point


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
