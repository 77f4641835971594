"""An HTML page that shows what a crawl kept, and why the rest was not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from lodestone.cli.pages.page import Card, Section, write_sheet
from lodestone.cli.pictures.thumbnail import NoThumbnail, make_thumbnail

_ORDER = ("accepted", "off profile", "watermarked", "duplicate")


@dataclass(frozen=True, slots=True)
class Picture:
    """One listing for the sheet.

    Attributes:
        name: What to call it.
        group: Its verdict, or why it was not fetched, in words for people.
        reason: A sentence.
        url: Where it is.
    """

    name: str
    group: str
    reason: str
    url: str


def write_contact_sheet(
    path: Path,
    pictures: Sequence[Picture],
    *,
    title: str,
    find_file: Callable[[Picture], Path | None],
) -> None:
    """Writes one self-contained page: the kept pictures first, then the others by verdict or outcome.

    Args:
        path: The page.
        pictures: All listings of the crawl.
        title: The heading.
        find_file: Where a picture's bytes are on this machine, or None.
    """
    groups: dict[str, list[Picture]] = {}
    for picture in pictures:
        groups.setdefault(picture.group, []).append(picture)
    names = [name for name in _ORDER if name in groups]
    names += sorted(name for name in groups if name not in _ORDER)
    sections = [_section(name, groups[name], find_file) for name in names]
    write_sheet(path, title=title, sections=sections)


def _section(
    name: str, pictures: Sequence[Picture], find_file: Callable[[Picture], Path | None]
) -> Section:
    kept = name == "accepted"
    cards = [_card(picture, find_file(picture), kept=kept) for picture in pictures]
    return Section("Kept" if kept else f"Not kept: {name}", cards)


def _card(picture: Picture, file: Path | None, *, kept: bool) -> Card:
    jpeg = _thumbnail(file) if file else b""
    return Card(picture.name, picture.reason, jpeg, mark="good" if kept else "")


def _thumbnail(file: Path) -> bytes:
    """A small JPEG; empty if the file is no picture that can be shown."""
    try:
        return make_thumbnail(file.read_bytes())
    except (OSError, NoThumbnail):
        return b""
