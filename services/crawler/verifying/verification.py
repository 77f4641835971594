"""A check of a whole catalogue and its store, one part after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy import Connection, func, select

from services.crawler.catalogue.schema import crawls, images, judgements, listings
from services.crawler.verifying.catalogue_reading import Catalogue, CatalogueDamaged
from services.crawler.verifying.image_files import check_image_files
from services.crawler.verifying.judgement_checks import (
    check_duplicates,
    check_judgements,
    check_replacements,
)
from services.crawler.verifying.kept_pairs import KeptPairs
from services.crawler.verifying.problem import Problem, ProblemKind
from services.crawler.verifying.row_checks import (
    check_crawls,
    check_listings,
    check_purges,
    check_references,
    check_replaced_files,
)
from services.crawler.verifying.stored_files import StoredFiles
from services.crawler.verifying.stray_files import StrayFiles
from services.crawler.verifying.terms import CheckTerms

# Told how far the check is, in words.
Tell = Callable[[str], None]


@dataclass
class CheckedCounts:
    """What a check looked at, and what it saw that is no problem.

    Attributes:
        crawl_count: Crawls in the catalogue.
        listing_count: Listings in the catalogue.
        judgement_count: Judgements in the catalogue.
        image_count: Images in the store.
        byte_count: Bytes that were read of them.
        removed_name_count: Readable names that somebody removed, which is respected.
        young_count: Files and rows that may be on their way.
    """

    crawl_count: int = 0
    listing_count: int = 0
    judgement_count: int = 0
    image_count: int = 0
    byte_count: int = 0
    removed_name_count: int = 0
    young_count: int = 0


class Verification:
    """Checks a catalogue and a store, whether crawlers work on them or not; changes nothing.

    Attributes:
        counts: What it has looked at.
    """

    def __init__(
        self, catalogue: Catalogue, files: StoredFiles, terms: CheckTerms, *, threads: int
    ) -> None:
        """Takes the opened catalogue, and the files of the store; `threads` are read at a time."""
        self.counts = CheckedCounts()
        self._catalogue = catalogue
        self._files = files
        self._terms = terms
        self._threads = threads

    def check(self, tell: Tell) -> Iterator[Problem]:
        """Yields what is wrong. A catalogue that is found damaged ends the check: nothing else would mean anything.

        Raises:
            CatalogueUnreadable: It cannot be read any more.
        """
        tell("the catalogue's own integrity")
        damage = self._catalogue.damage()
        yield from damage
        if damage:
            return
        try:
            yield from self._check_rows(tell)
            yield from self._check_files(tell)
            yield from self._check_strays(tell)
        except CatalogueDamaged as error:
            yield Problem(ProblemKind.CATALOGUE_DAMAGED, error.cause)

    def _check_rows(self, tell: Tell) -> Iterator[Problem]:
        pairs = KeptPairs()
        parts: tuple[tuple[str, Callable[[Connection], Iterator[Problem]]], ...] = (
            ("rows that refer to others", check_references),
            ("listings", check_listings),
            ("crawls", check_crawls),
            ("judgements", check_judgements),
            ("duplicates", check_duplicates),
            ("perceptual hashes", pairs.read),
            ("purged images", partial(check_purges, terms=self._terms)),
            ("replaced images", check_replacements),
            ("files of replaced images", partial(check_replaced_files, terms=self._terms)),
        )
        with self._catalogue.read() as connection:
            counts = self.counts
            counts.crawl_count = _count(connection, crawls)
            counts.listing_count = _count(connection, listings)
            counts.judgement_count = _count(connection, judgements)
            for what, check in parts:
                tell(what)
                yield from check(connection)
        tell("pairs of kept images")
        yield from pairs.check()

    def _check_files(self, tell: Tell) -> Iterator[Problem]:
        counts = self.counts
        with self._catalogue.read() as connection:
            total = _count(connection, images)
        pages = check_image_files(self._catalogue, self._files, self._terms, threads=self._threads)
        tell(f"files of {total:,} images")
        for found in pages:
            counts.image_count += found.image_count
            counts.byte_count += found.byte_count
            counts.removed_name_count += found.removed_name_count
            counts.young_count += found.young_count
            tell(f"files of images: {counts.image_count:,} of {total:,}")
            yield from found.problems

    def _check_strays(self, tell: Tell) -> Iterator[Problem]:
        tell("files that nothing knows")
        strays = StrayFiles(self._catalogue, self._files, self._terms)
        yield from strays.check()
        self.counts.young_count += strays.young_count


def _count(connection: Connection, table: Any) -> int:
    return int(connection.execute(select(func.count()).select_from(table)).scalar_one())
