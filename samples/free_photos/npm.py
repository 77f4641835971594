"""Downloads npm packages as they were published and takes single files out of them; runs none of their scripts."""

from __future__ import annotations

import shutil
import subprocess
import tarfile
from pathlib import Path, PurePosixPath
from typing import Final

from samples.errors import DownloadError, ToolMissingError, UnpackError

_LIMIT_S: Final = 300.0
# npm puts everything under this folder.
_ROOT: Final = PurePosixPath("package")
_FILE_LIMIT_BYTES: Final = 64 * 2**20


def download(package: str, folder: Path) -> Path:
    """Downloads a package, such as `uikit@3.25.25`, into `folder`; npm checks it against its registry's digest.

    Raises:
        ToolMissingError: npm is not installed here.
        DownloadError: npm could not get it.
    """
    if shutil.which("npm") is None:
        raise ToolMissingError("npm")
    folder.mkdir(parents=True, exist_ok=True)
    command = ["npm", "pack", "--silent", "--ignore-scripts", "--", package]
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            text=True,
            timeout=_LIMIT_S,
        )
    except subprocess.TimeoutExpired as error:
        raise DownloadError(package, f"npm took more than {_LIMIT_S:.0f} s") from error
    names = done.stdout.split()
    if done.returncode or not names:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        raise DownloadError(package, (lines or ["npm gave no reason"])[0])
    return folder / names[-1]


def read_files(archive: Path, paths: list[PurePosixPath]) -> dict[PurePosixPath, bytes]:
    """The bytes of those of `paths` that are regular files in the package; nothing is written to the disk.

    Links, folders and files of more than 64 MiB are left out, wherever they point and whatever they are called.

    Raises:
        UnpackError: The archive is damaged.
    """
    wanted = {str(_ROOT / path): path for path in paths}
    found: dict[PurePosixPath, bytes] = {}
    try:
        with tarfile.open(archive, "r:gz") as members:
            for member in members:
                if member.name in wanted and member.isreg() and member.size <= _FILE_LIMIT_BYTES:
                    content = members.extractfile(member)
                    assert content is not None, "a regular file has content"
                    found[wanted[member.name]] = content.read()
    except (tarfile.TarError, OSError, EOFError) as error:
        raise UnpackError(archive.name, str(error) or type(error).__name__) from error
    return found
