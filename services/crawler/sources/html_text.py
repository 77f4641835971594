"""The text of a piece of HTML, as a reader sees it."""

from __future__ import annotations

from services.crawler.sources.html_tags import Tag, read_tags
from services.crawler.sources.text import clean_text

_MAX_CHARACTERS = 20_000
# What begins a new line, so that words on its two sides are two.
_BLOCKS = frozenset({"br", "p", "div", "li", "tr", "td", "th", "dd", "dt", "hr"})
_VOID = frozenset({"br", "hr", "img", "input", "link", "meta", "wbr"})


def text_of_html(html: str) -> str:
    """One clean line of at most 300 characters, without tags and without what a style attribute hides."""
    pieces: list[str] = []
    hidden: list[str] = []
    for part in read_tags(html[:_MAX_CHARACTERS]):
        if isinstance(part, str):
            pieces += [part] if not hidden else []
            continue
        name = part.name.removeprefix("/")
        if hidden or _is_hidden(part):
            _nest(hidden, part)
        elif name in _BLOCKS:
            pieces.append(" ")
    return clean_text("".join(pieces))


def _is_hidden(tag: Tag) -> bool:
    style = "".join(tag.attributes.get("style", "").lower().split())
    return "display:none" in style and tag.name not in _VOID and not tag.name.startswith("/")


def _nest(hidden: list[str], tag: Tag) -> None:
    """Follows tags of the hidden element's own name until it ends."""
    name = tag.name.removeprefix("/")
    if not hidden or (name == hidden[0] and not tag.name.startswith("/")):
        hidden.append(name)
    elif name == hidden[0]:
        hidden.pop()
