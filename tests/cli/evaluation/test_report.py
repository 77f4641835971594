"""The page and the pictures of an evaluation."""

from __future__ import annotations

import pytest
from PIL import Image

from lodestone.cli.evaluation.report import write_report
from tests.cli.evaluation.evaluations import evaluation


def test_the_page_says_what_was_measured(tmp_path):
    """Goals beside measured values, groups, sources, and the worst with their pictures; names are only text."""
    page = write_report(tmp_path, evaluation(tmp_path)).read_text(encoding="utf-8")

    for words in ("≥ 0.97", "0.850 to 0.950", "clean, here", "1,234 images of 12 photos", "0.9385"):
        assert words in page
    assert "0.012; second: corner, opacity 0.41, width 12%" in page
    assert page.count("data:image/jpeg;base64,") == 2
    assert page.count("<svg") == 4
    assert "<b>one" not in page
    assert "<script" not in page
    assert "://" not in page.replace("http://www.w3.org/", "")


@pytest.mark.parametrize("name", ["roc", "precision-recall", "reliability", "groups"])
def test_pictures_are_files_too(tmp_path, name):
    """For a model card."""
    write_report(tmp_path, evaluation(tmp_path))

    with Image.open(tmp_path / f"{name}.png") as picture:
        assert min(picture.size) > 200


def test_images_with_labels_alone_have_a_page(tmp_path):
    """No kinds, no goals but those of the sources, no hard negatives."""
    plain = evaluation(tmp_path, goals=[], hard_negatives=[])

    page = write_report(tmp_path, plain).read_text(encoding="utf-8")

    assert "<h2>Goals</h2>" not in page
    assert "<h2>Marks</h2>" in page
