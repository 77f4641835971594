"""`lodestone watermark train`: a detector out of photos, drawn marks, and images with labels."""

from __future__ import annotations

import importlib.util
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from lodestone.cli.checkout import require_checkout
from lodestone.cli.errors import CliError
from lodestone.cli.mark_kinds import KIND_NAMES, MarkKind
from lodestone.cli.module_run import run_module
from lodestone.cli.options import DEFAULT_DATA, DataOption, JsonOption, given_path

_MODULE = "services.watermark.train"


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


def train(
    *,
    photos: Annotated[
        list[Path],
        typer.Option(
            parser=given_path, metavar="DIR", help="Photos without marks; may be given again."
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            parser=given_path, metavar="DIR", help="The folder to make; its name is the detector's."
        ),
    ],
    calibrate: Annotated[
        list[Path] | None,
        typer.Option(
            parser=given_path, metavar="DIR", help="Photos of other sources that set the threshold."
        ),
    ] = None,
    held_out: Annotated[
        list[Path] | None,
        typer.Option(
            parser=given_path, metavar="DIR", help="Photos of other sources: never trained on."
        ),
    ] = None,
    clean: Annotated[
        list[Path] | None,
        typer.Option(
            parser=given_path,
            metavar="DIR",
            help="Images without marks, to learn from as they are.",
        ),
    ] = None,
    marked: Annotated[
        list[Path] | None,
        typer.Option(parser=given_path, metavar="DIR", help="Images with real marks."),
    ] = None,
    fonts: Annotated[
        list[Path] | None,
        typer.Option(parser=given_path, metavar="DIR", help="Fonts to write marks in."),
    ] = None,
    held_out_fonts: Annotated[
        list[Path] | None,
        typer.Option(parser=given_path, metavar="DIR", help="Fonts to calibrate and test with."),
    ] = None,
    without_kinds: Annotated[
        list[MarkKind] | None,
        typer.Option(
            metavar="KIND", help=f"A mark to leave out: is it found all the same? {KIND_NAMES}."
        ),
    ] = None,
    backend: Annotated[
        Backend,
        typer.Option(help="What is to serve it; embedder: a head over the encoder's embeddings."),
    ] = Backend.ONNXRUNTIME,
    encoder: Annotated[
        str, typer.Option(metavar="NAME|DIR", help="Of a head: the encoder that is served.")
    ] = "efficientnet-lite0",
    pairs: Annotated[
        int, typer.Option(min=100, help="Of a head: clean and marked images to draw.")
    ] = 4000,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the checkpoint in the folder.")
    ] = False,
    variant: Annotated[
        Variant, typer.Option(help="448x448 pixels as four tiles, or 672x672 as nine.")
    ] = Variant.QUADRANTS,
    max_false_positive_ratio: Annotated[
        float, typer.Option(min=0.0, max=0.999, help="Clean images that may be lost.")
    ] = 0.02,
    seed: Annotated[int, typer.Option(min=0, help="Of everything random.")] = 0,
    steps: Annotated[int, typer.Option(min=1, help="Batches to train on.")] = 6000,
    batch: Annotated[int, typer.Option(min=8, help="Tiles in a batch.")] = 32,
    measure_every: Annotated[int, typer.Option(min=1, help="Steps between points.")] = 500,
    save_every: Annotated[int, typer.Option(min=1, help="Steps between checkpoints.")] = 100,
    threads: Annotated[int, typer.Option(min=1, help="CPU threads of the network.")] = 1,
    workers: Annotated[int, typer.Option(min=1, help="Processes that draw the marks.")] = 1,
    device: Annotated[Device, typer.Option(help="What computes.")] = Device.CPU,
    unfreeze: Annotated[
        bool,
        typer.Option("--unfreeze", help="Train the first three blocks too: 1.4 times the time."),
    ] = False,
    precision: Annotated[
        Precision, typer.Option(help="Of what the network computes meanwhile.")
    ] = Precision.FP32,
    as_json: JsonOption = False,
    data: DataOption = DEFAULT_DATA,
) -> None:
    """Train a watermark detector on photos with drawn marks, and on labelled images if there are any.

    Needs torch: `pip install -c constraints.txt -e '.[train]'` in the checkout. Can be interrupted at any time and
    resumed; leaves the detector, its curves and its metrics. On stderr it says how far it is, at each point of the
    curves and every half a minute between; with --json in objects on stdout. With --backend embedder it fits a head
    over the embeddings of an image's quadrants: that needs no torch, has no steps, and is not resumed.
    """
    checkout = require_checkout()
    if backend is Backend.ONNXRUNTIME and importlib.util.find_spec("torch") is None:
        raise CliError(
            "training needs torch; in the checkout: .venv/bin/pip install -c constraints.txt -e '.[train]'"
        )
    folders = {
        "--photos": photos,
        "--calibrate": calibrate,
        "--held-out": held_out,
        "--clean": clean,
        "--marked": marked,
        "--fonts": fonts,
        "--held-out-fonts": held_out_fonts,
        "--without-kinds": without_kinds,
    }
    numbers = {
        "--pairs": pairs,
        "--seed": seed,
        "--steps": steps,
        "--batch": batch,
        "--measure-every": measure_every,
        "--save-every": save_every,
        "--threads": threads,
        "--workers": workers,
        "--max-false-positive-ratio": max_false_positive_ratio,
    }
    arguments = [f"--out={out}", f"--variant={variant.value}", f"--backend={backend.value}"]
    arguments += [f"--encoder={encoder}", f"--data={data}", f"--device={device.value}"]
    arguments += [f"--precision={precision.value}"]
    arguments += [f"{option}={value}" for option, value in numbers.items()]
    for option, given in folders.items():
        arguments += [f"{option}={one}" for one in given or ()]
    arguments += ["--resume"] if resume else []
    arguments += ["--unfreeze"] if unfreeze else []
    arguments += ["--json"] if as_json else []
    raise typer.Exit(run_module(checkout, _MODULE, *arguments))
