"""What a check reads, and a repair writes, by the crawler's own settings."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import URL, Connection

from services.crawler.catalogue import kept_images
from services.crawler.catalogue.database import Database
from services.crawler.catalogue.kept_images import KeptImage
from services.crawler.catalogue.postgres_server import parse_server
from services.crawler.config import CrawlerSettings
from services.crawler.places import Places
from services.crawler.store.blob_store import BlobStore
from services.crawler.store.opening import open_store, require_images
from services.crawler.store.s3_address import S3Address, S3Limits
from services.crawler.store.s3_bucket import S3Bucket
from services.crawler.verifying.bucket_files import BucketFiles
from services.crawler.verifying.catalogue_file import CatalogueFile
from services.crawler.verifying.catalogue_reading import Catalogue, CatalogueUnreadable
from services.crawler.verifying.catalogue_server import CatalogueServer
from services.crawler.verifying.folder_files import FolderFiles
from services.crawler.verifying.locked_server import LockedCatalogue, LockedServer
from services.crawler.verifying.stored_files import BLOBS, PARTS, MendableFiles, blob_path
from services.servicekit.errors import Misconfigured

# Of so many images not all are lost, unless the store is another one.
_LOOKED_FOR = 100
# Of a service that is far away, most of the time of a request is spent waiting.
_REQUESTS = 16


@dataclass(frozen=True)
class CheckedPlaces:
    """The catalogue and the store that settings name; nothing is opened before it is asked for.

    Attributes:
        settings: The crawler's.
    """

    settings: CrawlerSettings

    @property
    def threads(self) -> int:
        """How many files are read at a time."""
        return _REQUESTS if self.settings.store else os.cpu_count() or 1

    def require_noted(self) -> None:
        """Passes places where the crawler of the data folder has its things, as far as it has left a note.

        Raises:
            Misconfigured: It has them elsewhere, or there is no such folder.
        """
        data, place = self.settings.data, self._catalogue
        is_used = isinstance(place, Path) or not self.settings.store
        if is_used and not data.is_dir():
            raise CatalogueUnreadable(data, "is no folder")
        Places.of(place, self.settings.store).require_noted(data)

    def open_catalogue(self) -> Catalogue:
        """Opens the catalogue for reading.

        Raises:
            CatalogueUnreadable: It cannot be read.
            CatalogueDamaged: Not even its version can be read.
        """
        place = self._catalogue
        if isinstance(place, URL):
            return CatalogueServer(place)
        if not place.exists() and self._has_blobs():
            cause = "is not there, and blobs/ is not empty: restore it from a backup before a crawler makes one"
            raise CatalogueUnreadable(place, cause)
        return CatalogueFile(place)

    def open_files(self, catalogue: Catalogue) -> MendableFiles:
        """Opens the store for reading: one on S3 has some of the newest images.

        Raises:
            Misconfigured: It cannot be used, or is another one.
        """
        if not self.settings.store:
            return FolderFiles(self.settings.data)
        access = self.settings.s3_access
        access.require_sound()
        bucket = S3Bucket(S3Address.parse(self.settings.store), access, S3Limits())
        # First: what it says of a refusal is told by no other request.
        bucket.require_listing()
        files = BucketFiles(bucket)
        with catalogue.read() as connection:
            newest = _newest(connection)
        require_images(_Present(files), newest)
        return files

    def open_store(self) -> BlobStore:
        """Opens the store for writing."""
        return open_store(self.settings.store, self.settings.data, self.settings.s3_access)

    def lock(self) -> LockedCatalogue:
        """Opens the catalogue for writing; its lock keeps crawlers away until it is closed.

        Raises:
            Misconfigured: A crawler has it.
            CatalogueUnreadable: It cannot be used.
        """
        place = self._catalogue
        try:
            return Database(place) if isinstance(place, Path) else LockedServer(place)
        except Misconfigured as error:
            message = f"{error}; nothing was repaired: stop the crawler first"
            raise Misconfigured(message) from error

    @property
    def _catalogue(self) -> Path | URL:
        address = self.settings.catalogue.get_secret_value()
        return parse_server(address) if address else self.settings.data / "catalog.sqlite"

    def _has_blobs(self) -> bool:
        if self.settings.store:
            return False
        return any(file.path != PARTS for file in FolderFiles(self.settings.data).entries(BLOBS))


@dataclass(frozen=True, slots=True)
class _Present:
    """Looks for images one after the other, until there is one."""

    files: MendableFiles

    def present(self, digests: Iterable[str]) -> set[str]:
        """The first of these images whose bytes are there; none if all are gone."""
        return set(next(([one] for one in digests if self.files.exists(blob_path(one))), []))


def _newest(connection: Connection) -> list[KeptImage]:
    after = kept_images.before_newest(connection, "", _LOOKED_FOR)
    return kept_images.list_kept(connection, "", after=after)
