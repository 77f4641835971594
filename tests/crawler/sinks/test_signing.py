from __future__ import annotations

import base64

import pytest

from services.crawler.sinks.signing import parse_secrets, signature_of
from services.servicekit.errors import Misconfigured


def test_a_signature_is_the_one_that_was_worked_out_elsewhere():
    """`printf '%s' id.1.body | openssl dgst -sha256 -mac HMAC -macopt hexkey:00…` over 24 zero bytes, in base64."""
    keys = parse_secrets(f"whsec_{base64.b64encode(bytes(24)).decode()}")
    signature = signature_of(keys, message_id="id", timestamp=1, body=b"body")
    assert signature == "v1,hVqtE3424D16V/T9ffboIF1HgFST8SgKcxOxwVYKGmA="


@pytest.mark.parametrize(
    "text",
    [
        base64.b64encode(bytes(32)).decode(),
        "whsec_",
        "whsec_no base64",
        f"whsec_{base64.b64encode(bytes(23)).decode()}",
        f"whsec_{base64.b64encode(bytes(65)).decode()}",
    ],
)
def test_what_is_no_secret_is_refused_and_not_quoted(text):
    """Too short, too long, without its prefix."""
    with pytest.raises(Misconfigured) as raised:
        parse_secrets(text)
    assert text not in str(raised.value) or text == "whsec_"


def test_no_secret_signs_nothing():
    """A webhook may be unsigned."""
    assert parse_secrets("") == ()
