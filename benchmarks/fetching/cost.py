"""What a command costs: the CPU time of its whole process tree. Linux only."""

from __future__ import annotations

import ctypes
import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_PR_SET_CHILD_SUBREAPER = 36


class CommandFailed(Exception):
    """A measured command did not end well.

    Attributes:
        command: The command.
        log: Where its output is.
    """

    def __init__(self, command: Sequence[str], log: Path) -> None:
        super().__init__(f"{command[0]} failed: {log.read_text(errors='replace')[-2_000:]}")
        self.command = tuple(command)
        self.log = log


@dataclass(frozen=True, slots=True)
class Cost:
    """What one run took.

    Attributes:
        wall_s: From start to end, seconds.
        cpu_s: User and system time of all its processes, seconds.
    """

    wall_s: float
    cpu_s: float


def measure(
    command: Sequence[str], log: Path, environment: Mapping[str, str] | None = None
) -> Cost:
    """Runs a command to its end, its output going to `log`, and counts its CPU time.

    The kernel adds a process's time, with that of the children it waited for, to whoever waits for it. So nothing is
    missed: not the short-lived, which sampling would miss, and not the orphans, since they are handed to this process,
    their subreaper, which waits for all that is left of the command's process group.

    Raises:
        CommandFailed: It ended with another status than nought.
    """
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    started_s = time.monotonic()
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 - the benchmark's own commands
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=None if environment is None else dict(environment),
            start_new_session=True,
        )
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    wall_s = time.monotonic() - started_s
    cpu_s = usage.ru_utime + usage.ru_stime + _orphans_cpu_s(process.pid)
    if process.returncode:
        raise CommandFailed(command, log)
    return Cost(wall_s, cpu_s)


def _orphans_cpu_s(group: int) -> float:
    total_s = 0.0
    while True:
        try:
            _, _, usage = os.wait4(-group, 0)
        except ChildProcessError:
            return total_s
        total_s += usage.ru_utime + usage.ru_stime
