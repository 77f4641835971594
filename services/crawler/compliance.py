"""The compliance record: which rules applied when an image was fetched."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Compliance:
    """What was asked for, as whom, and under which rules. Kept with every stored image that came from the web.

    Attributes:
        user_agent: What we called ourselves.
        request_time: When the image was asked for, seconds since 1970.
        final_address: The IP address that answered.
        robots_url: The robots.txt that allowed it.
        robots_status: Its HTTP status; 404 means that there is none.
        robots_time: When it was fetched, seconds since 1970.
        crawl_delay_s: The seconds between requests that it asks for; 0 if it asks for none.
        robots_tags: The `X-Robots-Tag` headers of the answer; none of them opts out for us.
        licence: What the answer's `Link: <…>; rel="license"` header names; empty if it names none.
        last_modified: The answer's `Last-Modified` header; may be empty.
        etag: The answer's `ETag` header; may be empty.
    """

    user_agent: str
    request_time: float
    final_address: str
    robots_url: str
    robots_status: int
    robots_time: float
    crawl_delay_s: float
    robots_tags: tuple[str, ...]
    licence: str
    last_modified: str
    etag: str
