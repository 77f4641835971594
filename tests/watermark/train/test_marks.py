from __future__ import annotations

from pathlib import Path

import matplotlib as mpl

from services.watermark.synthesis.texts import HELD_OUT_TEXTS, TRAINING_TEXTS
from services.watermark.train.marks import Marks

FONTS = Path(mpl.get_data_path()) / "fonts" / "ttf"


def test_other_fonts_and_texts_are_tested_with():
    """Each draws in fonts of its own."""
    marks = Marks(held_out_fonts=(FONTS / "DejaVuSans.ttf",))

    trained, calibrated = marks.to_train(), marks.to_calibrate()["first"]

    assert trained.lettering.fonts == ()
    assert calibrated.lettering.fonts == (FONTS / "DejaVuSans.ttf",)
    assert trained.lettering.texts == TRAINING_TEXTS
    assert calibrated.lettering.texts == HELD_OUT_TEXTS


def test_a_second_generator_is_for_tests_alone():
    """Neither trained nor calibrated with."""
    assert set(Marks().to_calibrate()) == {"first"}
    assert set(Marks().to_test()) == {"first", "second"}
