"""The lines under a crawl's table, and the same as JSON."""

from __future__ import annotations

import pytest

from lodestone.cli.crawl.view import CrawlView
from lodestone.cli.output import Output
from lodestone.crawler.v1 import crawl_pb2, crawl_source_pb2, outcome_pb2


def crawl(**progress):
    return crawl_pb2.Crawl(
        crawl_id="c1",
        state=crawl_pb2.CRAWL_STATE_COMPLETED,
        screen_limits=crawl_pb2.ScreenLimits(
            min_pixels=786_432, max_width_ratio=3.0, max_height_ratio=2.5
        ),
        progress=crawl_pb2.CrawlProgress(**progress),
    )


def failed(reason):
    state = outcome_pb2.OUTCOME_STATE_FAILED
    return crawl_pb2.OutcomeCount(state=state, reason=reason, count=2)


def conclusion(capsys, ended, *, as_json=False):
    assert CrawlView(Output(as_json=as_json), ended).conclude(ended, paused_by_us=False) == 0
    return capsys.readouterr().out


def test_what_the_sources_left_out(capsys):
    """Rows without a URL and repeated ones are one line."""
    out = conclusion(capsys, crawl(found_count=40, skipped_count=3, repeated_count=2))
    line = "left out of the sources: 3 entries without a URL, 2 repeated"
    assert out.splitlines()[-1] == line
    out = conclusion(capsys, crawl(found_count=40, skipped_count=1))
    assert out.splitlines()[-1] == "left out of the sources: 1 entry without a URL, 0 repeated"


@pytest.mark.parametrize(
    ("reason", "line"),
    [
        (
            outcome_pb2.OUTCOME_REASON_TOO_SMALL,
            (
                "too small: under 786,432 pixels, width × height; "
                "`lodestone up --min-pixels N` sets this"
            ),
        ),
        (
            outcome_pb2.OUTCOME_REASON_EXTREME_ASPECT,
            "extreme aspect: wider than 3 to 1 or taller than 1 to 2.5",
        ),
    ],
)
def test_the_screen_tells_its_limits(capsys, reason, line):
    """The crawler's limits, not the defaults, and only where they left something out."""
    out = conclusion(capsys, crawl(outcome_counts=[failed(reason)]))
    assert out.splitlines()[-1] == line


def test_no_remarks_without_a_cause(capsys):
    """The line of counts is the last."""
    out = conclusion(capsys, crawl(outcome_counts=[failed(outcome_pb2.OUTCOME_REASON_NOT_FOUND)]))
    assert out.splitlines()[-1].startswith("found 0")


def test_json_has_both(capsys):
    """Counts and limits are fields of the crawl."""
    out = conclusion(capsys, crawl(skipped_count=3, repeated_count=2), as_json=True)
    assert '"skipped_count": 3' in out
    assert '"repeated_count": 2' in out
    assert '"min_pixels": 786432' in out


def test_a_priority_that_is_not_the_default(capsys):
    """Is a line; the others are not mentioned."""
    source = crawl_source_pb2
    ended = crawl()
    for uri, priority in (("folder:/low", -5), ("folder:/plain", 0)):
        chosen = source.CrawlSource(uri=uri, priority=priority)
        ended.source_statuses.append(source.SourceStatus(source=chosen))
    lines = conclusion(capsys, ended).splitlines()
    assert lines[-1] == "folder:/low: priority -5"
    assert not any("folder:/plain" in line for line in lines)


def test_what_held_sources_up_is_said(capsys):
    """Blocked and failed sources, posts that were left out by reason, and gaps; a line each."""
    source = crawl_source_pb2
    statuses = [
        source.SourceStatus(
            source=source.CrawlSource(uri="flickr:tag/lake"),
            state=source.SOURCE_STATE_BLOCKED,
            state_reason="flickr:tag/lake cannot be listed: it needs a key",
        ),
        source.SourceStatus(
            source=source.CrawlSource(uri="reddit:r/EarthPorn"),
            state=source.SOURCE_STATE_DONE,
            post_count=70,
            turned_away_counts=[
                source.PostCount(reason=source.POST_REASON_OVER_18, count=2),
                source.PostCount(reason=source.POST_REASON_IS_VIDEO, count=28),
            ],
            gap_count=1,
            last_gap="900 posts are new",
        ),
    ]
    ended = crawl()
    ended.source_statuses.extend(statuses)
    lines = conclusion(capsys, ended).splitlines()
    assert "blocked: flickr:tag/lake cannot be listed: it needs a key" in lines
    assert "reddit:r/EarthPorn: 70 posts listed; left out: is video 28, over 18 2" in lines
    assert "reddit:r/EarthPorn: 1 gap; 900 posts are new" in lines
