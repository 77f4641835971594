"""Signatures of webhooks, as Standard Webhooks 1.0.0 has them (standardwebhooks.com)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence
from typing import Final

from services.servicekit.errors import Misconfigured

_PREFIX: Final = "whsec_"
# The specification's bounds.
_KEY_BYTES: Final = range(24, 65)


def parse_secrets(text: str) -> tuple[bytes, ...]:
    """Reads secrets with a space between them: `whsec_` and the base64 of 24 to 64 bytes each.

    Two at a time sign while one replaces the other.

    Raises:
        Misconfigured: One is none. It is not quoted.
    """
    keys = []
    for word in text.split():
        try:
            key = base64.b64decode(word.removeprefix(_PREFIX), validate=True)
        except (binascii.Error, ValueError):
            key = b""
        if not word.startswith(_PREFIX) or len(key) not in _KEY_BYTES:
            raise Misconfigured(
                "the secret of a webhook must be `whsec_` and the base64 of 24 to 64 random bytes"
            )
        keys.append(key)
    return tuple(keys)


def signature_of(keys: Sequence[bytes], *, message_id: str, timestamp: int, body: bytes) -> str:
    """The value of `webhook-signature`: one signature for each key, a space between them.

    Args:
        keys: The secrets.
        message_id: The value of `webhook-id`; has no full stop.
        timestamp: That of `webhook-timestamp`, seconds since 1970.
        body: What is posted.
    """
    signed = f"{message_id}.{timestamp}.".encode() + body
    digests = (hmac.new(key, signed, hashlib.sha256).digest() for key in keys)
    return " ".join(f"v1,{base64.b64encode(digest).decode()}" for digest in digests)
