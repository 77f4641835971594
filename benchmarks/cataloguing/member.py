"""One of several crawlers that record at the same time: `python -m benchmarks.cataloguing.member`.

Says `ready` on standard output when everything is leased and made, records when it reads a line, and then says when it
began and ended, as JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.cataloguing import load
from services.crawler.catalogue import frontier
from services.crawler.catalogue.clock import catalogue_time
from services.crawler.catalogue.database import Database
from services.crawler.catalogue.frontier import LeaseTerms
from services.crawler.catalogue.postgres_server import parse_server
from services.crawler.judgement import Verdict
from services.crawler.seen.seen_images import SeenImages
from services.crawler.store.blob_store import ReadableName
from services.crawler.store.finding import Finding
from services.crawler.store.folder_store import FolderStore
from services.crawler.store.recorder import Recorder
from services.servicekit.logs import configure_logs

# No two images have the same.
_DIGESTED_BYTES = 64


def main() -> None:
    """Leases, waits, records, reports."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--name", required=True)
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--first", type=int, required=True, help="number of the first image")
    parser.add_argument("--accept-every", type=int, required=True)
    parser.add_argument("--image-bytes", type=int, required=True)
    # Standard output is for whoever started this.
    configure_logs("benchmark", as_json=True)
    # The address has a password, which is nobody's business in a list of processes.
    address = sys.stdin.readline().strip()
    asyncio.run(_work(parser.parse_args(), address))


async def _work(options: argparse.Namespace, address: str) -> None:
    database = Database(parse_server(address))
    recorder = Recorder(database, _store(options), SeenImages())
    leased = await database.run(
        lambda c: frontier.lease(
            c, "c1", LeaseTerms(options.name, catalogue_time(c), 3_600.0), limit=options.count
        )
    )
    findings = [
        load.finding(
            options.first + place,
            one,
            Verdict.OFF_PROFILE if place % options.accept_every else Verdict.ACCEPTED,
            image_bytes=options.image_bytes or _DIGESTED_BYTES,
        )
        for place, one in enumerate(leased)
    ]
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    began = time.time()
    await load.record(recorder, [partial(_same, one) for one in findings])
    await recorder.close()
    print(json.dumps({"count": len(findings), "began": began, "ended": time.time()}), flush=True)
    database.close()


class _NoFiles(FolderStore):
    """A store that keeps nothing: what is left is the catalogue."""

    def put_with_sidecar(self, encoded: bytes, digest: str, facts: dict[str, Any]) -> None:
        """Does nothing."""

    def link(self, digest: str, name: ReadableName) -> bool:  # noqa: ARG002 - the store's signature
        """Says that it did."""
        return True


def _store(options: argparse.Namespace) -> FolderStore:
    kind = FolderStore if options.image_bytes else _NoFiles
    return kind(options.folder, alone=False)


def _same(finding: Finding) -> Finding:
    return finding


if __name__ == "__main__":
    main()
