from __future__ import annotations

import pytest

from services.crawler.store.s3_address import S3Access, S3Address
from services.servicekit.errors import Misconfigured


@pytest.mark.parametrize(
    ("url", "bucket", "prefix"),
    [
        ("s3://pictures", "pictures", ""),
        ("s3://pictures/", "pictures", ""),
        ("s3://my.pictures-2/lodestone", "my.pictures-2", "lodestone"),
        ("s3://pictures/a/B_c/d.e/", "pictures", "a/B_c/d.e"),
    ],
)
def test_addresses(url, bucket, prefix):
    """A bucket, and a prefix without slashes around it."""
    address = S3Address.parse(url)
    assert (address.bucket, address.prefix) == (bucket, prefix)
    assert str(address) == url.rstrip("/")


@pytest.mark.parametrize(
    "url",
    [
        "pictures", "https://pictures", "s3:/pictures", "s3://", "s3:///a", "s3://Pictures", "s3://a", "s3://a_b/c",
        "s3://pictures:9000/a", "s3://key:secret@pictures/a", "s3://pictures//a", "s3://pictures/a?b", "s3://pictures/ä",
        "s3://pictures/../a", "s3://pictures/./a", "s3://pictures/a b", "s3://pictures/a\n", " s3://pictures",
    ],
)  # fmt: skip
def test_what_is_no_address(url):
    """It is refused and not quoted, as it may have keys in it."""
    with pytest.raises(Misconfigured, match="s3://bucket/prefix") as caught:
        S3Address.parse(url)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("endpoint", ["", "http://127.0.0.1:8333", "https://s3.example.org"])
def test_sound_access(endpoint):
    """Both keys or neither, and an endpoint that is a plain address."""
    S3Access(endpoint).require_sound()
    S3Access(endpoint, "eu-central-1", "id", "secret").require_sound()


@pytest.mark.parametrize(
    "access",
    [
        S3Access(access_key_id="id"), S3Access(secret_access_key="secret"),
        *(S3Access(endpoint) for endpoint in (
            "127.0.0.1:8333", "s3://host", "ftp://host", "https://", "https://id:secret@host", "https://host:99999",
            "https://host?a=secret", "https://host:port",
        )),
    ],
)  # fmt: skip
def test_access_that_cannot_be_used(access):
    """One clear line; what was given is not quoted."""
    with pytest.raises(Misconfigured) as caught:
        access.require_sound()
    assert "secret" not in str(caught.value).replace("secret access key", "")


def test_keys_are_not_shown():
    """Whoever prints it sees none."""
    assert "secret" not in repr(S3Access("", "", "id-secret", "secret"))
