"""`lodestone encoder`: the encoders there are, and how to make more."""

from __future__ import annotations

import importlib.util
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from lodestone.cli.checkout import find_checkout, require_checkout
from lodestone.cli.encoder_folders import described_encoders
from lodestone.cli.errors import CliError
from lodestone.cli.module_run import run_module
from lodestone.cli.options import DEFAULT_DATA, DataOption, JsonOption, given_path
from lodestone.cli.output import Output

app = typer.Typer(no_args_is_help=True, help="See the encoders there are, and export more.")


class Resize(StrEnum):
    """The rules that --resize takes."""

    SQUASH = "squash"
    CENTER_CROP = "center_crop"


@app.command("list")
def list_encoders(as_json: JsonOption = False, data: DataOption = DEFAULT_DATA) -> None:
    """List the bundled encoders and the exported ones; `lodestone up --encoder NAME` serves one."""
    output = Output(as_json=as_json)
    encoders = described_encoders(data, find_checkout(), output.note)
    found = [{**facts, "folder": str(folder)} for folder, facts in encoders]
    if as_json:
        for facts in found:
            output.object(facts)
    elif found:
        rows = (
            (
                str(facts.get("name")),
                str(facts.get("architecture")),
                str(facts.get("dimension")),
                f"{facts.get('input_width_px')}×{facts.get('input_height_px')}",
                str(facts.get("encoder_id"))[:12] + "…",
                facts["folder"],
            )
            for facts in found
        )
        output.table(
            ("name", "~architecture", ">dimension", ">input", "encoder id", "~folder"), rows
        )
    else:
        output.text("no encoders: make one with `lodestone encoder export NAME`")


@app.command()
def export(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME", help="efficientnet-lite0, or an open_clip model: clip-vit-b-32."
        ),
    ],
    *,
    out: Annotated[
        Path | None,
        typer.Option(
            parser=given_path,
            metavar="DIR",
            help="The folder to make; default DATA/artifacts/encoders/NAME.",
        ),
    ] = None,
    pretrained: Annotated[
        str | None, typer.Option(metavar="TAG", help="open_clip's tag of the weights.")
    ] = None,
    checkpoint: Annotated[
        Path | None,
        typer.Option(parser=given_path, metavar="FILE", help="A file with the weights."),
    ] = None,
    random_weights: Annotated[
        bool, typer.Option("--random-weights", help="Untrained weights, for tests.")
    ] = False,
    seed: Annotated[int | None, typer.Option(help="The seed of --random-weights.")] = None,
    resize: Annotated[
        Resize | None, typer.Option(help="Instead of the model's own resize rule.")
    ] = None,
    as_json: JsonOption = False,
    data: DataOption = DEFAULT_DATA,
) -> None:
    """Export a pretrained encoder to ONNX, into DATA/artifacts/encoders/NAME.

    Needs torch: `pip install -c constraints.txt -e '.[export]'` in the checkout. `lodestone up --encoder NAME` serves
    it.
    """
    checkout = require_checkout()
    if importlib.util.find_spec("torch") is None:
        raise CliError(
            "exporting needs torch; in the checkout: .venv/bin/pip install -c constraints.txt -e '.[export]'"
        )
    target = out or data / "artifacts" / "encoders" / name
    given = {"--pretrained": pretrained, "--checkpoint": checkpoint, "--seed": seed}
    arguments = [name, "--out", str(target)]
    for option, value in given.items():
        arguments += [] if value is None else [option, str(value)]
    arguments += ["--resize", resize.value] if resize else []
    arguments += ["--random-weights"] if random_weights else []
    arguments += ["--json"] if as_json else []
    raise typer.Exit(run_module(checkout, "services.embedder.export", *arguments))
