from __future__ import annotations

import pytest

from services.crawler.verifying.sidecar_facts import parse_sidecar


@pytest.mark.parametrize(
    "text",
    [
        b"", b"{", b"[]", b"7", b"null", b"\xff\xfe{}", b"{}", b'{"judgements": []}', b"[" * 100_000,
        b'{"judgements": {}} and more',
    ],
)  # fmt: skip
def test_what_is_no_sidecar(text):
    """Whatever is written there, it is one answer and no error."""
    assert parse_sidecar(text) is None


def test_a_sidecar():
    """Its facts as they are."""
    assert parse_sidecar(b'{"judgements": {}, "digest": "d"}') == {"judgements": {}, "digest": "d"}
