"""Addresses out of the environment."""

from __future__ import annotations

import pytest

from lodestone.client import Addresses, BadAddress
from lodestone.client.addresses import split_address


def test_the_defaults_are_the_ports_of_the_design():
    """50051 to 50054 on loopback."""
    assert Addresses.from_environment({}) == Addresses(
        embedder="127.0.0.1:50051",
        novelty="127.0.0.1:50052",
        watermark="127.0.0.1:50053",
        crawler="127.0.0.1:50054",
    )


def test_each_variable_sets_its_service():
    """LODESTONE_CRAWLER and so on; an empty one is unset."""
    environment = {"LODESTONE_CRAWLER": "crawler.example:443", "LODESTONE_NOVELTY": ""}
    addresses = Addresses.from_environment(environment)
    assert addresses.crawler == "crawler.example:443"
    assert addresses.novelty == "127.0.0.1:50052"


@pytest.mark.parametrize(
    "value",
    ["localhost", "localhost:", ":50051", "localhost:0", "localhost:65536", "h:5x", "::1:5"],
)
def test_what_is_no_address_is_refused_by_name(value):
    """The error names the variable and its value."""
    with pytest.raises(
        BadAddress, match=r"LODESTONE_EMBEDDER: .* is not HOST:PORT with a port from 1 to 65535"
    ) as raised:
        Addresses.from_environment({"LODESTONE_EMBEDDER": value})
    assert raised.value.value == value


def test_an_address_is_split():
    """IPv6 hosts lose their brackets."""
    assert split_address("127.0.0.1:50051") == ("127.0.0.1", 50051)
    assert split_address("[::1]:50051") == ("::1", 50051)
