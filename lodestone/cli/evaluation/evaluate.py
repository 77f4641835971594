"""`lodestone watermark evaluate`: how good a detector is, and what it sees in one image."""

from __future__ import annotations

import importlib.util
import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from lodestone.cli.checkout import require_checkout
from lodestone.cli.errors import CliError, WrongUsage
from lodestone.cli.evaluation import wording
from lodestone.cli.module_run import run_module
from lodestone.cli.options import DEFAULT_DATA, DataOption, JsonOption, given_path
from lodestone.cli.output import Output
from lodestone.cli.writing import writing

_MODULE = "services.watermark.evaluate"


class Backend(StrEnum):
    """The backends that --backend takes."""

    ONNXRUNTIME = "onnxruntime"
    CUDA = "cuda"
    EMBEDDER = "embedder"


def evaluate(
    folder: Annotated[
        Path | None,
        typer.Argument(
            parser=given_path,
            metavar="DIR",
            help="Photos, to draw marks on; or clean/ and marked/.",
        ),
    ] = None,
    *,
    detector: Annotated[
        str,
        typer.Option(metavar="NAME|DIR", help="A detector, or a path (with a `/`) to its folder."),
    ] = "quadrant-tiles",
    backend: Annotated[
        Backend, typer.Option(help="What computes the detector; embedder: a head's encoder.")
    ] = Backend.ONNXRUNTIME,
    encoder: Annotated[
        str, typer.Option(metavar="NAME|DIR", help="Of a head: the encoder that it was fitted to.")
    ] = "efficientnet-lite0",
    out: Annotated[
        Path | None,
        typer.Option(
            parser=given_path,
            metavar="DIR",
            help="For report.html and pictures; default DATA/evaluations/DETECTOR.",
        ),
    ] = None,
    heat: Annotated[
        Path | None,
        typer.Option(
            parser=given_path,
            metavar="FILE",
            help="An image: heat.png shows its quadrants' probabilities.",
        ),
    ] = None,
    fonts: Annotated[
        list[Path] | None,
        typer.Option(
            parser=given_path, metavar="DIR", help="Fonts to write marks in; may be given again."
        ),
    ] = None,
    held_out: Annotated[
        bool, typer.Option("--held-out", help="Only photos that training keeps for its tests.")
    ] = False,
    limit: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Photos at most, or images of each label."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of all that is drawn.")] = 0,
    threshold: Annotated[
        float | None, typer.Option(min=0, max=1, help="Instead of the detector's own.")
    ] = None,
    max_false_positive_ratio: Annotated[
        float,
        typer.Option(
            min=0, max=0.999, help="Clean images that may be lost: says which threshold fits."
        ),
    ] = 0.02,
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
    given: dict[str, object | None] = {
        "--heat": heat,
        "--limit": limit,
        "--threshold": threshold,
        "--detector": detector,
        "--backend": backend.value,
        "--encoder": encoder,
        "--seed": seed,
        "--max-false-positive-ratio": max_false_positive_ratio,
        "--data": data,
        "--out": target,
    }
    arguments = [] if folder is None else [str(folder)]
    for option, value in given.items():
        arguments += [] if value is None else [f"{option}={value}"]
    arguments += ["--held-out"] if held_out else []
    arguments += ["--json"] if as_json else []
    for font_folder in fonts or ():
        arguments.append(f"--fonts={font_folder}")
    _run(arguments)
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
