"""Copies the SQLite catalogue of a data folder to PostgreSQL: `python -m services.crawler.to_postgresql --data DIR`.

The address is the crawler's setting, LODESTONE_CRAWLER_CATALOGUE(_FILE).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from sqlalchemy import URL, Connection

from services.crawler.catalogue.copying import copy_catalogue
from services.crawler.catalogue.database import Database
from services.crawler.catalogue.postgres_server import parse_server
from services.crawler.catalogue.sqlite_file import has_no_table
from services.crawler.config import CrawlerSettings
from services.servicekit.errors import LodestoneError, Misconfigured
from services.servicekit.logs import configure_logs
from services.servicekit.one_line_parser import OneLineParser
from services.servicekit.settings import EXIT_MISCONFIGURED, read_settings


def main(arguments: Sequence[str]) -> int:
    """Copies and says how much. Returns the exit status; a wrong command ends the process with status 2."""
    parsed = _parse(arguments)
    settings = read_settings(CrawlerSettings)
    configure_logs("crawler", as_json=settings.log_json)
    path = (parsed.data or settings.data) / "catalog.sqlite"
    try:
        _require_catalogue(path)
        if not settings.catalogue.get_secret_value():
            raise Misconfigured(
                "name the PostgreSQL database in LODESTONE_CRAWLER_CATALOGUE or LODESTONE_CRAWLER_CATALOGUE_FILE"
            )
        server = parse_server(settings.catalogue.get_secret_value())
        count = asyncio.run(_copy(path, server))
    except LodestoneError as error:
        sys.stderr.write(f"error: {error}\n")
        return EXIT_MISCONFIGURED
    if parsed.json:
        sys.stdout.write(json.dumps({"copied_row_count": count, "path": str(path)}) + "\n")
    else:
        sys.stdout.write(f"copied {count:,} rows from {path}, which is as it was\n")
    return 0


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = OneLineParser(
        prog="lodestone to-postgresql",
        description="Copies the SQLite catalogue of a data folder into an empty PostgreSQL database, which "
        "LODESTONE_CRAWLER_CATALOGUE(_FILE) names. No crawler may be running.",
    )
    parser.add_argument("--data", type=Path, help="the data folder; else LODESTONE_DATA's")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    return parser.parse_args(arguments)


def _require_catalogue(path: Path) -> None:
    if not path.is_file() or has_no_table(path):
        raise Misconfigured(f"there is no catalogue {path}")


async def _copy(path: Path, server: URL) -> int:
    source, target = Database(path), None
    try:
        target = Database(server)
        loop = asyncio.get_running_loop()

        def work(rows: Connection) -> int:
            # Its thread waits meanwhile: one transaction reads, one writes, and each is whole.
            copying = target.run(partial(copy_catalogue, rows))
            return asyncio.run_coroutine_threadsafe(copying, loop).result()

        return await source.run(work)
    finally:
        if target is not None:
            target.close()
        source.close()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
