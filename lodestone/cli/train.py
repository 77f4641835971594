"""`lodestone watermark train`: a detector out of photos, drawn marks, and images with labels."""

from __future__ import annotations

import importlib.util

import typer

from lodestone.cli.checkout import require_checkout
from lodestone.cli.errors import CliError
from lodestone.cli.module_run import option_words, run_module
from lodestone.cli.options import DEFAULT_DATA, DataOption, JsonOption
from lodestone.cli.train_options import (
    Backend,
    BackendOption,
    BatchOption,
    CalibrateOption,
    CleanOption,
    Device,
    DeviceOption,
    EncoderOption,
    FalsePositiveOption,
    FontsOption,
    HeldOutFontsOption,
    HeldOutOption,
    MarkedOption,
    MeasureEveryOption,
    OutOption,
    PairsOption,
    PhotosOption,
    Precision,
    PrecisionOption,
    ResumeOption,
    SaveEveryOption,
    SeedOption,
    StepsOption,
    ThreadsOption,
    UnfreezeOption,
    Variant,
    VariantOption,
    WithoutKindsOption,
    WorkersOption,
)

_MODULE = "services.watermark.train"


def train(
    *,
    photos: PhotosOption,
    out: OutOption,
    calibrate: CalibrateOption = None,
    held_out: HeldOutOption = None,
    clean: CleanOption = None,
    marked: MarkedOption = None,
    fonts: FontsOption = None,
    held_out_fonts: HeldOutFontsOption = None,
    without_kinds: WithoutKindsOption = None,
    backend: BackendOption = Backend.ONNXRUNTIME,
    encoder: EncoderOption = "efficientnet-lite0",
    pairs: PairsOption = 4000,
    resume: ResumeOption = False,
    variant: VariantOption = Variant.QUADRANTS,
    max_false_positive_ratio: FalsePositiveOption = 0.02,
    seed: SeedOption = 0,
    steps: StepsOption = 6000,
    batch: BatchOption = 32,
    measure_every: MeasureEveryOption = 500,
    save_every: SaveEveryOption = 100,
    threads: ThreadsOption = 1,
    workers: WorkersOption = 1,
    device: DeviceOption = Device.CPU,
    unfreeze: UnfreezeOption = False,
    precision: PrecisionOption = Precision.FP32,
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
    if backend is Backend.ONNXRUNTIME:
        _require_torch()
    arguments = option_words(
        {
            "--out": out,
            "--variant": variant,
            "--backend": backend,
            "--encoder": encoder,
            "--data": data,
            "--device": device,
            "--precision": precision,
            "--pairs": pairs,
            "--seed": seed,
            "--steps": steps,
            "--batch": batch,
            "--measure-every": measure_every,
            "--save-every": save_every,
            "--threads": threads,
            "--workers": workers,
            "--max-false-positive-ratio": max_false_positive_ratio,
            "--photos": photos,
            "--calibrate": calibrate,
            "--held-out": held_out,
            "--clean": clean,
            "--marked": marked,
            "--fonts": fonts,
            "--held-out-fonts": held_out_fonts,
            "--without-kinds": without_kinds,
            "--resume": resume,
            "--unfreeze": unfreeze,
            "--json": as_json,
        }
    )
    raise typer.Exit(run_module(checkout, _MODULE, *arguments))


def _require_torch() -> None:
    if importlib.util.find_spec("torch") is None:
        raise CliError(
            "training needs torch; in the checkout: .venv/bin/pip install -c constraints.txt -e '.[train]'"
        )
