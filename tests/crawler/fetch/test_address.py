from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.crawler.fetch.address import (
    AddressPolicy,
    AllowedAddress,
    BadAllowedAddress,
    ForbiddenAddress,
    ForbiddenPort,
)

FORBIDDEN = [
    *("0.0.0.0", "0.1.2.3", "10.0.0.1", "100.64.0.1", "100.100.100.200", "127.0.0.1"),
    *("127.255.255.254", "168.63.129.16", "169.254.169.254", "172.16.0.1", "172.31.255.255"),
    *("192.0.0.1", "192.0.0.192", "192.0.2.1", "192.88.99.1", "192.168.1.1", "198.18.0.1"),
    *("198.19.255.255", "198.51.100.7", "203.0.113.9", "224.0.0.1", "239.255.255.250"),
    *("240.0.0.1", "255.255.255.255"),
    *("::", "::1", "::127.0.0.1", "::7f00:1", "::ffff:127.0.0.1", "::ffff:10.0.0.1"),
    *("::ffff:0:127.0.0.1", "64:ff9b::a9fe:a9fe", "64:ff9b::127.0.0.1", "64:ff9b:1::1"),
    *("100::1", "2001::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2", "2001:10::1", "2001:20::1"),
    *("2001:db8::1", "2002:a9fe:a9fe::", "2002:7f00:1::1", "2002:808:808::1", "3fff::1"),
    *("3fff:fff:ffff::1", "4000::1", "5f00::1", "fc00::1", "fd00:ec2::254", "fd20:ce::254"),
    *("fe80::1", "fe80::1%eth0", "fec0::1", "ff02::1", "ff0e::1"),
]
PUBLIC = [
    *("8.8.8.8", "1.1.1.1", "172.15.255.255", "172.32.0.1", "100.128.0.1", "192.0.1.1"),
    *("168.63.129.17", "223.255.255.255", "2606:4700::1111", "2a00:1450:4001::1", "2400::1"),
    *("::ffff:8.8.8.8", "64:ff9b::8.8.8.8"),
]


@pytest.mark.parametrize("address", FORBIDDEN)
@pytest.mark.parametrize("port", [80, 443, 8080])
def test_forbids_what_is_not_public(address: str, port: int) -> None:
    """Private, loopback, metadata and embedded addresses are refused at any port."""
    with pytest.raises(ForbiddenAddress) as refused:
        AddressPolicy().check(address, port)
    assert address in str(refused.value)
    assert refused.value.kind


@pytest.mark.parametrize("address", PUBLIC)
def test_passes_public_addresses_at_web_ports(address: str) -> None:
    """Public addresses pass at 80 and 443 and at no other port."""
    policy = AddressPolicy()
    policy.check(address, 80)
    policy.check(address, 443)
    for port in (22, 25, 6379, 8080):
        with pytest.raises(ForbiddenPort) as refused:
            policy.check(address, port)
        assert refused.value.port == port


@pytest.mark.parametrize("text", ["", "localhost", "127.1", "0x7f000001", "1.2.3.4/8", "::1]"])
def test_refuses_what_is_no_address(text: str) -> None:
    """A text that is no IP address is refused, not passed."""
    with pytest.raises(ForbiddenAddress, match="unreadable"):
        AddressPolicy().check(text, 80)


@given(st.ip_addresses(network="127.0.0.0/8"))
def test_no_spelling_of_loopback_passes(address: object) -> None:
    """Mapped, compatible, NAT64 and 6to4 forms of every loopback address are refused."""
    number = int(address)  # type: ignore[call-overload]
    high, low = number >> 16, number & 0xFFFF
    for spelling in (
        *(str(address), f"::ffff:{address}", f"::{address}", f"64:ff9b::{address}"),
        f"2002:{high:x}:{low:x}::1",
    ):
        with pytest.raises(ForbiddenAddress):
            AddressPolicy().check(spelling, 80)


