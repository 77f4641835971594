"""ListScoreDistributions over the wire: a real crawler and catalogue, a novelty service that is a fake."""

from __future__ import annotations

import time

import grpc
import numpy as np
import pytest

from lodestone.crawler.v1 import crawler_service_pb2 as pb
from lodestone.crawler.v1.crawler_service_pb2_grpc import CrawlerServiceStub
from lodestone.image.v1.embedding_pb2 import PRECISION_FP32
from lodestone.novelty.v1.profile_pb2 import Profile
from services.crawler.__main__ import build
from services.crawler.catalogue import score_counts
from services.crawler.catalogue.database import Database
from services.crawler.config import CrawlerSettings
from services.crawler.judgement import ProfileVersion
from services.crawler.score_distribution import ScoreBins
from tests.cli.fake_services import FakeServices
from tests.crawler.scored import drawn, profile_scores
from tests.fakes.serving import serving, settings_for_tests

RNG = np.random.default_rng(0)
SCORES = profile_scores(RNG, 1000)
OLD, NEW = ProfileVersion("landscapes", 1), ProfileVersion("landscapes", 2)
NOW = time.time()
DAY_S = 86_400.0


def profile(version, *, background):
    return Profile(
        name="landscapes",
        version=version,
        encoder_id="e" * 64,
        precision=PRECISION_FP32,
        threshold_nats=SCORES.threshold_nats,
        held_out_log_likelihoods=SCORES.held_out,
        background_log_likelihoods=SCORES.background if background else (),
    )


async def count_candidates(data):
    """Under the new version a day like the background and one with a source that moved; one candidate under the old."""
    database, bins = Database(data / "catalog.sqlite"), ScoreBins.of(SCORES)

    def count(connection, version, source, log_likelihoods, now):
        for one in log_likelihoods:
            scored = bins.range_of(one)
            score_counts.count_scores(connection, version, {(source, scored): 1}, now=now)

    def work(connection):
        count(connection, NEW, "folder:/a", drawn(RNG, 300), NOW - DAY_S)
        count(connection, NEW, "folder:/a", drawn(RNG, 300), NOW)
        count(connection, NEW, "folder:/b", drawn(RNG, 500, shift=80.0), NOW)
        count(connection, OLD, "folder:/a", [0.0], NOW)

    await database.run(work)
    database.close()


@pytest.fixture
async def crawler(tmp_path, monkeypatch):
    """The channel of a crawler that has counted candidates."""
    await count_candidates(tmp_path)
    monkeypatch.setenv("LODESTONE_DATA", str(tmp_path))
    with FakeServices() as fakes:
        fakes.novelty._profiles["landscapes"] = [
            profile(1, background=False),
            profile(2, background=True),
        ]
        for name in ("EMBEDDER", "NOVELTY", "WATERMARK"):
            monkeypatch.setenv(f"LODESTONE_{name}", fakes.address)
        settings = settings_for_tests(CrawlerSettings)
        async with serving(await build(settings), settings) as channel:
            yield channel


async def answer(crawler, name, max_days=0):
    request = pb.ListScoreDistributionsRequest(profile=name, max_days=max_days)
    return await CrawlerServiceStub(crawler).ListScoreDistributions(request)


async def test_the_newest_day_is_compared_by_source_and_together(crawler):
    """The source that moved differs, the other does not; the newest day does, with the numbers."""
    found = await answer(crawler, "landscapes")
    places = [(one.source, one.candidate_count) for one in found.distributions]
    assert places == [("folder:/a", 300), ("folder:/b", 500), ("folder:/a", 300)]
    today, moved, yesterday = found.distributions
    assert today.day == moved.day > yesterday.day
    assert [one.drift.differs for one in found.distributions] == [False, True, False]
    assert found.drift.day == today.day
    assert found.drift.candidate_count == 800
    assert found.drift.differs
    assert found.drift.p_value < 0.001
    assert found.drift.distance > 0.15
    assert found.drift.passed == (today.passed_count + moved.passed_count) / 800
    assert found.drift.finding.startswith(f"of 800 candidates on {today.day}, ")


async def test_bins_add_up(crawler):
    """Ascending, with the threshold between two of them: what passed lies over it."""
    found = await answer(crawler, "landscapes@2", max_days=1)
    assert len(found.distributions) == 2
    for one in found.distributions:
        lows = [each.low_nats for each in one.bins]
        assert lows == sorted(lows)
        assert sum(each.count for each in one.bins) == one.candidate_count
        over = [each.count for each in one.bins if each.low_nats >= SCORES.threshold_nats]
        assert sum(over) == one.passed_count


async def test_a_version_without_background_is_counted_and_not_compared(crawler):
    """An older version has its own candidates, and no drift."""
    found = await answer(crawler, "landscapes@1")
    [only] = found.distributions
    assert only.candidate_count == 1
    assert not only.HasField("drift")
    assert not found.HasField("drift")


@pytest.mark.parametrize(
    ("name", "max_days", "code"),
    [
        ("nosuch", 0, grpc.StatusCode.NOT_FOUND),
        ("landscapes", 367, grpc.StatusCode.INVALID_ARGUMENT),
        ("landscapes", -1, grpc.StatusCode.INVALID_ARGUMENT),
    ],
)
async def test_what_cannot_be_answered(crawler, name, max_days, code):
    """A profile that is not there, and days out of range."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await answer(crawler, name, max_days)
    assert caught.value.code() is code
