"""The four services as one small server of threads: the real contract, with answers that tests can foresee."""

from __future__ import annotations

import hashlib
import math
import threading
from concurrent import futures

import grpc

from lodestone.crawler.v1 import crawl_pb2, crawler_service_pb2, kept_image_pb2, outcome_pb2
from lodestone.crawler.v1.crawler_service_pb2_grpc import (
    CrawlerServiceServicer,
    add_CrawlerServiceServicer_to_server,
)
from lodestone.crawler.v1.judgement_pb2 import Judgement
from lodestone.embedder.v1 import embedder_service_pb2, encoder_pb2
from lodestone.embedder.v1.embedder_service_pb2_grpc import (
    EmbedderServiceServicer,
    add_EmbedderServiceServicer_to_server,
)
from lodestone.image.v1 import embedding_pb2, image_pb2, rejection_pb2, verdict_pb2
from lodestone.novelty.v1.novelty_service_pb2_grpc import add_NoveltyServiceServicer_to_server
from lodestone.watermark.v1 import detector_pb2, watermark_service_pb2
from lodestone.watermark.v1.watermark_service_pb2_grpc import (
    WatermarkServiceServicer,
    add_WatermarkServiceServicer_to_server,
)
from tests.cli.fake_novelty import FakeNovelty

ENCODER_ID = "e" * 64


def rejection_of(image):
    """The rejection of an image that does not begin like a JPEG or PNG or does not end like one; None if it does."""
    encoded = image.encoded
    if not encoded.startswith((b"\xff\xd8\xff", b"\x89PNG")):
        code = rejection_pb2.REJECTION_CODE_UNSUPPORTED_FORMAT
        return rejection_pb2.Rejection(code=code, reason="not an image by its first bytes")
    if not encoded.endswith((b"\xff\xd9", b"IEND\xaeB`\x82")):
        code = rejection_pb2.REJECTION_CODE_TRUNCATED
        return rejection_pb2.Rejection(code=code, reason="the file ends before the image does")
    return None


def embedding_of(image):
    """Four coordinates out of the digest of the bytes, L2 norm 1."""
    numbers = [byte + 1 for byte in hashlib.sha256(image.encoded).digest()[:4]]
    norm = math.hypot(*numbers)
    return embedding_pb2.Embedding(
        values=[number / norm for number in numbers],
        encoder_id=ENCODER_ID,
        precision=embedding_pb2.PRECISION_FP32,
    )


class FakeEmbedder(EmbedderServiceServicer):
    """Embeds by digest.

    Attributes:
        precision: What is served.
        embedded: The bytes of every image that was embedded.
    """

    def __init__(self):
        self.precision = embedding_pb2.PRECISION_FP32
        self.embedded = []

    def GetEncoder(self, request, context):  # noqa: N802 - the contract's name
        encoder = encoder_pb2.Encoder(
            encoder_id=ENCODER_ID,
            name="fake",
            dimension=4,
            precision=self.precision,
            input_width_px=8,
            input_height_px=8,
            resize_rule=encoder_pb2.RESIZE_RULE_SQUASH,
        )
        return embedder_service_pb2.GetEncoderResponse(encoder=encoder)

    def EmbedImages(self, request, context):  # noqa: N802 - the contract's name
        results = [self._embed(image) for image in request.images]
        return embedder_service_pb2.EmbedImagesResponse(results=results)

    def StreamEmbedImages(self, requests, context):  # noqa: N802 - the contract's name
        for request in requests:
            yield embedder_service_pb2.StreamEmbedImagesResponse(
                id=request.id, result=self._embed(request.image)
            )

    def _embed(self, image):
        rejection = rejection_of(image)
        if rejection is not None:
            return embedder_service_pb2.EmbedResult(rejection=rejection)
        self.embedded.append(image.encoded)
        embedding = embedding_of(image)
        embedding.precision = self.precision
        return embedder_service_pb2.EmbedResult(value=embedding)


