import sys

import pytest

from services.embedder.export.__main__ import main


def test_a_missing_package_is_named(tmp_path, monkeypatch, capsys):
    """Set-up installs no torch; the line says which extra brings it."""
    for name in ("folder", "onnx_writer"):
        monkeypatch.delitem(sys.modules, f"services.embedder.export.{name}", raising=False)
    monkeypatch.setitem(sys.modules, "onnx", None)

    status = main(["efficientnet-lite0", "--out", str(tmp_path / "encoder")])

    [line] = capsys.readouterr().err.splitlines()
    assert status == 1
    assert line == "export: exporting needs onnx, which is not installed: see the export extra"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["clip-vit-b-32"], "exactly one of --pretrained TAG, --checkpoint FILE"),
        (["resnet-50"], "no encoder 'resnet-50' can be exported"),
    ],
)
def test_a_wrong_command_line_ends_with_status_2_and_one_line(arguments, says, tmp_path, capsys):
    """Told at once: nothing heavy was imported, nothing was made."""
    status = main([*arguments, "--out", str(tmp_path / "encoder")])

    [line] = capsys.readouterr().err.splitlines()
    assert status == 2
    assert says in line
    assert list(tmp_path.iterdir()) == []


def test_an_unusable_folder_ends_with_status_1_and_one_line(tmp_path, capsys):
    """Told before the weights are loaded."""
    (tmp_path / "mine").touch()

    status = main(["efficientnet-lite0", "--out", str(tmp_path)])

    [line] = capsys.readouterr().err.splitlines()
    assert status == 1
    assert line == f"export: {tmp_path}: cannot write an encoder there: the folder is not empty"
