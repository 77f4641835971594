"""What can be wrong with a data folder."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class ProblemKind(StrEnum):
    """A problem in one word; `docs/verify.md` says what each means and what to do about it."""

    CATALOGUE_DAMAGED = "CATALOGUE_DAMAGED"
    ROW_DANGLING = "ROW_DANGLING"
    ROW_BROKEN = "ROW_BROKEN"
    LISTING_LOST = "LISTING_LOST"
    LISTINGS_LEFT = "LISTINGS_LEFT"
    OUTCOME_BROKEN = "OUTCOME_BROKEN"
    COUNT_WRONG = "COUNT_WRONG"
    ORDER_BROKEN = "ORDER_BROKEN"
    JUDGEMENT_MISSING = "JUDGEMENT_MISSING"
    ACCEPTED_NOT_KEPT = "ACCEPTED_NOT_KEPT"
    KEPT_NOT_ACCEPTED = "KEPT_NOT_ACCEPTED"
    DUPLICATE_KEPT = "DUPLICATE_KEPT"
    DUPLICATE_OF_NOTHING = "DUPLICATE_OF_NOTHING"
    DISTANCE_WRONG = "DISTANCE_WRONG"
    REPLACEMENT_BROKEN = "REPLACEMENT_BROKEN"
    PURGE_UNFINISHED = "PURGE_UNFINISHED"
    REPLACEMENT_UNFINISHED = "REPLACEMENT_UNFINISHED"
    BLOB_MISSING = "BLOB_MISSING"
    BLOB_DAMAGED = "BLOB_DAMAGED"
    BLOB_UNREADABLE = "BLOB_UNREADABLE"
    SIZE_WRONG = "SIZE_WRONG"
    SIDECAR_MISSING = "SIDECAR_MISSING"
    SIDECAR_DAMAGED = "SIDECAR_DAMAGED"
    SIDECAR_DIFFERS = "SIDECAR_DIFFERS"
    NAME_MISSING = "NAME_MISSING"
    NAME_DIFFERS = "NAME_DIFFERS"
    NAME_FOREIGN = "NAME_FOREIGN"
    ORPHAN = "ORPHAN"
    PART_LEFT = "PART_LEFT"
    FILE_FOREIGN = "FILE_FOREIGN"
    IMAGE_UNDECODABLE = "IMAGE_UNDECODABLE"
    FACTS_DIFFER = "FACTS_DIFFER"
    EMBEDDING_DIFFERS = "EMBEDDING_DIFFERS"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is not as it should be; what does not apply is empty.

    Attributes:
        kind: Which.
        message: What is wrong, and what a person can do where that is not the same for the whole kind.
        path: The file, as seen from the data folder.
        digest: The image, SHA-256, 64 hex digits.
        url: The listing.
        crawl_id: The crawl.
    """

    kind: ProblemKind
    message: str
    path: str = ""
    digest: str = ""
    url: str = ""
    crawl_id: str = ""

    @property
    def subject(self) -> str:
        """What it is about, as short as can be looked up."""
        crawl = f"crawl {self.crawl_id}" if self.crawl_id else ""
        return self.path or self.digest or self.url or crawl or "the catalogue"

    def facts(self) -> dict[str, Any]:
        """Its fields for JSON."""
        return asdict(self)
