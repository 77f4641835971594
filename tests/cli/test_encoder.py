"""`lodestone encoder`: the list, and the command line that the export gets."""

from __future__ import annotations

import json
import sys
from types import SimpleNamespace

import pytest

from lodestone.cli import encoder

# Only the current folder can be a checkout.
NO_IMPORT_PATH = SimpleNamespace(path=[], executable=sys.executable)


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A checkout with one bundled encoder and an export that writes down its command line."""
    root = tmp_path / "checkout"
    (root / "services" / "embedder" / "export").mkdir(parents=True)
    for package in ("services", "services/embedder", "services/embedder/export"):
        (root / package / "__init__.py").touch()
    (root / "services" / "embedder" / "__main__.py").touch()
    (root / "services" / "embedder" / "export" / "__main__.py").write_text(
        "import pathlib, sys\n"
        "pathlib.Path(sys.argv[3] + '.seen').write_text('\\n'.join(sys.argv[1:]))\n"
        "sys.exit(3)\n"
    )
    describe(root / "encoders" / "bundled", "bundled")
    monkeypatch.setattr("lodestone.cli.checkout.sys", NO_IMPORT_PATH)
    monkeypatch.chdir(root)
    return root


def describe(folder, name):
    folder.mkdir(parents=True)
    facts = {"name": name, "architecture": "test/net", "dimension": 4, "encoder_id": "e" * 64}
    (folder / "encoder.json").write_text(json.dumps(facts))


def test_list_shows_bundled_and_exported_encoders(cli, checkout, tmp_path):
    """Both folders, each with its place."""
    describe(tmp_path / "data" / "artifacts" / "encoders" / "mine", "mine")
    listed = cli("encoder", "list", "--json").objects()
    assert [(one["name"], one["dimension"]) for one in listed] == [("bundled", 4), ("mine", 4)]
    assert listed[0]["folder"] == str(checkout / "encoders" / "bundled")
    assert "mine" in cli("encoder", "list").out


def test_list_leaves_out_what_is_no_description(cli, checkout, tmp_path):
    """A broken encoder.json is named on stderr and hides no other."""
    broken = tmp_path / "data" / "artifacts" / "encoders" / "broken"
    broken.mkdir(parents=True)
    (broken / "encoder.json").write_text("{")
    result = cli("encoder", "list", "--json")
    assert result.status == 0
    assert [one["name"] for one in result.objects()] == ["bundled"]
    assert result.err.startswith(f"left out {broken / 'encoder.json'}: ")


def test_export_passes_its_options_on(cli, checkout, tmp_path, monkeypatch):
    """The module of the checkout runs with the options given, and its exit status is ours."""
    monkeypatch.setattr(encoder.importlib.util, "find_spec", lambda name: name)
    target = tmp_path / "out"
    result = cli(
        *("encoder", "export", "clip-vit-b-32", "--out", target, "--random-weights"),
        *("--seed", "3", "--resize", "squash", "--json"),
    )
    assert result.status == 3
    assert (tmp_path / "out.seen").read_text().splitlines() == [
        *("clip-vit-b-32", "--out", str(target), "--seed", "3"),
        *("--resize", "squash", "--random-weights", "--json"),
    ]


def test_export_without_torch_is_one_line(cli, checkout, monkeypatch):
    """The way out is the export extra."""
    monkeypatch.setattr(encoder.importlib.util, "find_spec", lambda name: None)
    result = cli("encoder", "export", "clip-vit-b-32")
    assert result.status == 1
    assert result.err == (
        "error: exporting needs torch; in the checkout: "
        ".venv/bin/pip install -c constraints.txt -e '.[export]'\n"
    )


def test_outside_of_a_checkout_is_one_line(cli, tmp_path, monkeypatch):
    """The wheel alone has no services."""
    monkeypatch.setattr("lodestone.cli.checkout.sys", NO_IMPORT_PATH)
    monkeypatch.chdir(tmp_path)
    line = "error: the services are not here: run this from a checkout of Lodestone\n"
    for command in (("up",), ("encoder", "export", "clip-vit-b-32")):
        result = cli(*command)
        assert (result.status, result.err) == (1, line)
