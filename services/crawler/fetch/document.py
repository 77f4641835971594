"""Documents: what an API, a feed or a site's map answers, as bytes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote

DOCUMENT_MAX_BYTES = 10_000_000

# What is shorter is hardly a secret, and may be a word of any sentence.
_SECRET_CHARACTERS = 10


@dataclass(frozen=True, slots=True)
class DocumentRequest:
    """What to ask for.

    Attributes:
        url: The address, without any secret.
        accept: The `Accept` header.
        max_bytes: Bytes of the answer at most; exactly this passes.
        is_api: Whether it is a documented interface for programs: its own terms count then, not robots.txt.
        headers: Sent to the address's own origin only: they may hold secrets.
        secret_query: `name=value&…`, already encoded, that is sent behind the address's query, to its own origin only.
        gap_s: How long an interface's host is left alone between two requests at least, seconds; 0 for its pace alone.
    """

    url: str
    accept: str = "application/json"
    max_bytes: int = DOCUMENT_MAX_BYTES
    is_api: bool = True
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    secret_query: str = field(default="", repr=False)
    gap_s: float = 0.0

    def __post_init__(self) -> None:
        """Refuses secrets for what is no interface: they would not be sent."""
        if not self.is_api and self.secrets:
            message = "only interfaces are told secrets"
            raise ValueError(message)

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must be shown nowhere, the longest first: the whole, and the value alone, as a host may repeat it."""
        pairs = [part.partition("=")[2] for part in self.secret_query.split("&")]
        words = [word for value in self.headers.values() for word in value.split()]
        values = {
            part
            for part in (*pairs, *map(unquote, pairs), *words)
            if len(part) >= _SECRET_CHARACTERS
        }
        whole = {part for part in (self.secret_query, *self.headers.values()) if part}
        return tuple(sorted(whole | values, key=len, reverse=True))


@dataclass(frozen=True, slots=True)
class Document:
    """What came back, with status 200.

    Attributes:
        body: The bytes.
        final_url: The address that answered, after redirects, without any secret.
        content_type: The whole header; empty if none was stated.
        headers: All headers, names in lower case; of those that came twice the last.
    """

    body: bytes
    final_url: str
    content_type: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
