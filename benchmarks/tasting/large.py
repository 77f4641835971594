"""A fit to hundreds of thousands of CLIP-shaped embeddings: alone in a process, and through a real service."""

from __future__ import annotations

import json
import os
import socket
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from benchmarks.tasting.measured_process import MeasuredProcess

_ROOT: Final = Path(__file__).resolve().parents[2]


def measure(count: int) -> dict[str, Any]:
    """What the fit costs in either way, and what came of it.

    Each step is a process of its own, and this one stays small: what a process held when it started another counts for
    that one too.
    """
    with tempfile.TemporaryDirectory(prefix="lodestone-bench-") as folder:
        bench = _Bench(Path(folder))
        bench.run("draw", str(count), str(bench.rows))
        return {
            "embeddings": count,
            "alone": {"fit": bench.run("fit", str(bench.rows))},
            "through_the_service": bench.fit_through_the_service(),
            "results": {name: bench.result_of(name) for name in ("fit", "send")},
        }


class _Bench:
    """The files of one run."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.rows = folder / "embeddings.npy"

    def run(self, step: str, *arguments: str) -> dict[str, Any]:
        """Runs a step to its end and returns what it cost."""
        return self._start(step, "-m", "benchmarks.tasting.large_steps", step, *arguments).cost()

    def result_of(self, step: str) -> dict[str, Any]:
        """What the step printed last."""
        result: dict[str, Any] = json.loads(self._log(step).read_text().splitlines()[-1])
        return result

    def fit_through_the_service(self) -> dict[str, Any]:
        """Sends the embeddings to a process of the novelty service and returns what both cost."""
        with socket.socket() as trial:
            trial.bind(("127.0.0.1", 0))
            port = str(trial.getsockname()[1])
        environment = {
            "LODESTONE_DATA": str(self._folder / "data"),
            "LODESTONE_NOVELTY_PORT": port,
            "LODESTONE_NOVELTY_METRICS_PORT": "0",
        }
        server = self._start("server", "-m", "services.novelty", environment=environment)
        try:
            client = self.run("send", f"127.0.0.1:{port}", str(self.rows))
        finally:
            server.terminate()
        return {"client": client, "server": server.cost()}

    def _start(
        self, step: str, *arguments: str, environment: Mapping[str, str] | None = None
    ) -> MeasuredProcess:
        path = {
            "PYTHONPATH": os.pathsep.join(filter(None, (str(_ROOT), os.environ.get("PYTHONPATH"))))
        }
        return MeasuredProcess(
            (sys.executable, *arguments), self._log(step), {**path, **(environment or {})}
        )

    def _log(self, step: str) -> Path:
        return self._folder / f"{step}.txt"
