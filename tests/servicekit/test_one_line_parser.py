from __future__ import annotations

import pytest

from services.servicekit.one_line_parser import OneLineParser


def test_an_error_is_one_line(capsys):
    """And status 2, as of any command."""
    with pytest.raises(SystemExit) as ended:
        OneLineParser(prog="lodestone see").parse_args(["--what"])
    assert ended.value.code == 2
    line = "error: unrecognized arguments: --what (see: lodestone see --help)\n"
    assert capsys.readouterr().err == line
