"""Embeddings, tastes and profiles for the tests of the novelty service."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np

from services.novelty.duplicate import Duplicate
from services.novelty.fit.liked_set import FitOptions, LikedSet, Role
from services.novelty.fit.submission import SubmissionBuilder
from services.novelty.liked_images import ImageLabel, LikedImages
from services.novelty.mixture import Covariance, Mixture
from services.novelty.profile import Profile, Taste
from services.servicekit.embedding import Embedding, Precision

ENCODER_ID = "a" * 64
OTHER_ENCODER_ID = "b" * 64


def unit_rows(count, dimension=16, *, seed=0, centre=0):
    """(count, dimension) float32 unit vectors around one axis."""
    rows = np.random.default_rng(seed).normal(0.0, 0.1, (count, dimension))
    rows[:, centre] += 1.0
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows.astype(np.float32)


def embedding(values, *, encoder_id=ENCODER_ID, precision=Precision.FP32):
    return Embedding(np.asarray(values, np.float32), encoder_id, precision)


def liked_set(liked, background=None):
    if background is None:
        background = np.empty((0, liked.shape[1]), np.float32)
    return LikedSet(liked, background, ENCODER_ID, Precision.FP32)


def liked_images(count=21, *, dimension=4, background=3, **changes):
    """What a profile of `taste()` was fitted to: image 5 repeats image 2."""
    scores = np.linspace(-4.0, 3.0, count).tolist()
    fields = {
        "embeddings": unit_rows(count, dimension),
        "background": unit_rows(background, dimension, seed=1),
        "labels": tuple(ImageLabel(f"{at:064x}", f"photo {at}.jpg") for at in range(count)),
        "held_out_log_likelihoods": tuple(None if at == 5 else scores[at] for at in range(count)),
        "originals": tuple(2 if at == 5 else None for at in range(count)),
    }
    return LikedImages(**(fields | changes))


def submission(liked=None, *, labels=None, background=None, removed=()):
    """What one request sends: by default eight liked images without names."""
    builder = SubmissionBuilder(10**6)
    rows = unit_rows(8, 4) if liked is None else liked
    for at, values in enumerate(rows):
        label = labels[at] if labels else ImageLabel()
        builder.add(Role.LIKED, embedding(values), label)
    for values in () if background is None else background:
        builder.add(Role.BACKGROUND, embedding(values), ImageLabel())
    for label, values in removed:
        builder.add(Role.REMOVED, None if values is None else embedding(values), label)
    return builder.build()


def options(**changes):
    return FitOptions(**({"request_id": "request-1", "name": "landscapes"} | changes))


def mixture(covariance=Covariance.DIAG, *, components=2, dimension=4, scale=0.5, seed=0):
    """A mixture with random weights, means and upper triangular factors."""
    rng = np.random.default_rng(seed)
    factors = rng.uniform(0.5, 2.0, covariance.shape(components, dimension))
    if covariance is not Covariance.DIAG:
        factors = np.triu(factors)
    return Mixture(
        covariance=covariance,
        scale=scale,
        weights=rng.dirichlet(np.ones(components)),
        means=rng.normal(size=(components, dimension)),
        precisions_cholesky=factors,
    )


def taste(density=None, **changes):
    fields = {
        "mixture": density or mixture(),
        "threshold_nats": -2.5,
        "keep_ratio": 0.95,
        "pass_ratio": None,
        "encoder_id": ENCODER_ID,
        "precision": Precision.FP32,
        "liked_count": 20,
        "background_count": 3,
        "held_out_log_likelihoods": np.array([-4.0, -2.0, -1.0, -1.0, 3.0]),
        "background_log_likelihoods": np.array([-90.0, -50.5, -3.0]),
        "separation": 0.9,
        "neighbour_separation": 0.8,
        "duplicates": (Duplicate(5, 2),),
        "duplicate_count": 1,
        "warnings": ("20 liked images make a small profile.",),
        "seed": 7,
    }
    return Taste(**(fields | changes))


def profile(name="landscapes", version=1, **changes):
    created = datetime(2026, 11, 22, 10, 30, tzinfo=UTC)
    return Profile(name, version, taste(**changes), created, "request-1")
