from __future__ import annotations

import pytest

from services.crawler.fetch.url import parse_url
from services.crawler.resolvers.registry import (
    read_linked,
    resolve,
    resolve_or_ask,
    resolve_post,
)
from services.crawler.resolvers.resolution import Answer, Ask, AskKind, Unanswered
from tests.crawler.resolvers.reading_images import Answers, resolved, url_texts


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("https://imgur.com/AbCdE12", ["https://i.imgur.com/AbCdE12.jpg"]),
        ("https://i.imgur.com/AbCdE12l.jpg", ["https://i.imgur.com/AbCdE12.jpg"]),
        ("https://i.redd.it/aaaaaaaaaaaa1.jpg", ["https://i.redd.it/aaaaaaaaaaaa1.jpg"]),
        ("https://combo.staticflickr.com/x.jpg", ["https://combo.staticflickr.com/x.jpg"]),
        ("https://h.example/lake.jpg", ["https://h.example/lake.jpg"]),
        ("https://duckduckgo.com/?q=x", None),
        ("https://h.example/", None),
        ("https://www.flickr.com/photos/a-user/", None),
        ("https://imgur.com/user/AbCdE12", None),
    ],
)
def test_addresses_without_a_question(address, expected):
    """Each goes to its resolver; what none knows is asked for as it is."""
    assert resolved(resolve, address) == expected


@pytest.mark.parametrize(
    ("address", "kinds"),
    [
        ("https://imgur.com/a/AbCdE12", ["IMGUR_API", "PAGE"]),
        ("https://imgur.com/gallery/AbCdE12", ["IMGUR_API", "IMGUR_API", "PAGE"]),
        ("https://flic.kr/p/brXijP", ["FLICKR_API", "PAGE"]),
        ("https://live.staticflickr.com/1/123456_0123456789_b.jpg", ["FLICKR_API"]),
        ("https://redd.it/1abcd", ["REDDIT_API"]),
        ("https://h.example/page", ["PAGE"]),
    ],
)
def test_what_is_asked_for(address, kinds):
    """In this order while nothing answers; keys go to their API's host alone, and no page is asked of a third party."""
    answers = Answers()
    images = answers.images(resolve_or_ask(parse_url(address)))
    assert answers.asked == kinds
    assert not images.is_best


HTML = "<title>T</title><meta property=og:image content=/o.jpg><img srcset='s.jpg 9w, l.jpg 99w'>"
LINK = parse_url("https://short.example/x")


@pytest.mark.parametrize(
    ("final", "content_type", "expected"),
    [
        (
            "https://h.example/p",
            "text/html",
            ["https://h.example/o.jpg", "https://h.example/l.jpg"],
        ),
        ("https://h.example/p", "image/jpeg", ["https://h.example/p"]),
        (
            "https://h.example/p.jpg",
            "text/html",
            ["https://h.example/o.jpg", "https://h.example/l.jpg"],
        ),
        ("https://imgur.com/AbCdE12", "text/html", ["https://i.imgur.com/AbCdE12.jpg"]),
        ("https://i.imgur.com/removed.png", "text/html", []),
        ("https://i.imgur.com/AbCdE12.jpg", "image/jpeg", ["https://i.imgur.com/AbCdE12.jpg"]),
    ],
)
def test_what_an_unknown_address_leads_to(final, content_type, expected):
    """A page, an image, or by redirects a place that is known; all without asking for headers first."""
    ask = resolve_or_ask(LINK)
    assert isinstance(ask, Ask)
    assert (ask.url, ask.kind) == (LINK, AskKind.PAGE)
    answer = Answer(parse_url(final), "" if "image" in content_type else HTML, content_type)
    assert url_texts(ask.read(answer)) == expected


def test_a_redirect_to_a_known_page():
    """Its resolver goes on."""
    resolution = read_linked(Answer(parse_url("https://imgur.com/a/AbCdE12"), HTML, "text/html"))
    assert isinstance(resolution, Ask)
    assert resolution.kind is AskKind.IMGUR_API


def test_neither_page_nor_image():
    """The cause says what it is."""
    with pytest.raises(Unanswered, match="it is application/pdf, no HTML page"):
        read_linked(Answer(LINK, "", "application/pdf"))


def test_a_post_goes_through_the_same_resolvers():
    """A post's link is resolved as any address."""
    post = resolve_post({"title": "A lake", "url": "http://m.imgur.com/AbCdE12"})
    assert post.title == "A lake"
    assert url_texts(post.images) == ["https://i.imgur.com/AbCdE12.jpg"]
