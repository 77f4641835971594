"""Scenery's import, as its `import_image` does it (parity §1.5).

- `POST /import_image`, multipart: the file `image`; `source_url`, `tags` (a JSON array as text),
  `import_images_bot_password`. One file of 50 MB, at most 10 fields; a value over 1,000 bytes is cut.
- A wrong password gets no answer at all; so does every one if the server's own is empty.
- A `source_url` that is no URL is 422.
- Every outcome is 200 with `{"message": …}`.
- The number of a new image is the highest one plus one, looked up before it is written: two imports at the same time
  get the same.
- Tags: `bypass_dup_check` leaves out the search for similar images; `artist:NAME` sets the author.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections import deque
from dataclasses import dataclass
from urllib.parse import urlsplit

from aiohttp import web

from tests.faithful.receiver_server import ReceiverServer

PASSWORD = "scenery-import-bot"
MAX_FILE_BYTES, MAX_FIELDS, MAX_VALUE_BYTES = 50_000_000, 10, 1_000
_MAGICS = {b"\xff\xd8\xff": "image/jpeg", b"\x89PNG": "image/png"}


@dataclass(frozen=True)
class Imported:
    """An image of the gallery."""

    image_id: int
    digest: str
    source_url: str | None
    tags: tuple[str, ...]
    file_name: str


class SceneryServer(ReceiverServer):
    """A gallery.

    Attributes:
        imported: Its images.
        similar: Digests that it holds to be similar to one of its images, with that image's number.
        messages: What it says of the next images instead of importing them.
        fails_features: Whether it stores images and then says that their features cannot be computed.
    """

    def __init__(self, password=PASSWORD):
        super().__init__()
        self.password = password
        self.imported = []
        self.similar = {}
        self.messages = deque()
        self.fails_features = False

    async def receive(self, request):
        if request.path != "/import_image" or request.method != "POST":
            return web.Response(status=404)
        fields, files = {}, []
        async for part in await request.multipart():
            content = bytes(await part.read())
            if part.filename is not None:
                files.append((part.name, part.filename, content))
            else:
                fields[part.name] = content[:MAX_VALUE_BYTES].decode("utf-8", "replace")
        if len(files) != 1 or len(fields) > MAX_FIELDS or len(files[0][2]) > MAX_FILE_BYTES:
            return web.Response(status=413)
        if not self.password or fields.get("import_images_bot_password") != self.password:
            return await self.say_nothing()
        return await self._import(fields, files[0])

    async def _import(self, fields, file):
        source_url = fields.get("source_url")
        if source_url is not None and not urlsplit(source_url).netloc:
            return web.json_response({"message": "source_url is not valid"}, status=422)
        if self.messages:
            return _say(self.messages.popleft())
        try:
            tags = tuple(json.loads(fields.get("tags", "[]")))
        except ValueError:
            return _say("fail")
        (part_name, file_name, content) = file
        if part_name != "image" or not content.startswith(tuple(_MAGICS)):
            return _say("Not supported mime type")
        digest = hashlib.sha256(content).hexdigest()
        known = self._known(digest, tags)
        return _say(known or await self._add(digest, source_url, tags, file_name))

    def _known(self, digest, tags):
        """What it says of an image that it has, or nearly; empty for a new one."""
        for image in self.imported:
            if image.digest == digest:
                return (
                    f"Image with the same sha256 is already in the db. Image id = {image.image_id}"
                )
        if digest in self.similar and "bypass_dup_check" not in tags:
            return f"Similar image is already in the db. Image ids = [{self.similar[digest]}]"
        return ""

    async def _add(self, digest, source_url, tags, file_name):
        number = max((image.image_id for image in self.imported), default=0) + 1
        # Where a second import would look up the same highest number.
        await asyncio.sleep(0)
        self.imported.append(Imported(number, digest, source_url, tags, file_name))
        if self.fails_features:
            return "Can't calculate_all_image_features"
        return f"Success! Image id = {number}"


def _say(message):
    return web.json_response({"message": message})
