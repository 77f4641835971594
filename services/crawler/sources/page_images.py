"""What an HTML page shows and links to."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from services.crawler.fetch.url import BadUrl, WebUrl
from services.crawler.sources.html_tags import Tag, read_tags
from services.crawler.sources.page_rules import PageRules
from services.crawler.sources.source import IMAGE_SUFFIXES
from services.crawler.sources.srcset import widest
from services.crawler.sources.text import clean_text

_PREVIEWS = frozenset(
    {"og:image", "og:image:url", "og:image:secure_url", "twitter:image", "twitter:image:src"}
)
# What scripts show on a click or under a magnifying glass: the original, or the largest copy.
_ORIGINALS = (
    *("data-orig-file", "data-full-url", "data-full", "data-large_image", "data-zoom-image"),
    *("data-highres", "data-hi-res-src", "data-large-file"),
)
# What scripts load once it comes into view; `src` is a placeholder until then.
_LATE_SETS = ("data-srcset", "data-lazy-srcset")
_LATE = ("data-src", "data-lazy-src", "data-original", "data-lazy", "data-echo", "data-image")
_NO_PAGES = frozenset(
    (
        *(".7z", ".asc", ".avi", ".bmp", ".bz2", ".css", ".csv", ".deb", ".dmg", ".doc", ".docx"),
        *(".exe", ".flac", ".gz", ".heic", ".ico", ".iso", ".js", ".json", ".md", ".mkv", ".mov"),
        *(".mp3", ".mp4", ".ogg", ".pdf", ".ps", ".psd", ".rar", ".raw", ".rpm", ".rss", ".svg"),
        *(".tar", ".tif", ".tiff", ".txt", ".wav", ".webm", ".xml", ".xz", ".zip", ".zst"),
    )
)
# The same directory in another order, as Apache's listings link it.
_SORT_ORDER = re.compile(r"\?C=[NMSD](;|&)O=[AD]$")
_TEXT_MAX_CHARACTERS = 1_000
# Two seconds of work (measured).
_REFERENCES_MAX = 50_000


@dataclass(frozen=True, slots=True)
class PageContent:
    """What a page has.

    Attributes:
        images: Titles by canonical URL, in the page's order, previews (`og:image`) first; a title may be empty.
        links: Pages of the same origin that it links to, each once, in its order; none if it asks not to follow them.
        cut_off: Whether it has more references than are read.
        opt_out: Why the page asks to be left alone, one sentence; empty if it does not. If it does it has nothing else.
    """

    images: dict[str, str]
    links: list[WebUrl]
    cut_off: bool = False
    opt_out: str = ""


def read_page(html: str, page: WebUrl) -> PageContent:
    """Reads the images and links of a page that came from `page`.

    Images are `img` (what a script would show in full size, else the widest of its `srcset`, of a `picture` the widest
    of all, else what a script loads late), links to files with an image's suffix, `og:image` and its like. An image
    inside a link to an image is that one's thumbnail and left out. At most 50,000 references are read. Robots `<meta>`
    elements are minded, wherever they stand.
    """
    return read_tokens(read_tags(html), page)


def read_tokens(tokens: Iterable[Tag | str], page: WebUrl) -> PageContent:
    """As `read_page`, of a page's tags and text."""
    reader = _PageReader(page)
    for token in tokens:
        if isinstance(token, Tag):
            reader.read_tag(token)
        else:
            reader.read_text(token)
    return reader.content()


def image_title(url: WebUrl) -> str:
    """What an image's address says of it: the name of the file, without its suffix."""
    return clean_text(PurePosixPath(url.file_name).stem)


@dataclass(slots=True)
class _Link:
    """An `a` element that is open."""

    target: WebUrl
    title: str
    text: str = ""
    alt: str = ""

    @property
    def is_image(self) -> bool:
        # `File:Lake.jpg` is the page about an image, as wikis name it.
        return self.target.suffix in IMAGE_SUFFIXES and ":" not in self.target.file_name


