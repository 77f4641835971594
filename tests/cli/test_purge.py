"""`lodestone purge` against a fake crawler."""

from __future__ import annotations

import pytest

from lodestone.cli import purge
from tests.cli.crawler_messages import kept_image

DIGEST = "ab" * 32


@pytest.fixture
def asked(monkeypatch):
    """A person at a terminal; the list holds what to answer, then what was asked."""
    questions = []

    def confirm(question, **_options):
        questions.append(question)
        return questions.pop(0)

    monkeypatch.setattr(purge.sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(purge.typer, "confirm", confirm)
    return questions


def test_without_a_selection_nothing_is_asked_for(cli, services):
    """One line that says what to name."""
    refused = cli("purge", "--yes")
    assert refused.status == 2
    assert refused.err.startswith("error: name --digest")
    assert services.crawler.purges == []


def test_a_script_must_say_yes(cli, services, monkeypatch):
    """Where nobody can be asked, nothing is removed without --yes."""
    monkeypatch.setattr(purge.sys.stdin, "isatty", lambda: False, raising=False)
    refused = cli("purge", "--digest", DIGEST)
    assert refused.status == 1
    assert "--yes" in refused.err
    assert services.crawler.purges == []


def test_yes_removes_and_says_what(cli, services):
    """A line of JSON an image; every option reaches the crawler."""
    services.crawler.kept = [kept_image("a.jpg")]
    options = ("--url", "http://h/a", "--source", "s", "--host", "h", "--author", "x", "--gone")
    removed = cli("purge", "--digest", DIGEST, *options, "--reason", "why", "--yes", "--json")
    assert removed.objects() == [
        {
            "digest": DIGEST,
            "source": "folder:/photos",
            "url": "file:///photos/a.jpg",
            "reason": "asked",
            "dry_run": False,
        }
    ]
    (request,) = services.crawler.purges
    assert (request.url, request.source, request.host) == ("http://h/a", "s", "h")
    assert (request.author, request.reason) == ("x", "why")
    assert request.gone
    assert not request.dry_run


def test_the_first_digits_are_enough(cli, services):
    """As other commands show them; the crawler knows whose they are, and says it if they are nobody's."""
    services.crawler.kept = [kept_image("a.jpg")]
    removed = cli("purge", "--digest", DIGEST[:12].upper(), "--yes", "--json")
    assert [one["digest"] for one in removed.objects()] == [DIGEST]
    (request,) = services.crawler.purges
    assert list(request.digests) == [DIGEST[:12]]
    refused = cli("purge", "--digest", "cd" * 6, "--yes")
    assert (refused.status, refused.err) == (1, f"error: there is no kept image '{'cd' * 6}'\n")


def test_a_dry_run_removes_nothing(cli, services):
    """The table of what would go, and a sentence."""
    services.crawler.kept = [kept_image("a.jpg")]
    shown = cli("purge", "--digest", DIGEST, "--dry-run")
    assert "file:///photos/a.jpg" in shown.out
    assert "1 would be removed" in shown.out
    assert [request.dry_run for request in services.crawler.purges] == [True]


@pytest.mark.parametrize(
    ("answer", "runs", "status"), [(True, [True, False], 0), (False, [True], 1)]
)
def test_a_person_is_asked_first(cli, services, asked, answer, runs, status):
    """What would go is shown; only a yes removes it."""
    services.crawler.kept = [kept_image("a.jpg")]
    asked.append(answer)
    assert cli("purge", "--digest", DIGEST).status == status
    assert asked == ["Remove 1 for good?"]
    assert [request.dry_run for request in services.crawler.purges] == runs


def test_nothing_matches(cli, services):
    """A sentence, and no question."""
    assert "nothing that is kept matches" in cli("purge", "--host", "h", "--yes").out
