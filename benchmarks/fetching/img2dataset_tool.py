"""img2dataset, in a virtual environment of its own: its requirements are none of ours."""

from __future__ import annotations

from pathlib import Path

from benchmarks.serving.own_venv import make_venv

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
    commands = make_venv(folder, [f"img2dataset=={VERSION}"], made="bin/img2dataset")
    return commands / "img2dataset"


def command_line(command: Path, urls: Path, output: Path) -> list[str]:
    """The command for a list of URLs; what is not stated is img2dataset's own default."""
    return [str(command), f"--url_list={urls}", f"--output_folder={output}", *_OPTIONS]


def count_images(output: Path) -> int:
    """How many images it wrote."""
    return sum(1 for _ in output.rglob("*.jpg"))
