"""A catalogue that a running crawler must not touch any more."""

from __future__ import annotations

from services.servicekit.errors import Broken


class CatalogueBroken(Broken):
    """The database is damaged, or somebody has put another in its place: nothing more is read or written.

    Attributes:
        cause: What is wrong, one line.
    """

    def __init__(self, cause: str) -> None:
        super().__init__(
            f"the catalogue is damaged: {cause}; nothing more is written to it: restore it from a backup, "
            "then run `lodestone verify`"
        )
        self.cause = cause
