"""`lodestone verify`: whether catalogue and store agree."""

from __future__ import annotations

from typing import Annotated

import typer

from lodestone.cli.checkout import require_checkout
from lodestone.cli.module_run import run_module
from lodestone.cli.options import DEFAULT_DATA, DataOption, JsonOption


def verify(
    *,
    deep: Annotated[
        bool,
        typer.Option(
            "--deep", help="Decode every image again too, and embed it if the embedder is up."
        ),
    ] = False,
    repair: Annotated[
        bool,
        typer.Option("--repair", help="Mend what loses nothing by it. No crawler may be running."),
    ] = False,
    grace: Annotated[
        float,
        typer.Option(metavar="SECONDS", min=0, help="How long a file may be on its way."),
    ] = 3600.0,
    show: Annotated[
        int, typer.Option(min=0, help="Problems of each kind to print; 0 prints all.")
    ] = 20,
    as_json: JsonOption = False,
    data: DataOption = DEFAULT_DATA,
) -> None:
    """Check catalogue and store: nothing lost, nothing twice, every byte as it was fetched.

    It changes nothing, and crawlers may be at work meanwhile. A line for each problem; the exit status is 0 if there is
    none. Where the catalogue is on PostgreSQL or the store on S3, give it the crawler's settings. docs/verify.md says
    what each problem means. With `--json`: one object per problem, and `{"summary": ...}`.
    """
    arguments = [f"--data={data}", f"--grace={grace}", f"--show={show}"]
    arguments += ["--deep"] if deep else []
    arguments += ["--repair"] if repair else []
    arguments += ["--json"] if as_json else []
    raise typer.Exit(run_module(require_checkout(), "services.crawler.verifying", *arguments))
