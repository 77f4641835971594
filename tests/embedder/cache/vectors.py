"""Embeddings and entries for tests of the cache."""

from __future__ import annotations

import hashlib

import numpy as np

from services.embedder.cache.entry import Entry
from services.embedder.cache.vector_kind import VectorKind
from services.servicekit.computed import Computed
from services.servicekit.embedding import Precision

KIND = VectorKind("a" * 64, Precision.FP32, 512, "1")


def digest(number):
    """Of image number so and so."""
    return hashlib.sha256(str(number).encode()).digest()


def computed(number, dimension=512):
    """Its embedding."""
    vector = np.random.default_rng(number).normal(size=dimension).astype(np.float32)
    return Computed(vector / np.linalg.norm(vector), 640 + number, 480)


def entry(number, dimension=512):
    """What is kept of it."""
    vector = computed(number, dimension).value.tobytes()
    return Entry(digest(number), vector, 640 + number, 480)
