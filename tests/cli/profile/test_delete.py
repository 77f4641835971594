"""`lodestone profile delete` against fake services."""

from __future__ import annotations

import io

import pytest


class Terminal(io.StringIO):
    """Somebody who can be asked."""

    def isatty(self):
        return True


@pytest.fixture
def fitted(cli, services, photos):
    """`landscapes@1` and `@2`."""
    for _ in range(2):
        assert cli("profile", "fit", "landscapes", photos).status == 0


def test_delete_takes_one_version(cli, services, fitted):
    """And says which one is the newest now."""
    result = cli("profile", "delete", "landscapes@2", "--yes")
    assert result.status == 0
    assert result.out == "deleted 1 version: landscapes@2\nlandscapes@1 is the newest now\n"
    assert cli("profile", "show", "landscapes@2").status == 1


def test_delete_takes_all_versions(cli, services, fitted):
    """By the bare name."""
    (facts,) = cli("profile", "delete", "landscapes", "-y", "--json").objects()
    assert facts == {"name": "landscapes", "versions": [1, 2], "newest_version": None}
    assert cli("profile", "list", "--json").objects() == []


@pytest.mark.parametrize(
    ("answer", "status", "left"), [("y\n", 0, 1), ("n\n", 130, 2), ("", 130, 2)]
)
def test_delete_asks_first(cli, services, fitted, monkeypatch, answer, status, left):
    """Whoever says no, or nothing, keeps it."""
    monkeypatch.setattr("sys.stdin", Terminal(answer))
    result = cli("profile", "delete", "landscapes@1")
    assert result.status == status
    assert "Delete landscapes@1 for good?" in result.err
    assert len(services.novelty._there("landscapes")) == left


def test_delete_without_anybody_to_ask_needs_yes(cli, services, fitted, monkeypatch):
    """A script says --yes."""
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    result = cli("profile", "delete", "landscapes")
    assert result.status == 2
    assert result.err == (
        "error: say --yes to delete every version of landscapes: there is nobody to ask\n"
    )
    assert len(services.novelty._there("landscapes")) == 2


def test_delete_of_what_is_not_there_is_one_line(cli, services):
    """The service's sentence."""
    result = cli("profile", "delete", "cats", "--yes")
    assert result.status == 1
    assert result.err == "error: there is no profile 'cats'\n"
