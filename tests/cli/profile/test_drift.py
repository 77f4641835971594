"""`lodestone profile show` and what the crawler has counted, against fake services."""

from __future__ import annotations

import math

import pytest

from lodestone.crawler.v1.crawler_service_pb2 import ListScoreDistributionsResponse
from lodestone.crawler.v1.kept_image_pb2 import ScoreBin, ScoreDistribution, ScoreDrift

TODAY, BEFORE = "2026-11-25", "2026-11-24"
FINDING = "of 412 candidates on 2026-11-25, 8.0% passed; of the background 2.3%: they differ"


def drift(*, differs, distance=0.31):
    return ScoreDrift(
        day=TODAY,
        candidate_count=412,
        passed=0.08,
        distance=distance,
        p_value=0.0001 if differs else 0.4,
        differs=differs,
        finding=FINDING,
    )


def distribution(source, day, passed, failed, **how):
    bins = [
        ScoreBin(low_nats=-math.inf, high_nats=10.0, count=failed),
        ScoreBin(low_nats=10.0, high_nats=math.inf, count=passed),
    ]
    return ScoreDistribution(
        source=source,
        day=day,
        candidate_count=passed + failed,
        passed_count=passed,
        bins=bins,
        **how,
    )


@pytest.fixture
def profile(cli, services, photos):
    """A profile with a background."""
    cli("profile", "fit", "landscapes", photos, "--background", photos)


@pytest.fixture
def drifted(profile, services):
    """Two days, of which the newest differs because of one of its sources."""
    services.crawler.scored = ListScoreDistributionsResponse(
        distributions=[
            distribution("folder:/a", TODAY, 3, 109, drift=drift(differs=False, distance=0.04)),
            distribution("folder:/b", TODAY, 30, 270, drift=drift(differs=True)),
            distribution("folder:/a", BEFORE, 2, 98, drift=drift(differs=False, distance=0.05)),
        ],
        drift=drift(differs=True),
    )


def test_a_day_that_differs_is_one_row_and_a_warning(cli, services, drifted):
    """The finding among the facts, the warning on stderr, and no table that nobody asked for."""
    shown = cli("profile", "show", "landscapes")
    assert shown.status == 0
    (row,) = (line for line in shown.out.splitlines() if line.startswith("newest day"))
    assert row.endswith(FINDING)
    assert "folder:/b" not in shown.out
    warning = f"warning: candidates of {TODAY} do not score like the background"
    assert warning in shown.err
    assert services.crawler.scored_days == [("landscapes@1", 14)]


def test_days_lists_sources(cli, services, drifted):
    """One line for each source of each of the last days, with what differs."""
    shown = cli("profile", "show", "landscapes", "--days", "1")
    rows = [line.split() for line in shown.out.splitlines() if line.startswith("2026-")]
    assert rows == [
        [TODAY, "folder:/a", "112", "3", "2.7%", "0.04"],
        [TODAY, "folder:/b", "300", "30", "10.0%", "0.31", "differs"],
    ]
    assert BEFORE in cli("profile", "show", "landscapes", "--days", "2").out
    cli("profile", "show", "landscapes", "--days", "90")
    assert [days for _, days in services.crawler.scored_days] == [14, 14, 90]


def test_json_has_all_of_it(cli, services, drifted):
    """The drift, and every day and source with its bins; open ends are null."""
    (facts,) = cli("profile", "show", "landscapes", "--json").objects()
    assert facts["drift"]["differs"] is True
    assert facts["drift"]["finding"] == FINDING
    first, moved, before = facts["score_distributions"]
    assert (first["day"], moved["source"], before["day"]) == (TODAY, "folder:/b", BEFORE)
    assert (moved["candidate_count"], moved["passed_count"]) == (300, 30)
    assert moved["drift"]["differs"] is True
    assert moved["bins"] == [
        {"low_nats": None, "high_nats": 10.0, "count": 270},
        {"low_nats": 10.0, "high_nats": None, "count": 30},
    ]
    (facts,) = cli("profile", "show", "landscapes", "--days", "1", "--json").objects()
    assert {one["day"] for one in facts["score_distributions"]} == {TODAY}


def test_a_day_like_the_background_is_a_row_without_a_warning(cli, services, profile):
    """The finding is there to be read."""
    found = ListScoreDistributionsResponse(
        distributions=[distribution("folder:/a", TODAY, 3, 109)], drift=drift(differs=False)
    )
    services.crawler.scored = found
    shown = cli("profile", "show", "landscapes")
    assert FINDING in shown.out
    assert "do not score like" not in shown.err


def test_without_a_background_the_row_says_what_passed(cli, services, photos):
    """All sources of the newest day together; nothing to compare with is a dash in the table."""
    cli("profile", "fit", "landscapes", photos)
    days = [distribution("folder:/a", TODAY, 3, 97), distribution("folder:/b", TODAY, 1, 99)]
    services.crawler.scored = ListScoreDistributionsResponse(distributions=days)
    shown = cli("profile", "show", "landscapes", "--days", "7")
    assert f"of 200 candidates on {TODAY}, 2.0% passed" in shown.out
    assert [line.split()[-1] for line in shown.out.splitlines() if line.startswith(TODAY)] == [
        "–"
    ] * 2


def test_without_candidates_there_is_no_row(cli, services, profile):
    """And a note only for who asked for days."""
    shown = cli("profile", "show", "landscapes")
    assert "newest day" not in shown.out
    assert "candidates" not in shown.err
    assert (
        "no candidates were scored yet" in cli("profile", "show", "landscapes", "--days", "7").err
    )
    (facts,) = cli("profile", "show", "landscapes", "--json").objects()
    assert (facts["drift"], facts["score_distributions"]) == (None, [])


def test_a_profile_is_shown_without_a_crawler(cli, services, profile, monkeypatch):
    """That nobody answers matters to who asked for days; in JSON it is null."""
    monkeypatch.setenv("LODESTONE_CRAWLER", "127.0.0.1:1")
    shown = cli("profile", "show", "landscapes")
    assert (shown.status, "crawler" in shown.err) == (0, False)
    shown = cli("profile", "show", "landscapes", "--days", "7")
    assert shown.status == 0
    note = "how candidates scored is not known: no crawler answers at 127.0.0.1:1"
    assert note in shown.err.splitlines()
    (facts,) = cli("profile", "show", "landscapes", "--json").objects()
    assert (facts["drift"], facts["score_distributions"]) == (None, None)


def test_a_crawler_that_cannot_tell_is_quoted(cli, services, profile):
    """Its sentence is the note; the profile is shown."""
    services.crawler.scored = None
    shown = cli("profile", "show", "landscapes", "--days", "7")
    assert shown.status == 0
    assert "is not known: the novelty service is unavailable: no answer" in shown.err
