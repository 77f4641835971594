"""`lodestone rejudge` against a fake crawler."""

from __future__ import annotations

import pytest

from lodestone.crawler.v1 import crawl_pb2, kept_image_pb2
from lodestone.crawler.v1.crawler_service_pb2 import RejudgeSummary
from lodestone.image.v1 import verdict_pb2
from tests.cli.crawler_messages import fetched, judgement_of

KEEP = kept_image_pb2.REJUDGE_ACTION_KEEP
FETCH = kept_image_pb2.REJUDGE_ACTION_FETCH
STAYS_KEPT = kept_image_pb2.REJUDGE_ACTION_STAYS_KEPT
RECORD = kept_image_pb2.REJUDGE_ACTION_RECORD
UNREACHABLE = kept_image_pb2.REJUDGE_ACTION_UNREACHABLE


def image(number, action, *, title="", before=True):
    """An image whose judgement changes: to accepted, if it is to be kept."""
    accepted = action in (KEEP, FETCH, UNREACHABLE)
    url = f"https://example.org/{number}.jpg"
    message = kept_image_pb2.RejudgedImage(
        digest=f"{number:064x}",
        listing=crawl_pb2.Listing(source="page:https://example.org/", url=url, title=title),
        after=judgement_of(accepted=accepted),
        action=action,
    )
    message.after.profile_version = 2
    if action in (FETCH, UNREACHABLE):
        message.after.ClearField("watermark_probability")
    if before:
        message.before.CopyFrom(judgement_of(accepted=not accepted))
    return message


def summary(**changes):
    fields = {
        "profile_name": "landscapes",
        "profile_version": 2,
        "judged_count": 1_100,
        "known_count": 14,
        "unknown_count": 90,
        "kept_count": 12,
        "fetch_count": 19,
        "dropped_count": 7,
    }
    return RejudgeSummary(**fields | changes)


@pytest.fixture
def crawler(services):
    """A crawler with a few changes of each kind."""
    crawler = services.crawler
    crawler.rejudged = [
        image(1, RECORD, before=False),
        image(2, STAYS_KEPT, title="A lake"),
        image(3, FETCH),
        image(4, KEEP, title="A fell"),
    ]
    crawler.rejudge_summary = summary()
    return crawler


def test_a_dry_run_in_plain_words(cli, crawler):
    """What would be kept and fetched comes first, and the counts are a sentence."""
    result = cli("rejudge", "--profile", "landscapes", "--dry-run")
    assert result.status == 0
    _, _, *rows, counts, hint = result.out.splitlines()
    assert [row.split()[0] for row in rows] == [
        "A",
        "https://example.org/3.jpg",
        "A",
        "https://example.org/1.jpg",
    ]
    assert rows[0].split("  ")[0] == "A fell"
    assert "off profile   accepted           12.50   would be kept" in rows[0]
    assert rows[1].endswith("would be fetched again")
    assert "off profile   fits the profile" in rows[1]
    assert rows[2].startswith("A lake")
    assert rows[2].rstrip().endswith("would stay kept")
    assert counts == (
        "of 1,204 known images 31 newly fit the profile: 12 are in the store, 19 would be fetched again, "
        "and judged for watermarks then; 7 are kept that would not be accepted; "
        "14 judged by landscapes@2 before; 90 without an embedding"
    )
    assert "lodestone purge --digest" in hint
    (request,) = crawler.rejudgements
    assert request.dry_run


def test_what_is_fetched_again_is_watched(cli, crawler):
    """Without --dry-run the crawl is shown to its end, as `lodestone crawl` does."""
    crawler.rejudge_summary = summary(crawl_id="c7", dropped_count=0, known_count=0)
    crawler.listings = [fetched(1, accepted=True), fetched(2, accepted=False)]
    result = cli("rejudge", "--profile", "landscapes")
    assert result.status == 0
    assert (
        "of 1,190 known images 31 newly fit the profile: 12 are kept from the store, "
        "19 are fetched again, and judged for watermarks then; 90 without an embedding\ncrawl c7, landscapes@2\n"
    ) in result.out
    assert "found 2 · settled 2" in result.out
    assert not crawler.rejudgements[0].dry_run


def test_detached_it_says_how_to_watch(cli, crawler):
    """The crawl goes on by itself."""
    crawler.rejudge_summary = summary(crawl_id="c7")
    result = cli("rejudge", "--profile", "landscapes", "--detach")
    assert result.status == 0
    assert "watch it with: lodestone crawl --resume c7\n" in result.out
    assert crawler.watched_from == []


def test_a_crawler_that_ends_as_the_crawl_begins_is_waited_for(cli, crawler):
    """The crawl is in its catalogue by then."""
    crawler.rejudge_summary = summary(crawl_id="c7")
    crawler.away = 2
    result = cli("rejudge", "--profile", "landscapes", "--detach")
    assert (result.status, crawler.away) == (0, 0)


