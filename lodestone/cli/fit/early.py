"""What is refused before anything is embedded: that takes minutes, and the service would say no after them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

import typer

from lodestone.cli.errors import CliError
from lodestone.cli.image_files import find_images
from lodestone.cli.inputs.fit_input import FitInput, FolderInput
from lodestone.cli.words import count_of

_NAME: Final = re.compile("[a-z0-9][a-z0-9_-]{0,63}")


def profile_name(text: str) -> str:
    """The name of a profile that is to be.

    Raises:
        typer.BadParameter: It is none.
    """
    if _NAME.fullmatch(text) is None:
        raise typer.BadParameter(
            f"{text!r} is no name for a profile: 1 to 64 of a-z, 0-9, - and _, the first a letter or digit"
        )
    return text


def require_enough(component_count: int, inputs: Sequence[FitInput], others: int = 0) -> None:
    """Passes if there may be a liked image for each component: how many a file holds is seen when it is read.

    Args:
        component_count: What was asked for; 0 chooses.
        inputs: What is liked.
        others: How many liked images there are besides, at most.

    Raises:
        CliError: There are too few, or a folder has none.
    """
    folders = [one.path for one in inputs if isinstance(one, FolderInput)]
    if not component_count or len(folders) < len(inputs):
        return
    most = others + sum(len(find_images(folder)) for folder in folders)
    if component_count > most:
        raise CliError(
            f"{count_of(component_count, 'component')} need as many liked photos, and there are {most:,}"
        )
