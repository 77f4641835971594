from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize(
    ("statement", "leaks"),
    [
        ("print(CANARY)", True),
        ("logging.getLogger('x').warning('%s', CANARY)", True),
        ("structlog.get_logger().info('fetch', proxy=CANARY)", True),
        ("print(CANARY[:-1])", False),
    ],
)
def test_a_test_that_writes_a_secret_fails(tmp_path: Path, statement: str, *, leaks: bool) -> None:
    """To its output or to either kind of log."""
    file = tmp_path / "test_it.py"
    file.write_text(
        "import logging\nimport structlog\nfrom tests.fakes.canary import CANARY\n"
        f"def test_it():\n    {statement}\n"
    )
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "tests.conftest",
        "-p",
        "no:cacheprovider",
    ]
    done = subprocess.run(
        [*command, "-c", str(ROOT / "pyproject.toml"), f"--rootdir={tmp_path}", str(file)],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert ("wrote a secret" in done.stdout) is leaks, done.stdout + done.stderr
    assert done.returncode == int(leaks)