@pytest.mark.parametrize(
    ("entry", "passes", "refused"),
    [
        ("127.0.0.1", [("127.0.0.1", 80), ("127.0.0.1", 443)], [("127.0.0.1", 8099)]),
        ("127.0.0.0/8", [("127.9.9.9", 80)], [("10.0.0.1", 80), ("127.9.9.9", 81)]),
        (
            "127.0.0.1:8099",
            [("127.0.0.1", 8099), ("::ffff:127.0.0.1", 8099)],
            [("127.0.0.1", 80), ("127.0.0.2", 8099), ("127.0.0.1", 8098)],
        ),
        ("10.0.0.0/8:8080", [("10.1.2.3", 8080)], [("10.1.2.3", 80)]),
        ("[::1]:80", [("::1", 80)], [("::1", 443), ("127.0.0.1", 80)]),
        ("::1", [("::1", 443)], [("::2", 443)]),
        ("[fd00::/8]:8000", [("fd12::1", 8000)], [("fe80::1", 8000)]),
        ("93.184.216.34:8080", [("93.184.216.34", 8080)], [("93.184.216.35", 8080)]),
    ],
)
def test_allow_entries_open_exactly_what_they_name(
    entry: str, passes: list[tuple[str, int]], refused: list[tuple[str, int]]
) -> None:
    """An entry opens its addresses at its port, or at 80 and 443 if it names none."""
    policy = AddressPolicy((AllowedAddress.parse(entry),))
    for address, port in passes:
        policy.check(address, port)
    for address, port in refused:
        with pytest.raises((ForbiddenAddress, ForbiddenPort)):
            policy.check(address, port)


@pytest.mark.parametrize(
    "entry",
    [
        *("", "localhost", "127.1", "127.0.0.1/33", "127.0.0.1:", "127.0.0.1:0", "127.0.0.1:99999"),
        *(
            "127.0.0.1:x",
            "[::1",
            "[::1]80",
            "[::1]:",
            "[::1]:0",
            "10.0.0.1/8",
            "*",
            "http://127.0.0.1",
        ),
    ],
)
def test_refuses_unreadable_allow_entries(entry: str) -> None:
    """An entry that cannot be understood names itself and opens nothing."""
    with pytest.raises(BadAllowedAddress) as refused:
        AllowedAddress.parse(entry)
    assert repr(entry) in str(refused.value)


def test_ports_that_some_entry_names() -> None:
    """Before a name is resolved, a port passes if any entry names it."""
    policy = AddressPolicy((AllowedAddress.parse("127.0.0.1:8099"),))
    for port in (80, 443, 8099):
        policy.check_port(port)
    with pytest.raises(ForbiddenPort) as refused:
        policy.check_port(8100)
    assert refused.value.port == 8100


def test_a_name_is_told_its_forbidden_address_before_its_forbidden_port() -> None:
    """Of all answers the forbidden address counts, wherever it stands; else the forbidden port."""
    policy = AddressPolicy()
    for answers in (["8.8.8.8", "127.0.0.1"], ["127.0.0.1", "8.8.8.8"]):
        with pytest.raises(ForbiddenAddress):
            policy.check_all(answers, 8080)
    with pytest.raises(ForbiddenPort):
        policy.check_all(["8.8.8.8", "1.1.1.1"], 8080)
    policy.check_all(["8.8.8.8", "1.1.1.1"], 443)


def test_only_what_the_configuration_names_is_our_own() -> None:
    """A public address is none of ours; an allowed one is, at its port and in its IPv6 spelling."""
    policy = AddressPolicy((AllowedAddress.parse("127.0.0.1:8099"),))
    assert policy.is_allowed("127.0.0.1", 8099)
    assert policy.is_allowed("::ffff:127.0.0.1", 8099)
    assert not policy.is_allowed("127.0.0.1", 80)
    assert not policy.is_allowed("8.8.8.8", 80)
