"""Embeddings and entries for tests of the cache."""

from __future__ import annotations

import hashlib

import numpy as np

from services.embedder.cache.embedding_kind import EmbeddingKind
from services.embedder.cache.entry import Entry
from services.servicekit.computed import Computed
from services.servicekit.embedding import Precision

KIND = EmbeddingKind("a" * 64, Precision.FP32, 512, "1")


def digest(number):
    """Of image number so and so."""
    return hashlib.sha256(str(number).encode()).digest()


def computed(number, dimension=512):
    """Its embedding."""
    embedding = np.random.default_rng(number).normal(size=dimension).astype(np.float32)
    return Computed(embedding / np.linalg.norm(embedding), 640 + number, 480)


def entry(number, dimension=512):
    """What is kept of it."""
    embedding = computed(number, dimension).value.tobytes()
    return Entry(digest(number), embedding, 640 + number, 480)
