"""Where a store on an S3-compatible service is, and how it is reached."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import urlsplit

from services.servicekit.errors import Misconfigured

# The names that AWS allows for buckets, and prefixes of what needs no quoting anywhere.
_URL = re.compile(
    r"s3://(?P<bucket>[a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?P<prefix>(/[\w!.*'()-]+)*)/?", re.ASCII
)


@dataclass(frozen=True, slots=True)
class S3Address:
    """A place in a bucket.

    Attributes:
        bucket: The bucket's name.
        prefix: What all keys begin with, without slashes around it; may be empty.
    """

    bucket: str
    prefix: str = ""

    @classmethod
    def parse(cls, url: str) -> Self:
        """Reads `s3://bucket/prefix`.

        Raises:
            Misconfigured: It is none. It is not quoted: people write keys into such addresses.
        """
        found = _URL.fullmatch(url)
        prefix = found["prefix"].strip("/") if found else ""
        if found is None or {".", ".."} & set(prefix.split("/")):
            message = (
                "the store is s3://bucket/prefix, without keys, ports or anything that needs quoting; "
                "empty is the data folder"
            )
            raise Misconfigured(message)
        return cls(found["bucket"], prefix)

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.prefix}".rstrip("/")


@dataclass(frozen=True, slots=True)
class S3Access:
    """How the service is reached.

    Attributes:
        endpoint: Its URL; empty is AWS.
        region: The bucket's region; empty is what AWS_REGION says, or us-east-1.
        access_key_id: Whom requests are signed for; empty takes the keys that AWS's own programs would take.
        secret_access_key: What they are signed with.
    """

    endpoint: str = ""
    region: str = ""
    access_key_id: str = field(default="", repr=False)
    secret_access_key: str = field(default="", repr=False)

    def require_sound(self) -> None:
        """Passes what can be used.

        Raises:
            Misconfigured: It cannot; neither keys nor the endpoint's credentials are quoted.
        """
        if bool(self.access_key_id) != bool(self.secret_access_key):
            raise Misconfigured(
                "an access key id and a secret access key belong together: set both, or neither"
            )
        if not self.endpoint:
            return
        try:
            parts = urlsplit(self.endpoint)
            is_plain = parts.port != 0 and not (parts.username or parts.password or parts.query)
        except ValueError:
            is_plain = False
        if not is_plain or parts.scheme not in ("http", "https") or not parts.hostname:
            raise Misconfigured(
                "the store's endpoint is http://host:port or https://host:port, without credentials"
            )


@dataclass(frozen=True, slots=True)
class S3Limits:
    """How long a request may take; a method of the store makes a few.

    Attributes:
        connect_s: To connect, seconds.
        timeout_s: A whole request with its body, seconds.
        retries: Times that a request is sent again at most, after an error of the service or on the way.
        retry_s: After so many seconds it is not sent again.
        start_s: For how long a start waits for a service that is away, seconds.
    """

    connect_s: float = 5.0
    timeout_s: float = 30.0
    retries: int = 5
    retry_s: float = 10.0
    start_s: float = 30.0
