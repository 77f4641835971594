"""Names of images as the contract takes them."""

from __future__ import annotations

from lodestone.cli.inputs.label_name import label_name


def test_names_are_printable_and_short():
    """Bytes that are no UTF-8 and control characters are replaced; of a long path the end stays."""
    assert label_name("more/lake.jpg") == "more/lake.jpg"
    assert label_name("a\udcff\x1b.jpg") == "a��.jpg"
    long = label_name("d/" * 200 + "lake.jpg")
    assert len(long) == 255
    assert long.startswith("…")
    assert long.endswith("d/lake.jpg")
    assert label_name("x" * 255) == "x" * 255
