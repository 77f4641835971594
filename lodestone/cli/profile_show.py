"""`lodestone profile show`: a profile's facts, and how liked and background photos score."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from lodestone.cli.facts import profile_facts
from lodestone.cli.histogram import histogram_lines, histogram_of
from lodestone.cli.options import DEFAULT_DATA, DataOption, JsonOption
from lodestone.cli.output import Output
from lodestone.cli.running import addresses
from lodestone.cli.words import count_of, minute_text, one_line, share_text
from lodestone.client import NoveltyClient
from lodestone.novelty.v1.profile_pb2 import Profile


def show(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="`landscapes`, or `landscapes@3` for version 3.")
    ],
    png: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Also draw the histogram into a PNG file.")
    ] = None,
    as_json: JsonOption = False,
    _data: DataOption = DEFAULT_DATA,
) -> None:
    """Show a profile: its facts, its threshold, and how liked and background photos score."""
    profile = asyncio.run(_get(name))
    output = Output(as_json=as_json)
    histogram = histogram_of(
        profile.held_out_log_likelihoods,
        profile.background_log_likelihoods,
        threshold_nats=profile.threshold_nats,
    )
    if png:
        from lodestone.cli.histogram_png import write_histogram

        write_histogram(histogram, png, title=f"{profile.name}@{profile.version}")
    if as_json:
        output.object(_shown_facts(profile))
        return
    output.text(f"{profile.name}@{profile.version}")
    output.table(("", "~"), _rows(profile))
    output.text("")
    for line in histogram_lines(histogram):
        output.text(line)
    for warning in profile.warnings:
        output.note(f"warning: {one_line(warning)}")


async def _get(name: str) -> Profile:
    async with NoveltyClient(addresses().novelty) as novelty:
        await novelty.require_reachable()
        return await novelty.get_profile(name)


def _passing_share(scores: Sequence[float], threshold_nats: float) -> float | None:
    return sum(one >= threshold_nats for one in scores) / len(scores) if scores else None


def _shown_facts(profile: Profile) -> dict[str, Any]:
    liked, background = profile.held_out_log_likelihoods, profile.background_log_likelihoods
    return {
        **profile_facts(profile),
        "held_out_pass_ratio": _passing_share(liked, profile.threshold_nats),
        "background_pass_ratio": _passing_share(background, profile.threshold_nats),
        "held_out_log_likelihoods": list(liked),
        "background_log_likelihoods": list(background),
    }


def _rows(profile: Profile) -> list[tuple[str, str]]:
    facts = _shown_facts(profile)

    def percent(name: str) -> str:
        return "–" if facts[name] is None else f"{facts[name]:.1%} pass"

    relative = ", relative to the background" if profile.relative_to_background else ""
    return [
        ("threshold", f"{profile.threshold_nats:,.2f} nats{relative} (at or over it passes)"),
        ("set to", _aim(profile)),
        *_expectations(profile),
        ("liked", f"{profile.liked_count:,}; held out: {percent('held_out_pass_ratio')}"),
        ("background", f"{profile.background_count:,}; {percent('background_pass_ratio')}"),
        *_separations(profile),
        ("mixture", f"{count_of(profile.component_count, 'component')}, {facts['covariance']}"),
        (
            "encoder",
            f"{profile.encoder_id[:12]}…, {facts['precision']}, {profile.dimension} coordinates",
        ),
        ("fitted", minute_text(profile.create_time)),
    ]


def _aim(profile: Profile) -> str:
    if profile.keep_ratio:
        return f"keep {profile.keep_ratio:.0%} of liked photos"
    if profile.pass_ratio:
        return f"let {profile.pass_ratio:.3g} of the background pass"
    return "the threshold that was stated"


def _expectations(profile: Profile) -> list[tuple[str, str]]:
    """What to expect of the threshold; nothing for what the profile does not know."""
    rows = []
    if profile.HasField("expected_keep"):
        rows.append(("will keep", f"{share_text(profile.expected_keep)} of photos like the liked"))
    if profile.HasField("expected_pass"):
        rows.append(
            ("will pass", f"{share_text(profile.expected_pass)} of a crawl like the background")
        )
    return rows


def _separations(profile: Profile) -> list[tuple[str, str]]:
    if not profile.HasField("separation"):
        return []
    nearest = profile.neighbour_separation
    return [("AUC", f"{profile.separation:.3f}; of the 5 nearest liked photos: {nearest:.3f}")]
