from __future__ import annotations

import pytest

from services.crawler.resolvers.reddit_media import (
    is_gallery,
    read_gallery,
    read_inline_media,
    read_previews,
)
from tests.crawler.resolvers.reading_images import url_texts

A, B, C = "aaaaaaaaaaaa1", "bbbbbbbbbbbb2", "cccccccccccc3"
COPY = "https://external-preview.redd.it/Xy-Z.jpg?width=900&s=0a"


def media(media_id, **changes):
    preview = f"https://preview.redd.it/{media_id}.jpg?width=900&format=pjpg&auto=webp&s=0a"
    facts = {"status": "valid", "e": "Image", "m": "image/jpg", "id": media_id, "s": {"u": preview}}
    return facts | changes


def gallery(*items, **metadata):
    return {
        "is_gallery": True,
        "gallery_data": {"items": list(items)},
        "media_metadata": metadata or {name: media(name) for name in (A, B, C)},
    }


def short(images):
    """Ids and suffixes instead of addresses on i.redd.it."""
    return [text.removeprefix("https://i.redd.it/") for text in url_texts(images)]


def test_a_gallery_s_order_and_captions():
    """`gallery_data` says the order, not the order of the metadata; each image once."""
    items = [{"media_id": C, "caption": "Third  light"}, {"media_id": A, "caption": None}]
    items += [{"media_id": B}, {"media_id": C, "caption": "again"}]
    images = read_gallery(gallery(*items))
    assert short(images) == [f"{C}.jpg", f"{A}.jpg", f"{B}.jpg"]
    assert [image.title for image in images.images] == ["Third light", "", ""]
    assert images.is_best
    assert not any(image.is_preview for image in images.images)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, [f"{A}.jpg"]),
        ({"m": "image/jpeg"}, [f"{A}.jpg"]),
        ({"m": "image/png"}, [f"{A}.png"]),
        ({"m": "image/webp"}, [f"{A}.webp"]),
        ({"m": "image/gif"}, [f"{A}.gif"]),
        ({"m": "image/jpeg; charset=binary"}, [f"{A}.jpg"]),
        ({"m": "image/svg+xml"}, []),
        ({"m": "video/mp4"}, []),
        ({"m": None}, []),
        ({"e": "AnimatedImage"}, []),
        ({"e": "RedditVideo"}, []),
        ({"e": None}, []),
        ({"status": "failed"}, []),
        ({"status": "unprocessed"}, []),
        ({"status": None}, []),
        ({"s": None}, [f"{A}.jpg"]),
        ({"s": {"u": COPY}}, [COPY]),
        ({"s": {"u": COPY.replace("&", "&amp;")}}, [COPY]),
        ({"s": {"u": "https://evil.org/a.jpg"}}, []),
        ({"s": {"u": "https://preview.redd.it.evil.org/a.jpg"}}, []),
        ({"s": {"u": "https://www.redditstatic.com/marketplace-assets/emoji.png"}}, []),
    ],
)
def test_which_media_are_images(changes, expected):
    """Valid images of known types; copies of others' images are not rebuilt, and nothing leads elsewhere."""
    images = read_gallery(gallery({"media_id": A}, **{A: media(A, **changes)}))
    assert short(images) == expected
    assert [image.is_preview for image in images.images] == [name == COPY for name in expected]


@pytest.mark.parametrize(
    "media_id", ["giphy|Ab12", "emote|t5_2|345", "../x", "a.jpg", "", "é" * 9, "a"]
)
def test_ids_that_name_no_file(media_id):
    """Only what can be a name on i.redd.it becomes an address there."""
    post = gallery({"media_id": media_id}, **{media_id: media(A, s={})})
    assert short(read_gallery(post)) == []


@pytest.mark.parametrize(
    "gallery_data", [None, {}, {"items": None}, {"items": []}, {"items": {"media_id": A}}, "x", 7]
)
def test_a_gallery_without_an_order(gallery_data):
    """Then the metadata's."""
    post = gallery() | {"gallery_data": gallery_data}
    assert short(read_gallery(post)) == [f"{name}.jpg" for name in (A, B, C)]


