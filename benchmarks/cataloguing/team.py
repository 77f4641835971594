"""Several crawlers, each a process, that record into one PostgreSQL catalogue at the same time."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from sqlalchemy import URL

from benchmarks.cataloguing.load import PROFILE, SOURCE
from benchmarks.cataloguing.own_server import address_of
from services.crawler.catalogue import crawls, frontier
from services.crawler.catalogue.crawls import CrawlRequest
from services.crawler.catalogue.database import Database
from services.crawler.listing import Listing

_ADDED = 1_000


@dataclass(frozen=True, slots=True)
class Work:
    """What each of them records.

    Attributes:
        count: Findings of each.
        accept_every: Every so-manieth is accepted; 1 is all.
        image_bytes: Size of what is stored of an accepted one; 0 leaves the store out.
    """

    count: int
    accept_every: int
    image_bytes: int


def rate(url: URL, folder: Path, crawlers: int, work: Work, *, first: int) -> float:
    """Findings a second that so many crawlers recorded, from the start of the first to the end of the last.

    Args:
        url: The catalogue; the crawl `c1` is made if it is not there.
        folder: The store.
        crawlers: How many processes.
        work: What each does.
        first: No image of this number or a later one may be in the catalogue.
    """
    asyncio.run(_add_listings(url, first, crawlers * work.count))
    members = [
        _start(folder, f"crawler {first} {number}", work, first + number * work.count)
        for number in range(crawlers)
    ]
    for member in members:
        _tell(member, address_of(url))
    for member in members:
        assert _line(member) == "ready"
    for member in members:
        _tell(member, "go")
    reports = [json.loads(_line(member)) for member in members]
    for member in members:
        member.communicate()
    took_s = max(one["ended"] for one in reports) - min(one["began"] for one in reports)
    return float(sum(one["count"] for one in reports) / took_s)


async def _add_listings(url: URL, first: int, count: int) -> None:
    database = Database(url)
    request = CrawlRequest("r", (SOURCE,), PROFILE)
    await database.run(lambda c: crawls.create_crawl(c, "c1", request, now=time.time()))
    for start in range(first, first + count, _ADDED):
        numbers = range(start, min(start + _ADDED, first + count))
        found = [Listing(SOURCE, f"http://team.example/{n}.jpg", f"No {n}") for n in numbers]
        add = partial(frontier.add_listings, crawl_id="c1", found=found, now=time.time())
        await database.run(add)
    database.close()


def _start(folder: Path, name: str, work: Work, first: int) -> subprocess.Popen[str]:
    module = "benchmarks.cataloguing.member"
    command = [sys.executable, "-m", module, str(folder), "--name", name, "--first", str(first)]
    command += ["--count", str(work.count), "--accept-every", str(work.accept_every)]
    command += ["--image-bytes", str(work.image_bytes)]
    return subprocess.Popen(  # noqa: S603 - our own module
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def _tell(member: subprocess.Popen[str], line: str) -> None:
    assert member.stdin is not None
    member.stdin.write(f"{line}\n")
    member.stdin.flush()


def _line(member: subprocess.Popen[str]) -> str:
    assert member.stdout is not None
    return member.stdout.readline().strip()
