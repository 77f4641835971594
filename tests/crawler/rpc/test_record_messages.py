"""Image records over the wire: what goes out comes in as it was."""

from __future__ import annotations

import math
import random
from dataclasses import replace

import pytest

from services.crawler.compliance import Compliance
from services.crawler.image_record import (
    ImageRecord,
    RecordedJudgement,
    RecordedKeep,
    RecordedListing,
)
from services.crawler.judgement import Evidence, Judgement, ProfileVersion, Verdict
from services.crawler.listing import Listing
from services.crawler.moving.exporting import ExportedImage
from services.crawler.rpc.record_messages import (
    exported_to_message,
    record_from_message,
    seconds_of,
    timestamp_of,
)
from services.servicekit.errors import ItemRejected
from tests.crawler.subjects import accepted, decoded_candidate, detection, embedding, score

LANDSCAPES, CATS = ProfileVersion("landscapes", 2), ProfileVersion("cats", 1)
ORIGIN = RecordedListing(
    Listing(
        *("reddit:r/EarthPorn", "https://example.org/ü.jpg", "Sünrise", "https://example.org/"),
        *("somebody", "cc-by-4.0", "reddit:r/EarthPorn", ("reddit:r/pics",)),
        1_700_000_000.123456,
        '{"score": 7}',
    ),
    "https://cdn.example.org/1.jpg",
    1_764_000_000.7654321,
)
OTHER = RecordedListing(Listing("folder:/a", "file:///a/1.jpg"), "file:///a/1.jpg", None)


def without_embedding(judgement):
    return replace(judgement, evidence=replace(judgement.evidence, embedding=None))


def record(**changes):
    detected = replace(detection(), threshold=math.nan)
    off = Judgement(Verdict.OFF_PROFILE, "not liked", Evidence(score=score(-5.0)))
    whole = ImageRecord(
        "ab" * 32,
        1_234,
        replace(decoded_candidate(1, inputs={})),
        Evidence(embedding=embedding(), detection=detected),
        ORIGIN,
        1_764_000_001.5,
        Compliance(
            *("lodestone", 1_764_000_000.1, "203.0.113.7", "https://example.org/robots.txt", 200),
            *(1_763_999_999.9, 1.5, ("noai",), "cc-by", "yesterday", "etag"),
        ),
        (
            RecordedJudgement(CATS, without_embedding(accepted()), 1_764_000_002.25),
            RecordedJudgement(LANDSCAPES, without_embedding(accepted()), 1_764_000_001.5),
            RecordedJudgement(ProfileVersion("landscapes", 3), off, 1_764_000_009.0),
        ),
        (
            RecordedKeep(LANDSCAPES, "a.jpg", 1_764_000_001.5, ORIGIN),
            RecordedKeep(CATS, "b.jpg", 1_764_000_002.25, OTHER, is_removed=True),
        ),
    )
    return replace(whole, **changes)


def there_and_back(one):
    message = exported_to_message(ExportedImage(one, b"bytes"))
    return record_from_message(
        message.record, message.embedding if message.HasField("embedding") else None
    )


def test_a_record_comes_in_as_it_went_out():
    """Every field, times and scores to the last bit; what is absent stays so."""
    one = record()
    back = there_and_back(one)
    # NaN is not equal to itself, and arrays are compared bit by bit.
    assert back.evidence.embedding.values.tobytes() == one.evidence.embedding.values.tobytes()
    assert math.isnan(back.evidence.detection.threshold)
    for field in ("probability", "quadrant_probabilities", "detector_id"):
        found, sent = (getattr(this.evidence.detection, field) for this in (back, one))
        assert found == sent
    plain = {"evidence": Evidence()}
    assert replace(back, **plain) == replace(one, **plain)


def test_a_record_of_little():
    """A local file without detection, embedding or compliance."""
    judged = replace(accepted(), evidence=Evidence(score=score()))
    one = record(
        evidence=Evidence(),
        compliance=None,
        origin=OTHER,
        judgements=(RecordedJudgement(LANDSCAPES, judged, 1.0),),
        keeps=(RecordedKeep(LANDSCAPES, "a.jpg", 1.0, OTHER),),
    )
    assert there_and_back(one) == one


def test_times_are_exact():
    """Any time of these decades is the same number again; others to the nanosecond."""
    rng = random.Random(8)
    for _ in range(20_000):
        time = rng.uniform(1e9, 4e9)
        assert seconds_of(timestamp_of(time)) == time
    for time in (0.0, -1.5, 1e-9, 1_764_000_000.999999999):
        assert seconds_of(timestamp_of(time)) == pytest.approx(time, abs=5e-10)
    # Beyond the years 1 to 9999 it is the nearest of them.
    assert timestamp_of(1e300).seconds == 253_402_300_799


def test_a_watermark_threshold_without_a_detection():
    """It cannot be."""
    message = exported_to_message(ExportedImage(record())).record
    message.ClearField("detection")
    with pytest.raises(ItemRejected, match="no detection"):
        record_from_message(message, None)