class FakeWatermark(WatermarkServiceServicer):
    """Sees a faint mark in the last quadrant of everything."""

    def GetDetector(self, request, context):  # noqa: N802 - the contract's name
        detector = detector_pb2.Detector(
            detector_id="d" * 64,
            name="fake",
            threshold=0.5,
            input_width_px=8,
            input_height_px=8,
        )
        return watermark_service_pb2.GetDetectorResponse(detector=detector)

    def DetectWatermarks(self, request, context):  # noqa: N802 - the contract's name
        results = [self._detect(image) for image in request.images]
        return watermark_service_pb2.DetectWatermarksResponse(results=results)

    def StreamDetectWatermarks(self, requests, context):  # noqa: N802 - the contract's name
        for request in requests:
            yield watermark_service_pb2.StreamDetectWatermarksResponse(
                id=request.id, result=self._detect(request.image)
            )

    def _detect(self, image):
        detection = watermark_service_pb2.Detection(
            probability=0.25, quadrant_probabilities=[0.0, 0.0, 0.0, 0.25], threshold=0.5
        )
        return watermark_service_pb2.DetectResult(value=detection)


class FakeCrawler(CrawlerServiceServicer):
    """One crawl at a time, over the listings that a test lays out.

    Attributes:
        listings: SettledListing messages, in order.
        end_state, end_reason: What the crawl becomes after the last one; RUNNING waits for a pause.
        break_after: The first watch breaks with UNAVAILABLE after so many listings; 0 never.
        created: Every CreateCrawlRequest.
        watched_from: The after_sequence of every watch.
        watching: Set when a watch has sent everything and waits.
        seen: The (profile name, bytes) of every image marked as seen; `forgetful` makes that fail.
        kept, yields: What the lists answer.
        embeddings, encoded: Of kept images, by digest.
        nearest: The LikedNeighbour messages of every explanation.
        scored: What ListScoreDistributions answers; None is UNAVAILABLE.
        scored_days: The (profile, max_days) of every such request.
        judged: The options of every judged image.
        rejudgements: Every RejudgeImagesRequest; `rejudged` and `rejudge_summary` are what it answers.
        silent: Set: images are not judged; `judging` tells that one has arrived.
    """

    def __init__(self):
        self.listings = []
        self.end_state = crawl_pb2.CRAWL_STATE_COMPLETED
        self.end_reason = ""
        self.break_after = 0
        self.created = []
        self.watched_from = []
        self.watching = threading.Event()
        self.seen = []
        self.forgetful = False
        self.kept = []
        self.nearest = []
        self.embeddings = {}
        self.encoded = {}
        self.yields = []
        self.communities = []
        self.kinds = []
        self.proposals = []
        self.added = []
        self.hosts = []
        self.scored = crawler_service_pb2.ListScoreDistributionsResponse()
        self.scored_days = []
        self.purges = []
        self.rejudgements = []
        self.rejudged = []
        self.rejudge_summary = crawler_service_pb2.RejudgeSummary()
        self.judged = []
        self.silent = threading.Event()
        self.judging = threading.Event()
        self._paused = threading.Event()
        self._crawl = None

    def CreateCrawl(self, request, context):  # noqa: N802 - the contract's name
        self.created.append(request)
        if request.profile != "landscapes":
            details = f"there is no profile {request.profile!r}"
            context.abort(grpc.StatusCode.NOT_FOUND, details)
        self._crawl = crawl_pb2.Crawl(
            crawl_id="c1",
            state=crawl_pb2.CRAWL_STATE_RUNNING,
            sources=[source.uri for source in request.crawl_sources],
            profile_name="landscapes",
            profile_version=1,
            limits=request.limits,
        )
        return crawler_service_pb2.CreateCrawlResponse(crawl=self._crawl)

    def GetCrawl(self, request, context):  # noqa: N802 - the contract's name
        if self._crawl is None or request.crawl_id != self._crawl.crawl_id:
            context.abort(grpc.StatusCode.NOT_FOUND, f"there is no crawl {request.crawl_id!r}")
        return crawler_service_pb2.GetCrawlResponse(crawl=self._crawl)

    def PauseCrawl(self, request, context):  # noqa: N802 - the contract's name
        self._paused.set()
        self._crawl.state = crawl_pb2.CRAWL_STATE_PAUSED
        return crawler_service_pb2.PauseCrawlResponse(crawl=self._crawl)

    def ResumeCrawl(self, request, context):  # noqa: N802 - the contract's name
        if self._crawl is None or request.crawl_id != self._crawl.crawl_id:
            context.abort(grpc.StatusCode.NOT_FOUND, f"there is no crawl {request.crawl_id!r}")
        self._paused.clear()
        self._crawl.state = crawl_pb2.CRAWL_STATE_RUNNING
        return crawler_service_pb2.ResumeCrawlResponse(crawl=self._crawl)

    def WatchCrawl(self, request, context):  # noqa: N802 - the contract's name
        self.watched_from.append(request.after_sequence)
        respond = crawler_service_pb2.WatchCrawlResponse
        yield respond(crawl=self._crawl)
        for settled in self.listings[request.after_sequence :]:
            self._count(settled)
            yield respond(settled_listing=settled)
            yield respond(crawl=self._crawl)
            if settled.sequence == self.break_after and len(self.watched_from) == 1:
                context.abort(grpc.StatusCode.UNAVAILABLE, "it is shutting down")
        if self.end_state == crawl_pb2.CRAWL_STATE_RUNNING:
            self.watching.set()
            self._paused.wait(30)
        else:
            self._crawl.state = self.end_state
            self._crawl.state_reason = self.end_reason
        yield respond(crawl=self._crawl)

    def StreamJudgeImages(self, requests, context):  # noqa: N802 - the contract's name
        for request in requests:
            self.judged.append(request.options)
            self.judging.set()
            if self.silent.is_set():
                continue
            if request.options.profile != "landscapes":
                details = f"there is no profile {request.options.profile!r}"
                context.abort(grpc.StatusCode.NOT_FOUND, details)
            yield crawler_service_pb2.StreamJudgeImagesResponse(
                id=request.id, result=self._judge(request)
            )

    def MarkImagesSeen(self, requests, context):  # noqa: N802 - the contract's name
        marked = [(request.profile_name, request.image.encoded) for request in requests]
        if self.forgetful:
            context.abort(grpc.StatusCode.INTERNAL, "internal error 1f3a9c")
        self.seen += marked
        return crawler_service_pb2.MarkImagesSeenResponse(marked_count=len(marked))

    def ListImages(self, request, context):  # noqa: N802 - the contract's name
        names = {"", "landscapes"} | {image.judgement.profile_name for image in self.kept}
        if request.profile_name not in names:
            details = f"there is no profile {request.profile_name!r}"
            context.abort(grpc.StatusCode.NOT_FOUND, details)
        chosen = [
            image
            for image in self.kept
            if request.profile_name in ("", image.judgement.profile_name)
        ]
        for image in chosen[-request.newest :]:
            embedding = self.embeddings.get(image.digest) if request.with_embeddings else None
            yield crawler_service_pb2.ListImagesResponse(image=image, embedding=embedding)

    def GetImage(self, request, context):  # noqa: N802 - the contract's name
        found = [image for image in self.kept if image.digest.startswith(request.digest)]
        if not found:
            details = f"there is no kept image {request.digest!r}"
            context.abort(grpc.StatusCode.NOT_FOUND, details)
        digest = found[0].digest
        return crawler_service_pb2.GetImageResponse(
            images=found,
            embedding=self.embeddings.get(digest),
            encoded=self.encoded.get(digest, b"") if request.with_encoded else b"",
        )

    def PurgeImages(self, request, context):  # noqa: N802 - the contract's name
        self.purges.append(request)
        for image in self.kept:
            if image.digest in request.digests:
                purged = kept_image_pb2.PurgedImage(
                    digest=image.digest, listing=image.listing, reason="asked"
                )
                yield crawler_service_pb2.PurgeImagesResponse(image=purged)

    def ListScoreDistributions(self, request, context):  # noqa: N802 - the contract's name
        self.scored_days.append((request.profile, request.max_days))
        if self.scored is None:
            details = "the novelty service is unavailable: no answer"
            context.abort(grpc.StatusCode.UNAVAILABLE, details)
        return self.scored

    def RejudgeImages(self, request, context):  # noqa: N802 - the contract's name
        self.rejudgements.append(request)
        if request.profile != "landscapes":
            context.abort(grpc.StatusCode.NOT_FOUND, f"there is no profile {request.profile!r}")
        for image in self.rejudged:
            yield crawler_service_pb2.RejudgeImagesResponse(image=image)
        if self.rejudge_summary.crawl_id:
            self._crawl = crawl_pb2.Crawl(
                crawl_id=self.rejudge_summary.crawl_id,
                state=crawl_pb2.CRAWL_STATE_RUNNING,
                profile_name="landscapes",
                profile_version=2,
            )
        yield crawler_service_pb2.RejudgeImagesResponse(summary=self.rejudge_summary)

    def ListHosts(self, request, context):  # noqa: N802 - the contract's name
        return crawler_service_pb2.ListHostsResponse(hosts=self.hosts)

    def AddCrawlSources(self, request, context):  # noqa: N802 - the contract's name
        if self._crawl is None or request.crawl_id != self._crawl.crawl_id:
            context.abort(grpc.StatusCode.NOT_FOUND, f"there is no crawl {request.crawl_id!r}")
        self.added.append(request)
        self._crawl.sources.extend(source.uri for source in request.crawl_sources)
        return crawler_service_pb2.AddCrawlSourcesResponse(crawl=self._crawl)

    def ListSourceKinds(self, request, context):  # noqa: N802 - the contract's name
        return crawler_service_pb2.ListSourceKindsResponse(source_kinds=self.kinds)

    def DiscoverSources(self, request, context):  # noqa: N802 - the contract's name
        chosen = self.proposals if request.profile_name in ("", "landscapes") else []
        return crawler_service_pb2.DiscoverSourcesResponse(proposals=chosen)

    def ListSourceYields(self, request, context):  # noqa: N802 - the contract's name
        found = self.communities if request.by_community else self.yields
        return crawler_service_pb2.ListSourceYieldsResponse(source_yields=found)

    def _judge(self, request):
        rejection = rejection_of(request.image)
        if rejection is not None:
            return crawler_service_pb2.JudgeResult(rejection=rejection)
        judgement = judgement_of(accepted=len(request.image.encoded) % 2 == 0)
        if request.options.all_gates:
            judgement.watermark_probability = 0.25
            judgement.quadrant_probabilities[:] = [0.0, 0.0, 0.0, 0.25]
        if request.options.explain:
            judgement.nearest_liked.extend(self.nearest)
        return crawler_service_pb2.JudgeResult(value=judgement)

    def _count(self, settled):
        progress = self._crawl.progress
        progress.settled_count = settled.sequence
        progress.found_count = len(self.listings)
        if settled.HasField("judgement"):
            progress.fetched_count += 1
            _add(progress.verdict_counts, verdict=settled.judgement.verdict)
        else:
            outcome = settled.outcome
            _add(progress.outcome_counts, state=outcome.state, reason=outcome.reason)


