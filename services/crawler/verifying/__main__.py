"""`python -m services.crawler.verifying --data DIR`: checks a data folder, whether a crawler works on it or not."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path
from typing import Any

from lodestone.client import Addresses, BadAddress, connect
from services.crawler.catalogue.database import Database
from services.crawler.decoding.decoder import Decoder, WorkerLimits
from services.crawler.models.model_services import ModelServices
from services.crawler.verifying.catalogue_file import (
    CatalogueDamaged,
    CatalogueFile,
    CatalogueUnreadable,
)
from services.crawler.verifying.data_folder import DataFolder
from services.crawler.verifying.deep_check import DeepCheck, Embedder, limits_for
from services.crawler.verifying.options import parse_options
from services.crawler.verifying.problem import Problem, ProblemKind
from services.crawler.verifying.repairs import Repairs
from services.crawler.verifying.report import Report, fail
from services.crawler.verifying.terms import CheckTerms
from services.crawler.verifying.verification import CheckedCounts, Verification
from services.servicekit.errors import LodestoneError, Misconfigured, Unavailable
from services.servicekit.logs import configure_logs
from services.servicekit.resize import InputShape

_ELSEWHERE = {
    "LODESTONE_CRAWLER_STORE": "a store on S3",
    "LODESTONE_CRAWLER_CATALOGUE": "a catalogue on PostgreSQL",
}


def main(arguments: Sequence[str]) -> int:
    """Runs the command; the exit status: 0 all is well, 1 it is not or cannot be told, 2 a wrong command."""
    parsed = parse_options(arguments)
    configure_logs("verify", as_json=None)
    report = Report(parsed.json, parsed.show)
    try:
        _require_folder()
        _run(parsed, report)
        sys.stdout.flush()
    except (LodestoneError, BadAddress) as error:
        return fail(error)
    except BrokenPipeError:
        # Whoever read our output has seen enough; nothing more can be written, not even at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        return fail(f"{error.filename or parsed.data}: {error.strerror or error}")
    return 1 if report.left_count else 0


def _require_folder() -> None:
    """Every image of a store on S3, or the whole catalogue, would be told as missing."""
    for name, place in _ELSEWHERE.items():
        if os.environ.get(name) or os.environ.get(f"{name}_FILE"):
            raise Misconfigured(f"{name} is set, and {place} cannot be checked yet")


def _run(parsed: argparse.Namespace, report: Report) -> None:
    folder, began = DataFolder(parsed.data), time.monotonic()
    counts, deep = CheckedCounts(), None
    with ExitStack() as stack:
        try:
            catalogue = _open(folder)
        except CatalogueDamaged as error:
            report.problem(Problem(ProblemKind.CATALOGUE_DAMAGED, error.cause))
        else:
            database = _lock(folder, stack) if parsed.repair else None
            terms = CheckTerms(time.time(), parsed.grace, is_alone=parsed.repair)
            check = Verification(catalogue, folder, terms, threads=os.cpu_count() or 1)
            counts = check.counts
            found = []
            for problem in check.check(report.tell):
                report.problem(problem)
                found.append(problem)
            is_damaged = report.found[ProblemKind.CATALOGUE_DAMAGED] > 0
            if parsed.deep and not is_damaged:
                deep = asyncio.run(_check_deep(catalogue, folder, report))
            if database is not None and found and not is_damaged:
                asyncio.run(_repair(database, folder, found, report))
    report.end(counts, deep, time.monotonic() - began)


def _open(folder: DataFolder) -> CatalogueFile:
    if not folder.root.is_dir():
        raise CatalogueUnreadable(folder.root, "is no folder")
    if not folder.catalogue.exists() and _has_blobs(folder.blobs):
        cause = "is not there, and blobs/ is not empty: restore it from a backup before a crawler makes an empty one"
        raise CatalogueUnreadable(folder.catalogue, cause)
    return CatalogueFile(folder.catalogue)


def _has_blobs(blobs: Path) -> bool:
    return blobs.is_dir() and any(entry.name != "tmp" for entry in blobs.iterdir())


def _lock(folder: DataFolder, stack: ExitStack) -> Database:
    """Opens the catalogue for writing; its lock keeps crawlers away until all is done."""
    try:
        database = Database(folder.catalogue)
    except Misconfigured as error:
        message = f"{error}; nothing was repaired: stop the crawler first"
        raise Misconfigured(message) from error
    stack.callback(database.close)
    return database


async def _repair(
    database: Database, folder: DataFolder, found: Sequence[Problem], report: Report
) -> None:
    async for problem, done in Repairs(database, folder).repair_all(found):
        report.repair(problem, done)


async def _check_deep(
    catalogue: CatalogueFile, folder: DataFolder, report: Report
) -> dict[str, Any]:
    with catalogue.read() as connection:
        limits = limits_for(connection)
    async with AsyncExitStack() as stack:
        embedder, shapes, away = await _embedder(stack)
        workers = WorkerLimits(workers=os.cpu_count() or 1)
        decoder = Decoder(shapes=shapes, limits=limits, worker_limits=workers)
        await stack.enter_async_context(decoder)
        check = DeepCheck(catalogue, folder, decoder, embedder, away=away)
        async for problems in check.check():
            report.tell(f"decoded images: {check.decoded_count:,}")
            for problem in problems:
                report.problem(problem)
    return {
        "decoded_count": check.decoded_count,
        "embedded_count": check.embedded_count,
        "other_count": check.other_count,
        "away": check.away,
    }


async def _embedder(
    stack: AsyncExitStack,
) -> tuple[Embedder | None, dict[str, InputShape], str]:
    """The embedder that is served, the input that it takes, and why there is none."""
    address = Addresses.from_environment(os.environ).embedder
    channel = await stack.enter_async_context(connect(address))
    # Of the three only the embedder is asked.
    models = ModelServices(channel, channel, channel)
    stack.push_async_callback(models.close)
    try:
        served = await models.encoder()
    except Unavailable as error:
        return None, {}, str(error)
    embedder = Embedder(served.encoder_id, served.precision, models.embed)
    return embedder, {"embedder": served.input_shape}, ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
