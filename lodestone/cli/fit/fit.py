"""`lodestone profile fit`: learn a taste from photos, or from embeddings that were made elsewhere."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import typer

from lodestone.cli.fit.early import profile_name, require_enough
from lodestone.cli.fit.options import (
    BackgroundOption,
    ComponentsOption,
    CovarianceForm,
    CovarianceOption,
    EncoderIdOption,
    KeepRatioOption,
    MixtureWay,
    PassRatioOption,
    PrecisionOption,
    SeedOption,
    ThresholdOption,
    ThresholdWay,
    fit_options,
)
from lodestone.cli.fit.report import FitReport, print_fit, repeated_positions
from lodestone.cli.fit.steps import FitOrder, carry_out
from lodestone.cli.inputs.fit_input import FileInput, FitInput, InputsArgument, fit_input
from lodestone.cli.inputs.fit_services import fit_services, kind_of_encoder
from lodestone.cli.inputs.fit_set import FitSet
from lodestone.cli.inputs.part import require_alike
from lodestone.cli.inputs.reading import Reading
from lodestone.cli.inputs.said import FilesSaid
from lodestone.cli.options import DEFAULT_DATA, DataOption, JsonOption
from lodestone.cli.output import Output
from lodestone.embedder.v1.encoder_pb2 import Encoder
from lodestone.novelty.v1.novelty_service_pb2 import FitOptions


def fit(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME", callback=profile_name, help="The profile's name: a-z, 0-9, - _"
        ),
    ],
    inputs: InputsArgument,
    *,
    background: BackgroundOption = None,
    components: ComponentsOption = 0,
    covariance: CovarianceOption = CovarianceForm.AUTO,
    keep_ratio: KeepRatioOption = None,
    pass_ratio: PassRatioOption = None,
    threshold: ThresholdOption = None,
    seed: SeedOption = 0,
    encoder_id: EncoderIdOption = "",
    precision: PrecisionOption = None,
    as_json: JsonOption = False,
    data: DataOption = DEFAULT_DATA,
) -> None:
    """Learn a profile from what you like, and mark the photos among it as seen.

    Fitting the same name again makes a new version; old ones stay. Photos that cannot be read are listed and left out.
    Of a folder all photos are taken, those of its subfolders too. A `.npy` file holds an array of shape (n, d), a
    `.parquet` file a column `embedding` and, if they are known, `encoder_id`, `precision`, `digest` and `name`. Rows
    are divided by their norms.
    """
    way = ThresholdWay(keep_ratio, pass_ratio, threshold)
    if pass_ratio is not None and not background:
        raise typer.BadParameter("needs --background INPUT", param_hint="--pass-ratio")
    options = fit_options(name, way, MixtureWay(components, covariance, seed))
    liked = [fit_input(text) for text in inputs]
    require_enough(components, liked)
    against = [fit_input(text) for text in background or ()]
    files = FilesSaid(data, encoder_id, precision or "")
    asyncio.run(_fit(Output(as_json=as_json), options, _Inputs(liked, against, files)))


@dataclass(frozen=True, slots=True)
class _Inputs:
    liked: Sequence[FitInput]
    background: Sequence[FitInput]
    files: FilesSaid

    @property
    def have_images(self) -> bool:
        return not all(isinstance(one, FileInput) for one in (*self.liked, *self.background))


async def _fit(output: Output, options: FitOptions, inputs: _Inputs) -> None:
    async with fit_services(output) as services:
        await services.require_reachable(images=inputs.have_images)
        kind = kind_of_encoder(await services.served() if inputs.have_images else Encoder())
        choice = await inputs.files.choice(services)
        reading = Reading(services, choice, kind, options.name)
        liked = FitSet(await reading.read(inputs.liked, "liked photos"))
        background = FitSet(await reading.read(inputs.background, "background"))
        require_alike([*liked.parts, *background.parts])
        fitted = await carry_out(
            services,
            FitOrder(options=options, liked=liked, background=background, read=liked.read),
        )
    report = FitReport(
        fitted=fitted,
        names=liked.names_of(repeated_positions(fitted.profile)),
        left_out=liked.left_out | background.left_out,
        unmarkable_count=liked.unmarkable_count,
    )
    if output.as_json:
        output.object(report.facts())
    else:
        print_fit(output, report)
