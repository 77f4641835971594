"""A crawler and a novelty service, both real: explanations, and embeddings of another precision than a profile's."""

from __future__ import annotations

import hashlib

import grpc
import pytest

from lodestone.crawler.v1 import crawler_service_pb2 as pb
from lodestone.crawler.v1.crawler_service_pb2_grpc import CrawlerServiceStub
from lodestone.image.v1.image_pb2 import Image
from lodestone.novelty.v1 import novelty_service_pb2, profile_pb2
from services.crawler.__main__ import build as build_crawler
from services.crawler.config import CrawlerSettings
from tests.fakes.colour_services import BF16, FP32, ColourServices, embed, jpeg_of
from tests.fakes.serving import serving, settings_for_tests

# Hues around the circle: no two of their embeddings are one picture.
HUES = [f"hsv({22.5 * step},100%,100%)" for step in range(16)]


@pytest.fixture
async def services(novelty, monkeypatch):
    """A profile of hues, with thumbnails, beside an embedder of colours."""
    with ColourServices() as fakes:
        monkeypatch.setenv("LODESTONE_EMBEDDER", fakes.address)
        monkeypatch.setenv("LODESTONE_WATERMARK", fakes.address)
        await fit(novelty)
        yield fakes


@pytest.fixture
async def stub(services):
    settings = settings_for_tests(CrawlerSettings, min_pixels=0, decoders=1)
    async with serving(await build_crawler(settings), settings) as channel:
        yield CrawlerServiceStub(channel)


async def fit(novelty):
    files = [jpeg_of(colour) for colour in HUES]
    embeddings = [embed(Image(encoded=file)) for file in files]
    labels = [
        profile_pb2.ImageLabel(name=f"{place}.jpg", digest=hashlib.sha256(file).hexdigest())
        for place, file in enumerate(files)
    ]
    request = novelty_service_pb2.FitProfileRequest
    options = novelty_service_pb2.FitOptions(request_id="1", name="hues", keep_ratio=0.5)
    liked = novelty_service_pb2.EmbeddingBatch(embeddings=embeddings, labels=labels)
    await novelty.FitProfile(iter([request(options=options), request(liked=liked)]))
    thumbnails = [
        novelty_service_pb2.Thumbnail(position=place, jpeg=file, embedding=embedding)
        for place, (file, embedding) in enumerate(zip(files, embeddings, strict=True))
    ]
    put = novelty_service_pb2.PutThumbnailsRequest(profile="hues@1", thumbnails=thumbnails)
    await novelty.PutThumbnails(put)


async def judge(stub, colour, **options):
    how = pb.JudgeOptions(profile="hues", **options)
    request = pb.JudgeImagesRequest(options=how, images=[Image(encoded=jpeg_of(colour))])
    return (await stub.JudgeImages(request)).results[0].value


async def checks(novelty):
    answer = await novelty.GetProfile(novelty_service_pb2.GetProfileRequest(profile="hues"))
    return list(answer.profile.precision_checks)


async def test_an_explanation_comes_from_the_profiles_own_liked_images(stub):
    """The image itself is the nearest one of those it was liked with, by name and digest."""
    judged = await judge(stub, HUES[3], explain=True)
    assert len(judged.nearest_liked) == 3
    first = judged.nearest_liked[0]
    assert (first.image.position, first.image.label.name) == (3, "3.jpg")
    assert first.image.label.digest == hashlib.sha256(jpeg_of(HUES[3])).hexdigest()
    assert first.cosine_similarity == pytest.approx(1.0, abs=1e-3)
    plain = await judge(stub, HUES[3])
    assert judged.log_likelihood == pytest.approx(plain.log_likelihood, rel=1e-5)
    assert judged.percentile == plain.percentile


async def test_a_precision_that_moves_no_verdict_is_admitted_for_good(stub, services, novelty):
    """One comparison of all thumbnails, which the profile keeps; scores and explanations come in it from then on."""
    services.embedder.precision, services.embedder.shift = BF16, 1e-5
    judged = await judge(stub, HUES[3], explain=True)
    assert judged.HasField("log_likelihood")
    [check] = await checks(novelty)
    assert (check.precision, check.image_count, check.moved_count) == (BF16, len(HUES), 0)
    assert check.admitted
    await judge(stub, HUES[4])
    assert services.embedder.batches == [len(HUES)]


async def test_a_precision_that_moves_verdicts_is_refused(stub, services, novelty):
    """With the shift that the novelty service measured; in the profile's own precision all is well."""
    services.embedder.precision, services.embedder.shift = BF16, 0.2
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await judge(stub, HUES[3])
    assert caught.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    [check] = await checks(novelty)
    assert not check.admitted
    assert f"{check.moved_count} of its 16 thumbnails" in caught.value.details()
    assert f"by up to {check.max_shift_nats:.3g} nats" in caught.value.details()
    services.embedder.precision = FP32
    assert (await judge(stub, HUES[3])).HasField("log_likelihood")


async def test_embeddings_that_cannot_be_the_thumbnails_are_refused(stub, services, novelty):
    """So far off that the novelty service takes them for other images': the state is to blame, not the request."""
    services.embedder.precision, services.embedder.shift = BF16, 0.8
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await judge(stub, HUES[3])
    assert caught.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert "cosine similarity to the thumbnail's own" in caught.value.details()
    assert await checks(novelty) == []
