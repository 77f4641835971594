"""Tags and text of an HTML page, in time that grows with its length only, whatever strangers wrote.

Not a tree: building one as the standard says takes quadratic time in the depth of nesting (lexbor: 0.3 s for 10,000
nested `<div>`, 70 s for 100,000, measured), and the images of a page do not need it.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

_MARKUP = re.compile(r"<(?=[a-zA-Z/!?])")
_NAME = re.compile(r"<(/?[a-zA-Z][^\s/>]*)")
_ATTRIBUTE = re.compile(r"""[\s/]*([^\s/>][^\s/>=]*)(?:\s*=\s*("[^"]*"|'[^']*'|["']|[^\s>]*))?""")
_TAG_END = re.compile(r"[\s/]*>")
# Their content is text up to their end tag, whatever is in it.
_RAW_TEXT = {
    name: re.compile(rf"</{name}(?=[\s/>])", re.IGNORECASE)
    for name in (*("script", "style", "title", "textarea", "xmp", "iframe", "noembed", "noframes"),)
}


# Not frozen: that doubles what making one costs (measured), and a page has thousands.
@dataclass(slots=True)
class Tag:
    """A tag.

    Attributes:
        name: Lower-case; an end tag's starts with a slash.
        attributes: Values by lower-case name, character references resolved; the first of a name counts.
    """

    name: str
    attributes: dict[str, str] = field(default_factory=dict)


def read_tags(page: str) -> Iterator[Tag | str]:
    """Reads tags and the text between them, after the tokenizer of the HTML standard (section 13.2.5).

    Comments and the content of scripts and styles are left out. What a tag or comment without an end swallows in a
    browser is lost here too.
    """
    at = 0
    while at >= 0 and (markup := _MARKUP.search(page, at)) is not None:
        if markup.start() > at:
            yield html.unescape(page[at : markup.start()])
        name = _NAME.match(page, markup.start())
        if name is None:
            at = _end_of_comment(page, markup.start())
            continue
        at = name.end()
        if page.startswith(">", at):
            attributes: dict[str, str] = {}
            at += 1
        else:
            attributes, at = _attributes(page, at)
        tag = Tag(name[1].lower(), attributes)
        if at >= 0:
            yield tag
        if at >= 0 and tag.name in _RAW_TEXT:
            text, at = _raw_text(page, at, tag.name)
            yield text
    if 0 <= at < len(page):
        yield html.unescape(page[at:])


def _end_of_comment(page: str, start: int) -> int:
    """Where a comment or declaration ends; -1 if it does not."""
    # `<!-->` is a whole comment.
    mark, begin = ("-->", start + 2) if page.startswith("<!--", start) else (">", start)
    end = page.find(mark, begin)
    return end + len(mark) if end >= 0 else -1


def _raw_text(page: str, at: int, name: str) -> tuple[str, int]:
    """The text of a title, nothing of other such elements, and where it ends; -1 if it does not."""
    end = _RAW_TEXT[name].search(page, at)
    if end is None:
        return "", -1
    return html.unescape(page[at : end.start()]) if name == "title" else "", end.start()


def _attributes(page: str, at: int) -> tuple[dict[str, str], int]:
    """The attributes of a tag and where it ends; -1 if it does not."""
    attributes: dict[str, str] = {}
    while True:
        end = _TAG_END.match(page, at)
        if end is not None:
            return attributes, end.end()
        found = _ATTRIBUTE.match(page, at)
        if found is None or found[2] in ('"', "'"):
            return attributes, -1
        value = found[2] or ""
        if value[:1] in ('"', "'"):
            value = value[1:-1]
        attributes.setdefault(found[1].lower(), html.unescape(value))
        at = found.end()
