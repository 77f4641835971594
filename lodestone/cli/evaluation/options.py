"""The options of `lodestone watermark evaluate`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from lodestone.cli.options import given_path


class Backend(StrEnum):
    """The backends that --backend takes."""

    ONNXRUNTIME = "onnxruntime"
    CUDA = "cuda"
    EMBEDDER = "embedder"


FolderArgument = Annotated[
    Path | None,
    typer.Argument(
        parser=given_path,
        metavar="DIR",
        help="Photos, to draw marks on; or clean/ and marked/.",
    ),
]
DetectorOption = Annotated[
    str,
    typer.Option(metavar="NAME|DIR", help="A detector, or a path (with a `/`) to its folder."),
]
BackendOption = Annotated[
    Backend, typer.Option(help="What computes the detector; embedder: a head's encoder.")
]
EncoderOption = Annotated[
    str, typer.Option(metavar="NAME|DIR", help="Of a head: the encoder that it was fitted to.")
]
OutOption = Annotated[
    Path | None,
    typer.Option(
        parser=given_path,
        metavar="DIR",
        help="For report.html and pictures; default DATA/evaluations/DETECTOR.",
    ),
]
HeatOption = Annotated[
    Path | None,
    typer.Option(
        parser=given_path,
        metavar="FILE",
        help="An image: heat.png shows its quadrants' probabilities.",
    ),
]
FontsOption = Annotated[
    list[Path] | None,
    typer.Option(
        parser=given_path, metavar="DIR", help="Fonts to write marks in; may be given again."
    ),
]
HeldOutOption = Annotated[
    bool, typer.Option("--held-out", help="Only photos that training keeps for its tests.")
]
LimitOption = Annotated[
    int | None,
    typer.Option(min=1, metavar="N", help="Photos at most, or images of each label."),
]
SeedOption = Annotated[int, typer.Option(min=0, help="Of all that is drawn.")]
ThresholdOption = Annotated[
    float | None, typer.Option(min=0, max=1, help="Instead of the detector's own.")
]
FalsePositiveOption = Annotated[
    float,
    typer.Option(
        min=0, max=0.999, help="Clean images that may be lost: says which threshold fits."
    ),
]
