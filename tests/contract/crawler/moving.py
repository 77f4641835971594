"""Crawlers to export from and to import into, and the commands that do it, as processes."""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import sys
from contextlib import asynccontextmanager
from pathlib import Path

from lodestone.client import connect
from lodestone.crawler.v1.crawler_service_pb2_grpc import CrawlerServiceStub
from services.crawler.__main__ import build
from services.crawler.config import CrawlerSettings
from services.servicekit.server import ServiceServer
from tests.fakes.serving import settings_for_tests

ROOT = Path(__file__).parents[3]
# What a catalogue knows of its images, whatever numbers it gave them; times and floating-point numbers as they are.
QUERIES = {
    "images": """
        SELECT images.digest, images.final_url, accept_time, compliance, url FROM images
        JOIN listings USING (listing_id) ORDER BY sequence""",
    "candidates": "SELECT candidates.* FROM candidates JOIN images USING (digest) ORDER BY digest",
    "judgements": """
        SELECT judgements.* FROM judgements JOIN images USING (digest)
        ORDER BY digest, profile_name, profile_version""",
    "kept": """
        SELECT kept_images.digest, profile_name, profile_version, file_name, linked, keep_time, url
        FROM kept_images JOIN listings USING (listing_id) ORDER BY 1, 2""",
    "listings": """
        SELECT url, source, host, title, page_url, author, licence, community, parents, post_time, post_facts,
          outcome_state, outcome_reason, listings.final_url, listings.digest, size_bytes, outcome_time
        FROM listings JOIN images USING (listing_id) ORDER BY url""",
}


def rows_of(data):
    """What a data folder's catalogue knows of its images."""
    connection = sqlite3.connect(data / "catalog.sqlite")
    try:
        return {name: connection.execute(query).fetchall() for name, query in QUERIES.items()}
    finally:
        connection.close()


@asynccontextmanager
async def crawler_at(data, **changes):
    """A crawler of a data folder, in this process: its address and stub. No model service is there."""
    settings = settings_for_tests(CrawlerSettings, data=data, min_pixels=0, decoders=2, **changes)
    server = ServiceServer(await build(settings), settings)
    await server.start()
    address = f"127.0.0.1:{server.port}"
    try:
        async with connect(address) as channel:
            yield address, CrawlerServiceStub(channel)
    finally:
        await server.stop()


async def start(address, *words):
    """Starts a command."""
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "lodestone.cli", *map(str, words)),
        cwd=ROOT,
        env=os.environ | {"LODESTONE_CRAWLER": address},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def run(address, *words, status=0):
    """Runs a command with --json and returns its objects, and what it said beside them."""
    process = await start(address, *words, "--json")
    out, err = await asyncio.wait_for(process.communicate(), 120)
    assert process.returncode == status, err.decode()
    return [json.loads(line) for line in out.splitlines()], err.decode()
