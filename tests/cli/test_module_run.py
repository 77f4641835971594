"""`run_module`, with modules that are interrupted as they load, and later."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lodestone.cli.module_run import option_words
from tests.cli.processes import eventually_sync, is_running

ROOT = Path(__file__).resolve().parents[2]
LOADING = "Path('begun').touch()\nsignal.pause()\n"
RUNNING = """
def main(arguments):
    Path('begun').write_text(' '.join(arguments))
    {}
"""


@pytest.fixture
def start(tmp_path):
    """Starts a command that runs a module with this code; its stderr goes to `err`."""
    started = []

    def run(code, *arguments):
        package = tmp_path / "made"
        package.mkdir(exist_ok=True)
        (package / "__init__.py").touch()
        imports = "import os, signal\nfrom pathlib import Path\n"
        (package / "__main__.py").write_text(imports + code)
        call = f"run_module(Path({str(tmp_path)!r}), 'made', *{arguments!r})"
        head = "import sys\nfrom pathlib import Path\nfrom lodestone.cli.module_run import option_words, run_module\n"
        command = f"{head}sys.exit({call})"
        with (tmp_path / "err").open("wb") as err:
            process = subprocess.Popen(
                [sys.executable, "-P", "-c", command],
                cwd=tmp_path,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
                stderr=err,
                process_group=0,
            )
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.wait()


@pytest.mark.parametrize("code", [LOADING, RUNNING.format("signal.pause()")])
def test_ctrl_c_is_one_line(start, tmp_path, code):
    """While a module's libraries load, and where it does not hear the signal itself."""
    process = start(code)
    eventually_sync((tmp_path / "begun").exists)

    os.killpg(process.pid, signal.SIGINT)

    assert process.wait(60) == 130
    assert (tmp_path / "err").read_text() == "error: interrupted\n"


def test_ctrl_c_waits_for_an_interpreter_that_starts(start, tmp_path):
    """Here it is sent before the module's process has run a line of Python."""
    (tmp_path / "sitecustomize.py").write_text(
        "import os, signal, sys\n"
        "if 'lodestone.cli.module_start' in sys.orig_argv:\n"
        "    os.kill(os.getppid(), signal.SIGINT)\n"
        "    while signal.SIGINT not in signal.sigpending():\n"
        "        pass\n"
    )
    process = start(LOADING)

    assert process.wait(60) == 130
    assert (tmp_path / "err").read_text() == "error: interrupted\n"
    assert not (tmp_path / "begun").exists()


def test_a_library_that_is_not_there_is_one_line(start, tmp_path):
    """Set-up installs all that a module needs to load."""
    assert start("import nowhere_to_be_found\n").wait(60) == 1

    line = "error: nowhere_to_be_found is not installed: run `make setup` in the checkout\n"
    assert (tmp_path / "err").read_text() == line


def test_a_module_has_its_arguments_and_its_status(start, tmp_path):
    """Other signals than Ctrl-C end it as they always do."""
    assert start(RUNNING.format("return 7"), "a", "--b=c d").wait(60) == 7
    assert (tmp_path / "begun").read_text() == "a --b=c d"
    process = start(RUNNING.format("os.kill(os.getpid(), signal.SIGTERM)"))

    assert process.wait(60) == 143
    assert (tmp_path / "err").read_text() == ""


def test_a_killed_command_leaves_nothing_running(start, tmp_path):
    """A training that nobody waits for would hold its folder for hours."""
    process = start(RUNNING.format("Path('pid').write_text(str(os.getpid())); signal.pause()"))
    eventually_sync((tmp_path / "pid").exists)
    eventually_sync(lambda: (tmp_path / "pid").read_text())
    child = int((tmp_path / "pid").read_text())
    assert is_running(child)

    process.kill()

    assert eventually_sync(lambda: not is_running(child))


def test_the_words_of_options():
    """In their order; what is not said is left out, and so is a list without values."""
    said = {
        "--a": 1,
        "--b": ["x", "y"],
        "--c": None,
        "--d": True,
        "--e": False,
        "--f": [],
        "--g": 0,
    }
    assert list(option_words(said)) == ["--a=1", "--b=x", "--b=y", "--d", "--g=0"]
