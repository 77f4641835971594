"""`python -m tests.contract.broken_embedder WAY`: its network breaks for good at a white image.

It `hangs`, it `raises`, or it `raises-at-four`: from then on at batches of four or more, and computes smaller ones.
"""

from __future__ import annotations

import sys
import threading

from services.embedder.__main__ import define
from services.embedder.config import EmbedderSettings
from services.embedder.encoder import Encoder
from services.servicekit.logs import configure_logs
from services.servicekit.server import ServiceDefinition, run_service
from services.servicekit.settings import read_settings
from tests.fakes.fake_backend import FakeBackend, fake_encoder_folder


class BreakingBackend(FakeBackend):
    """Computes until it sees a white image; then what a lost device does."""

    def __init__(self, way: str) -> None:
        super().__init__()
        self._way = way
        self._broken = False

    def run(self, batch):
        self._broken = self._broken or bool((batch == 255).all(axis=(1, 2, 3)).any())
        if self._broken and (self._way != "raises-at-four" or len(batch) >= 4):
            self._break()
        return super().run(batch)

    def _break(self):
        sys.stderr.write("the network is broken\n")
        sys.stderr.flush()
        if self._way == "hangs":
            threading.Event().wait()
        message = "the device is lost"
        raise RuntimeError(message)


async def build(settings: EmbedderSettings) -> ServiceDefinition:
    """The real service around it."""
    return define(Encoder(fake_encoder_folder(), BreakingBackend(sys.argv[1])), settings)


if __name__ == "__main__":
    read = read_settings(EmbedderSettings)
    configure_logs("embedder", as_json=True)
    run_service(lambda: build(read), read)
