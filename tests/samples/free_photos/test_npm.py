import stat
import subprocess
import tarfile
from pathlib import PurePosixPath

import pytest

from samples.errors import DownloadError, ToolMissingError, UnpackError
from samples.free_photos import npm
from tests.samples.free_photos.archives import member, write_archive

PATHS = [PurePosixPath("img/a.jpg"), PurePosixPath("img/b.jpg")]


def test_listed_files_are_read(tmp_path):
    """Their bytes come back under their paths; what is not listed does not."""
    archive = write_archive(
        tmp_path / "p.tgz", member("package/img/a.jpg", b"a"), member("package/script.js", b"x")
    )
    assert npm.read_files(archive, PATHS) == {PATHS[0]: b"a"}


@pytest.mark.parametrize(
    "hostile",
    [
        member("package/img/a.jpg", kind=tarfile.SYMTYPE, link="/etc/passwd"),
        member("package/img/a.jpg", kind=tarfile.LNKTYPE, link="../../../../etc/passwd"),
        member("package/img/a.jpg", kind=tarfile.CHRTYPE),
        member("package/img/a.jpg", kind=tarfile.FIFOTYPE),
        member("package/img/a.jpg", kind=tarfile.DIRTYPE),
        member("../package/img/a.jpg", b"out"),
        member("/package/img/a.jpg", b"out"),
        member("package/../package/img/a.jpg", b"round"),
    ],
    ids=["symlink", "hard link", "device", "pipe", "folder", "parent", "root", "detour"],
)
def test_hostile_members_are_left_out(tmp_path, hostile):
    """Nothing but a regular file of just that name is read, and nothing is written anywhere."""
    archive = write_archive(tmp_path / "p.tgz", hostile, member("package/img/b.jpg", b"b"))
    assert npm.read_files(archive, PATHS) == {PATHS[1]: b"b"}
    assert list(tmp_path.iterdir()) == [archive]


def test_too_large_a_file_is_left_out(tmp_path, monkeypatch):
    """A member that claims more than the limit is not read into memory."""
    monkeypatch.setattr(npm, "_FILE_LIMIT_BYTES", 3)
    archive = write_archive(
        tmp_path / "p.tgz",
        member("package/img/a.jpg", b"four"),
        member("package/img/b.jpg", b"two"),
    )
    assert npm.read_files(archive, PATHS) == {PATHS[1]: b"two"}


@pytest.mark.parametrize("kept", [0, 20, 200])
def test_half_an_archive_is_refused(tmp_path, kept):
    """A download that ended early is one clear error."""
    whole = write_archive(tmp_path / "p.tgz", member("package/img/a.jpg", bytes(range(256)) * 40))
    whole.write_bytes(whole.read_bytes()[:kept])
    with pytest.raises(UnpackError, match=r"could not unpack p\.tgz: .+"):
        npm.read_files(whole, PATHS)


def stand_in_npm(folder, monkeypatch, script):
    """A program named npm that is found before any other."""
    tool = folder / "npm"
    tool.write_text(f"#!/bin/sh\n{script}\n")
    tool.chmod(tool.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{folder}:/bin:/usr/bin")


def test_download_packs_without_scripts(tmp_path, monkeypatch):
    """npm is told to run no script and what to pack, and the file that it names is the package."""
    said = 'echo "$@" > arguments; echo whole > p-1.0.0.tgz; echo p-1.0.0.tgz'
    stand_in_npm(tmp_path, monkeypatch, said)
    archive = npm.download("p@1.0.0", tmp_path / "downloads")
    assert archive.read_text() == "whole\n"
    arguments = (archive.parent / "arguments").read_text().split()
    assert arguments[0] == "pack"
    assert "--ignore-scripts" in arguments
    assert arguments[-2:] == ["--", "p@1.0.0"]


def test_failure_is_one_line(tmp_path, monkeypatch):
    """What npm says first is the reason, whatever it says after."""
    said = "echo 'npm error code E404' >&2; echo more >&2; exit 1"
    stand_in_npm(tmp_path, monkeypatch, said)
    with pytest.raises(DownloadError, match=r"^could not download p@1: npm error code E404$"):
        npm.download("p@1", tmp_path / "downloads")


def test_a_hanging_npm_is_ended(tmp_path, monkeypatch):
    """After the limit it is over, with a reason."""

    def hang(command, **options):
        raise subprocess.TimeoutExpired(command, options["timeout"])

    monkeypatch.setattr(npm.shutil, "which", lambda tool: tool)
    monkeypatch.setattr(npm.subprocess, "run", hang)
    with pytest.raises(DownloadError, match="npm took more than 300 s"):
        npm.download("p@1", tmp_path / "downloads")


def test_without_npm_it_says_so(tmp_path, monkeypatch):
    """A system without npm gets its name."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolMissingError, match="^npm is not here"):
        npm.download("p@1", tmp_path / "downloads")
