"""The gates' look at what is near, by a memory that is behind the catalogue."""

from __future__ import annotations

from dataclasses import replace

import pytest

from services.crawler.catalogue.near_reading import NearReading
from services.crawler.gates.better_copy import BetterCopyGate
from services.crawler.gates.duplicate import DuplicateGate
from services.crawler.gates.gate import Subject
from services.crawler.judgement import Evidence, Verdict
from tests.crawler.store.replacing_world import PROFILE, Copies, digest_of


@pytest.fixture
async def team(postgres, tmp_path):
    """Two crawlers; the first knows of an image that the other has replaced by one of three times its pixels."""
    with postgres.database() as url:
        mine, other = team = [Copies(tmp_path, url, alone=False) for _ in range(2)]
        await mine.begin()
        one, two = await mine.lease(2)
        await mine.accept(one, 1)
        await other.accept(two, 2, 3, bits=1)
        assert not mine.seen.is_replaced(digest_of(1))
        yield team
        for crawler in team:
            await crawler.close()


async def detail(_encoded, _beyond_px):
    return 1.0


async def judge(crawler, size):
    """What the gates say of another copy, one after the other."""
    [leased] = await crawler.lease(1)
    finding = crawler.finding(leased, 3, size, bits=2)
    candidate = finding.candidate
    reading = NearReading(crawler.database, crawler.seen).read
    subject = Subject(candidate.digest, candidate.decoded, Evidence(), candidate.encoded)
    first = DuplicateGate(crawler.seen, reading, profile_name=PROFILE.name, detail_ratio=detail)
    judged = await first.judge(subject)
    if judged.verdict is not Verdict.ACCEPTED:
        return judged
    evidence = replace(finding.judgement.evidence, detail_px=judged.evidence.detail_px)
    last = BetterCopyGate(crawler.seen, reading, profile_name=PROFILE.name)
    return await last.judge(replace(subject, evidence=evidence))


async def test_a_copy_that_is_better_than_what_another_crawler_kept_goes_on(team):
    """It is better than what it replaced and than what replaced that: the recorder is to decide."""
    mine, _ = team
    judged = await judge(mine, 8)
    assert judged.verdict is Verdict.ACCEPTED
    assert judged.reason.startswith("a better copy of")
    assert mine.seen.is_replaced(digest_of(1))


async def test_a_copy_that_is_worse_than_what_another_crawler_kept_is_a_duplicate(team):
    """It is better than the first one alone, which is kept no more; it is named for what is kept."""
    mine, _ = team
    judged = await judge(mine, 2)
    assert (judged.verdict, judged.duplicate_of) == (Verdict.DUPLICATE, digest_of(2))
