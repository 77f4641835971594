"""The catalogue as a check sees it: read in states, and changed by nobody here."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Protocol

from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from services.crawler.catalogue.migrating import MIGRATIONS
from services.crawler.verifying.problem import Problem
from services.servicekit.errors import LodestoneError


class CatalogueUnreadable(LodestoneError):
    """There is no catalogue that this version can read.

    Attributes:
        place: The file or the database.
        cause: Why, as the end of a sentence.
    """

    def __init__(self, place: object, cause: str) -> None:
        super().__init__(f"{place} {cause}")
        self.place = str(place)
        self.cause = cause


class CatalogueDamaged(LodestoneError):
    """The database finds itself damaged while it reads.

    Attributes:
        cause: What it says.
    """

    def __init__(self, cause: str) -> None:
        super().__init__(f"the catalogue is damaged: {cause}")
        self.cause = cause


class Catalogue(Protocol):
    """A catalogue that is only read, whether crawlers have it open or not."""

    def read(self) -> AbstractContextManager[Connection]:
        """One state of the catalogue, whatever is written meanwhile; large results come by and by.

        Raises:
            CatalogueUnreadable: It cannot be read.
            CatalogueDamaged: The database comes upon damage.
        """
        ...

    def damage(self) -> list[Problem]:
        """What the database itself finds wrong with what it has stored."""
        ...

    def close(self) -> None:
        """Lets go of it."""
        ...


def require_version(connection: Connection, place: object) -> None:
    """Passes a catalogue of the version that is read here.

    Raises:
        CatalogueUnreadable: It is of another one, or of none.
    """
    known = ScriptDirectory(str(MIGRATIONS))
    newest = known.get_current_head()
    heads = MigrationContext.configure(connection).get_current_heads()
    if not heads:
        raise CatalogueUnreadable(place, "is no catalogue: it states no version")
    if heads == (newest,):
        return
    if heads[0] in {one.revision for one in known.walk_revisions()}:
        cause = f"is of version {heads[0]}, and {newest} is read here: start the crawler once"
    else:
        cause = f"is of a newer version ({heads[0]}) than is read here ({newest})"
    raise CatalogueUnreadable(place, cause)
