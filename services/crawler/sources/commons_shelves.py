"""Where files of a wiki stand in the order of time: categories and people's uploads."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog

from services.crawler.resolvers.reading import members, word
from services.crawler.sources.commons_file import category_uri, user_uri
from services.crawler.sources.mediawiki import MediaWiki

# So many fit into a request that also asks for smaller copies, and into one for names alone.
FILES_PER_BATCH = "50"
_NAMES_PER_BATCH = "500"
CATEGORIES_MAX = 500


@dataclass(frozen=True, slots=True)
class Shelf:
    """A list of files, newest first.

    Attributes:
        name: The category, or the person.
        query: What to ask for.
        end_name: The parameter that says how far back.
        community: The shelf as a source.
    """

    name: str
    query: dict[str, str]
    end_name: str
    community: str


FindShelves = Callable[[MediaWiki], Awaitable[list[Shelf]]]


def category_shelf(title: str) -> Shelf:
    """A category's files, by when they came into it (https://www.mediawiki.org/wiki/API:Categorymembers).

    With this order the API ignores `gcmtype`, so the namespace says that files are meant.
    """
    query = {
        "generator": "categorymembers",
        "gcmtitle": title,
        "gcmnamespace": "6",
        "gcmsort": "timestamp",
        "gcmdir": "desc",
        "gcmlimit": FILES_PER_BATCH,
    }
    return Shelf(title, query, "gcmend", category_uri(title))


def user_shelf(name: str) -> Shelf:
    """What somebody uploaded (https://www.mediawiki.org/wiki/API:Allimages)."""
    query = {
        "generator": "allimages",
        "gaiuser": name,
        "gaisort": "timestamp",
        "gaidir": "descending",
        "gailimit": FILES_PER_BATCH,
    }
    return Shelf(name, query, "gaiend", user_uri(name))


async def category_tree(wiki: MediaWiki, title: str, depth: int) -> list[Shelf]:
    """A category and its subcategories down to `depth`, nearest first, each once, at most 500 of them.

    Categories lead round in circles: one that was met before is not entered again.

    Raises:
        SourceFailed, SourceBlocked: They cannot be listed.
    """
    found = {title: 0}
    waiting = deque([title])
    while waiting and found[waiting[0]] < depth:
        parent = waiting.popleft()
        for name in await _subcategories(wiki, parent):
            if name in found:
                continue
            if len(found) == CATEGORIES_MAX:
                structlog.get_logger().warning(
                    "categories_left_out", category=title, followed=CATEGORIES_MAX
                )
                return [category_shelf(name) for name in found]
            found[name] = found[parent] + 1
            waiting.append(name)
    return [category_shelf(name) for name in found]


async def _subcategories(wiki: MediaWiki, title: str) -> list[str]:
    query = {
        "generator": "categorymembers",
        "gcmtitle": title,
        "gcmtype": "subcat",
        "gcmlimit": _NAMES_PER_BATCH,
    }
    names = [word(page.get("title")) async for batch in wiki.batches(query) for page in batch.pages]
    return sorted(filter(None, names))


async def exists(wiki: MediaWiki, title: str) -> bool:
    """Whether there is a page, or a category with members.

    Raises:
        SourceFailed, SourceBlocked: It cannot be asked.
    """
    batch = await wiki.batch({"titles": title, "prop": "categoryinfo"})
    if not batch.pages:
        # A title that is asked for comes back, if only as missing.
        raise wiki.no_listing()
    return any(
        page.get("missing") is not True or bool(members(page.get("categoryinfo")).get("size"))
        for page in batch.pages
    )
