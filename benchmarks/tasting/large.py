"""A fit to hundreds of thousands of CLIP-shaped embeddings: alone in a process, and through a real service."""

from __future__ import annotations

import json
import os
import socket
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from benchmarks.tasting.measured_process import MeasuredProcess

_ROOT: Final = Path(__file__).resolve().parents[2]
_ENCODER_ID: Final = "0" * 64
_READY_S: Final = 60.0
_POLL_S: Final = 0.1
_TOLD: Final = (
    "liked_count", "duplicate_count", "covariance", "component_count", "expected_keep", "warnings",
)  # fmt: skip


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
            "results": {
                "alone": bench.result_of("fit"),
                "through_the_service": {
                    name: value
                    for name, value in bench.result_of("send")["profile"].items()
                    if name in _TOLD
                },
            },
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
        port = _free_port()
        environment = {
            "LODESTONE_DATA": str(self._folder / "data"),
            "LODESTONE_NOVELTY_PORT": str(port),
            "LODESTONE_NOVELTY_METRICS_PORT": "0",
        }
        server = self._start("server", "-m", "services.novelty", environment=environment)
        try:
            _wait_until_it_listens(port)
            client = self._start(
                "send",
                *("-m", "lodestone.cli", "profile", "fit", "large", str(self.rows), "--json"),
                *("--encoder-id", _ENCODER_ID, "--data", str(self._folder / "data")),
                environment={"LODESTONE_NOVELTY": f"127.0.0.1:{port}"},
            ).cost()
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


def _free_port() -> int:
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        port: int = trial.getsockname()[1]
    return port


def _wait_until_it_listens(port: int) -> None:
    deadline_s = time.monotonic() + _READY_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=_READY_S).close()
        except ConnectionRefusedError:
            if time.monotonic() > deadline_s:
                raise
            time.sleep(_POLL_S)
        else:
            return
