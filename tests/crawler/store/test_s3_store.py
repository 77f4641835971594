"""The store on a real S3 server, and behind a proxy that fails."""

from __future__ import annotations

import hashlib
import itertools
import time
import traceback

import pytest
from obstore.store import S3Store as Client

from services.crawler.store.blob_store import BlobTooLarge, StoreAway
from services.crawler.store.s3_address import S3Access, S3Address
from services.crawler.store.s3_store import S3Store
from services.servicekit.errors import Misconfigured
from tests.crawler.store.stores import LIMITS, blob_path, in_new_place, sidecar_of
from tests.faithful.s3_faults import Fault, S3Faults
from tests.faithful.s3_server import OWNER, READER, Keys
from tests.fakes.canary import CANARY, has_canary
from tests.fakes.ports import free_port

ENCODED = b"picture"
DIGEST = hashlib.sha256(ENCODED).hexdigest()
FACTS = {"format": "JPEG", "judgements": {"a@1": {"verdict": "ACCEPTED"}}}
MORE = {"format": "JPEG", "judgements": {"b@1": {"verdict": "ACCEPTED"}}}
NAME = ("landscapes", "sunrise.jpg")
_numbers = itertools.count()


@pytest.fixture
def faults(s3_server):
    with S3Faults(s3_server.port, silence_s=LIMITS.timeout_s + 1.0) as proxy:
        yield proxy


@pytest.fixture
def place(s3_server, faults):
    """A store behind the proxy."""
    place = in_new_place(s3_server, f"store/{next(_numbers)}", faults.endpoint)
    faults.asked.clear()
    return place


def opened(access, address=None):
    return S3Store(address or S3Address("nowhere"), access, LIMITS)


def test_objects_are_what_their_keys_say(place, s3_server, faults):
    """Layout and media types are those that a person expects, and the service is told the SHA-256 of what it gets."""
    place.store.put_with_sidecar(ENCODED, DIGEST, FACTS)
    place.store.link(DIGEST, NAME)
    client = Client(
        place.address.bucket,
        config={"endpoint": s3_server.endpoint, "region": "us-east-1"},
        access_key_id=OWNER.access_key_id,
        secret_access_key=OWNER.secret_access_key,
        client_options={"allow_http": True},
    )
    pages = client.list(place.address.prefix)
    keys = sorted(one["path"] for page in pages for one in page)
    assert keys == [
        f"{place.address.prefix}/{blob_path(DIGEST)}",
        f"{place.address.prefix}/{blob_path(DIGEST)}.json",
        f"{place.address.prefix}/kept/landscapes/sunrise.jpg",
        f"{place.address.prefix}/lodestone-store.json",
    ]
    types = [client.get(key).attributes["Content-Type"] for key in keys]
    assert types == ["image/jpeg", "application/json", "image/jpeg", "application/json"]
    [put] = [one for one in faults.asked if one.method == "PUT" and one.path.endswith(DIGEST)]
    sent = {name.lower(): value for name, value in put.headers.items()}
    assert sent["x-amz-content-sha256"] == DIGEST
    assert sent["if-none-match"] == "*"
    assert "x-amz-checksum-sha256" in sent


@pytest.mark.parametrize(
    "fault",
    [Fault.SLOW_DOWN, Fault.CUT, Fault.BROKEN_AFTER, Fault.SILENT_AFTER, Fault.CUT_AFTER],
)
@pytest.mark.parametrize(
    ("method", "ending"), [("PUT", DIGEST), ("PUT", ".json"), ("HEAD", DIGEST), ("GET", ".json")]
)
def test_a_request_that_fails_once_changes_nothing(place, faults, fault, method, ending):
    """Before or after it was carried out: two accepts end with the bytes once and both judgements."""
    place.store.put_with_sidecar(b"other", hashlib.sha256(b"other").hexdigest(), FACTS)
    for facts in (FACTS, MORE):
        faults.plan(method, ending, fault, part="blobs/")
        done = False
        while not done:
            try:
                place.store.put_with_sidecar(ENCODED, DIGEST, facts)
                done = True
            except StoreAway:
                # What a request did that nobody answered may have to be found out by a second try.
                assert fault in (Fault.SILENT_AFTER, Fault.CUT_AFTER, Fault.CUT)
    assert any(one.fault is fault for one in faults.asked)
    assert place.content(blob_path(DIGEST)) == ENCODED
    assert list(sidecar_of(place, DIGEST)["judgements"]) == ["a@1", "b@1"]


