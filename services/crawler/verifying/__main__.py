"""`python -m services.crawler.verifying --data DIR`: checks catalogue and store, whether crawlers work on them or not.

Where the two are, the crawler's settings say.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack, ExitStack
from typing import Any

from lodestone.client import Addresses, BadAddress, Transport, connect
from services.crawler.config import CrawlerSettings
from services.crawler.decoding.decoder import Decoder, WorkerLimits
from services.crawler.models.model_services import ModelServices
from services.crawler.verifying.catalogue_reading import Catalogue, CatalogueDamaged
from services.crawler.verifying.deep_check import DeepCheck, Embedder, limits_for
from services.crawler.verifying.opening import CheckedPlaces
from services.crawler.verifying.options import parse_options
from services.crawler.verifying.problem import Problem, ProblemKind
from services.crawler.verifying.repairs import Repairs
from services.crawler.verifying.report import Report, fail
from services.crawler.verifying.stored_files import StoredFiles
from services.crawler.verifying.terms import CheckTerms
from services.crawler.verifying.verification import CheckedCounts, Verification
from services.servicekit.cores import usable_cores
from services.servicekit.errors import LodestoneError, Unavailable
from services.servicekit.logs import configure_logs
from services.servicekit.resize import InputShape
from services.servicekit.settings import read_settings


def main(arguments: Sequence[str]) -> int:
    """Runs the command; the exit status: 0 all is well, 1 it is not or cannot be told, 2 a wrong command.

    A setting that is wrong ends the process as it does the crawler's.
    """
    parsed = parse_options(arguments)
    settings = read_settings(CrawlerSettings).model_copy(update={"data": parsed.data})
    configure_logs("verify", as_json=None)
    report = Report(parsed.json, parsed.show)
    try:
        _run(parsed, CheckedPlaces(settings), report)
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


def _run(parsed: argparse.Namespace, places: CheckedPlaces, report: Report) -> None:
    began = time.monotonic()
    counts, deep = CheckedCounts(), None
    places.require_noted()
    with ExitStack() as stack:
        try:
            catalogue = places.open_catalogue()
            stack.callback(catalogue.close)
            files = places.open_files(catalogue)
        except CatalogueDamaged as error:
            report.problem(Problem(ProblemKind.CATALOGUE_DAMAGED, error.cause))
        else:
            database = places.lock() if parsed.repair else None
            if database is not None:
                stack.callback(database.close)
            terms = CheckTerms(time.time(), parsed.grace, is_alone=parsed.repair)
            check = Verification(catalogue, files, terms, threads=places.threads)
            counts = check.counts
            found = []
            for problem in check.check(report.tell):
                report.problem(problem)
                found.append(problem)
            is_damaged = report.found[ProblemKind.CATALOGUE_DAMAGED] > 0
            if parsed.deep and not is_damaged:
                deep = asyncio.run(_check_deep(catalogue, files, report))
            if database is not None and found and not is_damaged:
                repairs = Repairs(database, files, places.open_store)
                asyncio.run(_repair(repairs, found, report))
    report.end(counts, deep, time.monotonic() - began)


async def _repair(repairs: Repairs, found: Sequence[Problem], report: Report) -> None:
    async for problem, done in repairs.repair_all(found):
        report.repair(problem, done)


async def _check_deep(catalogue: Catalogue, files: StoredFiles, report: Report) -> dict[str, Any]:
    with catalogue.read() as connection:
        limits = limits_for(connection)
    async with AsyncExitStack() as stack:
        embedder, shapes, away = await _embedder(stack)
        workers = WorkerLimits(workers=usable_cores())
        decoder = Decoder(shapes=shapes, limits=limits, worker_limits=workers)
        await stack.enter_async_context(decoder)
        check = DeepCheck(catalogue, files, decoder, embedder, away=away)
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
    channel = await stack.enter_async_context(
        connect(address, transport=Transport.from_environment(os.environ))
    )
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
