from __future__ import annotations

import pytest

from services.crawler.fetch.url import parse_url
from services.crawler.resolvers.follow import follow
from services.crawler.resolvers.resolution import (
    NOT_KNOWN,
    Answer,
    Ask,
    AskKind,
    Images,
    ImageUrl,
    Unanswered,
)

IMAGES = Images((ImageUrl(parse_url("https://h/a.jpg")),))
LESS = Images((ImageUrl(parse_url("https://h/s.jpg")),), is_best=False)


def page(name, read=lambda answer: IMAGES, fallback=LESS):
    return Ask(parse_url(f"https://h/{name}"), AskKind.PAGE, read, fallback)


async def answer_all(ask):
    return Answer(ask.url, "")


async def test_images_need_no_question():
    """They come back as they are."""
    assert await follow(IMAGES, answer_all) is IMAGES


async def test_an_answer_is_read():
    """What it reads is the result; no cause is told of what is the best."""
    assert await follow(page("a"), answer_all) == IMAGES
    two = page("a", read=lambda answer: page("b", fallback=IMAGES))

    async def only_first(ask):
        if ask.url.path == "/b":
            raise Unanswered(ask.url, "HTTP 404")
        return Answer(ask.url, "")

    assert await follow(two, only_first) == IMAGES


async def test_no_answer_is_the_fallback_with_the_cause():
    """Whether there is none, or none that can be read."""

    def unreadable(answer):
        raise Unanswered(answer.url, "it is no JSON")

    async def nothing(ask):
        raise Unanswered(ask.url, "no key for IMGUR_API")

    unread = await follow(page("a", read=unreadable), answer_all)
    assert (unread.images, unread.causes) == (
        LESS.images,
        ("https://h/a gave no answer: it is no JSON",),
    )
    unasked = await follow(page("a"), nothing)
    assert unasked.causes == ("https://h/a gave no answer: no key for IMGUR_API",)


async def test_other_errors_pass_through():
    """A host that is away is no reason to take less for the best."""

    async def away(ask):
        raise TimeoutError

    with pytest.raises(TimeoutError):
        await follow(page("a"), away)


async def test_nothing_is_asked_for_twice():
    """A page that leads to itself ends at its fallback."""
    asked = []

    async def remember(ask):
        asked.append(ask.url.path)
        return Answer(ask.url, "")

    again = page("a", read=lambda answer: page("a"))
    images = await follow(again, remember)
    assert asked == ["/a"]
    assert images.images == LESS.images
    assert images.causes == ("https://h/a gave no answer: it was asked for before",)


async def test_questions_end():
    """After eight."""
    asked = []

    async def remember(ask):
        asked.append(ask.url.path)
        return Answer(ask.url, "")

    def next_page(number):
        return page(str(number), read=lambda answer: next_page(number + 1))

    images = await follow(next_page(1), remember)
    assert len(asked) == 8
    assert images.images == NOT_KNOWN.images
    assert images.causes == ("https://h/9 was not asked for, after 8 others",)
