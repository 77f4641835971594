"""A whole Lodestone whose store is on S3."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import signal
import subprocess
import sys

import pytest

from lodestone.cli.up.health import HealthCheck
from lodestone.client import CrawlerClient, Transport
from services.crawler.store.s3_address import S3Address, S3Limits
from services.crawler.store.s3_bucket import S3Bucket
from tests.e2e.conftest import ROOT, Lodestone, wait_for
from tests.faithful.s3_server import Keys, running
from tests.fakes.canary import CANARY, has_canary

pytestmark = pytest.mark.e2e

KEYS = Keys(f"{CANARY}id", f"{CANARY}secret")
ADDRESS = S3Address("pictures", "lodestone")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with running(tmp_path_factory.mktemp("s3"), KEYS) as server:
        server.make_bucket(ADDRESS.bucket)
        yield server


@pytest.fixture(scope="module")
def bucket(server):
    return S3Bucket(ADDRESS, server.access(), S3Limits())


def settings(server, folder):
    """The store's, one key in a file and one in the environment."""
    (folder / "key").write_text(f"{KEYS.secret_access_key}\n")
    return {
        "LODESTONE_CRAWLER_STORE": str(ADDRESS),
        "LODESTONE_CRAWLER_STORE_ENDPOINT": server.endpoint,
        "LODESTONE_CRAWLER_STORE_REGION": "us-east-1",
        "LODESTONE_CRAWLER_STORE_ACCESS_KEY_ID": KEYS.access_key_id,
        "LODESTONE_CRAWLER_STORE_SECRET_ACCESS_KEY_FILE": str(folder / "key"),
    }


@pytest.fixture(scope="module")
def on_s3(server, tmp_path_factory, pictures):
    """A running Lodestone that has learnt the profile `hills`."""
    lodestone = Lodestone(tmp_path_factory.mktemp("lodestone"))
    lodestone.environment |= settings(server, lodestone._folder)
    lodestone.start()
    try:
        lodestone.ask("profile", "fit", "hills", str(pictures / "liked"))
        yield lodestone
    finally:
        lodestone.stop()


def address_of(lodestone):
    return lodestone.environment["LODESTONE_CRAWLER"]


def encoded_of(lodestone, digest):
    """The bytes of an image, asked of the service."""

    async def get():
        async with CrawlerClient(address_of(lodestone)) as crawler:
            return (await crawler.get_image(digest, with_encoded=True)).encoded

    return asyncio.run(get())


def state_of(lodestone):
    """Why the newest crawl waits, and whether the crawler says that it is ready."""

    async def ask():
        check = HealthCheck(address_of(lodestone), Transport())
        async with CrawlerClient(address_of(lodestone)) as crawler:
            crawls = await crawler.list_crawls()
            reason = (await crawler.get_crawl(crawls[0].crawl_id)).state_reason if crawls else ""
        is_serving = await check.is_serving()
        await check.close()
        return reason, is_serving

    return asyncio.run(ask())


@pytest.fixture(scope="module")
def crawled(on_s3, server, pictures):
    """What was told while the service was away at the beginning of a crawl, and what was kept once it was back."""
    server.stop()
    with (on_s3._folder / "crawl.out").open("wb") as output:
        crawl = on_s3.popen(
            "crawl", str(pictures / "site"), "--profile", "hills", "--json", stdout=output
        )
        wait_for(lambda: "waiting for the store" in state_of(on_s3)[0], 90)
        wait_for(lambda: not state_of(on_s3)[1])
        away = (*state_of(on_s3), on_s3.ask("images", "list"))
        server.start()
        assert crawl.wait(180) == 0, (on_s3._folder / "crawl.out").read_text()
    wait_for(lambda: state_of(on_s3)[1])
    return away, on_s3.ask("images", "list")


def test_a_service_that_is_away_costs_time_alone(crawled, on_s3, pictures):
    """The crawl says what it waits for, is not ready and keeps nothing; then every file has one end, as ever."""
    (reason, is_serving, kept), images = crawled
    assert reason.startswith(f"waiting for the store {ADDRESS}: ")
    assert not is_serving
    assert kept == []
    assert len(images) >= 6
    lines = (on_s3._folder / "crawl.out").read_text().splitlines()
    told = [line for line in lines if not line.startswith("{")]
    assert reason in told
    _, *settled, last = [json.loads(line) for line in lines if line not in told]
    assert sorted(one["url"].rpartition("/")[2] for one in settled) == sorted(
        path.name for path in (pictures / "site").iterdir()
    )
    assert last["crawl"]["state"] == "COMPLETED"
    log = (on_s3.data / "logs" / "crawler.log").read_text()
    assert 1 <= log.count('"store_away"') <= 3
    assert log.count('"store_back"') >= 1
    assert "listing_retried" not in log


