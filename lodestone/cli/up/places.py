"""Where each process of `up` serves."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from lodestone.client import Addresses
from lodestone.client.addresses import split_address


@dataclass(frozen=True, slots=True)
class Place:
    """One process.

    Attributes:
        name: What a person calls it, and its log: `crawler`, `crawler-2`.
        word: The service.
        address: Its `host:port`.
    """

    name: str
    word: str
    address: str

    @property
    def host(self) -> str:
        """The host, without brackets."""
        return split_address(self.address)[0]

    @property
    def port(self) -> int:
        """The port."""
        return split_address(self.address)[1]


def places_of(where: Addresses, *, crawlers: int = 1) -> list[Place]:
    """One process for each service, and more crawlers on the ports behind the first one's."""
    first = [Place(word, word, address) for word, address in asdict(where).items()]
    host, _, port = where.crawler.rpartition(":")
    more = [
        Place(f"crawler-{number}", "crawler", f"{host}:{int(port) + number - 1}")
        for number in range(2, crawlers + 1)
    ]
    return first + more
