"""Reads the log of a faithful site and says where a crawler was impolite, from the log alone."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from pathlib import Path

ROBOTS = "/robots.txt"


class Rule(StrEnum):
    """What a polite crawler keeps to."""

    CONCURRENCY = "CONCURRENCY"
    GAP = "GAP"
    RETRY_AFTER = "RETRY_AFTER"
    DISALLOWED = "DISALLOWED"
    ROBOTS_FIRST = "ROBOTS_FIRST"


@dataclass(frozen=True, slots=True)
class Request:
    """One request as the site saw it.

    Attributes:
        host: The name in its Host header.
        path: The path.
        start_s: When its head was complete, on the site's monotonic clock.
        end_s: When its answer was written, or the client had gone.
        status: Of the answer; 0 if the client went before.
        retry_after_s: From `end_s`; None if the answer stated none.
        disallow: Of a robots.txt: the prefixes that it forbids; a 5xx forbids `/`.
        crawl_delay_s: Of a robots.txt; None if it states none.
    """

    host: str
    path: str
    start_s: float
    end_s: float
    status: int = 200
    retry_after_s: float | None = None
    disallow: tuple[str, ...] = ()
    crawl_delay_s: float | None = None


@dataclass(frozen=True, slots=True)
class Manners:
    """What is asked of the crawler.

    Attributes:
        max_concurrency: Requests to one host at a time.
        min_gap_s: Between the starts of two requests to one host; a longer `Crawl-delay` wins.
        slack_s: What the two clocks' owners may differ by: how long a request is under way, or waits to be read.
    """

    max_concurrency: int
    min_gap_s: float = 0.0
    slack_s: float = 0.05


@dataclass(frozen=True, slots=True)
class Breach:
    """One request that breaks a rule, and how, in a sentence."""

    rule: Rule
    request: Request
    message: str


def read_log(path: Path) -> list[Request]:
    """The requests of a log, in the order of their starts."""
    lines = (json.loads(line) for line in path.read_text().splitlines())
    requests = [Request(**line | {"disallow": tuple(line.get("disallow", ()))}) for line in lines]
    return sorted(requests, key=lambda request: request.start_s)


def breaches(requests: Iterable[Request], manners: Manners) -> list[Breach]:
    """Every breach of every rule, host by host."""
    hosts: dict[str, list[Request]] = defaultdict(list)
    for request in sorted(requests, key=lambda request: request.start_s):
        hosts[request.host].append(request)
    return [
        breach
        for asked in hosts.values()
        for check in (_robots_first, _disallowed, _concurrency, _gaps, _retry_after)
        for breach in check(asked, manners)
    ]


def busiest(requests: Sequence[Request]) -> dict[str, int]:
    """The most requests at a time, by host: shows that a cap was reached at all."""
    found: dict[str, int] = defaultdict(int)
    for request, count in _crowds(requests, slack_s=0.0):
        found[request.host] = max(found[request.host], count)
    return dict(found)


def _robots_first(asked: Sequence[Request], _manners: Manners) -> Iterator[Breach]:
    """Nothing is asked before robots.txt has been answered."""
    answers = _robots_answers(asked)
    first_s = answers[0].end_s if answers else float("inf")
    for request in asked:
        if request.path != ROBOTS and request.start_s < first_s:
            message = f"{request.path} was asked before robots.txt was answered"
            yield Breach(Rule.ROBOTS_FIRST, request, message)


def _disallowed(asked: Sequence[Request], _manners: Manners) -> Iterator[Breach]:
    """Nothing is asked that the newest robots.txt forbids."""
    answers = _robots_answers(asked)
    for request in asked:
        robots = _robots_at(answers, request.start_s)
        if request.path == ROBOTS or robots is None:
            continue
        for prefix in robots.disallow:
            if request.path.startswith(prefix):
                yield Breach(Rule.DISALLOWED, request, f"{request.path} lies under {prefix}")


def _concurrency(asked: Sequence[Request], manners: Manners) -> Iterator[Breach]:
    """No more requests at a time than the cap."""
    for request, count in _crowds(asked, slack_s=manners.slack_s):
        if count > manners.max_concurrency:
            message = f"the {count}th request at a time, over {manners.max_concurrency}"
            yield Breach(Rule.CONCURRENCY, request, message)


def _crowds(asked: Sequence[Request], *, slack_s: float) -> Iterator[tuple[Request, int]]:
    """Each request with how many of its host were under way when it started, itself included.

    One that the client has given up counts only until shortly before the site saw that it had gone.
    """
    under_way: dict[str, list[float]] = defaultdict(list)
    for request in sorted(asked, key=lambda request: request.start_s):
        ends = [end_s for end_s in under_way[request.host] if end_s > request.start_s]
        ends.append(request.end_s if request.status else request.end_s - slack_s)
        under_way[request.host] = ends
        yield request, len(ends)


def _gaps(asked: Sequence[Request], manners: Manners) -> Iterator[Breach]:
    """Starts are as far apart as is asked for, that of robots.txt included."""
    answers = _robots_answers(asked)
    for earlier, later in pairwise(asked):
        robots = _robots_at(answers, later.start_s)
        delay_s = (robots.crawl_delay_s if robots else None) or 0.0
        wanted_s = max(manners.min_gap_s, delay_s)
        gap_s = later.start_s - earlier.start_s
        if gap_s < wanted_s - manners.slack_s:
            message = f"{gap_s:.3f} s after the request before it, not {wanted_s:g} s"
            yield Breach(Rule.GAP, later, message)


def _retry_after(asked: Sequence[Request], manners: Manners) -> Iterator[Breach]:
    """After an answer that says when to come back, the host is left alone until then."""
    for refused in asked:
        if refused.retry_after_s is None:
            continue
        # What starts right after the answer was on its way before the crawler could read it.
        first_s = refused.end_s + manners.slack_s
        last_s = refused.end_s + refused.retry_after_s - manners.slack_s
        for request in asked:
            if first_s < request.start_s < last_s:
                early_s = refused.end_s + refused.retry_after_s - request.start_s
                message = f"{early_s:.3f} s before the Retry-After of {refused.path} had passed"
                yield Breach(Rule.RETRY_AFTER, request, message)


def _robots_answers(asked: Sequence[Request]) -> list[Request]:
    """Those that the crawler got, in the order of their ends."""
    answered = [one for one in asked if one.path == ROBOTS and one.status]
    return sorted(answered, key=lambda one: one.end_s)


def _robots_at(answers: Sequence[Request], at_s: float) -> Request | None:
    """The newest robots.txt at a time."""
    return next((one for one in reversed(answers) if one.end_s <= at_s), None)
