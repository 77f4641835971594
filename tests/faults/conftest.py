"""Servers and processes that the fault tests share."""

from __future__ import annotations

import pytest

from tests.faults.crawlers import Starter
from tests.faults.model_process import ModelProcess
from tests.faults.places import InFolder, cluster
from tests.faults.rig import Rig
from tests.faults.site_plan import Batch
from tests.faults.site_server import Site
from tests.faults.undisturbed import expected_counts
from tests.postgres.fixtures import postgres

__all__ = ["postgres"]


@pytest.fixture(scope="session")
def starter(tmp_path_factory):
    with Starter(tmp_path_factory.mktemp("starter")) as starter:
        yield starter


@pytest.fixture(scope="session")
def site():
    with Site() as site:
        yield site


@pytest.fixture
def models():
    with ModelProcess() as models:
        yield models


@pytest.fixture
def in_folder(starter, site, models, tmp_path):
    """A rig whose place is a data folder."""
    with Rig(InFolder(tmp_path), starter, site, models, tmp_path) as rig:
        yield rig


@pytest.fixture
def in_cluster(starter, site, models, postgres, s3_server, tmp_path):
    """A rig on PostgreSQL and S3."""
    with (
        cluster(tmp_path, postgres, s3_server) as place,
        Rig(place, starter, site, models, tmp_path) as rig,
    ):
        yield rig


@pytest.fixture(params=["folder", "cluster"])
def rig(request):
    """Either."""
    return request.getfixturevalue(f"in_{request.param}")


@pytest.fixture
def expected():
    """How a batch ends that nobody disturbs; a test compares it with one that nobody did."""
    return expected_counts(Batch(0))
