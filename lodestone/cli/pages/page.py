"""Pages that people open: one file each, which asks for nothing from anywhere and runs nothing."""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from lodestone.cli.words import one_line


@dataclass(frozen=True, slots=True)
class Card:
    """A small picture with what there is to say of it.

    Attributes:
        name: What to call it; from elsewhere, as all of it may be.
        note: A sentence.
        jpeg: The picture, a JPEG file of a few KB; empty if there is none.
        mark: `good` or `bad` for a coloured frame; empty for a plain one.
    """

    name: str
    note: str
    jpeg: bytes = b""
    mark: str = ""


@dataclass(frozen=True, slots=True)
class Section:
    """Cards under a heading.

    Attributes:
        heading: It.
        cards: In their order.
        words: What to know before looking at them, perhaps as `markupsafe.Markup`; may be empty.
        pictured: Whether a card without a picture says so.
    """

    heading: str
    cards: Sequence[Card]
    words: str = ""
    pictured: bool = True


def write_sheet(path: Path, *, title: str, sections: Sequence[Section]) -> None:
    """Writes a page of cards.

    Raises:
        OSError: It cannot be written.
    """
    path.write_text(render("sheet.html.jinja", title=title, sections=sections), encoding="utf-8")


def render(template: str, **values: Any) -> str:
    """A page out of one of the templates beside this file.

    Every value is printed on one line and escaped, unless it is a `markupsafe.Markup`.
    """
    return _environment().get_template(template).render(**values)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("lodestone.cli", "pages"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_harmless,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["data_uri"] = _data_uri
    environment.filters["breakable"] = _breakable
    return environment


def _harmless(value: Any) -> Any:
    """Text on one line, without the characters that turn what stands around it."""
    return one_line(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _breakable(name: str) -> Markup:
    """A file name that ends its lines behind `_` and `/` rather than anywhere; escaped."""
    return Markup("<wbr>").join(re.split(r"(?<=[_/])", one_line(name)))


def _data_uri(jpeg: bytes) -> str:
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"
