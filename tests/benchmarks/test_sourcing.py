from __future__ import annotations

import itertools
from collections import Counter

import orjson
from backports import zstd

from benchmarks.sourcing import day, stream
from benchmarks.sourcing.reddit_posts import RedditPosts
from services.crawler.post_rules import PostGates, PostRules
from services.crawler.sources.archived_post import read_archived_post

POSTS = list(
    itertools.islice(RedditPosts(seed=11, first_time=1_733_011_200, per_day=500_000), 2_000)
)


def dump_of(posts, folder):
    lines = b"".join(orjson.dumps(post) + b"\n" for post in posts)
    path = folder / "RS_2024-12.zst"
    path.write_bytes(zstd.compress(lines))
    return path, len(lines)


async def test_every_post_of_a_day_is_accounted_for(tmp_path):
    """Each is listed or counted under one reason, and each listing is in the catalogue, once."""
    dump, _ = dump_of(POSTS, tmp_path)
    report = await day.measure(dump, tmp_path / "data")
    gates = PostGates(PostRules())
    turned_away = Counter(gates.turn_away(read_archived_post(post)) for post in POSTS)
    passed = turned_away.pop(None)
    counts = dict(report["posts_by_reason"])
    without = counts.pop("NO_IMAGES", 0) + counts.pop("UNRESOLVED", 0)
    assert counts.pop("LISTED") + without == passed
    assert counts == turned_away
    assert report["posts"] == len(POSTS)
    assert report["found"] == report["in_catalogue"] == report["listed"] > 1_000
    assert set(report["asked"]) >= {"PAGE", "IMGUR_API"}
    assert (report["state"], report["problem"]) == ("DONE", "")


async def test_a_dump_is_streamed_whole_and_resumed_at_its_next_post(tmp_path):
    """All posts and bytes; those of one subreddit; and from the middle on the post that comes next."""
    dump, size_bytes = dump_of(POSTS, tmp_path)
    name = POSTS[0]["subreddit"]
    report = await stream.measure(dump, size_bytes, name)
    assert report["whole"]["posts"] == len(POSTS)
    assert report["whole"]["bytes"] == size_bytes
    assert report["one_subreddit"]["posts"] == sum(post["subreddit"] == name for post in POSTS)
    assert report["resumed"]["is_the_next_post"]


def test_the_posts_have_the_shares_of_a_real_month():
    """Within a few percent of what the archive counted in December 2024."""
    share = {
        "galleries": sum("gallery_data" in post for post in POSTS),
        "previews": sum("preview" in post for post in POSTS),
        "crossposts": sum("crosspost_parent_list" in post for post in POSTS),
        "links": sum("url_overridden_by_dest" in post for post in POSTS),
        "gone": sum(post["_meta"].get("was_deleted_later", False) for post in POSTS),
    }
    counted = {
        "galleries": 0.108,
        "previews": 0.486,
        "crossposts": 0.033,
        "links": 0.598,
        "gone": 0.18,
    }
    for name, expected in counted.items():
        assert abs(share[name] / len(POSTS) - expected) < 0.05, name
