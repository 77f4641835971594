"""`lodestone watermark train`: the command line that the training gets."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest

# Only the current folder can be a checkout.
NO_IMPORT_PATH = SimpleNamespace(path=[], executable=sys.executable)


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A checkout whose training writes down its command line."""
    root = tmp_path / "checkout"
    for package in ("services", "services/embedder", "services/watermark/train"):
        (root / package).mkdir(parents=True, exist_ok=True)
        (root / package / "__init__.py").touch()
    (root / "services" / "watermark" / "__init__.py").touch()
    (root / "services" / "embedder" / "__main__.py").touch()
    (root / "services" / "watermark" / "train" / "__main__.py").write_text(
        "import pathlib, sys\n"
        "pathlib.Path('seen').write_text('\\n'.join(sys.argv[1:]))\n"
        "sys.exit(3)\n"
    )
    monkeypatch.setattr("lodestone.cli.checkout.sys", NO_IMPORT_PATH)
    monkeypatch.setattr("importlib.util.find_spec", lambda _: object())
    monkeypatch.chdir(root)
    return root


def test_everything_that_is_given_reaches_the_training(cli, checkout):
    """And its exit status comes back."""
    given = ["--photos", "a", "--photos", "b", "--clean", "c", "--marked", "m", "--out", "mine"]
    result = cli("watermark", "train", *given, "--steps", "7", "--variant", "nine", "--resume")

    assert result.status == 3
    seen = (checkout / "seen").read_text().splitlines()
    assert seen[:2] == ["--out=mine", "--variant=nine"]
    assert "--steps=7" in seen
    assert seen[seen.index("--photos") :] == [
        "--photos", "a", "b", "--clean", "c", "--marked", "m", "--resume",
    ]  # fmt: skip


@pytest.mark.usefixtures("checkout")
def test_without_torch_the_line_says_how_to_install_it(cli, monkeypatch):
    """Set-up installs none."""
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)

    result = cli("watermark", "train", "--photos", "a", "--out", "mine")

    assert result.status == 1
    assert result.err.startswith("error: training needs torch; in the checkout: ")
