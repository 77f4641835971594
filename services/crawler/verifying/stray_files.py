"""Files that no row of the catalogue knows."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from sqlalchemy import Connection, select

from services.crawler.catalogue.purges import list_pending
from services.crawler.catalogue.replacements import list_unremoved
from services.crawler.catalogue.schema import (
    images,
    kept_images,
    purged_images,
    replaced_images,
)
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
            known = _known(connection, parent.name)
        for file in files:
            found = _BLOB.fullmatch(file.name)
            if found is None or not file.name.startswith(parent.name):
                yield _foreign(ProblemKind.FILE_FOREIGN, file)
            elif found[1] in known.stored or found[1] in known.pending:
                continue
            elif not file.is_file:
                yield _foreign(ProblemKind.FILE_FOREIGN, file)
            elif not self._is_young(file):
                what = "the sidecar" if found[2] else "the bytes"
                message = f"{what} of an image that {known.fate(found[1])}"
                yield Problem(ProblemKind.ORPHAN, message, file.path, found[1])

    def _check_names(self, parent: StoredFile) -> Iterator[Problem]:
        files = self.files.files(parent.path)
        while some := list(islice(files, _NAMES)):
            # All of ours are ASCII; what is no text cannot be looked up.
            names = [file.name for file in some if f"{parent.name}{file.name}".isascii()]
            with self.catalogue.read() as connection:
                known = _known_names(connection, parent.name, names) if names else set()
                replaced = _replaced_names(connection, parent.name, names) if names else {}
            for file in some:
                # Listed a while ago: it may have been purged or replaced since.
                if file.name in known or self.files.changed_time(file) is None:
                    continue
                if file.name in replaced:
                    message = "the readable name of an image that a better copy replaced"
                    kind, digest = ProblemKind.REPLACEMENT_UNFINISHED, replaced[file.name]
                    yield Problem(kind, message, file.path, digest)
                else:
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


@dataclass(frozen=True, slots=True)
class _Known:
    """Digests that begin alike.

    Attributes:
        stored: In the store.
        purged: Purged.
        replaced: Replaced by a better copy.
        pending: Purged or replaced, with files that are still to be removed.
    """

    stored: set[str]
    purged: set[str]
    replaced: set[str]
    pending: set[str]

    def fate(self, digest: str) -> str:
        """What became of an image that is not in the store."""
        if digest in self.purged:
            return "was purged"
        return "was replaced" if digest in self.replaced else "the catalogue does not know"


def _known(connection: Connection, prefix: str) -> _Known:
    stored, purged, replaced = (
        set(
            connection.execute(
                # `g` comes after every hex digit.
                select(table.c.digest).where(
                    table.c.digest >= prefix, table.c.digest < f"{prefix}g"
                )
            ).scalars()
        )
        for table in (images, purged_images, replaced_images)
    )
    pending = {digest for digest, _ in list_pending(connection)}
    pending |= {files.digest for files in list_unremoved(connection)}
    return _Known(stored, purged, replaced, pending)


def _known_names(connection: Connection, profile_name: str, names: Sequence[str]) -> set[str]:
    query = select(kept_images.c.file_name).where(
        kept_images.c.profile_name == profile_name, kept_images.c.file_name.in_(names)
    )
    pending = [name for _, removed in list_pending(connection) for name in removed]
    pending += [files.name for files in list_unremoved(connection)]
    owed = {file_name for profile, file_name in pending if profile == profile_name}
    return set(connection.execute(query).scalars()) | owed


def _replaced_names(
    connection: Connection, profile_name: str, names: Sequence[str]
) -> dict[str, str]:
    """The digests of replaced images, by the readable names that they had."""
    query = select(replaced_images.c.file_name, replaced_images.c.digest).where(
        replaced_images.c.profile_name == profile_name, replaced_images.c.file_name.in_(names)
    )
    return {row.file_name: row.digest for row in connection.execute(query)}
