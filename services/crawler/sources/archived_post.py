"""A post of Reddit out of an archive, which may show what is gone from Reddit itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from services.crawler.post import Post
from services.crawler.resolvers.reading import elements, members
from services.crawler.resolvers.registry import resolve_post
from services.crawler.resolvers.resolution import NOTHING

_GONE_AUTHORS = frozenset({"[deleted]", "[removed]"})


def read_archived_post(entry: object) -> Post:
    """Reads a post as archives keep it: a `t3`'s `data`, with `_meta` where the archive asked Reddit a second time.

    Removals count that Reddit's own fields do not say: what was gone when the archive looked again (after 36 hours),
    and posts whose author, or a parent's author, is `[deleted]`. What was gone first and came back counts as there
    (https://github.com/ArthurHeitmann/arctic_shift/blob/master/file_content_explanations.md).

    Raises:
        BadPost: It is no post.
    """
    post = resolve_post(entry)
    facts = members(entry)
    if post.flags.is_removed or not (_was_removed(facts) or _author_is_gone(facts)):
        return post
    return replace(post, images=NOTHING, flags=replace(post.flags, is_removed=True))


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
