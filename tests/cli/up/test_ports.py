"""Ports are tried before anything is started."""

from __future__ import annotations

import contextlib
import random
import socket
from dataclasses import replace

import pytest

from lodestone.cli.errors import CliError
from lodestone.cli.up.places import places_of
from lodestone.cli.up.ports import health_port, metrics_port, require_free
from lodestone.client import Addresses
from lodestone.client.addresses import split_address


@pytest.fixture
def free():
    """Four addresses whose ports, and those of their metrics, nobody listens on."""
    for first in random.sample(range(12_000, 22_000, 4), 100):
        where = Addresses(*(f"127.0.0.1:{first + i}" for i in range(4)))
        with contextlib.suppress(CliError):
            require_free(places_of(where))
            return where
    raise AssertionError("no four free ports in a row")


def test_metrics_are_at_port_plus_ten_thousand_or_off():
    """Ports over 55535 have no room for metrics."""
    assert metrics_port(50051) == 60051
    assert metrics_port(55535) == 65535
    assert metrics_port(55536) == 0


def test_health_is_at_port_minus_ten_thousand_or_off():
    """Ports up to 10000 have no room for it."""
    assert health_port(50051) == 40051
    assert health_port(10001) == 1
    assert health_port(10000) == health_port(6001) == 0


def test_with_tls_the_port_of_health_is_tried_too(free):
    """Which service it is for, and what moves it."""
    taken = split_address(free.watermark)[1] - 10_000
    with socket.create_server(("127.0.0.1", taken)):
        require_free(places_of(free))
        with pytest.raises(CliError, match=f"port {taken} of .*the watermark service's health"):
            require_free(places_of(free), tls=True)


@pytest.mark.parametrize(
    ("word", "offset", "whose", "does"),
    [
        ("novelty", 0, "the novelty service", "chooses another"),
        ("crawler", 10_000, "the crawler service's metrics (its port + 10000)", "moves both"),
    ],
)
def test_a_port_in_use_names_the_service_and_the_way_out(free, word, offset, whose, does):
    """A service's own port, and the one of its metrics; both are free again when the other is gone."""
    port = split_address(getattr(free, word))[1] + offset
    with socket.create_server(("0.0.0.0", port)), pytest.raises(CliError) as raised:
        require_free(places_of(free))
    assert str(raised.value) == (
        f"port {port} of 127.0.0.1, for {whose}, is in use by another program or `lodestone up`: "
        f"LODESTONE_{word.upper()}=127.0.0.1:PORT {does}"
    )
    assert require_free(places_of(free)) is None


def test_an_address_of_another_machine_cannot_be_served_on(free):
    """The system's own words, and what chooses another."""
    elsewhere = replace(free, watermark="192.0.2.1:50053")
    with pytest.raises(
        CliError, match=r"192\.0\.2\.1, for the watermark service, cannot be had \("
    ):
        require_free(places_of(elsewhere))
