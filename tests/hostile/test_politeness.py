"""A real crawl of a faithful web breaks none of that web's rules, by its own log."""

from __future__ import annotations

import pytest

from tests.hostile.politeness_run import LONG, SHORT, expected, measure


def check(findings):
    """Every goal is met, and every listing ended as it should."""
    assert [breach.message for breach in findings.breaches[:5]] == []
    missed = {name: goal for name, goal in findings.goals().items() if not goal["met"]}
    assert missed == {}
    ends, wanted = findings.ends, expected(findings.plan)
    assert ends["ROBOTS_DISALLOWED"] == wanted["ROBOTS_DISALLOWED"]
    assert ends["FETCHED"] >= wanted["FETCHED"] - findings.lost
    unasked = wanted["NO_ROBOTS"] + wanted["FAILING"]
    assert ends["SERVER_ERROR"] + ends["ROBOTS_UNREACHABLE"] + findings.lost >= unasked


async def test_five_thousand_urls_politely(tmp_path):
    """Many hosts, some slow, some limiting, some failing: no rule of theirs is broken, and nothing is lost."""
    check(await measure(SHORT, tmp_path))


@pytest.mark.long
async def test_a_hundred_thousand_urls_politely(tmp_path):
    """The same for 100,000, and the memory at the end is that after a tenth, give or take a fifth."""
    findings = await measure(LONG, tmp_path)
    assert findings.rss_change is not None
    check(findings)
