"""An open catalogue of the test's own, on each database."""

from __future__ import annotations

import pytest

from services.crawler.catalogue.database import Database


@pytest.fixture
def database(place):
    database = Database(place)
    yield database
    database.close()
