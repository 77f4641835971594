"""What was seen before: kept, replaced and purged images, and liked ones under their profile's name."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

from services.crawler.candidate import DecodedCandidate, Fingerprint
from services.crawler.seen.chain import chain_of
from services.crawler.seen.duplicate_index import DuplicateIndex, Match
from services.crawler.seen.news import Horizon, News


class Memory(StrEnum):
    """Why an image is remembered."""

    KEPT = "kept"
    PURGED = "purged"
    MARKED = "seen before"
    REPLACED = "replaced"


@dataclass(frozen=True, slots=True)
class Sighting:
    """An earlier image that is the same picture.

    Attributes:
        digest: The earlier image.
        reason: A sentence with the distances.
        memory: Why it is remembered.
    """

    digest: str
    reason: str
    memory: Memory


@dataclass(frozen=True, slots=True)
class Copy:
    """An image that is remembered and near to the one that was looked up.

    Attributes:
        memory: Why it is remembered.
        profile_name: Under which profile's name; empty if under every one.
        match: Which image, and how near.
    """

    memory: Memory
    profile_name: str
    match: Match


class SeenImages:
    """The in-memory replica of what the catalogue holds for finding duplicates.

    One thread may add while others look up.

    Attributes:
        horizon: Up to where it has the catalogue's logs.
    """

    def __init__(self, archive: DuplicateIndex | None = None) -> None:
        """Takes the index of the kept images that are in a file; those kept since are added."""
        self.horizon = Horizon()
        self._archive = DuplicateIndex() if archive is None else archive
        self._recent = DuplicateIndex()
        self._purged = DuplicateIndex()
        self._purged_digests: set[str] = set()
        self._replaced = DuplicateIndex()
        self._replaced_by: dict[str, str] = {}
        self._forbidden: set[str] = set()
        self._marked: dict[str, DuplicateIndex] = defaultdict(DuplicateIndex)
        self._marked_digests: dict[str, set[str]] = defaultdict(set)

    @property
    def recent_count(self) -> int:
        """How many kept images are in no archive."""
        return len(self._recent)

    def add_kept(self, digest: str, fingerprint: Fingerprint) -> None:
        """Adds an image of the store; it counts under every profile."""
        self._recent.add(digest, fingerprint)
        # It may have been replaced, and kept again since.
        self._replaced_by.pop(digest, None)

    def add_replaced(self, digest: str, fingerprint: Fingerprint, by: str) -> None:
        """Adds an image that a better copy replaced, of digest `by`. It still counts, under every profile."""
        if digest not in self._replaced_by:
            self._replaced.add(digest, fingerprint)
        self.note_replaced(digest, by)

    def note_replaced(self, digest: str, by: str) -> None:
        """Notes that a better copy replaced a kept image. Its fingerprint still finds its near copies."""
        self._replaced_by[digest] = by

    def is_replaced(self, digest: str) -> bool:
        """Whether a better copy replaced an image, which is not kept again."""
        return digest in self._replaced_by

    def end_of(self, digest: str) -> str:
        """The digest of what is in an image's place, as far as is known here: its own if nothing has replaced it."""
        return chain_of(digest, self._replaced_by)[-1]

    def learn(self, news: News) -> None:
        """Adds what came to the catalogue, behind the horizon or partly before it."""
        for sequence, digest, fingerprint in news.kept:
            if sequence > self.horizon.kept:
                self.add_kept(digest, fingerprint)
        for digest, fingerprint, by in news.replaced:
            self.add_replaced(digest, fingerprint, by)
        for digest, fingerprint in news.purged:
            self.add_purged(digest, fingerprint)
        for name, digest, fingerprint in news.marked:
            self.mark(name, digest, fingerprint)
        self.horizon = self.horizon.furthest(news.horizon)

    def let_go(self, digests: Collection[str]) -> None:
        """Takes kept images out of memory that are in the archive now."""
        self._recent = self._recent.without(digests)

    def forbid(self, digest: str) -> None:
        """Notes that a kept image was purged. Its fingerprint still finds its near copies."""
        self._forbidden.add(digest)

    def add_purged(self, digest: str, fingerprint: Fingerprint) -> None:
        """Adds an image that was purged before this process began, or by another."""
        if digest not in self._purged_digests:
            self._purged_digests.add(digest)
            self._purged.add(digest, fingerprint)
        self.forbid(digest)

    def is_forbidden(self, digest: str) -> bool:
        """Whether an image was purged, so that it is not even to be decoded again."""
        return digest in self._forbidden

    def mark(self, profile_name: str, digest: str, fingerprint: Fingerprint) -> None:
        """Adds an image that was seen elsewhere; it counts under one profile name."""
        if digest not in self._marked_digests[profile_name]:
            self._marked_digests[profile_name].add(digest)
            self._marked[profile_name].add(digest, fingerprint)

    def find(self, profile_name: str, digest: str, decoded: DecodedCandidate) -> Sighting | None:
        """The first of `sightings`; None if there is none."""
        return next(iter(self.sightings(profile_name, digest, decoded)), None)

    def sightings(
        self, profile_name: str, digest: str, decoded: DecodedCandidate
    ) -> list[Sighting]:
        """Looks an image and its mirror image up: what was accepted or purged, then what is marked; the nearest first.

        The very same bytes are no duplicate of themselves in the store: a second profile may keep them too.
        """
        if digest and digest in self._marked_digests.get(profile_name, ()):
            reason = f"these bytes were seen before under {profile_name!r}"
            return [Sighting(digest, reason, Memory.MARKED)]
        found: list[Sighting] = []
        by = self._replaced_by.get(digest)
        if by is not None:
            reason = f"these bytes were replaced by {by[:12]}, a better copy"
            found.append(Sighting(by, reason, Memory.REPLACED))
        near = _each_once(_matches(self._everywhere(), decoded))
        if by is not None or all(match.digest != digest for match in near):
            found += [_sighting(match, self._memory(match.digest), "kept") for match in near]
        marked = (self._marked[profile_name],) if profile_name in self._marked else ()
        near = _each_once(_matches(marked, decoded))
        found += [_sighting(match, Memory.MARKED, "seen before") for match in near]
        return [one for one in found if one.digest != digest]

    def copies(self, digest: str, decoded: DecodedCandidate) -> list[Copy]:
        """All images that are near, or have these very bytes.

        Kept, replaced and purged ones come first, then those marked under each name; of each kind the nearest first.
        A flat image that is kept is not among them: no index has it.
        """
        same = [Match(digest, 0, 0)]
        is_gone = self.is_forbidden(digest) or digest in self._replaced_by
        found = [
            *(same if is_gone else ()),
            *_matches(self._everywhere(), decoded),
        ]
        copies = [Copy(self._memory(match.digest), "", match) for match in _each_once(found)]
        for name, index in sorted(self._marked.items()):
            is_marked = digest in self._marked_digests[name]
            found = [*(same if is_marked else ()), *_matches((index,), decoded)]
            copies += [Copy(Memory.MARKED, name, match) for match in _each_once(found)]
        return copies

    def _everywhere(self) -> tuple[DuplicateIndex, ...]:
        """What counts under every profile, the earliest first."""
        return self._archive, self._recent, self._replaced, self._purged

    def _memory(self, digest: str) -> Memory:
        """Why an image is remembered that counts under every profile."""
        if self.is_forbidden(digest):
            return Memory.PURGED
        return Memory.REPLACED if digest in self._replaced_by else Memory.KEPT


def _matches(indexes: tuple[DuplicateIndex, ...], decoded: DecodedCandidate) -> list[Match]:
    """All that are near, the nearest first; of equally near ones those of the first index."""
    found = [
        match for index in indexes for match in index.matches(decoded.fingerprint, decoded.mirrored)
    ]
    return sorted(found, key=lambda match: (match.distance256, match.distance64))


def _each_once(matches: list[Match]) -> list[Match]:
    """The first match of each image."""
    first: dict[str, Match] = {}
    for match in matches:
        first.setdefault(match.digest, match)
    return list(first.values())


def _sighting(match: Match, memory: Memory, was: str) -> Sighting:
    reason = (
        f"nearly the same picture as {match.digest[:12]}, which was {was}: perceptual "
        f"distance {match.distance64} of 64 and {match.distance256} of 256 bits"
    )
    return Sighting(match.digest, reason, memory)
