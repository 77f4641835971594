"""`lodestone crawl` against a fake crawler."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path

import pytest

from lodestone.crawler.v1 import crawl_pb2
from tests.cli.crawler_messages import fetched, missing

LISTING_FIELDS = [
    "source",
    "url",
    "title",
    "outcome",
    "outcome_reason",
    "message",
    "final_url",
    "digest",
    "known",
    "verdict",
    "reason",
    "log_likelihood",
    "percentile",
    "watermark_probability",
    "quadrant_probabilities",
    "perceptual_hash",
    "width_px",
    "height_px",
]


@pytest.fixture
def five(services):
    """Services whose crawl has five listings: two accepted, two off the profile, one missing."""
    services.crawler.listings = [
        fetched(1, accepted=True),
        fetched(2, accepted=False),
        missing(3),
        fetched(4, accepted=False),
        fetched(5, accepted=True),
    ]
    return services


def test_a_crawl_prints_every_listing_and_the_counts(cli, five, tmp_path, monkeypatch):
    """--json: the crawl as it begins, one object per settled listing, the crawl; paths were made absolute."""
    monkeypatch.chdir(tmp_path)
    result = cli(
        "crawl", "photos", "page:https://example.org/", "--profile", "landscapes", "--json"
    )
    assert result.status == 0
    assert result.err == ""
    begun, *listings, last = result.objects()
    assert (begun["crawl"]["crawl_id"], begun["crawl"]["state"]) == ("c1", "RUNNING")
    assert [list(one) for one in listings] == [LISTING_FIELDS] * 5
    assert listings[0]["verdict"] == "ACCEPTED"
    assert listings[0]["outcome"] == "FETCHED"
    assert listings[0]["outcome_reason"] is None
    assert listings[2]["outcome"] == "FAILED"
    assert listings[2]["outcome_reason"] == "NOT_FOUND"
    assert listings[2]["message"] == "the server answered 404"
    assert listings[2]["verdict"] is None
    crawl = last["crawl"]
    assert crawl["state"] == "COMPLETED"
    assert crawl["settled_count"] == 5
    assert crawl["fetched_count"] == 4
    assert crawl["verdict_counts"] == {"ACCEPTED": 2, "OFF_PROFILE": 2}
    assert crawl["outcome_counts"] == [
        {"outcome": "FAILED", "outcome_reason": "NOT_FOUND", "count": 1}
    ]
    (request,) = five.crawler.created
    assert [source.uri for source in request.crawl_sources] == [
        str(tmp_path / "photos"),
        "page:https://example.org/",
    ]
    assert request.request_id


def test_a_crawl_ends_with_a_table(cli, five):
    """For people: the counts by outcome and verdict."""
    result = cli("crawl", "/photos", "--profile", "landscapes")
    assert result.status == 0
    rows = [line.split() for line in result.out.splitlines()]
    assert ["fetched", "accepted", "2"] in rows
    assert ["fetched", "off", "profile", "2"] in rows
    assert ["failed", "not", "found", "1"] in rows
    assert "found 5 · settled 5 · fetched 4 · known before 0" in result.out
    assert result.err == "crawl c1, landscapes@1\n"


def test_limits_reach_the_crawler(cli, five):
    """--max-listings and --max-accepted are the crawl's limits."""
    cli(
        *("crawl", "/photos", "--profile", "landscapes"),
        *("--max-listings", "100", "--max-accepted", "7"),
    )
    (request,) = five.crawler.created
    assert request.limits == crawl_pb2.CrawlLimits(max_listings=100, max_accepted=7)


