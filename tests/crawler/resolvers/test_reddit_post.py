from __future__ import annotations

import itertools

import pytest

from services.crawler.fetch.url import parse_url
from services.crawler.post import PostFlags
from services.crawler.resolvers.reddit_post import (
    BadPost,
    read_post,
    reddit_post_id,
)
from services.crawler.resolvers.registry import resolve_or_ask
from services.crawler.resolvers.resolution import NOTHING, Ask, AskKind
from tests.crawler.resolvers.reading_images import Answers, url_texts

A, B = "aaaaaaaaaaaa1", "bbbbbbbbbbbb2"
OWN = f"https://i.redd.it/{A}.jpg"
LINKED = "https://h.example/lake.jpg"
COPY = "https://external-preview.redd.it/Xy-Z.jpg?s=0a"
PREVIEW = {"images": [{"source": {"url": COPY}}]}
POST = "https://www.reddit.com/r/earthporn/comments/1abcd/a_lake/"


def media(*names):
    return {
        name: {"status": "valid", "e": "Image", "m": "image/jpg", "id": name, "s": {}}
        for name in names
    }


def gallery(*names, **changes):
    items = [{"media_id": name} for name in names]
    return {
        "id": "1abcd",
        "is_gallery": True,
        "url": "https://www.reddit.com/gallery/1abcd",
        "gallery_data": {"items": items},
        "media_metadata": media(*names),
    } | changes


def child(*parents, **changes):
    return {"id": "2child", "crosspost_parent_list": list(parents)} | changes


def nested(depth, post):
    for _ in range(depth):
        post = child(post)
    return post


def files(*names):
    return [f"https://i.redd.it/{name}.jpg" for name in names]


@pytest.mark.parametrize(
    ("post", "expected"),
    [
        (gallery(B, A), files(B, A)),
        (gallery(B, A, url=LINKED), files(B, A)),
        (gallery(url=LINKED), []),
        (gallery(A, media_metadata=None, url=LINKED), []),
        (gallery(A, media_metadata=None, url=LINKED, preview=PREVIEW), [COPY]),
        ({"url": OWN}, [OWN]),
        ({"url": OWN, "preview": PREVIEW}, [OWN]),
        ({"url": OWN, "media_metadata": media(B)}, [OWN]),
        ({"url": LINKED}, [LINKED]),
        ({"url": "https://h.example/a.jpg?x=1&amp;y=2"}, ["https://h.example/a.jpg?x=1&y=2"]),
        ({"url": POST, "url_overridden_by_dest": LINKED}, [LINKED]),
        ({"url": LINKED, "url_overridden_by_dest": 7}, [LINKED]),
        ({"url": "https://imgur.com/AbCdE12"}, ["https://i.imgur.com/AbCdE12.jpg"]),
        ({"url": "https://v.redd.it/a1b2c3", "preview": PREVIEW}, [COPY]),
        ({"id": "1abcd", "url": POST, "is_self": True, "media_metadata": media(B, A)}, files(B, A)),
        ({"id": "1ABCD", "url": POST, "media_metadata": media(A)}, files(A)),
        ({"is_self": True, "url": LINKED}, []),
        ({"is_self": True, "preview": PREVIEW}, [COPY]),
        ({"url": "http://user:pw@h/a.jpg", "preview": PREVIEW}, [COPY]),
        ({"url": "javascript:alert(1)"}, []),
        ({}, []),
        (child(gallery(B, A)), files(B, A)),
        (child(gallery(B, A), url="https://www.reddit.com/gallery/1abcd"), files(B, A)),
        (child(gallery(A), url=POST), files(A)),
        (child({"url": LINKED}, gallery(A)), [LINKED]),
        (child(None, 7, {}, gallery(A)), files(A)),
        (child(gallery(A), url=OWN), [OWN]),
        (child(gallery(media_metadata=None), child(gallery(B))), files(B)),
        (child({"preview": PREVIEW}), [COPY]),
        (child(url=OWN) | {"crosspost_parent_list": "t3_1abcd"}, [OWN]),
        (nested(2, gallery(B, A)), files(B, A)),
        (nested(60, gallery(B, A)), files(B, A)),
    ],
)
def test_where_a_post_s_images_are(post, expected):
    """Galleries, links, inline media, parents of any depth, and previews when there is nothing else."""
    assert url_texts(read_post(post, resolve_or_ask).images) == expected


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("over_18", "over_18"),
        ("is_video", "is_video"),
        ("removed_by_category", "is_removed"),
        ("spoiler", "is_spoiler"),
    ],
)
@pytest.mark.parametrize("depth", [0, 1, 2, 50])
def test_flags_of_every_parent_count(name, field, depth):
    """Whatever the post says of itself, a mark on any parent is a mark on it."""
    marked = gallery(A) | {name: "moderator" if name == "removed_by_category" else True}
    clear = {"over_18": False, "is_video": False, "removed_by_category": None, "spoiler": False}
    flags = read_post(nested(depth, marked) | ({} if depth == 0 else clear), resolve_or_ask).flags
    assert flags == PostFlags(**{field: True})


