"""Copies of a mined data folder on every kind of catalogue and store, to look at and to break from behind."""

from __future__ import annotations

import hashlib
import itertools
import shutil
import sqlite3
import subprocess
from pathlib import Path
from types import MappingProxyType

import psycopg

from services.crawler.store.s3_address import S3Address
from services.crawler.store.s3_bucket import S3Bucket
from tests.contract.crawler.mined import digest_of
from tests.crawler.store.stores import LIMITS

BUCKET = "shared"
_numbers = itertools.count()


class InSqlite:
    """A catalogue in the data folder."""

    settings = MappingProxyType({})

    def __init__(self, data):
        self._path = data / "catalog.sqlite"

    def execute(self, statements):
        connection = sqlite3.connect(self._path)
        with connection:
            connection.execute("PRAGMA foreign_keys = OFF")
            for statement in statements:
                assert connection.execute(statement).rowcount != 0, statement
        connection.close()

    def asked(self, query):
        connection = sqlite3.connect(self._path)
        try:
            return connection.execute(query).fetchall()
        finally:
            connection.close()


class InPostgres:
    """A catalogue in a database of its own."""

    def __init__(self, address):
        self._address = address
        self.settings = {"catalogue": address}

    def execute(self, statements):
        with psycopg.connect(self._address) as connection:
            # Neither foreign keys nor anything else is looked after.
            connection.execute("SET session_replication_role = replica")
            for statement in statements:
                assert connection.execute(statement).rowcount != 0, statement

    def asked(self, query):
        with psycopg.connect(self._address) as connection:
            return connection.execute(query).fetchall()


class InFolder:
    """A store in the data folder, by its paths."""

    settings = MappingProxyType({})

    def __init__(self, data):
        self._data = data

    def content(self, path):
        return Path(self._data, path).read_bytes()

    def overwrite(self, path, content):
        """A new file: those that are linked to the old one stay as they are."""
        place = Path(self._data, path)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.unlink(missing_ok=True)
        place.write_bytes(content)

    def delete(self, path):
        Path(self._data, path).unlink()

    def paths(self):
        tops = [Path(self._data, top) for top in ("blobs", "kept", "set-aside")]
        files = [path for top in tops for path in top.rglob("*") if path.is_file()]
        return {path.relative_to(self._data).as_posix() for path in files}


class InBucket:
    """A store on S3, by its keys."""

    def __init__(self, server, prefix):
        server.make_bucket(BUCKET)
        address, access = S3Address(BUCKET, prefix), server.access()
        self._bucket = S3Bucket(address, access, LIMITS)
        self.settings = {
            "store": str(address),
            "store_endpoint": access.endpoint,
            "store_region": access.region,
            "store_access_key_id": access.access_key_id,
            "store_secret_access_key": access.secret_access_key,
        }

    def content(self, path):
        return self._bucket.get(path).content

    def overwrite(self, path, content):
        self._bucket.delete([path])
        assert self._bucket.create(path, content, media_type="application/octet-stream")

    def delete(self, path):
        assert self._bucket.head(path) is not None
        self._bucket.delete([path])

    def paths(self):
        tops = ("blobs", "kept", "set-aside")
        return {entry.key for top in tops for entry in self._bucket.objects(top)}


class CheckedPlace:
    """A mined catalogue and store.

    Attributes:
        data: The data folder, whatever is in it.
        settings: What a crawler of it has set.
        extra: Where bytes are that nobody knows.
    """

    def __init__(self, data, catalogue, files):
        self.data, self._catalogue, self._files = data, catalogue, files
        self.settings = {**catalogue.settings, **files.settings}
        self.sql = lambda *statements: catalogue.execute(statements)
        self.asked = catalogue.asked
        self.content, self.overwrite = files.content, files.overwrite
        self.delete, self.paths = files.delete, files.paths
        self.extra = _blob(hashlib.sha256(b"extra").hexdigest())

    @property
    def environment(self):
        """The settings, as variables."""
        return {f"LODESTONE_CRAWLER_{name.upper()}": text for name, text in self.settings.items()}

    def blob(self, name):
        return _blob(digest_of(name))

    def sidecar(self, name):
        return f"{self.blob(name)}.json"

    def kept(self, name):
        query = f"SELECT file_name FROM kept_images WHERE digest = '{digest_of(name)}'"
        [[file_name]] = self.asked(query)
        return f"kept/colours/{file_name}"


def copy_of(mined, data, *, server=None, database=None):
    """A copy of a mined folder: with its files on S3 if a server is given, its catalogue in a database if one is."""
    subprocess.run(["cp", "-a", mined, data], check=True)
    # It says where the original is.
    (data / "places.json").unlink()
    files = InFolder(data)
    if server is not None:
        here, files = files, InBucket(server, f"copies/{next(_numbers)}")
        for path in here.paths():
            files.overwrite(path, here.content(path))
        shutil.rmtree(data / "blobs")
        shutil.rmtree(data / "kept")
    catalogue = InSqlite(data)
    if database is not None:
        catalogue = InPostgres(database)
        (data / "catalog.sqlite").unlink()
    return CheckedPlace(data, catalogue, files)


def _blob(digest):
    return f"blobs/{digest[:2]}/{digest}"
