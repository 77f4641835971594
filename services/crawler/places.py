"""Where a crawler has its catalogue and its images: a note in the data folder, for whoever lacks the settings."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

import structlog
from sqlalchemy import URL

from services.crawler.catalogue.postgres_server import server_name
from services.crawler.catalogue.sqlite_file import has_no_table
from services.servicekit.errors import Misconfigured

_NOTE = "places.json"
_FILE = "catalog.sqlite"
_FOLDER = "the data folder"


@dataclass(frozen=True, slots=True)
class Places:
    """Where things are, in words without a password.

    Attributes:
        catalogue: `catalog.sqlite`, or a PostgreSQL database.
        store: `the data folder`, or `s3://bucket/prefix`.
    """

    catalogue: str
    store: str

    @classmethod
    def of(cls, catalogue: Path | URL, store: str) -> Self:
        """The places that settings name: the file or the server of the catalogue; `s3://…`, or empty."""
        named = _FILE if isinstance(catalogue, Path) else server_name(catalogue)
        return cls(named, store.rstrip("/") or _FOLDER)

    @classmethod
    def read(cls, data: Path) -> Self | None:
        """The note in a data folder; None if there is none that can be read."""
        try:
            facts = json.loads((data / _NOTE).read_text())
            return cls(str(facts["catalogue"]), str(facts["store"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def write(self, data: Path) -> None:
        """Leaves the note, and a line in the log if the last one said something else. Without room it is left later."""
        log, before = structlog.get_logger(), self.read(data)
        if before == self:
            return
        if before is not None:
            log.warning("places_changed", before=asdict(before), now=asdict(self))
        part = data / f"{_NOTE}.{os.getpid()}"
        try:
            data.mkdir(parents=True, exist_ok=True)
            part.write_text(json.dumps(asdict(self), indent=2) + "\n")
            part.replace(data / _NOTE)
        except OSError as error:
            log.warning("places_not_noted", cause=error.strerror)

    def require_catalogue(self, data: Path) -> None:
        """Passes what a crawler may start with: it makes an empty catalogue where there was none before.

        Raises:
            Misconfigured: The catalogue is gone, is empty, or was on PostgreSQL.
        """
        noted, file = self.read(data), data / _FILE
        if noted is None or self.catalogue != _FILE:
            return
        if noted.catalogue != _FILE:
            raise _elsewhere(data, "its catalogue", "CATALOGUE", noted.catalogue, _FILE)
        found = "gone" if not file.exists() else "empty" if has_no_table(file) else ""
        if found:
            message = (
                f"{file} is {found}: restore it from a backup; or, to begin anew, move `blobs` and `kept` away and "
                f"delete {data / _NOTE}"
            )
            raise Misconfigured(message)

    def require_noted(self, data: Path) -> None:
        """Passes places that are those of the note, or are noted nowhere. A server may have several names.

        Raises:
            Misconfigured: The crawler has its catalogue or its images elsewhere.
        """
        noted = self.read(data)
        if noted is None:
            return
        if (self.catalogue == _FILE) != (noted.catalogue == _FILE):
            raise _elsewhere(data, "its catalogue", "CATALOGUE", noted.catalogue, self.catalogue)
        if self.store != noted.store:
            raise _elsewhere(data, "its images", "STORE", noted.store, self.store)


def _elsewhere(data: Path, what: str, setting: str, noted: str, here: str) -> Misconfigured:
    return Misconfigured(
        f"the crawler of {data} has {what} in {noted}, and the settings here name {here}: set "
        f"LODESTONE_CRAWLER_{setting} as for that crawler, or delete {data / _NOTE} if it is out of date"
    )
