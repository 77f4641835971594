"""Copies the SQLite catalogue of a data folder to PostgreSQL: `python -m services.crawler.to_postgresql`.

It has the crawler's settings: the folder from LODESTONE_DATA, the address from LODESTONE_CRAWLER_CATALOGUE(_FILE).
"""

from __future__ import annotations

import asyncio
import sys
from functools import partial
from pathlib import Path

from sqlalchemy import URL, Connection

from services.crawler.catalogue.copying import copy_catalogue
from services.crawler.catalogue.database import Database
from services.crawler.catalogue.postgres_server import parse_server
from services.crawler.config import CrawlerSettings
from services.servicekit.errors import LodestoneError, Misconfigured
from services.servicekit.logs import configure_logs
from services.servicekit.settings import EXIT_MISCONFIGURED, read_settings


def main() -> int:
    """Copies and says how much. Returns the exit status."""
    settings = read_settings(CrawlerSettings)
    configure_logs("crawler", as_json=settings.log_json)
    path = settings.data / "catalog.sqlite"
    try:
        if not path.is_file():
            raise Misconfigured(f"there is no catalogue {path}")
        server = parse_server(settings.catalogue.get_secret_value())
        count = asyncio.run(_copy(path, server))
    except LodestoneError as error:
        sys.stderr.write(f"error: {error}\n")
        return EXIT_MISCONFIGURED
    sys.stdout.write(f"copied {count:,} rows from {path}, which is as it was\n")
    return 0


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
    sys.exit(main())
