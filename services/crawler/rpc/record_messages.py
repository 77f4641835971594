"""Between image records and their contract (lodestone.crawler.v1.ImageRecord)."""

from __future__ import annotations

from fractions import Fraction
from math import nan

from google.protobuf.timestamp_pb2 import Timestamp

from lodestone.crawler.v1 import crawler_service_pb2, image_record_pb2, kept_image_pb2
from lodestone.image.v1 import embedding_pb2, verdict_pb2
from services.crawler.candidate import DecodedCandidate, Fingerprint
from services.crawler.compliance import Compliance
from services.crawler.image_record import (
    ImageRecord,
    RecordedJudgement,
    RecordedKeep,
    RecordedListing,
)
from services.crawler.judgement import (
    Detection,
    Evidence,
    Judgement,
    ProfileVersion,
    Score,
    Verdict,
)
from services.crawler.listing import Listing
from services.crawler.moving.exporting import ExportedImage
from services.crawler.moving.importing import Imported
from services.crawler.rpc.record_rules import bad_record, require_record
from services.servicekit.messages import embedding_from_message, embedding_to_message

_NANOS = 10**9
# What a Timestamp holds: the years 1 to 9999.
_EARLIEST_S, _LATEST_S = -62_135_596_800, 253_402_300_799


def exported_to_message(image: ExportedImage) -> crawler_service_pb2.ExportedImage:
    """Writes an image that is exported."""
    embedding = image.record.evidence.embedding
    return crawler_service_pb2.ExportedImage(
        sequence=image.record.sequence,
        record=_record_to_message(image.record),
        embedding=None if embedding is None else embedding_to_message(embedding),
        encoded=image.encoded,
        missing=image.missing,
    )


def imported_to_message(imported: Imported) -> crawler_service_pb2.ImportedImage:
    """Writes what became of an image."""
    action = crawler_service_pb2.ImportAction.Value(f"IMPORT_ACTION_{imported.action.name}")
    return crawler_service_pb2.ImportedImage(action=action, reason=imported.reason)


def record_from_message(
    message: image_record_pb2.ImageRecord, embedding: embedding_pb2.Embedding | None
) -> ImageRecord:
    """Reads what is said of an image, which somebody may have made up.

    Raises:
        ItemRejected: BAD_RECORD if it cannot be true of an image that was kept; BAD_EMBEDDING.
    """
    require_record(message, embedding)
    found = None if embedding is None else embedding_from_message(embedding)
    detection = _detection(message, nan) if message.HasField("detection") else None
    origin = _origin_from_message(message.listing)
    return ImageRecord(
        message.digest,
        message.size_bytes,
        _decoded_from_message(message),
        Evidence(embedding=found, detection=detection),
        origin,
        seconds_of(message.accept_time),
        _compliance_from_message(message) if message.HasField("compliance") else None,
        tuple(_judgement_from_message(message, one) for one in message.judgements),
        tuple(_keep_from_message(one, origin) for one in message.keeps),
    )


def timestamp_of(seconds: float) -> Timestamp:
    """A time to the nanosecond, so that `seconds_of` gives the same number again; within the years 1 to 9999."""
    fitting = min(max(seconds, _EARLIEST_S), _LATEST_S)
    whole, nanos = divmod(round(Fraction(fitting) * _NANOS), _NANOS)
    return Timestamp(seconds=whole, nanos=nanos)


def seconds_of(time: Timestamp) -> float:
    """Seconds since 1970."""
    return (time.seconds * _NANOS + time.nanos) / _NANOS


def _record_to_message(record: ImageRecord) -> image_record_pb2.ImageRecord:
    decoded, detection = record.decoded, record.evidence.detection
    message = image_record_pb2.ImageRecord(
        digest=record.digest,
        size_bytes=record.size_bytes,
        width_px=decoded.width_px,
        height_px=decoded.height_px,
        format=decoded.format,
        animated=decoded.animated,
        flat=decoded.fingerprint.flat,
        perceptual_hash=decoded.fingerprint.hex,
        perceptual_hash_256=decoded.fingerprint.hash256.hex(),
        mirrored_hash=decoded.mirrored.hex,
        mirrored_hash_256=decoded.mirrored.hash256.hex(),
        listing=_origin_to_message(record.origin),
        accept_time=timestamp_of(record.accept_time),
        judgements=map(_judgement_to_message, record.judgements),
        keeps=(_keep_to_message(keep, record.origin) for keep in record.keeps),
    )
    if detection is not None:
        message.detection.detector_id = detection.detector_id
        message.detection.watermark_probability = detection.probability
        message.detection.quadrant_probabilities.extend(detection.quadrant_probabilities)
    if record.compliance is not None:
        message.compliance.CopyFrom(_compliance_to_message(record.compliance))
    return message


def _origin_to_message(origin: RecordedListing) -> image_record_pb2.RecordedListing:
    listing = origin.listing
    message = image_record_pb2.RecordedListing(
        source=listing.source,
        url=listing.url,
        title=listing.title,
        page_url=listing.page_url,
        author=listing.author,
        licence=listing.licence,
        community=listing.community,
        parents=listing.parents,
        post_facts=listing.post_facts,
        final_url=origin.final_url,
    )
    if listing.post_time is not None:
        message.post_time.CopyFrom(timestamp_of(listing.post_time))
    if origin.fetch_time is not None:
        message.fetch_time.CopyFrom(timestamp_of(origin.fetch_time))
    return message


