"""`lodestone profile refit`: a new version out of an older one."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Annotated

import typer

from lodestone.cli.fit.options import (
    BackgroundOption,
    EncoderIdOption,
    KeepRatioOption,
    PassRatioOption,
    PrecisionOption,
    ReferenceArgument,
    RefitComponentsOption,
    RefitCovarianceOption,
    RefitSeedOption,
    ThresholdOption,
    ThresholdWay,
)
from lodestone.cli.fit.refit_mixture import MixtureWish
from lodestone.cli.fit.refit_order import RefitChanges, RefitWishes, refit_order
from lodestone.cli.fit.refit_report import RefitReport, print_refit
from lodestone.cli.fit.report import FitReport, repeated_positions
from lodestone.cli.fit.steps import Fitted, carry_out
from lodestone.cli.inputs.fit_input import FitInput, fit_input
from lodestone.cli.inputs.fit_services import FitServices, fit_services
from lodestone.cli.inputs.refit_base import RefitBase
from lodestone.cli.inputs.said import FilesSaid
from lodestone.cli.options import DEFAULT_DATA, DataOption, JsonOption
from lodestone.cli.output import Output
from lodestone.cli.words import reference


def refit(
    profile: ReferenceArgument,
    *,
    add: Annotated[
        list[str] | None,
        typer.Option(metavar="INPUT", help="What else is liked, in the forms of `profile fit`."),
    ] = None,
    remove: Annotated[
        list[str] | None,
        typer.Option(metavar="INPUT", help="What to leave out, in the same forms."),
    ] = None,
    add_image: Annotated[
        list[str] | None,
        typer.Option(metavar="DIGEST", help="A kept image that is liked; 8 digits will do."),
    ] = None,
    remove_image: Annotated[
        list[str] | None,
        typer.Option(
            metavar="DIGEST", help="A liked image to leave out, by digest or by its name."
        ),
    ] = None,
    photos: Annotated[
        list[str] | None,
        typer.Option(
            metavar="DIR",
            help="Embed the same photos again, found here and in the store by their digests: for when the encoder or "
            "its precision has changed.",
        ),
    ] = None,
    background: BackgroundOption = None,
    components: RefitComponentsOption = None,
    covariance: RefitCovarianceOption = None,
    keep_ratio: KeepRatioOption = None,
    pass_ratio: PassRatioOption = None,
    threshold: ThresholdOption = None,
    seed: RefitSeedOption = None,
    encoder_id: EncoderIdOption = "",
    precision: PrecisionOption = None,
    as_json: JsonOption = False,
    data: DataOption = DEFAULT_DATA,
) -> None:
    """Make a new version of a profile from what it was fitted to, with some of it left out and more added.

    Nothing is fetched or embedded again but what is added. What is not said stays as it was asked for; 0 components and
    `auto`, which choose, can only be stated of a version that had them, or with --photos. All options for images may be
    given more than once. Old versions stay; `lodestone rejudge` applies the new one to what is known.
    """
    changes = RefitChanges(
        _inputs(add), _inputs(remove), add_image or (), remove_image or (), _inputs(photos)
    )
    wishes = RefitWishes(
        ThresholdWay(keep_ratio, pass_ratio, threshold),
        MixtureWish(components, covariance, seed),
        _inputs(background),
        FilesSaid(data, encoder_id, precision or ""),
    )
    asyncio.run(_refit(Output(as_json=as_json), profile, changes, wishes))


def _inputs(texts: Sequence[str] | None) -> Sequence[FitInput]:
    return [fit_input(text) for text in texts or ()]


async def _refit(output: Output, named: str, changes: RefitChanges, wishes: RefitWishes) -> None:
    async with fit_services(output) as services:
        await services.require_reachable(images=True)
        base = await RefitBase.of(services, named)
        order = await refit_order(services, base, changes, wishes)
        fitted = await carry_out(services, order)
        names = await _names(services, fitted)
    fit = FitReport(
        fitted=fitted,
        names=names,
        left_out=order.liked.left_out | order.background.left_out,
        unmarkable_count=order.liked.unmarkable_count,
    )
    report = RefitReport(base.profile, fit, len(order.liked), embedded_again=bool(changes.photos))
    if output.as_json:
        output.object(report.facts())
    else:
        print_refit(output, report)


async def _names(services: FitServices, fitted: Fitted) -> dict[int, str]:
    """What the images are called that repeat another, and those that they repeat."""
    positions = repeated_positions(fitted.profile)
    if not positions:
        return {}
    images = services.novelty.list_liked_images(reference(fitted.profile))
    return {
        image.position: image.label.name or image.label.digest[:12]
        async for image in images
        if image.position in positions
    }
