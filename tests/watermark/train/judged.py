"""Judged images without photos or a network behind them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from services.watermark.train.judging import Judged
from services.watermark.train.mark import MarkKind, MarkPlan
from services.watermark.train.photos import Photo, Role


def judged(
    logit: float,
    kind: MarkKind | None = None,
    *,
    opacity: float = 0.5,
    source: str = "here",
    really_marked: bool = False,
) -> Judged:
    """An image whose top left quadrant has this logit; the others have -9."""
    photo = Photo(Path("nowhere"), source, Role.TEST, really_marked)
    plan = None if kind is None else MarkPlan(kind, opacity)
    logits = np.asarray([logit, -9, -9, -9], dtype=np.float32)
    return Judged(photo, plan, (plan is not None, False, False, False), logits)
