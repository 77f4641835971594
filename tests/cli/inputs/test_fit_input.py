"""What a person writes to name inputs."""

from __future__ import annotations

import pytest

from lodestone.cli.errors import CliError, WrongUsage
from lodestone.cli.inputs.fit_input import FileInput, FolderInput, KeptInput, fit_input


def test_inputs_are_told_apart(tmp_path, monkeypatch):
    """By what is there; the suffix in any case; a folder may be called like anything."""
    monkeypatch.chdir(tmp_path)
    for name in ("photos", "odd.npy", "kept:odd"):
        (tmp_path / name).mkdir()
    for name in ("a.npy", "b.PARQUET"):
        (tmp_path / name).touch()
    assert fit_input("kept:landscapes") == KeptInput("landscapes")
    assert [type(fit_input(name)) for name in ("a.npy", "b.PARQUET")] == [FileInput] * 2
    folders = ("photos", "odd.npy", "./kept:odd")
    assert [type(fit_input(name)) for name in folders] == [FolderInput] * 3


@pytest.mark.parametrize(
    ("text", "error", "says"),
    [
        ("", WrongUsage, "an INPUT is empty"),
        ("kept:", WrongUsage, "takes a profile's name without a version, not ''"),
        ("kept:a@3", WrongUsage, "not 'a@3'"),
        ("a.npy", CliError, "there is no file a.npy"),
        ("photos", CliError, "there is no folder photos"),
        ("a.jpg", CliError, "a.jpg is neither a folder of photos nor a file of embeddings"),
    ],
)
def test_other_inputs_are_one_line(tmp_path, monkeypatch, text, error, says):
    """What is not there, and what is nothing to fit to."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.jpg").touch()
    with pytest.raises(error, match=says):
        fit_input(text)