@pytest.mark.parametrize(
    ("method", "ending", "call"),
    [
        ("PUT", "sunrise.jpg", lambda store: store.link(DIGEST, NAME)),
        ("DELETE", DIGEST, lambda store: store.remove(DIGEST, [NAME])),
        ("POST", "", lambda store: store.remove(DIGEST, [NAME])),
        ("GET", DIGEST, lambda store: store.read(DIGEST, max_bytes=99)),
        ("HEAD", DIGEST, lambda store: store.has(DIGEST)),
    ],
)
def test_every_method_tries_again(place, faults, method, ending, call):
    """One 503 is nothing that a caller hears of."""
    place.store.put_with_sidecar(ENCODED, DIGEST, FACTS)
    faults.plan(method, ending, Fault.SLOW_DOWN)
    call(place.store)
    if method in ("DELETE", "POST"):
        assert place.content(blob_path(DIGEST)) is None
    else:
        assert any(one.fault for one in faults.asked)


def test_a_wrong_e_tag_overwrites_nothing(place, faults):
    """A sidecar that is read with another's ETag is read again, and gains its judgement then."""
    place.store.put_with_sidecar(ENCODED, DIGEST, FACTS)
    faults.plan("GET", f"{DIGEST}.json", Fault.WRONG_E_TAG, Fault.WRONG_E_TAG)
    place.store.put_with_sidecar(b"", DIGEST, MORE)
    assert list(sidecar_of(place, DIGEST)["judgements"]) == ["a@1", "b@1"]


def test_bytes_that_arrive_as_others_are_not_stored(place, faults):
    """The service compares them with the SHA-256 that was sent, and refuses; the next try is as if there was none."""
    faults.plan("PUT", DIGEST, Fault.SPOILED)
    with pytest.raises(StoreAway):
        place.store.put_with_sidecar(ENCODED, DIGEST, FACTS)
    assert place.content(blob_path(DIGEST)) is None
    place.store.put_with_sidecar(ENCODED, DIGEST, FACTS)
    assert place.content(blob_path(DIGEST)) == ENCODED


def test_a_service_that_stays_away(place, faults):
    """After a bounded time the store is away, says why, and has written nothing that can be seen; then it is back."""
    faults.always("PUT", DIGEST, Fault.SLOW_DOWN)
    began_s = time.monotonic()
    with pytest.raises(StoreAway) as caught:
        place.store.put_with_sidecar(ENCODED, DIGEST, FACTS)
    assert time.monotonic() - began_s < LIMITS.retry_s + LIMITS.timeout_s
    assert str(caught.value) == f"the store {place.address} is unavailable: {caught.value.cause}"
    assert "503" in caught.value.cause or "SlowDown" in caught.value.cause
    assert place.content(blob_path(DIGEST)) is None
    assert place.content(blob_path(DIGEST) + ".json") is None
    faults.heal()
    place.store.put_with_sidecar(ENCODED, DIGEST, FACTS)
    assert place.content(blob_path(DIGEST)) == ENCODED


def test_too_many_bytes_are_not_downloaded(place, faults):
    """The size is asked for first."""
    place.store.put_with_sidecar(ENCODED, DIGEST, FACTS)
    with pytest.raises(BlobTooLarge):
        place.store.read(DIGEST, max_bytes=6)
    assert faults.count("GET", DIGEST) == 0


def test_a_store_that_can_be_used_again(place, s3_server):
    """The mark of the first start is that of the second."""
    place.another()
    assert place.content("lodestone-store.json") == b'{"format_version": 1}\n'
    place.overwrite("lodestone-store.json", b'{"format_version": 2}\n')
    with pytest.raises(Misconfigured, match="not the mark of a store of this version"):
        place.another()


