"""`lodestone watermark evaluate`, with the real module and the bundled detector."""

from __future__ import annotations

import signal
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.cli.processes import eventually_sync


@pytest.fixture
def photos(tmp_path):
    """A labelled folder: one image of each label."""
    rng = np.random.default_rng(0)
    for name in ("clean", "marked"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        coarse = rng.integers(60, 200, (5, 7, 3), dtype=np.uint8)
        path = tmp_path / "photos" / name / "a.png"
        Image.fromarray(coarse).resize((320, 240)).save(path)
    return tmp_path / "photos"


def test_labelled_images_are_measured(cli, tmp_path, photos):
    """The report and the heat map are where they are said to be."""
    heat = photos / "clean" / "a.png"

    result = cli("watermark", "evaluate", photos, "--heat", heat, "--threshold", "0.5", "--json")

    assert result.status == 0
    heat_facts, evaluation = result.objects()
    assert evaluation["report"] == str(tmp_path / "data/evaluations/quadrant-tiles/report.html")
    assert evaluation["threshold"] == heat_facts["threshold"] == 0.5
    assert (evaluation["images"], evaluation["groups"][0]["rates"]["marked"]) == (2, 1)
    assert "<svg" in Path(evaluation["report"]).read_text(encoding="utf-8")
    with Image.open(heat_facts["picture"]) as picture:
        assert picture.width == 760


@pytest.mark.parametrize(("size", "upscaled"), [((300, 200), True), ((640, 480), False)])
def test_a_heat_map_of_a_small_image_says_so(cli, tmp_path, size, upscaled):
    """As the service does: it was scaled up."""
    path, out = tmp_path / "a.png", tmp_path / "report"
    Image.new("RGB", size, (90, 120, 90)).save(path)

    as_text = cli("watermark", "evaluate", "--heat", path, "--out", out).out.splitlines()
    [facts] = cli("watermark", "evaluate", "--heat", path, "--out", out, "--json").objects()

    assert facts["upscaled"] is upscaled
    assert ("scaled up: smaller than what the detector takes in" in as_text) is upscaled
    assert as_text[-1] == f"heat map: {out / 'heat.png'}"


@pytest.mark.parametrize("name", ["heat.png", "roc.png", "report.html"])
def test_a_full_disk_is_one_line(cli, tmp_path, photos, name):
    """With the file that it did not take, by a device that is always full."""
    out = tmp_path / "report"
    out.mkdir()
    (out / name).symlink_to("/dev/full")
    heat = photos / "clean" / "a.png"

    result = cli("watermark", "evaluate", photos, "--heat", heat, "--out", out)

    assert result.status == 1
    assert result.err == f"error: {out / name}: cannot be written: No space left on device\n"


def test_errors_of_the_module_are_ours(start_cli, tmp_path):
    """One line on stderr, the module's exit status, no table."""
    out = f"--out={tmp_path / 'report'}"

    status = start_cli("watermark", "evaluate", tmp_path / "missing", out).wait(timeout=120)

    assert status == 1
    assert "there is no such folder" in (tmp_path / "err").read_text().splitlines()[-1]
    assert not (tmp_path / "out").read_text()


def test_something_to_do_is_needed(cli):
    """A wrong command line has status 2."""
    result = cli("watermark", "evaluate")

    assert result.status == 2
    assert "--heat FILE" in result.err


def test_ctrl_c_is_one_line(start_cli, tmp_path, photos):
    """Status 130 and no traceback, while photos are judged."""
    for number in range(200):
        Image.new("RGB", (320, 240), (number, 90, 90)).save(photos / f"{number}.png")
    (photos / "clean").rename(photos / "more")
    (photos / "marked").rename(photos / "others")
    process = start_cli("watermark", "evaluate", photos, f"--out={tmp_path / 'report'}")
    err = tmp_path / "err"
    eventually_sync(lambda: b"evaluating" in err.read_bytes())

    process.send_signal(signal.SIGINT)

    assert process.wait(60) == 130
    assert err.read_text().splitlines()[1:] == ["error: interrupted"]
