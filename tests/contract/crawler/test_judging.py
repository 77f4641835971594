"""Explanations and precisions over the wire: a real crawler, model services that are fakes."""

from __future__ import annotations

import asyncio

import grpc
import pytest

from lodestone.crawler.v1 import crawl_pb2
from lodestone.crawler.v1 import crawler_service_pb2 as pb
from lodestone.crawler.v1.crawler_service_pb2_grpc import CrawlerServiceStub
from lodestone.image.v1 import verdict_pb2
from lodestone.image.v1.image_pb2 import Image
from services.crawler.__main__ import build
from services.crawler.config import CrawlerSettings
from tests.contract.refusal import refusal
from tests.fakes.colour_services import BF16, FP32, PALETTE, ColourServices, jpeg_of
from tests.fakes.serving import serving, settings_for_tests

NEARLY_BLUE, GREY = (25, 10, 240), (128, 128, 128)


@pytest.fixture
def services(tmp_path, monkeypatch):
    monkeypatch.setenv("LODESTONE_DATA", str(tmp_path / "data"))
    with ColourServices() as fakes:
        for name in ("EMBEDDER", "NOVELTY", "WATERMARK"):
            monkeypatch.setenv(f"LODESTONE_{name}", fakes.address)
        yield fakes


@pytest.fixture
async def stub(services):
    settings = settings_for_tests(CrawlerSettings, min_pixels=0, decoders=1, workers=2)
    async with serving(await build(settings), settings) as channel:
        yield CrawlerServiceStub(channel)


async def judge(stub, *colours, **options):
    how = pb.JudgeOptions(profile="colours", **options)
    images = [Image(encoded=jpeg_of(colour)) for colour in colours]
    answer = await stub.JudgeImages(pb.JudgeImagesRequest(options=how, images=images))
    return [result.value for result in answer.results]


async def test_an_explanation_names_the_nearest_liked_images(stub):
    """Three of them, nearest first, with label, place and similarity; whether the image fits or not."""
    near, far = await judge(stub, NEARLY_BLUE, GREY, explain=True)
    assert near.verdict == verdict_pb2.VERDICT_ACCEPTED
    assert far.verdict == verdict_pb2.VERDICT_OFF_PROFILE
    nearest = near.nearest_liked
    assert [one.image.label.name for one in nearest] == ["blue", "purple", "teal"]
    assert [one.image.position for one in nearest] == [PALETTE.index("blue"), 7, 5]
    assert nearest[0].image.label.digest == f"{6:064x}"
    assert nearest[0].image.held_out_log_likelihood == 6.0
    assert 0.99 < nearest[0].cosine_similarity <= 1.0
    assert nearest[0].cosine_similarity > nearest[1].cosine_similarity
    assert near.log_likelihood == pytest.approx(100 * nearest[0].cosine_similarity, abs=1e-3)
    assert not any(one.image.thumbnail for one in nearest)
    assert len(far.nearest_liked) == 3
    assert far.percentile == 10.0


async def test_nothing_is_explained_unasked(stub):
    """Without the option no liked image is named."""
    [judged] = await judge(stub, NEARLY_BLUE)
    assert list(judged.nearest_liked) == []


async def test_what_a_cheaper_gate_rejected_is_explained_too(stub):
    """A copy of a liked image is a duplicate, and has its score and its neighbours; the watermark was not asked for."""
    encoded = jpeg_of("blue")
    seen = pb.MarkImagesSeenRequest(profile_name="colours", image=Image(encoded=encoded))
    await stub.MarkImagesSeen(iter([seen]))
    [plain] = await judge(stub, "blue", screen=True)
    assert plain.verdict == verdict_pb2.VERDICT_DUPLICATE
    assert not plain.HasField("log_likelihood")
    [explained] = await judge(stub, "blue", screen=True, explain=True)
    assert (explained.verdict, explained.reason) == (plain.verdict, plain.reason)
    assert explained.nearest_liked[0].image.label.name == "blue"
    assert explained.log_likelihood == pytest.approx(100.0, abs=1e-3)
    assert explained.percentile == 60.0
    assert not explained.HasField("watermark_probability")


async def test_explanations_over_the_stream(stub):
    """The same, one message each."""
    options = pb.JudgeOptions(profile="colours", explain=True)
    requests = [
        pb.StreamJudgeImagesRequest(id=name, options=options, image=Image(encoded=jpeg_of(name)))
        for name in ("red", "green")
    ]
    answers = stub.StreamJudgeImages(iter(requests))
    found = {
        answer.id: answer.result.value.nearest_liked[0].image.label.name async for answer in answers
    }
    assert found == {"red": "red", "green": "green"}


async def test_a_profile_that_is_too_old_to_explain(stub, services):
    """FAILED_PRECONDITION says what to do; without the option it judges as before."""
    services.novelty.keeps_liked = False
    code, details = await refusal(judge(stub, "blue", explain=True))
    assert code is grpc.StatusCode.FAILED_PRECONDITION
    assert details == "colours@1 was fitted before profiles kept their liked images: fit it again"
    [judged] = await judge(stub, "blue")
    assert judged.verdict == verdict_pb2.VERDICT_ACCEPTED


