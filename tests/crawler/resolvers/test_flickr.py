from __future__ import annotations

import pytest

from services.crawler.fetch.url import parse_url
from services.crawler.resolvers.flickr import resolve_flickr
from services.crawler.resolvers.resolution import Ask, AskKind, ImageUrl
from tests.crawler.resolvers.reading_images import Answers, query, url_texts

STATIC = "https://live.staticflickr.com/65535/"
GIVEN = f"{STATIC}5218350129_0123456789_m.jpg"


@pytest.mark.parametrize(
    ("address", "photo_id"),
    [
        ("https://www.flickr.com/photos/a-user/5218350129", "5218350129"),
        ("https://flickr.com/photos/12345@N01/5218350129/", "5218350129"),
        ("http://m.flickr.com/photos/u/5218350129?x=1#y", "5218350129"),
        ("https://secure.flickr.com/photos/u/5218350129/in/album-7215", "5218350129"),
        ("https://www.flickr.com/photos/u/5218350129/sizes/o/", "5218350129"),
        ("https://flic.kr/p/8X8pFX", "5218350129"),
        ("https://flic.kr/p/8X8pFX/", "5218350129"),
        ("https://flic.kr/p/8X8pFX?y=2", "5218350129"),
        ("https://flic.kr/p/brXijP", "6857269519"),
        ("https://www.flic.kr/p/7Afjsu", "4325695128"),
        ("https://flic.kr/p/2", "1"),
        (GIVEN, "5218350129"),
        ("https://farm5.staticflickr.com/4/5218350129_0123456789.jpg?zz=1", "5218350129"),
        ("http://farm5.static.flickr.com/4/5218350129_0123456789_b.jpg", "5218350129"),
        ("https://c1.staticflickr.com/9/8/5218350129_0123456789_3k.png", "5218350129"),
        ("https://www.flickr.com/photos/a-user", None),
        ("https://www.flickr.com/photos/a-user/", None),
        ("https://www.flickr.com/photos/", None),
        ("https://www.flickr.com/photos/a-user/albums/72157", None),
        ("https://www.flickr.com/photos/a-user/sets/72157/", None),
        ("https://www.flickr.com/photos/a-user/x5218350129", None),
        ("https://www.flickr.com/groups/g/5218350129", None),
        ("https://www.flickr.com/people/u/5218350129", None),
        ("https://flic.kr/p/", None),
        ("https://flic.kr/p/0OIl", None),
        ("https://flic.kr/s/8X8pFX", None),
        ("https://flic.kr/p/" + "z" * 12, None),
        ("https://combo.staticflickr.com/pw/images/logo.png", None),
        ("https://live.staticflickr.com/", None),
        ("https://evil-flickr.com/photos/u/5218350129", None),
        ("https://www.flickr.com.evil.org/photos/u/5218350129", None),
        ("https://evilstaticflickr.com/1/5218350129_0123456789.jpg", None),
        ("https://evilflic.kr/p/8X8pFX", None),
        ("https://flickr.com/photos/" + "u" * 8_150 + "/5218350129", None),
    ],
)
def test_photos(address, photo_id):
    """The photo's id out of every form of address, and out of no other."""
    ask = resolve_flickr(parse_url(address))
    if photo_id is None:
        assert ask is None
        return
    assert isinstance(ask, Ask)
    assert ask.kind is AskKind.FLICKR_API
    assert ask.url.host == "api.flickr.com"
    asked = query(ask.url.text)
    assert (asked["method"], asked["photo_id"]) == ("flickr.photos.getSizes", photo_id)
    assert "api_key" not in asked


def size(name, width, height, **changes):
    facts = {"width": width, "height": height, "source": f"{STATIC}{name}.jpg", "media": "photo"}
    return facts | changes


PAGE = "https://www.flickr.com/photos/u/5218350129"


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ([size("s", 75, 75), size("o", 4000, 3000), size("b", 1024, 768)], "o"),
        ([size("s", "75", "75"), size("o", "4000", "3000"), size("b", 1024, 768)], "o"),
        ([size("h", 1600, 1067), size("o", 1600, 1200)], "o"),
        (
            [
                size("b", 1024, 768),
                size("x", None, "many"),
                size("y", -9, -9),
                size("z", True, 9e9),
            ],
            "b",
        ),
        ([size("b", 1024, 768), size("v", 1920, 1080, media="video")], "b"),
        ([size("b", 1, 1), size("e", 9, 9, source="https://evil.org/e.jpg")], "b"),
        ([size("b", 1, 1), size("e", 9, 9, source="https://staticflickr.com.evil.org/e.jpg")], "b"),
        ([size("b", 1, 1), size("e", 9, 9, source=None), None, 7], "b"),
        ([size("b", 1, 1, source="http://live.staticflickr.com/65535/b.jpg")], "b"),
        ([size("v", 1920, 1080, media="video")], None),
    ],
)
def test_the_largest_size(sizes, expected):
    """The largest area of a photo on Flickr's own hosts, wherever it stands in the list; a video has none."""
    answers = Answers(FLICKR_API={"stat": "ok", "sizes": {"size": sizes}})
    images = answers.images(resolve_flickr(parse_url(PAGE)))
    assert url_texts(images) == ([f"{STATIC}{expected}.jpg"] if expected else [])
    assert images.is_best


NO_SIZES = [
    None,
    "<html>",
    "[" * 10_000,
    {"stat": "fail", "code": 1, "message": "Photo not found"},
    {"stat": "ok"},
    {"stat": "ok", "sizes": {"size": []}},
    {"stat": "ok", "sizes": {"size": {"source": GIVEN}}},
    {"stat": "ok", "sizes": {"size": [size("e", 9, 9, source="https://evil.org/e.jpg")]}},
]


@pytest.mark.parametrize("body", NO_SIZES)
def test_a_static_link_falls_back_to_itself(body):
    """Whatever the API says or does not say, the given address is left."""
    images = Answers(FLICKR_API=body).images(resolve_flickr(parse_url(GIVEN)))
    assert url_texts(images) == [GIVEN]
    assert not images.is_best
    assert len(images.causes) == 1


@pytest.mark.parametrize("body", NO_SIZES)
def test_a_page_falls_back_to_what_its_head_names(body):
    """Its `og:image`, marked as a preview."""
    head = (
        "<meta property=og:image content=https://combo.staticflickr.com/pw/images/logo.png>"
        f"<meta property=og:image content={STATIC}999999_0123456789_b.jpg>"
        f"<meta property=og:image content={STATIC}5218350129_0123456789_b.jpg>"
    )
    for address in (PAGE, "https://flic.kr/p/8X8pFX"):
        answers = Answers(FLICKR_API=body, PAGE=head)
        images = answers.images(resolve_flickr(parse_url(address)))
        expected = parse_url(f"{STATIC}5218350129_0123456789_b.jpg")
        assert images.images == (ImageUrl(expected, is_preview=True),)
        assert answers.asked == ["FLICKR_API", "PAGE"]


def test_a_removed_photo_has_no_image():
    """Flickr's own picture on such a page is not taken for it."""
    head = "<meta property=og:image content=https://combo.staticflickr.com/pw/images/logo.png>"
    images = Answers(PAGE=head).images(resolve_flickr(parse_url(PAGE)))
    assert images.images == ()
    assert [cause.rpartition(": ")[2] for cause in images.causes] == [
        "HTTP 404",
        "the page names no image of this photo",
    ]
