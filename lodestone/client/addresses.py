"""Where the four services are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields


class BadAddress(ValueError):
    """An address that is not `host:port`.

    Attributes:
        name: The environment variable.
        value: What it holds.
    """

    def __init__(self, name: str, value: str) -> None:
        super().__init__(
            f"{name}: {value!r} is not HOST:PORT with a port from 1 to 65535, for example 127.0.0.1:50051"
        )
        self.name = name
        self.value = value


@dataclass(frozen=True, slots=True)
class Addresses:
    """The `host:port` of each service; IPv6 hosts in brackets."""

    embedder: str = "127.0.0.1:50051"
    novelty: str = "127.0.0.1:50052"
    watermark: str = "127.0.0.1:50053"
    crawler: str = "127.0.0.1:50054"

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Addresses:
        """Reads LODESTONE_EMBEDDER, LODESTONE_NOVELTY, LODESTONE_WATERMARK and LODESTONE_CRAWLER; unset is the default.

        Raises:
            BadAddress: One of them is not `host:port`.
        """
        given = {}
        for field in fields(cls):
            name = f"LODESTONE_{field.name.upper()}"
            if environment.get(name):
                split_address(environment[name], name=name)
                given[field.name] = environment[name]
        return cls(**given)


def split_address(address: str, *, name: str = "address") -> tuple[str, int]:
    """The host, without brackets, and the port of `host:port`; `name` is for the error message.

    Raises:
        BadAddress: It is none.
    """
    host, _, port = address.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    if not host or not (port.isascii() and port.isdigit()) or not 0 < int(port) < 65_536:
        raise BadAddress(name, address)
    if ":" in host and not bracketed:
        raise BadAddress(name, address)
    return (host[1:-1] if bracketed else host), int(port)
