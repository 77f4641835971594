"""The options of commands that fit a profile or move its threshold."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from math import isfinite
from typing import Annotated

import typer

from lodestone.novelty.v1 import profile_pb2
from lodestone.novelty.v1.novelty_service_pb2 import FitOptions


class CovarianceForm(StrEnum):
    """The forms that --covariance takes."""

    AUTO = "auto"
    DIAG = "diag"
    FULL = "full"
    TIED = "tied"


class PrecisionName(StrEnum):
    """The precisions that --precision takes."""

    FP32 = "fp32"
    FP16 = "fp16"
    BF16 = "bf16"


ReferenceArgument = Annotated[
    str,
    typer.Argument(
        metavar="NAME", help="The profile: its newest version, or `landscapes@3` for version 3."
    ),
]
BackgroundOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="INPUT",
        help="An unfiltered sample of what the sources hold, in the same forms, for the histogram and the share that "
        "passes; may be given more than once.",
    ),
]
ComponentsOption = Annotated[
    int, typer.Option(min=0, max=256, help="Components of the mixture; 0 chooses.")
]
CovarianceOption = Annotated[
    CovarianceForm, typer.Option(help="The form of the covariances; `auto` chooses.")
]
RefitComponentsOption = Annotated[
    int | None,
    typer.Option(min=0, max=256, help="Components of the mixture.", show_default="as asked before"),
]
RefitCovarianceOption = Annotated[
    CovarianceForm | None,
    typer.Option(help="The form of the covariances.", show_default="as asked before"),
]
RefitSeedOption = Annotated[
    int | None,
    typer.Option(
        min=0,
        max=2**31 - 1,
        help="The seed of every random choice.",
        show_default="as asked before",
    ),
]
KeepRatioOption = Annotated[
    float | None,
    typer.Option(help="The share of liked photos that must pass, over 0 and up to 1."),
]
PassRatioOption = Annotated[
    float | None,
    typer.Option(help="The share of the background that may pass instead: 0.01 is one in 100."),
]
ThresholdOption = Annotated[
    float | None, typer.Option(metavar="NATS", help="The threshold itself instead.")
]
SeedOption = Annotated[
    int, typer.Option(min=0, max=2**31 - 1, help="The seed of every random choice.")
]
EncoderIdOption = Annotated[
    str,
    typer.Option(
        metavar="ID",
        help="Which encoder made the embeddings of files that do not say so: 64 hex digits, a name that `lodestone "
        "encoder list` shows, or `served` for the embedder's.",
    ),
]
PrecisionOption = Annotated[
    PrecisionName | None,
    typer.Option(
        help="The precision that they were computed in, where the file does not say it.",
        show_default="fp32",
    ),
]


@dataclass(frozen=True, slots=True)
class ThresholdWay:
    """Where the threshold goes: by one of the three, or by none.

    Attributes:
        keep_ratio: The share of liked images that must pass.
        pass_ratio: The share of the background sample that may pass.
        threshold_nats: The threshold itself, nats.

    Raises:
        typer.BadParameter: Two are stated, or one is out of its range.
    """

    keep_ratio: float | None = None
    pass_ratio: float | None = None
    threshold_nats: float | None = None

    def __post_init__(self) -> None:
        stated = self.stated()
        if len(stated) > 1:
            problem = "one of them sets the threshold, not two"
            raise typer.BadParameter(problem, param_hint=" and ".join(stated))
        for option, value in stated.items():
            if option != "--threshold" and not 0 < value <= 1:
                raise typer.BadParameter("must be over 0 and at most 1", param_hint=option)
            if not isfinite(value):
                raise typer.BadParameter("must be a finite number", param_hint=option)

    def stated(self) -> Mapping[str, float]:
        """What was said, by the option that says it."""
        ways = {
            "--keep-ratio": self.keep_ratio,
            "--pass-ratio": self.pass_ratio,
            "--threshold": self.threshold_nats,
        }
        return {option: value for option, value in ways.items() if value is not None}


@dataclass(frozen=True, slots=True)
class MixtureWay:
    """How the mixture is fitted: what --components, --covariance and --seed say."""

    component_count: int
    covariance: CovarianceForm
    seed: int


def fit_options(name: str, way: ThresholdWay, mixture: MixtureWay, base: str = "") -> FitOptions:
    """The contract's options, with a request id of their own.

    Args:
        name: The profile's name, without a version.
        way: Where the threshold goes.
        mixture: How the mixture is fitted.
        base: The version to begin with, `landscapes@2`; empty begins with nothing.
    """
    return FitOptions(
        request_id=str(uuid.uuid4()),
        name=name,
        component_count=mixture.component_count,
        covariance=_covariance(mixture.covariance),
        keep_ratio=way.keep_ratio or 0.0,
        pass_ratio=way.pass_ratio or 0.0,
        threshold_nats=way.threshold_nats,
        seed=mixture.seed,
        base_profile=base,
    )


def _covariance(form: CovarianceForm) -> profile_pb2.Covariance.ValueType:
    if form is CovarianceForm.AUTO:
        return profile_pb2.COVARIANCE_UNSPECIFIED
    return profile_pb2.Covariance.Value(f"COVARIANCE_{form.name}")
