"""Profiles on disk: each version written once and whole, and read without trusting its files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import structlog

from services.novelty.additions import Additions
from services.novelty.liked_images import LikedImages
from services.novelty.profile import Profile, ProfileReference, Taste
from services.novelty.stored.addition_files import read_additions
from services.novelty.stored.damage import ProfileDamaged
from services.novelty.stored.liked_files import link_liked, write_liked
from services.novelty.stored.profile_facts import LikedDigests
from services.novelty.stored.profile_files import (
    read_facts,
    read_liked_images,
    read_profile,
    write_profile,
)
from services.novelty.stored.stored_files import UnusableFile
from services.novelty.stored.thumbnail_files import copy_thumbnails, write_carried
from services.novelty.stored.version_folders import VersionFolders
from services.novelty.thumbnails import Thumbnail
from services.servicekit.errors import Misconfigured, NotFound, Unavailable


@dataclass(frozen=True, slots=True, eq=False)
class RefitBase:
    """What a refit began with.

    Attributes:
        profile: The version, `landscapes@2`.
        thumbnails: Of the images that stay, under their new positions.
    """

    profile: str
    thumbnails: tuple[Thumbnail, ...] = ()


class ProfileStore:
    """The profiles under one folder; any number of processes may share it."""

    def __init__(self, root: Path, *, libraries: Mapping[str, str]) -> None:
        """Makes the folder.

        Args:
            root: The folder of all profiles.
            libraries: The versions that fit them, written into each.

        Raises:
            Misconfigured: It cannot be made or written to.
        """
        self._libraries = dict(libraries)
        try:
            self._folders = VersionFolders(root)
        except OSError as error:
            message = f"cannot keep profiles in {root}: {error.strerror or error}"
            raise Misconfigured(message) from error

    def newest_version(self, name: str) -> int:
        """The highest version of a name, damaged or not.

        Raises:
            NotFound: There is none.
        """
        versions = self._folders.versions(name)
        if not versions:
            raise NotFound("profile", name)
        return versions[-1]

    def versions_before(self, name: str, version: int) -> list[int]:
        """The lower versions of a name, damaged or not, the newest first."""
        return [known for known in reversed(self._folders.versions(name)) if known < version]

    def names(self) -> list[str]:
        """The names that have a version, in order."""
        return self._folders.names()

    def has(self, name: str, version: int) -> bool:
        """Whether there is such a version, damaged or not."""
        return self._folders.has(name, version)

    def load(self, name: str, version: int) -> Profile:
        """Reads one profile.

        Raises:
            NotFound: There is no such version.
            ProfileDamaged: Its files are not what they should be.
        """
        folder = self._folders.folder(name, version)
        profile = replace(read_profile(folder), additions=read_additions(folder))
        if (profile.name, profile.version) != (name, version):
            reference = str(ProfileReference(name, version))
            raise ProfileDamaged(reference, f"its files are those of {profile}")
        return profile

    def liked_images(self, name: str, version: int) -> LikedImages:
        """The images that a version was fitted to, checked; keep it, for the check reads all of it.

        Raises:
            NotFound: There is no such version.
            NoLikedImages: It was fitted before profiles kept them.
            ProfileDamaged: Their files are not what they should be.
        """
        return read_liked_images(self._folders.folder(name, version))

    def folder(self, name: str, version: int) -> Path:
        """The folder of a version.

        Raises:
            NotFound: There is no such version.
        """
        return self._folders.folder(name, version)

    def add(self, name: str, version: int, part: str, write: Callable[[Path], None]) -> bool:
        """Adds a folder to a version, whole or not at all; see `VersionFolders.add`.

        Raises:
            NotFound: There is no such version.
            Unavailable: The disk does not take it.
        """
        with self._writing():
            return self._folders.add(name, version, part, write)

    def put(self, name: str, version: int, file_name: str, content: bytes) -> None:
        """Puts a file into a version's folder, whole or not at all; see `VersionFolders.put`.

        Raises:
            NotFound: There is no such version.
            Unavailable: The disk does not take it.
        """
        with self._writing():
            self._folders.put(name, version, file_name, content)

    def additions(self, name: str, version: int) -> Additions:
        """What was added to a version by now.

        Raises:
            NotFound: There is no such version.
        """
        return read_additions(self._folders.folder(name, version))

    def find(self, request_id: str) -> Profile | None:
        """The profile that a request fitted, if it did."""
        for name in self.names():
            for version in self._folders.versions(name):
                # One that cannot be read, or is deleted just now, is met again when it is asked for.
                with suppress(ProfileDamaged, NotFound):
                    if read_facts(self._folders.folder(name, version)).request_id == request_id:
                        return self.load(name, version)
        return None

    def save(
        self,
        taste: Taste,
        *,
        name: str,
        request_id: str,
        liked: LikedImages | None = None,
        base: RefitBase | None = None,
    ) -> Profile:
        """Stores a taste as the next version of a name.

        A request that fitted a profile before, anywhere, gets that one instead.

        Args:
            taste: What was learned.
            name: Of the profile.
            request_id: Of the request.
            liked: What it was fitted to; None to keep nothing of that.
            base: What a refit began with; None for a fit that began with nothing.

        Raises:
            Unavailable: The disk does not take it.
        """

        def put_liked(folder: Path) -> LikedDigests | None:
            if base is not None and base.thumbnails:
                write_carried(folder, base.thumbnails)
            return write_liked(folder, liked) if liked else None

        with self._writing():
            stored = self.find(request_id)
            if stored is not None:
                return stored
            version = self._folders.next_version(name)
            now = datetime.now(UTC)
            base_profile = base.profile if base else ""
            profile = Profile(name, version, taste, now, request_id, base_profile)
            return self._publish(profile, put_liked)

    def save_variant(self, base: Profile, taste: Taste) -> Profile:
        """Stores a taste that has the mixture of a profile as the next version; the liked images are the same files.

        If the newest version has that mixture and threshold, it is returned.

        Raises:
            NotFound: The profile was deleted.
            ProfileDamaged: It is.
            Unavailable: The disk does not take it.
        """
        with self._writing():
            folder = self._folders.folder(base.name, base.version)
            facts = read_facts(folder)

            def put_liked(other: Path) -> LikedDigests | None:
                try:
                    link_liked(folder, other)
                    copy_thumbnails(folder, other)
                except UnusableFile as error:
                    raise ProfileDamaged(str(base), str(error)) from error
                return facts.liked

            newest = self._newest_like(base.name, facts.sha256)
            if newest is not None and newest.taste.has_threshold_of(taste):
                return newest
            version = self._folders.next_version(base.name)
            profile = Profile(base.name, version, taste, datetime.now(UTC), "", str(base))
            return self._publish(profile, put_liked)

    def delete(self, name: str, version: int | None) -> list[int]:
        """Deletes one version of a name, or all; returns their numbers, ascending.

        Raises:
            NotFound: There is no such version, or none of the name.
            Unavailable: The disk does not take it.
        """
        with self._writing():
            versions = [version] if version else self._folders.versions(name)
            if not versions:
                raise NotFound("profile", name)
            for one in versions:
                self._folders.delete(name, one)
        structlog.get_logger().info("profile_deleted", name=name, versions=versions)
        return versions

    def _newest_like(self, name: str, sha256: str) -> Profile | None:
        with suppress(ProfileDamaged):
            version = self.newest_version(name)
            if read_facts(self._folders.folder(name, version)).sha256 == sha256:
                return self.load(name, version)
        return None

    def _publish(
        self, profile: Profile, put_liked: Callable[[Path], LikedDigests | None]
    ) -> Profile:
        def write(folder: Path) -> None:
            write_profile(folder, profile, put_liked(folder), self._libraries)

        self._folders.publish(profile.name, profile.version, write)
        structlog.get_logger().info("profile_stored", profile=str(profile))
        return replace(profile, additions=self.additions(profile.name, profile.version))

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            with self._folders.writing():
                yield
        except OSError as error:
            raise Unavailable("the folder of profiles", error.strerror or str(error)) from error