def test_every_image_is_in_the_bucket(crawled, on_s3, bucket):
    """Bytes that hash to their key, a sidecar that says so, a readable copy; none of it in the data folder."""
    for image in crawled[1]:
        digest = image["digest"]
        assert image["file_state"] == "PRESENT"
        key = f"blobs/{digest[:2]}/{digest}"
        stored = bucket.get(key).content
        assert hashlib.sha256(stored).hexdigest() == digest
        sidecar = json.loads(bucket.get(f"{key}.json").content)
        assert (sidecar["digest"], list(sidecar["judgements"])) == (digest, ["hills@1"])
        assert bucket.get(f"kept/hills/{image['file_name']}").content == stored
        assert encoded_of(on_s3, digest) == stored
    assert not (on_s3.data / "blobs").exists()
    assert not (on_s3.data / "kept").exists()


def test_what_people_remove_and_purge(crawled, on_s3, bucket):
    """A readable copy that is deleted is a person's word, lost bytes are told, and a purge leaves nothing."""
    removed, lost, purged = crawled[1][:3]
    bucket.delete([f"kept/hills/{removed['file_name']}"])
    bucket.delete([f"blobs/{lost['digest'][:2]}/{lost['digest']}"])
    on_s3.ask("purge", "--digest", purged["digest"], "--yes")
    states = {image["digest"]: image["file_state"] for image in on_s3.ask("images", "list")}
    assert states[removed["digest"]] == "REMOVED"
    assert states[lost["digest"]] == "LOST"
    assert purged["digest"] not in states
    key = f"blobs/{purged['digest'][:2]}/{purged['digest']}"
    for left in (key, f"{key}.json", f"kept/hills/{purged['file_name']}"):
        assert bucket.size_bytes(left) is None


def test_no_key_is_written_anywhere(crawled, on_s3):
    """Not into logs, catalogue or artifacts, and no command line has one."""
    import psutil

    files = [path for path in on_s3.data.rglob("*") if path.is_file()]
    files += [on_s3._folder / "up.out", on_s3._folder / "crawl.out"]
    assert "crawler.log" in {path.name for path in files}
    assert [str(path) for path in files if has_canary(path.read_bytes())] == []
    lines = [" ".join(one.info["cmdline"] or ()) for one in psutil.process_iter(["cmdline"])]
    assert [line for line in lines if has_canary(line)] == []


@pytest.mark.long
def test_a_crawler_that_is_killed_while_it_waits(server, tmp_path, pictures):
    """It is started again while the service is away, waits for it, and ends with every image in the bucket once."""
    address = S3Address(ADDRESS.bucket, "killed")
    lodestone = Lodestone(tmp_path)
    lodestone.environment |= settings(server, tmp_path)
    lodestone.environment["LODESTONE_CRAWLER_STORE"] = str(address)
    lodestone.start()
    try:
        lodestone.ask("profile", "fit", "hills", str(pictures / "liked"))
        server.stop()
        with (tmp_path / "crawl.out").open("wb") as output:
            crawl = lodestone.popen(
                "crawl", str(pictures / "site"), "--profile", "hills", "--json", stdout=output
            )
            wait_for(lambda: "waiting for the store" in state_of(lodestone)[0], 90)
            first = lodestone.pid("crawler")
            os.kill(first, signal.SIGKILL)
            wait_for(lambda: lodestone.pid("crawler") not in (None, first))
            server.start()
            assert crawl.wait(180) == 0, (tmp_path / "crawl.out").read_text()
        images = lodestone.ask("images", "list")
    finally:
        server.start()
        lodestone.stop()
    bucket = S3Bucket(address, server.access(), S3Limits())
    assert len(images) >= 6
    assert len({image["digest"] for image in images}) == len(images)
    for image in images:
        key = f"blobs/{image['digest'][:2]}/{image['digest']}"
        assert hashlib.sha256(bucket.get(key).content).hexdigest() == image["digest"]
        assert list(json.loads(bucket.get(f"{key}.json").content)["judgements"]) == ["hills@1"]
        assert image["file_state"] == "PRESENT"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"LODESTONE_CRAWLER_STORE": "s3://missing/lodestone"}, "there is no such bucket"),
        ({"LODESTONE_CRAWLER_STORE_ACCESS_KEY_ID": f"{CANARY}other"}, "is not known there"),
        ({"LODESTONE_CRAWLER_STORE_ENDPOINT": f"https://me:{CANARY}@127.0.0.1"}, "without credentials"),
        ({"LODESTONE_CRAWLER_STORE": f"s3://{CANARY}:{CANARY}@pictures"}, "s3://bucket/prefix"),
    ],
)  # fmt: skip
def test_a_start_that_cannot_succeed_is_one_line(server, tmp_path, change, says):
    """Status 78 and what is wrong, without the keys."""
    environment = {
        "PATH": "/usr/bin:/bin",
        "LODESTONE_DATA": str(tmp_path / "data"),
        "LODESTONE_CRAWLER_PORT": "0",
        "LODESTONE_CRAWLER_METRICS_PORT": "0",
        **settings(server, tmp_path),
        **change,
    }
    done = subprocess.run(
        [sys.executable, "-m", "services.crawler"],
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 78
    assert says in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not has_canary(done.stdout + done.stderr)
