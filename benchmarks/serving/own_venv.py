"""A virtual environment of its own for what is measured beside ours: its requirements are none of ours."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def make_venv(folder: Path, requirements: list[str], *, made: str) -> Path:
    """Makes the virtual environment and installs the requirements, unless `made` is there. Returns its `bin`.

    Args:
        folder: Of the virtual environment.
        requirements: As pip takes them.
        made: A path in the folder that only a finished installation has.

    Raises:
        subprocess.CalledProcessError: pip cannot install them.
    """
    commands = folder / "bin"
    if not (folder / made).exists():
        print(f"installing {' '.join(requirements)} into {folder}", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)  # noqa: S603 - ours
        # Neither git nor a linter looks into it.
        (folder / ".gitignore").write_text("*\n")
        pip = [str(commands / "python"), "-m", "pip", "-q", "--disable-pip-version-check"]
        subprocess.run(  # noqa: S603 - fixed packages
            [*pip, "install", *requirements], check=True, stdout=sys.stderr
        )
    return commands
