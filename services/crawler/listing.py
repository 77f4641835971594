"""A listing: what a source says about one image, before download."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class Listing:
    """One image as its source lists it.

    Attributes:
        source: The source's URI, for example `folder:/photos` or `page:https://example.org/`.
        url: The image's address: http, https, file (from a folder source only) or tar (from a webdataset only).
        title: Empty if the source gives none.
        page_url: The page that shows it; empty if none does.
        author: Empty if the source names none.
        licence: As the source states it; empty if it states none.
        community: Where it was published, as a source: `reddit:r/EarthPorn`; empty if there is no such place.
        parents: The communities of the posts that its post is a crosspost of.
        post_time: When it was published, seconds since 1970; None if the source does not say.
        post_facts: What the source says of its post, a JSON object; empty if nothing.
    """

    source: str
    url: str
    title: str = ""
    page_url: str = ""
    author: str = ""
    licence: str = ""
    community: str = ""
    parents: tuple[str, ...] = ()
    post_time: float | None = None
    post_facts: str = ""


def host_of(url: str) -> str:
    """The host of a canonical http or https URL, without brackets; empty for another or none."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    return (parts.hostname or "") if parts.scheme in ("http", "https") else ""
