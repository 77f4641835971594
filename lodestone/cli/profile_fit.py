"""`lodestone profile fit`: learn a taste from a folder of photos."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from math import isfinite
from pathlib import Path
from typing import Annotated, Any

import grpc
import typer

from lodestone.cli.errors import CliError, explain
from lodestone.cli.facts import profile_facts
from lodestone.cli.image_files import Unreadable, find_images, read_image, shown
from lodestone.cli.options import DEFAULT_DATA, DataOption, JsonOption
from lodestone.cli.output import Output
from lodestone.cli.running import Patience, addresses, ordered_map
from lodestone.cli.words import count_of, one_line, share_text, word
from lodestone.client import CrawlerClient, EmbedderClient, NoveltyClient
from lodestone.image.v1.embedding_pb2 import Embedding
from lodestone.image.v1.image_pb2 import Image
from lodestone.image.v1.rejection_pb2 import RejectionCode
from lodestone.novelty.v1 import profile_pb2
from lodestone.novelty.v1.novelty_service_pb2 import FitOptions
from lodestone.novelty.v1.profile_pb2 import Profile

_IN_FLIGHT = 16


class CovarianceForm(StrEnum):
    """The forms that --covariance takes."""

    AUTO = "auto"
    DIAG = "diag"
    FULL = "full"
    TIED = "tied"


@dataclass
class _Embedded:
    """What became of a folder: the embeddings in the order of the files, and what was left out."""

    paths: list[Path] = field(default_factory=list)
    embeddings: list[Embedding] = field(default_factory=list)
    left_out: dict[Path, Unreadable] = field(default_factory=dict)


def fit(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The profile's name: a-z, 0-9, - _")],
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder of photos you like.")],
    *,
    background: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="An unfiltered sample of what the sources hold, for the histogram and the share that passes.",
        ),
    ] = None,
    components: Annotated[
        int, typer.Option(min=0, max=256, help="Components of the mixture; 0 chooses.")
    ] = 0,
    covariance: Annotated[
        CovarianceForm, typer.Option(help="The form of the covariances; `auto` chooses.")
    ] = CovarianceForm.AUTO,
    keep_ratio: Annotated[
        float | None,
        typer.Option(
            help="The share of liked photos that must pass, over 0 and up to 1.",
            show_default="0.95",
        ),
    ] = None,
    pass_ratio: Annotated[
        float | None,
        typer.Option(help="The share of the background that may pass instead: 0.01 is one in 100."),
    ] = None,
    threshold: Annotated[
        float | None, typer.Option(metavar="NATS", help="The threshold itself instead.")
    ] = None,
    seed: Annotated[
        int, typer.Option(min=0, max=2**31 - 1, help="The seed of every random choice.")
    ] = 0,
    as_json: JsonOption = False,
    _data: DataOption = DEFAULT_DATA,
) -> None:
    """Learn a profile from the photos in DIR (subfolders included) and mark them as seen.

    Fitting the same name again makes a new version; old ones stay. Photos that cannot be read are listed and left out.
    """
    options = FitOptions(
        request_id=str(uuid.uuid4()),
        name=name,
        component_count=components,
        covariance=_form(covariance),
        keep_ratio=keep_ratio or 0.0,
        pass_ratio=pass_ratio or 0.0,
        threshold_nats=threshold,
        seed=seed,
    )
    _check_ways({"--keep-ratio": keep_ratio, "--pass-ratio": pass_ratio, "--threshold": threshold})
    if pass_ratio is not None and background is None:
        raise typer.BadParameter("needs --background DIR", param_hint="--pass-ratio")
    liked = find_images(folder)
    background_files = find_images(background) if background else []
    asyncio.run(_fit(Output(as_json=as_json), options, liked, background_files))


def _form(covariance: CovarianceForm) -> profile_pb2.Covariance.ValueType:
    if covariance is CovarianceForm.AUTO:
        return profile_pb2.COVARIANCE_UNSPECIFIED
    return profile_pb2.Covariance.Value(f"COVARIANCE_{covariance.name}")


def _check_ways(ways: dict[str, float | None]) -> None:
    """At most one way to set the threshold, and each ratio a ratio."""
    stated = {option: value for option, value in ways.items() if value is not None}
    if len(stated) > 1:
        problem = "one of them sets the threshold, not two"
        raise typer.BadParameter(problem, param_hint=" and ".join(stated))
    for option, value in stated.items():
        if option != "--threshold" and not 0 < value <= 1:
            raise typer.BadParameter("must be over 0 and at most 1", param_hint=option)
        if not isfinite(value):
            raise typer.BadParameter("must be a finite number", param_hint=option)


async def _fit(
    output: Output, options: FitOptions, liked: Sequence[Path], background: Sequence[Path]
) -> None:
    where = addresses()
    patience = Patience("embedder", output.note)
    async with (
        EmbedderClient(where.embedder, on_wait=patience.on_wait) as embedder,
        NoveltyClient(where.novelty) as novelty,
        CrawlerClient(where.crawler) as crawler,
    ):
        for client in (embedder, novelty, crawler):
            await client.require_reachable()
        async with patience.limit():
            of_liked = await _embed(output, embedder, liked, "liked photos")
            of_background = await _embed(output, embedder, background, "background")
        if not of_liked.embeddings:
            raise CliError(f"none of the {count_of(len(liked), 'image')} can be read")
        profile = await novelty.fit_profile(options, of_liked.embeddings, of_background.embeddings)
        try:
            marked = await crawler.mark_images_seen(profile.name, lambda: _images(of_liked.paths))
        except grpc.aio.AioRpcError as error:
            raise CliError(
                f"{profile.name}@{profile.version} is fitted, but its photos could not be marked as seen "
                f"({explain(error)}): fit it again"
            ) from error
    left_out = of_liked.left_out | of_background.left_out
    repeated = _repeated(profile, of_liked.paths)
    _report_fit(output, profile, _Reported(marked.marked_count, left_out, repeated))


async def _embed(
    output: Output, embedder: EmbedderClient, paths: Sequence[Path], what: str
) -> _Embedded:
    embedded = _Embedded()

    async def embed(path: Path) -> Embedding | Unreadable:
        image = await read_image(path)
        if isinstance(image, Unreadable):
            return image
        result = await embedder.embed(image)
        if result.HasField("rejection"):
            rejection = result.rejection
            return Unreadable(word(RejectionCode, rejection.code), rejection.reason)
        return result.value

    with output.progress() as progress:
        task = progress.add_task(what, total=len(paths), counters="")
        async for path, result in ordered_map(paths, embed, limit=_IN_FLIGHT):
            progress.advance(task)
            if isinstance(result, Unreadable):
                embedded.left_out[path] = result
                output.note(f"left out {shown(path)}: {one_line(result.reason)}")
            else:
                embedded.paths.append(path)
                embedded.embeddings.append(result)
    return embedded


async def _images(paths: Sequence[Path]) -> AsyncIterator[Image]:
    for path in paths:
        image = await read_image(path)
        if isinstance(image, Image):
            yield image


@dataclass(frozen=True, slots=True)
class _Reported:
    """What there is to say of a fit beside the profile: `repeated` pairs a photo with the one that counts."""

    marked_count: int
    left_out: dict[Path, Unreadable]
    repeated: dict[Path, Path]


def _repeated(profile: Profile, paths: Sequence[Path]) -> dict[Path, Path]:
    return {paths[one.position]: paths[one.duplicate_of] for one in profile.duplicates}


def _report_fit(output: Output, profile: Profile, reported: _Reported) -> None:
    if output.as_json:
        output.object(_fit_facts(profile, reported))
        return
    for path, original in reported.repeated.items():
        output.note(f"counts once: {shown(path)} repeats {shown(original)}")
    output.text(_summary(profile))
    for line in _expectations(profile):
        output.text(line)
    output.text(
        f"{count_of(reported.marked_count, 'liked photo')} marked as seen: no crawl will keep a copy"
    )
    for warning in profile.warnings:
        output.note(f"warning: {one_line(warning)}")


def _fit_facts(profile: Profile, reported: _Reported) -> dict[str, Any]:
    return {
        "profile": profile_facts(profile),
        "marked_count": reported.marked_count,
        "left_out": [
            {"path": str(path), "verdict": one.verdict, "reason": one.reason}
            for path, one in reported.left_out.items()
        ],
        "repeated": [
            {"path": str(path), "of": str(original)} for path, original in reported.repeated.items()
        ],
    }


def _expectations(profile: Profile) -> list[str]:
    lines = []
    if profile.HasField("expected_keep"):
        lines.append(f"will keep {share_text(profile.expected_keep)} of photos like the liked")
    if profile.HasField("expected_pass"):
        lines.append(f"and {share_text(profile.expected_pass)} of a crawl like the background")
    return lines


def _summary(profile: Profile) -> str:
    return (
        f"{profile.name}@{profile.version}: {count_of(profile.liked_count, 'liked photo')}, "
        f"{count_of(profile.background_count, 'background photo')}, "
        f"{count_of(profile.component_count, 'component')}, "
        f"threshold {profile.threshold_nats:,.2f} nats"
    )
