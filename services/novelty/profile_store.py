"""Profiles on disk: <root>/<name>/<version>/, each version written once and whole."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import structlog

from services.novelty.liked_images import LikedImages, NoLikedImages
from services.novelty.profile import NAME_PATTERN, VERSION_PATTERN, Profile, ProfileReference, Taste
from services.novelty.profile_files import (
    ProfileDamaged,
    encode_profile,
    read_facts,
    read_profile,
)
from services.servicekit.errors import Misconfigured, NotFound, Unavailable

# No profile can have these names.
_STAGING: Final = ".staging"
_LOCK: Final = ".lock"


class ProfileStore:
    """The profiles under one folder; any number of processes may share it.

    A version appears by renaming a folder that was written and synced elsewhere on the same file system, so that it
    is there whole or not at all. Writers take turns by a lock on a file, which ends with the process that holds it.
    """

    def __init__(self, root: Path, *, libraries: Mapping[str, str]) -> None:
        """Makes the folder.

        Args:
            root: The folder of all profiles.
            libraries: The versions that fit them, written into each.

        Raises:
            Misconfigured: It cannot be made or written to.
        """
        self._root = root
        self._libraries = dict(libraries)
        try:
            root.mkdir(parents=True, exist_ok=True)
            with self._writing():
                pass
        except OSError as error:
            message = f"cannot keep profiles in {root}: {error.strerror or error}"
            raise Misconfigured(message) from error

    def newest_version(self, name: str) -> int:
        """The highest version of a name, damaged or not.

        Raises:
            NotFound: There is none.
        """
        versions = self._versions(name)
        if not versions:
            raise NotFound("profile", name)
        return max(versions)

    def versions_before(self, name: str, version: int) -> list[int]:
        """The lower versions of a name, damaged or not, the newest first."""
        return sorted((known for known in self._versions(name) if known < version), reverse=True)

    def names(self) -> list[str]:
        """The names that have a version, in order."""
        entries = (entry.name for entry in self._root.iterdir() if entry.is_dir())
        names = (name for name in entries if re.fullmatch(NAME_PATTERN, name))
        return sorted(name for name in names if self._versions(name))

    def load(self, name: str, version: int) -> Profile:
        """Reads one profile.

        Raises:
            NotFound: There is no such version.
            ProfileDamaged: Its files are not what they should be.
        """
        folder = self._folder(name, version)
        if not folder.is_dir():
            raise NotFound("profile", str(ProfileReference(name, version)))
        profile = read_profile(folder)
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
        raise NoLikedImages(str(self.load(name, version)))

    def find(self, request_id: str) -> Profile | None:
        """The profile that a request made, if it made one."""
        for name in self.names():
            for version in sorted(self._versions(name)):
                # One that cannot be read is met again when it is asked for.
                with suppress(ProfileDamaged):
                    if read_facts(self._folder(name, version)).request_id == request_id:
                        return self.load(name, version)
        return None

    def save(self, taste: Taste, *, name: str, request_id: str) -> Profile:
        """Stores a taste as the next version of a name.

        A request that made a profile before, anywhere, gets that one instead.

        Raises:
            Unavailable: The disk does not take it.
        """
        try:
            with self._writing():
                stored = self.find(request_id)
                if stored is not None:
                    return stored
                version = max(self._versions(name), default=0) + 1
                profile = Profile(name, version, taste, datetime.now(UTC), request_id)
                self._publish(profile)
        except OSError as error:
            raise Unavailable("the folder of profiles", error.strerror or str(error)) from error
        structlog.get_logger().info("profile_stored", profile=str(profile))
        return profile

    def _publish(self, profile: Profile) -> None:
        staging = self._root / _STAGING
        shutil.rmtree(staging, ignore_errors=True)  # what a writer that was killed left
        staging.mkdir()
        for file_name, content in encode_profile(profile, self._libraries).items():
            with (staging / file_name).open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        _sync_folder(staging)
        folder = self._folder(profile.name, profile.version)
        folder.parent.mkdir(exist_ok=True)
        staging.rename(folder)
        _sync_folder(folder.parent)
        _sync_folder(self._root)

    def _folder(self, name: str, version: int) -> Path:
        return self._root / name / str(version)

    def _versions(self, name: str) -> list[int]:
        try:
            entries = list((self._root / name).iterdir())
        except (FileNotFoundError, NotADirectoryError):
            return []
        return [int(entry.name) for entry in entries if re.fullmatch(VERSION_PATTERN, entry.name)]

    @contextmanager
    def _writing(self) -> Iterator[None]:
        with (self._root / _LOCK).open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
