"""`lodestone to-postgresql`: takes the catalogue of a data folder along to PostgreSQL."""

from __future__ import annotations

import typer

from lodestone.cli.checkout import require_checkout
from lodestone.cli.module_run import run_module
from lodestone.cli.options import DEFAULT_DATA, DataOption, JsonOption


def to_postgresql(*, as_json: JsonOption = False, data: DataOption = DEFAULT_DATA) -> None:
    """Copy the SQLite catalogue of a data folder into an empty PostgreSQL database; the file stays as it is.

    The database is the one that the crawler's setting LODESTONE_CRAWLER_CATALOGUE, or LODESTONE_CRAWLER_CATALOGUE_FILE,
    names. No crawler may be running. docs/catalogue.md says more.
    """
    arguments = [f"--data={data}", *(["--json"] if as_json else [])]
    raise typer.Exit(run_module(require_checkout(), "services.crawler.to_postgresql", *arguments))
