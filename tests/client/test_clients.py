"""The four typed clients against fake services over real gRPC."""

from __future__ import annotations

from contextlib import aclosing

import grpc
import pytest

from lodestone.client import (
    CrawlerClient,
    EmbedderClient,
    NoveltyClient,
    ResultsMissing,
    WatermarkClient,
)
from lodestone.crawler.v1 import crawl_pb2
from lodestone.crawler.v1.crawler_service_pb2 import (
    CreateCrawlRequest,
    ExportImagesRequest,
    JudgeOptions,
)
from lodestone.image.v1 import rejection_pb2, verdict_pb2
from lodestone.image.v1.embedding_pb2 import PRECISION_BF16, Embedding
from lodestone.image.v1.image_pb2 import Image
from lodestone.novelty.v1 import novelty_service_pb2 as pb
from lodestone.novelty.v1.novelty_service_pb2 import FitOptions
from lodestone.novelty.v1.profile_pb2 import ImageLabel
from tests.cli.conftest import png
from tests.cli.crawler_messages import fetched, kept_image
from tests.cli.fake_embedder import ENCODER_ID, embedding_of
from tests.cli.fake_services import FakeServices
from tests.cli.moving.made import exported

PICTURE = Image(encoded=png(4, 4))
TEXT = Image(encoded=b"no image")


@pytest.fixture
def fakes():
    with FakeServices() as services:
        yield services


async def test_embedder(fakes):
    """Facts, a batch with a rejection in its place, and one image over the stream."""
    async with EmbedderClient(fakes.address) as embedder:
        assert (await embedder.get_encoder()).encoder_id == ENCODER_ID
        first, second = await embedder.embed_images([PICTURE, TEXT])
        assert first.value == embedding_of(PICTURE)
        assert second.rejection.code == rejection_pb2.REJECTION_CODE_UNSUPPORTED_FORMAT
        assert (await embedder.embed(PICTURE)).value == embedding_of(PICTURE)


