from __future__ import annotations

from lodestone.cli.mark_kinds import MarkKind
from services.watermark.synthesis.drawn_marks import KINDS


def test_the_command_takes_every_kind_that_is_drawn():
    """It runs without the services' code, and so has names of its own."""
    assert list(MarkKind) == list(KINDS)


def test_a_kind_that_is_none_is_one_line(cli):
    """With those that there are."""
    for command in (["synthesize", "a", "b", "--kinds"], ["train", "--without-kinds"]):
        result = cli("watermark", *command, "ghost")

        assert result.status == 2
        [line] = result.err.splitlines()
        assert line.startswith(f"error: Invalid value for '{command[-1]}': ")
        assert "'ghost' is not one of 'signature', " in line
        assert "'scribble'" in line
        assert line.endswith(f"(see: lodestone watermark {command[0]} --help)")


def test_the_help_lists_them(cli):
    """Of both commands that take them."""
    for command in ("synthesize", "train"):
        text = " ".join(cli("watermark", command, "--help").out.split())
        assert all(kind in text for kind in MarkKind)
