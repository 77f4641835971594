"""Options that are paths, of all commands."""

from __future__ import annotations

from typing import get_type_hints

import pytest
import typer

from lodestone.cli.app import app
from lodestone.cli.options import given_path


def _commands(group):
    """The functions of all commands, those of groups in groups too."""
    registered = [*group.registered_commands, group.registered_callback or group.info]
    yield from (one.callback for one in registered if one.callback)
    for below in group.registered_groups:
        yield from _commands(below.typer_instance)


@pytest.mark.parametrize("command", list(_commands(app)))
def test_no_path_may_be_empty(command):
    """An empty one would be the current folder, which nobody has named."""
    hints = get_type_hints(command, include_extras=True)
    paths = {name: hint for name, hint in hints.items() if "Path" in str(hint)}
    parsers = {name: hint.__metadata__[0].parser for name, hint in paths.items()}
    assert parsers == dict.fromkeys(paths, given_path)


@pytest.mark.parametrize("text", ["", "  "])
def test_what_is_empty_is_no_path(text):
    """What is blank is an accident of a shell's variables as well."""
    with pytest.raises(typer.BadParameter, match="it is empty"):
        given_path(text)


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        (("judge", "", "--profile", "a"), "'FILE_OR_DIR...'"),
        (("duplicates", "a.jpg", ""), "'FILE_OR_DIR...'"),
        (("watermark", "train", "--photos", "a", "--out", "b", "--calibrate", ""), "'--calibrate'"),
        (("encoder", "export", "a", "--out="), "'--out'"),
        (("export", ""), "'DIR'"),
    ],
)
def test_an_empty_path_is_one_line(cli, arguments, name):
    """Before anything is asked or run."""
    result = cli(*arguments)
    assert (result.status, result.out) == (2, "")
    line = f"error: Invalid value for {name}: it is empty (see: lodestone {arguments[0]}"
    assert result.err.startswith(line)
    assert result.err.count("\n") == 1
