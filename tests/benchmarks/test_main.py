from __future__ import annotations

import json
import sys

import pytest

from benchmarks import __main__ as every
from benchmarks.__main__ import BROKE_OFF, MET, MISSED, NAMES, run


@pytest.mark.parametrize(
    ("script", "end", "kept"),
    [
        ("print('{\"a\": 1}')", MET, True),
        ("print('{\"a\": 1}'); raise SystemExit(1)", MISSED, True),
        ("raise SystemExit(1)", BROKE_OFF, False),
        ("raise SystemExit(0)", BROKE_OFF, False),
    ],
)
def test_a_report_is_kept_whether_or_not_its_goals_are_met(tmp_path, script, end, kept):
    """One without a report leaves none of an earlier run behind."""
    report = tmp_path / "one.json"
    report.write_text("{}")

    assert run("one", [sys.executable, "-c", script], tmp_path) == end

    assert report.exists() is kept
    assert not kept or json.loads(report.read_text()) == {"a": 1}


@pytest.mark.parametrize("missed", [0, 1, 2])
def test_one_that_misses_stops_none_of_the_others(monkeypatch, capsys, missed):
    """All are run in any case; the exit status and the last lines tell which one it was."""
    ran = []

    def end_of(name, command):
        ran.append(name)
        return MISSED if len(ran) == missed else MET

    monkeypatch.setattr(every, "run", end_of)
    monkeypatch.setattr(sys, "argv", ["benchmarks", "decode", "taste"])

    assert every.main() == (1 if missed else 0)

    assert ran == ["decode", "taste"]
    lines = capsys.readouterr().err.splitlines()
    assert [MISSED in line for line in lines] == [missed == 1, missed == 2]


def test_every_benchmark_is_run_and_no_other_is_taken(monkeypatch):
    """Files of the folder; a name that is none of them is an error of usage."""
    assert {"embedder", "decode", "fetch", "taste"} <= set(NAMES)
    assert not any(name.startswith("_") for name in NAMES)
    monkeypatch.setattr(sys, "argv", ["benchmarks", "embeder"])
    with pytest.raises(SystemExit, match="2"):
        every.main()