def test_starts_that_cannot_succeed(s3_server):
    """No such bucket, keys that may not write, wrong ones, nobody there: one line each, which names the store."""
    s3_server.make_bucket("read-only")
    nobody = S3Access(f"http://127.0.0.1:{free_port()}", "us-east-1", "key", "secret")
    found = {}
    for name, access, bucket in (
        ("no bucket", s3_server.access(), "missing"),
        ("may not write", s3_server.access(READER), "read-only"),
        ("no such key", s3_server.access(Keys("nobody", "secret")), "read-only"),
        ("wrong secret", s3_server.access(Keys(OWNER.access_key_id, "wrong")), "read-only"),
        ("nobody there", nobody, "read-only"),
        ("no TLS there", s3_server.access(endpoint=f"https://127.0.0.1:{s3_server.port}"), "read-only"),
    ):  # fmt: skip
        with pytest.raises(Misconfigured) as caught:
            opened(access, S3Address(bucket))
        found[name] = str(caught.value).removeprefix(f"the store s3://{bucket} cannot be used: ")
        assert "\n" not in found[name]
        assert "secret" not in found[name].replace("secret access key", "")
    assert found == {
        "no bucket": "there is no such bucket (NoSuchBucket)",
        "may not write": "permission is denied (AccessDenied)",
        "no such key": "the access key id is not known there (InvalidAccessKeyId)",
        "wrong secret": "the secret access key does not fit the access key id (SignatureDoesNotMatch)",
        "nobody there": "nobody listens there",
        "no TLS there": "no connection",
    }


def test_a_service_that_starts_later(s3_server, faults):
    """A start waits a while for what may pass, and not at all for what does not."""
    s3_server.make_bucket("later")
    faults.plan("GET", "", *[Fault.SLOW_DOWN] * (LIMITS.retries + 2))
    opened(s3_server.access(endpoint=faults.endpoint), S3Address("later"))
    assert faults.asked[LIMITS.retries + 1].fault is Fault.SLOW_DOWN
    faults.asked.clear()
    faults.always("GET", "", Fault.TELLS_KEYS)
    with pytest.raises(Misconfigured, match="InvalidAccessKeyId"):
        opened(s3_server.access(endpoint=faults.endpoint), S3Address("later"))
    assert len(faults.asked) == 1


@pytest.mark.parametrize("fault", [Fault.OTHER_REGION, Fault.OTHER_REGION_SIGNED])
def test_a_bucket_in_another_region(s3_server, faults, fault):
    """As AWS says it, with a redirect that leads nowhere or with a refusal of the signature."""
    faults.always("GET", "", fault)
    with pytest.raises(Misconfigured, match="the bucket is in another region"):
        opened(s3_server.access(endpoint=faults.endpoint))


def test_a_service_that_ignores_conditions(s3_server, faults):
    """It would lose judgements when two crawlers add to one sidecar: the start says so."""
    s3_server.make_bucket("careless")
    opened(s3_server.access(), S3Address("careless"))
    faults.always("PUT", "lodestone-store.json", Fault.DONE)
    with pytest.raises(Misconfigured, match="ignores If-Match"):
        opened(s3_server.access(endpoint=faults.endpoint), S3Address("careless"))


def test_no_keys_anywhere(monkeypatch):
    """Neither set, nor in AWS's variables, nor offered by the machine."""
    monkeypatch.setenv("AWS_METADATA_ENDPOINT", f"http://127.0.0.1:{free_port()}")
    with pytest.raises(Misconfigured, match="no keys are configured"):
        opened(S3Access(f"http://127.0.0.1:{free_port()}", "us-east-1"))


def test_keys_of_the_environment(s3_server, monkeypatch):
    """AWS's own variables serve where no keys are set."""
    s3_server.make_bucket("by-environment")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", OWNER.access_key_id)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", OWNER.secret_access_key)
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    store = opened(S3Access(s3_server.endpoint), S3Address("by-environment"))
    assert not store.has(DIGEST)


def test_what_a_service_repeats_of_keys_is_not_told(s3_server, faults):
    """Neither in the error nor in what a log would show of it."""
    keys = S3Access(faults.endpoint, "us-east-1", f"{CANARY}id", f"{CANARY}secret")
    faults.always("GET", "", Fault.TELLS_KEYS)
    with pytest.raises(Misconfigured) as caught:
        opened(keys)
    assert has_canary(str([one.headers for one in faults.asked]))
    assert not has_canary("".join(traceback.format_exception(caught.value)))
    assert "InvalidAccessKeyId" in str(caught.value)
    assert not has_canary(repr(keys))
