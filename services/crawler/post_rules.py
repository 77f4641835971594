"""The post gates: which posts become listings, judged by what their source says, before anything is fetched."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import re2

from services.crawler.licence import is_allowed
from services.crawler.post import Post
from services.servicekit.errors import InvalidInput

_PATTERN_MAX_CHARACTERS = 500


class PostReason(StrEnum):
    """Why a post became no listing; the names are those of the contract."""

    OVER_18 = "OVER_18"
    IS_VIDEO = "IS_VIDEO"
    REMOVED = "REMOVED"
    SPOILER = "SPOILER"
    AUTHOR = "AUTHOR"
    LICENCE = "LICENCE"
    TITLE = "TITLE"
    FLAIR = "FLAIR"
    NO_IMAGES = "NO_IMAGES"
    UNRESOLVED = "UNRESOLVED"


class BadPattern(InvalidInput):
    """A pattern for titles or flairs that is none.

    Attributes:
        pattern: The pattern, at most 200 characters of it.
        cause: What is wrong with it.
    """

    def __init__(self, pattern: str, cause: str) -> None:
        super().__init__(f"{pattern[:200]!r} is no pattern: {cause}")
        self.pattern = pattern[:200]
        self.cause = cause


@dataclass(frozen=True, slots=True)
class PostRules:
    """Which posts are turned away. Videos and removed posts always are.

    Attributes:
        allow_over_18: Lets posts for adults pass.
        deny_spoilers: Turns posts marked as spoilers away.
        deny_authors: Names of authors, in any case, with or without `u/`.
        licences: If any, only these (`cc0`, `cc-by`, `cc-by-sa-4.0`, `pd`): a post without one is turned away.
        deny_titles: Regular expressions (https://github.com/google/re2/wiki/Syntax: no lookaround, no backreference);
            a title that one of them finds something in is turned away. In any case.
        require_titles: The same; if any, a title that none of them finds something in is turned away.
        deny_flairs: As for titles.
        require_flairs: As for titles.
    """

    allow_over_18: bool = False
    deny_spoilers: bool = False
    deny_authors: tuple[str, ...] = ()
    licences: tuple[str, ...] = ()
    deny_titles: tuple[str, ...] = ()
    require_titles: tuple[str, ...] = ()
    deny_flairs: tuple[str, ...] = ()
    require_flairs: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuses what is no pattern."""
        for pattern in (
            *self.deny_titles,
            *self.require_titles,
            *self.deny_flairs,
            *self.require_flairs,
        ):
            _check_pattern(pattern)


class PostGates:
    """Applies rules to posts."""

    def __init__(self, rules: PostRules) -> None:
        titles = _TextGate(rules.deny_titles, rules.require_titles)
        flairs = _TextGate(rules.deny_flairs, rules.require_flairs)
        deny_authors = frozenset(map(_author, rules.deny_authors)) - {""}
        # What costs least to tell comes first.
        self._gates: tuple[tuple[PostReason, Callable[[Post], bool]], ...] = (
            (PostReason.REMOVED, lambda post: post.flags.is_removed),
            (PostReason.IS_VIDEO, lambda post: post.flags.is_video),
            (PostReason.OVER_18, lambda post: post.flags.over_18 and not rules.allow_over_18),
            (PostReason.SPOILER, lambda post: post.flags.is_spoiler and rules.deny_spoilers),
            (PostReason.AUTHOR, lambda post: _author(post.author) in deny_authors),
            (PostReason.LICENCE, lambda post: not is_allowed(post.licence, rules.licences)),
            (PostReason.TITLE, lambda post: not titles.passes(post.title)),
            (PostReason.FLAIR, lambda post: not flairs.passes(post.flair)),
        )

    def turn_away(self, post: Post) -> PostReason | None:
        """The first reason to turn a post away; None if it passes."""
        return next((reason for reason, applies in self._gates if applies(post)), None)


class _TextGate:
    """Patterns of which none may, and some must, find something in a text."""

    def __init__(self, deny: tuple[str, ...], require: tuple[str, ...]) -> None:
        self._deny = [_compile(pattern) for pattern in deny]
        self._require = [_compile(pattern) for pattern in require]

    def passes(self, text: str) -> bool:
        # A lone surrogate is nothing that can be looked for.
        clean = text.encode("utf-8", "replace").decode()
        if any(pattern.search(clean) for pattern in self._deny):
            return False
        return not self._require or any(pattern.search(clean) for pattern in self._require)


def _author(name: str) -> str:
    return name.strip().casefold().removeprefix("/").removeprefix("u/")


def _check_pattern(pattern: str) -> None:
    if len(pattern) > _PATTERN_MAX_CHARACTERS:
        raise BadPattern(pattern, f"it has over {_PATTERN_MAX_CHARACTERS} characters")
    try:
        _compile(pattern)
    except (re2.error, UnicodeEncodeError) as error:
        raise BadPattern(pattern, _cause(error)) from error


def _compile(pattern: str) -> Any:
    """In time that grows with the text only: a title is a stranger's, and Python's own patterns can take for ever."""
    options = re2.Options()
    options.case_sensitive = False
    options.log_errors = False
    return re2.compile(pattern, options)


def _cause(error: Exception) -> str:
    said = error.args[0] if error.args else ""
    text = said.decode("utf-8", "replace") if isinstance(said, bytes) else str(error)
    return " ".join(text.split())[:200]
