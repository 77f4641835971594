"""Three crawlers on one PostgreSQL catalogue, started by one command."""

from __future__ import annotations

import asyncio
import signal

import psutil
import pytest

from lodestone.client import CrawlerClient
from tests.e2e.conftest import Lodestone, wait_for
from tests.faithful.slow_hosts import SlowHosts
from tests.fakes.ports import free_ports_in_a_row

pytestmark = pytest.mark.e2e

HOSTS, IMAGES = 12, 6


@pytest.fixture(scope="module")
def site(pictures):
    """Twelve hosts, each of which takes a fifth of a second; the same files at all of them, with a name of their own."""
    files = [path.read_bytes() for path in sorted((pictures / "site").glob("*.*"))[:IMAGES]]
    with SlowHosts(HOSTS, files, latency_s=0.2) as site:
        yield site


@pytest.fixture(scope="module")
def team(postgres, tmp_path_factory, pictures):
    """A running Lodestone with three crawlers that has learnt the profile `hills`."""
    folder = tmp_path_factory.mktemp("team")
    with postgres.database() as url:
        team = Lodestone(folder, "--crawlers", "3", "--allow-address", "127.0.0.0/8")
        first = free_ports_in_a_row(3)
        team.environment["LODESTONE_CRAWLER"] = f"127.0.0.1:{first}"
        team.environment["LODESTONE_CRAWLER_CATALOGUE"] = postgres.address(url.database)
        team.environment["LODESTONE_CRAWLER_CONTACT"] = "me@example.org"
        team.addresses = [f"127.0.0.1:{first + number}" for number in range(3)]
        team.start()
        try:
            team.ask("profile", "fit", "hills", str(pictures / "liked"))
            yield team
        finally:
            team.stop()


def crawler_pids(team):
    return [
        child.pid
        for child in psutil.Process(team._process.pid).children(recursive=True)
        if child.cmdline()[-2:] == ["-m", "services.crawler"]
    ]
