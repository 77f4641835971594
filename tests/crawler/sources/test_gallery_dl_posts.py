from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.crawler.post import PostFlags
from services.crawler.sources.gallery_dl_posts import read_posts
from services.crawler.sources.gallery_dl_process import GalleryDlFailed, Message


async def found_in(*messages, failure=None):
    """What is gathered from messages, which may end with a failure."""

    async def said():
        for message in messages:
            yield message
        if failure is not None:
            raise failure

    return [found async for found in read_posts(said())]


def post(**facts):
    return Message("post", facts)


def file(url, **facts):
    return Message("file", facts | {"lodestone_url": url})


def urls(found):
    return [image.url.text for image in found.post.images.images]


async def test_files_belong_to_the_post_before_them() -> None:
    """Each post has its own; one without files is a post too; the same address counts once."""
    found = await found_in(
        post(id=1),
        file("https://h/a.jpg"),
        file("https://h/b.jpg"),
        file("https://h/a.jpg"),
        post(id=2),
        post(id=3),
        file("https://h/c.jpg"),
    )
    assert [(one.post.post_id, urls(one)) for one in found] == [
        ("/1", ["https://h/a.jpg", "https://h/b.jpg"]),
        ("/2", []),
        ("/3", ["https://h/c.jpg"]),
    ]


async def test_a_large_gallery_comes_in_parts() -> None:
    """500 images each, under names of their own, and no empty part at the end."""
    files = [file(f"https://h/{number}.jpg") for number in range(1_000)]
    found = await found_in(post(id="g", category="site"), *files)
    assert [(one.post.post_id, len(urls(one))) for one in found] == [
        ("site/g", 500),
        ("site/g#2", 500),
    ]


async def test_names_of_posts() -> None:
    """The site's own; else the first image's address; else one of what is said. Long ones are shortened, and differ."""
    found = await found_in(
        post(category="s", tweet_id=5),
        post(title="x"),
        file("https://h/a.jpg"),
        post(title="x"),
        post(title="y"),
        post(id="a" * 500),
        post(id="a" * 501),
    )
    names = [one.post.post_id for one in found]
    assert names[:2] == ["s/5", "https://h/a.jpg"]
    assert len(set(names)) == 6
    assert max(map(len, names)) <= 100


@pytest.mark.parametrize(
    ("facts", "flags"),
    [
        ({"rating": "e"}, PostFlags(over_18=True)),
        ({"rating": "Explicit"}, PostFlags(over_18=True)),
        ({"rating": "s", "nsfw": False}, PostFlags()),
        ({"rating": 5, "nsfw": "yes"}, PostFlags()),
        ({"nsfw": True}, PostFlags(over_18=True)),
        ({"sensitive": True, "spoiler_text": "x"}, PostFlags(over_18=True, is_spoiler=True)),
    ],
)
async def test_flags(facts, flags) -> None:
    """What sites call explicit, each in its way."""
    [found] = await found_in(post(**facts))
    assert found.post.flags == flags


@pytest.mark.parametrize(
    ("facts", "author"),
    [
        ({"author": "A\nB"}, "A B"),
        ({"author": {"name": "N"}}, "N"),
        ({"user": {"id": 3, "screen_name": "S"}, "username": "U"}, "S"),
        ({"artist": ["first", "second"]}, "first"),
        ({"author": {}, "uploader": "U"}, "U"),
        ({"author": 3}, ""),
    ],
)
async def test_authors(facts, author) -> None:
    """A name, an account, or several."""
    [found] = await found_in(post(**facts))
    assert found.post.author == author


async def test_times_titles_and_pages() -> None:
    """A time is UTC; markup is no part of a title; a page is a web address."""
    [found] = await found_in(
        post(
            date="2026-11-22 10:00:00",
            content="<p>A <b>hill</b></p>",
            url="file:///x",
            license="CC0",
        )
    )
    assert (found.post.time, found.post.title) == (1_795_341_600.0, "A hill")
    assert (found.post.page_url, found.post.licence) == ("", "CC0")
    [found] = await found_in(post(date="0000-99-99 10:00:00", post_url="https://h/p&amp;q"))
    assert (found.post.time, found.post.page_url) == (None, "https://h/p&q")


async def test_what_came_before_a_failure_is_gathered() -> None:
    """The open post is told before the failure."""

    async def said():
        yield post(id=1)
        yield file("https://h/a.jpg")
        raise GalleryDlFailed("it broke")

    found = read_posts(said())
    assert urls(await anext(found)) == ["https://h/a.jpg"]
    with pytest.raises(GalleryDlFailed):
        await anext(found)


_ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)
_NAMES = st.sampled_from(
    [
        "id",
        "title",
        "author",
        "date",
        "tags",
        "rating",
        "url",
        "license",
        "lodestone_url",
        "user",
        "content",
    ]
)


@given(
    st.lists(
        st.builds(
            Message,
            st.sampled_from(["post", "file", "child", ""]),
            st.dictionaries(_NAMES, _ANYTHING),
        ),
        max_size=8,
    )
)
async def test_whatever_is_said_is_a_post_or_left_out(messages) -> None:
    """Any types anywhere: nothing raises, and what stands in a post can be stored."""
    for found in await found_in(*messages):
        if found.post is not None:
            assert found.post.post_id.encode().decode() == found.post.post_id
            assert found.post.title.encode().decode() == found.post.title
            assert len(found.post.post_id) <= 102
