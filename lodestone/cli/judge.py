"""`lodestone judge`: every gate's verdict on given files; nothing is stored."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from lodestone.cli.errors import SeveralErrors
from lodestone.cli.errors import explain as explain_error
from lodestone.cli.explanation import explanation_lines, nearest_facts
from lodestone.cli.facts import judgement_facts
from lodestone.cli.image_files import Unreadable, expand, read_image, regular_files, shown
from lodestone.cli.options import DEFAULT_DATA, DataOption, JsonOption, ProfileOption, given_path
from lodestone.cli.output import Output
from lodestone.cli.running import Patience, crawler_client, ordered_map
from lodestone.cli.words import spoken, word
from lodestone.crawler.v1.crawler_service_pb2 import JudgeOptions
from lodestone.image.v1.rejection_pb2 import RejectionCode

_IN_FLIGHT = 16


def judge(
    paths: Annotated[
        list[Path],
        typer.Argument(
            parser=given_path, metavar="FILE_OR_DIR...", help="Images, or folders of them."
        ),
    ],
    profile: ProfileOption,
    all_gates: Annotated[
        bool,
        typer.Option("--all-gates", help="Compute every score, even after a gate has rejected."),
    ] = False,
    screen: Annotated[
        bool,
        typer.Option(
            "--screen", help="Judge all that a crawl does: size, shape and duplicates too."
        ),
    ] = False,
    explain: Annotated[
        bool,
        typer.Option(
            "--explain", help="Name the three liked photos that are nearest to each image."
        ),
    ] = False,
    as_json: JsonOption = False,
    _data: DataOption = DEFAULT_DATA,
) -> None:
    """Say what the profile and the watermark detector think of images, and store nothing.

    These are the gates that look at the picture itself. A crawl first rejects what is too small or of an extreme
    shape, and keeps no copies of what was kept or liked before; --screen judges that too, as a crawl would.

    --explain prints a few lines for each image in place of a table: why it fits or does not, and the liked photos that
    are nearest to it, by the cosine similarity of their embeddings (1 is the same picture).

    Every file of a folder gets a line. Scores that were not computed are null, or empty in the table; a file that is no
    readable image has only a path, a verdict and a reason.
    """
    options = JudgeOptions(profile=profile, all_gates=all_gates, screen=screen, explain=explain)
    problems = [problem for path in paths if (problem := _problem(path))]
    if problems:
        raise SeveralErrors(problems)
    asyncio.run(_judge(Output(as_json=as_json), list(expand(paths)), options))


def _problem(path: Path) -> str:
    """Why there is nothing to judge at a path; empty if there is something."""
    try:
        if not path.exists():
            return f"there is no file or folder {path}"
        if path.is_dir() and not regular_files(path):
            return f"the folder {path} is empty"
    except OSError as error:
        return explain_error(error)
    return ""


async def _judge(output: Output, paths: Sequence[Path], options: JudgeOptions) -> None:
    patience = Patience("crawler", output.note)
    async with crawler_client(on_wait=patience.on_wait) as crawler:
        await crawler.require_reachable()

        async def judge_file(path: Path) -> dict[str, Any]:
            image = await read_image(path)
            if isinstance(image, Unreadable):
                return {"verdict": image.verdict, "reason": image.reason}
            result = await crawler.judge(image, options)
            if result.HasField("rejection"):
                rejection = result.rejection
                code = word(RejectionCode, rejection.code)
                return {"verdict": code, "reason": rejection.reason}
            nearest = {"nearest_liked": nearest_facts(result.value)} if options.explain else {}
            return {**judgement_facts(result.value), **nearest}

        rows = []
        with output.progress() as progress:
            task = progress.add_task("judging", total=len(paths), counters="")
            async with patience.limit():
                async for path, facts in ordered_map(paths, judge_file, limit=_IN_FLIGHT):
                    progress.advance(task)
                    if output.as_json:
                        output.object({"path": str(path), **facts})
                    elif options.explain:
                        _print_explained(output, path, facts)
                    else:
                        rows.append(_row(path, facts))
    if not output.as_json and not options.explain:
        columns = ("~path", "verdict", ">nats", ">percentile", ">watermark", "~reason")
        output.table(columns, rows)


def _print_explained(output: Output, path: Path, facts: dict[str, Any]) -> None:
    first, *others = explanation_lines(facts)
    output.text(f"{shown(path)}: {first}")
    for line in others:
        output.text(f"  {line}")


def _row(path: Path, facts: dict[str, Any]) -> tuple[str, ...]:
    def number(name: str, form: str) -> str:
        value = facts.get(name)
        return "" if value is None else format(value, form)

    return (
        shown(path),
        spoken(facts["verdict"]),
        number("log_likelihood", ",.2f"),
        number("percentile", ".1f"),
        number("watermark_probability", ".3f"),
        facts["reason"],
    )