async def test_novelty(fakes):
    """A fit of more embeddings than one message holds, the profile back, and scores."""
    liked = [
        embedding_of(Image(encoded=bytes([index % 251, index // 251]))) for index in range(600)
    ]
    async with NoveltyClient(fakes.address) as novelty:
        options = FitOptions(request_id="once", name="landscapes")
        profile = await novelty.fit_profile(options, liked, liked[:3])
        assert (profile.liked_count, profile.background_count) == (600, 3)
        assert list(fakes.novelty.fits[0][1]) == liked
        assert await novelty.fit_profile(options, liked) == profile
        assert await novelty.get_profile("landscapes@1") == profile
        assert [one.name for one in await novelty.list_profiles()] == ["landscapes"]
        (scored,) = await novelty.score_embeddings("landscapes", liked[:1])
        assert scored.value.verdict == verdict_pb2.VERDICT_ACCEPTED
        assert (await novelty.score("landscapes", liked[0])).value.log_likelihood == 12.5
        with pytest.raises(grpc.aio.AioRpcError, match="there is no profile 'cats'"):
            await novelty.get_profile("cats")


def numbered(count):
    """Embeddings that the fake service tells apart: the number comes back as the percentile."""
    return [Embedding(values=[number, 1.0]) for number in range(count)]


async def test_many_scores(fakes):
    """Any number of embeddings, taken from any iterable, get their scores in order, 256 a message."""
    async with NoveltyClient(fakes.address) as novelty:
        for count, sizes in ((0, []), (1, [1]), (600, [256, 256, 88]), (3000, [256] * 11 + [184])):
            fakes.novelty.batch_sizes.clear()
            results = [one async for one in novelty.score_many("landscapes", iter(numbered(count)))]
            assert [one.value.percentile for one in results] == list(range(count))
            assert fakes.novelty.batch_sizes == sizes


async def test_many_scores_that_nobody_reads_on(fakes):
    """Leaving early leaves nothing in flight, and takes only a few messages of the embeddings."""
    remaining = iter(numbered(20_000))
    async with NoveltyClient(fakes.address) as novelty:
        async with aclosing(novelty.score_many("landscapes", remaining)) as results:
            assert (await anext(results)).value.percentile == 0
        assert novelty._stream.in_flight_count == 0
        assert next(remaining).values[0] == 8 * 256
        assert (await novelty.score("landscapes", numbered(1)[0])).value.log_likelihood == 12.5


async def test_many_scores_of_an_older_server(fakes):
    """A server that does not know such messages is found out by its answer."""
    fakes.novelty.scores_many = False
    async with NoveltyClient(fakes.address) as novelty:
        with pytest.raises(ResultsMissing, match="0 results came for 256 embeddings") as caught:
            await anext(novelty.score_many("landscapes", numbered(600)))
        assert (caught.value.wanted, caught.value.found) == (256, 0)
        assert novelty._stream.in_flight_count == 0


def pictures(count):
    """Embeddings of so many different pictures, with labels."""
    images = [Image(encoded=bytes([index])) for index in range(count)]
    labels = [ImageLabel(digest=f"{index:064x}", name=f"{index}.jpg") for index in range(count)]
    return [embedding_of(image) for image in images], labels


async def test_refits(fakes):
    """Labels go along, 256 a message; a refit sends what to leave out first, by labels and by embeddings."""
    liked, labels = pictures(256)
    liked, labels = liked + liked[:44], labels + labels[:44]
    async with NoveltyClient(fakes.address) as novelty:
        await novelty.fit_profile(
            FitOptions(request_id="1", name="landscapes"), liked, labels=iter_again(labels)
        )
        assert fakes.novelty.labels[0] == labels
        listed = [one async for one in novelty.list_liked_images("landscapes")]
        assert [one.position for one in listed] == list(range(300))
        assert listed[7].label == labels[7]
        removed = [
            pb.EmbeddingBatch(labels=labels[100:200]),
            pb.EmbeddingBatch(embeddings=liked[200:256]),
        ]
        options = FitOptions(request_id="2", name="landscapes", base_profile="landscapes@1")
        profile = await novelty.fit_profile(options, [], removed=removed)
        assert (profile.version, profile.liked_count) == (2, 144)
        with pytest.raises(ValueError, match="2 labels for 300 liked embeddings"):
            await novelty.fit_profile(options, liked, labels=labels[:2])


def iter_again(items):
    """A collection that is no list."""
    return dict(enumerate(items)).values()


async def test_versions_of_profiles(fakes):
    """Another threshold is a new version; versions are deleted one by one or together."""
    liked, _ = pictures(10)
    async with NoveltyClient(fakes.address) as novelty:
        await novelty.fit_profile(FitOptions(request_id="1", name="landscapes"), liked)
        request = pb.UpdateProfileRequest(profile="landscapes", keep_ratio=0.5)
        assert (await novelty.update_profile(request)).version == 2
        assert (await novelty.update_profile(request)).version == 2
        assert await novelty.delete_profile("landscapes@1") == [1]
        assert await novelty.delete_profile("landscapes") == [2]
        with pytest.raises(grpc.aio.AioRpcError, match="there is no profile"):
            await novelty.delete_profile("landscapes")


async def test_thumbnails_and_explanations(fakes):
    """Thumbnails are kept and compared in another precision; embeddings are explained and placed on a map."""
    liked, labels = pictures(10)
    thumbnails = [
        pb.Thumbnail(position=position, jpeg=b"jpeg", embedding=liked[position])
        for position in (2, 5)
    ]
    async with NoveltyClient(fakes.address) as novelty:
        options = FitOptions(request_id="1", name="landscapes")
        await novelty.fit_profile(options, liked, labels=labels)
        assert await novelty.put_thumbnails("landscapes@1", thumbnails) == 2
        shown = novelty.list_liked_images("landscapes", pb.LIKED_SELECTION_WITH_THUMBNAIL)
        assert [(one.position, one.thumbnail) async for one in shown] == [
            (2, b"jpeg"),
            (5, b"jpeg"),
        ]
        other = [Embedding(values=one.values, precision=PRECISION_BF16) for one in liked[:2]]
        check = await novelty.check_precision("landscapes@1", other)
        assert (check.precision, check.image_count, check.admitted) == (PRECISION_BF16, 2, True)
        (explained,) = await novelty.explain_embeddings("landscapes", liked[:1], neighbour_count=2)
        near = explained.value.neighbours
        assert [one.image.label.name for one in near] == ["0.jpg", "1.jpg"]
        points = await novelty.map_embeddings("landscapes", liked[:3])
        assert [one.role for one in points].count(pb.MAP_ROLE_GIVEN) == 3


async def test_watermark(fakes):
    """Facts, a batch, and one image over the stream."""
    async with WatermarkClient(fakes.address) as watermark:
        assert (await watermark.get_detector()).name == "fake"
        (detected,) = await watermark.detect_watermarks([PICTURE])
        assert list(detected.value.quadrant_probabilities) == [0.0, 0.0, 0.0, 0.25]
        assert (await watermark.detect(PICTURE)).value.probability == 0.25


async def test_crawler(fakes):
    """A crawl from its creation to its end, a judgement, seen images, and the lists."""
    fakes.crawler.listings = [fetched(1, accepted=True), fetched(2, accepted=False)]
    fakes.crawler.kept = [kept_image("a.jpg"), kept_image("b.jpg", profile="cats")]
    async with CrawlerClient(fakes.address) as crawler:
        request = CreateCrawlRequest(request_id="once", sources=["/x"], profile="landscapes")
        crawl = await crawler.create_crawl(request)
        events = [event async for event in crawler.watch_crawl(crawl.crawl_id)]
        assert [
            event.settled_listing.sequence for event in events if event.HasField("settled_listing")
        ] == [1, 2]
        assert events[-1].crawl.state == crawl_pb2.CRAWL_STATE_COMPLETED
        paused = await crawler.pause_crawl(crawl.crawl_id)
        assert paused.state == crawl_pb2.CRAWL_STATE_PAUSED
        resumed = await crawler.resume_crawl(crawl.crawl_id)
        assert resumed.state == crawl_pb2.CRAWL_STATE_RUNNING
        judged = await crawler.judge(PICTURE, JudgeOptions(profile="landscapes"))
        assert judged.value.perceptual_hash == "0123456789abcdef"

        async def images():
            yield PICTURE
            yield TEXT

        assert (await crawler.mark_images_seen("landscapes", images)).marked_count == 2
        assert fakes.crawler.seen[0] == ("landscapes", PICTURE.encoded)
        assert await crawler.list_source_yields() == []


async def test_kept_images(fakes):
    """The list, of a profile or all, the newest or all, with embeddings or without; one image, with its bytes."""
    fakes.crawler.kept = [kept_image("a.jpg"), kept_image("b.jpg", profile="cats")]
    digest = fakes.crawler.kept[0].digest
    fakes.crawler.embeddings = {digest: embedding_of(PICTURE)}
    fakes.crawler.encoded = {digest: PICTURE.encoded}

    async def names(*args, **choice):
        return [answer.image.file_name async for answer in crawler.list_images(*args, **choice)]

    async with CrawlerClient(fakes.address) as crawler:
        assert await names() == ["a.jpg", "b.jpg"]
        assert await names("cats") == ["b.jpg"]
        assert await names(newest=1) == ["b.jpg"]
        plain = [answer async for answer in crawler.list_images()]
        full = [answer async for answer in crawler.list_images(with_embeddings=True)]
        assert not plain[0].HasField("embedding")
        assert full[0].embedding == embedding_of(PICTURE)
        found = await crawler.get_image(digest[:8], with_encoded=True)
        assert [image.file_name for image in found.images] == ["a.jpg", "b.jpg"]
        assert found.encoded == PICTURE.encoded
        assert (await crawler.get_image(digest)).encoded == b""


async def test_a_watch_outlives_its_crawler(fakes):
    """UNAVAILABLE in the middle: the watch goes on after the last listing and tells that it waited."""
    fakes.crawler.listings = [fetched(sequence, accepted=True) for sequence in range(1, 6)]
    fakes.crawler.break_after = 3
    told = []
    async with CrawlerClient(fakes.address, on_wait=told.append) as crawler:
        request = CreateCrawlRequest(request_id="once", sources=["/x"], profile="landscapes")
        crawl = await crawler.create_crawl(request)
        sequences = [
            event.settled_listing.sequence
            async for event in crawler.watch_crawl(crawl.crawl_id)
            if event.HasField("settled_listing")
        ]
    assert sequences == [1, 2, 3, 4, 5]
    assert fakes.crawler.watched_from == [0, 3]
    assert "it is shutting down" in told


async def test_a_watch_of_no_crawl_is_an_error(fakes):
    """Other statuses than the passing ones are raised."""
    async with CrawlerClient(fakes.address) as crawler:
        with pytest.raises(grpc.aio.AioRpcError):
            async for _ in crawler.watch_crawl("c9"):
                pass


async def test_an_export_over_a_crawler_that_goes_away(fakes):
    """It goes on behind the last image, to the horizon that it began with; every image comes once."""
    fakes.crawler.exported = [exported(seed) for seed in range(4)]
    waits = []
    async with CrawlerClient(fakes.address, on_wait=waits.append) as crawler:
        request = ExportImagesRequest(profile="landscapes")
        first, *events = [event async for event in crawler.export_images(request)]
    assert [event.image for event in events] == fakes.crawler.exported
    assert first.horizon.digest == "1" * 64
    assert [one.after_sequence for one in fakes.crawler.exports] == [0, 1, 2]
    assert [one.horizon.digest for one in fakes.crawler.exports] == ["", "1" * 64, "1" * 64]
    assert {one.profile for one in fakes.crawler.exports} == {"landscapes"}
    assert [wait for wait in waits if wait] == [
        "it is shutting down",
        "the crawler ended the export early",
    ]
