"""Reddit on loopback: the token endpoint, listings, `api/info` and feeds, as its public documentation describes them.

- `POST /www/api/v1/access_token` with HTTP Basic (client id and secret) and `grant_type=client_credentials` gives
  `access_token`, `token_type`, `expires_in` (seconds) and `scope`; a wrong secret gives 401
  (https://github.com/reddit-archive/reddit/wiki/OAuth2#application-only-oauth).
- `GET /oauth/r/NAME/new?limit=&after=` with `Authorization: bearer` gives `{"kind": "Listing", "data": {"after",
  "before", "dist", "modhash", "children": [{"kind": "t3", "data"}]}}`; `limit` is at most 100, `after` is the `name` of
  the last post before the page and null on the last page, and the listing ends after about 1,000 posts
  (https://www.reddit.com/dev/api#listings).
- `GET /oauth/api/info?id=t3_a,t3_b` gives a listing of those posts.
- `x-ratelimit-remaining` (a float), `-used` and `-reset` (seconds) come with every answer of the API.
- `GET /www/r/NAME/new/.rss?limit=&after=` gives an Atom feed (https://www.reddit.com/wiki/rss).
"""

from __future__ import annotations

import base64
from collections import deque
from xml.sax.saxutils import escape, quoteattr

from aiohttp import web

from services.crawler.sources.credentials import Credentials

CLIENT_ID, CLIENT_SECRET = "client-4711", "secret-0815"
CREDENTIALS = Credentials(reddit_client_id=CLIENT_ID, reddit_client_secret=CLIENT_SECRET)
_TOKEN = "token-of-the-application"
_CEILING_POSTS = 1_000


class RedditServer:
    """An async context manager.

    Attributes:
        places: Posts by path below `/oauth/` (`r/earthporn/new`), newest first.
        asked: What was asked for: paths with their queries, tokens apart.
        tokens: How many tokens were asked for.
        agents: The User-Agents that came.
        odd: What answers next instead: a response, or a function of the request that makes one.
        odd_token: The same for the token endpoint.
        rate: The three headers of the rate limit, without `x-ratelimit-`.
    """

    def __init__(self) -> None:
        self.places = {}
        self.asked = []
        self.tokens = 0
        self.token = _TOKEN
        self.agents = set()
        self.odd = deque()
        self.odd_token = deque()
        self.rate = {"remaining": "995.0", "used": "5", "reset": "590"}

    async def __aenter__(self):
        app = web.Application()
        app.router.add_post("/www/api/v1/access_token", self._give_token)
        app.router.add_get("/oauth/api/info", self._info)
        app.router.add_get("/oauth/{path:.+}", self._listing)
        app.router.add_get("/www/{path:.+}/.rss", self._feed)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_error):
        await self._runner.cleanup()

    def api_base(self, base):
        """Where an interface of Reddit's is."""
        root = f"http://127.0.0.1:{self.port}"
        return {
            "https://oauth.reddit.com": f"{root}/oauth",
            "https://www.reddit.com": f"{root}/www",
        }[base]

    async def _give_token(self, request):
        self.tokens += 1
        if self.odd_token:
            return _made(self.odd_token.popleft(), request)
        pair = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
        form = await request.post()
        if request.headers.get("Authorization") != f"Basic {pair}":
            return web.json_response({"message": "Unauthorized", "error": 401}, status=401)
        if form.get("grant_type") != "client_credentials":
            return web.json_response({"error": "unsupported_grant_type"})
        return web.json_response(
            {
                "access_token": self.token,
                "token_type": "bearer",
                "expires_in": 86_400,
                "scope": "*",
            }
        )

    async def _listing(self, request):
        return self._answer(request, lambda: self._page(request))

    async def _info(self, request):
        names = request.query["id"].split(",")
        known = {post["name"]: post for posts in self.places.values() for post in posts}
        found = [known[name] for name in names if name in known]
        return self._answer(request, lambda: _listing(found, after=None))

    def _answer(self, request, body):
        self.asked.append(request.path_qs.removeprefix("/oauth/"))
        self.agents.add(request.headers.get("User-Agent"))
        headers = {f"x-ratelimit-{name}": value for name, value in self.rate.items()}
        if request.headers.get("Authorization") != f"bearer {self.token}":
            told = headers | {"www-authenticate": 'Bearer realm="reddit", error="invalid_token"'}
            return web.json_response({"error": 401}, status=401, headers=told)
        if self.odd:
            return _made(self.odd.popleft(), request)
        page = body()
        if page is None:
            search = "https://www.reddit.com/subreddits/search"
            return web.Response(status=302, headers=headers | {"Location": search})
        return web.json_response(page, headers=headers)

    def _page(self, request):
        posts = self.places.get(request.match_info["path"].lower())
        if posts is None:
            return None
        shown, after = _cut(posts[:_CEILING_POSTS], request)
        return _listing(shown, after=after)

    async def _feed(self, request):
        self.asked.append(request.path_qs.removeprefix("/www/"))
        self.agents.add(request.headers.get("User-Agent"))
        if self.odd:
            return _made(self.odd.popleft(), request)
        place = request.match_info["path"].lower()
        if place not in self.places:
            return web.Response(status=404, text="<html>page not found</html>")
        shown, _ = _cut(self.places[place][:_CEILING_POSTS], request)
        text = feed_of(shown, place=place)
        return web.Response(text=text, content_type="application/atom+xml")


