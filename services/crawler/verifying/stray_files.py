"""Files that no row of the catalogue knows."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from sqlalchemy import Connection, select

from services.crawler.catalogue.purges import list_pending
from services.crawler.catalogue.schema import images, kept_images, purged_images
from services.crawler.verifying.catalogue_reading import Catalogue
from services.crawler.verifying.problem import Problem, ProblemKind
from services.crawler.verifying.stored_files import BLOBS, KEPT, PARTS, StoredFile, StoredFiles
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
        files: Where to look.
        terms: What it goes by.
        young_count: Files that may be on their way.
    """

    catalogue: Catalogue
    files: StoredFiles
    terms: CheckTerms
    young_count: int = 0

    def check(self) -> Iterator[Problem]:
        """Yields a problem for each file that nothing knows."""
        for file in self.files.entries(PARTS):
            if file.is_folder:
                yield _foreign(ProblemKind.FILE_FOREIGN, file)
            elif self.terms.is_alone or not self._is_young(file):
                yield Problem(ProblemKind.PART_LEFT, "it was never finished", file.path)
        for file in self.files.entries(BLOBS):
            if file.is_folder and _FOLDER.fullmatch(file.name):
                yield from self._check_blobs(file)
            elif file.path != PARTS:
                yield _foreign(ProblemKind.FILE_FOREIGN, file)
        for file in self.files.entries(KEPT):
            if file.is_folder:
                yield from self._check_names(file)
            else:
                yield _foreign(ProblemKind.NAME_FOREIGN, file)

    def _check_blobs(self, parent: StoredFile) -> Iterator[Problem]:
        files = list(self.files.files(parent.path))
        with self.catalogue.read() as connection:
            stored, purged, pending = _known(connection, parent.name)
        for file in files:
            found = _BLOB.fullmatch(file.name)
            if found is None or not file.name.startswith(parent.name):
                yield _foreign(ProblemKind.FILE_FOREIGN, file)
            elif found[1] in stored | pending:
                continue
            elif not file.is_file:
                yield _foreign(ProblemKind.FILE_FOREIGN, file)
            elif not self._is_young(file):
                what = "the sidecar" if found[2] else "the bytes"
                whose = "was purged" if found[1] in purged else "the catalogue does not know"
                yield Problem(
                    ProblemKind.ORPHAN, f"{what} of an image that {whose}", file.path, found[1]
                )

    def _check_names(self, parent: StoredFile) -> Iterator[Problem]:
        files = self.files.files(parent.path)
        while some := list(islice(files, _NAMES)):
            # All of ours are ASCII; what is no text cannot be looked up.
            names = [file.name for file in some if f"{parent.name}{file.name}".isascii()]
            with self.catalogue.read() as connection:
                known = _known_names(connection, parent.name, names) if names else set()
            for file in some:
                # Listed a while ago: it may have been purged since.
                if file.name not in known and self.files.changed_time(file) is not None:
                    yield _foreign(ProblemKind.NAME_FOREIGN, file)

    def _is_young(self, file: StoredFile) -> bool:
        changed = self.files.changed_time(file)
        if changed is None:
            # It has found its place, or was purged.
            return True
        is_young = self.terms.is_young(changed)
        self.young_count += is_young
        return is_young


def _foreign(kind: ProblemKind, file: StoredFile) -> Problem:
    return Problem(kind, "Lodestone knows of no such file", file.path)


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
