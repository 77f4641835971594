from __future__ import annotations

from lodestone.cli.up.places import Place, places_of
from lodestone.client import Addresses


def test_each_service_has_a_place():
    """In the order of starting, under its own word."""
    assert [place.name for place in places_of(Addresses())] == [
        "embedder",
        "novelty",
        "watermark",
        "crawler",
    ]


def test_more_crawlers_are_on_the_next_ports():
    """The first one keeps its own, which clients know; IPv6 hosts keep their brackets."""
    crawlers = places_of(Addresses(crawler="[::1]:7000"), crawlers=3)[3:]
    assert crawlers == [
        Place("crawler", "crawler", "[::1]:7000"),
        Place("crawler-2", "crawler", "[::1]:7001"),
        Place("crawler-3", "crawler", "[::1]:7002"),
    ]
    assert (crawlers[2].host, crawlers[2].port) == ("::1", 7002)
