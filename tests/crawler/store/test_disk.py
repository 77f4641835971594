"""What the disk is asked for, and what becomes of an accept when there is no room on it: with a real one."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.crawler.store.one_accept import OneAccept

ROOT = Path(__file__).parents[3]
_CALLS = "openat,rename,renameat,renameat2,link,linkat,fsync,fdatasync,mkdir,mkdirat"


def works(*command):
    """Whether a program is there and may do what it is asked for here."""
    if shutil.which(command[0]) is None:
        return False
    done = subprocess.run(command, capture_output=True, check=False, timeout=30)
    return done.returncode == 0


@pytest.mark.skipif(not works("strace", "-f", "true"), reason="needs strace")
def test_nothing_is_named_before_it_is_on_the_disk(tmp_path):
    """By the calls of a whole accept: bytes synced and named, sidecar as well, folder synced, row committed."""
    trace, data = tmp_path / "trace", tmp_path / "data"
    data.mkdir()
    command = ["strace", "-f", "-y", "-e", f"trace={_CALLS}", "-o", str(trace)]
    subprocess.run(
        [*command, sys.executable, "-m", "tests.crawler.store.one_accept", str(data)],
        cwd=ROOT, check=True, timeout=120,
    )  # fmt: skip
    lines = trace.read_text().splitlines()
    begin = next(number for number, line in enumerate(lines) if f"{data}/begin" in line)
    steps = [step for line in lines[begin:] if (step := step_of(line, data))]
    assert steps[: len(EXPECTED)] == EXPECTED
    # Closing the catalogue writes its log into its file.
    assert steps[len(EXPECTED) : len(EXPECTED) + 3] == [
        "name",
        "sync kept/landscapes",
        "sync catalog.sqlite-wal",
    ]


EXPECTED = [
    # The crawl and its listing.
    "sync catalog.sqlite-wal",
    "sync blobs",
    "sync part",
    "place blob",
    "sync part",
    "place sidecar",
    "sync blobs/xx",
    # The row.
    "sync catalog.sqlite-wal",
]


def step_of(line, data):
    """What a call does to what is on the disk, in few words; empty if nothing."""
    plain = re.sub(r"blobs/[0-9a-f]{2}\b(?!/tmp)", "blobs/xx", line.replace(f"{data}/", ""))
    if synced := re.search(r"(?:fsync|fdatasync)\(\d+<([^>]+)>", plain):
        return "sync part" if synced[1].startswith("blobs/tmp/") else f"sync {synced[1]}"
    if re.search(r'rename\w*\(.*"blobs/tmp/\w+".*"blobs/xx/[0-9a-f]{64}"', plain):
        return "place blob"
    if re.search(r'rename\w*\(.*"blobs/tmp/\w+".*"blobs/xx/[0-9a-f]{64}\.json"', plain):
        return "place sidecar"
    if re.search(r'rename\w*\(.*"blobs/tmp/\w+".*"kept/', plain):
        return "name"
    return ""


@pytest.mark.skipif(not works("unshare", "-rm", "true"), reason="needs user namespaces")
def test_a_full_disk_costs_nothing_but_time(tmp_path):
    """On a disk of 1 MB without room: nothing can be seen of the image and no row; with room it is kept and named."""
    mount, catalogue = tmp_path / "mount", tmp_path / "catalogue"
    mount.mkdir()
    catalogue.mkdir()
    done = subprocess.run(
        ["unshare", "-rm", sys.executable, "-m", "tests.crawler.store.full_disk", str(catalogue), str(mount)],
        cwd=ROOT, capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    assert json.loads(done.stdout.splitlines()[-1]) == {
        "told": f"waiting for the store {mount}: No space left on device",
        "new while full": [],
        "rows while full": 0,
        "rows": 1,
        "whole": True,
        "named": True,
        "parts": [],
        "waiting for": "",
    }


async def test_a_pause_while_the_disk_is_full(tmp_path, monkeypatch):
    """Whoever waits may be cancelled: nothing is written, and closing waits for nobody."""

    def full(_handle):
        raise OSError(errno.ENOSPC, "No space left on device")

    one = OneAccept(tmp_path, tmp_path, b"picture")
    monkeypatch.setattr(os, "fsync", full)
    accepting = asyncio.create_task(one.accept())
    while not one.recorder.waiting_for:
        await asyncio.sleep(0.01)
    accepting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await accepting
    await asyncio.wait_for(one.close(), 5)
    assert not one.store.has(one.digest)
    assert one.recorder.waiting_for == ""