def _add(counts, **key):
    for one in counts:
        if all(getattr(one, name) == value for name, value in key.items()):
            one.count += 1
            return
    counts.add(**key, count=1)


def judgement_of(*, accepted):
    """An accepted judgement with every score, or one that is off the profile, with the watermark gate's absent."""
    judgement = Judgement(
        verdict=verdict_pb2.VERDICT_ACCEPTED if accepted else verdict_pb2.VERDICT_OFF_PROFILE,
        reason="fits" if accepted else "-3.00 nats are under the threshold of 8.00",
        log_likelihood=12.5 if accepted else -3.0,
        percentile=40.0 if accepted else 0.0,
        perceptual_hash="0123456789abcdef",
        width_px=1600,
        height_px=1200,
        profile_name="landscapes",
        profile_version=1,
    )
    if accepted:
        judgement.watermark_probability = 0.125
        judgement.quadrant_probabilities[:] = [0.125, 0.0, 0.0, 0.0]
    return judgement


def fetched(sequence, *, accepted, title="A lake"):
    """A listing that was fetched and judged."""
    url = f"https://example.org/{sequence}.jpg"
    return crawl_pb2.SettledListing(
        sequence=sequence,
        listing=crawl_pb2.Listing(source="page:https://example.org/", url=url, title=title),
        outcome=outcome_pb2.Outcome(
            state=outcome_pb2.OUTCOME_STATE_FETCHED, final_url=url, digest="ab" * 32
        ),
        judgement=judgement_of(accepted=accepted),
    )