def test_how_sources_are_listed_reaches_the_crawler(cli, five, tmp_path):
    """Options count for every source; a file's tables say more of theirs."""
    file = tmp_path / "sources.toml"
    file.write_text(
        """
[[source]]
uri = "reddit:r/EarthPorn"
poll_s = 90
deny_titles = ["^meme"]
licences = []

[[source]]
uri = "urls:list.txt"
follow = false
"""
    )
    cli(
        *("crawl", str(file), "commons:Category:Lakes", "--profile", "landscapes", "--follow"),
        *("--licence", "cc-by", "--licence", "cc0", "--deny-author", "bot", "--allow-over-18"),
        *("--poll", "60", "--require-flair", "OC"),
    )
    (request,) = five.crawler.created
    reddit, urls, commons = request.crawl_sources
    assert (reddit.uri, commons.uri) == ("reddit:r/EarthPorn", "commons:Category:Lakes")
    assert urls.uri.startswith("urls:/")
    assert [source.follow for source in request.crawl_sources] == [True, False, True]
    assert [source.poll_interval.seconds for source in request.crawl_sources] == [90, 60, 60]
    assert (list(reddit.rules.licences), list(reddit.rules.deny_titles)) == ([], ["^meme"])
    assert list(commons.rules.licences) == ["cc-by", "cc0"]
    assert (list(commons.rules.deny_authors), commons.rules.allow_over_18) == (["bot"], True)
    assert list(commons.rules.require_flairs) == ["OC"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "cannot be read"),
        ("[[source", "is no TOML file"),
        ("follow = true", "[[source]] tables"),
        ("[[source]]\nfollow = true", "has no uri"),
        ('[[source]]\nuri = "page:https://h/"\npolls = 3', "there is no setting 'polls'"),
        ('[[source]]\nuri = "page:https://h/"\nfollow = 3', "follow cannot be 3"),
        ('[[source]]\nuri = "page:https://h/"\nlicences = "cc0"', "licences cannot be 'cc0'"),
        ('[[source]]\nuri = "page:https://h/"\npoll_s = "often"', "poll_s cannot be 'often'"),
    ],
)
def test_a_file_of_sources_that_is_wrong_is_one_line(cli, services, tmp_path, text, words):
    """The line names the file and the place; nothing is crawled."""
    if text is not None:
        (tmp_path / "sources.toml").write_text(text)
    result = cli("crawl", str(tmp_path / "sources.toml"), "--profile", "landscapes")
    assert result.status == 2
    assert words in result.err
    assert len(result.err.splitlines()) == 1
    assert services.crawler.created == []


@pytest.mark.parametrize("seconds", ["inf", "1e300", "0.5"])
def test_an_impossible_poll_interval_is_one_line(cli, services, seconds):
    """--poll is refused before anybody is asked."""
    result = cli("crawl", "/photos", "--profile", "landscapes", "--poll", seconds)
    assert result.status == 2
    assert "s: give 1 s to 30 days" in result.err
    assert len(result.err.splitlines()) == 1
    assert services.crawler.created == []


@pytest.mark.parametrize("option", ["--deny-author", "--licence", "--profile"])
def test_an_option_that_is_no_text_is_one_line(cli, services, option):
    """Bytes that are no UTF-8 cannot be sent."""
    result = cli("crawl", "/photos", "--profile", "landscapes", option, "caf\udce9")
    assert result.status
    assert "no UTF-8" in result.err
    assert len(result.err.splitlines()) == 1
    assert services.crawler.created == []


def test_sources_are_added_to_a_crawl(cli, five):
    """--add-to watches the crawl that it adds to; it takes no profile."""
    cli("crawl", "/photos", "--profile", "landscapes", "--detach")
    result = cli("crawl", "reddit:u/ansel", "--add-to", "c1", "--detach")
    assert result.status == 0
    (request,) = five.crawler.added
    assert [source.uri for source in request.crawl_sources] == ["reddit:u/ansel"]
    assert cli("crawl", "/photos", "--add-to", "c1", "--profile", "landscapes").status == 2


