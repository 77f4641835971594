"""`lodestone sources` and `lodestone images list` against a fake crawler."""

from __future__ import annotations

from lodestone.crawler.v1 import outcome_pb2
from lodestone.crawler.v1.crawl_pb2 import OutcomeCount
from lodestone.crawler.v1.kept_image_pb2 import HostReport, SourceYield
from tests.cli.fake_services import kept_image

NOT_FOUND = OutcomeCount(
    state=outcome_pb2.OUTCOME_STATE_FAILED, reason=outcome_pb2.OUTCOME_REASON_NOT_FOUND, count=4
)


def test_sources_show_their_yield(cli, services):
    """In the crawler's order, as a table and as JSON."""
    services.crawler.yields = [
        SourceYield(
            source="folder:/photos",
            found_count=12,
            fetched_count=8,
            accepted_count=2,
            **{"yield": 0.25},
            outcome_counts=[NOT_FOUND],
        )
    ]
    assert cli("sources", "--json").objects() == [
        {
            "source": "folder:/photos",
            "found_count": 12,
            "fetched_count": 8,
            "accepted_count": 2,
            "yield": 0.25,
            "outcome_counts": [{"outcome": "FAILED", "outcome_reason": "NOT_FOUND", "count": 4}],
        }
    ]
    table = cli("sources")
    assert table.status == 0
    assert ["folder:/photos", "12", "8", "2", "25.0%", "not", "found", "4"] in [
        line.split() for line in table.out.splitlines()
    ]


def test_hosts_show_their_outcomes(cli, services):
    """Most listings first, local files last; the most frequent reasons in words."""
    services.crawler.hosts = [
        HostReport(host="a.example", found_count=9, fetched_count=5, outcome_counts=[NOT_FOUND]),
        HostReport(found_count=2, fetched_count=2),
    ]
    first, second = cli("sources", "--hosts", "--json").objects()
    assert first["outcome_counts"][0]["outcome_reason"] == "NOT_FOUND"
    assert second == {"host": "", "found_count": 2, "fetched_count": 2, "outcome_counts": []}
    lines = [line.split() for line in cli("sources", "--hosts").out.splitlines()]
    assert ["a.example", "9", "5", "not", "found", "4"] in lines
    assert ["local", "files", "2", "2"] in lines


def test_nothing_yet_says_what_to_do(cli, services):
    """Empty lists: a sentence for people, nothing at all as JSON."""
    assert "lodestone crawl" in cli("sources").out
    assert cli("sources", "--json").out == ""
    assert cli("images", "list").out == "nothing kept yet\n"
    assert cli("images", "list", "--json").out == ""


def test_images_are_listed_by_profile(cli, services):
    """All of them, or those of one profile; JSON has the listing and the judgement."""
    services.crawler.kept = [kept_image("a.jpg"), kept_image("b.jpg", profile="sunsets")]
    every = cli("images", "list", "--json").objects()
    assert [one["file_name"] for one in every] == ["a.jpg", "b.jpg"]
    assert every[0]["url"] == "file:///photos/a.jpg"
    assert every[0]["verdict"] == "ACCEPTED"
    assert every[0]["accept_time"] == "2026-11-22T10:00:00Z"
    some = cli("images", "list", "--profile", "sunsets", "--json").objects()
    assert [one["file_name"] for one in some] == ["b.jpg"]
    table = cli("images", "list")
    assert "2 kept" in table.out
    assert "1600×1200" in table.out


def test_a_profile_with_a_version_is_refused(cli, services):
    """ListImages knows names only."""
    result = cli("images", "list", "--profile", "sunsets@2")
    assert result.status == 2
    assert result.err == "error: --profile takes a name without a version, not 'sunsets@2'\n"
