from __future__ import annotations

import pytest

from lodestone.client import connect
from lodestone.novelty.v1.novelty_service_pb2_grpc import NoveltyServiceStub
from services.novelty.__main__ import build
from services.novelty.config import NoveltySettings
from services.servicekit.server import ServiceServer
from tests.fakes.serving import settings_for_tests
from tests.postgres.fixtures import place, postgres

__all__ = ["novelty", "place", "postgres"]


@pytest.fixture
async def novelty(tmp_path, monkeypatch):
    """The stub of a real novelty service; the settings of a crawler lead to it, and to the same data folder."""
    monkeypatch.setenv("LODESTONE_DATA", str(tmp_path / "data"))
    settings = settings_for_tests(NoveltySettings)
    server = ServiceServer(await build(settings), settings)
    await server.start()
    address = f"127.0.0.1:{server.port}"
    monkeypatch.setenv("LODESTONE_NOVELTY", address)
    async with connect(address) as channel:
        yield NoveltyServiceStub(channel)
    await server.stop()
