from __future__ import annotations

import pytest

from services.crawler.resolvers.reddit_post import BadPost
from services.crawler.resolvers.resolution import NOTHING
from services.crawler.sources.archived_post import read_archived_post

THERE = {"id": "x", "title": "x", "url": "https://i.redd.it/abcdefg.jpg", "author": "a"}


@pytest.mark.parametrize(
    "change",
    [
        {"_meta": {"removal_type": "moderator"}},
        {"_meta": {"was_deleted_later": True, "removal_type": "deleted"}},
        {"_meta": {"was_deleted_later": True, "was_initially_deleted": True}},
        {"author": "[deleted]"},
        {"author": "[removed]"},
        {"crosspost_parent_list": [{"author": "[deleted]"}]},
        {"removed_by_category": "moderator"},
    ],
)
def test_what_an_archive_knows_as_removed_is_removed(change):
    """By the archive's second look, or by its author, a parent's too; its images are not listed."""
    post = read_archived_post(THERE | change)
    assert post.flags.is_removed
    assert post.images == NOTHING


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"_meta": {"was_initially_deleted": True, "removal_type": "automod_filtered"}},
        {"_meta": {"retrieved_2nd_on": 1, "is_edited": True}},
        {"_meta": "nonsense", "author": None, "crosspost_parent_list": {"author": "[deleted]"}},
        {"author": ["[deleted]"]},
    ],
)
def test_what_is_there_or_came_back_is_not(change):
    """Also where strangers wrote something else than an archive would."""
    post = read_archived_post(THERE | change)
    assert not post.flags.is_removed
    assert [image.url.text for image in post.images.images] == [THERE["url"]]


@pytest.mark.parametrize("entry", [None, 7, "x", []])
def test_what_is_no_post_says_so(entry):
    """As for every post of Reddit."""
    with pytest.raises(BadPost):
        read_archived_post(entry)
