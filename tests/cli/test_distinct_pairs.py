"""`lodestone duplicates --not-duplicate` against a fake crawler."""

from __future__ import annotations

import hashlib

import pytest

from tests.cli.conftest import png

OTHER = "ab" * 32


@pytest.fixture
def picture(services, tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(png(2, 2))
    return path


def test_a_file_and_a_digest(cli, services, picture):
    """A file is known by its bytes; what is judged again is named."""
    digest = hashlib.sha256(picture.read_bytes()).hexdigest()
    result = cli("duplicates", picture, OTHER, "--not-duplicate")
    assert result.status == 0
    assert services.crawler.pairs == {tuple(sorted((digest, OTHER)))}
    assert f"{digest[:12]} and {OTHER[:12]} are no duplicates" in result.out
    assert "lodestone crawl --resume c-again" in result.out
    [told] = cli("duplicates", picture, OTHER, "--not-duplicate", "--json").objects()
    assert told["crawl_ids"] == ["c-again"]
    [listed] = cli("duplicates", "--not-duplicate", "--json").objects()
    assert {listed["first_digest"], listed["second_digest"]} == {digest, OTHER}
    assert OTHER in cli("duplicates", "--not-duplicate").out


@pytest.mark.parametrize(("near", "told"), [(True, False), (False, True), (None, False)])
def test_two_that_were_no_duplicates_before(cli, services, picture, near, told):
    """That is said: a slip of the pen would be silent otherwise."""
    services.crawler.near = near
    result = cli("duplicates", picture, OTHER, "--not-duplicate")
    assert ("they were none before" in result.out) is told
    [facts] = cli("duplicates", picture, OTHER, "--not-duplicate", "--json").objects()
    assert facts["near"] is near


def test_it_is_taken_back(cli, services, picture):
    """Once; the second time nobody had said so."""
    cli("duplicates", picture, OTHER, "--not-duplicate")
    for said in ("taken back", "nobody had said so"):
        result = cli("duplicates", OTHER, picture, "--not-duplicate", "--undo")
        assert (result.status, result.out.strip()) == (0, said)
    assert services.crawler.pairs == set()


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        ((OTHER, "--not-duplicate"), 2, "give two images"),
        (("--not-duplicate", "--undo"), 2, "give two images"),
        ((OTHER, "--undo"), 2, "--undo goes with --not-duplicate"),
        ((), 2, "give images"),
        ((OTHER, "nowhere.png", "--not-duplicate"), 1, "nowhere.png: no file, and no digest"),
    ],
)
def test_what_cannot_be_meant_is_one_line(cli, services, arguments, status, message):
    """And nothing is asked."""
    result = cli("duplicates", *arguments)
    assert result.status == status
    assert message in result.err
    assert services.crawler.pairs == set()


def test_before_anything_was_said_it_is_told_how(cli, services):
    """And no table without rows is printed."""
    result = cli("duplicates", "--not-duplicate")
    hint = "nobody has said so of any: lodestone duplicates A B --not-duplicate\n"
    assert (result.status, result.out) == (0, hint)


def test_nothing_of_the_list_is_cut_off_in_a_narrow_terminal(cli, services, picture, monkeypatch):
    """Both digests are needed to take it back."""
    cli("duplicates", picture, OTHER, "--not-duplicate")
    [listed] = cli("duplicates", "--not-duplicate", "--json").objects()
    monkeypatch.setenv("COLUMNS", "60")
    out = "".join(cli("duplicates", "--not-duplicate").out.split())
    assert listed["first_digest"] in out
    assert listed["second_digest"] in out
    assert "UTC" in out
