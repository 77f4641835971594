"""A crawler process with sinks, on a data folder that outlives it."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from lodestone.client import connect
from lodestone.crawler.v1 import crawl_pb2
from lodestone.crawler.v1 import crawler_service_pb2 as pb
from lodestone.crawler.v1.crawler_service_pb2_grpc import CrawlerServiceStub
from services.crawler.verifying.catalogue_file import CatalogueFile
from services.crawler.verifying.folder_files import FolderFiles
from services.crawler.verifying.terms import CheckTerms
from services.crawler.verifying.verification import Verification
from tests.contract.crawler.mined import BLUE, GREEN, RED, tinted
from tests.crawler.pictures import encode
from tests.faithful.scenery_server import PASSWORD
from tests.faithful.webhook_receiver import SECRET
from tests.fakes.ports import free_port

ROOT = Path(__file__).parents[3]
START_S = 60.0


@dataclass(frozen=True)
class Place:
    """Where it works, and for whom.

    Attributes:
        folder: Has `site`, `data`, `mirror` and the log.
        models: The address of the model services.
        sinks: Addresses by name.
        count: Pictures of the site; all of them fit.
        catalogue: The address of a PostgreSQL database; empty for SQLite.
    """

    folder: Path
    models: str
    sinks: dict
    count: int
    catalogue: str = ""

    @classmethod
    def make(cls, folder, models, sinks, *, count, catalogue=""):
        (folder / "site").mkdir()
        (folder / "mirror").mkdir()
        for number in range(count):
            rgb = tinted(number, (RED, GREEN, BLUE)[number % 3])
            (folder / "site" / f"{number:03}.png").write_bytes(encode(rgb, "PNG"))
        return cls(
            folder, models, sinks | {"mirror": f"folder:{folder / 'mirror'}"}, count, catalogue
        )

    @asynccontextmanager
    async def crawler(self):
        """The process, its stub, and the port of its metrics; killed if it still runs at the end."""
        port, metrics_port = free_port(), free_port()
        environment = {
            "LODESTONE_DATA": str(self.folder / "data"),
            **{f"LODESTONE_{word}": self.models for word in ("EMBEDDER", "NOVELTY", "WATERMARK")},
            "LODESTONE_CRAWLER_MIN_PIXELS": "0",
            "LODESTONE_CRAWLER_METRICS_PORT": str(metrics_port),
            "LODESTONE_CRAWLER_PORT": str(port),
            "LODESTONE_CRAWLER_DECODERS": "1",
            "LODESTONE_CRAWLER_CATALOGUE": self.catalogue,
            "LODESTONE_CRAWLER_SINKS": json.dumps(self.sinks),
            "LODESTONE_CRAWLER_SINK_SECRETS": json.dumps({"hook": SECRET, "gallery": PASSWORD}),
        }
        with (self.folder / "crawler.err").open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "services.crawler"),
                cwd=ROOT,
                env=os.environ | environment,
                stdout=log,
                stderr=log,
            )
        try:
            async with connect(f"127.0.0.1:{port}") as channel:
                yield process, CrawlerServiceStub(channel), metrics_port
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()

    async def crawl(self, stub, *, until=None):
        """Lets the crawl, which the first call makes, settle so many listings, or all."""
        source = f"folder:{self.folder / 'site'}"
        request = pb.CreateCrawlRequest(request_id="1", sources=[source], profile="colours")
        made = await stub.CreateCrawl(request, wait_for_ready=True, timeout=START_S)
        watch = pb.WatchCrawlRequest(crawl_id=made.crawl.crawl_id)
        last = made.crawl
        async with asyncio.timeout(START_S):
            async for event in stub.WatchCrawl(watch):
                if event.HasField("settled_listing"):
                    if event.settled_listing.sequence == until:
                        return
                else:
                    last = event.crawl
        assert last.state == crawl_pb2.CRAWL_STATE_COMPLETED

    async def report(self, stub):
        """(pending, delivered, refused) by sink."""
        answer = await stub.ListSinks(pb.ListSinksRequest(), wait_for_ready=True, timeout=START_S)
        return {
            sink.name: (sink.pending_count, sink.delivered_count, sink.refused_count)
            for sink in answer.sinks
        }

    async def delivered(self, stub):
        """Waits until every sink has every image."""
        wanted = dict.fromkeys(self.sinks, (0, self.count, 0))
        async with asyncio.timeout(START_S):
            while (found := await self.report(stub)) != wanted:
                # A receiver that was away is waited for longer and longer.
                for name, (pending, _, _) in found.items():
                    if pending:
                        await stub.RetrySink(pb.RetrySinkRequest(name=name))
                await asyncio.sleep(0.05)

    def mirrored(self):
        """What the names of the mirror's files end with, the beginnings of digests; sorted."""
        files = (self.folder / "mirror" / "colours").iterdir()
        return sorted(path.stem.rsplit("_", 1)[1] for path in files)

    def problems(self):
        """What `lodestone verify` finds, whatever runs."""
        folder = self.folder / "data"
        terms = CheckTerms(time.time(), 3_600.0)
        check = Verification(
            CatalogueFile(folder / "catalog.sqlite"), FolderFiles(folder), terms, threads=2
        )
        return list(check.check(lambda _: None))
