"""The profiles in memory, and which version of a name is the newest."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from services.novelty.profile import Profile, ProfileReference
from services.novelty.profile_store import ProfileStore

# A folder may change twice within one tick of its file system's clock, so a younger change is not relied on.
_SETTLED_NS: Final = 2_000_000_000


@dataclass(frozen=True, slots=True)
class _Newest:
    version: int
    change_ns: int


class ProfileCache:
    """Finds profiles for the scoring calls; keeps the ones used last, up to `limit_bytes` of mixtures (but always one).

    A version never changes, so it is read once. `landscapes` is resolved on each call and sees what any process stored.
    """

    def __init__(self, store: ProfileStore, *, limit_bytes: int) -> None:
        self._store = store
        self._limit_bytes = limit_bytes
        self._profiles: OrderedDict[tuple[str, int], Profile] = OrderedDict()
        self._newest: dict[str, _Newest] = {}
        self._loading = asyncio.Lock()

    async def find(self, text: str) -> Profile:
        """Returns the profile that `landscapes` or `landscapes@3` names.

        Raises:
            InvalidInput: It is neither.
            NotFound: There is no such profile.
            ProfileUnreadable: Its files are not what they should be.
        """
        reference = ProfileReference.parse(text)
        version = reference.version or self._newest_version(reference.name)
        return self._kept(reference.name, version) or await self._load(reference.name, version)

    def _newest_version(self, name: str) -> int:
        change_ns = self._store.change_ns(name)
        known = self._newest.get(name)
        if known is not None and known.change_ns == change_ns:
            return known.version
        version = self._store.newest_version(name)
        if time.time_ns() - change_ns > _SETTLED_NS:
            self._newest[name] = _Newest(version, change_ns)
        return version

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
