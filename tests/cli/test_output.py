"""What is printed where."""

from __future__ import annotations

import json
import math
import re

from lodestone.cli.output import Output


def test_objects_are_one_line_of_json_each(capsys):
    """Line breaks and infinities inside do not break the form."""
    output = Output(as_json=True)
    output.object({"text": "a\nb\udc80", "numbers": [1.5, math.inf, math.nan], "none": None})
    output.object({"second": {"deep": -math.inf}})
    first, second = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert first == {"text": "a\nb\udc80", "numbers": [1.5, None, None], "none": None}
    assert second == {"second": {"deep": None}}


def test_notes_go_to_stderr_and_are_not_markup(capsys):
    """Brackets in foreign text are printed, not obeyed."""
    Output(as_json=False).note("left out [bold]a.jpg[/bold] [/x]")
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "left out [bold]a.jpg[/bold] [/x]\n"


def test_tables_defuse_their_cells(capsys, monkeypatch):
    """Markup is text, control characters are replaced, long cells are folded and not cut."""
    monkeypatch.setenv("COLUMNS", "40")
    long_path = "/photos/" + "x" * 60
    Output(as_json=False).table(("~path", ">count"), [("[red]\x1b[31m", "1"), (long_path, "2")])
    out = capsys.readouterr().out
    assert "[red]�[31m" in out
    assert "\x1b" not in out
    assert out.count("x") == 60


def test_a_table_that_is_too_wide_becomes_paragraphs(monkeypatch, capsys):
    """A name that would be left a column of a few letters stands over its row's other cells; none of them is lost."""
    columns = ("~source", *(f">count {at}" for at in range(8)), "~why")
    row = ("folder:/photos/of/long/ago", *"01234567", "")
    monkeypatch.setenv("COLUMNS", "60")
    Output(as_json=False).table(columns, [row])
    first, *others = capsys.readouterr().out.splitlines()
    assert first == "folder:/photos/of/long/ago"
    assert all(other.startswith("  ") and len(other) <= 60 for other in others)
    assert " ".join(others).split() == " · ".join(f"count {at} {at}" for at in range(8)).split()
    monkeypatch.setenv("COLUMNS", "160")
    Output(as_json=False).table(columns, [row])
    assert " ".join(row[:3]) in " ".join(capsys.readouterr().out.split())


def test_a_table_of_columns_that_do_not_give_way_is_not_cut_off(monkeypatch, capsys):
    """Where it does not fit its rows are paragraphs, too."""
    monkeypatch.setenv("COLUMNS", "40")
    Output(as_json=False).table(("digest", "said"), [("0" * 64, "today")])
    assert "".join(capsys.readouterr().out.split()) == "0" * 64 + "saidtoday"


def test_a_narrow_progress_bar_leaves_out_counters_and_not_the_count(monkeypatch, capsys):
    """How far it is stays to be seen beside counters that are longer than the terminal."""
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("FORCE_COLOR", "1")
    with Output(as_json=False).progress() as progress:
        progress.add_task("crawling", total=940, completed=120, counters="accepted 12 · " * 9)
        progress.refresh()
    frame = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", capsys.readouterr().err)
    assert re.search(r"crawling [━╺╸]+ 120/940 0:00:00 accepted 12 .*…", frame)


def test_a_progress_bar_is_silent_where_nobody_looks(capsys):
    """Nothing on stdout or stderr unless that is a terminal."""
    with Output(as_json=False).progress() as progress:
        task = progress.add_task("working", total=2, counters="")
        progress.advance(task)
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "")
