"""Objects in a bucket: written under conditions, so that nobody overwrites what he has not read."""

from __future__ import annotations

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
    from obstore import PutMode
    from obstore.store import S3Config


@dataclass(frozen=True, slots=True)
class S3Object:
    """An object as it was read.

    Attributes:
        content: Its bytes.
        e_tag: What it is replaced by, if nobody has replaced it since.
    """

    content: bytes
    e_tag: str


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
        with self._asking():
            try:
                return self._client.head(key)["size"]
            except FileNotFoundError:
                return None

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
