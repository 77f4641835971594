"""What an answer's headers say about using it, before its body is read."""

from __future__ import annotations

import re
import time

import aiohttp

from services.crawler.compliance import Compliance
from services.crawler.fetch.guarded_connector import peer_address
from services.crawler.fetch.opt_out import opt_out_of_headers
from services.crawler.fetch.robots import robots_url_of
from services.crawler.fetch.robots_rules import RobotsRules
from services.crawler.fetch.url import BadUrl, parse_url
from services.crawler.outcome import FetchFailed, OutcomeReason

_TAGS_HEADER = "X-Robots-Tag"
_TEXT_MAX_CHARACTERS = 500
_TAGS_MAX = 20
# Of all `Link` headers together: a host may send a megabyte of them.
_LINKS_MAX_CHARACTERS = 8_000
# What lies between two targets are parameters; a licence's is `rel`, whose value is one word or several in quotes.
_LINK = re.compile(r"<([^<>]*)>([^<]*)")
_RELATION = re.compile(r';\s*rel\s*=\s*("[^"]*"|[^\s";,]+)', re.IGNORECASE)


def refuse_opt_out(response: aiohttp.ClientResponse) -> None:
    """Passes an answer whose headers do not ask us to leave it alone.

    Raises:
        FetchFailed: OPTED_OUT.
    """
    directive = opt_out_of_headers(response.headers.getall(_TAGS_HEADER, ()))
    if directive:
        message = f"its {_TAGS_HEADER} header says {directive}"
        raise FetchFailed(OutcomeReason.OPTED_OUT, message, final_url=str(response.url))


def compliance_of(
    response: aiohttp.ClientResponse, rules: RobotsRules, *, user_agent: str
) -> Compliance:
    """The record of an answer that may be used; its task must be the one that asked."""
    headers = response.headers
    return Compliance(
        user_agent=user_agent,
        request_time=time.time(),
        final_address=peer_address(),
        robots_url=robots_url_of(parse_url(str(response.url))).text,
        robots_status=rules.status,
        robots_time=rules.fetch_time,
        crawl_delay_s=rules.crawl_delay_s,
        robots_tags=tuple(_cut(tag) for tag in headers.getall(_TAGS_HEADER, ())[:_TAGS_MAX]),
        licence=_licence(response),
        last_modified=_cut(headers.get("Last-Modified", "")),
        etag=_cut(headers.get("ETag", "")),
    )


def _licence(response: aiohttp.ClientResponse) -> str:
    """The target of a `Link: <...>; rel="license"` header (RFC 8288; RFC 4946 for the relation)."""
    links = ", ".join(response.headers.getall("Link", ()))[:_LINKS_MAX_CHARACTERS]
    for link in _LINK.finditer(links):
        relation = _RELATION.search(link[2])
        if relation is not None and "license" in relation[1].strip('"').lower().split():
            return _target(link[1], response)
    return ""


def _target(reference: str, response: aiohttp.ClientResponse) -> str:
    try:
        return _cut(parse_url(str(response.url)).join(reference).text)
    except BadUrl:
        return ""


def _cut(text: str) -> str:
    return text[:_TEXT_MAX_CHARACTERS]
