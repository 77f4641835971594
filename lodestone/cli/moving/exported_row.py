"""One image of an export: what is written of it, whatever the format, and how it is read again."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from google.protobuf.json_format import MessageToDict, ParseDict, ParseError
from google.protobuf.timestamp_pb2 import Timestamp

from lodestone.cli.moving.found_row import BadRow
from lodestone.cli.words import word
from lodestone.crawler.v1.crawler_service_pb2 import ExportedImage, ImportImagesRequest
from lodestone.crawler.v1.image_record_pb2 import ImageRecord, RecordedJudgement
from lodestone.image.v1.embedding_pb2 import Embedding, Precision

FORMAT_VERSION: Final = 1
MAX_ENCODED_BYTES: Final = 63 * 1024 * 1024
MAX_FACTS_BYTES: Final = 4 * 1024 * 1024
_SUFFIXES: Final = {
    "JPEG": ".jpg",
    "PNG": ".png",
    "WEBP": ".webp",
    "GIF": ".gif",
    "AVIF": ".avif",
}
OTHER_SUFFIX: Final = ".img"
IMAGE_SUFFIXES: Final = frozenset({*_SUFFIXES.values(), OTHER_SUFFIX})
_SCORES: Final = ("log_likelihood", "percentile", "threshold_nats")


@dataclass(frozen=True, slots=True)
class ExportedRow:
    """One image.

    Attributes:
        facts: What is known of it, as JSON: the most useful in front, everything under `record`.
        encoded: Its bytes; empty if they are left out.
        values: Its embedding, (dimension,) float32; None if there is none.
    """

    facts: dict[str, Any]
    encoded: bytes
    values: npt.NDArray[np.float32] | None

    @property
    def digest(self) -> str:
        """SHA-256 of the bytes, 64 hex digits."""
        return str(self.facts["digest"])

    @property
    def suffix(self) -> str:
        """The suffix of its file, by its format: `.jpg`."""
        return _SUFFIXES.get(self.facts["format"], OTHER_SUFFIX)

    @property
    def json(self) -> bytes:
        """Its facts as a file."""
        return (json.dumps(self.facts, indent=1, ensure_ascii=False) + "\n").encode()

    @property
    def size_bytes(self) -> int:
        """What it comes to in a shard, about."""
        return len(self.encoded) + 4 * (0 if self.values is None else len(self.values)) + 4_096


def row_of(image: ExportedImage) -> ExportedRow:
    """What is written of an image, under the first of the profiles that keep it."""
    record, embedding = image.record, image.embedding
    listing, keep = record.listing, record.keeps[0]
    judgement = _judgement_of(record)
    has_embedding = image.HasField("embedding")
    facts = {
        "format_version": FORMAT_VERSION,
        "sequence": image.sequence,
        "digest": record.digest,
        "file_name": keep.file_name,
        "size_bytes": record.size_bytes,
        "width_px": record.width_px,
        "height_px": record.height_px,
        "format": record.format,
        "animated": record.animated,
        "perceptual_hash": record.perceptual_hash,
        "source": listing.source,
        "url": listing.url,
        "page_url": listing.page_url,
        "final_url": listing.final_url,
        "title": listing.title,
        "author": listing.author,
        "licence": listing.licence,
        "community": listing.community,
        "post_time": _time_text(listing.post_time) if listing.HasField("post_time") else None,
        "accept_time": _time_text(keep.keep_time),
        "profile_name": keep.profile_name,
        "profile_version": keep.profile_version,
        **{name: _score(judgement, name) for name in _SCORES},
        "watermark_probability": (
            record.detection.watermark_probability if record.HasField("detection") else None
        ),
        "watermark_threshold": _score(judgement, "watermark_threshold"),
        "encoder_id": embedding.encoder_id if has_embedding else None,
        "precision": word(Precision, embedding.precision) if has_embedding else None,
        "record": MessageToDict(record, preserving_proto_field_name=True),
    }
    values = np.asarray(embedding.values, dtype=np.float32) if has_embedding else None
    return ExportedRow(facts, image.encoded, values)


def facts_from(text: bytes | str) -> dict[str, Any]:
    """Reads the facts of an image.

    Raises:
        BadRow: They are none.
    """
    if len(text) > MAX_FACTS_BYTES:
        raise BadRow(f"its facts have {len(text):,} bytes, and at most {MAX_FACTS_BYTES:,} may be")
    try:
        facts = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadRow("its facts are no JSON") from error
    if not isinstance(facts, dict) or not isinstance(facts.get("record"), dict):
        raise BadRow("its facts have no `record`: it is no image that Lodestone exported")
    return facts


def request_of(
    facts: dict[str, Any], encoded: bytes, values: npt.NDArray[np.float32] | None
) -> ImportImagesRequest:
    """What the crawler takes of an image, which looks closer.

    Raises:
        BadRow: Its facts are none that the contract knows.
    """
    try:
        record = ParseDict(facts["record"], ImageRecord(), ignore_unknown_fields=True)
    except (ParseError, ValueError, TypeError, RecursionError, AttributeError) as error:
        raise BadRow(f"its record cannot be read: {str(error)[:200]}") from error
    if record.digest != facts.get("digest"):
        raise BadRow("its facts and its record name two images")
    request = ImportImagesRequest(record=record, encoded=encoded)
    if values is None:
        return request
    encoder_id, precision = facts.get("encoder_id"), facts.get("precision")
    if not isinstance(encoder_id, str) or f"PRECISION_{precision}" not in dict(Precision.items()):
        raise BadRow("it has an embedding, and its encoder or precision is not stated")
    embedding = Embedding(
        values=values.tolist(),
        encoder_id=encoder_id,
        precision=Precision.Value(f"PRECISION_{precision}"),
    )
    request.embedding.CopyFrom(embedding)
    return request


def _judgement_of(record: ImageRecord) -> RecordedJudgement:
    """That of the first profile that keeps it."""
    keep = record.keeps[0]
    found = (
        one
        for one in record.judgements
        if (one.profile_name, one.profile_version) == (keep.profile_name, keep.profile_version)
    )
    return next(found, RecordedJudgement())


def _score(judgement: RecordedJudgement, name: Any) -> float | None:
    return getattr(judgement, name) if judgement.HasField(name) else None


def _time_text(time: Timestamp) -> str:
    return time.ToJsonString()