def test_a_crawl_that_fails_is_an_error(cli, crawler):
    """With the status and the line of `lodestone crawl`."""
    crawler.rejudge_summary = summary(crawl_id="c7")
    crawler.end_state, crawler.end_reason = crawl_pb2.CRAWL_STATE_FAILED, "the disk is full"
    result = cli("rejudge", "--profile", "landscapes")
    assert result.status == 1
    assert result.err.splitlines()[-1] == "error: the crawl failed: the disk is full"


def test_json_prints_everything(cli, crawler):
    """A line an image with both judgements, then the summary."""
    crawler.rejudge_summary.verdict_counts.add(verdict=verdict_pb2.VERDICT_ACCEPTED, count=31)
    result = cli("rejudge", "--profile", "landscapes", "--dry-run", "--json")
    *images, last = result.objects()
    assert [one["action"] for one in images] == ["RECORD", "STAYS_KEPT", "FETCH", "KEEP"]
    assert images[0]["before"] is None
    assert images[1]["digest"] == f"{2:064x}"
    assert images[1]["url"] == "https://example.org/2.jpg"
    assert (images[1]["before"]["verdict"], images[1]["after"]["verdict"]) == (
        "ACCEPTED",
        "OFF_PROFILE",
    )
    assert images[1]["after"]["profile_version"] == 2
    assert images[1]["after"]["log_likelihood"] == -3.0
    assert last["summary"] == {
        "profile_name": "landscapes", "profile_version": 2, "judged_count": 1100, "known_count": 14,
        "unknown_count": 90, "verdict_counts": {"ACCEPTED": 31}, "kept_count": 12, "fetch_count": 19,
        "dropped_count": 7, "crawl_id": None, "dry_run": True,
    }  # fmt: skip


def test_json_goes_on_with_the_crawl(cli, crawler):
    """Behind the summary come the lines of `lodestone crawl --json`."""
    crawler.rejudge_summary = summary(crawl_id="c7")
    crawler.listings = [fetched(1, accepted=True)]
    objects = cli("rejudge", "--profile", "landscapes", "--json").objects()
    assert objects[4]["summary"]["crawl_id"] == "c7"
    assert objects[5]["crawl"]["crawl_id"] == "c7"
    assert objects[6]["verdict"] == "ACCEPTED"
    assert objects[7]["crawl"]["state"] == "COMPLETED"


def test_a_table_has_fifty_rows_at_most(cli, crawler):
    """Those that something is done about, whenever they came; the others are counted."""
    crawler.rejudged = [image(number, RECORD) for number in range(200)] + crawler.rejudged
    result = cli("rejudge", "--profile", "landscapes", "--dry-run")
    lines = result.out.splitlines()
    assert lines[2].startswith("A fell")
    assert lines[52] == "and 154 more (--json prints all)"


@pytest.mark.parametrize(
    ("counts", "text"),
    [
        (
            {"judged_count": 0, "known_count": 0, "unknown_count": 0},
            "no images are known yet: crawl first",
        ),
        (
            {"judged_count": 1, "known_count": 0, "unknown_count": 0},
            "of 1 known image none newly fits the profile",
        ),
    ],
)
def test_nothing_changes(cli, crawler, counts, text):
    """One line, and no table."""
    crawler.rejudged = []
    none = {"kept_count": 0, "fetch_count": 0, "dropped_count": 0}
    crawler.rejudge_summary = summary(**none, **counts)
    result = cli("rejudge", "--profile", "landscapes", "--dry-run")
    assert (result.status, result.out) == (0, f"{text}\n")


def test_what_is_nowhere_to_be_had_is_said(cli, crawler):
    """It newly fits, and no address has it any more."""
    lost = image(5, UNREACHABLE)
    lost.ClearField("listing")
    crawler.rejudged = [lost]
    crawler.rejudge_summary = summary(kept_count=0, fetch_count=0, dropped_count=0, known_count=0)
    result = cli("rejudge", "--profile", "landscapes")
    assert f"{5:064x}" in result.out
    assert (
        "of 1,190 known images 1 newly fits the profile: 1 is nowhere to be had; 90" in result.out
    )


def test_a_profile_that_is_not_there(cli, crawler):
    """One clear line."""
    result = cli("rejudge", "--profile", "nobody")
    assert result.status == 1
    assert result.err == "error: there is no profile 'nobody'\n"


def test_it_needs_a_profile(cli, crawler):
    """Nothing is asked without one."""
    result = cli("rejudge")
    assert result.status == 2
    assert "--profile" in result.err
    assert crawler.rejudgements == []
