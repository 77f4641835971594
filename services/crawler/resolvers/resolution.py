"""What a resolver says: images, or what to ask for before it can name them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import partial
from typing import TypeAlias

from services.crawler.fetch.url import WebUrl
from services.servicekit.errors import LodestoneError

# Of one page: the largest albums have some hundreds.
IMAGES_MAX = 500


class AskKind(StrEnum):
    """How something is asked for."""

    PAGE = "PAGE"
    IMGUR_API = "IMGUR_API"
    FLICKR_API = "FLICKR_API"
    REDDIT_API = "REDDIT_API"

    @property
    def key_host(self) -> str:
        """The only host that the key of this kind may be sent to; empty if none is needed."""
        return _KEY_HOSTS[self]


_KEY_HOSTS = {
    AskKind.PAGE: "",
    AskKind.IMGUR_API: "api.imgur.com",
    AskKind.FLICKR_API: "api.flickr.com",
    AskKind.REDDIT_API: "oauth.reddit.com",
}


class Unanswered(LodestoneError):
    """There is no answer, or none that can be read; what else may be done is the question's `fallback`.

    Attributes:
        url: What was asked for.
        cause: Why there is none, without the URL.
    """

    def __init__(self, url: WebUrl, cause: str) -> None:
        super().__init__(f"{url.text[:200]} gave no answer: {cause}")
        self.url = url
        self.cause = cause


@dataclass(frozen=True, slots=True)
class ImageUrl:
    """Where one image is.

    Attributes:
        url: Its address, as far as known that of the original.
        title: What its page says of this image, not of the whole page; one line, may be empty.
        is_preview: Whether it is known to be a smaller or recompressed copy.
    """

    url: WebUrl
    title: str = ""
    is_preview: bool = False


@dataclass(frozen=True, slots=True)
class Images:
    """The images of a page.

    Attributes:
        images: In the page's order, each address once, at most 500.
        is_best: False if there are more or larger ones, which could not be had.
        causes: Of those that are not the best: what was not answered, one sentence each.
    """

    images: tuple[ImageUrl, ...]
    is_best: bool = True
    causes: tuple[str, ...] = ()

    @classmethod
    def of(cls, found: Iterable[ImageUrl | None], *, is_best: bool = True) -> Images:
        """The first 500 different ones that are not None."""
        kept: dict[str, ImageUrl] = {}
        for image in found:
            if image is None:
                continue
            if len(kept) == IMAGES_MAX and image.url.text not in kept:
                return cls(tuple(kept.values()), is_best=False)
            kept.setdefault(image.url.text, image)
        return cls(tuple(kept.values()), is_best)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back.

    Attributes:
        url: The address that answered, after redirects.
        text: The body; empty if it is no text.
        content_type: Lower-case, without parameters; empty if none was stated.
    """

    url: WebUrl
    text: str
    content_type: str = ""


@dataclass(frozen=True, slots=True)
class Ask:
    """Something to ask for.

    Attributes:
        url: What to get, without any key.
        kind: How: as a page, or of an API that needs a key.
        read: Reads a successful (200) answer. Raises Unanswered if it is not what was asked for, nothing else.
        fallback: What is left if there is no answer, or none that can be read.
    """

    url: WebUrl
    kind: AskKind
    read: Callable[[Answer], Resolution] = field(compare=False)
    fallback: Resolution


Resolution: TypeAlias = Images | Ask

NOTHING = Images(())
NOT_KNOWN = Images((), is_best=False)


def or_else(first: Resolution, last: Resolution) -> Resolution:
    """`first`, and `last` if that turns out to have no images; not the best if `first` has some that were not had."""
    if isinstance(last, Images) and not last.images:
        return first
    if isinstance(first, Ask):
        read = partial(_read_or_else, first, last)
        return replace(first, read=read, fallback=or_else(first.fallback, last))
    if first.images:
        return first
    return last if first.is_best or isinstance(last, Ask) else replace(last, is_best=False)


def _read_or_else(first: Ask, last: Resolution, answer: Answer) -> Resolution:
    return or_else(first.read(answer), last)