async def test_another_precision_is_scored_once_no_verdict_moves(stub, services):
    """All thumbnails are embedded in one batch and compared once, however many images are judged."""
    services.embedder.precision, services.embedder.shift = BF16, 0.001
    judged = await judge(stub, *PALETTE, GREY)
    assert [one.verdict for one in judged] == [verdict_pb2.VERDICT_ACCEPTED] * 8 + [
        verdict_pb2.VERDICT_OFF_PROFILE
    ]
    await judge(stub, "blue", explain=True)
    assert services.embedder.batches == services.novelty.checks == [len(PALETTE)]


async def test_another_precision_that_moves_verdicts(stub, services):
    """Neither judged nor crawled with, told with the measured shift and the cure; a crawl in its own precision is."""
    services.embedder.precision, services.embedder.shift = BF16, 0.5
    create = pb.CreateCrawlRequest(request_id="1", sources=["folder:/tmp"], profile="colours")
    for call in (judge(stub, "blue"), judge(stub, "blue", explain=True), stub.CreateCrawl(create)):
        code, details = await refusal(call)
        assert code is grpc.StatusCode.FAILED_PRECONDITION
        assert "colours@1 was fitted to FP32, not BF16" in details
        assert "of its 8 thumbnails get another verdict" in details
        assert "nats (median" in details
        assert "`lodestone profile refit colours --photos DIR`" in details
    assert services.novelty.checks == [len(PALETTE)]
    services.embedder.precision = FP32
    assert (await judge(stub, "blue"))[0].verdict == verdict_pb2.VERDICT_ACCEPTED


async def test_another_precision_without_thumbnails(stub, services):
    """There is nothing to tell by: refused, and no embedding is compared."""
    services.embedder.precision = BF16
    services.novelty.thumbnails = []
    code, details = await refusal(judge(stub, "blue"))
    assert code is grpc.StatusCode.FAILED_PRECONDITION
    assert "keeps no thumbnails to compare the two with" in details
    assert services.novelty.checks == []


async def crawl_state(stub, crawl_id, *states):
    while True:
        answer = await stub.GetCrawl(pb.GetCrawlRequest(crawl_id=crawl_id))
        if answer.crawl.state in states:
            return answer.crawl
        await asyncio.sleep(0.05)


def verdicts(crawl):
    return {count.verdict: count.count for count in crawl.progress.verdict_counts}


async def test_a_detector_without_a_verdict_pauses_a_crawl(stub, services, tmp_path):
    """NaN is under no threshold: nothing is accepted, and all is judged when the crawl goes on with a sound one."""
    services.watermark.probability = float("nan")
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "blue.jpg").write_bytes(jpeg_of("blue"))
    source = f"folder:{tmp_path / 'photos'}"
    request = pb.CreateCrawlRequest(request_id="1", profile="colours", sources=[source])
    crawl_id = (await stub.CreateCrawl(request)).crawl.crawl_id
    async with asyncio.timeout(60):
        stopped = await crawl_state(stub, crawl_id, crawl_pb2.CRAWL_STATE_PAUSED)
        assert verdicts(stopped) == {}
        assert (
            stopped.state_reason == "detector dddddddddddd gives no verdict: nan is not in [0, 1]"
        )
        assert (await refusal(judge(stub, "blue")))[0] is grpc.StatusCode.FAILED_PRECONDITION
        services.watermark.probability = 0.25
        await stub.ResumeCrawl(pb.ResumeCrawlRequest(crawl_id=crawl_id))
        ended = await crawl_state(stub, crawl_id, crawl_pb2.CRAWL_STATE_COMPLETED)
    assert verdicts(ended) == {verdict_pb2.VERDICT_ACCEPTED: 1}


async def test_an_embedder_that_comes_back_with_another_precision(stub, services, tmp_path):
    """The running crawl pauses with the shift as its reason, goes on when it is resumed, and has lost nothing."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in PALETTE:
        (folder / f"{name}.jpg").write_bytes(jpeg_of(name))
    request = pb.CreateCrawlRequest(request_id="1", profile="colours")
    request.crawl_sources.add(uri=f"folder:{folder}", follow=True).poll_interval.FromSeconds(1)
    crawl = (await stub.CreateCrawl(request)).crawl
    running, paused = crawl_pb2.CRAWL_STATE_RUNNING, crawl_pb2.CRAWL_STATE_PAUSED
    async with asyncio.timeout(60):
        while verdicts(await crawl_state(stub, crawl.crawl_id, running)) != {
            verdict_pb2.VERDICT_ACCEPTED: len(PALETTE)
        }:
            await asyncio.sleep(0.05)
        services.embedder.precision, services.embedder.shift = BF16, 0.5
        (folder / "nearly.jpg").write_bytes(jpeg_of(NEARLY_BLUE))
        stopped = await crawl_state(stub, crawl.crawl_id, paused)
        assert "not BF16" in stopped.state_reason
        assert "thumbnails get another verdict" in stopped.state_reason
        assert verdicts(stopped) == {verdict_pb2.VERDICT_ACCEPTED: len(PALETTE)}
        services.embedder.precision = FP32
        await stub.ResumeCrawl(pb.ResumeCrawlRequest(crawl_id=crawl.crawl_id))
        while sum(verdicts(await crawl_state(stub, crawl.crawl_id, running)).values()) != 9:
            await asyncio.sleep(0.05)
        ended = (await stub.CancelCrawl(pb.CancelCrawlRequest(crawl_id=crawl.crawl_id))).crawl
    assert verdicts(ended) == {verdict_pb2.VERDICT_ACCEPTED: len(PALETTE) + 1}
    assert ended.progress.fetched_count == len(PALETTE) + 1
