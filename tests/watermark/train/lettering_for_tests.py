"""Lettering that needs no fonts from outside."""

from __future__ import annotations

from services.watermark.train.lettering import HELD_OUT_TEXTS, TRAINING_TEXTS, Lettering

TRAINING = Lettering((), TRAINING_TEXTS)
HELD_OUT = Lettering((), HELD_OUT_TEXTS)
