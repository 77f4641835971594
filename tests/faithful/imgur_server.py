"""Imgur's API, version 3, as https://apidocs.imgur.com and https://api.imgur.com/models describe it.

- Every answer is `{"data": …, "success": …, "status": …}`; errors have `data.error`, `data.request` and `data.method`.
- `Authorization: Client-ID …`; without one, 401; with an unknown one, 403 and `Invalid client_id`.
- `gallery/{section}/{sort}/{window}/{page}`: a list of gallery images and gallery albums; an album shows its first
  three images and says how many it has. Past the last page the list is empty.
- `gallery/t/{tag}/{sort}/{window}/{page}`: the same inside `items`.
- `account/{name}/submissions/{page}/{sort}`: a list. `album/{id}`: an album with all its images; `album/{id}/images`:
  these.
- What moves has `animated`, and `mp4`; what was uploaded as a film is `video/mp4`. `nsfw` may be null.
- Of an image that is gone the link is `https://i.imgur.com/removed.png`, which its old address redirects to.
- Headers: `X-RateLimit-UserLimit`, `-UserRemaining`, `-UserReset` (seconds since 1970), `-ClientLimit`,
  `-ClientRemaining`.
- Too much: 429, or 403 with a page that says that Imgur is over capacity.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

from aiohttp import web

from tests.faithful.api_server import ApiServer, json_response

CLIENT_ID = "0123456789abcde"
_NUMBERS = itertools.count(1)


def _next_id():
    return f"Id{next(_NUMBERS):05}"


@dataclass
class Image:
    """An image, or a film."""

    type: str = "image/jpeg"
    title: str | None = None
    description: str | None = None
    nsfw: bool | None = None
    is_removed: bool = False
    image_id: str = field(default_factory=_next_id)

    def model(self):
        suffix = {"image/jpeg": "jpg", "image/png": "png", "image/gif": "gif", "video/mp4": "mp4"}[
            self.type
        ]
        moves = suffix in ("gif", "mp4")
        name = "removed.png" if self.is_removed else f"{self.image_id}.{suffix}"
        facts = {
            "id": self.image_id, "title": self.title, "description": self.description, "datetime": 1_700_000_000,
            "type": self.type, "animated": moves, "width": 4000, "height": 3000, "size": 2_000_000, "views": 12,
            "bandwidth": 24_000_000, "vote": None, "favorite": False, "nsfw": self.nsfw, "section": None,
            "account_url": None, "account_id": None, "is_ad": False, "in_most_viral": False, "has_sound": False,
            "tags": [], "ad_type": 0, "ad_url": "", "edited": "0", "in_gallery": False,
            "link": f"https://i.imgur.com/{name}",
        }  # fmt: skip
        return facts | (
            {"mp4": f"https://i.imgur.com/{self.image_id}.mp4", "looping": True} if moves else {}
        )


@dataclass
class Post:
    """What people submit to the gallery: an image, or an album of them."""

    images: list
    title: str = "A lake"
    account: str | None = "Ann"
    time: int = 1_700_000_000
    nsfw: bool | None = False
    is_album: bool = True
    tags: tuple = ("landscape",)
    post_id: str = field(default_factory=_next_id)

    def model(self, *, previews=3):
        facts = {
            "id": self.post_id, "title": self.title, "description": None, "datetime": self.time,
            "account_url": self.account, "account_id": 7 if self.account else None, "views": 120, "vote": None,
            "favorite": False, "nsfw": self.nsfw, "section": "", "comment_count": 3, "favorite_count": 4,
            "topic": "No Topic", "topic_id": 29, "in_gallery": True, "in_most_viral": True, "is_ad": False,
            "ups": 10, "downs": 1, "points": 9, "score": 9, "is_album": self.is_album,
            "tags": [{"name": tag, "display_name": tag, "followers": 1, "total_items": 2} for tag in self.tags],
        }  # fmt: skip
        if not self.is_album:
            own = {name: facts[name] for name in facts if name != "nsfw" or self.nsfw is not None}
            return self.images[0].model() | own
        shown = [image.model() for image in self.images[:previews]]
        return facts | {
            "cover": self.images[0].image_id if self.images else None,
            "cover_width": 4000, "cover_height": 3000, "privacy": "hidden", "layout": "blog",
            "link": f"https://imgur.com/a/{self.post_id}", "images_count": len(self.images), "images": shown,
        }  # fmt: skip


def picture(**changed):
    """A post of one image."""
    return Post([Image()], is_album=False, **changed)


class ImgurServer(ApiServer):
    """Imgur; tests fill `posts`, newest first.

    Attributes:
        per_page: Posts of a page.
        user_remaining: Credits of this address, one less with each request.
        client_remaining: The same of the client.
        user_reset: When the former come back, seconds since 1970.
        loops: Whether every page is the first.
    """

    def __init__(self):
        super().__init__()
        self.posts = []
        self.per_page = 60
        self.user_remaining = 500
        self.client_remaining = 12_500
        self.user_reset = 0
        self.loops = False

    def answer(self, request: web.Request) -> web.Response:
        self.user_remaining -= 1
        self.client_remaining -= 1
        word, _, client_id = request.headers.get("Authorization", "").partition(" ")
        if word != "Client-ID":
            return self._error(request, 401, "Authentication required")
        if client_id != CLIENT_ID:
            return self._error(request, 403, "Invalid client_id")
        return self._answer(request)

    def _answer(self, request):
        match request.path.strip("/").split("/"):
            case ["3", "gallery", "t", tag, _, _, page]:
                found = [post for post in self.posts if tag in post.tags]
                items = self._page(found, page)
                data = {"name": tag, "followers": 9, "total_items": len(found), "items": items}
                return self._data(data)
            case ["3", "gallery", "hot" | "top" | "user", "time" | "viral" | "top", _, page]:
                return self._data(self._page(self.posts, page))
            case ["3", "account", name, "submissions", page, "newest"]:
                mine = [post for post in self.posts if (post.account or "").lower() == name]
                return self._data(self._page(mine, page))
            case ["3", "album", album_id, *rest]:
                return self._album(request, album_id, rest)
        return self._error(request, 404, "Unable to find an endpoint")

    def _album(self, request, album_id, rest):
        found = next((post for post in self.posts if post.post_id == album_id), None)
        if found is None or not found.is_album:
            return self._error(request, 404, f"Unable to find an album with the id, {album_id}")
        model = found.model(previews=None)
        return self._data(model["images"] if rest == ["images"] else model)

    def _page(self, found, page):
        start = 0 if self.loops else int(page) * self.per_page
        return [post.model() for post in found[start : start + self.per_page]]

    def _data(self, data):
        body = {"data": data, "success": True, "status": 200}
        return json_response(body, headers=self._headers())

    def _error(self, request, status, message):
        data = {"error": message, "request": request.path, "method": request.method}
        body = {"data": data, "success": False, "status": status}
        return json_response(body, status=status, headers=self._headers())

    def _headers(self):
        return {
            "X-RateLimit-UserLimit": "500",
            "X-RateLimit-UserRemaining": str(self.user_remaining),
            "X-RateLimit-UserReset": str(self.user_reset),
            "X-RateLimit-ClientLimit": "12500",
            "X-RateLimit-ClientRemaining": str(self.client_remaining),
        }
