"""Adds to stored versions, and reads what was added: thumbnails, and what was found with them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from services.novelty.precision_check import PrecisionCheck
from services.novelty.profile import Profile
from services.novelty.stored.damage import ProfileDamaged
from services.novelty.stored.precision_files import check_file, encode_check
from services.novelty.stored.profile_store import ProfileStore
from services.novelty.stored.stored_files import UnusableFile
from services.novelty.stored.thumbnail_files import (
    GIVEN,
    ThumbnailSet,
    find_thumbnails,
    read_thumbnails,
    write_thumbnails,
)
from services.novelty.thumbnails import Thumbnail, joined


class AdditionStore:
    """What is added to the profiles of a store; any number of processes may add."""

    def __init__(self, store: ProfileStore) -> None:
        self._store = store

    def thumbnails(self, profile: Profile) -> tuple[Thumbnail, ...]:
        """The thumbnails of a profile, by position, ascending; none if it has none.

        Raises:
            NotFound: The profile was deleted.
            ProfileDamaged: One of their files is not what it should be.
        """
        with _named(profile):
            found = read_thumbnails(self._folder(profile), profile.taste.mixture.dimension)
            _check_positions([thumbnail.position for thumbnail in found], profile)
            return found

    def thumbnail_set(self, profile: Profile) -> ThumbnailSet | None:
        """Which thumbnails a profile has; None if it has none.

        Raises:
            NotFound: The profile was deleted.
            ProfileDamaged: What says so is not what it should be.
        """
        with _named(profile):
            found = find_thumbnails(self._folder(profile))
            _check_positions(found.positions if found else (), profile)
            return found

    def put_thumbnails(self, profile: Profile, given: Sequence[Thumbnail]) -> bool:
        """Stores thumbnails beside those that a refit carried over; says whether that was done.

        A profile that was given some keeps those.

        Raises:
            NotFound: The profile was deleted.
            ProfileDamaged: Those that were carried over are damaged.
            Unavailable: The disk does not take them.
        """

        def write(folder: Path) -> None:
            # Within the turn to write: as long as none are given, these are the ones that were carried over.
            write_thumbnails(folder, joined(given, self.thumbnails(profile)))

        return self._store.add(profile.name, profile.version, GIVEN, write)

    def keep_check(self, profile: Profile, check: PrecisionCheck, thumbnails_sha256: str) -> None:
        """Stores what was found of thumbnails, in place of what was found of the same precision before.

        Raises:
            NotFound: The profile was deleted.
            Unavailable: The disk does not take it.
        """
        content = encode_check(check, thumbnails_sha256)
        self._store.put(profile.name, profile.version, check_file(check.precision), content)

    def _folder(self, profile: Profile) -> Path:
        return self._store.folder(profile.name, profile.version)


def _check_positions(positions: Sequence[int], profile: Profile) -> None:
    """Those of another version may stand in the folder, whole as they are."""
    count = profile.taste.liked_count + profile.taste.duplicate_count
    if any(position >= count for position in positions):
        problem = f"is of image {max(positions)}, and there are {count:,}"
        raise UnusableFile("thumbnails.json", problem)


@contextmanager
def _named(profile: Profile) -> Iterator[None]:
    try:
        yield
    except UnusableFile as error:
        raise ProfileDamaged(str(profile), str(error)) from error
