"""Answers to what resolvers ask, made up in this process: pages, albums, sizes, and what is gone.

Shapes: Open Graph (https://ogp.me), https://apidocs.imgur.com, https://www.flickr.com/services/api/flickr.photos.getSizes.html.
"""

from __future__ import annotations

import json
import zlib
from collections import Counter

from services.crawler.resolvers.resolution import Answer, Ask, AskKind, Unanswered

# Of a hundred pages: gone, and without any image.
_GONE, _BARE = 10, 8
_PARAGRAPHS = (
    "<p class='text'>Lorem ipsum dolor sit amet, <em>consectetur</em> adipiscing elit, sed do eiusmod {0}.</p>\n",
    "<li class='menu-item menu-item-{0}'><a href='/page/{0}'>Lorem ipsum</a></li>\n",
    "<div class='card'><a href='https://other.example/{0}?ref=a' rel='nofollow'><span>Dolor {0}</span></a></div>\n",
)
_SCRIPT = "<script>window.__data = {{'id': {0}, 'items': [{1}]}};</script>\n"
_ITEMS = ", ".join(
    "{'name': 'item', 'children': [1, 2, 3], 'html': '<b>x</b>'}" for _ in range(400)
)
_FIGURE = (
    "<figure><img class='lazy wp-image-{0}' loading='lazy' width='1200' src='/uploads/{1}-{0}.jpg' "
    "srcset='/uploads/{1}-{0}-300.jpg 300w, /uploads/{1}-{0}-1200.jpg 1200w' alt='Figure {0}'></figure>\n"
)
_HEAD = (
    "<!doctype html><html lang='en'><head><meta charset='utf-8'><title>A page</title>"
    "<script>var config = {{'id': {0}, 'tags': ['a', 'b']}};</script>"
    "<meta property='og:title' content='A page'>{1}</head><body>\n"
)
_CARD = "<meta property='og:image' content='https://{0}/uploads/{1}-cover.jpg'>"


class LocalAnswers:
    """Answers by address, always the same."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    async def ask(self, question: Ask) -> Answer:
        """As `Answering.ask`.

        Raises:
            Unanswered: It is gone, or there is no key for it.
        """
        self.counts[question.kind.value] += 1
        number = zlib.crc32(question.url.text.encode())
        if number % 100 < _GONE:
            raise Unanswered(question.url, "HTTP 404")
        match question.kind:
            case AskKind.PAGE:
                return Answer(question.url, _page(question.url.host, number), "text/html")
            case AskKind.IMGUR_API:
                return Answer(question.url, _album(number), "application/json")
            case AskKind.FLICKR_API:
                return Answer(question.url, _sizes(number), "application/json")
            case AskKind.REDDIT_API:
                raise Unanswered(question.url, "this needs a key, and none is configured")


def _page(host: str, number: int) -> str:
    """An article of 30 to 70 KB: 100 to 1,000 elements, scripts, up to 12 figures."""
    is_bare = number % 100 < _GONE + _BARE
    head = _HEAD.format(number, "" if is_bare else _CARD.format(host, number))
    text = [_PARAGRAPHS[at % 3].format(at) for at in range(40 + number % 400)]
    figures = [] if is_bare else [_FIGURE.format(at, number) for at in range(number % 13)]
    return "".join((head, *text, *figures, _SCRIPT.format(number, _ITEMS), "</body></html>"))


def _album(number: int) -> str:
    ids = [f"{(number * 31 + at) % 36**7:07x}"[-7:] for at in range(1 + number % 20)]
    images = [
        {"id": key, "title": None, "type": "image/jpeg", "link": f"https://i.imgur.com/{key}.jpg"}
        for key in ids
    ]
    return json.dumps({"data": images, "success": True, "status": 200})


def _sizes(number: int) -> str:
    sizes = [
        {
            "label": label,
            "width": width,
            "height": width * 3 // 4,
            "source": f"https://live.staticflickr.com/65535/{number}_{number:010x}_{letter}.jpg",
            "media": "photo",
        }
        for label, letter, width in (("Medium", "z", 640), ("Large", "b", 1024), ("X", "k", 2048))
    ]
    return json.dumps({"sizes": {"size": sizes}, "stat": "ok"})
