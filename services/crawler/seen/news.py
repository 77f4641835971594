"""What came to the catalogue since this crawler last looked: images that were kept, replaced, purged, or marked."""

from __future__ import annotations

from dataclasses import dataclass

from services.crawler.candidate import Fingerprint


@dataclass(frozen=True, slots=True)
class Horizon:
    """How far the catalogue's logs were read. Their numbers grow in the order of commits.

    Attributes:
        kept: The sequence of the last image of the store that is known; 0 for none.
        purged: The position of the last purged one.
        marked: The position of the last one that is marked as seen.
        replaced: The position of the last one that a better copy replaced.
    """

    kept: int = 0
    purged: int = 0
    marked: int = 0
    replaced: int = 0

    def furthest(self, other: Horizon) -> Horizon:
        """Each of the logs as far as either of the two."""
        return Horizon(
            max(self.kept, other.kept),
            max(self.purged, other.purged),
            max(self.marked, other.marked),
            max(self.replaced, other.replaced),
        )


@dataclass(frozen=True, slots=True)
class News:
    """What is behind a horizon, each in its log's order.

    Attributes:
        kept: (sequence, digest, fingerprint) of images in the store.
        purged: (digest, fingerprint) of images that were purged.
        marked: (profile name, digest, fingerprint) of images that count as seen under a profile's name.
        horizon: How far was read.
        replaced: (digest, fingerprint, digest of the better copy) of images that were replaced.
    """

    kept: tuple[tuple[int, str, Fingerprint], ...] = ()
    purged: tuple[tuple[str, Fingerprint], ...] = ()
    marked: tuple[tuple[str, str, Fingerprint], ...] = ()
    horizon: Horizon = Horizon()
    replaced: tuple[tuple[str, Fingerprint, str], ...] = ()
