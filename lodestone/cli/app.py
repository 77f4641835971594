"""The commands put together. Every failure is one clear line on stderr and a non-zero exit status."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence

import typer

from lodestone.cli import (
    crawls,
    duplicates,
    encoder,
    images,
    judge,
    prioritise,
    purge,
    sinks,
    sources,
    to_postgresql,
    verify,
    watermark,
)
from lodestone.cli.certs import certs
from lodestone.cli.crawl import crawl
from lodestone.cli.errors import EXIT_INTERRUPTED, CliError, error_lines, explain
from lodestone.cli.moving import export, import_images
from lodestone.cli.profile import commands as profile
from lodestone.cli.rejudge import rejudge
from lodestone.cli.up import up
from lodestone.cli.words import one_line

_HELP = """Finds the pictures you like.

Learn a taste from a folder of photos, mine sources for new ones that fit, and keep each of them once.

Start with `lodestone up`; then `lodestone profile fit NAME DIR` and `lodestone crawl SOURCE --profile NAME`.
"""

app = typer.Typer(
    name="lodestone",
    help=_HELP,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("up")(up.up)
app.add_typer(profile.app, name="profile")
app.command("crawl")(crawl.crawl)
app.add_typer(crawls.app, name="crawls")
app.command("prioritise")(prioritise.prioritise)
app.command("judge")(judge.judge)
app.command("duplicates")(duplicates.duplicates)
app.command("rejudge")(rejudge.rejudge)
app.command("sources")(sources.sources)
app.command("purge")(purge.purge)
app.command("verify")(verify.verify)
app.command("to-postgresql")(to_postgresql.to_postgresql)
app.add_typer(sinks.app, name="sinks")
app.command("export")(export.export)
app.command("import")(import_images.import_images)
app.command("certs")(certs.certs)
app.add_typer(images.app, name="images")
app.add_typer(encoder.app, name="encoder")
app.add_typer(watermark.app, name="watermark")


def run(arguments: Sequence[str]) -> int:
    """Runs one command and returns the exit status."""
    try:
        status = app(list(arguments), prog_name="lodestone", standalone_mode=False)
    except typer.TyperException as error:
        return _fail(_usage_line(error), error, error.exit_code)
    except (KeyboardInterrupt, typer.Abort) as error:
        return _fail("interrupted", error, EXIT_INTERRUPTED)
    except BrokenPipeError:
        # Whoever read our output has seen enough; nothing more can be written, not even at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except CliError as error:
        return _fail("\nerror: ".join(error_lines(error)), error, error.exit_status)
    except Exception as error:  # noqa: BLE001 - the one place that turns every error into a line
        return _fail(explain(error), error, 1)
    return status if isinstance(status, int) else 0


def _fail(line: str, error: BaseException, status: int) -> int:
    if os.environ.get("LODESTONE_TRACEBACK"):
        traceback.print_exception(error)
    sys.stdout.flush()
    if line:
        sys.stderr.write(f"error: {line}\n")
    return status


def _usage_line(error: typer.TyperException) -> str:
    """The error and where to read more; empty when the help was shown instead."""
    line = one_line(error.format_message()).removesuffix(".").replace(": Value error, ", ": ", 1)
    context = getattr(error, "ctx", None)
    return f"{line} (see: {context.command_path} --help)" if line and context else line
