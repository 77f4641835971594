"""One hostile URL or answer, and what must become of it."""

from __future__ import annotations

import functools
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from PIL import Image as PillowImage

from tests.crawler.fetch.raw_server import Respond, answer

# Bytes, or one answer for each path, or a behaviour. `{port}` and `{trap}` in bytes become the ports of the run.
Answers: TypeAlias = bytes | Mapping[str, bytes] | Respond

SITE = "http://site.example:{port}/x"
FETCHED, PASSED, RESTING = "FETCHED", "PASSED", "RESTING"


@functools.cache
def picture() -> bytes:
    """A small valid image."""
    buffer = io.BytesIO()
    PillowImage.radial_gradient("L").save(buffer, "PNG")
    return buffer.getvalue()


def image(status: str = "200 OK", **headers: str) -> bytes:
    """An answer that is a valid image; headers are named with `_` for `-`."""
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    return answer(picture(), status=status, headers={"Content-Type": "image/png"} | fields)


@dataclass(frozen=True)
class WebCase:
    """A row of the table.

    Attributes:
        number: The number of the trap and a letter.
        name: What is hostile about it.
        expected: The outcome's reason, FETCHED, PASSED for an address that is looked at and not dialled, or RESTING for
            a host that is not asked yet.
        url: What a stranger listed; `{port}` is the site's port, `{trap}` that of the traps; nobody listens at
            `{free}`.
        site: What the site answers; a valid image by default.
        robots: What it answers to robots.txt; there is none by default.
        first: What the site answers to the first bytes that come, instead of HTTP.
        tls: Which certificate the site shows; empty for plain HTTP.
        limits: Bounds of the fetch that differ from those of the run.
        requests: How many requests the site must see besides robots.txt; None if it does not matter.
        rests_s: For how long, at least and at most, the host is then left alone, seconds; None if it does not matter.
        again: The listing is fetched a second time, after the names were forgotten; that outcome counts.
        proxied: The environment names a proxy, which is a trap.
        names: Which names the name server must be asked for, each once; None if it does not matter.
    """

    number: str
    name: str
    expected: str = FETCHED
    url: str = SITE
    site: Answers = field(default_factory=image)
    robots: Answers | None = None
    first: Callable[[bytes], bytes] | None = None
    tls: str = ""
    limits: Mapping[str, Any] = field(default_factory=dict)
    requests: int | None = None
    rests_s: tuple[float, float] | None = None
    again: bool = False
    proxied: bool = False
    names: tuple[str, ...] | None = None
