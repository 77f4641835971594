"""`lodestone watermark evaluate`: how good a detector is, and what it sees in one image."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import typer

from lodestone.cli.checkout import require_checkout
from lodestone.cli.errors import CliError, WrongUsage
from lodestone.cli.evaluation import wording
from lodestone.cli.evaluation.options import (
    Backend,
    BackendOption,
    DetectorOption,
    EncoderOption,
    FalsePositiveOption,
    FolderArgument,
    FontsOption,
    HeatOption,
    HeldOutOption,
    LimitOption,
    OutOption,
    SeedOption,
    ThresholdOption,
)
from lodestone.cli.module_run import option_words, run_module
from lodestone.cli.options import DEFAULT_DATA, DataOption, JsonOption
from lodestone.cli.output import Output
from lodestone.cli.writing import writing

_MODULE = "services.watermark.evaluate"


def evaluate(
    folder: FolderArgument = None,
    *,
    detector: DetectorOption = "quadrant-tiles",
    backend: BackendOption = Backend.ONNXRUNTIME,
    encoder: EncoderOption = "efficientnet-lite0",
    out: OutOption = None,
    heat: HeatOption = None,
    fonts: FontsOption = None,
    held_out: HeldOutOption = False,
    limit: LimitOption = None,
    seed: SeedOption = 0,
    threshold: ThresholdOption = None,
    max_false_positive_ratio: FalsePositiveOption = 0.02,
    as_json: JsonOption = False,
    data: DataOption = DEFAULT_DATA,
) -> None:
    """Measure a watermark detector on photos with drawn marks, or on images with labels.

    Two generators draw the marks; the second one is kept from training. Leaves report.html, evaluation.json and
    pictures.
    """
    if folder is None and heat is None:
        raise WrongUsage("a folder to evaluate with, or --heat FILE, is needed")
    if importlib.util.find_spec("sklearn") is None:
        raise CliError(
            "evaluating needs scikit-learn; in the checkout: .venv/bin/pip install -c constraints.txt -e '.[novelty]'"
        )
    target = out or data / "evaluations" / Path(detector).name
    options = option_words(
        {
            "--heat": heat,
            "--limit": limit,
            "--threshold": threshold,
            "--detector": detector,
            "--backend": backend,
            "--encoder": encoder,
            "--seed": seed,
            "--max-false-positive-ratio": max_false_positive_ratio,
            "--data": data,
            "--out": target,
            "--held-out": held_out,
            "--json": as_json,
            "--fonts": fonts,
        }
    )
    _run([*([] if folder is None else [str(folder)]), *options])
    output = Output(as_json=as_json)
    if heat is not None:
        _show_heat(target, output)
    if folder is not None:
        _show(target, output)


def _run(arguments: list[str]) -> None:
    status = run_module(require_checkout(), _MODULE, *arguments)
    if status:
        raise typer.Exit(status)


def _show(target: Path, output: Output) -> None:
    from lodestone.cli.evaluation.report import write_report

    evaluation = _read(target / "evaluation.json")
    report = write_report(target, evaluation)
    if output.as_json:
        output.object({**evaluation, "report": str(report)})
        return
    output.table(wording.GOAL_COLUMNS, wording.goal_rows(evaluation))
    output.text("")
    output.table(wording.GROUP_COLUMNS, wording.group_rows(evaluation))
    output.text("")
    output.table(wording.FLAGGED_COLUMNS, wording.flagged_rows(evaluation))
    output.text(wording.threshold_sentence(evaluation))
    output.text(f"report: {report}")


def _show_heat(target: Path, output: Output) -> None:
    from lodestone.cli.evaluation.heat_picture import UPSCALED, draw_heat
    from lodestone.cli.pictures.drawing import write_figure

    facts = _read(target / "heat.json")
    picture = target / "heat.png"
    figure = draw_heat(target / "heat.jpg", facts)
    with writing(picture):
        write_figure(figure, picture, form="png", title=facts["file"])
    if output.as_json:
        output.object({**facts, "picture": str(picture)})
        return
    quadrants = ", ".join(f"{name} {value:.3f}" for name, value in facts["quadrants"].items())
    output.text(f"{facts['file']}: {facts['probability']:.3f}; {quadrants}")
    if facts["upscaled"]:
        output.text(UPSCALED)
    output.text(f"heat map: {picture}")


def _read(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content
