"""How good a detector is: by kind of mark, by opacity and by source of the photos."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.metrics import roc_auc_score

from services.watermark.train.calibration import Calibration, smooth_maximum
from services.watermark.train.judging import Judged
from services.watermark.train.mark import MarkKind

Metrics = dict[str, Any]

_OPACITIES = ((0.15, 0.3), (0.3, 0.5), (0.5, 0.7), (0.7, 0.9))


def evaluate(
    judged: Sequence[Judged], calibration: Calibration, *, shared_sources: Sequence[str]
) -> Metrics:
    """Measures a detector on test images.

    Args:
        judged: Test images, synthesised and real.
        calibration: Of the detector.
        shared_sources: Over these (ordinary photos) the rates are taken; the others are only reported by source.
    """
    probabilities = calibration.image.probability(smooth_maximum(judged))
    table = _Table(judged, probabilities, calibration.threshold)
    ordinary = _where(judged, lambda one: one.photo.source in shared_sources)
    clean = ordinary & table.clean
    report: Metrics = {
        "all": table.rates(ordinary & table.synthesised, clean),
        "kinds": {
            kind.value: table.rates(ordinary & table.of_kind(kind), clean) for kind in MarkKind
        },
        "opacities": {
            f"{low}-{high}": table.rates(ordinary & table.of_opacity(low, high), clean)
            for low, high in _OPACITIES
        },
        "sources": {
            source: table.source(source) for source in sorted({one.photo.source for one in judged})
        },
    }
    return report


class _Table:
    def __init__(
        self,
        judged: Sequence[Judged],
        probabilities: npt.NDArray[np.float64],
        threshold: float,
    ) -> None:
        self._judged = judged
        self._probabilities = probabilities
        self._threshold = threshold
        self.synthesised = _where(judged, lambda one: one.plan is not None)
        self.real = _where(judged, lambda one: one.photo.marked) & ~self.synthesised
        self.clean = ~self.synthesised & ~self.real

    def of_kind(self, kind: MarkKind) -> npt.NDArray[np.bool_]:
        return _where(self._judged, lambda one: one.plan is not None and one.plan.kind is kind)

    def of_opacity(self, low: float, high: float) -> npt.NDArray[np.bool_]:
        return _where(
            self._judged, lambda one: one.plan is not None and low <= one.plan.opacity < high
        )

    def rates(self, marked: npt.NDArray[np.bool_], clean: npt.NDArray[np.bool_]) -> Metrics:
        """AUC, and true-positive rates at fixed false-positive rates and at the threshold."""
        positive, negative = self._probabilities[marked], self._probabilities[clean]
        labels = np.r_[np.ones(len(positive)), np.zeros(len(negative))]
        auc = roc_auc_score(labels, np.r_[positive, negative])
        rates = {
            f"tpr_at_{percent}_percent_fpr": float(
                np.mean(positive > np.quantile(negative, 1 - percent / 100))
            )
            for percent in (1, 5)
        }
        return _rounded(
            {
                "marked": len(positive),
                "clean": len(negative),
                "auc": float(auc),
                **rates,
                "tpr_at_threshold": float(np.mean(positive > self._threshold)),
                "fpr_at_threshold": float(np.mean(negative > self._threshold)),
            }
        )

    def source(self, source: str) -> Metrics:
        """How many of a source's images were flagged: clean, really marked, synthesised by kind."""
        here = _where(self._judged, lambda one: one.photo.source == source)
        groups = {"clean": self.clean, "real_marks": self.real}
        groups |= {kind.value: self.of_kind(kind) for kind in MarkKind}
        return {
            name: {
                "images": int(np.sum(here & group)),
                "flagged": int(np.sum(self._probabilities[here & group] > self._threshold)),
            }
            for name, group in groups.items()
            if np.any(here & group)
        }


def _where(judged: Sequence[Judged], test: Callable[[Judged], bool]) -> npt.NDArray[np.bool_]:
    return np.asarray([test(one) for one in judged], dtype=np.bool_)


def _rounded(metrics: Metrics) -> Metrics:
    return {
        key: round(value, 4) if isinstance(value, float) else value
        for key, value in metrics.items()
    }
