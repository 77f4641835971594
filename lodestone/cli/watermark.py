"""`lodestone watermark`: makes and measures detectors of watermarks."""

from __future__ import annotations

import typer

from lodestone.cli.evaluation.evaluate import evaluate
from lodestone.cli.synthesize import synthesize
from lodestone.cli.train import train

app = typer.Typer(no_args_is_help=True, help="Make and measure detectors of watermarks.")
app.command("synthesize")(synthesize)
app.command("evaluate")(evaluate)
app.command("train")(train)
