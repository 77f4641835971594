"""The profiles in memory, and which version of a name is the newest."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from services.novelty.profile import Profile, ProfileReference
from services.novelty.profile_files import ProfileDamaged
from services.novelty.profile_store import ProfileStore
from services.servicekit.errors import NotFound

_NEWEST_FOR_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class _Newest:
    version: int
    until_s: float


class ProfileCache:
    """Finds profiles for the scoring calls; keeps the ones used last, up to `limit_bytes` of mixtures (but always one).

    A version never changes, so it is read once. Which one is the newest is looked up again after a second, for other
    processes store profiles too, and at once after `forget_newest`.
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
        self._newest: dict[str, _Newest] = {}
        self._loading = asyncio.Lock()

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
        except ProfileDamaged as error:
            instead = await self._whole_before(name, version)
            raise ProfileDamaged(error.profile, error.problem, instead=instead) from error

    def forget_newest(self, name: str) -> None:
        """Looks the newest version of a name up again on the next call: this process has stored one."""
        self._newest.pop(name, None)

    def _newest_version(self, name: str) -> int:
        now_s = self._clock()
        known = self._newest.get(name)
        if known is not None and now_s < known.until_s:
            return known.version
        version = self._store.newest_version(name)
        self._newest[name] = _Newest(version, now_s + _NEWEST_FOR_S)
        return version

    async def _version(self, name: str, version: int) -> Profile:
        return self._kept(name, version) or await self._load(name, version)

    async def _whole_before(self, name: str, version: int) -> str:
        for older in await asyncio.to_thread(self._store.versions_before, name, version):
            with suppress(NotFound, ProfileDamaged):
                return str(await self._version(name, older))
        return ""

    def _kept(self, name: str, version: int) -> Profile | None:
        profile = self._profiles.get((name, version))
        if profile is not None:
            self._profiles.move_to_end((name, version))
        return profile

    async def _load(self, name: str, version: int) -> Profile:
        async with self._loading:
            profile = self._kept(name, version)  # another call may have read it meanwhile
            if profile is None:
                profile = await asyncio.to_thread(self._store.load, name, version)
                self._profiles[name, version] = profile
                self._forget_oldest()
        return profile

    def _forget_oldest(self) -> None:
        sizes = [profile.taste.mixture.size_bytes for profile in self._profiles.values()]
        total = sum(sizes)
        for size in sizes[:-1]:
            if total <= self._limit_bytes:
                return
            self._profiles.popitem(last=False)
            total -= size
