from __future__ import annotations

import pytest

from services.crawler.fetch.url import parse_url
from services.crawler.resolvers.registry import resolve
from tests.crawler.resolvers.reading_images import Answers, resolved, url_texts

PAGE = "https://www.reddit.com/gallery/1abcd"
OWN = "https://i.redd.it/aaaaaaaaaaaa1.jpg"


def listing(**post):
    return {"data": {"children": [{"kind": "t3", "data": {"id": "1abcd", "url": OWN} | post}]}}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (listing(), [OWN]),
        (listing(url="https://imgur.com/AbCdE12"), ["https://i.imgur.com/AbCdE12.jpg"]),
        (listing(over_18=True), []),
        (listing(is_video=True), []),
        (listing(removed_by_category="author"), []),
        (listing(crosspost_parent_list=[{"crosspost_parent_list": [{"over_18": True}]}]), []),
        (listing(spoiler=True), [OWN]),
    ],
)
def test_a_post_by_its_address(body, expected):
    """The API's post is read as any other; one with an unwanted flag has no images."""
    answers = Answers(REDDIT_API=body)
    images = answers.images(resolve(parse_url(PAGE)))
    assert url_texts(images) == expected
    assert images.is_best
    assert answers.asked == ["REDDIT_API"]


@pytest.mark.parametrize(
    "body",
    [
        None,
        "<html>403 Forbidden</html>",
        "[" * 10_000,
        "null",
        {"data": {"children": []}},
        {"data": {"children": [{"data": None}]}},
        {"data": {"children": [{"data": {"id": "other", "url": OWN}}]}},
        [listing()],
        listing(crosspost_parent_list=[{}] * 100),
    ],
)
def test_what_is_no_post(body):
    """No images and a cause, not an error."""
    images = Answers(REDDIT_API=body).images(resolve(parse_url(PAGE)))
    assert images.images == ()
    assert not images.is_best
    assert len(images.causes) == 1


def test_a_link_in_a_circle():
    """Posts that link to each other end."""

    def api(address):
        name = address.rpartition("_")[2]
        other = "2" if name == "1" else "1"
        return listing(id=name, url=f"https://redd.it/{other}")

    answers = Answers(REDDIT_API=api)
    images = answers.images(resolve(parse_url("https://redd.it/1")))
    assert images.images == ()
    assert answers.asked == ["REDDIT_API"] * 2
    assert [cause.rpartition(": ")[2] for cause in images.causes] == ["it was asked for before"]


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("https://www.reddit.com/media?url=https%3A%2F%2Fi.redd.it%2Faaaaaaaaaaaa1.jpg", [OWN]),
        (
            "https://www.reddit.com/media?url=https%3A%2F%2Fpreview.redd.it%2Fx-v0-aaaaaaaaaaaa1.jpg%3Fs%3D0",
            [OWN],
        ),
        ("https://www.reddit.com/media?url=https%3A%2F%2Fevil.org%2Fa.jpg", None),
        ("https://www.reddit.com/media?url=https%3A%2F%2Fwww.reddit.com%2Fmedia%3Furl%3Dx", None),
        ("https://www.reddit.com/media?url=x", None),
        ("https://www.reddit.com/media", None),
        ("https://www.reddit.com/media?" + "a=1&" * 1_000, None),
        ("https://evil.org/media?url=https%3A%2F%2Fi.redd.it%2Faaaaaaaaaaaa1.jpg", None),
        ("https://www.reddit.com/r/earthporn/", None),
    ],
)
def test_the_viewer_of_images(address, expected):
    """It leads to Reddit's own images only."""
    assert resolved(resolve, address) == expected
