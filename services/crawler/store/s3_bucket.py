"""Objects in a bucket: written under conditions, so that nobody overwrites what he has not read."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from obstore.exceptions import AlreadyExistsError, BaseError, PreconditionError
from obstore.store import S3Store as Client

from services.crawler.store.blob_store import StoreAway
from services.crawler.store.s3_address import S3Access, S3Address, S3Limits
from services.crawler.store.s3_errors import cause_of, lasts

if TYPE_CHECKING:
    # They are there for type checkers alone.
    from obstore import ObjectMeta, PutMode
    from obstore.store import S3Config


_CHUNK_BYTES = 1_000_000
_PAGE = 1_000


@dataclass(frozen=True, slots=True)
class S3Object:
    """An object as it was read.

    Attributes:
        content: Its bytes.
        e_tag: What it is replaced by, if nobody has replaced it since.
    """

    content: bytes
    e_tag: str


@dataclass(frozen=True, slots=True)
class S3Entry:
    """What a listing, or a question without content, says of an object.

    Attributes:
        key: Its key, without the store's prefix.
        size_bytes: How many bytes; 0 for a prefix.
        changed_time: When it was written, by the service's clock, seconds since 1970; 0 for a prefix.
        e_tag: Of its bytes; may be empty.
        is_prefix: Whether it is none, but what the keys of several begin with.
    """

    key: str
    size_bytes: int = 0
    changed_time: float = 0.0
    e_tag: str = ""
    is_prefix: bool = False


class S3Bucket:
    """The objects below an address.

    All methods block, and raise StoreAway when the service fails for longer than the limits. Whatever a request that
    failed has done, doing it again is right.
    """

    def __init__(self, address: S3Address, access: S3Access, limits: S3Limits) -> None:
        """Asks nothing yet."""
        self.address = address
        self._client = _client(address, access, limits)

    def require_listing(self) -> None:
        """Passes a bucket that is there and may be listed."""
        with self._asking():
            self._client.list_with_delimiter()

    def create(self, key: str, content: bytes, *, media_type: str) -> bool:
        """Writes a new object; False if there is one already. The service checks the SHA-256 of what arrives."""
        with self._asking():
            try:
                self._put(key, content, media_type, mode="create")
            except AlreadyExistsError:
                return False
        return True

    def replace(self, key: str, content: bytes, e_tag: str, *, media_type: str) -> bool:
        """Writes an object in place of the one that was read; False if that is not there any more."""
        with self._asking():
            try:
                self._put(key, content, media_type, mode={"e_tag": e_tag})
            except (AlreadyExistsError, PreconditionError):
                return False
        return True

    def size_bytes(self, key: str) -> int | None:
        """How large an object is; None if there is none."""
        found = self.head(key)
        return None if found is None else found.size_bytes

    def head(self, key: str) -> S3Entry | None:
        """What is known of an object; None if there is none."""
        with self._asking():
            try:
                return _entry(self._client.head(key))
            except FileNotFoundError:
                return None

    def digest(self, key: str) -> tuple[str, int] | None:
        """SHA-256 of an object, 64 hex digits, and its size; None if there is none. Some megabytes are in memory."""
        summed, size_bytes = hashlib.sha256(), 0
        with self._asking():
            try:
                for chunk in self._client.get(key).stream(min_chunk_size=_CHUNK_BYTES):
                    summed.update(chunk)
                    size_bytes += len(chunk)
            except FileNotFoundError:
                return None
        return summed.hexdigest(), size_bytes

    def entries(self, prefix: str) -> list[S3Entry]:
        """Objects and prefixes right below a prefix of few, by name."""
        with self._asking():
            found = self._client.list_with_delimiter(prefix)
        prefixes = [S3Entry(one.rstrip("/"), is_prefix=True) for one in found["common_prefixes"]]
        objects = [_entry(one) for one in found["objects"]]
        return sorted(prefixes + objects, key=lambda entry: entry.key)

    def objects(self, prefix: str) -> Iterator[S3Entry]:
        """All objects below a prefix, a page at a time."""
        with self._asking():
            for page in self._client.list(prefix, chunk_size=_PAGE):
                yield from map(_entry, page)

    def get(self, key: str) -> S3Object | None:
        """Reads an object; None if there is none."""
        with self._asking():
            try:
                found = self._client.get(key)
                e_tag = found.meta["e_tag"] or ""
                return S3Object(bytes(found.bytes()), e_tag)
            except FileNotFoundError:
                return None

    def copy(self, key: str, target: str) -> bool:
        """Has the service copy an object, over what is there; False if there is nothing to copy."""
        with self._asking():
            try:
                self._client.copy(key, target)
            except FileNotFoundError:
                return False
        return True

    def delete(self, keys: list[str]) -> None:
        """Deletes objects, in this order; those that are not there are deleted already."""
        for key in keys:
            with self._asking():
                self._client.delete(key)

    def _put(self, key: str, content: bytes, media_type: str, *, mode: PutMode) -> None:
        attributes = {"Content-Type": media_type}
        self._client.put(key, content, attributes=attributes, mode=mode, use_multipart=False)

    @contextmanager
    def _asking(self) -> Iterator[None]:
        try:
            yield
        except (BaseError, OSError) as error:
            # Not from it: its text may have what the service repeats of our keys, and would be logged.
            raise StoreAway(str(self.address), cause_of(error), lasts=lasts(error)) from None


def _entry(found: ObjectMeta) -> S3Entry:
    changed_time = found["last_modified"].timestamp()
    return S3Entry(found["path"], found["size"], changed_time, found["e_tag"] or "")


def _client(address: S3Address, access: S3Access, limits: S3Limits) -> Client:
    # What is not set is left to obstore, which reads AWS's own variables, files and services for it.
    chosen: S3Config = {"checksum_algorithm": "SHA256"}
    if access.endpoint:
        chosen["endpoint"] = access.endpoint.rstrip("/")
    if access.region:
        chosen["region"] = access.region
    if access.access_key_id:
        chosen["access_key_id"] = access.access_key_id
        chosen["secret_access_key"] = access.secret_access_key
    return Client(
        address.bucket,
        prefix=address.prefix or None,
        config=chosen,
        client_options={
            "allow_http": urlsplit(access.endpoint).scheme == "http",
            "connect_timeout": timedelta(seconds=limits.connect_s),
            "timeout": timedelta(seconds=limits.timeout_s),
        },
        retry_config={
            "max_retries": limits.retries,
            "retry_timeout": timedelta(seconds=limits.retry_s),
            "backoff": {
                "base": 2,
                "init_backoff": timedelta(milliseconds=100),
                "max_backoff": timedelta(seconds=2),
            },
        },
    )
