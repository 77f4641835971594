"""`scenery:`: imports each kept image into a scenery gallery (`POST /import_image`).

Its contract: every outcome is HTTP 200 with a `message`; a wrong password gets no answer at all; two imports at the
same time may be given the same number; fields over 1,000 bytes are cut, which breaks the JSON of `tags`.
"""

from __future__ import annotations

import json
from typing import Final

import aiohttp
from yarl import URL

from services.crawler.receivers.receiver_client import Answer, ReceiverClient, said
from services.crawler.sinks.answers import post
from services.crawler.sinks.sink import Delivery, DeliveryFailed, FailureKind, Removal

_ANSWER_S: Final = 90.0
_FIELD_BYTES: Final = 1_000
_MEDIA_TYPES: Final = {"JPEG": "image/jpeg", "PNG": "image/png"}

# How the messages begin: what is in the gallery, whoever put it there; and what never will be.
_DELIVERED: Final = (
    "Success! Image id",
    "Image with the same sha256 is already in the db",
    "Similar image is already in the db",
    # It says so of an image that it has stored.
    "Can't calculate_all_image_features",
)
_REFUSED: Final = ("Not supported mime type",)


class ScenerySink:
    """One post at a time, over all crawlers."""

    kind = "scenery"
    concurrency = 1
    max_bytes = 50_000_000

    def __init__(
        self,
        name: str,
        client: ReceiverClient,
        url: URL,
        password: str,
        *,
        answer_s: float = _ANSWER_S,
    ) -> None:
        """Takes the address of `import_image`, the password of its import bot, and how long an answer may take."""
        self.name = name
        self._client = client
        self._url = url
        self._password = password
        self._answer_s = answer_s

    async def deliver(self, delivery: Delivery) -> str:
        """Imports; what the gallery has already is delivered."""
        media_type = _MEDIA_TYPES.get(delivery.decoded.format)
        if media_type is None:
            message = f"scenery takes JPEG and PNG, and this is {delivery.decoded.format}"
            raise DeliveryFailed(FailureKind.REFUSED, message)
        answer = await self._post(self._form(delivery, media_type))
        message = self._message(answer).replace(self._password, "***")
        if message.startswith(_DELIVERED):
            return message
        kind = FailureKind.REFUSED if message.startswith(_REFUSED) else FailureKind.REJECTED
        raise DeliveryFailed(kind, f"it says: {message}")

    async def remove(self, removal: Removal) -> str:
        """Cannot be done: a person has to. What was replaced may stay, beside the better copy."""
        if removal.replaced_by:
            return f"it stays there, beside {removal.replaced_by[:12]}, which replaced it"
        note = f" (it said: {removal.note})" if removal.note else ""
        message = (
            f"scenery removes no image for us: remove {removal.digest[:12]} there by hand{note}"
        )
        raise DeliveryFailed(FailureKind.REFUSED, message)

    async def _post(self, form: aiohttp.FormData) -> Answer:
        try:
            return await post(self._client, self._url, form, total_s=self._answer_s)
        except DeliveryFailed as failure:
            message = str(failure).replace(self._password, "***")
            if message.startswith("no answer"):
                message += " (it does not answer a wrong password either)"
            raise DeliveryFailed(
                failure.kind, message, retry_after_s=failure.retry_after_s
            ) from failure

    def _message(self, answer: Answer) -> str:
        try:
            found = json.loads(answer.body)
        except ValueError:
            found = None
        message = found.get("message") if isinstance(found, dict) else None
        if not isinstance(message, str):
            text = f"an answer without a message: {said(answer, self._url)}"
            raise DeliveryFailed(FailureKind.BROKEN, text.replace(self._password, "***"))
        told = Answer(answer.status, message.encode("utf-8", "replace"), None)
        return said(told, self._url)

    def _form(self, delivery: Delivery, media_type: str) -> aiohttp.FormData:
        form = aiohttp.FormData()
        # Before the file, as whoever reads the form as it comes needs them then.
        form.add_field("import_images_bot_password", self._password)
        form.add_field("tags", tags_of(delivery))
        if source_url := source_url_of(delivery):
            form.add_field("source_url", source_url)
        name = delivery.image.file_name
        form.add_field("image", delivery.encoded, filename=name, content_type=media_type)
        return form


def tags_of(delivery: Delivery) -> str:
    """A JSON array within the field's limit. An author whose name is too long is left out."""
    tags = ["from_lodestone", f"profile:{delivery.image.profile.name}"]
    author = " ".join(delivery.image.listing.author.split())
    whole = json.dumps([*tags, f"artist:{author}"], ensure_ascii=False)
    fits = author and len(whole.encode("utf-8", "replace")) <= _FIELD_BYTES
    return whole if fits else json.dumps(tags)


def source_url_of(delivery: Delivery) -> str:
    """The page that showed it, else the image's address; empty if neither is on the web and short enough."""
    listing = delivery.image.listing
    for url in (listing.page_url, listing.url):
        if url.startswith(("https://", "http://")) and len(url.encode()) <= _FIELD_BYTES:
            return url
    return ""
