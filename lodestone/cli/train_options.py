"""The options of `lodestone watermark train`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from lodestone.cli.mark_kinds import KIND_NAMES, MarkKind
from lodestone.cli.options import given_path


class Backend(StrEnum):
    """What is to serve the detector: the values that --backend takes."""

    ONNXRUNTIME = "onnxruntime"
    EMBEDDER = "embedder"


class Variant(StrEnum):
    """How many tiles --variant cuts an image into."""

    QUADRANTS = "quadrants"
    NINE = "nine"


class Precision(StrEnum):
    """What --precision rounds to."""

    FP32 = "fp32"
    BF16 = "bf16"


class Device(StrEnum):
    """What --device computes with."""

    CPU = "cpu"
    CUDA = "cuda"


def _folder(meaning: str) -> Any:
    return typer.Option(parser=given_path, metavar="DIR", help=meaning)


PhotosOption = Annotated[list[Path], _folder("Photos without marks; may be given again.")]
OutOption = Annotated[Path, _folder("The folder to make; its name is the detector's.")]
CalibrateOption = Annotated[
    list[Path] | None, _folder("Photos of other sources that set the threshold.")
]
HeldOutOption = Annotated[list[Path] | None, _folder("Photos of other sources: never trained on.")]
CleanOption = Annotated[
    list[Path] | None, _folder("Images without marks, to learn from as they are.")
]
MarkedOption = Annotated[list[Path] | None, _folder("Images with real marks.")]
FontsOption = Annotated[list[Path] | None, _folder("Fonts to write marks in.")]
HeldOutFontsOption = Annotated[list[Path] | None, _folder("Fonts to calibrate and test with.")]
WithoutKindsOption = Annotated[
    list[MarkKind] | None,
    typer.Option(
        metavar="KIND", help=f"A mark to leave out: is it found all the same? {KIND_NAMES}."
    ),
]
BackendOption = Annotated[
    Backend,
    typer.Option(help="What is to serve it; embedder: a head over the encoder's embeddings."),
]
EncoderOption = Annotated[
    str, typer.Option(metavar="NAME|DIR", help="Of a head: the encoder that is served.")
]
PairsOption = Annotated[
    int, typer.Option(min=100, help="Of a head: clean and marked images to draw.")
]
ResumeOption = Annotated[
    bool, typer.Option("--resume", help="Go on from the checkpoint in the folder.")
]
VariantOption = Annotated[
    Variant, typer.Option(help="448x448 pixels as four tiles, or 672x672 as nine.")
]
FalsePositiveOption = Annotated[
    float, typer.Option(min=0.0, max=0.999, help="Clean images that may be lost.")
]
SeedOption = Annotated[int, typer.Option(min=0, help="Of everything random.")]
StepsOption = Annotated[int, typer.Option(min=1, help="Batches to train on.")]
BatchOption = Annotated[int, typer.Option(min=8, help="Tiles in a batch.")]
MeasureEveryOption = Annotated[int, typer.Option(min=1, help="Steps between points.")]
SaveEveryOption = Annotated[int, typer.Option(min=1, help="Steps between checkpoints.")]
ThreadsOption = Annotated[int, typer.Option(min=1, help="CPU threads of the network.")]
WorkersOption = Annotated[int, typer.Option(min=1, help="Processes that draw the marks.")]
DeviceOption = Annotated[Device, typer.Option(help="What computes.")]
UnfreezeOption = Annotated[
    bool,
    typer.Option("--unfreeze", help="Train the first three blocks too: 1.4 times the time."),
]
PrecisionOption = Annotated[Precision, typer.Option(help="Of what the network computes meanwhile.")]
