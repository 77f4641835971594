"""What a crawl writes, as fast as it can be written: listings, leases, rejections, accepts; and commits of one row."""

from __future__ import annotations

import asyncio
import hashlib
import sqlite3
import time
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from pathlib import Path

import numpy as np
import psycopg
from sqlalchemy import URL

from benchmarks.cataloguing.leases import lease_rate
from benchmarks.cataloguing.own_server import address_of
from services.crawler.candidate import Candidate, DecodedCandidate, Fingerprint
from services.crawler.catalogue import crawls, frontier
from services.crawler.catalogue.crawls import CrawlRequest
from services.crawler.catalogue.database import Database
from services.crawler.catalogue.frontier import LeasedListing, LeaseTerms, Outcome
from services.crawler.judgement import (
    Detection,
    Evidence,
    Judgement,
    ProfileVersion,
    Score,
    Verdict,
)
from services.crawler.listing import Listing
from services.crawler.outcome import OutcomeState
from services.crawler.score_distribution import ScoreBins
from services.crawler.seen.seen_images import SeenImages
from services.crawler.store.finding import Finding
from services.crawler.store.folder_store import FolderStore
from services.crawler.store.recorder import Recorder
from services.servicekit.embedding import Embedding, Precision

PROFILE = ProfileVersion("benchmark", 1)
_BINS = ScoreBins((0.0, 20.0))
SOURCE = "urls:/benchmark.txt"
_BATCH, _LEASED = 100, 64
# At a time, as a crawl's workers.
_WORKERS = 16
IMAGE_BYTES = 200_000


async def measure(place: Path | URL, folder: Path, count: int) -> dict[str, float]:
    """Fills an empty catalogue. Returns what it did in a second, by what it did.

    Args:
        place: Where the catalogue is made.
        folder: Where the store is made.
        count: Accepts, and as many rejections; ten times as many listings. All of these are leased before the first
            ends, and then as many others as a crawl leases them.
    """
    database = Database(place)
    recorder = Recorder(database, FolderStore(folder), SeenImages())
    request = CrawlRequest("r", (SOURCE,), PROFILE)
    await database.run(lambda c: crawls.create_crawl(c, "c1", request, now=time.time()))
    rates = {"listings": await _rate(10 * count, _add_listings(database, 10 * count))}
    leased: list[LeasedListing] = []
    rates["leases_all_held"] = await _rate(10 * count, _lease(database, leased))
    for name, verdict, part in (
        ("rejections", Verdict.OFF_PROFILE, leased[:count]),
        ("accepts", Verdict.ACCEPTED, leased[count : 2 * count]),
    ):
        findings = [partial(finding, number, one, verdict) for number, one in enumerate(part)]
        rates[name] = await _rate(count, record(recorder, findings))
    rates["leases"] = await lease_rate(database, recorder, PROFILE, count=10 * count, limit=_LEASED)
    await recorder.close()
    database.close()
    return rates


def server_settings(url: URL) -> dict[str, str]:
    """Whether a PostgreSQL server syncs what it commits, and its version."""
    names = ("server_version", "fsync", "synchronous_commit", "full_page_writes", "wal_sync_method")
    with psycopg.connect(address_of(url)) as connection:
        rows = connection.execute(
            "SELECT name, setting FROM pg_settings WHERE name = ANY (%s)", [list(names)]
        ).fetchall()
    return {str(name): str(setting) for name, setting in rows}


def bare_commits(place: Path | URL, count: int) -> float:
    """Commits of one small row a second, synced, by the drivers alone: what a disk and a server give at best."""
    connection: sqlite3.Connection | psycopg.Connection[tuple[object, ...]]
    if isinstance(place, Path):
        connection = sqlite3.connect(place)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
    else:
        connection = psycopg.connect(address_of(place))
    connection.execute("CREATE TABLE bare (number INTEGER)")
    connection.commit()
    began = time.perf_counter()
    for _ in range(count):
        connection.execute("INSERT INTO bare VALUES (1)")
        connection.commit()
    took_s = time.perf_counter() - began
    connection.execute("DROP TABLE bare")
    connection.commit()
    connection.close()
    return count / took_s


async def _rate(count: int, work: Awaitable[None]) -> float:
    began = time.perf_counter()
    await work
    return count / (time.perf_counter() - began)


async def _add_listings(database: Database, count: int) -> None:
    for start in range(0, count, _BATCH):
        numbers = range(start, min(start + _BATCH, count))
        found = [Listing(SOURCE, f"http://h.example/{n}.jpg", f"No {n}") for n in numbers]
        add = partial(frontier.add_listings, crawl_id="c1", found=found, now=time.time())
        await database.run(add)


async def _lease(database: Database, leased: list[LeasedListing]) -> None:
    terms = LeaseTerms("benchmark", time.time(), 3_600.0)
    while taken := await database.run(lambda c: frontier.lease(c, "c1", terms, limit=_LEASED)):
        leased += taken


async def record(recorder: Recorder, findings: Iterable[Callable[[], Finding]]) -> None:
    """Records findings, as many at a time as a crawl does; each is made when it is its turn."""
    waiting = iter(findings)

    async def work() -> None:
        for make in waiting:
            await recorder.record(make())

    async with asyncio.TaskGroup() as group:
        for _ in range(_WORKERS):
            group.create_task(work())


def finding(
    number: int, leased: LeasedListing, verdict: Verdict, *, image_bytes: int = IMAGE_BYTES
) -> Finding:
    """What the gates might say of a made-up image, which is like no other of another number or verdict."""
    rng = np.random.default_rng((number, verdict is Verdict.ACCEPTED))
    encoded = rng.bytes(image_bytes)
    digest = hashlib.sha256(encoded).hexdigest()
    decoded = DecodedCandidate(2000, 1000, "JPEG", False, _fingerprint(rng), _fingerprint(rng), {})
    values = rng.normal(size=1280).astype(np.float32)
    embedding = Embedding(values / np.linalg.norm(values), "e" * 64, Precision.FP32)
    detection = Detection(0.1, (0.1, 0.1, 0.1, 0.1), 0.5, "d" * 64)
    evidence = Evidence(embedding, Score(10.0, 50.0, 0.0), detection)
    outcome = Outcome(
        OutcomeState.FETCHED, None, "", leased.listing.url, digest, len(encoded), time.time()
    )
    candidate = Candidate(encoded, digest, decoded)
    judgement = Judgement(verdict, "made up", evidence)
    return Finding("c1", PROFILE, leased, outcome, candidate, judgement, known=False, bins=_BINS)


def _fingerprint(rng: np.random.Generator) -> Fingerprint:
    return Fingerprint(int.from_bytes(rng.bytes(8), "big"), rng.bytes(32), flat=False)
