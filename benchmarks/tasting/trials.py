"""What a fitted taste says of images that it has not seen, again and again."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy.stats import betabinom

from benchmarks.tasting.photos import Photos
from services.novelty.calibration import separation, threshold_of
from services.novelty.fit.fitting import fit_taste
from services.novelty.fit.liked_set import MIN_LIKED, FitOptions, LikedSet
from services.novelty.fit.share_estimate import estimate_share
from services.novelty.mixture import Embeddings, Floats
from services.novelty.profile import Taste
from services.servicekit.embedding import Precision

KEEP_RATIO: Final = 0.95

_FOLDS: Final = 5
_RESAMPLES: Final = 1000


@dataclass(frozen=True, slots=True)
class Separation:
    """How well held-out liked images are told from others, with 95 % intervals over both samples of images."""

    auc: float
    auc_interval: tuple[float, float]
    others_kept: float
    others_kept_interval: tuple[float, float]


def fit(liked: Embeddings, background: Embeddings | None = None) -> Taste:
    """A taste with the default options."""
    if background is None:
        background = np.empty((0, liked.shape[1]), np.float32)
    options = FitOptions("benchmark", "benchmark", keep_ratio=KEEP_RATIO)
    return fit_taste(LikedSet(liked, background, "0" * 64, Precision.FP32), options)


def repeated_folds(liked: Embeddings, other: Embeddings, repeats: int) -> Separation:
    """Five folds, again and again; each image's score is its mean over the repeats."""
    own, others = np.zeros(len(liked)), np.zeros(len(other))
    for repeat in range(repeats):
        order = np.random.default_rng(repeat).permutation(len(liked))
        for fold in np.array_split(order, _FOLDS):
            mixture = fit(np.delete(liked, fold, axis=0)).mixture
            own[fold] += mixture.log_likelihoods(liked[fold]) / repeats
            others += mixture.log_likelihoods(other) / (repeats * _FOLDS)
    return _separation(own, others)


def by_source(liked: Photos, other: Embeddings) -> dict[str, dict[str, Any]]:
    """Each source of eight liked photos or more, and all smaller ones together, scored by a fit to the rest."""
    found = {}
    for name, mine in _source_folds(liked.sources).items():
        if min(mine.sum(), (~mine).sum()) < MIN_LIKED:
            continue
        mixture = fit(liked.embeddings[~mine]).mixture
        scores = mixture.log_likelihoods(liked.embeddings[mine])
        result = asdict(_separation(scores, mixture.log_likelihoods(other)))
        found[name] = {"liked": int(mine.sum()), **result}
    return found


def _source_folds(sources: tuple[str, ...]) -> dict[str, npt.NDArray[np.bool_]]:
    """Which photos are of each source; `others` are those of the small ones."""
    of_each = np.array(sources)
    folds = {name: of_each == name for name in sorted(set(sources))}
    large = {name: mine for name, mine in folds.items() if mine.sum() >= MIN_LIKED}
    small = [mine for name, mine in folds.items() if name not in large]
    return large | ({"others": np.logical_or.reduce(small)} if small else {})


def calibration(
    liked: Embeddings, unseen: Embeddings | None, splits: int, size: int
) -> dict[str, Any]:
    """Fits to `size` liked images of each split and counts what passes of the rest, or of `unseen`."""
    kept, stated, predicted = [], [], []
    for split in range(splits):
        order = np.random.default_rng(split).permutation(len(liked))
        taste = fit(liked[order[:size]])
        new = liked[order[size:]] if unseen is None else unseen
        passed = int(np.sum(taste.mixture.log_likelihoods(new) >= taste.threshold_nats))
        share = estimate_share(taste.held_out_log_likelihoods, taste.threshold_nats)
        kept.append(passed / len(new))
        stated.append(share is not None and share.low <= kept[-1] <= share.high)
        predicted.append(_is_predicted(taste, passed, len(new)))
    return {
        "liked": size,
        "unseen": len(liked) - size if unseen is None else len(unseen),
        "splits": splits,
        "keep_ratio": KEEP_RATIO,
        "kept_mean": float(np.mean(kept)),
        "kept_least": min(kept),
        "inside_stated_interval": float(np.mean(stated)),
        "inside_interval_for_so_few_unseen": float(np.mean(predicted)),
    }


def _is_predicted(taste: Taste, passed: int, unseen: int) -> bool:
    """Whether the count lies in the 95 % interval for `unseen` images: the stated interval and their own chance."""
    held_out = taste.held_out_log_likelihoods
    above = int(np.sum(held_out >= taste.threshold_nats))
    below = len(held_out) - above
    low = betabinom.ppf(0.025, unseen, above, below + 1) if above else 0
    high = betabinom.ppf(0.975, unseen, above + 1, below) if below else unseen
    return bool(low <= passed <= high)


def _separation(own: Floats, others: Floats) -> Separation:
    rng = np.random.default_rng(0)
    samples = [
        _numbers(rng.choice(own, len(own)), rng.choice(others, len(others)))
        for _ in range(_RESAMPLES)
    ]
    low, high = np.quantile(samples, (0.025, 0.975), axis=0)
    auc, kept = _numbers(own, others)
    return Separation(auc, (low[0], high[0]), kept, (low[1], high[1]))


def _numbers(own: Floats, others: Floats) -> tuple[float, float]:
    threshold = threshold_of(own, KEEP_RATIO)
    return separation(own, others), float(np.mean(others >= threshold))
