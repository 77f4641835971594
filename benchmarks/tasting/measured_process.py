"""A process and what it cost: time and the most memory that it held. Linux only."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


class ProcessFailed(Exception):
    """A measured process did not end well.

    Attributes:
        command: The command.
        log: Where its output is.
    """

    def __init__(self, command: Sequence[str], log: Path) -> None:
        super().__init__(f"{' '.join(command)} failed: {log.read_text(errors='replace')[-2_000:]}")
        self.command = tuple(command)
        self.log = log


class MeasuredProcess:
    """One process, started when this is made. The kernel counts for it, so nothing between two looks is missed.

    Args:
        command: The program and its arguments.
        log: Gets its standard output and standard error.
        environment: Added to this process's own.
    """

    def __init__(
        self, command: Sequence[str], log: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        self._command = tuple(command)
        self._log = log
        self._started_s = time.monotonic()
        with log.open("wb") as output:
            self._process = subprocess.Popen(  # noqa: S603 - the benchmark's own commands
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(environment or {})},
            )

    def terminate(self) -> None:
        """Asks it to end."""
        self._process.send_signal(signal.SIGTERM)

    def cost(self) -> dict[str, Any]:
        """Waits for its end: `wall_s`, `cpu_s` (user and system time of all threads) and `peak_rss_bytes`.

        The peak is at least what this process held at the start: until the command runs, the kernel counts that too.

        Raises:
            ProcessFailed: It ended with another status than nought.
        """
        _, status, usage = os.wait4(self._process.pid, 0)
        self._process.returncode = os.waitstatus_to_exitcode(status)
        if self._process.returncode:
            raise ProcessFailed(self._command, self._log)
        return {
            "wall_s": round(time.monotonic() - self._started_s, 1),
            "cpu_s": round(usage.ru_utime + usage.ru_stime, 1),
            "peak_rss_bytes": usage.ru_maxrss * 1024,
        }
