from __future__ import annotations

import os
import shutil
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from PIL import features

from services.servicekit.errors import Misconfigured
from services.watermark.synthesis.lettering import Lettering, can_write, find_fonts, load_font
from services.watermark.synthesis.texts import TRAINING_TEXTS
from tests.watermark.synthesis.drawing import LETTERING

# matplotlib brings families of fonts along.
FONTS = Path(mpl.get_data_path()) / "fonts" / "ttf"


def test_fonts_are_found_by_their_names(tmp_path):
    """In every folder, deep down, in one order; what has another name is left out."""
    for name in ("b/z.ttf", "b/a.TTF", "b/c/d.ttf", "a/e.ttf"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes((FONTS / "DejaVuSans.ttf").read_bytes())
    (tmp_path / "b" / "folder.ttf").mkdir()
    os.mkfifo(tmp_path / "b" / "pipe.ttf")
    (tmp_path / "b" / "readme.txt").touch()

    found = find_fonts([tmp_path / "b", tmp_path / "a"])

    names = [str(path.relative_to(tmp_path)) for path in found]
    assert names == ["b/a.TTF", "b/c/d.ttf", "b/z.ttf", "a/e.ttf"]


def test_folders_without_fonts_are_errors(tmp_path):
    """One that is not there, one with nothing to write in, one with a file that is no font."""
    with pytest.raises(Misconfigured, match="none: there is no such folder of fonts"):
        find_fonts([FONTS, tmp_path / "none"])
    shutil.copy(FONTS / "STIXSizOneSymReg.ttf", tmp_path)
    with pytest.raises(Misconfigured, match="there are no fonts in it that write Latin letters"):
        find_fonts([FONTS, tmp_path])
    shutil.copy(FONTS / "DejaVuSans.ttf", tmp_path)
    (tmp_path / "broken.otf").write_bytes(b"no font")
    with pytest.raises(Misconfigured, match=r"broken\.otf: this font cannot be read: unknown file"):
        find_fonts([tmp_path])


def test_fonts_without_letters_are_left_out():
    """One of last resort draws a box for each, one of symbols has none."""
    names = {path.name for path in find_fonts([FONTS])}

    assert {"DejaVuSans.ttf", "DejaVuSerif.ttf", "STIXGeneral.ttf"} <= names
    assert not {"LastResortHE-Regular.ttf", "STIXSizOneSymReg.ttf"} & names


def test_families_are_chosen_alike():
    """However many files one has."""
    lettering = Lettering(find_fonts([FONTS]), TRAINING_TEXTS)
    rng = np.random.default_rng(0)
    chosen = [lettering.choose_font(rng).name for _ in range(400)]

    families = {load_font(path, 20).getname()[0] for path in lettering.fonts}
    share = sum(name.startswith("STIXGeneral") for name in chosen) / len(chosen)
    assert share == pytest.approx(1 / len(families), abs=0.06)


def test_other_scripts_need_a_font_that_has_them():
    """DejaVu has Cyrillic and Greek, Pillow's own font has neither, and neither has Chinese."""
    dejavu = FONTS / "DejaVuSans.ttf"

    assert can_write(dejavu, "Образец ΔΕΙΓΜΑ © 2024")
    assert not can_write(dejavu, "样图")
    assert can_write(None, "Sample © 2024")
    assert not can_write(None, "Образец")


def test_what_is_written_can_be_written():
    """Whatever the font; other scripts come now and then."""
    dejavu = FONTS / "DejaVuSans.ttf"
    rng = np.random.default_rng(0)
    texts = [LETTERING.write(TRAINING_TEXTS.rights, dejavu, rng) for _ in range(300)]
    own = [LETTERING.write(TRAINING_TEXTS.rights, None, rng) for _ in range(100)]

    assert all(can_write(dejavu, text) for text in texts)
    assert all(can_write(None, text) for text in own)
    assert 0.02 < np.mean([any("\u0370" <= c <= "\u06ff" for c in text) for text in texts]) < 0.2


def test_without_fonts_pillow_writes_in_its_own():
    """Which scales; nothing is smaller than 5 pixels."""
    assert features.check("freetype2")
    assert Lettering((), TRAINING_TEXTS).choose_font(np.random.default_rng(0)) is None
    assert load_font(None, 40).getlength("mark") == pytest.approx(
        2 * load_font(None, 20).getlength("mark"), rel=0.1
    )
    assert load_font(None, 1).size == 5
