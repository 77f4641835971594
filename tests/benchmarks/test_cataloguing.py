from __future__ import annotations

import os
import tempfile
from pathlib import Path

import psycopg
import pytest

from benchmarks.cataloguing import load, team
from benchmarks.cataloguing.own_server import address_of, new_database, own_server
from benchmarks.cataloguing.team import Work
from tests.postgres.fixtures import place, postgres

__all__ = ["place", "postgres"]


async def test_everything_is_measured(place, tmp_path):
    """A few of each, on both databases: accepts are in the store."""
    rates = await load.measure(place, tmp_path / "store", 20)
    assert set(rates) == {"listings", "leases", "leases_all_held", "rejections", "accepts"}
    assert min(rates.values()) > 0
    assert len(list((tmp_path / "store" / "kept" / "benchmark").iterdir())) == 20


def test_bare_commits(place):
    """By the drivers alone; nothing of it stays."""
    assert load.bare_commits(place, 5) > 0
    assert load.bare_commits(place, 5) > 0


def test_a_server_of_its_own_syncs_every_commit(tmp_path):
    """Databases are made on it and removed; several crawlers record there, with files and without."""
    if os.environ.get("LODESTONE_TESTS_WITHOUT_POSTGRESQL"):
        pytest.skip("LODESTONE_TESTS_WITHOUT_POSTGRESQL is set")
    with tempfile.TemporaryDirectory() as folder, own_server(Path(folder) / "server") as server:
        settings = load.server_settings(server)
        assert settings["fsync"] == settings["synchronous_commit"] == "on"
        with new_database(server, "one") as url:
            store = tmp_path / "store"
            assert team.rate(url, store, 2, Work(6, 2, 2_000), first=1_000) > 0
            assert len(list((store / "kept" / "benchmark").iterdir())) == 6
            assert team.rate(url, store, 1, Work(6, 1, 0), first=2_000) > 0
            assert len(list((store / "kept" / "benchmark").iterdir())) == 6
            with psycopg.connect(address_of(url)) as connection:
                count = connection.execute("SELECT count(*) FROM images").fetchone()
            assert count == (12,)
        with psycopg.connect(address_of(server)) as connection:
            rows = connection.execute("SELECT 1 FROM pg_database WHERE datname = 'one'").fetchall()
        assert rows == []
