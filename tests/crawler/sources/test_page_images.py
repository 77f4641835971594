from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.crawler.fetch.url import parse_url
from services.crawler.sources import page_images
from services.crawler.sources.page_images import PageContent, image_title, read_page

PAGE = parse_url("https://h/gallery/nature/index.html")
BASE = "https://h/gallery/nature/"


def images(html: str) -> dict[str, str]:
    return {url.removeprefix(BASE): title for url, title in read_page(html, PAGE).images.items()}


def links(html: str) -> list[str]:
    return [url.text.removeprefix("https://h") for url in read_page(html, PAGE).links]


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        ("<img src=a.jpg alt='A  lake'>", {"a.jpg": "A lake"}),
        ("<img src=a.jpg title=T>", {"a.jpg": "T"}),
        ("<img src='my photo.jpg'>", {"my%20photo.jpg": ""}),
        ("<img src=a.jpg><img src=a.jpg#x alt=later>", {"a.jpg": "later"}),
        ("<img src=small.jpg srcset='m.jpg 640w, l.jpg 1280w'>", {"l.jpg": ""}),
        ("<img src=data:image/gif;base64,AA data-src=a.jpg>", {"a.jpg": ""}),
        ("<img src=data:, data-srcset='a.jpg 1x, b.jpg 2x'>", {"b.jpg": ""}),
        (
            """<picture><source srcset='w.webp 900w'><source srcset='v.avif 800w'>
            <img src=a.jpg alt=P></picture><img src=b.jpg>""",
            {"w.webp": "P", "b.jpg": ""},
        ),
        ("<picture><source srcset=x.jpg></picture><img src=b.jpg>", {"b.jpg": ""}),
        ("<video><source src=v.mp4></video><img src=b.jpg>", {"b.jpg": ""}),
        ("<a href=big.jpg><img src=thumb.jpg alt='A hill'></a>", {"big.jpg": "A hill"}),
        ("<a href=page.html><img src=thumb.jpg alt=T></a>", {"thumb.jpg": "T"}),
        ("<a href=big.JPG title=T>text</a>", {"big.JPG": "T"}),
        ("<a href=big.jpg>A <b>blue</b> sea</a>", {"big.jpg": "A blue sea"}),
        ("<a href=big.jpg>one<a href=two.png>two", {"big.jpg": "one", "two.png": "two"}),
        ("<a href='big.jpg?size=full'>x</a>", {"big.jpg?size=full": "x"}),
        ("<noscript><img src=a.jpg></noscript>", {"a.jpg": ""}),
        ("<img src=spacer.gif data-lazy-src=a.jpg>", {"a.jpg": ""}),
        ("<img src=spacer.gif data-original=a.jpg>", {"a.jpg": ""}),
        ("<img src=spacer.gif data-lazy-srcset='a.jpg 1x, b.jpg 2x'>", {"b.jpg": ""}),
        ("<img src=s.jpg srcset='m.jpg 640w' data-orig-file=o.jpg>", {"o.jpg": ""}),
        ("<img src=s.jpg srcset='m.jpg 640w' data-large_image=l.jpg>", {"l.jpg": ""}),
        ("<img src=s.jpg srcset='m.jpg 640w 480h, l.jpg 1280w 960h'>", {"l.jpg": ""}),
        ("<img src=s.jpg data-src='data:,x' data-full='javascript:x()'>", {"s.jpg": ""}),
        (
            """<picture><source data-srcset='w.webp 900w'><img src=spacer.gif data-src=a.jpg>
            </picture>""",
            {"w.webp": ""},
        ),
        (
            "<img src=x.gif data-src=a.jpg><noscript><img src=a.jpg alt=A></noscript>",
            {"a.jpg": "A"},
        ),
        ("<a href='/wiki/File:Big.jpg'><img src=thumb.jpg alt=T></a>", {"thumb.jpg": "T"}),
        ("<a href=big.jpg><img srcset='t.jpg 9w' data-src=u.jpg></a>", {"big.jpg": "big"}),
        ("<!-- <img src=a.jpg> --><script>'<img src=b.jpg>'</script>", {}),
        ("<img><img src=''><img src='  '><a href=''><a>", {}),
        ("<a href='javascript:x()'><a href='mailto:a@b'><img src='http://u:p@h/x.jpg'>", {}),
        ("<img src=//cdn.example/a.jpg>", {"https://cdn.example/a.jpg": ""}),
        ("<base href=/other/><base href=/no/><img src=a.jpg>", {"https://h/other/a.jpg": ""}),
        ("<base href='data:,x'><img src=a.jpg>", {"a.jpg": ""}),
        ("", {}),
    ],
)
def test_images_and_their_titles(html: str, expected: dict[str, str]) -> None:
    """`img`, `srcset`, `picture`, late loading, links to images, base; titles from what is nearest."""
    assert images(html) == expected
    assert list(images(html)) == list(expected)


