"""A post of Reddit out of an archive, which may show what is gone from Reddit itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from services.crawler.post import Post
from services.crawler.resolvers.reading import elements, members
from services.crawler.resolvers.registry import resolve_post

_GONE_AUTHORS = frozenset({"[deleted]", "[removed]"})


def read_archived_post(entry: object) -> Post:
    """Reads a post as archives keep it: a `t3`'s `data`, with `_meta` where the archive asked Reddit a second time.

    Removals count that Reddit's own fields do not say: what was gone when the archive looked again (after 36 hours),
    and posts whose author, or a parent's author, is `[deleted]`. What was gone first and came back counts as there
    (https://github.com/ArthurHeitmann/arctic_shift/blob/master/file_content_explanations.md).

    Raises:
        BadPost: It is no post.
    """
    facts = members(entry)
    return resolve_post(entry, is_removed=_was_removed(facts) or _author_is_gone(facts))


def _was_removed(facts: Mapping[str, Any]) -> bool:
    second_look = members(facts.get("_meta"))
    if second_look.get("was_deleted_later"):
        return True
    return bool(second_look.get("removal_type")) and not second_look.get("was_initially_deleted")


def _author_is_gone(facts: Mapping[str, Any]) -> bool:
    parents = map(members, elements(facts.get("crosspost_parent_list")))
    return any(_is_gone(member.get("author")) for member in (facts, *parents))


def _is_gone(author: object) -> bool:
    return isinstance(author, str) and author in _GONE_AUTHORS
