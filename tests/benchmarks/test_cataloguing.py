from __future__ import annotations

from benchmarks.cataloguing import load
from tests.postgres.fixtures import place, postgres

__all__ = ["place", "postgres"]


async def test_everything_is_measured(place, tmp_path):
    """A few of each, on both databases: accepts are in the store."""
    rates = await load.measure(place, tmp_path / "store", 20)
    assert set(rates) == {"listings", "leases", "rejections", "accepts"}
    assert min(rates.values()) > 0
    assert len(list((tmp_path / "store" / "kept" / "benchmark").iterdir())) == 20


def test_bare_commits(place):
    """By the drivers alone; nothing of it stays."""
    assert load.bare_commits(place, 5) > 0
    assert load.bare_commits(place, 5) > 0
