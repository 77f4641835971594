from __future__ import annotations

import json

import pytest
import structlog

from services.watermark.command_line import CommandParser, configure_notes, fail, print_object


@pytest.fixture(autouse=True)
def _logs_as_before():
    """Notes go to the stderr of this test alone."""
    yield
    structlog.contextvars.clear_contextvars()
    structlog.reset_defaults()


def test_a_wrong_command_line_is_one_line(capsys):
    """It speaks of the command that was typed, and of where its options are told."""
    parser = CommandParser("train", "Trains.")
    parser.add_argument("--steps", type=int)

    with pytest.raises(SystemExit) as caught:
        parser.parse_args(["--steps=many"])

    assert caught.value.code == 2
    line = "error: argument --steps: invalid int value: 'many' (see: lodestone watermark train --help)\n"
    assert capsys.readouterr().err == line


def test_a_failure_is_one_line_whatever_a_file_is_called(capsys):
    """A name cannot rule the terminal."""
    assert fail("a\nb\x1b[2J.png: no photo", 3) == 3
    assert capsys.readouterr().err == "error: a b\ufffd[2J.png: no photo\n"


def test_what_is_no_number_is_null(capsys):
    """JSON has no NaN."""
    print_object({"loss": float("nan"), "held_out": {"auc": float("inf"), "tpr": 0.5}, "step": 1})

    line = capsys.readouterr().out
    assert json.loads(line) == {"loss": None, "held_out": {"auc": None, "tpr": 0.5}, "step": 1}
    assert line.count("\n") == 1


def test_notes_are_lines_for_a_person(capsys):
    """The level is said where something is wrong."""
    configure_notes("train", as_json=False)
    structlog.get_logger().info("photos", to_train=3, to_test=1)
    structlog.get_logger().warning("left_out", path="a\nb.png", reason="not a JPEG")

    lines = ["photos: to train 3, to test 1", "warning: left out: path a b.png, reason not a JPEG"]
    assert capsys.readouterr().err.splitlines() == lines


def test_notes_are_objects_for_a_program(capsys):
    """On stderr: results alone are on stdout."""
    configure_notes("train", as_json=True)
    structlog.get_logger().warning("left_out", path="a.png")

    captured = capsys.readouterr()
    assert captured.out == ""
    facts = json.loads(captured.err)
    assert (facts["level"], facts["event"], facts["path"]) == ("warning", "left_out", "a.png")
