from __future__ import annotations

import pytest
import structlog

from lodestone.novelty.v1.novelty_service_pb2_grpc import NoveltyServiceStub
from services.novelty.__main__ import build
from services.novelty.config import NoveltySettings
from tests.fakes.serving import serving, settings_for_tests


@pytest.fixture(autouse=True)
def logs():
    """What is logged, and printed nowhere."""
    with structlog.testing.capture_logs() as entries:
        yield entries


@pytest.fixture
def settings(monkeypatch, tmp_path):
    """The settings of a novelty service whose data folder is empty."""
    monkeypatch.setenv("LODESTONE_DATA", str(tmp_path))
    return settings_for_tests(NoveltySettings)


@pytest.fixture
async def stub(settings):
    """Of a server that has no profiles."""
    async with serving(await build(settings), settings) as channel:
        yield NoveltyServiceStub(channel)
