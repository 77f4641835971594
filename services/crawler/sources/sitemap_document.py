"""A site's map: the pages that it lists, with their images, or the maps that it consists of.

The format is that of https://www.sitemaps.org/protocol.html, with Google's images
(https://developers.google.com/search/docs/crawling-indexing/sitemaps/image-sitemaps).
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from xml.sax import SAXException
from xml.sax.handler import ContentHandler, feature_namespaces

from defusedxml.common import DefusedXmlException
from defusedxml.expatreader import create_parser

from services.servicekit.errors import InvalidInput

# As the protocol has them: bytes of a map unpacked, pages of a map, and images of a page.
MAP_MAX_BYTES = 50_000_000
_ENTRIES_MAX = 50_000
_IMAGES_MAX = 1_000
_CHUNK_BYTES = 65_536
_TEXT_MAX_CHARACTERS = 2_048
_GZIP = b"\x1f\x8b"
_GZIP_WINDOW = 16 + zlib.MAX_WBITS
# W3C dates may end behind the year or the month.
_SHORT_DATE = re.compile(r"(\d{4})(-\d{2})?")
# The end of the year 9999, seconds since 1970.
_LAST_TIME = 253_402_300_799
_FIELDS = frozenset({"loc", "lastmod"})
_IMAGE_FIELDS = frozenset({"loc", "title", "caption", "license"})


class BadMap(InvalidInput):
    """A document that is no site map, or whose map cannot be read.

    Attributes:
        cause: What is wrong with it.
    """

    def __init__(self, cause: str) -> None:
        super().__init__(f"this is no site map: {cause}")
        self.cause = cause


@dataclass(frozen=True, slots=True)
class MapEntry:
    """A page, or a map in an index; addresses as they stand there.

    Attributes:
        address: Where it is.
        change_text: When it changed, as the map says; empty if it does not.
        images: What the map says of each of its images: `loc`, `title`, `caption`, `license`.
    """

    address: str
    change_text: str = ""
    images: tuple[dict[str, str], ...] = ()

    @property
    def change_time(self) -> float | None:
        """When it changed, seconds since 1970; None if the map does not say."""
        return _time(self.change_text)


@dataclass(frozen=True, slots=True)
class SiteMap:
    """What a map has.

    Attributes:
        pages: Pages, in its order.
        maps: Other maps, of an index.
        cut_off: Whether it goes on where it could not be read, or has more than 50,000 entries.
    """

    pages: list[MapEntry]
    maps: list[MapEntry]
    cut_off: bool = False


def read_map(body: bytes) -> SiteMap:
    """Reads a map, packed with gzip or not, piece by piece; what comes before an error counts.

    Raises:
        BadMap: It declares entities, has nothing that can be read, or unpacks to over 50 MB.
    """
    reader = _MapReader()
    parser = create_parser(forbid_dtd=False, forbid_entities=True, forbid_external=True)
    parser.setFeature(feature_namespaces, True)
    parser.setContentHandler(reader)
    cut_off = ""
    try:
        for chunk in _chunks(body):
            parser.feed(chunk)
            if reader.is_full:
                break
        else:
            parser.close()
    except DefusedXmlException as error:
        raise BadMap("it declares entities") from error
    except (SAXException, LookupError, ValueError, zlib.error) as error:
        cut_off = " ".join(str(error).split())[:200] or type(error).__name__
    if not reader.pages and not reader.maps and (cut_off or not reader.is_map):
        raise BadMap(cut_off or "it has neither urlset nor sitemapindex")
    return SiteMap(reader.pages, reader.maps, bool(cut_off) or reader.is_full)


def _chunks(body: bytes) -> Iterator[bytes]:
    if not body.startswith(_GZIP):
        for start in range(0, len(body), _CHUNK_BYTES):
            yield body[start : start + _CHUNK_BYTES]
        return
    unpacked = 0
    while body.startswith(_GZIP):
        stream = zlib.decompressobj(_GZIP_WINDOW)
        while not stream.eof and (chunk := stream.decompress(body, _CHUNK_BYTES)):
            unpacked += len(chunk)
            if unpacked > MAP_MAX_BYTES:
                raise BadMap(f"it unpacks to over {MAP_MAX_BYTES:,} bytes")
            yield chunk
            body = stream.unconsumed_tail
        body = stream.unused_data


@dataclass
class _Open:
    """A `url` or `sitemap` element that is open."""

    facts: dict[str, str] = field(default_factory=dict)
    images: list[dict[str, str]] = field(default_factory=list)
    image: dict[str, str] | None = None


class _MapReader(ContentHandler):
    """Collects entries; elements of other kinds, and all that is in them, are passed over."""

    def __init__(self) -> None:
        super().__init__()
        self.pages: list[MapEntry] = []
        self.maps: list[MapEntry] = []
        self.is_map = False
        self._depth = 0
        self._open: _Open | None = None
        self._field = ""
        self._text: list[str] = []
        self._text_length = 0

    @property
    def is_full(self) -> bool:
        """Whether no more entries are taken."""
        return len(self.pages) + len(self.maps) >= _ENTRIES_MAX

    def startElementNS(  # noqa: N802 - the parser's name for it
        self, name: tuple[str | None, str], qname: str | None, attrs: object
    ) -> None:
        """Opens an element."""
        del qname, attrs
        self._depth += 1
        self._field = ""
        local = name[1]
        match self._depth:
            case 1:
                self.is_map = local in ("urlset", "sitemapindex")
            case 2 if self.is_map and local in ("url", "sitemap") and not self.is_full:
                self._open = _Open()
            case 3 if self._open is not None:
                if local == "image":
                    self._open.image = {}
                elif local in _FIELDS:
                    self._begin(local)
            case 4 if self._open is not None and self._open.image is not None:
                if local in _IMAGE_FIELDS:
                    self._begin(local)

    def characters(self, content: str) -> None:
        """Takes text, of the fields that count."""
        if self._field and self._text_length < _TEXT_MAX_CHARACTERS:
            self._text.append(content[:_TEXT_MAX_CHARACTERS])
            self._text_length += len(content)

    def endElementNS(  # noqa: N802 - the parser's name for it
        self, name: tuple[str | None, str], qname: str | None
    ) -> None:
        """Closes an element."""
        del qname
        found = self._open
        if found is not None and self._field:
            is_image_s = self._depth == 4 and found.image is not None
            facts = found.image if is_image_s else found.facts
            assert facts is not None
            facts.setdefault(self._field, "".join(self._text).strip())
        elif found is not None and self._depth == 3 and found.image is not None:
            self._take_image(found)
        elif found is not None and self._depth == 2:
            self._take(found, name[1])
        self._field = ""
        self._depth -= 1

    def _begin(self, local: str) -> None:
        self._field, self._text, self._text_length = local, [], 0

    def _take_image(self, found: _Open) -> None:
        if found.image and len(found.images) < _IMAGES_MAX:
            found.images.append(found.image)
        found.image = None

    def _take(self, found: _Open, local: str) -> None:
        self._open = None
        entry = MapEntry(
            found.facts.get("loc", ""), found.facts.get("lastmod", "")[:40], tuple(found.images)
        )
        (self.maps if local == "sitemap" else self.pages).append(entry)


def _time(text: str) -> float | None:
    short = _SHORT_DATE.fullmatch(text)
    whole = f"{short[1]}{short[2] or '-01'}-01" if short else text
    try:
        moment = datetime.fromisoformat(whole)
        second = moment.replace(tzinfo=moment.tzinfo or UTC).timestamp()
    except (OverflowError, ValueError):
        return None
    return second if 0 < second < _LAST_TIME else None