def test_the_second_parent_s_flags_count():
    """Not those of the first alone."""
    post = child(gallery(A), gallery(B, over_18=True))
    assert read_post(post, resolve_or_ask).flags.over_18


def test_a_post_without_flags():
    """Absent is not marked."""
    assert read_post({"over_18": None}, resolve_or_ask).flags == PostFlags()


@pytest.mark.parametrize(
    ("post", "cause"),
    [
        (None, "it is no JSON object"),
        ([gallery(A)], "it is no JSON object"),
        ("<html>", "it is no JSON object"),
        (nested(64, gallery(A)), "it has over 63 parents"),
        (nested(10_000, gallery(A)), "it has over 63 parents"),
        (child(*({} for _ in range(100_000))), "it has over 63 parents"),
    ],
)
def test_what_is_no_post(post, cause):
    """One error, of one type; a mark that was not seen is never taken for none."""
    with pytest.raises(BadPost) as caught:
        read_post(post, resolve_or_ask)
    assert caught.value.cause == cause


def test_circles():
    """Posts that are their own parents, by id or in fact, come to an end, and their flags count."""
    one, two = gallery(A, id="1"), child(id="2", over_18=True)
    one["crosspost_parent_list"], two["crosspost_parent_list"] = [two, one], [one]
    post = read_post(one, resolve_or_ask)
    assert url_texts(post.images) == files(A)
    assert post.flags.over_18
    same_id = child(child(gallery(A, id="2child"), id="2child", is_video=True))
    post = read_post(same_id, resolve_or_ask)
    assert post.flags.is_video
    assert post.images == NOTHING


def test_previews_are_the_last_resort():
    """When nothing answers for the link they are left."""
    post = read_post({"url": "https://imgur.com/a/AbCdE12", "preview": PREVIEW}, resolve_or_ask)
    answers = Answers()
    assert url_texts(answers.images(post.images)) == [COPY]
    assert answers.asked == ["IMGUR_API", "PAGE"]
    page = "<meta property=og:image content=https://i.imgur.com/dXy1z.jpg>"
    assert url_texts(Answers(PAGE=page).images(post.images)) == ["https://i.imgur.com/dXy1z.jpg"]


def test_a_link_s_inline_media_come_after_the_link():
    """A link post with pictures in its text: those count if the link has none."""
    post = {"url": "https://h.example/page", "media_metadata": media(A), "preview": PREVIEW}
    resolution = read_post(post, resolve_or_ask).images
    assert isinstance(resolution, Ask)
    assert resolution.kind is AskKind.PAGE
    assert url_texts(Answers().images(resolution)) == files(A)
    assert url_texts(Answers(PAGE="<img src=b.jpg>").images(resolution)) == [
        "https://h.example/b.jpg"
    ]


