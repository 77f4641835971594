"""The command line as a whole: help, errors, exit statuses."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lodestone.cli import sources

ROOT = Path(__file__).parents[2]

COMMANDS = [
    ["up"],
    ["profile"],
    ["profile", "fit"],
    ["profile", "show"],
    ["profile", "list"],
    ["crawl"],
    ["judge"],
    ["sources"],
    ["images"],
    ["images", "list"],
    ["encoder"],
    ["encoder", "list"],
    ["encoder", "export"],
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_has_help_and_leaf_commands_have_json_and_data(cli, command):
    """--help works everywhere and names the two options that all commands share."""
    result = cli(*command, "--help")
    assert result.status == 0
    assert result.err == ""
    if command not in (["profile"], ["images"], ["encoder"]):
        assert "--json" in result.out
        assert "--data" in result.out


def test_no_command_is_the_help(cli):
    """`lodestone` alone shows what there is, and is no success."""
    result = cli()
    assert result.status == 2
    assert "profile" in result.out + result.err
    assert "error" not in result.err


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["frobnicate"], "No such command 'frobnicate' (see: lodestone --help)"),
        (["sources", "--frob"], "No such option: --frob (see: lodestone sources --help)"),
        (["judge"], "Missing argument 'FILE_OR_DIR...' (see: lodestone judge --help)"),
    ],
)
def test_a_wrong_command_line_is_one_line(cli, arguments, line):
    """Usage errors have the same form as all others; exit status 2."""
    result = cli(*arguments)
    assert result.status == 2
    assert result.err == f"error: {line}\n"


def test_a_word_of_none_of_the_choices_is_answered_with_them(cli):
    """Without the words of the library that has compared them."""
    result = cli("export", "a", "--format", "tar")
    choices = "'tar' is not one of 'folder', 'webdataset', 'parquet'"
    line = f"error: Invalid value for '--format': {choices} (see: lodestone export --help)\n"
    assert (result.status, result.err) == (2, line)


def test_a_bad_address_is_one_line(cli, monkeypatch):
    """The variable is named."""
    monkeypatch.setenv("LODESTONE_CRAWLER", "nowhere")
    result = cli("sources")
    assert result.status == 1
    assert result.err == (
        "error: LODESTONE_CRAWLER: 'nowhere' is not HOST:PORT with a port from 1 to 65535, "
        "for example 127.0.0.1:50051\n"
    )


def test_a_defect_is_one_line_and_shows_its_place_on_request(cli, monkeypatch):
    """An unexpected exception: one line; the traceback with LODESTONE_TRACEBACK=1 only."""

    def broken(_find):
        raise ZeroDivisionError("by\nnought")

    monkeypatch.setattr(sources, "ask_crawler", broken)
    result = cli("sources")
    assert result.status == 1
    assert result.err == (
        "error: unexpected ZeroDivisionError: by nought (LODESTONE_TRACEBACK=1 shows where)\n"
    )
    monkeypatch.setenv("LODESTONE_TRACEBACK", "1")
    assert "Traceback" in cli("sources").err


def test_the_command_as_a_process_without_services(tmp_path):
    """`python -m lodestone.cli` ends with 1 and one line when nobody answers."""
    with (tmp_path / "err").open("wb") as err:
        process = subprocess.run(
            [sys.executable, "-m", "lodestone.cli", "sources"],
            cwd=ROOT,
            env={**os.environ, "LODESTONE_CRAWLER": "127.0.0.1:1"},
            stderr=err,
            check=False,
        )
    assert process.returncode == 1
    assert (tmp_path / "err").read_text() == (
        "error: cannot reach the crawler service at 127.0.0.1:1: is `lodestone up` running?\n"
    )


def test_a_reader_that_has_seen_enough_is_no_defect(tmp_path, services):
    """A closed pipe ends the command without a traceback."""
    for index in range(300):
        (tmp_path / f"{index}.txt").write_text("no image")
    read_end, write_end = os.pipe()
    os.close(read_end)
    command = [sys.executable, "-m", "lodestone.cli", "judge", tmp_path, "--profile", "landscapes"]
    with (tmp_path / "err").open("wb") as err:
        process = subprocess.run(
            [*command, "--json"],
            cwd=ROOT,
            stdout=write_end,
            stderr=err,
            check=False,
        )
    os.close(write_end)
    assert process.returncode == 1
    assert (tmp_path / "err").read_text() == ""


def test_an_empty_data_folder_is_refused(cli):
    """It would be the current folder."""
    result = cli("images", "list", "--data", "")
    assert (result.status, "--data" in result.err) == (2, True)
