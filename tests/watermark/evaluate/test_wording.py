from __future__ import annotations

import numpy as np
import pytest

from services.servicekit.errors import Misconfigured
from services.watermark.evaluate import wording
from services.watermark.evaluate.outline import coverage, extents, fitted, moved
from services.watermark.evaluate.wording import bundled_fonts, choose_font, choose_text, fonts_of

CM = [font for font in bundled_fonts() if font.family.startswith("cm")]
STIX = [font for font in bundled_fonts() if font.family == "STIXGeneral"]


def test_fonts_are_asked_for_their_letters():
    """Cyrillic is written in STIX, never in Computer Modern, which has no ©, either."""
    rng = np.random.default_rng(0)
    for _ in range(20):
        assert choose_font([*CM, *STIX], "Ольга Ветрова", rng).family == "STIXGeneral"
        assert choose_font([*CM, *STIX], "© 2020", rng).family == "STIXGeneral"
        assert choose_text(["ОБРАЗЕЦ", "BOZZA"], CM, rng) == "BOZZA"
    with pytest.raises(Misconfigured, match="none of 5 fonts"):
        choose_font(CM, "ОБРАЗЕЦ", rng)
    with pytest.raises(Misconfigured, match="any text"):
        choose_text(["ОБРАЗЕЦ"], CM, rng)


def test_every_text_can_be_written():
    """In one of the fonts inside matplotlib."""
    texts = (*wording.NAMES, *wording.HANDLES, *wording.DOMAINS, *wording.SHOUTS)

    assert not [text for text in texts if not any(font.has(text) for font in bundled_fonts())]


def test_spaced_letters_are_wider():
    """And as high."""
    plain, spaced = (STIX[0].outline("Studio", spacing=space) for space in (0.0, 0.5))

    assert extents(spaced).width > 1.4 * extents(plain).width
    assert extents(spaced).height == pytest.approx(extents(plain).height, rel=0.1)


def test_letters_stand_upright():
    """An L has its bar below."""
    from matplotlib.transforms import Affine2D

    letter = moved(fitted(STIX[0].outline("L"), width=40), Affine2D().translate(40, 40))
    covered = coverage(letter, height_px=80, width_px=80)

    assert covered[40:].sum() > 1.3 * covered[:40].sum()
    assert covered[:, :40].sum() > covered[:, 40:].sum()


def test_fonts_are_read(tmp_path):
    """A broken one is an error that names it."""
    (tmp_path / "b.otf").write_bytes(b"broken")

    assert [font.family for font in fonts_of([STIX[0].path])] == ["STIXGeneral"]
    with pytest.raises(Misconfigured, match=r"b\.otf: this font cannot be read: "):
        fonts_of([STIX[0].path, tmp_path / "b.otf"])
