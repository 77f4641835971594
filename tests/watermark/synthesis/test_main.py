from __future__ import annotations

import hashlib
import json
import os
import re
import resource

import numpy as np
import pytest
from PIL import Image as PillowImage

from services.watermark.synthesis.__main__ import main
from services.watermark.synthesis.drawn_marks import KINDS, NEGATIVES, OPACITIES
from tests.fakes.image_files import photo


@pytest.fixture
def photos(tmp_path):
    """Three photos and a file that is none."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for seed in range(3):
        PillowImage.fromarray(photo(160, 120, seed=seed)).save(folder / f"{seed}.png")
    (folder / "broken.jpg").write_bytes(b"no photo")
    return folder


def contents(folder):
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
    }


def labels(folder):
    return [json.loads(line) for line in (folder / "labels.jsonl").read_text().splitlines()]


def test_pairs_have_one_name_and_one_size(photos, tmp_path, capsys):
    """And a label, which says where the mark is."""
    out = tmp_path / "out"
    assert main([str(photos), str(out), "--count", "12", "--seed", "4"]) == 0

    captured = capsys.readouterr()
    assert captured.out == f"12 pairs in {out}\n"
    assert captured.err.startswith(f"left out {photos / 'broken.jpg'}: ")
    written = labels(out)
    assert [label["seed"] for label in written] == [[4, index] for index in range(12)]
    for label in written:
        with (
            PillowImage.open(out / "clean" / label["name"]) as clean,
            PillowImage.open(out / "marked" / label["name"]) as marked,
        ):
            assert (clean.format, clean.size) == (marked.format, marked.size)
            apart = np.asarray(clean.convert("RGB")).astype(int) - np.asarray(marked.convert("RGB"))
        left, top, right, bottom = label["box"]
        inside = np.abs(apart[top:bottom, left:right]).max()
        assert inside >= 10
        assert label["kind"] in KINDS
        assert OPACITIES[0] <= label["opacity"] <= OPACITIES[1]
        assert 0 < label["width_ratio"] <= 1
        assert (photos / label["photo"]).is_file()
    names = {label["name"] for label in written}
    assert {path.name for path in (out / "clean").iterdir()} == names
    assert {path.name for path in (out / "marked").iterdir()} == names


def test_each_photo_that_can_be_read_has_one_pair(photos, tmp_path, capsys):
    """Unless a count is given; files that are no photos take nobody's turn, wherever they stand."""
    (photos / "0a.png").write_bytes(b"no photo")
    (photos / "z.png").write_bytes(b"no photo")
    out = tmp_path / "out"

    assert main([str(photos), str(out), "--json"]) == 0

    facts = json.loads(capsys.readouterr().out)
    assert facts == {"out": str(out), "pairs": 3, "left_out": 3}
    assert [label["photo"] for label in labels(out)] == ["0.png", "1.png", "2.png"]
    assert len(list((out / "clean").iterdir())) == 3


def test_one_seed_writes_the_same_bytes(photos, tmp_path):
    """And another seed others."""
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        assert main([str(photos), str(tmp_path / name), "--count=6", f"--seed={seed}"]) == 0

    first, again, other = (contents(tmp_path / name) for name in "abc")
    assert first == again
    assert first["labels.jsonl"] != other["labels.jsonl"]


def test_names_that_are_not_utf8_are_written_all_the_same(tmp_path):
    """With a replacement character."""
    folder = tmp_path / "photos"
    folder.mkdir()
    PillowImage.fromarray(photo(160, 120)).save(tmp_path / "a.png")
    (tmp_path / "a.png").rename(os.fsdecode(os.fsencode(folder) + b"/caf\xe9.png"))

    assert main([str(folder), str(tmp_path / "out")]) == 0

    assert [label["photo"] for label in labels(tmp_path / "out")] == ["caf\ufffd.png"]


def test_kinds_come_in_turn(photos, tmp_path):
    """Those that are asked for."""
    out = tmp_path / "out"
    main([str(photos), str(out), "--kinds=logo", "--kinds=tiled", "--count=4"])
    assert [label["kind"] for label in labels(out)] == ["logo", "tiled", "logo", "tiled"]


