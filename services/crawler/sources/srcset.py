"""The `srcset` attribute: several sizes of one image."""

from __future__ import annotations

import re

# A URL may contain commas but not end in one; a descriptor ends at a comma.
_CANDIDATE = re.compile(r"[\s,]*(\S+)")
_DESCRIPTOR = re.compile(r"[^,]*")
_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?)([wx])")


def widest(srcset: str) -> str:
    """The reference with the largest width, or density where no width is stated; empty if there is none.

    Read as the HTML standard says ("parse a srcset attribute"); the first of equals counts.
    """
    best, best_size, at = "", -1.0, 0
    while (found := _CANDIDATE.match(srcset, at)) is not None:
        reference, at = found[1].rstrip(","), found.end()
        descriptor = ""
        if reference == found[1]:
            stated = _DESCRIPTOR.match(srcset, at)
            descriptor, at = (stated[0], stated.end()) if stated else ("", at)
        size = _size(descriptor)
        if reference and size > best_size:
            best, best_size = reference, size
    return best


def _size(descriptor: str) -> float:
    # A height may stand beside the width.
    stated = next(filter(None, map(_SIZE.fullmatch, descriptor.split())), None)
    return float(stated[1]) if stated else 1.0
