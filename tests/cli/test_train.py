"""`lodestone watermark train`: the command line that the training gets."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

ROOT = Path(__file__).resolve().parents[2]

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
    given += ["--calibrate", "d", "--held-out", "e"]
    given += ["--steps", "7", "--variant", "nine", "--resume", "--without-kinds", "logo"]
    given += ["--device", "cuda", "--precision", "bf16", "--workers", "3", "--unfreeze", "--json"]
    result = cli("watermark", "train", *given)

    assert result.status == 3
    seen = (checkout / "seen").read_text().splitlines()
    assert seen[:2] == ["--out=mine", "--variant=nine"]
    assert {"--steps=7", "--device=cuda", "--precision=bf16", "--workers=3"} <= set(seen)
    assert "--max-false-positive-ratio=0.02" in seen
    assert seen[seen.index("--photos=a") :] == [
        "--photos=a", "--photos=b", "--calibrate=d", "--held-out=e", "--clean=c", "--marked=m",
        "--without-kinds=logo", "--resume", "--unfreeze", "--json",
    ]  # fmt: skip


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_reaches_the_training_once(checkout, number):
    """The command waits for its end, and ends as it does."""
    (checkout / "services" / "watermark" / "train" / "__main__.py").write_text(
        "import pathlib, signal, sys\n"
        f"signal.pthread_sigmask(signal.SIG_BLOCK, [{int(number)}])\n"
        "pathlib.Path('begun').touch()\n"
        f"signal.sigwait([{int(number)}])\n"
        f"again = signal.sigtimedwait([{int(number)}], 0.5)\n"
        "sys.exit(7 if again is None else 8)\n"
    )
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from lodestone.cli.module_run import run_module\n"
        f"sys.exit(run_module(Path({str(checkout)!r}), 'services.watermark.train'))\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-P", "-c", code]
    process = subprocess.Popen(command, cwd=checkout, env=environment, process_group=0)
    try:
        deadline = time.monotonic() + 60
        while not (checkout / "begun").exists():
            assert time.monotonic() < deadline
            time.sleep(0.02)
        os.killpg(process.pid, number)
        assert process.wait(timeout=60) == 7
    finally:
        process.kill()
        process.wait()


@pytest.mark.usefixtures("checkout")
def test_without_torch_the_line_says_how_to_install_it(cli, monkeypatch):
    """Set-up installs none."""
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)

    result = cli("watermark", "train", "--photos", "a", "--out", "mine")

    assert result.status == 1
    assert result.err.startswith("error: training needs torch; in the checkout: ")


def test_a_head_needs_no_torch(cli, checkout, monkeypatch):
    """Only an encoder, which the training finds."""
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)

    given = ["--photos", "a", "--out", "mine", "--backend", "embedder", "--data", "d"]
    result = cli("watermark", "train", *given, "--encoder", "clip", "--pairs", "200")

    assert result.status == 3
    seen = (checkout / "seen").read_text().splitlines()
    assert {"--backend=embedder", "--encoder=clip", "--data=d", "--pairs=200"} <= set(seen)


def test_the_training_takes_what_is_not_given(start_cli, tmp_path):
    """The defaults here are the training's own: none of them looks like an option for the other backend."""
    given = [f"--photos={tmp_path}", f"--out={tmp_path / 'mine'}", "--backend=embedder"]

    status = start_cli("watermark", "train", *given).wait(timeout=120)

    assert status == 1
    assert "photos are too few" in (tmp_path / "err").read_text().splitlines()[-1]