def test_a_priority_of_the_sources(cli, services, tmp_path):
    """Of all that have none of their own in a file; out of range is one line."""
    file = tmp_path / "sources.toml"
    file.write_text('[[source]]\nuri = "page:https://h/"\npriority = -7\n')
    arguments = ("crawl", "/photos", str(file), "--profile", "landscapes", "--detach")
    assert cli(*arguments, "--priority", "20").status == 0
    [request] = services.crawler.created
    assert [source.priority for source in request.crawl_sources] == [20, -7]
    refused = cli(*arguments, "--priority", "101")
    assert refused.status == 2
    assert len(refused.err.splitlines()) == 1


def test_detach_leaves_it_running(cli, five):
    """--detach creates the crawl, watches nothing, and says how to."""
    result = cli("crawl", "/photos", "--profile", "landscapes", "--detach")
    assert result.status == 0
    assert "lodestone crawl --resume c1" in result.out
    assert five.crawler.watched_from == []


def test_a_watch_that_breaks_goes_on_where_it_was(cli, five):
    """The crawler restarts after two listings: every listing is printed once."""
    five.crawler.break_after = 2
    result = cli("crawl", "/photos", "--profile", "landscapes", "--json")
    assert result.status == 0
    urls = [one["url"] for one in result.objects()[1:-1]]
    assert urls == [f"https://example.org/{sequence}.jpg" for sequence in range(1, 6)]
    assert five.crawler.watched_from == [0, 2]
    assert result.err.splitlines() == [
        "the crawler is away (it is shutting down): waiting for it",
        "the crawler is back",
    ]


@pytest.mark.parametrize(
    ("state", "line"),
    [
        (crawl_pb2.CRAWL_STATE_FAILED, "the crawl failed: no source could be read"),
        (crawl_pb2.CRAWL_STATE_CANCELLED, "the crawl was cancelled: no source could be read"),
        (
            crawl_pb2.CRAWL_STATE_PAUSED,
            "the crawl was paused: no source could be read; go on with: lodestone crawl --resume c1",
        ),
    ],
)
def test_what_has_not_completed_is_no_success(cli, five, state, line):
    """A crawl that failed, was cancelled or paused elsewhere: the counts, one line, exit status 1."""
    five.crawler.end_state, five.crawler.end_reason = state, "no source could be read"
    result = cli("crawl", "/photos", "--profile", "landscapes", "--json")
    assert result.status == 1
    assert result.err == f"error: {line}\n"
    assert result.objects()[-1]["crawl"]["state_reason"] == "no source could be read"


def test_ctrl_c_pauses_and_resume_goes_on(cli, five, start_cli, tmp_path):
    """SIGINT pauses the crawl, says how to resume it and ends with 130; --resume prints only what is new."""
    five.crawler.end_state = crawl_pb2.CRAWL_STATE_RUNNING
    process = start_cli("crawl", "/photos", "--profile", "landscapes", "--json")
    assert five.crawler.watching.wait(30)
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 130
    assert (tmp_path / "err").read_text() == "paused; go on with: lodestone crawl --resume c1\n"
    printed = [json.loads(line) for line in (tmp_path / "out").read_text().splitlines()]
    assert len(printed) == 7
    assert printed[-1]["crawl"]["state"] == "PAUSED"

    five.crawler.listings.append(fetched(6, accepted=True))
    five.crawler.end_state = crawl_pb2.CRAWL_STATE_COMPLETED
    resumed = cli("crawl", "--resume", "c1", "--json")
    assert resumed.status == 0
    assert [one["url"] for one in resumed.objects()[1:-1]] == ["https://example.org/6.jpg"]


def test_ctrl_c_while_the_crawler_answers(cli, five, start_cli, tmp_path):
    """The crawl that goes on just then is paused, too."""
    five.crawler.end_state = crawl_pb2.CRAWL_STATE_RUNNING
    assert cli("crawl", "/photos", "--profile", "landscapes", "--detach").status == 0
    five.crawler.may_resume.clear()
    process = start_cli("crawl", "--resume", "c1", "--json")
    assert five.crawler.resuming.wait(30)
    process.send_signal(signal.SIGINT)
    five.crawler.may_resume.set()
    assert process.wait(30) == 130
    assert (tmp_path / "err").read_text() == "paused; go on with: lodestone crawl --resume c1\n"
    last = json.loads((tmp_path / "out").read_text().splitlines()[-1])
    assert last["crawl"]["state"] == "PAUSED"


