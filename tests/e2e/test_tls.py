"""`lodestone up` with TLS: it mines, and each of the six may do what is its own."""

from __future__ import annotations

import subprocess
import sys

import grpc
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lodestone.cli.app import run
from lodestone.client import (
    CrawlerClient,
    EmbedderClient,
    NoveltyClient,
    Transport,
    WatermarkClient,
)
from tests.e2e.conftest import ROOT, Lodestone

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def certs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls") / "certs"
    assert run(["certs", str(folder)]) == 0
    return folder


@pytest.fixture(scope="module")
def secured(tmp_path_factory, certs):
    """A running Lodestone with TLS, as a person sees it."""
    running = Lodestone(tmp_path_factory.mktemp("secured"))
    running.environment["LODESTONE_TLS"] = str(certs / "person")
    running.start()
    yield running
    running.stop()


def test_it_learns_and_mines(secured, pictures):
    """The command as a person, the crawler as itself."""
    secured.ask("profile", "fit", "hills", str(pictures / "liked"))
    *settled, last = secured.ask("crawl", str(pictures / "site"), "--profile", "hills")
    assert last["crawl"]["state"] == "COMPLETED"
    assert sum(one.get("verdict") == "ACCEPTED" for one in settled) >= 6
    assert secured.verify("--deep")["deep"]["embedded_count"] >= 6


def test_without_a_certificate_there_is_one_clear_line(secured):
    """That says what to set."""
    folder = secured.environment.pop("LODESTONE_TLS")
    try:
        done = secured.run("sources")
        assert (done.returncode, done.stdout) == (1, "")
        [line] = done.stderr.splitlines()
        assert line.endswith(
            "it may want TLS: set LODESTONE_TLS to the folder with your certificate"
        )
    finally:
        secured.environment["LODESTONE_TLS"] = folder


async def code_of(call):
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return caught.value.code()


async def test_a_service_may_do_no_more_than_its_own(secured, certs):
    """A crawler reads profiles and makes none; a model service asks no crawler."""
    denied = grpc.StatusCode.PERMISSION_DENIED
    novelty = f"127.0.0.1:{secured.ports['novelty']}"
    async with NoveltyClient(novelty, transport=Transport(certs / "crawler")) as client:
        assert [one.name for one in await client.list_profiles()] == ["hills"]
        assert await code_of(client.delete_profile("hills@1")) is denied
    embedder, watermark, crawler = (
        f"127.0.0.1:{secured.ports[word]}" for word in ("embedder", "watermark", "crawler")
    )
    for word in ("crawler", "watermark", "person"):
        async with EmbedderClient(embedder, transport=Transport(certs / word)) as client:
            assert (await client.get_encoder()).encoder_id
    async with EmbedderClient(embedder, transport=Transport(certs / "novelty")) as client:
        assert await code_of(client.get_encoder()) is denied
    async with WatermarkClient(watermark, transport=Transport(certs / "crawler")) as client:
        assert (await client.get_detector()).name
    async with WatermarkClient(watermark, transport=Transport(certs / "embedder")) as client:
        assert await code_of(client.get_detector()) is denied
    for word in ("embedder", "novelty", "watermark", "crawler", "bulk"):
        async with CrawlerClient(crawler, transport=Transport(certs / word)) as client:
            assert await code_of(client.list_crawls()) is denied


def test_a_tables_job_begins_crawls_and_looks_at_them(secured, certs, tmp_path):
    """Under a name of its own."""
    pq.write_table(pa.table({"url": ["http://127.0.0.1:9/a.jpg"]}), tmp_path / "part-0.parquet")
    words = [f"--shards={tmp_path}", "--profile=hills", "--of=1", "--job=secured"]
    done = subprocess.run(
        [sys.executable, "-m", "services.crawler.bulk", *words],
        cwd=ROOT, env=secured.environment | {"LODESTONE_TLS": str(certs / "bulk")},
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
