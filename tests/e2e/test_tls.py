"""`lodestone up` with TLS: it mines, and each of the six may do what is its own."""

from __future__ import annotations

import json
import subprocess
import sys

import grpc
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lodestone.cli.app import run
from lodestone.cli.certs.authority import Authority, Pair
from lodestone.client import (
    CrawlerClient,
    EmbedderClient,
    NoveltyClient,
    Transport,
    WatermarkClient,
)
from tests.e2e.conftest import ROOT, Lodestone
from tests.fakes.certificate_files import channel_credentials, issue

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


def _pair(folder):
    return Pair((folder / "ca.crt").read_bytes(), (folder / "ca.key").read_bytes())


async def code_of(call):
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return caught.value.code()


async def refusals_in_log(secured, channel):
    """What the crawler's log has more, after a call that is refused."""
    log = secured.data / "logs" / "crawler.log"
    start = log.stat().st_size
    async with channel:
        call = channel.unary_unary("/lodestone.crawler.v1.CrawlerService/ListCrawls")
        assert await code_of(call(b"", timeout=20)) is grpc.StatusCode.UNAVAILABLE
    with log.open("rb") as file:
        file.seek(start)
        return file.read().decode()


async def test_a_handshake_that_fails_leaves_its_reason_in_the_log(secured, certs):
    """gRPC's own line: of another authority, of none and of plaintext."""
    address = f"127.0.0.1:{secured.ports['crawler']}"
    believed, rogue = Authority(_pair(certs / "ca")), Authority.create()
    options = [("grpc.use_local_subchannel_pool", 1), ("grpc.enable_retries", 0)]
    channels = {
        "CERTIFICATE_VERIFY_FAILED": channel_credentials(issue(rogue, "person"), believed),
        "PEER_DID_NOT_RETURN_A_CERTIFICATE": channel_credentials(None, believed),
    }
    for reason, credentials in channels.items():
        channel = grpc.aio.secure_channel(address, credentials, options=options)
        assert reason in await refusals_in_log(secured, channel)
    plaintext = grpc.aio.insecure_channel(address, options=options)
    assert "WRONG_VERSION_NUMBER" in await refusals_in_log(secured, plaintext)


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
    log = (secured.data / "logs" / "crawler.log").read_text()
    refused = [json.loads(line) for line in log.splitlines() if '"call_refused"' in line]
    assert {one["caller"].rpartition("/")[2] for one in refused} == {
        "embedder",
        "novelty",
        "watermark",
        "crawler",
        "bulk",
    }


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
