"""The kinds of store, with a way to look at them and to damage them from behind."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from services.crawler.store.folder_store import FolderStore
from services.crawler.store.s3_address import S3Address, S3Limits
from services.crawler.store.s3_bucket import S3Bucket
from services.crawler.store.s3_store import S3Store

# Loopback answers at once, or is not there.
LIMITS = S3Limits(connect_s=1.0, timeout_s=3.0, retries=3, retry_s=3.0, start_s=2.0)


class InFolder:
    """A store in a folder."""

    def __init__(self, folder):
        self.store = FolderStore(folder)
        self._folder = folder

    def another(self):
        """The store of another crawler at the same place."""
        return FolderStore(self._folder)

    def content(self, path):
        """What is at a path of the store; None if nothing is."""
        file = Path(self._folder, path)
        return file.read_bytes() if file.exists() else None

    def overwrite(self, path, content):
        """Writes behind the store's back."""
        Path(self._folder, path).write_bytes(content)

    def delete(self, path):
        """Deletes behind the store's back."""
        Path(self._folder, path).unlink()


class InBucket:
    """A store on S3."""

    def __init__(self, address, access):
        self.address, self._access = address, access
        self.store = self.another()
        self._bucket = S3Bucket(address, access, LIMITS)

    def another(self):
        return S3Store(self.address, self._access, LIMITS)

    def content(self, path):
        found = self._bucket.get(path)
        return None if found is None else found.content

    def overwrite(self, path, content):
        self._bucket.delete([path])
        assert self._bucket.create(path, content, media_type="text/plain")

    def delete(self, path):
        self._bucket.delete([path])


def in_new_place(server, prefix, endpoint=""):
    """A store in a place of its own: of one bucket, as a bucket of its own takes the server a gigabyte of volumes."""
    server.make_bucket("shared")
    return InBucket(S3Address("shared", prefix), server.access(endpoint=endpoint))


def blob_path(digest):
    return f"blobs/{digest[:2]}/{digest}"


def sidecar_of(place, digest):
    """The sidecar of a digest, parsed."""
    return json.loads(place.content(blob_path(digest) + ".json"))


def put_bytes(store, encoded):
    """Stores bytes in a folder, as if they had been accepted once; returns their digest."""
    digest = hashlib.sha256(encoded).hexdigest()
    store.put(encoded, digest=digest)
    return digest