@dataclass
class _PageReader:
    page: WebUrl
    base: WebUrl = field(init=False)
    images: dict[str, str] = field(default_factory=dict)
    links: dict[str, WebUrl] = field(default_factory=dict)
    previews: list[WebUrl] = field(default_factory=list)
    titles: dict[str, str] = field(default_factory=dict)
    srcsets: list[str] = field(default_factory=list)
    link: _Link | None = None
    in_title: bool = False
    reference_count: int = 0
    rules: PageRules = field(default_factory=PageRules)

    def __post_init__(self) -> None:
        self.base = self.page

    def content(self) -> PageContent:
        if self.rules.opt_out:
            return PageContent({}, [], opt_out=self.rules.cause)
        self._end_link()
        title = clean_text(self.titles.get("og:title") or self.titles.get("title"))
        previews = {url.text: self.images.pop(url.text, "") or title for url in self.previews}
        links = [] if self.rules.stays else list(self.links.values())
        return PageContent(previews | self.images, links, self._is_full)

    def read_text(self, text: str) -> None:
        if self.in_title:
            self.titles.setdefault("title", text[:_TEXT_MAX_CHARACTERS])
        if self.link is not None and len(self.link.text) < _TEXT_MAX_CHARACTERS:
            self.link.text += text[:_TEXT_MAX_CHARACTERS]

    def read_tag(self, tag: Tag) -> None:
        self.in_title = tag.name == "title"
        match tag.name:
            case "img":
                self._read_image(tag.attributes)
            case "a" | "/a":
                self._end_link()
                self._begin_link(tag.attributes)
            case "source":
                self.srcsets += _values(tag.attributes, ("srcset", *_LATE_SETS))
            case "/picture":
                self.srcsets.clear()
            case "meta":
                self.rules.read_tag(tag)
                self._read_meta(tag.attributes)
            case "link" if "image_src" in tag.attributes.get("rel", "").lower().split():
                self._add_preview(tag.attributes.get("href"))
            case "base" if self.base is self.page:
                self.base = self._join(tag.attributes.get("href")) or self.base

    def _read_image(self, attributes: dict[str, str]) -> None:
        alt = attributes.get("alt") or attributes.get("title") or ""
        srcsets = [*self.srcsets, *_values(attributes, ("srcset", *_LATE_SETS))]
        self.srcsets = []
        if self.link is not None and self.link.is_image:
            self.link.alt = self.link.alt or alt
            return
        late = (widest(", ".join(srcsets)), *_values(attributes, _LATE))
        references = (*_values(attributes, _ORIGINALS), *late)
        for reference in (*references, attributes.get("src")):
            url = self._join(reference)
            if url is not None:
                self._add(url, clean_text(alt))
                return

    def _begin_link(self, attributes: dict[str, str]) -> None:
        target = self._join(attributes.get("href"))
        if target is not None:
            self.link = _Link(target, attributes.get("title", ""))

    def _end_link(self) -> None:
        link, self.link = self.link, None
        if link is None:
            return
        if link.is_image:
            self._add(link.target, clean_text(link.alt or link.title) or _link_title(link))
        elif self._is_page_below(link.target):
            self.links.setdefault(link.target.text, link.target)

    def _read_meta(self, attributes: dict[str, str]) -> None:
        name = (attributes.get("property") or attributes.get("name") or "").strip().lower()
        content = attributes.get("content", "")
        if name == "og:title":
            self.titles.setdefault(name, content)
        if name in _PREVIEWS:
            self._add_preview(content)

    def _add_preview(self, reference: str | None) -> None:
        url = self._join(reference)
        if url is not None:
            self.previews.append(url)

    def _add(self, url: WebUrl, title: str) -> None:
        self.images[url.text] = self.images.get(url.text) or title

    @property
    def _is_full(self) -> bool:
        return self.reference_count > _REFERENCES_MAX

    def _join(self, reference: str | None) -> WebUrl | None:
        if not reference or not reference.strip():
            return None
        self.reference_count += 1
        try:
            return None if self._is_full else self.base.join(reference)
        except BadUrl:
            return None

    def _is_page_below(self, url: WebUrl) -> bool:
        """Whether a link is worth following: of the same origin, by its name a page, and not further up."""
        if url.origin != self.page.origin or url.suffix in _NO_PAGES:
            return False
        folder = self.page.path.rpartition("/")[0] + "/"
        is_above = folder.startswith(url.path) and url.path != folder
        return not is_above and not _SORT_ORDER.search(url.text)


def _values(attributes: dict[str, str], names: tuple[str, ...]) -> list[str]:
    return [value for name in names if (value := attributes.get(name))]


def _link_title(link: _Link) -> str:
    """The link's text, unless it is the file's name, which directory listings cut off: then that without its suffix."""
    text = clean_text(link.text)
    name = clean_text(link.target.file_name)
    start = text.rstrip(".>…")
    return image_title(link.target) if name.startswith(start) else text
