"""Several supervised processes."""

from __future__ import annotations

import asyncio
import os
import sys

import pytest

from lodestone.cli.errors import CliError
from lodestone.cli.up.child import ChildSpec, Timing
from lodestone.cli.up.supervisor import Supervisor
from tests.cli.processes import eventually, is_running

FAST = Timing(poll_s=0.02, first_retry_s=0.01, last_retry_s=0.05, grace_s=20.0)

SERVE = "import pathlib, signal, sys; pathlib.Path(sys.argv[1]).touch(); signal.pause()"
REFUSE = "import sys; print('error: the port is in use', file=sys.stderr); sys.exit(78)"


@pytest.fixture
def spec_of(tmp_path):
    """A function that makes the spec of a child with a program."""

    def make(word, program):
        async def healthy():
            return (tmp_path / word).exists()

        return ChildSpec(
            word=word,
            command=(sys.executable, "-c", program, str(tmp_path / word)),
            environment=dict(os.environ),
            log=tmp_path / f"{word}.log",
            is_healthy=healthy,
        )

    return make


async def test_ready_is_told_once_and_all_end_together(spec_of, tmp_path):
    """`on_ready` when each serves; after `stopping` no child is left."""
    supervisor = Supervisor([spec_of("a", SERVE), spec_of("b", SERVE)], note=print, timing=FAST)
    stopping = asyncio.Event()
    ready = []
    running = asyncio.create_task(supervisor.run(stopping, lambda: ready.append(True)))
    await eventually(lambda: ready)
    pids = [child.pid for child in supervisor.children]
    assert all(is_running(pid) for pid in pids)
    stopping.set()
    await asyncio.wait_for(running, 30)
    assert not any(is_running(pid) for pid in pids)
    assert ready == [True]


async def test_one_that_cannot_serve_ends_all(spec_of, tmp_path):
    """The misconfigured child's line is the error; the healthy one is stopped."""
    supervisor = Supervisor([spec_of("a", SERVE), spec_of("b", REFUSE)], note=print, timing=FAST)
    ready = []
    with pytest.raises(CliError, match="b: the port is in use"):
        async with asyncio.timeout(30):
            await supervisor.run(asyncio.Event(), lambda: ready.append(True))
    assert ready == []
    assert all(child.pid is None for child in supervisor.children)


async def test_stopping_before_ready_is_a_stop(spec_of, tmp_path):
    """Ctrl-C while the services start: no error, nothing announced, nothing left."""
    slow = "import signal; signal.pause()"
    supervisor = Supervisor([spec_of("a", slow)], note=print, timing=FAST)
    stopping = asyncio.Event()
    ready = []
    running = asyncio.create_task(supervisor.run(stopping, lambda: ready.append(True)))
    await eventually(lambda: supervisor.children[0].pid)
    stopping.set()
    await asyncio.wait_for(running, 30)
    assert ready == []
    assert supervisor.children[0].pid is None
