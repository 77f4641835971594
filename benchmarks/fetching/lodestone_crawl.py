"""Lodestone's own path over a list of URLs, gates off: fetch, decode, thumbnail, perceptual hashes, store.

`python -m benchmarks.fetching.lodestone_crawl LIST DATA ALLOWED`: a file of URLs, an empty folder, and the address that
may be asked. Prints one line of JSON: what was settled, and the CPU time of its processes while it crawled.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from services.crawler.candidate import DecodedCandidate
from services.crawler.catalogue import crawls
from services.crawler.catalogue.crawls import CrawlRequest
from services.crawler.catalogue.database import Database
from services.crawler.crawl.crawl_run import CrawlRun, RunLimits, RunParts, RunTerms
from services.crawler.crawl.pipeline import Pipeline, PipelineParts
from services.crawler.decoding.decoder import Decoder, WorkerLimits
from services.crawler.fetch.address import AddressPolicy, AllowedAddress
from services.crawler.fetch.fetcher import Fetcher
from services.crawler.fetch.identity import Identity
from services.crawler.fetch.limits import FetchLimits
from services.crawler.fetch.pace_limits import PaceLimits
from services.crawler.gates.duplicate import DuplicateGate
from services.crawler.gates.gate import Gate
from services.crawler.gates.novelty import ScoreEmbedding
from services.crawler.judgement import ProfileVersion
from services.crawler.judging.inspector import Inspector
from services.crawler.resolvers.resolution import Answer, Ask, Unanswered
from services.crawler.screen import Screen
from services.crawler.seen.better_copy import as_found
from services.crawler.seen.seen_images import SeenImages
from services.crawler.sources.urls import UrlListSource
from services.crawler.store.folder_store import FolderStore
from services.crawler.store.recorder import Recorder
from services.servicekit.logs import configure_logs

_PROFILE = ProfileVersion("benchmark", 1)
_OWNER = "benchmark"


class ModelFreeInspector(Inspector):
    """The inspector of a crawler without model services: only the duplicate check is left of the gates."""

    def __init__(self, decoder: Decoder, seen: SeenImages) -> None:
        self._seen = seen
        self._bare_decoder = decoder

    async def decode(self, encoded: bytes) -> DecodedCandidate:
        """Decodes an encoded image; it has no inputs for model services."""
        return await self._bare_decoder.decode(encoded)

    def gates(
        self,
        profile: ProfileVersion,
        *,
        duplicates: bool,
        score: ScoreEmbedding | None = None,  # noqa: ARG002 - nothing is scored here
    ) -> list[Gate]:
        """The duplicate check if it is asked for, and nothing else."""
        return (
            [DuplicateGate(self._seen, as_found, profile_name=profile.name)] if duplicates else []
        )


async def _no_answer(question: Ask) -> Answer:
    """The benchmark's list names images alone."""
    raise Unanswered(question.url, "nothing is asked here")


async def crawl(urls: Path, data: Path, allowed: str) -> dict[str, Any]:
    """Crawls with the parts and limits of the service. Returns counts, and CPU seconds by process."""
    async with AsyncExitStack() as stack:
        database = Database(data / "catalog.sqlite")
        stack.callback(database.close)
        store, seen = FolderStore(data), SeenImages()
        policy = AddressPolicy((AllowedAddress.parse(allowed),))
        # One host, and it is ours: the pace of politeness would only be waited for.
        limits = FetchLimits(pace=PaceLimits(connections=16, requests_per_s=10_000.0, burst=16))
        fetcher = await stack.enter_async_context(
            Fetcher(policy=policy, identity=Identity("benchmark"), limits=limits)
        )
        worker_limits = WorkerLimits(workers=os.cpu_count() or 1)
        decoder = Decoder(shapes={}, worker_limits=worker_limits)
        await stack.enter_async_context(decoder)
        recorder = Recorder(database, store, seen)
        stack.push_async_callback(recorder.close)
        inspector = ModelFreeInspector(decoder, seen)
        parts = PipelineParts(database, store, fetcher, inspector, Screen(), recorder, seen)
        before = _cpu_s(decoder)
        counts = await _run(parts, urls)
        after = _cpu_s(decoder)
    return counts | {word: after[word] - before[word] for word in after}


async def _run(parts: PipelineParts, urls: Path) -> dict[str, Any]:
    source, database = UrlListSource(urls), parts.database
    request = CrawlRequest("benchmark", (source.uri,), _PROFILE)
    crawl = await database.run(
        lambda connection: crawls.create_crawl(connection, "c1", request, now=time.time())
    )
    pipeline = Pipeline(parts, crawl, _OWNER)
    run = CrawlRun(crawl, pipeline, RunParts(database, _OWNER, RunTerms(RunLimits(), _no_answer)))
    state, reason = await run.run([source], lambda: None)
    counted = await database.run(lambda connection: crawls.list_counts(connection, "c1"))
    settled = {str(one.verdict or one.reason): one.count for one in counted}
    return {"state": state.value, "reason": reason, "settled": settled}


def _cpu_s(decoder: Decoder) -> dict[str, float]:
    return {
        "main_cpu_s": time.process_time(),
        "workers_cpu_s": sum(_process_cpu_s(pid) for pid in decoder.worker_pids),
    }


def _process_cpu_s(pid: int) -> float:
    # User and system time are the 14th and 15th fields; the 2nd, the name, may hold spaces.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    configure_logs("benchmark", as_json=True)
    arguments = sys.argv[1:4]
    print(json.dumps(asyncio.run(crawl(Path(arguments[0]), Path(arguments[1]), arguments[2]))))
