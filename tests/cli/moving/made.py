"""Images as a crawler exports them, without a crawler."""

from __future__ import annotations

import hashlib

import numpy as np

from lodestone.crawler.v1.crawler_service_pb2 import ExportedImage
from lodestone.image.v1.embedding_pb2 import PRECISION_FP32
from lodestone.image.v1.verdict_pb2 import VERDICT_ACCEPTED

ENCODER_ID = "c" * 64


def embedding_values(seed, dimension=8):
    values = np.random.default_rng(seed).normal(size=dimension).astype(np.float32)
    return values / np.linalg.norm(values)


def exported(seed, *, format_name="JPEG", dimension=8, profile="landscapes"):
    """An image with made-up bytes; without an embedding if it is to have no dimension."""
    encoded = f"bytes of image {seed}".encode()
    image = ExportedImage(sequence=seed + 1, encoded=encoded)
    record = image.record
    record.digest = hashlib.sha256(encoded).hexdigest()
    record.size_bytes = len(encoded)
    record.width_px, record.height_px, record.format = 1400, 1000, format_name
    for name, digits in (("perceptual_hash", 16), ("mirrored_hash", 16)):
        setattr(record, name, f"{seed:0{digits}x}")
        setattr(record, f"{name}_256", f"{seed:064x}")
    record.detection.detector_id = "d" * 64
    record.detection.watermark_probability = 0.1
    record.detection.quadrant_probabilities.extend([0.1, 0.0, 0.0, 0.05])
    record.listing.source = "folder:/photos"
    record.listing.url = f"file:///photos/{seed}.jpg"
    record.listing.title = f"Sünrise № {seed}"
    record.listing.final_url = record.listing.url
    record.listing.post_time.FromNanoseconds(1_700_000_000_123_456_789 + seed)
    record.accept_time.FromNanoseconds(1_764_000_000_987_654_321 + seed)
    judgement = record.judgements.add(
        profile_name=profile,
        profile_version=3,
        verdict=VERDICT_ACCEPTED,
        reason="fits",
        log_likelihood=12.5 + seed / 3,
        percentile=60.25,
        threshold_nats=-1.5,
        watermark_threshold=0.5,
    )
    judgement.judge_time.CopyFrom(record.accept_time)
    keep = record.keeps.add(
        profile_name=profile,
        profile_version=3,
        file_name=f"2025-11-24_photos_sunrise-{seed}_{record.digest[:8]}.jpg",
    )
    keep.keep_time.CopyFrom(record.accept_time)
    if dimension:
        image.embedding.values.extend(embedding_values(seed, dimension).tolist())
        image.embedding.encoder_id = ENCODER_ID
        image.embedding.precision = PRECISION_FP32
    return image
