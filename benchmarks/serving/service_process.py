"""A service as a process of its own, and the CPU time that it takes; Linux only."""

from __future__ import annotations

import asyncio
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


@dataclass(frozen=True, slots=True)
class ServiceProcess:
    """A running service.

    Attributes:
        pid: Of its process.
        address: Its `host:port`, on loopback.
    """

    pid: int
    address: str

    def cpu_s(self) -> float:
        """User and system time so far, seconds, in ticks."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S

    def cpu_s_since(self, before_s: float) -> float:
        """What it took since then: the kernel counts in steps, and less than one is one."""
        return max(self.cpu_s() - before_s, 1 / _TICKS_PER_S)


@asynccontextmanager
async def service_process(
    word: str, settings: Mapping[str, str] | None = None
) -> AsyncIterator[ServiceProcess]:
    """Starts `services.<word>` with a data folder of its own and a free port; it may not serve yet.

    Args:
        word: The service's.
        settings: Its settings, by the names that they have in its `config.py`.
    """
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        port = trial.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="lodestone-bench-") as folder:
        given = {**(settings or {}), "port": str(port), "metrics_port": "0"}
        environment = {
            **os.environ,
            "LODESTONE_DATA": folder,
            **{f"LODESTONE_{word}_{name}".upper(): value for name, value in given.items()},
        }
        with (Path(folder) / "log.txt").open("wb") as log:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", f"services.{word}"),
                cwd=_ROOT,
                env=environment,
                stdout=log,
                stderr=log,
            )
            try:
                yield ServiceProcess(process.pid, f"127.0.0.1:{port}")
            finally:
                process.terminate()
                await process.wait()
