"""Model services that can be killed: `python -m tests.faults.model_process PORT`, until its input ends.

The processes, the gRPC servers and the network are real, the models are colours (`tests.fakes.colour_services`).
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.fakes.colour_services import ColourServices
from tests.fakes.ports import free_port

ROOT = Path(__file__).parents[2]


class ModelProcess:
    """One process with all three services; a context manager. It comes back on the same port.

    Attributes:
        address: `host:port`.
    """

    def __init__(self):
        self._port = free_port()
        self._process = None
        self.address = f"127.0.0.1:{self._port}"

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        if self._process is not None:
            self.kill()

    def start(self):
        """Starts it; it serves a little later."""
        command = [sys.executable, "-m", "tests.faults.model_process", str(self._port)]
        self._process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE)

    def kill(self):
        """Ends it at once."""
        self._process.kill()
        self._process.wait()
        self._process.stdin.close()
        self._process = None


if __name__ == "__main__":
    with ColourServices(int(sys.argv[1])):
        sys.stdin.read()