def missing(sequence):
    """A listing whose server answered 404."""
    return crawl_pb2.SettledListing(
        sequence=sequence,
        listing=crawl_pb2.Listing(
            source="page:https://example.org/", url=f"https://example.org/{sequence}.jpg"
        ),
        outcome=outcome_pb2.Outcome(
            state=outcome_pb2.OUTCOME_STATE_FAILED,
            reason=outcome_pb2.OUTCOME_REASON_NOT_FOUND,
            message="the server answered 404",
        ),
    )


def kept_image(
    name,
    *,
    profile="landscapes",
    state=kept_image_pb2.FILE_STATE_PRESENT,
    digest="ab" * 32,
):
    """An image that was kept."""
    judgement = judgement_of(accepted=True)
    judgement.profile_name = profile
    image = kept_image_pb2.KeptImage(
        digest=digest,
        file_name=name,
        size_bytes=123_456,
        listing=crawl_pb2.Listing(source="folder:/photos", url="file:///photos/a.jpg"),
        judgement=judgement,
        file_state=state,
    )
    image.accept_time.FromJsonString("2026-11-22T10:00:00Z")
    return image


def keep_pictures(crawler, pictures, *, profile="landscapes"):
    """Lays pictures into the store as `0.png` and so on, with their embeddings; returns their digests."""
    digests = []
    for number, encoded in enumerate(pictures):
        digest = hashlib.sha256(encoded).hexdigest()
        crawler.kept.append(kept_image(f"{number}.png", profile=profile, digest=digest))
        crawler.encoded[digest] = encoded
        crawler.embeddings[digest] = embedding_of(image_pb2.Image(encoded=encoded))
        digests.append(digest)
    return digests


class FakeServices:
    """All four behind one address; a context manager.

    Attributes:
        address: `host:port`.
        embedder, novelty, watermark, crawler: The servicers.
    """

    def __init__(self):
        self.embedder = FakeEmbedder()
        self.novelty = FakeNovelty()
        self.watermark = FakeWatermark()
        self.crawler = FakeCrawler()
        self._server = grpc.server(
            futures.ThreadPoolExecutor(16),
            options=[("grpc.max_receive_message_length", 64 * 1024 * 1024)],
        )
        add_EmbedderServiceServicer_to_server(self.embedder, self._server)
        add_NoveltyServiceServicer_to_server(self.novelty, self._server)
        add_WatermarkServiceServicer_to_server(self.watermark, self._server)
        add_CrawlerServiceServicer_to_server(self.crawler, self._server)
        port = self._server.add_insecure_port("127.0.0.1:0")
        self.address = f"127.0.0.1:{port}"

    def __enter__(self):
        self._server.start()
        return self

    def __exit__(self, *error):
        self._server.stop(None).wait()
