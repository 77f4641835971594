"""A kind of source: the word before the colon, what may follow it, and what it needs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import aiohttp

from services.crawler.fetch.document import Document, DocumentRequest
from services.crawler.fetch.fetcher import Page
from services.crawler.fetch.guard_proxy import GuardProxy
from services.crawler.fetch.local_access import LocalAccess
from services.crawler.sources.credentials import Credentials
from services.crawler.sources.reddit_client import RedditClient
from services.crawler.sources.source import BadSource, Source

FetchPage: TypeAlias = Callable[[str], Awaitable[Page]]
FetchDocument: TypeAlias = Callable[[DocumentRequest], Awaitable[Document]]

_NO_CONTACT = "no contact is set, so it asks nobody but --allow-address: give `lodestone up --contact MAIL_OR_URL`"


@dataclass(frozen=True, slots=True)
class SourceTools:
    """What sources are made with.

    Attributes:
        fetch_page: Fetches an HTML page through the guarded fetcher, by its host's robots.txt.
        fetch_document: Fetches what an API, a feed or a site's map answers, through the guarded fetcher.
        open_session: Opens a session over the guarded connector, for a client library that asks a URL's host itself.
        guard_proxy: Opens a proxy on loopback for a program that asks the web itself: it reaches what the guard passes.
        api_base: Where an interface is asked, given its public address: `https://oauth.reddit.com` is itself unless the
            configuration names another.
        credentials: Keys and tokens.
        has_contact: Whether a contact is configured; without one nobody is asked but allowed addresses.
        local: Which files of this machine sources may read.
        max_bytes: Of one image: where a place has several sizes, larger ones need not be listed.
        max_pixels: The same, width × height.
        reddit: Reddit's API with the configured application, shared by all who are given these tools.
    """

    fetch_page: FetchPage
    fetch_document: FetchDocument
    open_session: Callable[[str], aiohttp.ClientSession]
    guard_proxy: Callable[[], GuardProxy]
    api_base: Callable[[str], str] = str
    credentials: Credentials = field(default_factory=Credentials)
    has_contact: bool = False
    local: LocalAccess = field(default_factory=LocalAccess)
    max_bytes: int = 20_000_000
    max_pixels: int = 50_000_000
    reddit: RedditClient = field(init=False)

    def __post_init__(self) -> None:
        """Makes what is shared; it asks nobody before it is used."""
        shared = RedditClient(self.open_session, self.api_base, self.credentials)
        object.__setattr__(self, "reddit", shared)

    def local_path(self, source: str, path: str) -> Path:
        """The absolute path of a file or folder that a source names, links followed.

        Raises:
            BadSource: Files may not be read, those there may not, or no path is named.
        """
        if not path and self.local.is_allowed:
            raise BadSource(source, "it names no path")
        try:
            found = Path(path).expanduser().resolve()
            refusal = self.local.refusal(found)
        except (OSError, RuntimeError, ValueError) as error:
            raise BadSource(source, "its path cannot be read") from error
        if refusal:
            raise BadSource(source, refusal)
        return found


def no_obstacle(_tools: SourceTools) -> str:
    """Of a kind that needs nothing."""
    return ""


def web_obstacle(tools: SourceTools, *others: str) -> str:
    """Of a kind that asks the web: that no contact is set, and what else it lacks; empty entries are nothing."""
    contact = "" if tools.has_contact else _NO_CONTACT
    return "; ".join(filter(None, (*others, contact)))


@dataclass(frozen=True, slots=True)
class SourceKind:
    """A kind of source, as `lodestone sources --available` lists it.

    Attributes:
        word: What stands before the colon, for example `reddit-rss`.
        forms: What may be written, one form each, for example `reddit-rss:r/NAME`.
        summary: What it lists, one sentence.
        example: One that works as it stands.
        parse: Reads the whole text and what follows the colon. Raises BadSource.
        obstacle: What keeps it from working here, one sentence that says what to do; empty if nothing does.
    """

    word: str
    forms: tuple[str, ...]
    summary: str
    example: str
    parse: Callable[[str, str, SourceTools], Source]
    obstacle: Callable[[SourceTools], str] = no_obstacle
