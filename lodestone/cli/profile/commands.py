"""`lodestone profile`: what was learnt, and how to learn it."""

from __future__ import annotations

import typer

from lodestone.cli.fit.fit import fit
from lodestone.cli.fit.refit import refit
from lodestone.cli.profile.delete import delete
from lodestone.cli.profile.list import list_profiles
from lodestone.cli.profile.set import set_threshold
from lodestone.cli.profile.show import show

app = typer.Typer(no_args_is_help=True, help="Learn a taste from photos you like, and look at it.")
app.command()(fit)
app.command()(refit)
app.command("set")(set_threshold)
app.command()(delete)
app.command()(show)
app.command("list")(list_profiles)
