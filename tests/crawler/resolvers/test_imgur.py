from __future__ import annotations

import pytest

from services.crawler.fetch.url import parse_url
from services.crawler.resolvers.imgur import resolve_imgur
from services.crawler.resolvers.resolution import Ask, AskKind, ImageUrl
from tests.crawler.resolvers.reading_images import Answers, resolved, url_texts

FILE = "https://i.imgur.com/"
AbC = [f"{FILE}AbCdE12.jpg"]


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("https://imgur.com/AbCdE12", AbC),
        ("http://imgur.com/AbCdE12", AbC),
        ("https://www.imgur.com/AbCdE12", AbC),
        ("https://m.imgur.com/AbCdE12", AbC),
        ("https://IMGUR.com/AbCdE12/", AbC),
        ("https://imgur.io/AbCdE12", AbC),
        ("https://imgur.com/AbCdE12?tags#3", AbC),
        ("https://imgur.com/a-quiet-lake-AbCdE12", AbC),
        ("https://imgur.com/r/earthporn/AbCdE12", AbC),
        ("https://imgur.com/download/AbCdE12/a_name", AbC),
        ("https://imgur.com/AbCdE12.png", [f"{FILE}AbCdE12.png"]),
        ("https://imgur.com/dXy1z", [f"{FILE}dXy1z.jpg"]),
        ("https://imgur.com/dXy1z,AbCdE12", [f"{FILE}dXy1z.jpg", f"{FILE}AbCdE12.jpg"]),
        ("https://i.imgur.com/AbCdE12", AbC),
        ("https://i.imgur.com/AbCdE12.jpg?1", AbC),
        ("https://i.imgur.com/AbCdE12.JPG", AbC),
        ("https://i.imgur.com/AbCdE12.jpeg", [f"{FILE}AbCdE12.jpeg"]),
        ("https://i.imgur.com/AbCdE12h.jpg", AbC),
        ("https://i.imgur.com/dXy1zm.jpg", [f"{FILE}dXy1z.jpg"]),
        ("https://i.imgur.com/AbCdE12_d.webp?maxwidth=760&fidelity=grand", AbC),
        ("https://i.imgur.com/AbCdE12.gifv", [f"{FILE}AbCdE12.gif"]),
        ("https://i.imgur.com/AbCdE12.mp4", [f"{FILE}AbCdE12.gif"]),
        ("https://imgur.com/AbCdE12.gifv", [f"{FILE}AbCdE12.gif"]),
        ("https://i.imgur.com/removed.png", []),
        ("https://imgur.com/", None),
        ("https://imgur.com/a", None),
        ("https://imgur.com/a/", None),
        ("https://imgur.com/a/!", None),
        ("https://imgur.com/gallery", None),
        ("https://imgur.com/gallery/", None),
        ("https://imgur.com/t/", None),
        ("https://imgur.com/t/landscape", None),
        ("https://imgur.com/user/AbCdE12", None),
        ("https://imgur.com/user/a/b/AbCdE12", None),
        ("https://imgur.com/search", None),
        ("https://imgur.com/privacy", None),
        ("https://imgur.com/upload?x", None),
        ("https://i.imgur.com/AbCdE12x.exe", None),
        ("https://api.imgur.com/3/album/AbCdE12/images", None),
        ("https://evil-imgur.com/AbCdE12", None),
        ("https://imgur.com.evil.org/AbCdE12", None),
        ("https://evil.org/imgur.com/AbCdE12", None),
        ("https://evil.org/?u=://imgur.com/AbCdE12", None),
    ],
)
def test_pages_and_files(address, expected):
    """Single pages become the file, whatever stands around the id; other pages and hosts are not known."""
    assert resolved(resolve_imgur, address) == expected


@pytest.mark.parametrize(
    ("address", "path"),
    [
        ("https://imgur.com/a/AbCdE12", "album/AbCdE12/images"),
        ("https://imgur.com/a/AbCdE12?x=1", "album/AbCdE12/images"),
        ("https://imgur.com/a/AbCdE12#4", "album/AbCdE12/images"),
        ("https://imgur.com/a/AbCdE12/layout/grid", "album/AbCdE12/images"),
        ("https://imgur.com/a/AbCdE12/embed?pub=true", "album/AbCdE12/images"),
        ("https://imgur.com/a/my-gallery-of-a-lake-AbCdE12", "album/AbCdE12/images"),
        ("https://m.imgur.com/a/dXy1z", "album/dXy1z/images"),
        ("https://imgur.com/gallery/AbCdE12", "album/AbCdE12/images"),
        ("https://imgur.com/gallery/the-gallery-AbCdE12/new", "album/AbCdE12/images"),
        ("https://imgur.com/t/landscape/AbCdE12", "album/AbCdE12/images"),
        ("https://imgur.com/topic/Nature/AbCdE12", "album/AbCdE12/images"),
    ],
)
def test_albums(address, path):
    """Albums and galleries are asked of the API by their id alone, and the key's host is fixed."""
    ask = resolve_imgur(parse_url(address))
    assert isinstance(ask, Ask)
    assert ask.kind is AskKind.IMGUR_API
    assert ask.url.text == f"https://api.imgur.com/3/{path}"