def await_delivery(process, number):
    """Waits until a signal that was sent is no longer pending: two of the same kind would be one until then."""
    status = Path("/proc", str(process.pid), "status")
    deadline = time.monotonic() + 30
    pending = True
    while pending and time.monotonic() < deadline:
        fields = dict(line.split(":", 1) for line in status.read_text().splitlines())
        pending = int(fields.get("ShdPnd", "0"), 16) & 1 << (number - 1)
    assert not pending


def test_ctrl_c_twice_while_the_crawler_does_not_answer(cli, five, start_cli, tmp_path):
    """The command ends, and says where to look."""
    assert cli("crawl", "/photos", "--profile", "landscapes", "--detach").status == 0
    five.crawler.may_resume.clear()
    process = start_cli("crawl", "--resume", "c1")
    try:
        assert five.crawler.resuming.wait(30)
        for _ in range(2):
            process.send_signal(signal.SIGINT)
            await_delivery(process, signal.SIGINT)
        process.wait(30)
    finally:
        five.crawler.may_resume.set()
    assert process.returncode == 130
    assert (tmp_path / "err").read_text().startswith("error: left before the crawler answered; ")


def test_a_crawler_that_stays_away_ends_the_watch(cli, five, monkeypatch):
    """After a minute (here: none) without the crawler the command gives up, and says how to go on."""
    monkeypatch.setattr("lodestone.cli.running.PATIENCE_S", 0.0)
    five.crawler.break_after = 2
    result = cli("crawl", "/photos", "--profile", "landscapes", "--json")
    assert result.status == 1
    assert result.err.splitlines()[-1] == (
        "error: the crawler stayed away for 0 s: it is shutting down; "
        "go on later with: lodestone crawl --resume c1"
    )


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["crawl"], "a crawl needs SOURCE... and --profile NAME (or --resume ID)"),
        (["crawl", "/photos"], "a crawl needs SOURCE... and --profile NAME (or --resume ID)"),
        (
            ["crawl", "/photos", "--resume", "c1"],
            "--resume ID takes no sources, profile or limits: the crawl has its own",
        ),
    ],
)
def test_a_wrong_command_line_is_one_line(cli, services, arguments, line):
    """Exit status 2, before anything was asked of the crawler."""
    result = cli(*arguments)
    assert result.status == 2
    assert result.err == f"error: {line}\n"
    assert services.crawler.created == []


def test_unknown_profiles_and_crawls_are_the_servers_sentences(cli, services):
    """NOT_FOUND from CreateCrawl and ResumeCrawl."""
    result = cli("crawl", "/photos", "--profile", "cats")
    assert (result.status, result.err) == (1, "error: there is no profile 'cats'\n")
    result = cli("crawl", "--resume", "c9")
    assert (result.status, result.err) == (1, "error: there is no crawl 'c9'\n")


def test_no_crawler_is_one_line(cli, monkeypatch):
    """Connection refused names the address and the way out."""
    monkeypatch.setenv("LODESTONE_CRAWLER", "127.0.0.1:1")
    result = cli("crawl", "/photos", "--profile", "landscapes")
    assert result.status == 1
    assert (
        result.err
        == "error: cannot reach the crawler service at 127.0.0.1:1: is `lodestone up` running?\n"
    )


def test_a_title_cannot_rule_the_terminal(cli, services):
    """A hostile title is escaped in JSON."""
    services.crawler.listings = [fetched(1, accepted=True, title="\x1b]0;pwned\x07[bold]")]
    result = cli("crawl", "/photos", "--profile", "landscapes", "--json")
    assert "\x1b" not in result.out
    assert result.objects()[1]["title"] == "\x1b]0;pwned\x07[bold]"
