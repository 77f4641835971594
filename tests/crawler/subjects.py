"""Candidates and evidence for tests, made without decoding anything."""

from __future__ import annotations

import numpy as np

from services.crawler.candidate import Candidate, DecodedCandidate, Fingerprint
from services.crawler.gates.gate import Subject
from services.crawler.judgement import Detection, Evidence, Judgement, Score, Verdict
from services.servicekit.embedding import Embedding, Precision

ENCODER_ID = "e" * 64
DETECTOR_ID = "d" * 64
PIXELS = {"embedder": np.zeros((4, 4, 3), np.uint8), "watermark": np.ones((8, 8, 3), np.uint8)}


def random_fingerprint(seed, *, flat=False):
    rng = np.random.default_rng(seed)
    return Fingerprint(int.from_bytes(rng.bytes(8), "big"), rng.bytes(32), flat)


def decoded_candidate(seed, *, inputs=None, fingerprint=None):
    return DecodedCandidate(
        2000,
        1000,
        "JPEG",
        False,
        fingerprint or random_fingerprint(seed),
        random_fingerprint(seed + 1_000_000),
        PIXELS if inputs is None else inputs,
    )


def embedding(seed=0):
    values = np.random.default_rng(seed).normal(size=8).astype(np.float32)
    return Embedding(values / np.linalg.norm(values), ENCODER_ID, Precision.FP32)


def score(log_likelihood=10.0, threshold=0.0):
    return Score(log_likelihood, 50.0, threshold)


def detection(probability=0.1, threshold=0.5):
    return Detection(probability, (0.1, 0.1, 0.1, probability), threshold, DETECTOR_ID)


def accepted():
    return Judgement(Verdict.ACCEPTED, "fits", Evidence(embedding(), score(), detection()))


def candidate(seed, encoded=None, digest=None):
    encoded = encoded if encoded is not None else f"bytes {seed}".encode()
    return Candidate(encoded, digest or f"{seed:064x}", decoded_candidate(seed))


def subject(seed=0, *, evidence=None, inputs=None):
    return Subject(f"{seed:064x}", decoded_candidate(seed, inputs=inputs), evidence or Evidence())
