"""Downloads Debian packages as an ordinary user: apt's own signature checks, a state folder of our own."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from os import environ
from pathlib import Path
from typing import Final

from samples.errors import DownloadError, ToolMissingError, UnpackError
from samples.photo_folder import Progress

_OPTIONS: Final = (
    "APT::Get::AllowUnauthenticated=false",
    "Acquire::AllowInsecureRepositories=false",
    "Acquire::Languages=none",
    "Acquire::Retries=2",
    "Acquire::http::Timeout=30",
    "Acquire::https::Timeout=30",
    "APT::Update::Error-Mode=any",
)
_LIMIT_S: Final = 900.0
_TICK_S: Final = 5.0


class Apt:
    """apt with its cache, and where need be its package lists, in a folder of our own.

    Args:
        state: That folder.
        progress: Is told what goes on.

    Raises:
        ToolMissingError: apt or dpkg is not installed here.
    """

    def __init__(self, state: Path, *, progress: Progress) -> None:
        for tool in ("apt-get", "apt-cache", "dpkg-deb"):
            if shutil.which(tool) is None:
                raise ToolMissingError(tool)
        self._progress = progress
        self._lists = state / "lists"
        (state / "cache" / "archives" / "partial").mkdir(parents=True, exist_ok=True)
        self._options = [*_OPTIONS, f"Dir::Cache={state / 'cache'}"]

    def download(self, names: Sequence[str], folder: Path) -> None:
        """Downloads the packages that apt knows, as .deb files, into `folder`.

        The system's package lists are tried first; where they know too little or are too old, fresh private ones.
        What an earlier call left in `folder` is checked, and downloaded only where it is not whole.

        Raises:
            DownloadError: apt has no package lists, or could not get one that it knows.
        """
        sizes = self._sizes(names)
        if len(sizes) == len(names) and self._get(sizes, folder) is None:
            return
        failure = self._update(folder)
        sizes = self._sizes(names)
        if sizes:
            failure = self._get(sizes, folder)
        if failure is not None:
            raise DownloadError(", ".join(sizes or names), failure)

    def _update(self, folder: Path) -> str | None:
        """Fetches private package lists.

        A failure matters only where they then know too little: one of many repositories that is away, or a
        hook that wants root, is no loss here.
        """
        self._progress("fetching Debian's package lists")
        (self._lists / "partial").mkdir(parents=True, exist_ok=True)
        self._options.append(f"Dir::State::Lists={self._lists}")
        return self._run("update", folder=folder)

    def _get(self, sizes: dict[str, int], folder: Path) -> str | None:
        megabytes = sum(sizes.values()) / 1e6
        self._progress(f"downloading {len(sizes)} Debian packages, {megabytes:.0f} MB")
        return self._run("download", *sizes, folder=folder)

    def _sizes(self, names: Sequence[str]) -> dict[str, int]:
        """The .deb's size in bytes of each package that the lists know."""
        shown = subprocess.run(
            ["apt-cache", *self._flags(), "show", "--no-all-versions", *names],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            text=True,
        )
        fields = (
            dict(re.findall(r"^(Package|Size): (\S+)$", stanza, re.MULTILINE))
            for stanza in shown.stdout.split("\n\n")
        )
        return {field["Package"]: int(field["Size"]) for field in fields if len(field) == 2}

    def _run(self, *command: str, folder: Path) -> str | None:
        """Runs apt-get in `folder`; None if it ended well, else why not."""
        with tempfile.TemporaryFile("w+") as output:
            process = subprocess.Popen(
                ["apt-get", "-q", *self._flags(), *command],
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**environ, "LC_ALL": "C"},
            )
            try:
                self._wait(process, folder)
            except subprocess.TimeoutExpired:
                return f"apt-get took more than {_LIMIT_S:.0f} s"
            finally:
                process.kill()
                process.wait()
            output.seek(0)
            return why_failed(output.read()) if process.returncode else None

    def _wait(self, process: subprocess.Popen[bytes], folder: Path) -> None:
        end = time.monotonic() + _LIMIT_S
        while True:
            try:
                process.wait(_TICK_S)
            except subprocess.TimeoutExpired:
                if time.monotonic() > end:
                    raise
                done = sum(deb.stat().st_size for deb in folder.glob("*.deb")) / 1e6
                if done:
                    self._progress(f"{done:.0f} MB so far")
            else:
                return

    def _flags(self) -> list[str]:
        return [part for option in self._options for part in ("-o", option)]


def unpack(deb: Path, folder: Path) -> None:
    """Unpacks one package's files into `folder`; runs none of its scripts.

    Raises:
        UnpackError: dpkg-deb could not.
    """
    done = subprocess.run(
        ["dpkg-deb", "-x", str(deb), str(folder)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        text=True,
    )
    if done.returncode:
        raise UnpackError(deb.name, why_failed(done.stderr))


def why_failed(output: str) -> str:
    """The line of `output` that says best why it failed: the first error of apt's, or else the last line."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line.removeprefix("E: ") for line in lines if line.startswith("E: ")]
    return errors[0] if errors else (lines or ["no reason given"])[-1]
