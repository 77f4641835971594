"""The profiles in memory, and which version of a name is the newest."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final

from services.novelty.liked_images import LikedImages
from services.novelty.profile import Profile, ProfileReference
from services.novelty.stored.damage import ProfileDamaged
from services.novelty.stored.liked_files import is_as_checked
from services.novelty.stored.profile_store import ProfileStore
from services.servicekit.errors import NotFound

_KNOWN_FOR_S: Final = 1.0
_LIKED_KEPT: Final = 4


@dataclass(frozen=True, slots=True)
class _Newest:
    version: int
    until_s: float


class ProfileCache:
    """Finds profiles for the scoring calls; keeps the ones used last, up to `limit_bytes` of mixtures (but always one).

    A version never changes, so it is read once. Whether it is still there, what was added to it, and which one is the
    newest, is looked up again after a second, for other processes write too; and at once after `forget`.
    """

    def __init__(
        self,
        store: ProfileStore,
        *,
        limit_bytes: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._clock = clock
        self._limit_bytes = limit_bytes
        self._profiles: OrderedDict[tuple[str, int], Profile] = OrderedDict()
        self._there_until_s: dict[tuple[str, int], float] = {}
        self._newest: dict[str, _Newest] = {}
        self._loading = asyncio.Lock()
        self._liked: OrderedDict[tuple[str, int], LikedImages] = OrderedDict()
        self._loading_liked = asyncio.Lock()

    async def find(self, text: str) -> Profile:
        """Returns the profile that `landscapes` or `landscapes@3` names.

        Raises:
            InvalidInput: It is neither.
            NotFound: There is no such profile.
            ProfileDamaged: Its files are not what they should be. The newest of a name is not replaced by an older
                one without a word; the error says which one is whole.
        """
        reference = ProfileReference.parse(text)
        name = reference.name
        if reference.version:
            return await self._version(name, reference.version)
        version = self._newest_version(name)
        try:
            return await self._version(name, version)
        except NotFound:
            self.forget(name)  # it was deleted elsewhere
            return await self._version(name, self._newest_version(name))
        except ProfileDamaged as error:
            instead = await self._whole_before(name, version)
            raise ProfileDamaged(error.profile, error.problem, instead=instead) from error

    async def find_liked(self, text: str) -> tuple[Profile, LikedImages]:
        """Returns a profile and the images that it was fitted to; the four that were asked for last are kept.

        Raises:
            InvalidInput: The text names no profile.
            NotFound: There is no such profile.
            NoLikedImages: It was fitted before profiles kept them.
            ProfileDamaged: Its files are not what they should be.
        """
        profile = await self.find(text)
        key = (profile.name, profile.version)
        async with self._loading_liked:
            liked = self._liked.get(key)
            if liked is None or not is_as_checked(liked):
                liked = await asyncio.to_thread(self._store.liked_images, *key)
            self._liked[key] = liked
            self._liked.move_to_end(key)
            while len(self._liked) > _LIKED_KEPT:
                self._liked.popitem(last=False)
        return profile, liked

    def forget(self, name: str) -> None:
        """Looks a name up again on the next call: this process has changed something of it."""
        self._newest.pop(name, None)
        for key in [known for known in self._profiles if known[0] == name]:
            self._there_until_s.pop(key, None)

    def _newest_version(self, name: str) -> int:
        now_s = self._clock()
        known = self._newest.get(name)
        if known is not None and now_s < known.until_s:
            return known.version
        version = self._store.newest_version(name)
        self._newest[name] = _Newest(version, now_s + _KNOWN_FOR_S)
        return version

    async def _version(self, name: str, version: int) -> Profile:
        return self._kept(name, version) or await self._load(name, version)

    async def _whole_before(self, name: str, version: int) -> str:
        for older in await asyncio.to_thread(self._store.versions_before, name, version):
            with suppress(NotFound, ProfileDamaged):
                return str(await self._version(name, older))
        return ""

    def _kept(self, name: str, version: int) -> Profile | None:
        key = (name, version)
        profile = self._profiles.get(key)
        if profile is None:
            return None
        now_s = self._clock()
        if now_s >= self._there_until_s.get(key, now_s):
            try:
                profile = self._with_additions(key, profile)
            except NotFound:
                self._drop(key)
                return None
            self._there_until_s[key] = now_s + _KNOWN_FOR_S
        self._profiles.move_to_end(key)
        return profile

    def _with_additions(self, key: tuple[str, int], profile: Profile) -> Profile:
        additions = self._store.additions(*key)
        if additions != profile.additions:
            profile = self._profiles[key] = replace(profile, additions=additions)
        return profile

    def _drop(self, key: tuple[str, int]) -> None:
        self._profiles.pop(key, None)
        self._there_until_s.pop(key, None)
        self._liked.pop(key, None)

    async def _load(self, name: str, version: int) -> Profile:
        async with self._loading:
            profile = self._kept(name, version)  # another call may have read it meanwhile
            if profile is None:
                profile = await asyncio.to_thread(self._store.load, name, version)
                self._profiles[name, version] = profile
                self._there_until_s[name, version] = self._clock() + _KNOWN_FOR_S
                self._forget_oldest()
        return profile

    def _forget_oldest(self) -> None:
        sizes = [profile.taste.mixture.size_bytes for profile in self._profiles.values()]
        total = sum(sizes)
        for size in sizes[:-1]:
            if total <= self._limit_bytes:
                return
            oldest, _ = self._profiles.popitem(last=False)
            self._there_until_s.pop(oldest, None)
            total -= size
