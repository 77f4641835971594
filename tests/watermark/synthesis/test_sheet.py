from __future__ import annotations

import pytest
from PIL import Image as PillowImage

from services.servicekit.errors import Misconfigured
from services.watermark.synthesis.sheet import write_sheet
from services.watermark.writing import FileNotWritten

SHEET = PillowImage.new("RGB", (40, 30))


@pytest.mark.parametrize(
    ("name", "form"), [("a.JPG", "JPEG"), ("a.jpeg", "JPEG"), ("a.webp", "WEBP")]
)
def test_the_suffix_names_the_format(tmp_path, name, form):
    """In whatever case."""
    write_sheet(SHEET, tmp_path / name)

    with PillowImage.open(tmp_path / name) as image:
        assert (image.format, image.size) == (form, (40, 30))


def test_what_cannot_be_written_is_an_error(tmp_path):
    """Of a format for larger files, or where no file can be."""
    with pytest.raises(Misconfigured, match="a.png: a sheet is a file with the suffix .jpg or "):
        write_sheet(SHEET, tmp_path / "a.png")
    with pytest.raises(FileNotWritten, match="a.jpg: cannot be written: No such file or directory"):
        write_sheet(SHEET, tmp_path / "none" / "a.jpg")
