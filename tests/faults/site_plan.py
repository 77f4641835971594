"""A site of small pictures in batches that are all alike: what is to be kept of each batch is known."""

from __future__ import annotations

import functools
import random
import re
from dataclasses import dataclass

import numpy as np

from tests.crawler.pictures import encode, reencode, resized, scene

# Rather more than the smallest picture that fits (see `Rig`).
WIDTH_PX, HEIGHT_PX = 192, 144
CLOSED_HOST = "closed.localhost"
# What the profile of the fake novelty service likes, and what it does not.
_TINTS = ((1.0, 0.05, 0.05), (0.05, 1.0, 0.05), (0.05, 0.05, 1.0))
_PATH = re.compile(r"/(\d+)/([a-z]+)-(\d+)\.\w+")


@dataclass(frozen=True)
class Batch:
    """Listings of one crawl.

    Attributes:
        number: Which batch; no two have a picture in common.
        finds: Pictures that fit; one of each, or of its near copies, is to be kept.
        nears: Near copies of each, all near each other as well.
        hosts: How many they are dealt to.
    """

    number: int
    finds: int = 20
    nears: int = 1
    hosts: int = 4

    @property
    def names(self):
        """Of the files, in the order in which they are listed."""
        names = [f"find-{place}.png" for place in range(self.finds)]
        names += [
            f"near-{place * 10 + copy}.jpg"
            for place in range(self.finds)
            for copy in range(self.nears)
        ]
        # The same bytes under another address.
        names += [f"same-{place}.png" for place in range(0, self.finds, 3)]
        names += [f"grey-{place}.png" for place in range(self.finds // 3)]
        names += [f"{kind}-{place}.jpg" for kind in _FAILURES for place in range(2)]
        random.Random(self.number).shuffle(names)
        return names

    def urls(self, port):
        """The addresses on a port."""
        for place, name in enumerate(self.names):
            is_closed = name.startswith("closed")
            host = CLOSED_HOST if is_closed else f"h{place % self.hosts}.localhost"
            yield f"http://{host}:{port}/{self.number}/{name}"


@dataclass(frozen=True)
class Versions:
    """Listings of one crawl: one version of each of some pictures.

    Attributes:
        number: Of the crawl.
        kind: `half`, or `whole` for four times the pixels, in which there is more detail.
        finds: How many pictures, all of which fit.
    """

    number: int
    kind: str
    finds: int = 30

    def urls(self, port):
        """The addresses on a port."""
        for place in range(self.finds):
            yield f"http://h{place % 4}.localhost:{port}/0/{self.kind}-{place}.png"


@functools.lru_cache(maxsize=256)
def content(path):
    """The bytes of a file; None if there is none."""
    found = _PATH.fullmatch(path)
    if found is None:
        return None
    batch, kind, place = int(found[1]), found[2], int(found[3])
    if kind in _FAILURES:
        return _FAILURES[kind](batch)
    if kind == "near":
        place, copy = divmod(place, 10)
        return encode(reencode(_picture(batch, place), quality=60 + 3 * copy))
    if kind in ("half", "whole"):
        return encode(_version(kind, place), "PNG")
    if kind == "grey":
        seed = 1_000 * batch + 500 + place
        return encode(scene(seed, width_px=WIDTH_PX, height_px=HEIGHT_PX), "PNG")
    return encode(_picture(batch, place), "PNG")


@functools.lru_cache(maxsize=64)
def _picture(batch, place):
    pixels = scene(1_000 * batch + place, width_px=WIDTH_PX, height_px=HEIGHT_PX)
    return (pixels * np.array(_TINTS[place % 3])).astype(np.uint8)


def _version(kind, place):
    large = scene(40_000 + place, width_px=2 * WIDTH_PX, height_px=2 * HEIGHT_PX)
    large = (large * np.array(_TINTS[place % 3])).astype(np.uint8)
    return large if kind == "whole" else resized(large, WIDTH_PX, HEIGHT_PX)


_FAILURES = {
    "missing": lambda _batch: None,
    "text": lambda _batch: b"not a picture",
    "cut": lambda batch: encode(_picture(batch, 900), "PNG")[:2_000],
    "small": lambda _batch: encode(scene(1, width_px=32, height_px=24), "PNG"),
    "closed": lambda batch: encode(_picture(batch, 901), "PNG"),
}
