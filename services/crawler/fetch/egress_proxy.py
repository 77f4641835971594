"""The proxy that all requests go through, if one is configured."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Self

import aiohttp
from yarl import URL

from services.servicekit.errors import Misconfigured

_WRONG = (
    "the egress proxy must be a URL like http://proxy.example:3128 or http://user:password@…:3128"
)


@dataclass(frozen=True, slots=True)
class EgressProxy:
    """An HTTP proxy, asked with CONNECT for https. It is a second guard; the first one, here, stays.

    Attributes:
        url: Its address, without credentials.
        host: Its host.
        port: Its port.
        authorization: What it wants to know of us, as a header's value; empty if nothing; never shown.
        whole_url: The address with the credentials, for a library that asks for them so; never shown.
    """

    url: URL
    host: str
    port: int
    authorization: str = field(default="", repr=False)
    whole_url: URL | None = field(default=None, repr=False)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Reads `http://host:3128` or `http://user:password@host:3128`.

        Raises:
            Misconfigured: It is no such URL. The text is not quoted: it may hold a password.
        """
        try:
            url = URL(text)
            host, port = url.host or "", url.port or 0
        except ValueError as error:
            raise Misconfigured(_WRONG) from error
        if url.scheme != "http" or not host or not url.explicit_port:
            raise Misconfigured(_WRONG)
        told = aiohttp.encode_basic_auth(url.user, url.password or "") if url.user else ""
        return cls(url.origin(), host, port, told, url)
