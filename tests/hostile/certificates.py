"""Certificates of hosts that cannot be trusted, and of one that can."""

from __future__ import annotations

import contextlib
import datetime as dt
import ssl
import warnings
from functools import cache

import trustme

GOOD, EXPIRED, EARLY, WRONG_HOST = "good", "expired", "not yet valid", "for another host"
STRANGER, SELF_SIGNED = "of a stranger", "self-signed"


def server_context(kind: str, name: str) -> ssl.SSLContext:
    """What a host shows who asks it for `name`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if kind == SELF_SIGNED:
        _load(context, trustme.CA())
    else:
        _certificate(kind, name).configure_cert(context)
    return context


def speak_tls_1_0(hello: bytes) -> bytes:
    """What a host that knows nothing newer than TLS 1.0 answers to a client's first bytes."""
    return _speak(ssl.TLSVersion.TLSv1, hello)


def speak_tls_1_1(hello: bytes) -> bytes:
    """What a host that knows nothing newer than TLS 1.1 answers to a client's first bytes."""
    return _speak(ssl.TLSVersion.TLSv1_1, hello)


def _speak(newest: ssl.TLSVersion, hello: bytes) -> bytes:
    context = server_context(GOOD, "site.example")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = newest
    context.set_ciphers("ALL:@SECLEVEL=0")
    # asyncio's own servers reset the connection before the alert is sent.
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    incoming.write(hello)
    with contextlib.suppress(ssl.SSLError):
        context.wrap_bio(incoming, outgoing, server_side=True).do_handshake()
    return outgoing.read()


def client_context() -> ssl.SSLContext:
    """The system's settings, and trust in the tests' own authority."""
    context = ssl.create_default_context()
    _authority().configure_trust(context)
    return context


@cache
def _authority() -> trustme.CA:
    return trustme.CA()


def _certificate(kind: str, name: str) -> trustme.LeafCert:
    now, day = dt.datetime.now(dt.UTC), dt.timedelta(days=1)
    match kind:
        case "expired":
            return _authority().issue_cert(name, not_before=now - 3 * day, not_after=now - day)
        case "not yet valid":
            return _authority().issue_cert(name, not_before=now + day, not_after=now + 3 * day)
        case "for another host":
            return _authority().issue_cert(f"not-{name}")
        case "of a stranger":
            return trustme.CA().issue_cert(name)
        case _:
            return _authority().issue_cert(name)


def _load(context: ssl.SSLContext, authority: trustme.CA) -> None:
    """Shows an authority's own certificate, which nobody but itself has signed."""
    with authority.private_key_pem.tempfile() as key, authority.cert_pem.tempfile() as certificate:
        context.load_cert_chain(certificate, key)
