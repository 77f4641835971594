"""The shards of a table, mined part by part, as the Job of the overlay `bulk` does it."""

from __future__ import annotations

import json
import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.e2e.conftest import ROOT

pytestmark = pytest.mark.e2e

PARTS = 2


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    """Three shards of four rows; nothing answers there, so that each row ends at once."""
    folder = tmp_path_factory.mktemp("shards")
    for shard in range(3):
        urls = [f"http://127.0.0.1:9/{shard}-{row}.jpg" for row in range(4)]
        pq.write_table(pa.table({"url": urls}), folder / f"part-{shard:05}.parquet")
    return folder


def mine(lodestone, shards, index, *, profile="hills", job="a-job"):
    words = [f"--shards={shards}", f"--profile={profile}", f"--of={PARTS}", f"--job={job}"]
    return subprocess.run(
        [sys.executable, "-m", "services.crawler.bulk", *words],
        cwd=ROOT, env=lodestone.environment | {"JOB_COMPLETION_INDEX": str(index)},
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


def told(done, event):
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    return [line for line in lines if line["event"] == event]


def test_every_row_of_every_shard_ends_once(lodestone, shards):
    """Part by part; a pod that starts again finds the crawl that is there, and ends as that did."""
    ends = [mine(lodestone, shards, index) for index in range(PARTS)]
    assert [done.returncode for done in ends] == [0, 0], ends
    assert [told(done, "ended")[0]["settled_count"] for done in ends] == [8, 4]
    assert {told(done, "ended")[0]["state"] for done in ends} == {"CRAWL_STATE_COMPLETED"}
    mined = [path for done in ends for path in told(done, "crawl")[0]["shards"]]
    assert sorted(mined) == sorted(map(str, shards.iterdir()))
    again = mine(lodestone, shards, 0)
    assert again.returncode == 0
    assert told(again, "crawl")[0]["crawl_id"] == told(ends[0], "crawl")[0]["crawl_id"]
    assert told(mine(lodestone, shards, 0, job="another"), "crawl")[0]["crawl_id"] not in {
        told(done, "crawl")[0]["crawl_id"] for done in ends
    }


@pytest.mark.parametrize(
    ("wrong", "said"),
    [({"profile": "nobodys"}, "NOT_FOUND"), ({"index": PARTS}, f"no part {PARTS} of {PARTS}")],
)
def test_what_cannot_succeed_is_one_line_and_status_78(lodestone, shards, wrong, said):
    """So that the Job does not try it again."""
    done = mine(lodestone, shards, **{"index": 0, **wrong})
    assert done.returncode == 78
    [line] = done.stderr.splitlines()
    assert said in line


def test_a_crawl_that_failed_is_not_tried_again(lodestone, tmp_path):
    """A shard that is no Parquet file stays none."""
    (tmp_path / "part-00000.parquet").write_bytes(b"nonsense" * 10)
    done = mine(lodestone, tmp_path, 0, job="broken")
    assert done.returncode == 78
    assert "CRAWL_STATE_FAILED" in done.stderr.splitlines()[-1]


def test_a_crawler_that_is_away_is_tried_again(lodestone, shards):
    """By the Job: status 70."""
    environment = lodestone.environment
    lodestone.environment = environment | {"LODESTONE_CRAWLER": "127.0.0.1:9"}
    try:
        done = mine(lodestone, shards, 0)
    finally:
        lodestone.environment = environment
    assert done.returncode == 70
    assert "UNAVAILABLE" in done.stderr
