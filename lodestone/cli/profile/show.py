"""`lodestone profile show`: a profile's facts, how liked and background photos score, and pictures of both."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from lodestone.cli.options import DEFAULT_DATA, DataOption, JsonOption, given_path
from lodestone.cli.output import Output
from lodestone.cli.pictures.histogram import histogram_lines, histogram_of
from lodestone.cli.profile.drift import (
    Candidates,
    DaysOption,
    candidate_facts,
    candidate_rows,
    fetch_candidates,
    print_candidates,
)
from lodestone.cli.profile.liked import LikedOverview, fetch_overview, fetch_ranked
from lodestone.cli.profile.liked_ranking import RankedImage
from lodestone.cli.profile.map import TasteMap, fetch_map
from lodestone.cli.profile.rows import profile_rows, shown_facts
from lodestone.cli.running import novelty_client
from lodestone.cli.words import one_line, reference
from lodestone.cli.writing import writing
from lodestone.novelty.v1.profile_pb2 import Profile

_LEAST = 3


@dataclass(frozen=True, slots=True)
class _Files:
    """The pictures and the page to write; None is not wanted."""

    png: Path | None
    svg: Path | None
    map: Path | None
    report: Path | None


@dataclass(frozen=True, slots=True)
class _Shown:
    """What was fetched."""

    profile: Profile
    liked: LikedOverview
    taste_map: TasteMap | None
    candidates: Candidates


def show(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="`landscapes`, or `landscapes@3` for version 3.")
    ],
    png: Annotated[
        Path | None,
        typer.Option(
            parser=given_path, metavar="FILE", help="Also draw the histogram into a PNG file."
        ),
    ] = None,
    svg: Annotated[
        Path | None,
        typer.Option(
            parser=given_path, metavar="FILE", help="Also draw the histogram into an SVG file."
        ),
    ] = None,
    map_file: Annotated[
        Path | None,
        typer.Option(
            "--map",
            parser=given_path,
            metavar="FILE",
            help="Also draw liked, ordinary and newly kept photos as a map, into a .png or .svg file.",
        ),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(
            parser=given_path,
            metavar="FILE",
            help="Also write a page (HTML) with all of it, and the least and the most typical liked photos.",
        ),
    ] = None,
    days: DaysOption = 0,
    as_json: JsonOption = False,
    _data: DataOption = DEFAULT_DATA,
) -> None:
    """Show a profile: its facts, its threshold, and how liked and background photos score."""
    if map_file and map_file.suffix.lower() not in (".png", ".svg"):
        raise typer.BadParameter("must end in .png or .svg", param_hint="--map")
    output = Output(as_json=as_json)
    files = _Files(png, svg, map_file, report)
    shown = asyncio.run(_fetch(name, files, days))
    _write(shown, files)
    if as_json:
        output.object(
            {
                **shown_facts(shown.profile),
                "least_typical": _least_facts(shown.liked.ranked),
                "least_typical_unknown": shown.liked.unknown or None,
                "thumbnails_unusable": shown.liked.no_thumbnails or None,
                **candidate_facts(shown.candidates),
            }
        )
    else:
        _print(output, shown)


async def _fetch(name: str, files: _Files, days: int) -> _Shown:
    async with novelty_client() as novelty:
        await novelty.require_reachable()
        profile = await novelty.get_profile(name)
        pictured = files.map or files.report
        liked = await (fetch_overview if pictured else fetch_ranked)(novelty, profile)
        # The map of a profile that does not know its photos is refused, but a report can do without.
        mapped = files.map or (files.report and not liked.unknown)
        taste_map = await fetch_map(novelty, profile) if mapped else None
    return _Shown(profile, liked, taste_map, await fetch_candidates(profile, days))


def _write(shown: _Shown, files: _Files) -> None:
    if files.png or files.svg:
        from lodestone.cli.pictures.drawing import write_figure
        from lodestone.cli.pictures.histogram_picture import draw_histogram

        figure = draw_histogram(shown.profile)
        title = f"How photos score under {reference(shown.profile)}"
        for path, form in ((files.png, "png"), (files.svg, "svg")):
            if path:
                with writing(path):
                    write_figure(figure, path, form=form, title=title)
    if files.map and shown.taste_map:
        from lodestone.cli.pictures.drawing import write_figure
        from lodestone.cli.pictures.map_picture import draw_map

        figure = draw_map(shown.profile, shown.taste_map.points, shown.liked.thumbnails)
        form = files.map.suffix.lower().removeprefix(".")
        with writing(files.map):
            write_figure(figure, files.map, form=form, title=f"Map of {reference(shown.profile)}")
    if files.report:
        from lodestone.cli.profile.report import Report, write_report

        rows = [*profile_rows(shown.profile), *candidate_rows(shown.candidates)]
        with writing(files.report):
            write_report(Report(shown.profile, rows, shown.liked, shown.taste_map), files.report)


def _print(output: Output, shown: _Shown) -> None:
    profile = shown.profile
    output.text(reference(profile))
    output.table(("", "~"), [*profile_rows(profile), *candidate_rows(shown.candidates)])
    output.text("")
    histogram = histogram_of(
        profile.held_out_log_likelihoods,
        profile.background_log_likelihoods,
        threshold_nats=profile.threshold_nats,
    )
    for line in histogram_lines(histogram):
        output.text(line)
    if shown.liked.ranked:
        output.text("")
        columns = ("~least typical liked photos: do they belong?", ">percentile", ">nats")
        output.table(columns, map(_least_row, shown.liked.ranked[:_LEAST]))
    if shown.liked.unknown:
        output.note(f"the least typical photos are not known: {shown.liked.unknown}")
    if shown.liked.no_thumbnails:
        output.note(f"no thumbnails: {shown.liked.no_thumbnails}")
    for warning in profile.warnings:
        output.note(f"warning: {one_line(warning)}")
    print_candidates(output, shown.candidates)
    if shown.taste_map and shown.taste_map.lacking:
        output.note(shown.taste_map.lacking)


def _least_row(image: RankedImage) -> tuple[str, str, str]:
    return image.name, f"{image.percentile:.1f}", f"{image.log_likelihood:,.2f}"


def _least_facts(ranked: Sequence[RankedImage]) -> list[dict[str, Any]] | None:
    """Null where the liked images are not known."""
    if not ranked:
        return None
    facts = (asdict(image) for image in ranked[:_LEAST])
    return [{key: value for key, value in one.items() if key != "jpeg"} for one in facts]
