"""`lodestone sources` and `lodestone images list` against a fake crawler."""

from __future__ import annotations

from lodestone.crawler.v1 import outcome_pb2
from lodestone.crawler.v1.crawl_pb2 import OutcomeCount
from lodestone.crawler.v1.crawl_source_pb2 import SourceKind, SourceProposal
from lodestone.crawler.v1.kept_image_pb2 import HostReport, SourceYield
from tests.cli.crawler_messages import kept_image

NOT_FOUND = OutcomeCount(
    state=outcome_pb2.OUTCOME_STATE_FAILED, reason=outcome_pb2.OUTCOME_REASON_NOT_FOUND, count=4
)


def test_sources_show_their_yield(cli, services):
    """In the crawler's order, as a table and as JSON."""
    services.crawler.yields = [
        SourceYield(
            source="folder:/photos",
            found_count=12,
            received_count=10,
            decoded_count=9,
            fetched_count=8,
            new_count=6,
            on_profile_count=4,
            clean_count=3,
            accepted_count=2,
            bytes_per_accepted=5_200_000,
            seconds_per_accepted=1.25,
            **{"yield": 0.25},
            outcome_counts=[NOT_FOUND],
        )
    ]
    assert cli("sources", "--json").objects() == [
        {
            "source": "folder:/photos",
            "found_count": 12,
            "received_count": 10,
            "decoded_count": 9,
            "fetched_count": 8,
            "new_count": 6,
            "on_profile_count": 4,
            "clean_count": 3,
            "accepted_count": 2,
            "yield": 0.25,
            "bytes_per_accepted": 5_200_000,
            "seconds_per_accepted": 1.25,
            "outcome_counts": [{"outcome": "FAILED", "outcome_reason": "NOT_FOUND", "count": 4}],
        }
    ]
    table = cli("sources")
    assert table.status == 0
    row = "folder:/photos 12 10 9 6 4 3 2 25.0% 5.2 1.2 not found 4"
    assert row.split() in [line.split() for line in table.out.splitlines()]


def test_the_top_are_communities(cli, services):
    """By accepted pictures, those without any left out; sources where there are no communities."""
    services.crawler.yields = [SourceYield(source="reddit:r/all", accepted_count=9)]
    assert "reddit:r/all" in cli("sources", "--top").out
    services.crawler.communities = [
        SourceYield(source="reddit:r/EarthPorn", fetched_count=100, accepted_count=7),
        SourceYield(source="reddit:r/Hiking", fetched_count=10, accepted_count=8),
        SourceYield(source="reddit:r/cats", fetched_count=50),
    ]
    found = [one["source"] for one in cli("sources", "--top", "--json").objects()]
    assert found == ["reddit:r/Hiking", "reddit:r/EarthPorn"]


def test_kinds_of_sources_say_what_they_need(cli, services):
    """Each with its forms; what keeps it from working, or that it is ready."""
    services.crawler.kinds = [
        SourceKind(word="folder", forms=["folder:PATH", "PATH"], summary="A folder."),
        SourceKind(word="flickr", forms=["flickr:tag/TAG"], summary="Photos.", obstacle="no key"),
    ]
    lines = cli("sources", "--available").out.splitlines()
    assert any("folder:PATH, PATH" in line and "ready" in line for line in lines)
    assert any("flickr:tag/TAG" in line and "no key" in line for line in lines)
    assert [one["obstacle"] for one in cli("sources", "--available", "--json").objects()] == [
        "",
        "no key",
    ]


def test_proposals_come_with_their_evidence(cli, services):
    """The source, why, pages to look at, and the command that adds it."""
    assert "nothing to propose yet" in cli("sources", "--discover").out
    services.crawler.proposals = [
        SourceProposal(
            uri="reddit:u/ansel",
            evidence="4 accepted images: 4 by this author",
            accepted_count=4,
            page_urls=["https://www.reddit.com/r/a/comments/1/"],
        )
    ]
    out = cli("sources", "--discover", "--profile", "landscapes").out
    assert "reddit:u/ansel: 4 accepted images: 4 by this author" in out
    assert "https://www.reddit.com/r/a/comments/1/" in out
    assert "lodestone crawl reddit:u/ansel --profile landscapes" in out
    assert cli("sources", "--discover", "--json").objects()[0]["accepted_count"] == 4


def test_one_list_at_a_time(cli, services):
    """The lists exclude each other, and --profile goes with one of them."""
    for arguments in (("--top", "--hosts"), ("--profile", "landscapes")):
        assert cli("sources", *arguments).status == 2


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
