"""precision-bf16.json and its like: what was found of a version's thumbnails in another precision."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Final, Literal

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from services.novelty.precision_check import MIN_COMPARED, PrecisionCheck
from services.novelty.stored.profile_facts import first_problem
from services.novelty.stored.stored_files import UnusableFile, read_up_to
from services.novelty.thumbnails import MAX_THUMBNAILS
from services.servicekit.embedding import Precision

_MAX_BYTES: Final = 4096

_Nats = Annotated[float, Field(ge=0)]


@dataclass(frozen=True, slots=True, kw_only=True)
class _CheckFacts:
    """What stands in the file, under the same names; see `PrecisionCheck`.

    Attributes:
        thumbnails_sha256: Of which thumbnails it was found; see `ThumbnailSet`.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(
        strict=True, extra="forbid", allow_inf_nan=False
    )

    precision: Precision
    image_count: Annotated[int, Field(ge=MIN_COMPARED, le=MAX_THUMBNAILS)]
    moved_count: Annotated[int, Field(ge=0, le=MAX_THUMBNAILS)]
    max_shift_nats: _Nats
    median_shift_nats: _Nats
    moved_share: Annotated[float, Field(ge=0, le=1)]
    admitted: bool
    thumbnails_sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    format_version: Literal[1] = 1


def check_file(precision: Precision) -> str:
    """The name of the file for a precision."""
    return f"precision-{precision.lower()}.json"


def encode_check(check: PrecisionCheck, thumbnails_sha256: str) -> bytes:
    """The content of the file."""
    facts = _CheckFacts(**asdict(check), thumbnails_sha256=thumbnails_sha256)
    return TypeAdapter(_CheckFacts).dump_json(facts, indent=2) + b"\n"


def read_check(
    version: Path, precision: Precision, thumbnails_sha256: str
) -> PrecisionCheck | None:
    """Reads what was found of a precision from a version's folder; None if that was nothing, or of other thumbnails.

    Raises:
        UnusableFile: The file is not what it should be.
    """
    name = check_file(precision)
    if not os.path.lexists(version / name):
        return None
    try:
        facts = TypeAdapter(_CheckFacts).validate_json(read_up_to(version / name, _MAX_BYTES))
    except ValidationError as error:
        raise UnusableFile(name, first_problem(error)) from error
    if facts.precision is not precision:
        raise UnusableFile(name, f"is about {facts.precision}")
    if facts.admitted and facts.moved_count:
        raise UnusableFile(name, f"admits what moved {facts.moved_count} verdicts")
    if facts.thumbnails_sha256 != thumbnails_sha256:
        return None
    found = asdict(facts)
    return PrecisionCheck(**{field: found[field] for field in PrecisionCheck.__slots__})
