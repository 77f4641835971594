"""The services' code: it runs from a checkout, not from the wheel."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from lodestone.cli.errors import CliError


def find_checkout() -> Path | None:
    """The folder that holds `services/` and `encoders/`: the current one, or one on the import path."""
    for folder in (Path.cwd(), *map(Path, sys.path)):
        if (folder / "services" / "embedder" / "__main__.py").is_file():
            return folder.resolve()
    return None


def require_checkout() -> Path:
    """The checkout.

    Raises:
        CliError: There is none.
    """
    checkout = find_checkout()
    if checkout is None:
        raise CliError("the services are not here: run this from a checkout of Lodestone")
    return checkout


def module_command(module: str, *arguments: str) -> Sequence[str]:
    """The command that runs a module of the checkout with this interpreter.

    `-P` keeps the current folder off the import path: only the checkout's code is run.
    """
    return (sys.executable, "-P", "-m", module, *arguments)


def module_environment(checkout: Path, environment: Mapping[str, str]) -> dict[str, str]:
    """`environment` with the checkout first on the import path."""
    path = environment.get("PYTHONPATH", "")
    joined = os.pathsep.join([str(checkout), *filter(None, [path])])
    return {**environment, "PYTHONPATH": joined}
