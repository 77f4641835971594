"""Ambience's reverse search (parity §1.5).

- `POST /reverse_search`, multipart: the file `image`, at most 50 MB; a value over 10 bytes is cut. With
  `find_duplicate=1`: `{}`, or `{"duplicate": [{"image_id": …, "distance": …}]}`.
- It asks a helper for perceptual hashes. While that is down, the helper's client answers `[]`, and so ambience `{}`.
"""

from __future__ import annotations

import hashlib

from aiohttp import web

from tests.faithful.receiver_server import ReceiverServer

MAX_FILE_BYTES, MAX_VALUE_BYTES = 50_000_000, 10


class AmbienceServer(ReceiverServer):
    """A gallery's search.

    Attributes:
        images: The numbers and distances of the images that it finds, by the digest of what is looked for.
        helper_is_down: Whether it finds nothing, whatever it has.
        looked_up: The digests that were looked for.
    """

    def __init__(self):
        super().__init__()
        self.images = {}
        self.helper_is_down = False
        self.looked_up = []

    def has(self, content, image_id=1, distance=0):
        """Puts a picture into the gallery."""
        digest = hashlib.sha256(content).hexdigest()
        self.images.setdefault(digest, []).append({"image_id": image_id, "distance": distance})

    async def receive(self, request):
        if request.path != "/reverse_search" or request.method != "POST":
            return web.Response(status=404)
        fields, content = {}, None
        async for part in await request.multipart():
            if part.filename is not None and part.name == "image":
                content = bytes(await part.read())
            else:
                fields[part.name] = bytes(await part.read())[:MAX_VALUE_BYTES]
        if content is None or len(content) > MAX_FILE_BYTES:
            return web.Response(status=400)
        if fields.get("find_duplicate") != b"1":
            return web.json_response({"phash_res": [], "unified_res": []})
        digest = hashlib.sha256(content).hexdigest()
        self.looked_up.append(digest)
        found = [] if self.helper_is_down else self.images.get(digest, [])
        return web.json_response({"duplicate": found} if found else {})
