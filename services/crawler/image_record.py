"""An image record: all that a catalogue knows of an image in the store, as it goes from one catalogue to another."""

from __future__ import annotations

from dataclasses import dataclass

from services.crawler.candidate import DecodedCandidate
from services.crawler.compliance import Compliance
from services.crawler.judgement import Evidence, Judgement, ProfileVersion
from services.crawler.listing import Listing


@dataclass(frozen=True, slots=True)
class RecordedListing:
    """A listing, and what fetching it brought.

    Attributes:
        listing: What the source said.
        final_url: The address that answered, after redirects.
        fetch_time: When its bytes came, seconds since 1970; None if it was fetched again since, to another end.
    """

    listing: Listing
    final_url: str
    fetch_time: float | None


@dataclass(frozen=True, slots=True)
class RecordedJudgement:
    """A judgement.

    Attributes:
        profile: The version that it was made under.
        judgement: The verdict with its scores; the embedding is the record's.
        time: When, seconds since 1970.
    """

    profile: ProfileVersion
    judgement: Judgement
    time: float


@dataclass(frozen=True, slots=True)
class RecordedKeep:
    """A profile keeps an image.

    Attributes:
        profile: The version that accepted it.
        file_name: Its readable name.
        time: When, seconds since 1970.
        origin: The listing that it was accepted for.
        is_named: Whether the readable name was made.
        is_removed: Whether somebody removed it since.
    """

    profile: ProfileVersion
    file_name: str
    time: float
    origin: RecordedListing
    is_named: bool = True
    is_removed: bool = False


@dataclass(frozen=True, slots=True)
class ImageRecord:
    """What is known of an image.

    Attributes:
        digest: SHA-256 of its bytes, 64 hex digits.
        size_bytes: How many bytes.
        decoded: Facts and perceptual hashes, without inputs.
        evidence: Its embedding, and its detection without a threshold (NaN): each judgement has its own.
        origin: The listing that it was first fetched for.
        accept_time: When it came into the store, seconds since 1970.
        compliance: The rules under which it was fetched; None for a local file.
        judgements: Under profile versions, by name and version.
        keeps: The profiles that keep it, the first one first.
        sequence: Its place in the order of accepting, from 1; 0 where that is another catalogue's affair.
    """

    digest: str
    size_bytes: int
    decoded: DecodedCandidate
    evidence: Evidence
    origin: RecordedListing
    accept_time: float
    compliance: Compliance | None
    judgements: tuple[RecordedJudgement, ...]
    keeps: tuple[RecordedKeep, ...]
    sequence: int = 0
