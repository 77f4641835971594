"""A receiver of webhooks as Standard Webhooks 1.0.0 asks for: it checks signatures, and does each message once.

The signed text is `{webhook-id}.{webhook-timestamp}.{body}`; the signature `v1,` and the base64 of its HMAC-SHA256
under the key, whose text is `whsec_` and base64. A message that it has had before is answered 2xx and not done again.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time

from aiohttp import web

from tests.faithful.receiver_server import ReceiverServer

TOLERANCE_S = 300
KEY = b"a key of thirty-two random bytes"
SECRET = f"whsec_{base64.b64encode(KEY).decode()}"


class WebhookReceiver(ReceiverServer):
    """Keeps the events of each key.

    Attributes:
        events: What was done: the first event under each key, in the order of coming.
        repeats: The keys of those that came again.
        key: Checks signatures; None checks none.
    """

    def __init__(self, key=KEY):
        super().__init__()
        self.key = key
        self.events = {}
        self.repeats = []

    async def receive(self, request):
        body = await request.read()
        headers = request.headers
        if self.key is not None and not self._is_signed(headers, body):
            return web.Response(status=401, text="the signature is wrong")
        key = headers["Idempotency-Key"]
        assert key == headers["webhook-id"]
        if key in self.events:
            self.repeats.append(key)
            return web.Response(status=200, text="had it")
        self.events[key] = json.loads(body)
        return web.Response(status=201, text="thanks")

    def digests(self, kind="image.accepted"):
        """Of the images that events of a kind tell of, in order."""
        return [event["data"]["digest"] for event in self.events.values() if event["type"] == kind]

    def _is_signed(self, headers, body):
        sent = int(headers["webhook-timestamp"])
        if abs(time.time() - sent) > TOLERANCE_S:
            return False
        signed = f"{headers['webhook-id']}.{sent}.".encode() + body
        right = base64.b64encode(hmac.digest(self.key, signed, hashlib.sha256)).decode()
        given = headers.get("webhook-signature", "").split()
        return any(hmac.compare_digest(one, f"v1,{right}") for one in given)
