"""`lodestone profile`: what was learnt, and how to learn it."""

from __future__ import annotations

import typer

from lodestone.cli.profile_fit import fit
from lodestone.cli.profile_list import list_profiles
from lodestone.cli.profile_show import show

app = typer.Typer(no_args_is_help=True, help="Learn a taste from photos you like, and look at it.")
app.command()(fit)
app.command()(show)
app.command("list")(list_profiles)
