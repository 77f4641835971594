from __future__ import annotations

import base64
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from services.crawler.receivers.receiver_client import ReceiverClient, receiver_url
from services.crawler.sinks.signing import parse_secrets
from services.crawler.sinks.sink import DeliveryFailed, FailureKind
from services.crawler.sinks.webhook_sink import WebhookSink
from tests.crawler.sinks.deliveries import JPEG, delivery, removal_of
from tests.faithful.receiver_server import CUT_AFTER, CUT_BEFORE, Says
from tests.faithful.webhook_receiver import SECRET, WebhookReceiver

TOKEN = "T0kenInThePath99"


@asynccontextmanager
async def hooked(secret=SECRET, **options):
    """A running receiver, and a sink that posts to it."""
    async with WebhookReceiver() as receiver, ReceiverClient("tests") as client:
        url = receiver_url(f"{receiver.origin}/hooks/{TOKEN}")
        yield receiver, WebhookSink("hook", client, url, parse_secrets(secret), **options)


async def failure_of(sink):
    with pytest.raises(DeliveryFailed) as raised:
        await sink.deliver(delivery())
    return raised.value


async def test_the_facts_are_posted_and_signed():
    """The receiver checks the signature by the specification; the key is digest and profile."""
    async with hooked() as (receiver, sink):
        assert await sink.deliver(delivery()) == "HTTP 201 thanks"
    image = delivery().image
    event = receiver.events[f"{image.digest}-landscapes"]
    assert (event["type"], event["timestamp"]) == (
        "image.accepted",
        "2025-11-24T16:00:00.000+00:00",
    )
    data = event["data"]
    assert (data["digest"], data["title"], data["author"]) == (image.digest, "A lake", "Ann")
    assert (data["width_px"], data["format"], data["profile_version"]) == (2000, "JPEG", 3)
    assert data["log_likelihood"] == 10.0
    assert "encoded_base64" not in data


async def test_the_bytes_come_along_if_they_are_wanted():
    """As base64, beside the facts."""
    async with hooked(with_bytes=True) as (receiver, sink):
        await sink.deliver(delivery())
    [event] = receiver.events.values()
    assert base64.b64decode(event["data"]["encoded_base64"]) == JPEG


async def test_two_secrets_sign_while_one_replaces_the_other():
    """The receiver needs to know either."""
    other = f"whsec_{base64.b64encode(bytes(32)).decode()}"
    async with hooked(f"{other} {SECRET}") as (receiver, sink):
        await sink.deliver(delivery())
        assert len(receiver.events) == 1


async def test_a_receiver_that_keeps_keys_has_an_image_once():
    """The connection is cut before it has it, then after, then it answers: the same key each time."""
    async with hooked() as (receiver, sink):
        receiver.faults.extend([CUT_BEFORE, CUT_AFTER])
        for _ in range(2):
            assert (await failure_of(sink)).kind is FailureKind.BROKEN
        assert await sink.deliver(delivery()) == "HTTP 200 had it"
        assert len(receiver.events) == 1


async def test_a_purge_has_a_key_of_its_own():
    """It says which image is to be removed, and no more of it."""
    async with hooked() as (receiver, sink):
        await sink.deliver(delivery())
        await sink.remove(removal_of(delivery()))
    digest = delivery().image.digest
    event = receiver.events[f"purged-{digest}-landscapes"]
    assert event["type"] == "image.purged"
    assert event["data"] == {"digest": digest, "profile_name": "landscapes"}


async def test_a_replacement_names_the_better_copy():
    """Under a key of its own, too."""
    async with hooked() as (receiver, sink):
        await sink.remove(removal_of(delivery(), replaced_by="b" * 64))
    digest = delivery().image.digest
    event = receiver.events[f"replaced-{digest}-landscapes"]
    assert event["type"] == "image.replaced"
    assert event["data"]["replaced_by_digest"] == "b" * 64


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Says(400, "no"), FailureKind.REJECTED),
        (Says(404), FailureKind.REJECTED),
        (Says(307), FailureKind.REJECTED),
        (Says(410), FailureKind.GONE),
        (Says(429, "", "30"), FailureKind.AWAY),
        (Says(503), FailureKind.AWAY),
        (Says(500), FailureKind.BROKEN),
    ],
)
async def test_what_statuses_mean(fault, kind):
    """Only 2xx is a delivery; a redirect is not followed."""
    async with hooked() as (receiver, sink):
        receiver.faults.append(fault)
        failure = await failure_of(sink)
        assert failure.kind is kind
        assert f"HTTP {fault.status}" in str(failure)
        assert failure.retry_after_s == (30.0 if fault.retry_after else None)
        assert receiver.request_count == 1


async def test_a_wrong_secret_is_rejected_with_the_receivers_words():
    """The reason is kept for whoever looks."""
    async with hooked(f"whsec_{base64.b64encode(bytes(24)).decode()}") as (_, sink):
        assert str(await failure_of(sink)) == "HTTP 401: the signature is wrong"


async def test_a_token_in_the_address_is_not_shown():
    """Not even where the receiver repeats it."""
    async with hooked() as (receiver, sink):
        receiver.faults.append(Says(404, f"nothing at /hooks/{TOKEN}, {TOKEN}"))
        assert TOKEN not in str(await failure_of(sink))
        await receiver.__aexit__()
        failure = await failure_of(sink)
        assert failure.kind is FailureKind.AWAY
        assert TOKEN not in str(failure)
        await receiver.__aenter__()


async def test_an_image_that_is_kept_again_is_another_delivery():
    """A receiver that keeps keys takes it once more, and once; so is its next replacement."""
    again = replace(delivery(), again_sequence=7)
    removal = removal_of(delivery(), replaced_by="b" * 64)
    async with hooked() as (receiver, sink):
        await sink.deliver(delivery())
        await sink.remove(removal)
        assert [await sink.deliver(again) for _ in range(2)] == [
            "HTTP 201 thanks",
            "HTTP 200 had it",
        ]
        await sink.remove(replace(removal, again_sequence=7))
    key = f"{delivery().image.digest}-landscapes"
    assert list(receiver.events) == [key, f"replaced-{key}", f"{key}-7", f"replaced-{key}-7"]
