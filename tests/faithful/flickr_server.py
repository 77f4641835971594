"""Flickr's REST API in JSON, as https://www.flickr.com/services/api/ documents it.

- `format=json&nojsoncallback=1`: `stat` is `ok` or `fail`; failures have `code` and `message` and status 200.
- flickr.photos.search: `text`, `tags` with `tag_mode`, `user_id`, `license`, `min_upload_date` and `max_upload_date`
  (both inclusive), `sort`, `media`; 500 a page at most, 4,000 results at most: pages behind them repeat the last one.
- flickr.groups.pools.getPhotos: newest in the pool first, with `dateadded`. Errors 1 (no such group), 2 (not for you).
- flickr.urls.lookupUser and lookupGroup: the id behind a page's address. Error 1 if there is none.
- flickr.photos.getSizes: the sizes of one photo. Error 1 if it is gone.
- Numbers come as numbers in some places and as strings in others. `url_o` is there only if its owner lets it be seen.
- Errors 100 (invalid key) and 105 (service unavailable) of every method; HTTP 429 from the servers before it.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

from aiohttp import web

from tests.faithful.api_server import ApiServer, json_response

KEY = "0123456789abcdef0123456789abcdef"
ANN = "12037949754@N01"
_SIDES = {"l": 1024, "h": 1600, "k": 2048, "3k": 3072, "4k": 4096, "5k": 5120, "6k": 6144}


@dataclass
class Photo:
    """A photo; `width` and `height` are the original's, `has_original` whether it is shown."""

    title: str = "A lake"
    owner: str = ANN
    license: str = "4"
    date: int = 1_700_000_000
    tags: str = "lake water"
    media: str = "photo"
    alias: str | None = "ann"
    width: int = 4_000
    height: int = 3_000
    has_original: bool = True
    has_sizes: bool = True
    photo_id: str = field(default_factory=lambda: str(next(_IDS)))

    def sizes(self):
        """Address, width and height by the letters of the size."""
        longer = max(self.width, self.height)
        for letter, side in _SIDES.items():
            if self.has_sizes and side <= longer:
                shrink = side / longer
                yield letter, round(self.width * shrink), round(self.height * shrink)
        if self.has_sizes and self.has_original:
            yield "o", self.width, self.height

    def url(self, letter):
        return f"https://live.staticflickr.com/65535/{self.photo_id}_0123456789_{letter}.jpg"


_IDS = itertools.count(53_000_000_000)