@pytest.mark.parametrize(
    ("post", "expected"),
    [
        ({"is_gallery": True}, True),
        ({"is_gallery": "yes"}, False),
        ({"gallery_data": {"items": []}}, True),
        ({"gallery_data": None, "media_metadata": {A: media(A)}}, False),
        ({"gallery_data": [1]}, False),
        ({}, False),
    ],
)
def test_what_a_gallery_is(post, expected):
    """Inline images alone do not make a post one."""
    assert is_gallery(post) is expected


def test_a_gallery_of_strangers():
    """What does not exist in the metadata, or is of another type, is left out; the first 200 items count."""
    items = [None, 7, {}, {"media_id": None}, {"media_id": ["x"]}, {"media_id": "nowhere"}]
    assert short(read_gallery(gallery(*items, {"media_id": B, "caption": ["x"]}))) == [f"{B}.jpg"]
    many = gallery(*({"media_id": f"media{n:08}"} for n in range(300)))
    many["media_metadata"] = {f"media{n:08}": media(A, s={}) for n in range(300)}
    assert len(read_gallery(many).images) == 200


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"![img]({B})\n\n![img]({A})", [(B, ""), (A, ""), (C, "")]),
        (f'Look\n![img]({C} "A  lake") and ![img]({A} "")', [(C, "A lake"), (A, ""), (B, "")]),
        (
            f"[At dawn](https://preview.redd.it/{B}.jpg?width=9&s=0)",
            [(B, "At dawn"), (A, ""), (C, "")],
        ),
        (f"see https://preview.redd.it/{C}.png?width=9", [(C, ""), (A, ""), (B, "")]),
        (
            f"[https://preview.redd.it/{C}.png](https://preview.redd.it/{C}.png)",
            [(C, ""), (A, ""), (B, "")],
        ),
        (f"![img]({C} 'x') [x]({A}) [y]({A})", [(C, ""), (A, "x"), (B, "")]),
        ("[a link](https://h/lake.jpg)", [(A, ""), (B, ""), (C, "")]),
        ("[" * 100_000, [(A, ""), (B, ""), (C, "")]),
        ("![img](" * 20_000, [(A, ""), (B, ""), (C, "")]),
        (None, [(A, ""), (B, ""), (C, "")]),
    ],
)
def test_inline_media(text, expected):
    """The text says order and captions; what it does not mention comes last."""
    post = {"is_self": True, "selftext": text, "media_metadata": gallery()["media_metadata"]}
    images = read_inline_media(post)
    found = list(zip(short(images), (image.title for image in images.images), strict=True))
    assert found == [(f"{name}.jpg", caption) for name, caption in expected]


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (COPY, [COPY]),
        (COPY.replace("&", "&amp;"), [COPY]),
        (
            f"https://preview.redd.it/{A}.jpg?auto=webp&amp;s=0a",
            [f"https://preview.redd.it/{A}.jpg?auto=webp&s=0a"],
        ),
        ("https://i.redditmedia.com/Ab.jpg?s=0", ["https://i.redditmedia.com/Ab.jpg?s=0"]),
        (
            "https://preview.redd.it/a.jpg?a=1&copy=2&lt=3",
            ["https://preview.redd.it/a.jpg?a=1&copy=2&lt=3"],
        ),
        ("https://evil.org/a.jpg", []),
        ("http://169.254.169.254/a.jpg", []),
        ("not a URL", []),
        (None, []),
    ],
)
def test_previews(url, expected):
    """Reddit's copies with their signatures unescaped, marked as what they are."""
    images = read_previews({"preview": {"images": [{"source": {"url": url}, "id": "x"}, None]}})
    assert url_texts(images) == expected
    assert all(image.is_preview for image in images.images)
    assert not images.is_best
