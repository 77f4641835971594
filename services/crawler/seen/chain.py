"""What replaced an image, and what replaced that."""

from __future__ import annotations

from collections.abc import Mapping


def chain_of(digest: str, following: Mapping[str, str]) -> list[str]:
    """An image, what replaced it, and so on up to what is in its place now."""
    chain = [digest]
    # What was replaced may be kept again, and replace its successor: a row is removed then, so there is no circle. A
    # catalogue that was damaged may have one.
    while (digest := following.get(digest, "")) and digest not in chain:
        chain.append(digest)
    return chain
