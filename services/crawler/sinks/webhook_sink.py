"""`webhook:`: posts the facts of each kept image as JSON, signed if there is a secret."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

from yarl import URL

from services.crawler.receivers.receiver_client import ReceiverClient, said
from services.crawler.sinks.answers import post
from services.crawler.sinks.signing import signature_of
from services.crawler.sinks.sink import Delivery, Removal

_ANSWER_S: Final = 30.0
_MAX_BYTES: Final = 64 * 1024 * 1024


class WebhookSink:
    """Any 2xx is a delivery. A receiver that keeps the `Idempotency-Key`s has each image once."""

    kind = "webhook"
    concurrency = 4

    def __init__(
        self,
        name: str,
        client: ReceiverClient,
        url: URL,
        keys: Sequence[bytes] = (),
        *,
        with_bytes: bool = False,
    ) -> None:
        """Takes where to post, the keys that sign, none for no signature, and whether the bytes are sent too."""
        self.name = name
        self.max_bytes = _MAX_BYTES if with_bytes else 0
        self._client = client
        self._url = url
        self._keys = keys

    async def deliver(self, delivery: Delivery) -> str:
        """Posts `image.accepted`."""
        image = delivery.image
        key = _key(image.digest, image.profile.name, delivery.again_sequence)
        event = {
            "type": "image.accepted",
            "timestamp": _iso(image.accept_time),
            "data": self._facts(delivery),
        }
        return await self._post(key, event)

    async def remove(self, removal: Removal) -> str:
        """Posts `image.purged`, or `image.replaced`: whoever shows the image is to remove it."""
        data = {"digest": removal.digest, "profile_name": removal.profile_name}
        what = "purged"
        if removal.replaced_by:
            what, data["replaced_by_digest"] = "replaced", removal.replaced_by
        key = _key(removal.digest, removal.profile_name, removal.again_sequence)
        event = {"type": f"image.{what}", "timestamp": _iso(removal.time), "data": data}
        return await self._post(f"{what}-{key}", event)

    def _facts(self, delivery: Delivery) -> dict[str, Any]:
        facts = _facts(delivery)
        if self.max_bytes:
            facts["encoded_base64"] = base64.b64encode(delivery.encoded).decode()
        return facts

    async def _post(self, key: str, event: dict[str, Any]) -> str:
        body = json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode()
        timestamp = int(time.time())
        headers = {
            "Content-Type": "application/json",
            "Idempotency-Key": key,
            "webhook-id": key,
            "webhook-timestamp": str(timestamp),
        }
        if self._keys:
            headers["webhook-signature"] = signature_of(
                self._keys, message_id=key, timestamp=timestamp, body=body
            )
        answer = await post(self._client, self._url, body, headers=headers, total_s=_ANSWER_S)
        return f"HTTP {answer.status} {said(answer, self._url)}".strip()


def _key(digest: str, profile_name: str, again_sequence: int) -> str:
    """The same for every try of a delivery, and another one each time that an image is kept again."""
    again = f"-{again_sequence}" if again_sequence else ""
    return f"{digest}-{profile_name}{again}"


def _facts(delivery: Delivery) -> dict[str, Any]:
    image, decoded, judgement = delivery.image, delivery.decoded, delivery.judgement
    score, detection = judgement.evidence.score, judgement.evidence.detection
    listing = image.listing
    return {
        "digest": image.digest,
        "profile_name": image.profile.name,
        "profile_version": image.profile.version,
        "file_name": image.file_name,
        "size_bytes": image.size_bytes,
        "width_px": decoded.width_px,
        "height_px": decoded.height_px,
        "format": decoded.format,
        "perceptual_hash": decoded.fingerprint.hex,
        "source": listing.source,
        "url": listing.url,
        "final_url": image.final_url,
        "page_url": listing.page_url,
        "title": listing.title,
        "author": listing.author,
        "licence": listing.licence,
        "community": listing.community,
        "post_time": None if listing.post_time is None else _iso(listing.post_time),
        "log_likelihood": score.log_likelihood if score else None,
        "percentile": score.percentile if score else None,
        "watermark_probability": detection.probability if detection else None,
    }


def _iso(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds")