def _judgement_to_message(recorded: RecordedJudgement) -> image_record_pb2.RecordedJudgement:
    judgement = recorded.judgement
    message = image_record_pb2.RecordedJudgement(
        profile_name=recorded.profile.name,
        profile_version=recorded.profile.version,
        verdict=verdict_pb2.Verdict.Value(f"VERDICT_{judgement.verdict.name}"),
        reason=judgement.reason,
        duplicate_of_digest=judgement.duplicate_of,
        judge_time=timestamp_of(recorded.time),
    )
    score, detection = judgement.evidence.score, judgement.evidence.detection
    if score is not None:
        message.log_likelihood = score.log_likelihood
        message.percentile = score.percentile
        message.threshold_nats = score.threshold_nats
    if detection is not None:
        message.watermark_threshold = detection.threshold
    return message


def _keep_to_message(keep: RecordedKeep, origin: RecordedListing) -> image_record_pb2.RecordedKeep:
    message = image_record_pb2.RecordedKeep(
        profile_name=keep.profile.name,
        profile_version=keep.profile.version,
        file_name=keep.file_name,
        keep_time=timestamp_of(keep.time),
        removed=keep.is_removed,
    )
    if keep.origin != origin:
        message.listing.CopyFrom(_origin_to_message(keep.origin))
    return message


def _compliance_to_message(compliance: Compliance) -> kept_image_pb2.Compliance:
    return kept_image_pb2.Compliance(
        user_agent=compliance.user_agent,
        request_time=timestamp_of(compliance.request_time),
        final_address=compliance.final_address,
        robots_url=compliance.robots_url,
        robots_status=compliance.robots_status,
        robots_time=timestamp_of(compliance.robots_time),
        crawl_delay_s=compliance.crawl_delay_s,
        robots_tags=compliance.robots_tags,
        licence=compliance.licence,
        last_modified=compliance.last_modified,
        etag=compliance.etag,
    )


def _decoded_from_message(message: image_record_pb2.ImageRecord) -> DecodedCandidate:
    hashes = (
        (message.perceptual_hash, message.perceptual_hash_256),
        (message.mirrored_hash, message.mirrored_hash_256),
    )
    upright, mirrored = (
        Fingerprint(int(hash64, 16), bytes.fromhex(hash256), message.flat)
        for hash64, hash256 in hashes
    )
    facts = (message.width_px, message.height_px, message.format, message.animated)
    return DecodedCandidate(*facts, upright, mirrored, {})


def _origin_from_message(message: image_record_pb2.RecordedListing) -> RecordedListing:
    listing = Listing(
        source=message.source,
        url=message.url,
        title=message.title,
        page_url=message.page_url,
        author=message.author,
        licence=message.licence,
        community=message.community,
        parents=tuple(message.parents),
        post_time=seconds_of(message.post_time) if message.HasField("post_time") else None,
        post_facts=message.post_facts,
    )
    fetch_time = seconds_of(message.fetch_time) if message.HasField("fetch_time") else None
    return RecordedListing(listing, message.final_url, fetch_time)


def _judgement_from_message(
    record: image_record_pb2.ImageRecord, message: image_record_pb2.RecordedJudgement
) -> RecordedJudgement:
    score = detection = None
    has_threshold = message.HasField("threshold_nats")
    if has_threshold and message.HasField("log_likelihood") and message.HasField("percentile"):
        score = Score(message.log_likelihood, message.percentile, message.threshold_nats)
    if message.HasField("watermark_threshold"):
        if not record.HasField("detection"):
            raise bad_record("it has a watermark threshold, and no detection")
        detection = _detection(record, message.watermark_threshold)
    name = verdict_pb2.Verdict.Name(message.verdict).removeprefix("VERDICT_")
    evidence = Evidence(score=score, detection=detection)
    judgement = Judgement(Verdict(name), message.reason, evidence, message.duplicate_of_digest)
    profile = ProfileVersion(message.profile_name, message.profile_version)
    return RecordedJudgement(profile, judgement, seconds_of(message.judge_time))


def _detection(record: image_record_pb2.ImageRecord, threshold: float) -> Detection:
    found = record.detection
    quadrants = tuple(found.quadrant_probabilities)
    return Detection(found.watermark_probability, quadrants, threshold, found.detector_id)


def _keep_from_message(
    message: image_record_pb2.RecordedKeep, origin: RecordedListing
) -> RecordedKeep:
    own = _origin_from_message(message.listing) if message.HasField("listing") else origin
    return RecordedKeep(
        ProfileVersion(message.profile_name, message.profile_version),
        message.file_name,
        seconds_of(message.keep_time),
        own,
        is_removed=message.removed,
    )


def _compliance_from_message(record: image_record_pb2.ImageRecord) -> Compliance:
    message = record.compliance
    return Compliance(
        user_agent=message.user_agent,
        request_time=seconds_of(message.request_time),
        final_address=message.final_address,
        robots_url=message.robots_url,
        robots_status=message.robots_status,
        robots_time=seconds_of(message.robots_time),
        crawl_delay_s=message.crawl_delay_s,
        robots_tags=tuple(message.robots_tags),
        licence=message.licence,
        last_modified=message.last_modified,
        etag=message.etag,
    )
