from __future__ import annotations

import os

import pytest
import structlog

from services.servicekit.errors import Misconfigured
from services.servicekit.token_file import TokenFile

ANNA, BEN = "a" * 32, "b" * 16


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "tokens"
    path.write_text(f"# people\n\nanna {ANNA}\nben  {BEN}\n")
    return path


def test_a_token_has_a_name(path):
    """Others have none."""
    tokens = TokenFile(path)

    assert tokens.find(ANNA) == "anna"
    assert tokens.find(BEN) == "ben"
    assert [tokens.find(other) for other in ("", "c" * 32, ANNA[:-1], ANNA + "a", "é")] == [
        None
    ] * 5


def test_a_file_that_changes_is_read_again(path):
    """Both tokens of a name are good while the file has both."""
    tokens = TokenFile(path)
    path.write_text(f"anna {ANNA}\nanna {BEN}\n")
    assert (tokens.find(ANNA), tokens.find(BEN)) == ("anna", "anna")
    path.write_text(f"anna {BEN}\n")
    assert (tokens.find(ANNA), tokens.find(BEN)) == (None, "anna")


def test_a_change_for_the_worse_is_logged_once(path):
    """The tokens of before stay good."""
    tokens = TokenFile(path)
    path.write_text("anna short\n")
    with structlog.testing.capture_logs() as logs:
        assert [tokens.find(ANNA) for _ in range(3)] == ["anna"] * 3
        path.unlink()
        assert tokens.find(ANNA) == "anna"
        path.write_text(f"ben {BEN}\n")
        assert tokens.find(ANNA) is None

    events = [entry["event"] for entry in logs]
    assert events == ["tokens_not_reloaded", "tokens_not_reloaded", "tokens_reloaded"]


@pytest.mark.parametrize("content", ["", "\n", " \n\n"])
def test_an_empty_file_is_one_that_is_being_written(path, content):
    """The tokens of before stay good, with a warning."""
    tokens = TokenFile(path)
    path.write_text(content)
    with structlog.testing.capture_logs() as logs:
        assert tokens.find(ANNA) == "anna"
        path.write_text(f"anna {BEN}\n")
        assert (tokens.find(ANNA), tokens.find(BEN)) == (None, "anna")

    assert [(entry["event"], entry["log_level"]) for entry in logs] == [
        ("tokens_not_reloaded", "warning"),
        ("tokens_reloaded", "info"),
    ]
    assert "are an empty file" in logs[0]["cause"]


def test_comments_alone_say_that_nobody_has_a_token(path):
    """That is how all are revoked."""
    tokens = TokenFile(path)
    path.write_text("# nobody\n")
    assert (tokens.find(ANNA), tokens.find(BEN)) == (None, None)
    assert TokenFile(path).find(ANNA) is None


def test_a_pipe_is_not_waited_for(path):
    """Neither at the start nor in the place of a file."""
    tokens = TokenFile(path)
    path.unlink()
    os.mkfifo(path)
    with structlog.testing.capture_logs() as logs:
        assert tokens.find(ANNA) == "anna"
    assert logs[0]["cause"].endswith("are no regular file")
    with pytest.raises(Misconfigured, match="no regular file"):
        TokenFile(path)


def test_a_folder_is_no_file(path):
    """One line, as for a pipe."""
    path.unlink()
    path.mkdir()
    with pytest.raises(Misconfigured, match=r"cannot be read|no regular file"):
        TokenFile(path)


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        (b"", "are an empty file"),
        (b"anna\n", "line 1 is not `name token`"),
        (b"\nanna two words-are-too-many-here\n", "line 2 is not"),
        (b"anna sixteen-characters\nben abc\n", "line 2 is not"),
        (b"\xff\xfe", "it is no text"),
    ],
)
def test_a_file_that_is_no_good_stops_the_start(path, content, cause):
    """The error says no word of the line itself."""
    path.write_bytes(content)
    with pytest.raises(Misconfigured, match=cause) as caught:
        TokenFile(path)
    assert "abc" not in str(caught.value)
    assert "two" not in str(caught.value)


def test_a_file_that_is_not_there_stops_the_start(tmp_path):
    """With its path."""
    with pytest.raises(Misconfigured, match="nothing cannot be read: No such file"):
        TokenFile(tmp_path / "nothing")