def test_a_link_to_another_post():
    """It is asked of the API; one to the post itself or a parent is not."""
    other = {"id": "9other", "url": POST}
    resolution = read_post(other, resolve_or_ask).images
    assert isinstance(resolution, Ask)
    assert resolution.url.text == "https://oauth.reddit.com/api/info?raw_json=1&id=t3_1abcd"
    assert read_post(child({"id": "1abcd"}, url=POST), resolve_or_ask).images == NOTHING


def test_titles():
    """One clean line."""
    assert read_post({"title": " A\nlake\u202e "}, resolve_or_ask).title == "A lake"
    assert read_post({"title": ["A"]}, resolve_or_ask).title == ""


def test_what_a_post_says_of_itself():
    """Id, time, author, flair, community, page, and nomad's thirteen fields; absent ones are left out."""
    post = {
        "id": "1abcd", "created_utc": 1_700_000_000.0, "author": "ansel", "subreddit": "EarthPorn",
        "permalink": "/r/EarthPorn/comments/1abcd/a_lake/", "link_flair_text": " OC ", "url": OWN,
        "title": "A lake", "score": 7, "is_video": False,
    }  # fmt: skip
    read = read_post(post, resolve_or_ask)
    assert (read.post_id, read.time, read.author) == ("1abcd", 1_700_000_000.0, "ansel")
    assert (read.flair, read.community) == ("OC", "reddit:r/EarthPorn")
    assert read.page_url == f"https://www.reddit.com{post['permalink']}"
    assert read.facts == {
        name: post[name] for name in post if name not in ("score", "link_flair_text")
    }


def test_what_strangers_say_of_a_post():
    """Wrong types, names that are none and permalinks that lead elsewhere say nothing."""
    odd = {
        "id": 7, "created_utc": True, "author": "[deleted]", "subreddit": "a/../b", "permalink": "https://evil.example/",
        "link_flair_text": None,
    }  # fmt: skip
    read = read_post(odd, resolve_or_ask)
    assert (read.post_id, read.time, read.author, read.flair) == ("", None, "", "")
    assert (read.community, read.page_url) == ("", "")
    for time in (-1, 0, float("nan"), float("inf"), 10**20, "soon"):
        assert read_post({"created_utc": time}, resolve_or_ask).time is None
    assert read_post({"created_utc": "1293840000"}, resolve_or_ask).time == 1_293_840_000.0


def test_communities_of_parents():
    """Each once, people's own pages as such."""
    parents = [
        gallery(A, subreddit="EarthPorn"),
        gallery(B, subreddit="u_ansel"),
        {"subreddit": "EarthPorn"},
    ]
    assert read_post(child(*parents), resolve_or_ask).parents == (
        "reddit:r/EarthPorn",
        "reddit:u/ansel",
    )


PREFIXES = (
    "https://www.reddit.com",
    "https://old.reddit.com",
    "http://reddit.com",
    "https://de.reddit.com",
)
PATHS = (
    "/r/a/comments/1aBcd/a_lake/",
    "/r/a/comments/1abcd",
    "/comments/1abcd",
    "/gallery/1abcd",
    "/user/a/comments/1abcd/x/k9",
)


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        *((prefix + path, "1abcd") for prefix, path in itertools.product(PREFIXES, PATHS)),
        ("https://redd.it/1abcd", "1abcd"),
        ("https://www.reddit.com/r/earthporn/", ""),
        ("https://www.reddit.com/r/a/s/AbCdEf", ""),
        ("https://www.reddit.com/gallery/", ""),
        ("https://www.reddit.com/gallery/%C3%A9", ""),
        ("https://redd.it/", ""),
        ("https://i.redd.it/1abcd", ""),
        ("https://evilreddit.com/gallery/1abcd", ""),
        ("https://reddit.com.evil.org/gallery/1abcd", ""),
    ],
)
def test_addresses_of_posts(address, expected):
    """Every form of a post's address has its id, nothing else has one."""
    assert reddit_post_id(parse_url(address)) == expected
