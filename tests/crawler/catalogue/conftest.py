"""A catalogue in a folder of the test's own."""

from __future__ import annotations

import pytest

from services.crawler.catalogue.database import Database


@pytest.fixture
def database(tmp_path):
    database = Database(tmp_path / "catalog.sqlite")
    yield database
    database.close()
