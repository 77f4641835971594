"""Files that no row of the catalogue knows."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from sqlalchemy import Connection, select

from services.crawler.catalogue.purges import list_pending
from services.crawler.catalogue.schema import images, kept_images, purged_images
from services.crawler.verifying.catalogue_file import CatalogueFile
from services.crawler.verifying.data_folder import DataFolder
from services.crawler.verifying.problem import Problem, ProblemKind
from services.crawler.verifying.terms import CheckTerms

_FOLDER = re.compile(r"[0-9a-f]{2}")
_BLOB = re.compile(r"([0-9a-f]{64})(\.json)?")
_NAMES = 500


@dataclass
class StrayFiles:
    """Looks for them; use `check` once.

    Files are listed before rows are read: what a crawler puts there meanwhile has its row, or is young.

    Attributes:
        catalogue: What is known.
        folder: Where to look.
        terms: What it goes by.
        young_count: Files that may be on their way.
    """

    catalogue: CatalogueFile
    folder: DataFolder
    terms: CheckTerms
    young_count: int = 0

    def check(self) -> Iterator[Problem]:
        """Yields a problem for each file that nothing knows."""
        for entry in _listed(self.folder.parts):
            if self.terms.is_alone or not self._is_young(entry):
                yield self._problem(ProblemKind.PART_LEFT, entry, "it was never finished")
        for entry in _listed(self.folder.blobs):
            is_ours = entry.is_dir(follow_symlinks=False) and _FOLDER.fullmatch(entry.name)
            if is_ours:
                yield from self._check_blobs(entry)
            elif entry.path != str(self.folder.parts):
                yield self._foreign(ProblemKind.FILE_FOREIGN, entry)
        for entry in _listed(self.folder.kept):
            if entry.is_dir(follow_symlinks=False):
                yield from self._check_names(entry)
            else:
                yield self._foreign(ProblemKind.NAME_FOREIGN, entry)

    def _check_blobs(self, parent: os.DirEntry[str]) -> Iterator[Problem]:
        entries = _listed(parent.path)
        with self.catalogue.read() as connection:
            stored, purged, pending = _known(connection, parent.name)
        for entry in entries:
            found = _BLOB.fullmatch(entry.name)
            if found is None or not entry.name.startswith(parent.name):
                yield self._foreign(ProblemKind.FILE_FOREIGN, entry)
            elif found[1] in stored | pending:
                continue
            elif not entry.is_file(follow_symlinks=False):
                yield self._foreign(ProblemKind.FILE_FOREIGN, entry)
            elif not self._is_young(entry):
                what = "the sidecar" if found[2] else "the bytes"
                whose = "an image that was purged" if found[1] in purged else "no kept image"
                yield self._problem(ProblemKind.ORPHAN, entry, f"{what} of {whose}", found[1])

    def _check_names(self, parent: os.DirEntry[str]) -> Iterator[Problem]:
        entries = iter(_listed(parent.path))
        while some := list(islice(entries, _NAMES)):
            # All of ours are ASCII; what is no text cannot be looked up.
            names = [entry.name for entry in some if f"{parent.name}{entry.name}".isascii()]
            with self.catalogue.read() as connection:
                known = _known_names(connection, parent.name, names) if names else set()
            for entry in some:
                if entry.name not in known:
                    yield self._foreign(ProblemKind.NAME_FOREIGN, entry)

    def _is_young(self, entry: os.DirEntry[str]) -> bool:
        try:
            changed = entry.stat(follow_symlinks=False).st_mtime
        except FileNotFoundError:
            # It has found its place, or was purged.
            return True
        is_young = self.terms.is_young(changed)
        self.young_count += is_young
        return is_young

    def _foreign(self, kind: ProblemKind, entry: os.DirEntry[str]) -> Problem:
        return self._problem(kind, entry, "Lodestone knows of no such file")

    def _problem(
        self, kind: ProblemKind, entry: os.DirEntry[str], message: str, digest: str = ""
    ) -> Problem:
        path = os.path.relpath(entry.path, self.folder.root)
        return Problem(kind, message, path, digest)


def _listed(folder: str | os.PathLike[str]) -> list[os.DirEntry[str]]:
    """What is in a folder, by name; nothing if it is not there."""
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except FileNotFoundError:
        return []


def _known(connection: Connection, prefix: str) -> tuple[set[str], set[str], set[str]]:
    """Digests that begin so: in the store, purged, and purged with files that are still to be removed."""
    stored, purged = (
        set(
            connection.execute(
                # `g` comes after every hex digit.
                select(table.c.digest).where(
                    table.c.digest >= prefix, table.c.digest < f"{prefix}g"
                )
            ).scalars()
        )
        for table in (images, purged_images)
    )
    pending = {digest for digest, _ in list_pending(connection)}
    return stored, purged, pending


def _known_names(connection: Connection, profile_name: str, names: Sequence[str]) -> set[str]:
    query = select(kept_images.c.file_name).where(
        kept_images.c.profile_name == profile_name, kept_images.c.file_name.in_(names)
    )
    pending = {
        file_name
        for _, removed in list_pending(connection)
        for profile, file_name in removed
        if profile == profile_name
    }
    return set(connection.execute(query).scalars()) | pending
