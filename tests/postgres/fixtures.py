"""A PostgreSQL server for a whole run of tests, and places for catalogues."""

from __future__ import annotations

import os

import pytest

# Asked when this is imported: a fixture hides the settings of whoever runs the tests.
_LEFT_OUT = bool(os.environ.get("LODESTONE_TESTS_WITHOUT_POSTGRESQL"))


@pytest.fixture(scope="session")
def postgres():
    """A server; only where somebody says that there is none are its tests left out."""
    if _LEFT_OUT:
        pytest.skip("LODESTONE_TESTS_WITHOUT_POSTGRESQL is set")
    from tests.postgres.server import PostgresServer

    server = PostgresServer()
    yield server
    server.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request, tmp_path):
    """Where an empty catalogue may be: what takes this runs on both databases."""
    if request.param == "sqlite":
        yield tmp_path / "catalog.sqlite"
        return
    with request.getfixturevalue("postgres").database() as url:
        yield url
