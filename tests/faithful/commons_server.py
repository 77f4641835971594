"""A MediaWiki that answers queries as Wikimedia Commons documents them.

- API:Query (https://www.mediawiki.org/wiki/API:Query): format version 2, `continue`, `batchcomplete`, `curtimestamp`.
- API:Categorymembers: `cmtype` is ignored with `cmsort=timestamp`; `cmnamespace` filters after the limit ("miser
  mode"): answers may have fewer pages than asked for, or none, and still go on; `cmend` bounds by when a page came in.
- API:Allimages: `aiuser` with `aisort=timestamp`, `aidir`, `aiend`.
- API:Search: `gsroffset`, results in the order of their `index`, at most 10,000.
- API:Imageinfo: the fields of `iiprop`, `extmetadata` with HTML in it, `thumburl` for `iiurlwidth` (the original's own
  address if that is not wider), `filehidden` of deleted versions; at most `parts` files with `imageinfo` an answer, the
  others come with `iicontinue`.
- Errors (API:Errors_and_warnings, Manual:Maxlag_parameter): status 200, `error` with `code` and `info`, the header
  `MediaWiki-API-Error`, and for `maxlag` also `Retry-After` and `X-Database-Lag`.
"""

from __future__ import annotations

import itertools
import zlib
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

from aiohttp import web

from tests.faithful.api_server import ApiServer, Scripted, json_response

START = datetime(2026, 1, 1, tzinfo=UTC)
WIDTHS = (20, 40, 60, 120, 250, 330, 500, 960, 1280, 1920, 3840)
ARTIST = (
    '<a href="//commons.wikimedia.org/wiki/User:Ann" title="User:Ann">Ann</a> &amp; <bdi>Bo</bdi>'
)


def stamp(moment):
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass
class WikiFile:
    """A file and what the API says of it; `added` is when it came into its category, minutes after the start."""

    name: str
    added: float = 0.0
    mime: str = "image/jpeg"
    size: int = 4_000_000
    width: int = 4_000
    height: int = 3_000
    user: str = "Ann"
    metadata: dict = field(default_factory=dict)
    is_missing: bool = False
    is_hidden: bool = False
    bytes: bytes = b""
    page_id: int = field(default_factory=itertools.count(1_000).__next__)

    @property
    def address(self):
        """As in the wiki's own addresses."""
        return quote(self.name.replace(" ", "_"))

    @property
    def title(self):
        return f"File:{self.name}"

    @property
    def time(self):
        return START + timedelta(minutes=self.added)


