"""Who may call which method: names out of certificates."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from services.servicekit.errors import Misconfigured, PermissionDenied

_NAMES: Final = "spiffe://lodestone/"

EMBEDDER: Final = f"{_NAMES}embedder"
NOVELTY: Final = f"{_NAMES}novelty"
WATERMARK: Final = f"{_NAMES}watermark"
CRAWLER: Final = f"{_NAMES}crawler"
BULK: Final = f"{_NAMES}bulk"
"""The Job that has a table mined on a cluster, and waits for the end."""
PERSON: Final = f"{_NAMES}person"

WORKLOADS: Final = frozenset({EMBEDDER, NOVELTY, WATERMARK, CRAWLER, BULK})
"""Whoever else calls is a person, or works for one."""

Allowed = Mapping[str, tuple[str, ...]]
"""Beginnings of methods' names, for example `Delete`, and the URI SANs that may call them; the empty one is all."""


class Callers:
    """The list of a service; the longest beginning that fits a method counts, and nothing that fits is nobody."""

    def __init__(self, allowed: Allowed) -> None:
        # Longest first.
        self._allowed = sorted(allowed.items(), key=lambda entry: len(entry[0]), reverse=True)

    def require(self, method: str, names: Iterable[str]) -> str:
        """The first of a caller's names that may call a method.

        Args:
            method: Without the service, for example `FitProfile`.
            names: The URI SANs of its certificate.

        Raises:
            PermissionDenied: None may.
        """
        names = tuple(names)
        allowed = next((found for start, found in self._allowed if method.startswith(start)), ())
        for name in names:
            if name in allowed:
                return name
        raise PermissionDenied(method, names)


def require_methods(allowed: Allowed, methods: Sequence[str], *, setting: str) -> None:
    """Refuses a list with a beginning that no method has: what it was to keep others from would be open to them.

    Args:
        allowed: The list.
        methods: The names of all methods of the service.
        setting: Where the list is from.

    Raises:
        Misconfigured: It has one.
    """
    for start in allowed:
        if not any(method.startswith(start) for method in methods):
            name = start.rpartition("/")[2]
            [nearest] = difflib.get_close_matches(name, methods, n=1, cutoff=0.0)
            message = (
                f"{setting}: no method of this service begins with {start!r}; "
                f"the nearest is {nearest!r}"
            )
            raise Misconfigured(message)
