"""A disk that is full for a while, with catalogue and store on it, under a whole crawler."""

from __future__ import annotations

import asyncio
import shutil
import subprocess

import pytest

from lodestone.cli.up.health import HealthCheck
from lodestone.client import Transport
from tests.faults.site_plan import Batch
from tests.faults.small_disk import SmallDisk


def may_mount():
    """Whether a disk can be mounted here."""
    if shutil.which("unshare") is None:
        return False
    done = subprocess.run(["unshare", "-rm", "true"], capture_output=True, check=False, timeout=30)
    return done.returncode == 0


@pytest.mark.skipif(not may_mount(), reason="needs user namespaces")
async def test_a_full_disk_costs_time_alone(in_folder, tmp_path):
    """NOT_SERVING and few lines in the log while there is no room; with room everything is kept, once."""
    rig, settled = in_folder, []
    mount = tmp_path / "mount"
    mount.mkdir()
    environment = rig.environment(LODESTONE_DATA=str(mount / "data"))
    with SmallDisk(mount, environment, rig.log) as disk:
        crawl = asyncio.create_task(rig.crawl(Batch(0), on_settled=lambda: settled.append(1)))
        while len(settled) < 8:
            await asyncio.sleep(0.01)
            assert not crawl.done()
        await asyncio.to_thread(disk.ask, "fill")
        await _until(rig, is_serving=False)
        stuck = len(settled)
        await asyncio.sleep(2)
        assert len(settled) == stuck
        await asyncio.to_thread(disk.ask, "empty")
        await asyncio.wait_for(crawl, 60)
        await _until(rig, is_serving=True)
        summary = await asyncio.to_thread(disk.ask, "verify")
    assert (summary["problems"], summary["image_count"]) == ({}, rig.batch.finds)
    log = rig.log.read_text()
    assert 1 <= log.count('"store_away"') + log.count('"catalogue_away"') <= 4
    assert "listing_retried" not in log


async def _until(rig, *, is_serving):
    check = HealthCheck(rig.address, Transport())
    async with asyncio.timeout(30):
        while await check.is_serving() != is_serving:
            await asyncio.sleep(0.05)
    await check.close()
