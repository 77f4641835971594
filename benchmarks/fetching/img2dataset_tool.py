"""img2dataset, in a virtual environment of its own: its requirements are none of ours."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

VERSION = "1.47.0"

_OPTIONS = (
    "--processes_count=1",
    "--thread_count=16",
    "--image_size=512",
    "--resize_mode=keep_ratio",
    "--output_format=files",
    "--input_format=txt",
)


def install(folder: Path) -> Path:
    """Makes the virtual environment unless it is there. Returns the command's path.

    Raises:
        subprocess.CalledProcessError: pip cannot install it.
    """
    command = folder / "bin" / "img2dataset"
    if not command.exists():
        print(f"installing img2dataset {VERSION} into {folder}", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)  # noqa: S603 - ours
        # Neither git nor a linter looks into it.
        (folder / ".gitignore").write_text("*\n")
        pip = [str(folder / "bin" / "python"), "-m", "pip", "-q", "--disable-pip-version-check"]
        subprocess.run(  # noqa: S603 - a fixed package
            [*pip, "install", f"img2dataset=={VERSION}"], check=True, stdout=sys.stderr
        )
    return command


def command_line(command: Path, urls: Path, output: Path) -> list[str]:
    """The command for a list of URLs; what is not stated is img2dataset's own default."""
    return [str(command), f"--url_list={urls}", f"--output_folder={output}", *_OPTIONS]


def count_images(output: Path) -> int:
    """How many images it wrote."""
    return sum(1 for _ in output.rglob("*.jpg"))
