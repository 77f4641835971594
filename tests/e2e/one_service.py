"""One more service as a process of its own, beside those of `lodestone up`."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from pathlib import Path

from tests.e2e.conftest import wait_for
from tests.fakes.ports import free_port

ROOT = Path(__file__).parents[2]


@contextlib.contextmanager
def one_service(word, data, output, *, tls=None, **settings):
    """Runs it on the data folder `data` and gives its port, once it is ready."""
    port = free_port()
    names = {"PORT": port, "METRICS_PORT": 0, "HEALTH_PORT": 0, **settings}
    environment = {f"LODESTONE_{word.upper()}_{name}": str(value) for name, value in names.items()}
    environment["LODESTONE_DATA"] = str(data)
    if tls is not None:
        environment["LODESTONE_TLS"] = str(tls)
    with output.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", f"services.{word}"],
            cwd=ROOT, env=os.environ | environment, stdout=file, stderr=file,
        )  # fmt: skip
        try:
            wait_for(lambda: process.poll() is not None or '"ready"' in output.read_text())
            assert process.poll() is None, output.read_text()
            yield port
        finally:
            process.terminate()
            process.wait(60)