def test_previews_come_first_with_the_page_s_title() -> None:
    """`og:image` has the image's own title, else `og:title`, else the page's."""
    body = "<meta property='og:image' content=a.jpg><img src=b.jpg><img src=a.jpg alt=own>"
    assert list(images(body).items()) == [("a.jpg", "own"), ("b.jpg", "")]
    body = "<title>The &amp; page</title><meta name=twitter:image content=a.jpg>"
    assert images(body) == {"a.jpg": "The & page"}
    body += "<meta property=og:title content='The picture'>"
    assert images(body) == {"a.jpg": "The picture"}


@pytest.mark.parametrize(
    "tag",
    [
        "<meta property=og:image:secure_url content=a.jpg>",
        "<meta name=twitter:image:src content=a.jpg>",
        "<link rel=image_src href=a.jpg>",
        "<link rel='shortcut Image_Src' href=a.jpg>",
    ],
)
def test_every_way_to_name_a_preview(tag: str) -> None:
    """Facebook's, Twitter's, and the one before both."""
    assert list(images(f"<img src=b.jpg>{tag}")) == ["a.jpg", "b.jpg"]
    assert images("<link rel=icon href=a.jpg><link href=b.jpg rel=>") == {}


def test_the_page_about_an_image_is_a_page() -> None:
    """A wiki's `File:` pages end like images; they are followed like any page."""
    assert links("<a href='/wiki/File:Big.jpg'><img src=t.jpg></a>") == ["/wiki/File:Big.jpg"]


def test_a_directory_listing() -> None:
    """Apache's listing: titles are names without suffixes, cut-off ones too; orders and parents are not followed."""
    html = """<h1>Index of /gallery/nature</h1><a href="?C=N;O=D">Name</a> <a href="?C=M;O=A">Last</a>
        <a href="/gallery/">Parent Directory</a> <a href="/">Home</a> <a href="./">here</a>
        <a href="a%20very%20long%20name.jpg">a very long na..&gt;</a> <a href="b.png">b.png</a>
        <a href="birds/">birds/</a> <a href="raw.zip">raw.zip</a> <a href="clip.mp4">clip.mp4</a>"""
    assert images(html) == {"a%20very%20long%20name.jpg": "a very long name", "b.png": "b"}
    assert links(html) == ["/gallery/nature/", "/gallery/nature/birds/"]


def test_links_of_the_same_origin_only() -> None:
    """Other schemes, hosts and ports are not followed; each page once, without its fragment."""
    html = """<a href=2.html#x><a href=2.html><a href=?page=3><a href=/else/where>
        <a href=http://h/a><a href=https://other/a><a href=https://h:8443/a><a href=//h/ok>"""
    assert links(html) == [
        *("/gallery/nature/2.html", "/gallery/nature/index.html?page=3", "/else/where", "/ok")
    ]


def test_a_base_of_another_origin_does_not_widen_it() -> None:
    """The page's own origin counts, whatever its base is."""
    html = "<base href=https://other/><a href=x.html><a href=https://h/y.html>"
    assert links(html) == ["/y.html"]


def test_references_have_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is beyond the bound is left out, and the content says so."""
    monkeypatch.setattr(page_images, "_REFERENCES_MAX", 3)
    three = read_page("".join(f"<img src={n}.jpg>" for n in range(3)), PAGE)
    four = read_page("".join(f"<img src={n}.jpg>" for n in range(4)), PAGE)
    assert len(three.images) == len(four.images) == 3
    assert (three.cut_off, four.cut_off) == (False, True)


def test_deep_nesting_costs_nothing() -> None:
    """A hundred thousand nested elements, which take a tree builder a minute, are read at once."""
    content = read_page("<div>" * 100_000 + "<a href=x.jpg><div>" * 10_000, PAGE)
    assert content == PageContent({f"{BASE}x.jpg": "x"}, [])


@given(
    st.lists(
        st.sampled_from(
            [
                *("<a href=", "<img src=", "x.jpg", "x", ">", "</a>", "<base href=", "<picture>"),
                *("<source srcset='a 1x, b'", "<meta property=og:image content=", "//", "\\", "'"),
                *("http://[", "%", "\ud800", "\x00", " ", "<title>", "alt='", "<!--", "é"),
            ]
        ),
        max_size=40,
    ).map("".join)
)
def test_any_page_gives_canonical_urls(html: str) -> None:
    """Nothing raises, and every image and link is a canonical URL with a storable title."""
    content = read_page(html, PAGE)
    for url, title in content.images.items():
        assert parse_url(url).text == url
        assert title.encode().decode() == title
    assert all(parse_url(link.text) == link for link in content.links)


def test_title_of_an_address() -> None:
    """The file's name, unescaped, without its suffix."""
    assert image_title(parse_url("http://h/a/My%20photo.large.jpg?x=1")) == "My photo.large"
    assert image_title(parse_url("http://h/")) == ""
