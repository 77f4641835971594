from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
# A folder with both kinds of tests.
FOLDER = "tests/embedder"


def python(statements: str) -> subprocess.CompletedProcess[str]:
    """Runs statements in a process of their own."""
    return subprocess.run(
        [sys.executable, "-c", statements],
        cwd=ROOT, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


def collected(*options: str) -> list[str]:
    """The tests that a run with these options has."""
    words = ["--collect-only", "-q", "-p", "no:cacheprovider", *options, FOLDER]
    done = python(f"import pytest, sys\nsys.exit(pytest.main({words}))")
    assert done.returncode == 0, done.stdout + done.stderr
    return [line for line in done.stdout.splitlines() if "::" in line]


def test_every_test_is_in_one_half() -> None:
    """What is collected without an option is what the two halves have between them, and neither is empty."""
    only, others = collected("--domain-tests=only"), collected("--domain-tests=left-out")
    assert only
    assert others
    assert sorted(only + others) == sorted(collected())


def test_a_run_of_the_domain_tests_has_no_grpc() -> None:
    """Neither it nor its companions can be imported once pytest has started with the option."""
    words = ["--domain-tests=only", "--collect-only", "-q", "-p", "no:cacheprovider", FOLDER]
    names = ["grpc", "grpc.aio", "grpc_health.v1.health", "lodestone.client", "services.embedder"]
    done = python(
        "import importlib, pytest\n"
        f"pytest.main({words})\n"
        f"for name in {names}:\n"
        "    try:\n"
        "        importlib.import_module(name)\n"
        "    except ModuleNotFoundError as error:\n"
        "        print('hidden:', name, 'for', error)\n"
    )
    found = [line for line in done.stdout.splitlines() if line.startswith("hidden:")]
    assert found == [
        "hidden: grpc for grpc",
        "hidden: grpc.aio for grpc",
        "hidden: grpc_health.v1.health for grpc_health",
        "hidden: lodestone.client for grpc",
    ]


def test_what_was_imported_cannot_be_hidden() -> None:
    """A plugin that brings grpc along ends the run, as the tests would have it from the plugin."""
    done = python("import grpc\nfrom tests.domain_tests import hide_grpc\nhide_grpc()")
    assert "RuntimeError: imported before they could be hidden: ['grpc'" in done.stderr
