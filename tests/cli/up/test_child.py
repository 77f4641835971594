"""One supervised process: tiny real children that die, hang, misbehave and leave children behind."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lodestone.cli.errors import CliError
from lodestone.cli.up.child import Child, ChildSpec, Timing
from tests.cli.processes import eventually, eventually_sync, is_running, lines_of

FAST = Timing(poll_s=0.02, first_retry_s=0.01, last_retry_s=0.05, early_deaths=5, grace_s=20.0)
ROOT = Path(__file__).parents[3]

# Every child notes its process id in `pids` on every start; `serving` exists while it serves.
BEGIN = """
import os, pathlib, signal, sys, time
here = pathlib.Path(sys.argv[1])
with (here / "pids").open("a") as pids: pids.write(f"{os.getpid()}\\n")
starts = len((here / "pids").read_text().splitlines())
def serve():
    (here / "serving").touch()
    while True: signal.pause()
"""


@pytest.fixture
async def keep(tmp_path):
    """Starts a child with the given program and keeps it alive; yields a function."""
    notes = []
    keepers = []
    children = []

    async def healthy():
        return (tmp_path / "serving").exists()

    def start(program, timing=FAST):
        spec = ChildSpec(
            word="embedder",
            command=(sys.executable, "-c", BEGIN + program, str(tmp_path)),
            environment=dict(os.environ),
            log=tmp_path / "logs" / "embedder.log",
            is_healthy=healthy,
        )
        child = Child(spec, timing, notes.append)
        children.append(child)
        keepers.append(asyncio.create_task(child.keep_alive()))
        return child, keepers[-1], notes

    yield start
    for keeper in keepers:
        keeper.cancel()
    await asyncio.gather(*keepers, return_exceptions=True)
    for child in children:
        child.kill()
        await child.stop()


def pids_of(tmp_path):
    return [int(line) for line in lines_of(tmp_path / "pids")]


async def test_a_child_that_dies_is_started_again(keep, tmp_path):
    """Two deaths, two notes with the status and its last words, then it serves."""
    child, _, notes = keep('if starts < 3: print("out of luck"); sys.exit(4)\nserve()')
    await asyncio.wait_for(child.served.wait(), 30)
    assert len(pids_of(tmp_path)) == 3
    assert child.pid == pids_of(tmp_path)[-1]
    assert len(notes) == 2
    assert notes[0].startswith("embedder ended with status 4 (out of luck): starting it again in")
    assert lines_of(tmp_path / "logs" / "embedder.log") == ["out of luck"] * 2


async def test_a_serving_child_that_is_killed_is_started_again(keep, tmp_path):
    """SIGKILL: a new process, a note that blames no line logged in passing, and one when it serves again."""
    child, keeper, notes = keep(
        """print('{"event": "an answer", "level": "info"}', flush=True)\nserve()"""
    )
    await asyncio.wait_for(child.served.wait(), 30)
    first = child.pid
    (tmp_path / "serving").unlink()
    os.kill(first, signal.SIGKILL)
    await eventually(lambda: "embedder serves again" in notes)
    assert child.pid != first
    assert not is_running(first)
    log = tmp_path / "logs" / "embedder.log"
    assert notes[0].startswith(
        f"embedder ended with status -9 (its log is {log}): starting it again in"
    )
    assert not keeper.done()


async def test_a_misconfigured_child_ends_the_supervision(keep, tmp_path):
    """Exit status 78 before it ever served: its last error line, no second start."""
    program = """
