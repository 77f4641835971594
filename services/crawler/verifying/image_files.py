"""The files of images in the store: bytes, sidecar and readable names."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from services.crawler.verifying.catalogue_reading import Catalogue
from services.crawler.verifying.problem import Problem, ProblemKind
from services.crawler.verifying.sidecar_facts import differing_facts, parse_sidecar
from services.crawler.verifying.stored_files import (
    StoredFiles,
    blob_path,
    name_path,
    sidecar_path,
)
from services.crawler.verifying.stored_image import (
    KeptName,
    StoredImage,
    read_page,
    stored_digests,
)
from services.crawler.verifying.terms import CheckTerms

_PAGE = 500
_SIDECAR_MAX_BYTES = 10_000_000


@dataclass
class FileFindings:
    """What was found in the files of some images.

    Attributes:
        problems: What is wrong.
        image_count: Images that were looked at.
        byte_count: Bytes that were read of them.
        removed_name_count: Readable names that somebody removed, which is respected.
        young_count: Readable names that may be on their way.
    """

    problems: list[Problem] = field(default_factory=list)
    image_count: int = 0
    byte_count: int = 0
    removed_name_count: int = 0
    young_count: int = 0

    def add(self, other: FileFindings) -> None:
        """Adds what was found elsewhere."""
        self.problems += other.problems
        self.image_count += other.image_count
        self.byte_count += other.byte_count
        self.removed_name_count += other.removed_name_count
        self.young_count += other.young_count


def check_image_files(
    catalogue: Catalogue, files: StoredFiles, terms: CheckTerms, *, threads: int
) -> Iterator[FileFindings]:
    """Goes through the files of all images, in the order of accepting; yields what it finds some hundred at a time.

    Rows are read before their files, a page at a time: what has a row has its files, however busy a crawler is. What
    was purged or replaced in between is no problem.
    """
    after = 0
    with ThreadPoolExecutor(threads) as pool:
        while page := _read(catalogue, after):
            found = FileFindings()
            for one in pool.map(lambda image: ImageFiles(files, terms, image).check(), page):
                found.add(one)
            found.problems = _still_stored(catalogue, page, found.problems)
            yield found
            after = page[-1].sequence


def _read(catalogue: Catalogue, after: int) -> list[StoredImage]:
    with catalogue.read() as connection:
        return read_page(connection, after=after, limit=_PAGE)


def _still_stored(
    catalogue: Catalogue, page: list[StoredImage], found: list[Problem]
) -> list[Problem]:
    """What is wrong with images that are still where they were: one that is kept again has another number."""
    if not found:
        return []
    digests = {problem.digest for problem in found}
    sequences = [image.sequence for image in page if image.digest in digests]
    with catalogue.read() as connection:
        stored = stored_digests(connection, sequences)
    return [problem for problem in found if problem.digest in stored]


class ImageFiles:
    """The files of one image."""

    def __init__(self, files: StoredFiles, terms: CheckTerms, image: StoredImage) -> None:
        self._files = files
        self._terms = terms
        self._image = image
        self._found = FileFindings(image_count=1)

    def check(self) -> FileFindings:
        """Looks at them; blocks."""
        self._check_blob()
        self._check_sidecar()
        for kept in self._image.keeps:
            self._check_name(kept)
        return self._found

    def _check_blob(self) -> None:
        image = self._image
        path = blob_path(image.digest)
        origin = f"it came from {image.final_url}"
        try:
            digest, size_bytes = self._files.digest(path)
        except FileNotFoundError:
            self._add(ProblemKind.BLOB_MISSING, path, f"its bytes are gone; {origin}")
            return
        except OSError as error:
            self._add(ProblemKind.BLOB_UNREADABLE, path, f"its bytes cannot be read: {_why(error)}")
            return
        self._found.byte_count += size_bytes
        stated = image.row.size_bytes
        if digest != image.digest:
            message = (
                f"its bytes ({size_bytes:,} of {stated:,}) are not those of its name; {origin}"
            )
            self._add(ProblemKind.BLOB_DAMAGED, path, message)
        elif size_bytes != stated:
            message = f"it has {size_bytes:,} bytes, and its row says {stated:,}"
            self._add(ProblemKind.SIZE_WRONG, path, message)

    def _check_sidecar(self) -> None:
        path = sidecar_path(self._image.digest)
        try:
            facts = parse_sidecar(self._files.read(path, max_bytes=_SIDECAR_MAX_BYTES))
        except FileNotFoundError:
            self._add(ProblemKind.SIDECAR_MISSING, path, "the sidecar is gone")
            return
        except OSError as error:
            message = f"the sidecar cannot be read: {_why(error)}"
            self._add(ProblemKind.SIDECAR_DAMAGED, path, message)
            return
        if facts is None:
            self._add(ProblemKind.SIDECAR_DAMAGED, path, "the sidecar is no JSON of an image")
        elif differing := differing_facts(facts, self._image):
            message = f"the sidecar and the catalogue disagree on {', '.join(differing)}"
            self._add(ProblemKind.SIDECAR_DIFFERS, path, message)

    def _check_name(self, kept: KeptName) -> None:
        digest = self._image.digest
        path = name_path(kept.profile.name, kept.file_name)
        try:
            is_it = self._files.holds(path, digest)
        except (FileNotFoundError, NotADirectoryError):
            self._miss_name(kept, path)
            return
        except OSError as error:
            message = f"the readable name cannot be read: {_why(error)}"
            self._add(ProblemKind.NAME_DIFFERS, path, message)
            return
        if not is_it:
            message = "the readable name holds other bytes than were kept"
            self._add(ProblemKind.NAME_DIFFERS, path, message)

    def _miss_name(self, kept: KeptName, path: str) -> None:
        if kept.linked:
            self._found.removed_name_count += 1
        elif self._terms.is_young(kept.keep_time):
            self._found.young_count += 1
        else:
            self._add(ProblemKind.NAME_MISSING, path, "the readable name was not made")

    def _add(self, kind: ProblemKind, path: str, message: str) -> None:
        image = self._image
        self._found.problems.append(Problem(kind, message, path, image.digest, image.final_url))


def _why(error: OSError) -> str:
    return error.strerror or str(error)
