from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.crawler.fetch.url import BadUrl, WebUrl, parse_url
from services.crawler.resolvers.reddit_post import BadPost, Post
from services.crawler.resolvers.registry import resolve, resolve_or_ask, resolve_post
from services.crawler.resolvers.resolution import IMAGES_MAX, Answer, Ask, Images, Unanswered

IDS = ("aaaaaaaaaaaa1", "bbbbbbbbbbbb2", "giphy|x", "")
URLS = (
    *(
        "https://i.redd.it/aaaaaaaaaaaa1.jpg",
        "https://imgur.com/a/AbCdE12",
        "https://redd.it/1abcd",
    ),
    *("https://live.staticflickr.com/1/123456_0123456789_b.jpg", "https://flic.kr/p/brXijP"),
    *("https://external-preview.redd.it/x.jpg?s=1&amp;t=2", "https://h/", "http://[::1", "//x"),
)
KEYS = (
    *("id", "url", "url_overridden_by_dest", "is_self", "is_gallery", "gallery_data", "items", "s"),
    *(
        "media_id",
        "caption",
        "media_metadata",
        "status",
        "e",
        "m",
        "u",
        "selftext",
        "title",
        "data",
    ),
    *("crosspost_parent_list", "over_18", "is_video", "removed_by_category", "preview", "images"),
    *("source", "children", "success", "type", "link", "stat", "sizes", "size", "media", "width"),
    *("height", "description", *IDS),
)
WORDS = (*IDS, *URLS, "valid", "Image", "image/jpeg", "photo", "ok", "![img](aaaaaaaaaaaa1)")

leaves = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(WORDS) | st.text()
)
values = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=9)
    ),
    max_leaves=40,
)
posts = st.dictionaries(st.sampled_from(KEYS), values, max_size=12)
paths = st.lists(
    st.sampled_from(("a", "gallery", "t", "p", "photos", "media", "AbCdE12", "1", ".."))
    | st.text(),
    max_size=5,
)
hosts = st.sampled_from(
    (
        *("imgur.com", "i.imgur.com", "flickr.com", "www.flickr.com", "flic.kr", "www.reddit.com"),
        *("live.staticflickr.com", "redd.it", "i.redd.it", "preview.redd.it", "v.redd.it", "h"),
    )
)


def check(resolution, text, depth=0):
    """Every way through a resolution: only good types, bounded, and no error but the documented one."""
    assert depth < 20
    if isinstance(resolution, Images):
        assert len(resolution.images) <= IMAGES_MAX
        for image in resolution.images:
            assert isinstance(image.url, WebUrl)
            assert parse_url(image.url.text) == image.url
            assert "\n" not in image.title
        return
    assert isinstance(resolution, Ask)
    assert resolution.kind.key_host in ("", resolution.url.host)
    check(resolution.fallback, text, depth + 1)
    if depth < 3:
        for url, content_type in ((resolution.url, ""), (parse_url("https://h/x"), "text/html")):
            try:
                read = resolution.read(Answer(url, text, content_type))
            except Unanswered:
                continue
            check(read, text, depth + 1)


@given(posts, values)
@settings(max_examples=150, deadline=None)
def test_any_post(post, answer):
    """Any JSON for a post, and any for what it leads to."""
    try:
        read = resolve_post(post)
    except BadPost:
        return
    assert isinstance(read, Post)
    check(read.images, json.dumps(answer))


@given(values)
@settings(max_examples=200, deadline=None)
def test_any_value_for_a_post(value):
    """What is no object is no post; everything else is one."""
    if isinstance(value, dict):
        assert isinstance(resolve_post(value), Post)
    else:
        with pytest.raises(BadPost):
            resolve_post(value)


@given(hosts, paths, st.text(max_size=50), values | st.text())
@settings(max_examples=400, deadline=None)
def test_any_address_and_answer(host, path, query, answer):
    """Any address on the hosts that are known, and any answer of theirs."""
    try:
        url = parse_url(f"https://{host}/{'/'.join(path)}?url={query}")
    except BadUrl:
        return
    check(resolve_or_ask(url), answer if isinstance(answer, str) else json.dumps(answer))


API_ADDRESSES = (
    "https://imgur.com/gallery/AbCdE12",
    "https://flic.kr/p/brXijP",
    "https://redd.it/1abcd",
)


@pytest.mark.parametrize("address", API_ADDRESSES)
@given(body=values)
@settings(max_examples=200, deadline=None)
def test_any_answer_of_an_api(address, body):
    """As it is, and inside what the API's answers have around it."""
    wrapped = {
        "success": True,
        "data": {
            "children": [{"data": {"id": "1abcd", "url": "https://h/", "media_metadata": body}}]
        },
        "stat": "ok",
        "sizes": {"size": body},
    }
    for answer in (body, {"success": True, "data": body}, wrapped):
        check(resolve(parse_url(address)), json.dumps(answer))


@pytest.mark.parametrize("address", API_ADDRESSES)
@pytest.mark.parametrize(
    "text",
    [
        *("[" * 10_000, '{"data":' * 10_000, '{"data":[' + "{}," * 200_000 + "{}]}"),
        *("<html>" * 10_000, "\ud800", '{"data":"\\ud800"}', "\x00", "NaN", "1e999"),
    ],
    ids=["arrays", "objects", "long", "html", "surrogate", "escaped", "zero", "nan", "infinite"],
)
def test_answers_made_to_break(address, text):
    """Depth, length and what is no JSON end in the documented error or in images."""
    check(resolve(parse_url(address)), text)


def test_deep_and_long_posts():
    """Nesting of 10,000 and lists of 100,000, in every place that is read."""
    deep = {}
    for _ in range(10_000):
        deep = {"data": deep, "images": [deep]}
    long = [{"media_id": "aaaaaaaaaaaa1"}] * 100_000
    for hostile in (deep, [deep], long):
        for key in KEYS:
            if key == "crosspost_parent_list":
                continue
            check(resolve_post({"is_gallery": True, key: hostile}).images, "")
            check(resolve_post({key: hostile}).images, "")
