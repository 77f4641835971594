"""`lodestone images list`: what became of the files, and profiles that are not there."""

from __future__ import annotations

import pytest

from lodestone.crawler.v1 import kept_image_pb2
from tests.cli.crawler_messages import kept_image

PRESENT = kept_image_pb2.FILE_STATE_PRESENT
REMOVED = kept_image_pb2.FILE_STATE_REMOVED
LOST = kept_image_pb2.FILE_STATE_LOST


def images(*states):
    return [kept_image(f"{number}.jpg", state=state) for number, state in enumerate(states)]


def test_files_that_are_gone_are_marked(cli, services):
    """The table marks them, the last line counts them, JSON has the word."""
    services.crawler.kept = images(PRESENT, REMOVED, REMOVED, LOST)
    listed = cli("images", "list")
    assert listed.status == 0
    lines = listed.out.splitlines()
    for start in ("0.jpg", "removed: 1.jpg", "removed: 2.jpg", "lost: 3.jpg"):
        assert any(line.startswith(start) for line in lines)
    last = lines[-1]
    assert last.startswith("4 kept")
    assert "2 of them removed there by hand" in last
    assert "stored bytes of 1 are gone" in last
    states = [one["file_state"] for one in cli("images", "list", "--json").objects()]
    assert states == ["PRESENT", "REMOVED", "REMOVED", "LOST"]


def test_nothing_is_said_of_files_that_are_there(cli, services):
    """The last line is the count alone."""
    services.crawler.kept = images(PRESENT, PRESENT)
    out = cli("images", "list").out
    assert out.splitlines()[-1].startswith("2 kept")
    assert "removed" not in out
    assert "gone" not in out


@pytest.mark.parametrize("words", [(), ("--json",)])
def test_a_profile_that_is_not_there(cli, services, words):
    """One line and exit status 1."""
    result = cli("images", "list", "--profile", "nope", *words)
    assert (result.status, result.out) == (1, "")
    assert result.err == "error: there is no profile 'nope'\n"


def test_a_profile_that_has_kept_nothing(cli, services):
    """It is there: nothing is wrong."""
    result = cli("images", "list", "--profile", "landscapes")
    assert (result.status, result.out) == (0, "nothing kept yet\n")
