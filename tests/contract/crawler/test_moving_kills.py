"""Exports and imports that are killed, and crawlers under them."""

from __future__ import annotations

import asyncio
import json
import os
import random
import sys
import time
from contextlib import asynccontextmanager

import pytest

from lodestone.client import CrawlerClient
from services.crawler.verifying.catalogue_file import CatalogueFile
from services.crawler.verifying.folder_files import FolderFiles
from services.crawler.verifying.terms import CheckTerms
from services.crawler.verifying.verification import Verification
from tests.contract.crawler.mined import mine
from tests.contract.crawler.moving import ROOT, crawler_at, rows_of, run, start
from tests.fakes.colour_services import ColourServices
from tests.fakes.ports import free_port
from tests.faults.tcp_proxy import Fault, TcpProxy

COUNT = 7


@pytest.fixture(scope="module")
def mined(tmp_path_factory):
    with ColourServices() as fakes:
        return mine(fakes, tmp_path_factory.mktemp("mined"))


def names(folder):
    return {path.name for path in folder.iterdir()} if folder.exists() else set()


def shards_of(folder):
    return json.loads((folder / "manifest.json").read_text())["shards"]


@pytest.mark.parametrize(
    "word",
    [
        "webdataset",
        pytest.param("folder", marks=pytest.mark.long),
        pytest.param("parquet", marks=pytest.mark.long),
    ],
)
async def test_an_export_that_is_killed_again_and_again(word, mined, tmp_path):
    """Each time it goes on behind its last shard; in the end it is byte by byte what it is without kills."""
    rng = random.Random(8)
    options = ("--format", word, "--shard-images", "1")
    async with (
        crawler_at(mined) as (address, _),
        # Slow enough that a busy machine sees a shard before the last one is there.
        TcpProxy(int(address.rpartition(":")[2]), latency_s=0.2) as slow,
    ):
        await run(address, "export", tmp_path / "whole", *options)
        slow.fault = Fault.SLOW
        cut, cut_off = tmp_path / "cut", 0
        for kill in (1, 3, 5):
            process = await start(slow.address, "export", cut, *options)
            while len([name for name in names(cut) if name.startswith("shard-")]) < kill:
                assert process.returncode is None
                await asyncio.sleep(0.001)
            await asyncio.sleep(rng.uniform(0.0, 0.01))
            process.kill()
            await process.communicate()
            cut_off += "manifest.json" not in names(cut)
        assert cut_off >= 2
        await run(address, "export", cut, *options)
    assert shards_of(cut) == shards_of(tmp_path / "whole")
    assert names(cut) == names(tmp_path / "whole")


@asynccontextmanager
async def crawler(data, port):
    """A crawler as a process; killed if it still runs at the end."""
    environment = {
        "LODESTONE_DATA": str(data),
        "LODESTONE_CRAWLER_PORT": str(port),
        **{f"LODESTONE_CRAWLER_{name}": "0" for name in ("MIN_PIXELS", "METRICS_PORT")},
    }
    with (data.parent / "crawler.err").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "services.crawler"),
            cwd=ROOT,
            env=os.environ | environment,
            stdout=log,
            stderr=log,
        )
    try:
        async with CrawlerClient(f"127.0.0.1:{port}") as client:
            async with asyncio.timeout(60):
                while not await is_there(client):
                    await asyncio.sleep(0.02)
            yield process, client
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def is_there(client):
    try:
        await client.list_crawls()
    except Exception:  # noqa: BLE001 - it is not there yet
        return False
    return True


async def image_count(client):
    return len([one async for one in client.list_images()])


def problems(data, *, grace_s=3600.0):
    folder = data
    terms = CheckTerms(time.time(), grace_s)
    check = Verification(
        CatalogueFile(folder / "catalog.sqlite"), FolderFiles(folder), terms, threads=2
    )
    return list(check.check(lambda _: None))


async def test_an_import_and_its_crawler_that_are_killed(mined, tmp_path):
    """After each kill the folder is well; in the end everything is there, once, as it was."""
    data, port, export = tmp_path / "data", free_port(), tmp_path / "export"
    async with crawler_at(mined) as (address, _):
        await run(address, "export", export, "--format", "webdataset", "--shard-images", "3")
    here = f"127.0.0.1:{port}"
    async with crawler(data, port) as (_, client):
        process = await start(here, "import", export)
        while not await image_count(client):
            assert process.returncode is None
        process.kill()
        await process.communicate()
    assert problems(data) == []
    importing, left = None, []
    for kept in (2, 4):
        async with crawler(data, port) as (process, client):
            # The command waits for the crawler, and goes on when it is back.
            importing = importing or await start(here, "import", export, "--json")
            while await image_count(client) < kept and importing.returncode is None:
                await asyncio.sleep(0.001)
            process.kill()
            await process.wait()
        assert problems(data) == []
        left.append(COUNT - len(rows_of(data)["images"]))
    assert left[0]
    async with crawler(data, port):
        out, err = await asyncio.wait_for(importing.communicate(), 60)
        assert importing.returncode == 0, err.decode()
        await run(here, "import", export)
    assert {problem.kind for problem in problems(data, grace_s=0.0)} <= {"ORPHAN"}
    assert rows_of(data) == rows_of(mined)
    assert json.loads(out.splitlines()[-1])["summary"]["image_count"] == COUNT
