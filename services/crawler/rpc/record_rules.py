"""What must hold for an image record that comes from elsewhere: it may be damaged, or made up."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from math import isfinite

from google.protobuf.timestamp_pb2 import Timestamp

from lodestone.crawler.v1 import image_record_pb2 as pb
from lodestone.image.v1 import embedding_pb2, verdict_pb2
from services.crawler.fetch.url import URL_MAX_CHARACTERS
from services.crawler.listing import host_of
from services.servicekit.errors import ItemRejected
from services.servicekit.rejection import RejectionCode

# A profile's name is a folder's.
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_HASH = re.compile(r"[0-9a-f]{16}")
_SCHEMES = ("http:", "https:", "file:", "tar:")
_MAX_TEXT = 1_000_000
_MAX_VERSION = 2**31 - 1
_MAX_PROFILES = 1_000
_QUADRANTS = 4
_MAX_HOST = 253
_MAX_DIMENSION = 65_536
# What a Timestamp may be: the years 1 to 9999.
_EARLIEST_S, _LATEST_S = -62_135_596_800, 253_402_300_799
_MAX_NANOS = 999_999_999


def bad_record(reason: str) -> ItemRejected:
    """The rejection of a record."""
    return ItemRejected(RejectionCode.BAD_RECORD, reason)


def require_record(record: pb.ImageRecord, embedding: embedding_pb2.Embedding | None) -> None:
    """Passes a record that can be true of an image that was kept.

    Raises:
        ItemRejected: It cannot; the reason says why.
    """
    for problem in _problems(record):
        raise bad_record(problem)
    if embedding is not None and not (
        _DIGEST.fullmatch(embedding.encoder_id) and len(embedding.values) <= _MAX_DIMENSION
    ):
        raise bad_record("its embedding names no encoder, or has too many values")


def _problems(record: pb.ImageRecord) -> Iterator[str]:
    hashes64 = (record.perceptual_hash, record.mirrored_hash)
    hashes256 = (record.perceptual_hash_256, record.mirrored_hash_256)
    if not _DIGEST.fullmatch(record.digest):
        yield "its digest is none: 64 hex digits"
    if not all(map(_HASH.fullmatch, hashes64)) or not all(map(_DIGEST.fullmatch, hashes256)):
        yield "a perceptual hash is none"
    if not record.HasField("listing") or not record.keeps:
        yield "no listing, or no profile that keeps it, is named"
    if len(record.keeps) > _MAX_PROFILES or len(record.judgements) > _MAX_PROFILES:
        yield f"it names more than {_MAX_PROFILES:,} profiles"
    yield from _listing_problems(
        [record.listing, *(keep.listing for keep in record.keeps if keep.HasField("listing"))]
    )
    yield from _judgement_problems(record)
    yield from _keep_problems(record)
    if record.HasField("detection"):
        yield from _detection_problems(record.detection)
    times = [record.accept_time]
    if record.HasField("compliance"):
        times += [record.compliance.request_time, record.compliance.robots_time]
        if not isfinite(record.compliance.crawl_delay_s):
            yield "a number is not finite"
    yield from _time_problems(times)


def _listing_problems(listings: Iterable[pb.RecordedListing]) -> Iterator[str]:
    for listing in listings:
        is_short = len(listing.url) <= URL_MAX_CHARACTERS and len(host_of(listing.url)) <= _MAX_HOST
        if not listing.url.startswith(_SCHEMES) or not is_short:
            yield f"{listing.url[:80]!r} is no address of an image"
        texts = (listing.title, listing.page_url, listing.author, listing.post_facts)
        is_source = 0 < len(listing.source) <= URL_MAX_CHARACTERS
        if not is_source or any(len(text) > _MAX_TEXT for text in texts):
            yield "its listing has no source, or a text that is too long"
        yield from _time_problems([listing.post_time, listing.fetch_time])


def _judgement_problems(record: pb.ImageRecord) -> Iterator[str]:
    for one in record.judgements:
        yield from _profile_problems(one.profile_name, one.profile_version)
        known = verdict_pb2.Verdict.values()
        if one.verdict == verdict_pb2.VERDICT_UNSPECIFIED or one.verdict not in known:
            yield "a verdict is not known here"
        numbers = (
            *(one.log_likelihood, one.percentile),
            *(one.threshold_nats, one.watermark_threshold),
        )
        if not all(map(isfinite, numbers)) or len(one.reason) > _MAX_TEXT:
            yield "a score is not finite, or a reason is too long"
        if one.duplicate_of_digest and not _DIGEST.fullmatch(one.duplicate_of_digest):
            yield "what it is a duplicate of is no digest"
        yield from _time_problems([one.judge_time])


def _keep_problems(record: pb.ImageRecord) -> Iterator[str]:
    accepted = {
        (one.profile_name, one.profile_version)
        for one in record.judgements
        if one.verdict == verdict_pb2.VERDICT_ACCEPTED
    }
    for keep in record.keeps:
        yield from _profile_problems(keep.profile_name, keep.profile_version)
        if (keep.profile_name, keep.profile_version) not in accepted:
            yield f"{keep.profile_name}@{keep.profile_version} keeps it, and did not accept it"
        yield from _time_problems([keep.keep_time])
    if len({keep.profile_name for keep in record.keeps}) < len(record.keeps):
        yield "a profile keeps it twice"
    if len({(one.profile_name, one.profile_version) for one in record.judgements}) < len(
        record.judgements
    ):
        yield "a profile version judged it twice"


def _detection_problems(detection: pb.RecordedDetection) -> Iterator[str]:
    quadrants = detection.quadrant_probabilities
    are_shares = all(0 <= one <= 1 for one in (detection.watermark_probability, *quadrants))
    if (
        not are_shares
        or len(quadrants) != _QUADRANTS
        or not _DIGEST.fullmatch(detection.detector_id)
    ):
        yield "its detection is none: four quadrants, probabilities in [0, 1], a detector id"


def _profile_problems(name: str, version: int) -> Iterator[str]:
    if not _NAME.fullmatch(name) or not 1 <= version <= _MAX_VERSION:
        yield f"{name[:80]!r} at version {version} is no profile"


def _time_problems(times: Iterable[Timestamp]) -> Iterator[str]:
    for time in times:
        if not _EARLIEST_S <= time.seconds <= _LATEST_S or not 0 <= time.nanos <= _MAX_NANOS:
            yield "a time is none"
