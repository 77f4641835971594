"""Folders that somebody asks to import."""

from __future__ import annotations

import tarfile

import pytest

from lodestone.cli.moving.export_folder import opened
from lodestone.cli.moving.manifest import Horizon, Terms


def strangers(folder):
    """A tar file that others made."""
    folder.mkdir()
    with tarfile.open(folder / "00000.tar", "w") as archive:
        archive.addfile(tarfile.TarInfo("000000000.jpg"))
    return folder


def test_tar_files_of_others(cli, tmp_path):
    """They are what `crawl webdataset:` is for, and the error says so."""
    folder = strangers(tmp_path / "laion")
    for path in (folder, folder / "00000.tar"):
        refused = cli("import", path)
        assert (refused.status, refused.err.count("\n")) == (1, 1)
        assert f"`lodestone crawl webdataset:{path}`" in refused.err


def begun(path, terms=Terms("folder"), *, finished=True):
    with opened(path, terms) as folder:
        folder.begin(Horizon(0, "", "2026-11-26T10:00:00Z"))
        if finished:
            folder.finish({})
    return path


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda path: path, "there is no folder"),
        (lambda path: path.write_bytes(b"x"), "there is no folder"),
        (lambda path: path.mkdir(), "no export of Lodestone"),
        (lambda path: begun(path, finished=False), "did not come to its end"),
        (lambda path: begun(path, Terms("parquet", with_bytes=False)), "without bytes"),
    ],
)
def test_what_cannot_be_imported(make, reason, cli, tmp_path):
    """One line that says why, before any crawler is asked."""
    make(tmp_path / "export")
    refused = cli("import", tmp_path / "export")
    assert (refused.status, refused.err.count("\n")) == (1, 1)
    assert reason in refused.err


def test_a_format_that_is_not_known(cli, tmp_path):
    """Of a later version, say."""
    path = begun(tmp_path / "export")
    manifest = path / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"folder"', '"zip"'))
    refused = cli("import", path)
    assert "the format 'zip', which is not known here" in refused.err