class CommonsServer(ApiServer):
    """A wiki; tests fill `categories` and `subcategories`.

    Attributes:
        categories: Files by category title.
        subcategories: Titles by category title.
        now: The wiki's clock.
        parts: How many files an answer describes.
        loops: Whether continuations lead back to the beginning.
    """

    def __init__(self):
        super().__init__()
        self.categories = {}
        self.subcategories = {}
        self.now = START + timedelta(days=30)
        self.parts = 50
        self.loops = False

    @property
    def api(self):
        return f"{self.origin}/w/api.php"

    @property
    def files(self):
        """All files, each once, by name."""
        found = {file.name: file for files in self.categories.values() for file in files}
        return [found[name] for name in sorted(found)]

    def answer(self, request: web.Request) -> web.Response:
        if request.path == "/w/api.php":
            return self._query(dict(request.query))
        if request.path.startswith("/files/"):
            name = request.path.rpartition("/")[2].replace("_", " ")
            found = next(file for file in self.files if file.name.replace("_", " ") == name)
            return web.Response(body=found.bytes, content_type=found.mime)
        return web.Response(status=404)

    def _query(self, asked):
        if asked.get("action") != "query" or asked.get("formatversion") != "2":
            return error("badvalue", "Unrecognized value")
        answer = {"curtimestamp": stamp(self.now)}
        match asked.get("generator"):
            case "categorymembers":
                found = self._members(asked)
            case "allimages":
                found = self._uploads(asked)
            case "search":
                found = self._search(asked)
            case _:
                return json_response(answer | {"batchcomplete": True} | self._titles(asked))
        return json_response(answer | self._page(asked, *found))

    def _titles(self, asked):
        """`prop=categoryinfo` of a category that may have no page."""
        title = asked["titles"]
        files = self.categories.get(title, [])
        names = self.subcategories.get(title, [])
        if title not in self.categories and title not in self.subcategories:
            return {"query": {"pages": [{"ns": 14, "title": title, "missing": True}]}}
        counts = {"size": len(files) + len(names), "pages": 0, "files": len(files)}
        info = counts | {"subcats": len(names), "hidden": False}
        page = {"pageid": 7, "ns": 14, "title": title, "categoryinfo": info}
        return {"query": {"pages": [page]}}

    def _members(self, asked):
        title = asked["gcmtitle"]
        names = self.subcategories.get(title, [])
        if asked.get("gcmsort") != "timestamp":
            assert asked["gcmtype"] == "subcat"
            return "gcm", [_category_page(name) for name in sorted(names)]
        assert asked["gcmdir"] == "desc"
        ordered = sorted(self.categories.get(title, []), key=lambda file: file.time, reverse=True)
        end = asked.get("gcmend", "")
        inside = [file for file in ordered if not end or stamp(file.time) >= end]
        # Subcategories and pages stand in the same list, and are filtered out of each answer.
        return "gcm", [*map(_category_page, names), *inside]

    def _uploads(self, asked):
        assert asked["gaisort"] == "timestamp", "the API wants this order with a user"
        mine = [file for file in self.files if file.user == asked["gaiuser"]]
        ordered = sorted(mine, key=lambda file: file.time, reverse=True)
        end = asked.get("gaiend", "")
        return "gai", [file for file in ordered if not end or stamp(file.time) >= end]

    def _search(self, asked):
        words = asked["gsrsearch"].removesuffix(" filetype:bitmap").lower()
        found = [file for file in self.files if words in file.name.lower()]
        assert asked["gsrsort"] == "create_timestamp_desc"
        return "gsr", sorted(found, key=lambda file: file.time, reverse=True)[:10_000]

    def _page(self, asked, prefix, found):
        """One answer: some of the generator's pages, of which some have `imageinfo`."""
        limit = int(asked[f"{prefix}limit"])
        name = "gsroffset" if prefix == "gsr" else f"{prefix}continue"
        start = int(asked.get(name, "0").rpartition("|")[2])
        chosen = found[start : start + limit]
        described = int(asked.get("iicontinue", "0"))
        kept = [one for one in chosen if asked.get("gcmnamespace") != "6" or is_file(one)]
        pages = [
            self._describe(one, asked, start + place)
            if is_file(one) and described <= place < described + self.parts
            else self._bare(one, start + place)
            for place, one in enumerate(kept)
        ]
        answer = {}
        if described + self.parts < len(kept) and asked.get("prop") == "imageinfo":
            more = {"iicontinue": str(described + self.parts), "continue": "||"}
            # The generator stays where it is.
            answer["continue"] = more | ({name: asked[name]} if name in asked else {})
        else:
            answer["batchcomplete"] = True
            if start + limit < len(found) or self.loops:
                following = 0 if self.loops else start + limit
                token = following if prefix == "gsr" else f"{stamp(self.now)}|{following}"
                answer["continue"] = {name: token, "continue": f"{name}||"}
        if pages:
            # In the order of their ids, whatever the generator's order is.
            pages.sort(key=lambda page: page.get("pageid", 0))
            answer["query"] = {"pages": pages}
        return answer

    def _bare(self, one, place):
        if not is_file(one):
            return one
        if one.is_missing:
            return {"ns": 6, "title": one.title, "missing": True, "imagerepository": ""}
        page = {"pageid": one.page_id, "ns": 6, "title": one.title}
        return page | {"index": place + 1, "imagerepository": "local"}

    def _describe(self, file, asked, place):
        page = self._bare(file, place)
        if file.is_missing:
            return page
        if file.is_hidden:
            return page | {"imageinfo": [{"filehidden": True, "timestamp": stamp(file.time)}]}
        original = f"{self.origin}/files/original/{file.address}"
        width = int(asked["iiurlwidth"])
        assert width in WIDTHS, "other widths are refused"
        is_wider = file.width > width
        info = {
            "timestamp": stamp(file.time),
            "user": file.user,
            "size": file.size,
            "width": file.width,
            "height": file.height,
            "thumburl": f"{self.origin}/files/thumb/{width}px/{file.address}"
            if is_wider
            else original,
            "thumbwidth": min(width, file.width),
            "thumbheight": file.height * min(width, file.width) // file.width,
            "url": original,
            "descriptionurl": f"https://commons.wikimedia.org/wiki/File:{file.address}",
            "descriptionshorturl": f"https://commons.wikimedia.org/w/index.php?curid={place}",
            "sha1": f"{place:040x}",
            "mime": file.mime,
            "extmetadata": self._metadata(file, asked),
        }
        return page | {"imageinfo": [info]}

    def _metadata(self, file, asked):
        wanted = asked["iiextmetadatafilter"].split("|")
        said = {
            "ObjectName": file.name.rpartition(".")[0],
            "Artist": ARTIST,
            "Credit": '<span class="int-own-work" lang="en">Own work</span>',
            "LicenseShortName": "CC BY-SA 4.0",
            "License": "cc-by-sa-4.0",
            "LicenseUrl": "https://creativecommons.org/licenses/by-sa/4.0",
            "UsageTerms": "Creative Commons Attribution-Share Alike 4.0",
            "AttributionRequired": "true",
            "ImageDescription": "A <b>view</b>.",
            "DateTimeOriginal": "2025-05-01 10:00:00",
            "Restrictions": "",
        } | file.metadata
        kept = {name: said[name] for name in wanted if said.get(name) is not None}
        source = {"source": "commons-desc-page"}
        # PHP writes an empty object as an empty array.
        return {name: {"value": value} | source for name, value in kept.items()} or []


def _category_page(title):
    return {"pageid": 100_000 + zlib.crc32(title.encode()), "ns": 14, "title": title}


def is_file(one):
    return isinstance(one, WikiFile)


def error(code, info, *, headers=None, **more):
    body = {
        "error": {"code": code, "info": info, "docref": "See https://h/w/api.php"} | more,
        "servedby": "mw1",
    }
    return json_response(body, headers={"MediaWiki-API-Error": code} | (headers or {}))


def maxlag(retry_after_s=5):
    """As Wikimedia's servers say it: status 200."""
    answer = error(
        "maxlag",
        "Waiting for db1: 6.2 seconds lagged.",
        headers={"Retry-After": str(retry_after_s), "X-Database-Lag": "6"},
        host="db1",
        lag=6.2,
        type="db",
    )
    return Scripted(
        200, answer.body, headers=dict(answer.headers) | {"Content-Type": "application/json"}
    )


def rate_limited(retry_after_s=30):
    """The global limits of 2026: 429 from the edge, a page of HTML."""
    return Scripted(
        429, b"<html>Too many requests</html>", "text/html", {"Retry-After": str(retry_after_s)}
    )
