"""The guard: which network addresses may be connected to, whatever a URL, redirect or DNS answer says.

`ipaddress.is_global` alone does not do: CPython 3.11 calls multicast, `::127.0.0.1`, NAT64 and 6to4 forms of private
addresses, fec0::/10 and 192.88.99.0/24 global. So the networks are listed here, after IANA's special-purpose registries
(https://www.iana.org/assignments/iana-ipv4-special-registry, …-ipv6-special-registry), and `is_global` must agree.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

from services.servicekit.errors import InvalidInput, LodestoneError

IpAddress: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
IpNetwork: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

_WEB_PORTS = frozenset({80, 443})
_PORT_MAX = 65_535
_ENTRY = re.compile(
    r"(?:\[(?P<bracketed>[^\]]+)\]|(?P<v4>[^:\[]+))(?::(?P<port>[0-9]{1,5}))?|(?P<v6>.+)"
)

_FORBIDDEN_V4 = tuple(
    (ipaddress.IPv4Network(network), kind)
    for network, kind in (
        ("0.0.0.0/8", "non-routable"),
        ("10.0.0.0/8", "private"),
        ("100.64.0.0/10", "shared or metadata"),
        ("127.0.0.0/8", "loopback"),
        ("168.63.129.16/32", "metadata"),
        ("169.254.0.0/16", "link-local or metadata"),
        ("172.16.0.0/12", "private"),
        ("192.0.0.0/24", "protocol assignment or metadata"),
        ("192.0.2.0/24", "documentation"),
        ("192.88.99.0/24", "6to4 relay"),
        ("192.168.0.0/16", "private"),
        ("198.18.0.0/15", "benchmarking"),
        ("198.51.100.0/24", "documentation"),
        ("203.0.113.0/24", "documentation"),
        ("224.0.0.0/4", "multicast"),
        ("240.0.0.0/4", "reserved"),
    )
)
# Only 2000::/3 is global unicast at all (RFC 4291, 2.4); these lie inside it.
_GLOBAL_UNICAST_V6 = ipaddress.IPv6Network("2000::/3")
_FORBIDDEN_V6 = tuple(
    (ipaddress.IPv6Network(network), kind)
    for network, kind in (
        ("2001::/23", "protocol assignment or Teredo"),
        ("2001:db8::/32", "documentation"),
        ("2002::/16", "6to4"),
        ("3fff::/20", "documentation"),
    )
)
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


class ForbiddenAddress(LodestoneError):
    """An address that must not be connected to.

    Attributes:
        address: The address, or the text that should have been one.
        kind: What it is, for example `loopback`.
    """

    def __init__(self, address: str, kind: str) -> None:
        super().__init__(f"{address} is not a public address ({kind}) and must not be asked")
        self.address = address
        self.kind = kind


class ForbiddenPort(LodestoneError):
    """A port that must not be connected to.

    Attributes:
        port: The port.
    """

    def __init__(self, port: int) -> None:
        super().__init__(f"port {port} is not one of 80 and 443")
        self.port = port


class BadAllowedAddress(InvalidInput):
    """An entry of the allow-list that cannot be understood.

    Attributes:
        entry: The entry.
    """

    def __init__(self, entry: str) -> None:
        super().__init__(
            f"{entry!r} is not an address like 127.0.0.1, 10.0.0.0/8, 127.0.0.1:8099 or [::1]:80"
        )
        self.entry = entry


@dataclass(frozen=True, slots=True)
class AllowedAddress:
    """One exception to the guard.

    Attributes:
        network: The addresses; a single one is a network of one.
        port: The port that is allowed on them; None allows 80 and 443.
    """

    network: IpNetwork
    port: int | None = None

    @classmethod
    def parse(cls, entry: str) -> AllowedAddress:
        """Reads `127.0.0.1`, `127.0.0.0/8`, `127.0.0.1:8099`, `::1` or `[::1]:80`.

        Raises:
            BadAllowedAddress: It is none of these.
        """
        parts = _ENTRY.fullmatch(entry.strip())
        if parts is None:
            raise BadAllowedAddress(entry)
        port = int(parts["port"]) if parts["port"] else None
        try:
            network = ipaddress.ip_network(parts["bracketed"] or parts["v4"] or parts["v6"])
        except ValueError as error:
            raise BadAllowedAddress(entry) from error
        if port is not None and not 1 <= port <= _PORT_MAX:
            raise BadAllowedAddress(entry)
        return cls(network, port)

    def permits(self, address: IpAddress, port: int) -> bool:
        """Whether this entry names the address at this port."""
        return address in self.network and self.permits_port(port)

    def permits_port(self, port: int) -> bool:
        """Whether this entry names the port, on whatever address."""
        return port == self.port if self.port is not None else port in _WEB_PORTS


@dataclass(frozen=True, slots=True)
class AddressPolicy:
    """Public addresses at ports 80 and 443, and what the configuration allows besides.

    Attributes:
        allowed: The exceptions.
    """

    allowed: tuple[AllowedAddress, ...] = ()

    def check(self, address: str, port: int) -> None:
        """Passes an IP address (of a URL, a DNS answer or a peer) and its port.

        Raises:
            ForbiddenAddress: It is no public address, or no address at all.
            ForbiddenPort: The address is public but the port is not 80 or 443.
        """
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError as error:
            raise ForbiddenAddress(address, "unreadable") from error
        target = _embedded(parsed)
        if self._allows(target, port):
            return
        kind = _forbidden_kind(target)
        if kind:
            raise ForbiddenAddress(address, kind)
        if port not in _WEB_PORTS:
            raise ForbiddenPort(port)

    def check_all(self, addresses: Iterable[str], port: int) -> None:
        """Passes a name's addresses if each passes; a forbidden address is told before a forbidden port.

        Raises:
            ForbiddenAddress: One of them is no public address.
            ForbiddenPort: One of them is public but the port is not 80 or 443.
        """
        forbidden_port = None
        for address in addresses:
            try:
                self.check(address, port)
            except ForbiddenPort as error:
                forbidden_port = error
        if forbidden_port is not None:
            raise forbidden_port

    def is_allowed(self, address: str, port: int) -> bool:
        """Whether the configuration names an IP address, so that it is one of our own."""
        return self._allows(_embedded(ipaddress.ip_address(address)), port)

    def _allows(self, address: IpAddress, port: int) -> bool:
        return any(entry.permits(address, port) for entry in self.allowed)

    def check_port(self, port: int) -> None:
        """Passes a port if any address may be asked at it: what can be said of a name before it is resolved.

        Raises:
            ForbiddenPort: It is not 80 or 443, and no exception names it.
        """
        if port not in _WEB_PORTS and not any(entry.permits_port(port) for entry in self.allowed):
            raise ForbiddenPort(port)


def _embedded(address: IpAddress) -> IpAddress:
    """The IPv4 address that an IPv6 one stands for on the wire, or the address itself."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    return address


def _forbidden_kind(address: IpAddress) -> str:
    """What makes an address forbidden; empty if nothing does."""
    if isinstance(address, ipaddress.IPv4Address):
        kinds = (kind for network, kind in _FORBIDDEN_V4 if address in network)
    elif address not in _GLOBAL_UNICAST_V6:
        return _kind_outside_unicast(address)
    else:
        kinds = (kind for network, kind in _FORBIDDEN_V6 if address in network)
    known = next(kinds, "")
    return known or ("" if address.is_global and not address.is_multicast else "non-public")


def _kind_outside_unicast(address: ipaddress.IPv6Address) -> str:
    if address.is_loopback:
        return "loopback"
    if address.is_link_local:
        return "link-local"
    if address.is_multicast:
        return "multicast"
    return "private" if address.is_private or address.is_site_local else "reserved"