class FlickrServer(ApiServer):
    """Flickr; tests fill `photos`, `groups` (photos by id, newest first) and `paths` (ids by path).

    Attributes:
        private_groups: Their ids.
        loops: Whether every page of a list is its first.
    """

    def __init__(self):
        super().__init__()
        self.photos = []
        self.groups = {}
        self.paths = {"ann": ANN}
        self.private_groups = set()
        self.loops = False

    def answer(self, request: web.Request) -> web.Response:
        asked = dict(request.query)
        if request.path != "/services/rest/":
            return web.Response(status=404, text="<html>Page not found</html>")
        assert (asked["format"], asked["nojsoncallback"]) == ("json", "1")
        if asked.get("api_key") != KEY:
            return fail(100, "Invalid API Key (Key has invalid format)")
        methods = {
            "flickr.photos.search": self._search,
            "flickr.groups.pools.getPhotos": self._pool,
            "flickr.urls.lookupUser": self._lookup,
            "flickr.urls.lookupGroup": self._lookup,
            "flickr.photos.getSizes": self._sizes,
        }
        if asked["method"] not in methods:
            return fail(112, f'Method "{asked["method"]}" not found')
        return methods[asked["method"]](asked)

    def _search(self, asked):
        found = [photo for photo in self.photos if _matches(photo, asked)]
        if not {"text", "tags", "user_id", "group_id"} & asked.keys():
            return fail(
                3,
                "Parameterless searches have been disabled. Please use flickr.photos.getRecent instead.",
            )
        if asked.get("user_id", ANN) not in {photo.owner for photo in self.photos} | {ANN}:
            return fail(2, "Unknown user")
        if asked["sort"].startswith("date-posted"):
            found.sort(
                key=lambda photo: (photo.date, photo.photo_id),
                reverse=asked["sort"].endswith("desc"),
            )
        return self._list(found, asked, ceiling=4_000)

    def _pool(self, asked):
        group = asked["group_id"]
        if group in self.private_groups:
            return fail(2, "You don't have permission to view this group")
        if group not in self.groups:
            return fail(1, "Group not found")
        return self._list(self.groups[group], asked, pool=True)

    def _list(self, found, asked, *, ceiling=None, pool=False):
        per_page, page = min(int(asked["per_page"]), 500), int(asked["page"])
        pages = -(-len(found) // per_page)
        shown = page if ceiling is None else min(page, ceiling // per_page)
        start = 0 if self.loops else (shown - 1) * per_page
        entries = [_entry(photo, asked, pool=pool) for photo in found[start : start + per_page]]
        body = {
            "page": page,
            "pages": pages,
            "perpage": per_page,
            "total": str(len(found)),
            "photo": entries,
        }
        return json_response({"photos": body, "stat": "ok"})

    def _lookup(self, asked):
        kind = "user" if asked["method"].endswith("User") else "group"
        folder = "photos" if kind == "user" else "groups"
        path = asked["url"].removeprefix(f"https://www.flickr.com/{folder}/").strip("/")
        if path not in self.paths:
            return fail(1, f"{kind.capitalize()} not found")
        name = {"username" if kind == "user" else "groupname": {"_content": path.title()}}
        return json_response({kind: {"id": self.paths[path]} | name, "stat": "ok"})

    def _sizes(self, asked):
        found = next((one for one in self.photos if one.photo_id == asked["photo_id"]), None)
        if found is None:
            return fail(1, "Photo not found")
        sizes = [
            {
                "label": "Large 1600",
                "width": 1600,
                "height": "1067",
                "source": found.url("h"),
                "media": found.media,
            }
        ]
        body = {"canblog": 0, "canprint": 0, "candownload": 1, "size": sizes}
        return json_response({"sizes": body, "stat": "ok"})


def _matches(photo, asked):
    if asked.get("text", "").lower() not in f"{photo.title} {photo.tags}".lower():
        return False
    if not set(asked.get("tags", "").split(",")) - {""} <= set(photo.tags.split()):
        return False
    if asked.get("user_id", photo.owner) != photo.owner:
        return False
    if "license" in asked and photo.license not in asked["license"].split(","):
        return False
    is_before = photo.date <= int(asked.get("max_upload_date", photo.date))
    return is_before and photo.date >= int(asked.get("min_upload_date", photo.date))


def _entry(photo, asked, *, pool):
    extras = asked["extras"].split(",")
    entry = {
        "id": photo.photo_id, "owner": photo.owner, "secret": "0123456789", "server": "65535", "farm": 66,
        "title": photo.title, "ispublic": 1, "isfriend": 0, "isfamily": 0,
    }  # fmt: skip
    known = {
        "license": photo.license,
        "date_upload": ("dateupload", str(photo.date)),
        "owner_name": ("ownername", "Ann"),
        "tags": photo.tags,
        "media": photo.media,
        "path_alias": ("pathalias", photo.alias),
    }
    for extra in extras:
        if extra in known:
            value = known[extra]
            entry |= dict([value]) if isinstance(value, tuple) else {extra: value}
    if "media" in extras:
        entry["media_status"] = "ready"
    for letter, width, height in photo.sizes():
        if f"url_{letter}" in extras:
            entry |= {
                f"url_{letter}": photo.url(letter),
                f"width_{letter}": str(width),
                f"height_{letter}": height,
            }
    return entry | ({"dateadded": str(photo.date + 60)} if pool else {})


def fail(code, message):
    return json_response({"stat": "fail", "code": code, "message": message})