def item(**changes):
    facts = {"id": "AbCdE12", "type": "image/jpeg", "link": f"{FILE}AbCdE12.jpg", "title": None}
    return facts | changes


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, [(f"{FILE}AbCdE12.jpg", "")]),
        ({"title": "A  lake"}, [(f"{FILE}AbCdE12.jpg", "A lake")]),
        ({"description": "At dawn"}, [(f"{FILE}AbCdE12.jpg", "At dawn")]),
        ({"link": f"{FILE}AbCdE12.png", "type": "image/png"}, [(f"{FILE}AbCdE12.png", "")]),
        ({"link": f"{FILE}AbCdE12.jpg?fb"}, [(f"{FILE}AbCdE12.jpg", "")]),
        ({"link": "http:\\/\\/i.imgur.com"}, []),
        ({"type": "image/jpeg; charset=x"}, [(f"{FILE}AbCdE12.jpg", "")]),
        ({"type": "image/gif", "link": f"{FILE}AbCdE12h.gif"}, [(f"{FILE}AbCdE12.gif", "")]),
        ({"link": f"{FILE}sixsix.jpg"}, [(f"{FILE}sixsix.jpg", "")]),
        ({"type": "video/mp4", "link": f"{FILE}AbCdE12.mp4"}, []),
        ({"type": None}, []),
        ({"link": "https://evil.org/AbCdE12.jpg"}, []),
        ({"link": "https://i.imgur.com.evil.org/AbCdE12.jpg"}, []),
        ({"link": "http://127.0.0.1/AbCdE12.jpg"}, []),
        ({"link": 7}, []),
    ],
)
def test_an_album_s_images(changes, expected):
    """Images on Imgur's host, as originals; films and what leads elsewhere are left out."""
    answers = Answers(IMGUR_API={"success": True, "data": [item(**changes)]})
    images = answers.images(resolve_imgur(parse_url("https://imgur.com/a/AbCdE12")))
    assert [(image.url.text, image.title) for image in images.images] == expected
    assert answers.asked == ["IMGUR_API"]


def test_an_album_keeps_its_order():
    """Each image once, as the album has them."""
    ids = ["ccccc", "aaaaa", "bbbbb", "aaaaa"]
    data = {"images": [item(link=f"{FILE}{name}.jpg") for name in ids]}
    answers = Answers(IMGUR_API={"success": True, "data": data})
    images = answers.images(resolve_imgur(parse_url("https://imgur.com/a/AbCdE12")))
    assert url_texts(images) == [f"{FILE}{name}.jpg" for name in ids[:3]]
    assert images.is_best


def test_a_gallery_of_one_image():
    """The album's 404 leads to the image of that id."""

    def api(address):
        return {"success": True, "data": item()} if "/image/" in address else None

    answers = Answers(IMGUR_API=api)
    images = answers.images(resolve_imgur(parse_url("https://imgur.com/gallery/AbCdE12")))
    assert url_texts(images) == AbC
    assert images.is_best
    assert answers.asked == ["IMGUR_API", "IMGUR_API"]


@pytest.mark.parametrize(
    "head",
    [
        "<meta property='og:image' content='https://i.imgur.com/AbCdE12.jpg?fb'>",
        "<meta name=twitter:image content=https://i.imgur.com/AbCdE12h.jpg>",
        "<link rel=image_src href=//i.imgur.com/AbCdE12.jpg>",
        (
            "<meta property=og:image content=https://s.imgur.com/AbCdE99.png>"
            "<link rel='image_src x' href='https://i.imgur.com/AbCdE12.jpg'>"
        ),
    ],
)
def test_an_album_without_a_key(head):
    """The page's cover, as the original, said not to be all; never through somebody's proxy."""
    answers = Answers(PAGE=head)
    images = answers.images(resolve_imgur(parse_url("https://imgur.com/a/dXy1z")))
    assert images.images == (ImageUrl(parse_url(AbC[0])),)
    assert not images.is_best
    assert images.causes == ("https://api.imgur.com/3/album/dXy1z/images gave no answer: HTTP 404",)


@pytest.mark.parametrize(
    "body",
    [
        "<html>503</html>",
        "",
        "null",
        "[" * 10_000,
        '{"success": false, "data": {"error": "over capacity"}}',
        '{"success": true, "data": []}',
        '{"success": true, "data": null}',
        '{"success": true}',
        '{"data": [{"type": "image/jpeg", "link": "https://i.imgur.com/AbCdE12.jpg"}]}',
    ],
)
def test_what_is_no_album(body):
    """Every other answer leads on to the fallback, and there is no image, not an error."""
    images = Answers(IMGUR_API=body, PAGE="<title>Imgur</title>").images(
        resolve_imgur(parse_url("https://imgur.com/gallery/AbCdE12"))
    )
    assert images.images == ()
    assert not images.is_best
    assert len(images.causes) == 3
