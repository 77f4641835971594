"""The Arctic Shift API on loopback, as its documentation describes it.

After https://github.com/ArthurHeitmann/arctic_shift/blob/master/api/README.md, and what users report of it
(https://github.com/ArthurHeitmann/arctic_shift/issues/12 and 66):

- `GET /api/posts/search?subreddit=|author=&after=&before=&limit=&sort=&fields=` gives `{"data": [post, …]}`; each post
  is the whole object that Reddit gave (`t3`'s `data`), without `fields` all of it. There is no cursor and no total.
- `subreddit`, `author`: in any case; a prefix `r/` or `u/` is ignored.
- `after`, `before`: seconds or milliseconds since 1970, or a date. Whether the second itself is in the window is not
  documented: `is_inclusive` decides.
- `limit`: 1 to 100 (or `auto`), 25 if it is not given. `sort`: `asc` or `desc` by `created_utc`.
- A bad parameter gives 400, what takes too long 422, both with `{"data": null, "error": "…"}`; that was seen with
  status 200 as well.
- `X-RateLimit-Remaining` says how many requests are left, `X-RateLimit-Reset` when there are new ones.
- `_meta` of a post is what was found 36 hours later: `removal_type`, `was_deleted_later`, `was_initially_deleted`
  (https://github.com/ArthurHeitmann/arctic_shift/blob/master/file_content_explanations.md).
"""

from __future__ import annotations

import itertools
import json
from datetime import UTC, datetime

from benchmarks.sourcing.reddit_posts import RedditPosts
from tests.faithful.api_server import ApiServer, Scripted, json_response

FIRST_TIME = 1_733_011_200
_PARAMETERS = frozenset({"subreddit", "author", "after", "before", "limit", "sort", "fields"})
_CHOOSABLE = frozenset(
    {"author", "created_utc", "id", "subreddit", "title", "selftext", "url", "over_18", "spoiler"}
)


def archived(times, *, subreddit="EarthPorn", author=None):
    """Posts of one community at these seconds behind the first, of all shapes that there are."""
    drawn = RedditPosts(seed=3, first_time=FIRST_TIME, per_day=86_400)
    posts = list(itertools.islice(drawn, len(times)))
    name = {} if author is None else {"author": author}
    return [
        post | {"subreddit": subreddit, "created_utc": FIRST_TIME + time} | name
        for post, time in zip(posts, times, strict=True)
    ]


def error(text, status=200):
    """An error of the service."""
    body = json.dumps({"data": None, "error": text}).encode()
    return Scripted(status=status, body=body)


TOO_SLOW = error("Timeout. Maybe slow down a bit", 422)


class ArcticShiftServer(ApiServer):
    """An archive.

    Attributes:
        posts: What it has, in any order.
        is_inclusive: Whether `after` and `before` are in the window.
        heavy_limit: Windows of more posts than this take too long.
        rate_limit: The values of the two headers.
    """

    def __init__(self, posts=(), *, is_inclusive=False):
        super().__init__()
        self.posts = list(posts)
        self.is_inclusive = is_inclusive
        self.heavy_limit = 100
        self.rate_limit = ("1999", "57")

    def answer(self, request):
        """The earliest or newest posts of the window."""
        names = ("X-RateLimit-Remaining", "X-RateLimit-Reset")
        headers = dict(zip(names, self.rate_limit, strict=True))
        if request.path != "/api/posts/search":
            return json_response({"data": None, "error": "Not found"}, status=404, headers=headers)
        query = request.query
        problem = _problem(query)
        if problem:
            return json_response({"data": None, "error": problem}, status=400, headers=headers)
        limit = int(query.get("limit", "25"))
        if limit > self.heavy_limit:
            return json_response(json.loads(TOO_SLOW.body), status=422, headers=headers)
        found = [post for post in self.posts if self._is_asked_for(post, query)]
        found.sort(key=lambda post: post["created_utc"], reverse=query.get("sort") == "desc")
        fields = query.get("fields")
        shown = [_chosen(post, fields) for post in found[:limit]]
        return json_response({"data": shown}, headers=headers)

    def _is_asked_for(self, post, query):
        for parameter in ("subreddit", "author"):
            name = query.get(parameter, "").removeprefix("r/").removeprefix("u/")
            if name and post[parameter].lower() != name.lower():
                return False
        edge = int(self.is_inclusive)
        after, before = (_second(query.get(name)) for name in ("after", "before"))
        is_late = after is None or after < post["created_utc"] + edge
        return is_late and (before is None or post["created_utc"] < before + edge)


def _problem(query):
    unknown = set(query) - _PARAMETERS
    if unknown:
        return f"Unknown parameter {min(unknown)!r}"
    if not query.get("subreddit") and not query.get("author"):
        return "Either author or subreddit is required"
    if query.get("sort", "asc") not in ("asc", "desc"):
        return "'sort' must be asc or desc"
    limit = query.get("limit", "25")
    if not limit.isdigit() or not 1 <= int(limit) <= 100:
        return "'limit' must be between 1 and 100"
    if set(filter(None, query.get("fields", "").split(","))) - _CHOOSABLE:
        return "Unknown field"
    return ""


def _second(text):
    """Seconds, milliseconds or a date."""
    if not text:
        return None
    if not text.isdigit():
        return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()
    number = int(text)
    return number / 1_000 if number > 10**11 else number


def _chosen(post, fields):
    names = fields.split(",") if fields else post
    return {name: post[name] for name in names if name in post}
