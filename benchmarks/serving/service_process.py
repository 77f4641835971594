"""A service as a process of its own, and the CPU time that it takes; Linux only."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_ROOT = Path(__file__).resolve().parents[2]
_TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")


class ServiceEnded(Exception):
    """The service's process has ended by itself.

    Attributes:
        log: What it wrote.
    """

    def __init__(self, log: Path) -> None:
        super().__init__(f"the service has ended: {log.read_text(errors='replace')[-2_000:]}")
        self.log = log


@dataclass(frozen=True, slots=True)
class ServiceProcess:
    """A running service.

    Attributes:
        pid: Of its process.
        address: Its `host:port`, on loopback.
        metrics: The `host:port` of its /metrics.
        log: Gets what it writes.
    """

    pid: int
    address: str
    metrics: str
    log: Path

    def cpu_s(self) -> float:
        """User and system time so far, seconds, in ticks."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S

    def rss_bytes(self) -> int:
        """The memory that it holds now."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * _PAGE_BYTES

    def require_running(self) -> None:
        """Passes while it runs.

        Raises:
            ServiceEnded: It does not.
        """
        if not Path(f"/proc/{self.pid}").exists():
            raise ServiceEnded(self.log)

    def cpu_s_since(self, before_s: float) -> float:
        """What it took since then: the kernel counts in steps, and less than one is one."""
        return max(self.cpu_s() - before_s, 1 / _TICKS_PER_S)


@asynccontextmanager
async def service_process(
    word: str,
    settings: Mapping[str, str] | None = None,
    *,
    environment: Mapping[str, str] | None = None,
) -> AsyncIterator[ServiceProcess]:
    """Starts `services.<word>` with a data folder of its own and free ports; it may not serve yet.

    Args:
        word: The service's.
        settings: Its settings, by the names that they have in its `config.py`.
        environment: More of its environment; LODESTONE_DATA is a data folder that others have too.
    """
    port, metrics_port = free_ports(2)
    with tempfile.TemporaryDirectory(prefix="lodestone-bench-") as folder:
        given = {**(settings or {}), "port": str(port), "metrics_port": str(metrics_port)}
        whole = {
            **os.environ,
            "LODESTONE_DATA": folder,
            **{f"LODESTONE_{word}_{name}".upper(): value for name, value in given.items()},
            **(environment or {}),
        }
        log = Path(folder) / "log.txt"
        with log.open("wb") as output:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", f"services.{word}"),
                cwd=_ROOT,
                env=whole,
                stdout=output,
                stderr=output,
            )
            address, metrics = (f"127.0.0.1:{one}" for one in (port, metrics_port))
            try:
                yield ServiceProcess(process.pid, address, metrics, log)
            finally:
                if process.returncode is None:
                    process.terminate()
                await process.wait()


def free_ports(count: int) -> list[int]:
    """Ports of loopback that nobody serves on."""
    with contextlib.ExitStack() as opened:
        trials = [opened.enter_context(socket.socket()) for _ in range(count)]
        for trial in trials:
            trial.bind(("127.0.0.1", 0))
        return [int(trial.getsockname()[1]) for trial in trials]
