"""`lodestone watermark synthesize`: runs the checkout's module, torch-free."""

from __future__ import annotations

import json
import signal
import sys
from types import SimpleNamespace

import pytest
from PIL import Image as PillowImage

from tests.cli.processes import eventually_sync
from tests.fakes.image_files import photo


@pytest.fixture
def photos(tmp_path):
    """Two photos."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for seed in range(2):
        PillowImage.fromarray(photo(96, 64, seed=seed)).save(folder / f"{seed}.png")
    return folder


def test_pairs_are_written(start_cli, photos, tmp_path):
    """With the options given; the report is the module's."""
    out, sheet = tmp_path / "pairs", tmp_path / "sheet.jpg"
    process = start_cli(
        *("watermark", "synthesize", photos, out, "--count", "3", "--seed", "5", "--json"),
        *("--kinds", "logo", "--kinds", "bar", "--sheet", sheet),
    )

    assert process.wait(60) == 0
    assert json.loads((tmp_path / "out").read_text()) == {
        "out": str(out),
        "pairs": 3,
        "left_out": 0,
    }
    lines = (out / "labels.jsonl").read_text().splitlines()
    assert [json.loads(line)["kind"] for line in lines] == ["logo", "bar", "logo"]
    assert sheet.is_file()


def test_errors_are_one_line(start_cli, tmp_path):
    """And the exit status is the module's."""
    process = start_cli("watermark", "synthesize", tmp_path / "none", tmp_path / "pairs")

    assert process.wait(60) == 1
    line = f"error: {tmp_path / 'none'}: there is no such folder of photos\n"
    assert (tmp_path / "err").read_text() == line


def test_ctrl_c_is_one_line(start_cli, photos, tmp_path):
    """Status 130 and no traceback, while pairs are written."""
    process = start_cli("watermark", "synthesize", photos, tmp_path / "pairs", "--count=100000")
    # A folder without a pair is there while libraries are still loaded, whose own handlers may take the signal.
    eventually_sync(lambda: any((tmp_path / "pairs" / "marked").glob("*")))

    process.send_signal(signal.SIGINT)

    assert process.wait(60) == 130
    assert (tmp_path / "err").read_text() == "error: interrupted\n"


def test_outside_of_a_checkout_is_one_line(cli, photos, tmp_path, monkeypatch):
    """The wheel alone has no services."""
    nothing = SimpleNamespace(path=[], executable=sys.executable)
    monkeypatch.setattr("lodestone.cli.checkout.sys", nothing)
    monkeypatch.chdir(tmp_path)
    result = cli("watermark", "synthesize", photos, tmp_path / "pairs")

    line = "error: the services are not here: run this from a checkout of Lodestone\n"
    assert (result.status, result.err) == (1, line)
