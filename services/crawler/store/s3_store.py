"""The store on an S3-compatible service: the layout of the folder, as objects."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeVar

from services.crawler.store.blob_store import (
    BlobDamaged,
    BlobLost,
    BlobTooLarge,
    ReadableName,
    StoreAway,
    require_whole,
)
from services.crawler.store.s3_address import S3Access, S3Address, S3Limits
from services.crawler.store.s3_bucket import S3Bucket
from services.crawler.store.sidecar import merge_sidecar
from services.servicekit.errors import Misconfigured

Asked = TypeVar("Asked", str, ReadableName)

_MARK: Final = "lodestone-store.json"
_FORMAT: Final = b'{"format_version": 1}\n'
_JSON: Final = "application/json"
_BYTES: Final = "application/octet-stream"
_MEDIA_TYPES: Final = {
    "JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp", "GIF": "image/gif", "AVIF": "image/avif",
}  # fmt: skip
# Requests at a time for a question about many objects: S3 has none that takes a list of keys.
_ASKED_TOGETHER: Final = 16
# Others who add to the same sidecar at the same time each win once.
_MERGES: Final = 20
_MERGE_PAUSE_S: Final = 0.05
_START_PAUSE_S: Final = 0.5


class S3Store:
    """A BlobStore on an S3-compatible service.

    Keys are the folder's paths: `blobs/ab/<digest>`, `blobs/ab/<digest>.json` and `kept/<profile>/<name>`, which is a
    copy that the service makes, as S3 has no links.
    """

    def __init__(
        self, address: S3Address, access: S3Access, limits: S3Limits | None = None
    ) -> None:
        """Writes a mark into a new store and asks for everything that the methods will do.

        Raises:
            Misconfigured: The store cannot be used: no such bucket, no permission, another region, a service that
                ignores conditions, or one that is away for longer than a start waits.
        """
        access.require_sound()
        limits = limits or S3Limits()
        self._bucket = S3Bucket(address, access, limits)
        deadline_s = time.monotonic() + limits.start_s
        while not self._is_usable(deadline_s):
            time.sleep(_START_PAUSE_S)

    @property
    def address(self) -> str:
        """Where it is: `s3://bucket/prefix`."""
        return str(self._bucket.address)

    def has(self, digest: str) -> bool:
        """Whether the bytes of a digest are there."""
        return self._bucket.size_bytes(_key(digest)) is not None

    def present(self, digests: Iterable[str]) -> set[str]:
        """Those of many digests whose bytes are there."""
        return self._present(digests, _key)

    def present_names(self, names: Iterable[ReadableName]) -> set[ReadableName]:
        """Those of many readable names that are there."""
        return self._present(names, _named)

    def read(self, digest: str, *, max_bytes: int) -> bytes:
        """Returns the bytes of a digest; empty if they are lost. Raises what `BlobStore.read` does."""
        size_bytes = self._bucket.size_bytes(_key(digest))
        if size_bytes is None:
            return b""
        if size_bytes > max_bytes:
            raise BlobTooLarge(digest, size_bytes, max_bytes)
        found = self._bucket.get(_key(digest))
        return b"" if found is None else require_whole(found.content, digest)

    def put_with_sidecar(self, encoded: bytes, digest: str, facts: dict[str, Any]) -> None:
        """Stores bytes, makes sure that they are there, then stores their sidecar. See `BlobStore.put_with_sidecar`."""
        media_type = _MEDIA_TYPES.get(facts.get("format", ""), _BYTES)
        is_new = bool(encoded) and self._bucket.create(_key(digest), encoded, media_type=media_type)
        self._require_stored(digest, len(encoded))
        if encoded and not is_new:
            self._require_same(digest, encoded)
        self.put_sidecar(digest, facts)

    def put_sidecar(self, digest: str, facts: dict[str, Any]) -> None:
        """Writes what is known of an image beside it, as `put_with_sidecar` does."""
        key = _sidecar(digest)
        new = merge_sidecar(None, digest, facts)
        for _ in range(_MERGES):
            if self._bucket.create(key, new, media_type=_JSON):
                return
            known = self._bucket.get(key)
            if known is None:
                continue
            merged = merge_sidecar(known.content, digest, facts)
            # The same: an earlier try was stored, whatever became of its answer.
            if merged == known.content:
                return
            if self._bucket.replace(key, merged, known.e_tag, media_type=_JSON):
                return
            time.sleep(random.uniform(0.0, _MERGE_PAUSE_S))  # noqa: S311 - jitter, not a secret
        cause = f"the sidecar of {digest[:12]} was changed by others {_MERGES} times"
        raise StoreAway(str(self._bucket.address), cause)

    def link(self, digest: str, name: ReadableName) -> bool:
        """Has the service copy an image under its readable name; False if its bytes are lost."""
        return self._bucket.copy(_key(digest), _named(name))

    def remove(self, digest: str, names: Iterable[ReadableName]) -> None:
        """Removes an image for good: its readable names, its sidecar and its bytes."""
        self._bucket.delete([*map(_named, names), _sidecar(digest), _key(digest)])

    def remove_name(self, name: ReadableName) -> None:
        """Removes a readable name alone."""
        self._bucket.delete([_named(name)])

    def _present(self, asked: Iterable[Asked], key_of: Callable[[Asked], str]) -> set[Asked]:
        questions = list(set(asked))
        with ThreadPoolExecutor(_ASKED_TOGETHER) as threads:
            sizes = threads.map(lambda one: self._bucket.size_bytes(key_of(one)), questions)
            return {one for one, size in zip(questions, sizes, strict=True) if size is not None}

    def _require_stored(self, digest: str, expected_bytes: int) -> None:
        size_bytes = self._bucket.size_bytes(_key(digest))
        if size_bytes is None and expected_bytes:
            # Two who create the same object at the same time may both be told that it is there before it is.
            raise StoreAway(str(self._bucket.address), "what was stored is not there yet")
        if size_bytes is None:
            raise BlobLost(digest)
        if expected_bytes and size_bytes != expected_bytes:
            raise BlobDamaged(digest, size_bytes, expected_bytes)

    def _require_same(self, digest: str, encoded: bytes) -> None:
        """Refuses an object that was there already, and was edited behind our back."""
        found = self._bucket.get(_key(digest))
        if found is not None and found.content != encoded:
            raise BlobDamaged(digest, len(found.content), len(encoded))

    def _is_usable(self, deadline_s: float) -> bool:
        """Whether it can be used; False if it may be worth another try."""
        try:
            self._require_usable()
        except StoreAway as away:
            if not away.lasts and time.monotonic() < deadline_s:
                return False
            message = f"the store {self._bucket.address} cannot be used: {away.cause}"
            raise Misconfigured(message) from None
        return True

    def _require_usable(self) -> None:
        address = self._bucket.address
        # First: some services make a bucket that is missing when something is written to it. And whoever may not list
        # one is told that what is not there is forbidden.
        self._bucket.require_listing()
        self._bucket.create(_MARK, _FORMAT, media_type=_JSON)
        found = self._bucket.get(_MARK)
        if found is None or found.content != _FORMAT:
            raise Misconfigured(f"{address}/{_MARK} is not the mark of a store of this version")
        if self._bucket.replace(_MARK, _FORMAT, '"0"', media_type=_JSON):
            message = (
                f"the store {address} ignores If-Match: crawlers would lose each other's judgements"
            )
            raise Misconfigured(message)


def _key(digest: str) -> str:
    return f"blobs/{digest[:2]}/{digest}"


def _sidecar(digest: str) -> str:
    return f"{_key(digest)}.json"


def _named(name: ReadableName) -> str:
    return "kept/" + "/".join(name)