def _made(answer, request):
    return answer(request) if callable(answer) else answer


def _cut(posts, request):
    """The posts of the page that is asked for, and the `after` of the next."""
    names = [post.get("name") for post in posts]
    after = request.query.get("after")
    start = names.index(after) + 1 if after in names else 0
    end = start + min(int(request.query.get("limit", "25")), 100)
    return posts[start:end], names[end - 1] if end < len(posts) else None


def _listing(posts, *, after):
    children = [{"kind": "t3", "data": post} for post in posts]
    data = {"after": after, "before": None, "dist": len(children), "modhash": None}
    return {"kind": "Listing", "data": data | {"children": children}}


def feed_of(posts, *, place):
    """The Atom feed of some posts."""
    entries = "".join(map(_entry, posts))
    return (
        '<?xml version="1.0" encoding="UTF-8"?><feed xmlns="http://www.w3.org/2005/Atom" '
        'xmlns:media="http://search.yahoo.com/mrss/"><updated>2026-11-22T08:00:00+00:00</updated>'
        f"<id>/{escape(place)}/.rss</id><title>newest submissions</title>{entries}</feed>"
    )


def _entry(post):
    """An entry: its content is a table with the thumbnail, the author, and two links."""
    page = f"https://www.reddit.com{post['permalink']}"
    link = post.get("url") or page
    images = post.get("preview", {}).get("images", [])
    shown = images[0]["source"]["url"] if images else ""
    thumbnail = f"<media:thumbnail url={quoteattr(shown)} />" if shown else ""
    table = (
        f'<table> <tr><td> <a href={quoteattr(page)}> <img src={quoteattr(shown)} alt="lake" /> </a> </td><td>'
        if shown
        else f'<!-- SC_OFF --><div class="md"><p>{escape(post["selftext"])}</p> </div><!-- SC_ON -->'
    )
    content = (
        f'{table} &#32; submitted by &#32; <a href="https://www.reddit.com/user/{post["author"]}"> '
        f"/u/{post['author']} </a> <br/> <span><a href={quoteattr(link)}>[link]</a></span> &#32; "
        f"<span><a href={quoteattr(page)}>[comments]</a></span>"
    )
    community = post["subreddit"]
    return (
        f"<entry><author><name>/u/{post['author']}</name>"
        f"<uri>https://www.reddit.com/user/{post['author']}</uri></author>"
        f'<category term="{community}" label="r/{community}"/>'
        f'<content type="html">{escape(content)}</content><id>{post["name"]}</id>{thumbnail}'
        f"<link href={quoteattr(page)} /><updated>2026-11-22T08:00:00+00:00</updated>"
        f"<published>2026-11-22T07:00:00+00:00</published><title>{escape(post['title'])}</title></entry>"
    )
