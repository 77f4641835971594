"""Judged images without a detector behind them."""

from __future__ import annotations

from services.watermark.evaluate.judged_image import ImageFacts, JudgedImage, Truth


def clean(probability, photo="a", *, source="here"):
    """A clean image."""
    return JudgedImage(facts(photo, source, Truth.CLEAN), probability)


def marked(probability, photo="a", *, source="here", **known):
    """A marked one, by the first generator unless told otherwise."""
    known = {"generator": "first", "kind": "logo", "opacity": 0.5, "width_ratio": 0.2, **known}
    return JudgedImage(facts(photo, source, Truth.MARKED, **known), probability)


def hard_negative(probability, photo="a", kind="frame"):
    """One that only looks marked."""
    known = facts(photo, "here", Truth.HARD_NEGATIVE, generator="first", kind=kind)
    return JudgedImage(known, probability)


def facts(photo, source, truth, **known):
    """What is known of an image."""
    return ImageFacts(name=f"{photo}.jpg", photo=photo, source=source, truth=truth, **known)
