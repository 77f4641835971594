"""The crawler, as the fakes have it: it answers what a test lays out."""

from __future__ import annotations

import hashlib
import threading

import grpc

from lodestone.crawler.v1 import (
    crawl_pb2,
    crawl_source_pb2,
    crawler_service_pb2,
    duplicate_image_pb2,
    kept_image_pb2,
)
from lodestone.crawler.v1.crawler_service_pb2_grpc import CrawlerServiceServicer
from tests.cli.crawler_messages import judgement_of
from tests.cli.fake_embedder import rejection_of


class FakeCrawler(CrawlerServiceServicer):
    """One crawl at a time, over the listings that a test lays out.

    Attributes:
        listings: SettledListing messages, in order.
        end_state, end_reason: What the crawl becomes after the last one; RUNNING waits for a pause.
        break_after: The first watch breaks with UNAVAILABLE after so many listings; 0 never.
        created: Every CreateCrawlRequest.
        current: The crawl; None before there is one.
        watched_from: The after_sequence of every watch.
        watching: Set when a watch has sent everything and waits.
        seen: The (profile name, bytes) of every image marked as seen; `forgetful` makes that fail.
        duplicates: The DuplicateReport of each image, by its bytes.
        kept, yields, sinks: What the lists answer.
        embeddings, encoded: Of kept images, by digest.
        nearest: The LikedNeighbour messages of every explanation.
        scored: What ListScoreDistributions answers; None is UNAVAILABLE.
        scored_days: The (profile, max_days) of every such request.
        judged: The options of every judged image.
        exported: The ExportedImage messages; the export breaks with UNAVAILABLE before the second of them, and ends
            early before the third, once each. Behind an earlier export are only those that it left out.
        pairs: Of digests, the smaller one first, that are no duplicates; `near`: whether they were near, None unknown.
        exports: Every ExportImagesRequest.
        rejudgements: Every RejudgeImagesRequest; `rejudged` and `rejudge_summary` are what it answers.
        may_resume: Cleared: a crawl is not resumed until it is set; `resuming` tells that one was asked for.
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
        self.away = 0
        self.duplicates = {}
        self.pairs = set()
        self.near = True
        self.kept = []
        self.nearest = []
        self.embeddings = {}
        self.encoded = {}
        self.yields = []
        self.communities = []
        self.kinds = []
        self.proposals = []
        self.added = []
        self.prioritised = []
        self.hosts = []
        self.sinks = []
        self.scored = crawler_service_pb2.ListScoreDistributionsResponse()
        self.scored_days = []
        self.purges = []
        self.exported = []
        self.exports = []
        self.rejudgements = []
        self.rejudged = []
        self.rejudge_summary = crawler_service_pb2.RejudgeSummary()
        self.judged = []
        self.may_resume = threading.Event()
        self.may_resume.set()
        self.resuming = threading.Event()
        self.silent = threading.Event()
        self.judging = threading.Event()
        self._paused = threading.Event()
        self.current = None

    def CreateCrawl(self, request, context):  # noqa: N802 - the contract's name
        self.created.append(request)
        if request.profile != "landscapes":
            details = f"there is no profile {request.profile!r}"
            context.abort(grpc.StatusCode.NOT_FOUND, details)
        self.current = crawl_pb2.Crawl(
            crawl_id="c1",
            state=crawl_pb2.CRAWL_STATE_RUNNING,
            sources=[source.uri for source in request.crawl_sources],
            profile_name="landscapes",
            profile_version=1,
            limits=request.limits,
            source_statuses=[
                crawl_source_pb2.SourceStatus(source=source) for source in request.crawl_sources
            ],
        )
        return crawler_service_pb2.CreateCrawlResponse(crawl=self.current)

    def GetCrawl(self, request, context):  # noqa: N802 - the contract's name
        if self.away:
            self.away -= 1
            context.abort(grpc.StatusCode.UNAVAILABLE, "on the way out")
        if self.current is None or request.crawl_id != self.current.crawl_id:
            context.abort(grpc.StatusCode.NOT_FOUND, f"there is no crawl {request.crawl_id!r}")
        return crawler_service_pb2.GetCrawlResponse(crawl=self.current)

    def PauseCrawl(self, request, context):  # noqa: N802 - the contract's name
        self._paused.set()
        self.current.state = crawl_pb2.CRAWL_STATE_PAUSED
        return crawler_service_pb2.PauseCrawlResponse(crawl=self.current)

    def ListCrawls(self, request, context):  # noqa: N802 - the contract's name
        crawls = [self.current] if self.current else []
        return crawler_service_pb2.ListCrawlsResponse(crawls=crawls)

    def CancelCrawl(self, request, context):  # noqa: N802 - the contract's name
        self.current.state = crawl_pb2.CRAWL_STATE_CANCELLED
        return crawler_service_pb2.CancelCrawlResponse(crawl=self.current)

    def ResumeCrawl(self, request, context):  # noqa: N802 - the contract's name
        self.resuming.set()
        self.may_resume.wait(30)
        if self.current is None or request.crawl_id != self.current.crawl_id:
            context.abort(grpc.StatusCode.NOT_FOUND, f"there is no crawl {request.crawl_id!r}")
        self._paused.clear()
        self.current.state = crawl_pb2.CRAWL_STATE_RUNNING
        return crawler_service_pb2.ResumeCrawlResponse(crawl=self.current)

    def WatchCrawl(self, request, context):  # noqa: N802 - the contract's name
        self.watched_from.append(request.after_sequence)
        respond = crawler_service_pb2.WatchCrawlResponse
        yield respond(crawl=self.current)
        for settled in self.listings[request.after_sequence :]:
            self._count(settled)
            yield respond(settled_listing=settled)
            yield respond(crawl=self.current)
            if settled.sequence == self.break_after and len(self.watched_from) == 1:
                context.abort(grpc.StatusCode.UNAVAILABLE, "it is shutting down")
        if self.end_state == crawl_pb2.CRAWL_STATE_RUNNING:
            self.watching.set()
            self._paused.wait(30)
        else:
            self.current.state = self.end_state
            self.current.state_reason = self.end_reason
        yield respond(crawl=self.current)

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

    def FindDuplicates(self, request, context):  # noqa: N802 - the contract's name
        respond = crawler_service_pb2.FindDuplicatesResponse
        rejection = rejection_of(request.image)
        if rejection is not None:
            return respond(rejection=rejection)
        report = self.duplicates[request.image.encoded]
        report.digest = hashlib.sha256(request.image.encoded).hexdigest()
        return respond(value=report)

    def CreateDistinctPair(self, request, context):  # noqa: N802 - the contract's name
        first, second = sorted((request.first_digest, request.second_digest))
        self.pairs.add((first, second))
        pair = duplicate_image_pb2.DistinctPair(first_digest=first, second_digest=second)
        return crawler_service_pb2.CreateDistinctPairResponse(
            pair=pair, crawl_ids=["c-again"] if self.near else [], near=self.near
        )

    def DeleteDistinctPair(self, request, context):  # noqa: N802 - the contract's name
        pair = tuple(sorted((request.first_digest, request.second_digest)))
        deleted = pair in self.pairs
        self.pairs.discard(pair)
        return crawler_service_pb2.DeleteDistinctPairResponse(deleted=deleted)

    def ListDistinctPairs(self, request, context):  # noqa: N802 - the contract's name
        for first, second in sorted(self.pairs):
            pair = duplicate_image_pb2.DistinctPair(first_digest=first, second_digest=second)
            yield crawler_service_pb2.ListDistinctPairsResponse(pair=pair)

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
        for named in request.digests:
            if not any(image.digest.startswith(named) for image in self.kept):
                context.abort(grpc.StatusCode.NOT_FOUND, f"there is no kept image {named!r}")
        for image in self.kept:
            if image.digest.startswith(tuple(request.digests)):
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

    def ExportImages(self, request, context):  # noqa: N802 - the contract's name
        self.exports.append(request)
        horizon = crawler_service_pb2.ExportHorizon(sequence=9, digest=f"{len(self.exports)}" * 64)
        if request.HasField("horizon"):
            horizon = request.horizon
        yield crawler_service_pb2.ExportImagesResponse(horizon=horizon)
        for image in self.exported:
            is_old = request.HasField("earlier")
            if is_old and image.record.digest not in request.left_out_digests:
                continue
            if image.sequence <= request.after_sequence:
                continue
            if image.sequence == 2 and len(self.exports) == 1:
                context.abort(grpc.StatusCode.UNAVAILABLE, "it is shutting down")
            if image.sequence == 3 and len(self.exports) == 2:
                return
            yield crawler_service_pb2.ExportImagesResponse(image=image)
        yield crawler_service_pb2.ExportImagesResponse(end=crawler_service_pb2.ExportEnd())

    def RejudgeImages(self, request, context):  # noqa: N802 - the contract's name
        self.rejudgements.append(request)
        if request.profile != "landscapes":
            context.abort(grpc.StatusCode.NOT_FOUND, f"there is no profile {request.profile!r}")
        for image in self.rejudged:
            yield crawler_service_pb2.RejudgeImagesResponse(image=image)
        if self.rejudge_summary.crawl_id:
            self.current = crawl_pb2.Crawl(
                crawl_id=self.rejudge_summary.crawl_id,
                state=crawl_pb2.CRAWL_STATE_RUNNING,
                profile_name="landscapes",
                profile_version=2,
            )
        yield crawler_service_pb2.RejudgeImagesResponse(summary=self.rejudge_summary)

    def ListHosts(self, request, context):  # noqa: N802 - the contract's name
        return crawler_service_pb2.ListHostsResponse(hosts=self.hosts)

    def AddCrawlSources(self, request, context):  # noqa: N802 - the contract's name
        if self.current is None or request.crawl_id != self.current.crawl_id:
            context.abort(grpc.StatusCode.NOT_FOUND, f"there is no crawl {request.crawl_id!r}")
        self.added.append(request)
        self.current.sources.extend(source.uri for source in request.crawl_sources)
        return crawler_service_pb2.AddCrawlSourcesResponse(crawl=self.current)

    def SetCrawlPriority(self, request, context):  # noqa: N802 - the contract's name
        if self.current is None or request.crawl_id != self.current.crawl_id:
            context.abort(grpc.StatusCode.NOT_FOUND, f"there is no crawl {request.crawl_id!r}")
        self.prioritised.append(request)
        for status in self.current.source_statuses:
            if status.source.uri in (request.sources or self.current.sources):
                status.source.priority = request.priority
        return crawler_service_pb2.SetCrawlPriorityResponse(crawl=self.current)

    def ListSourceKinds(self, request, context):  # noqa: N802 - the contract's name
        return crawler_service_pb2.ListSourceKindsResponse(source_kinds=self.kinds)

    def DiscoverSources(self, request, context):  # noqa: N802 - the contract's name
        chosen = self.proposals if request.profile_name in ("", "landscapes") else []
        return crawler_service_pb2.DiscoverSourcesResponse(proposals=chosen)

    def ListSinks(self, request, context):  # noqa: N802 - the contract's name
        return crawler_service_pb2.ListSinksResponse(sinks=self.sinks)

    def RetrySink(self, request, context):  # noqa: N802 - the contract's name
        refused = self._sink(request.name, context).refused_count
        return crawler_service_pb2.RetrySinkResponse(retried_count=refused)

    def BackfillSink(self, request, context):  # noqa: N802 - the contract's name
        self._sink(request.name, context)
        return crawler_service_pb2.BackfillSinkResponse(added_count=5)

    def ListSourceYields(self, request, context):  # noqa: N802 - the contract's name
        found = self.communities if request.by_community else self.yields
        return crawler_service_pb2.ListSourceYieldsResponse(source_yields=found)

    def _sink(self, name, context):
        for sink in self.sinks:
            if sink.name == name:
                return sink
        return context.abort(grpc.StatusCode.NOT_FOUND, f"there is no sink {name!r}")

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
        progress = self.current.progress
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