def test_a_sheet_shows_every_kind(photos, tmp_path, capsys):
    """Five of each, with what they are; a small file."""
    sheet = tmp_path / "sheet.jpg"
    out = tmp_path / "out"
    assert main([str(photos), str(out), "--count=1", f"--sheet={sheet}", "--json"]) == 0

    facts = json.loads(capsys.readouterr().out)
    assert facts == {"out": str(out), "pairs": 1, "left_out": 1}
    with PillowImage.open(sheet) as image:
        assert (image.format, image.width) == ("JPEG", 1776)
        levels = np.asarray(image.convert("L"))
    # Paper lies between the name of a kind, its pictures, and what is under those of marks.
    is_paper = (levels > 235).all(axis=1)
    tops = np.flatnonzero(is_paper[:-1] & ~is_paper[1:])
    assert len(tops) >= 3 * len(KINDS) + 2 * len(NEGATIVES)
    assert (levels < 200).mean() > 0.1
    assert sheet.stat().st_size < 2_000_000


def test_a_sheet_of_another_format_is_one_line(photos, tmp_path, capsys):
    """Told before anything is written."""
    out = tmp_path / "out"
    assert main([str(photos), str(out), "--count=1", f"--sheet={tmp_path / 'sheet.png'}"]) == 1
    line = f"error: {tmp_path / 'sheet.png'}: a sheet is a file with the suffix .jpg or .jpeg or .webp\n"
    assert capsys.readouterr().err == line
    assert not out.exists()


def test_a_sheet_in_no_folder_is_one_line(photos, tmp_path, capsys):
    """Told before anything is written."""
    out, sheet = tmp_path / "out", tmp_path / "none" / "sheet.jpg"
    assert main([str(photos), str(out), "--count=1", f"--sheet={sheet}"]) == 1
    line = f"error: {sheet}: cannot be written: there is no folder {sheet.parent}\n"
    assert capsys.readouterr().err == line
    assert not out.exists()


def test_a_sheet_may_lie_beside_its_pairs(photos, tmp_path):
    """In the folder that is made for them."""
    out = tmp_path / "out"
    assert main([str(photos), str(out), "--count=1", f"--sheet={out / 'sheet.webp'}"]) == 0
    assert (out / "sheet.webp").is_file()


@pytest.mark.parametrize("kind", ["date_stamp", "nothing"])
def test_a_kind_that_is_no_mark(photos, tmp_path, kind, capsys):
    """Is a wrong command line: a hard negative is in both images of some pairs anyway."""
    with pytest.raises(SystemExit) as caught:
        main([str(photos), str(tmp_path / "out"), f"--kinds={kind}"])
    assert caught.value.code == 2
    assert f"invalid choice: '{kind}'" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_disk_that_takes_no_more_is_one_line(photos, tmp_path, capsys):
    """With the file that it did not take; nothing of it stays."""
    out = tmp_path / "out"
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
    try:
        status = main([str(photos), str(out), "--count=3"])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    assert status == 1
    assert not [path for path in out.rglob("*") if path.is_file()]
    error = capsys.readouterr().err
    assert re.fullmatch(r"error: \S+/clean/000000\.\w+: cannot be written: File too large\n", error)


def test_what_is_wrong_is_one_line(photos, tmp_path, capsys):
    """No photos, a folder with something in it, a file in its place, no fonts."""
    out, full, file = tmp_path / "out", tmp_path / "full", tmp_path / "file"
    (full / "clean").mkdir(parents=True)
    file.touch()
    (tmp_path / "unreadable").mkdir()
    (tmp_path / "unreadable" / "a.png").write_bytes(b"no photo")
    for arguments, line in (
        ([tmp_path / "none", out], "none: there is no such folder of photos"),
        ([full, out], "full: there are no photos in it"),
        ([tmp_path / "unreadable", out], "unreadable: none of its 1 photos can be read"),
        ([photos, full], "full: is not empty; give a new folder"),
        ([photos, file], "file: cannot be made: File exists"),
        ([photos, out, "--fonts", tmp_path / "none"], "none: there is no such folder of fonts"),
        ([photos, out, "--fonts", photos], "photos: there are no fonts in it"),
    ):
        assert main([str(argument) for argument in arguments]) == 1
        error = capsys.readouterr().err
        assert error.startswith("error: ")
        assert error.count("\n") == 1
        assert line in error