print("2026-11-22 warming up", file=sys.stderr)
print("error: LODESTONE_EMBEDDER_PORT: not a number", file=sys.stderr)
print('{"event": "bye"}', file=sys.stderr)
sys.exit(78)
"""
    _, keeper, _ = keep(program)
    with pytest.raises(CliError, match="embedder: LODESTONE_EMBEDDER_PORT: not a number"):
        await asyncio.wait_for(keeper, 30)
    assert len(pids_of(tmp_path)) == 1


async def test_a_child_that_has_served_may_be_misconfigured_for_a_while(keep, tmp_path):
    """Status 78 after it served (its port was taken for a moment) is tried again."""
    child, keeper, notes = keep("if starts == 2: sys.exit(78)\nserve()")
    await asyncio.wait_for(child.served.wait(), 30)
    (tmp_path / "serving").unlink()
    os.kill(child.pid, signal.SIGKILL)
    await eventually(lambda: "embedder serves again" in notes)
    assert len(pids_of(tmp_path)) == 3
    assert notes[1].startswith("embedder ended with status 78")
    assert not keeper.done()


async def test_a_child_that_never_serves_is_given_up(keep, tmp_path):
    """Five deaths before it served: one line with its last words."""
    _, keeper, notes = keep('raise ValueError("no memory")')
    with pytest.raises(CliError, match="embedder: ValueError: no memory"):
        await asyncio.wait_for(keeper, 60)
    assert len(pids_of(tmp_path)) == 5
    assert len(notes) == 4


async def test_stop_lets_a_child_end_by_itself(keep, tmp_path):
    """SIGTERM first: the child finishes its work."""
    program = """
def finish(*_):
    (here / "finished").touch()
    sys.exit(0)
signal.signal(signal.SIGTERM, finish)
serve()
"""
    child, keeper, notes = keep(program)
    await asyncio.wait_for(child.served.wait(), 30)
    keeper.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await keeper
    await asyncio.wait_for(child.stop(), 30)
    assert (tmp_path / "finished").exists()
    assert child.pid is None
    assert notes == []


async def test_stop_kills_a_child_that_does_not_listen(keep, tmp_path):
    """SIGKILL after the grace."""
    child, keeper, notes = keep(
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\nserve()", Timing(poll_s=0.02, grace_s=0.2)
    )
    await asyncio.wait_for(child.served.wait(), 30)
    pid = child.pid
    keeper.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await keeper
    await asyncio.wait_for(child.stop(), 30)
    assert not is_running(pid)
    assert notes == ["embedder did not stop in 0.2 s: killed"]


async def test_what_a_killed_child_leaves_behind_is_ended(keep, tmp_path):
    """A child's own child does not outlive it."""
    program = """
import subprocess
grandchild = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
(here / "grandchild").write_text(f"{grandchild.pid}\\n")
serve()
"""
    child, _, _ = keep(program)
    await asyncio.wait_for(child.served.wait(), 30)
    grandchild = int((tmp_path / "grandchild").read_text())
    assert is_running(grandchild)
    os.kill(child.pid, signal.SIGKILL)
    await eventually(lambda: not is_running(grandchild))


SUPERVISOR = """
import asyncio, os, pathlib, sys
from lodestone.cli.up.child import Child, ChildSpec, Timing
here = pathlib.Path(sys.argv[1])
async def healthy():
    return (here / "serving").exists()
spec = ChildSpec(
    word="embedder", command=(sys.executable, "-c", sys.argv[2], str(here)),
    environment=dict(os.environ), log=here / "log", is_healthy=healthy,
)
asyncio.run(Child(spec, Timing(), print).keep_alive())
"""


def test_a_child_dies_with_a_supervisor_that_is_killed(tmp_path):
    """SIGKILL of the supervisor, which can clean up nothing, ends its child too."""
    with (tmp_path / "output").open("wb") as output:
        supervisor = subprocess.Popen(
            [sys.executable, "-c", SUPERVISOR, str(tmp_path), BEGIN + "serve()"],
            cwd=ROOT,
            stdout=output,
            stderr=output,
        )
    try:
        eventually_sync((tmp_path / "serving").exists)
        (child,) = pids_of(tmp_path)
        assert is_running(child)
    finally:
        supervisor.kill()
        supervisor.wait()
    eventually_sync(lambda: not is_running(child))
