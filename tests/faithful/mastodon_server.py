"""A Mastodon instance on loopback, after https://docs.joinmastodon.org/methods/accounts/ and /entities/Status/.

- `GET /api/v1/accounts/lookup?acct=NAME`: the Account; 404 with `{"error": …}` if there is none.
- `GET /api/v1/accounts/ID/statuses?only_media=&exclude_replies=&max_id=`: its Statuses, newest first, 20 a page, with
  `Link: <…?max_id=LAST>; rel="next"` while there are more.
- `GET /api/v1/accounts/ID/following`: the Accounts that it follows, here `friend` (who has published the same).
- Every answer has `X-RateLimit-Limit`, `-Remaining` and `-Reset` (a moment, ISO 8601).

A Status has `id` (a string), `created_at`, `sensitive`, `spoiler_text`, `url` (its page), `content` (HTML), `account`,
`tags` (objects with `name`), `reblog` and `media_attachments`, whose `type` is image, gifv, video or audio.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from aiohttp import web

from tests.faithful.api_server import ApiServer, json_response

_PAGE = 20
_NAMES = ("lens", "friend")
_BEGIN = datetime(2026, 11, 1, tzinfo=UTC)
_RATE = {
    "X-RateLimit-Limit": "300",
    "X-RateLimit-Remaining": "299",
    "X-RateLimit-Reset": "2026-11-22T12:00:00.000000Z",
}


class MastodonServer(ApiServer):
    """One account, `lens`, whose `statuses` a test fills, oldest first."""

    def __init__(self):
        super().__init__()
        self.statuses = []
        self.media_origin = ""

    def publish(self, count=1, *, attachments=1, kind="image", **changed):
        """Publishes statuses; the oldest of all has the id 1001 and is of 1 November 2026."""
        for _ in range(count):
            number = len(self.statuses) + 1
            media = [
                self._attachment(f"{number}{index}", kind) for index in range(1, attachments + 1)
            ]
            self.statuses.append(self._status(number, media) | changed)

    def _status(self, number, media):
        moment = _BEGIN + timedelta(hours=number)
        return {
            "id": str(1000 + number),
            "created_at": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "in_reply_to_id": None,
            "in_reply_to_account_id": None,
            "sensitive": False,
            "spoiler_text": "",
            "visibility": "public",
            "language": "en",
            "uri": f"{self.origin}/users/lens/statuses/{1000 + number}",
            "url": f"{self.origin}/@lens/{1000 + number}",
            "replies_count": 0,
            "reblogs_count": 3,
            "favourites_count": 7,
            "content": f"<p>Lake &amp; hills, day <b>{number}</b></p>",
            "reblog": None,
            "account": _account(self.origin),
            "media_attachments": media,
            "mentions": [],
            "tags": [{"name": "landscape", "url": f"{self.origin}/tags/landscape"}],
            "emojis": [],
            "card": None,
            "poll": None,
        }

    def _attachment(self, name, kind):
        suffix = "mp4" if kind == "video" else "jpg"
        url = f"{self.media_origin or self.origin}/system/media/{name}/original/{name}.{suffix}"
        return {
            "id": name,
            "type": kind,
            "url": url,
            "preview_url": url.replace("/original/", "/small/"),
            "remote_url": None,
            "meta": {"original": {"width": 1600, "height": 1200, "size": "1600x1200"}},
            "description": "A lake below hills",
            "blurhash": "UBL_:rOpGG-oBUNG,qRj2so|=eE1w^n4S5NH",
        }

    def answer(self, request: web.Request) -> web.Response:
        """Answers one call of the API."""
        if request.path == "/api/v1/accounts/lookup" and request.query.get("acct") in _NAMES:
            return json_response(_account(self.origin, request.query["acct"]), headers=_RATE)
        if request.path == "/api/v1/accounts/7/following":
            return json_response([_account(self.origin, "friend")], headers=_RATE)
        if request.path == "/api/v1/accounts/7/statuses":
            return self._statuses_page(request)
        return json_response({"error": "Record not found"}, status=404, headers=_RATE)

    def _statuses_page(self, request):
        below = int(request.query.get("max_id", 10**9))
        older = [status for status in reversed(self.statuses) if int(status["id"]) < below]
        page = older[:_PAGE]
        link = {}
        if len(older) > _PAGE:
            more = f"{self.origin}{request.path}?only_media=true&max_id={page[-1]['id']}"
            link = {"Link": f'<{more}>; rel="next"'}
        return json_response(page, headers=_RATE | link)


def _account(origin, name="lens"):
    return {
        "id": "7",
        "username": name,
        "acct": name,
        "display_name": "A lens",
        "locked": False,
        "bot": False,
        "created_at": "2022-01-01T00:00:00.000Z",
        "note": "",
        "url": f"{origin}/@{name}",
        "followers_count": 1,
        "following_count": 1,
        "statuses_count": 1,
    }
