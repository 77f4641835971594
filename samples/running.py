"""Lodestone itself, as a child process, for as long as the samples need it."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_READY_S = 120.0
_STOP_S = 40.0


class NotReady(RuntimeError):
    """The services did not start.

    Attributes:
        cause: What `lodestone up` said last.
    """

    def __init__(self, cause: str) -> None:
        super().__init__(f"the services did not start: {cause}")
        self.cause = cause


class CommandFailed(RuntimeError):
    """A `lodestone` command failed; it has said why on stderr.

    Attributes:
        command: Its words.
        code: Its exit status.
    """

    def __init__(self, command: tuple[str, ...], code: int) -> None:
        super().__init__(f"`lodestone {' '.join(command)}` failed with exit status {code}")
        self.command = command
        self.code = code


def lodestone(*words: str) -> None:
    """Runs a `lodestone` command on this terminal.

    Raises:
        CommandFailed: Its exit status is not 0.
    """
    print(f"\n$ lodestone {' '.join(words)}", flush=True)
    done = subprocess.run([*_command(), *words], check=False)
    if done.returncode != 0:
        raise CommandFailed(words, done.returncode)


def quietly(*words: str) -> None:
    """Runs a `lodestone` command for what it does: its results are dropped, what goes wrong is on stderr.

    Raises:
        CommandFailed: Its exit status is not 0.
    """
    done = subprocess.run([*_command(), *words], stdout=subprocess.DEVNULL, check=False)
    if done.returncode != 0:
        raise CommandFailed(words, done.returncode)


def ask(*words: str) -> str | None:
    """Runs a `lodestone` command quietly and returns its stdout; None if it failed."""
    done = subprocess.run([*_command(), *words], capture_output=True, text=True, check=False)
    return done.stdout if done.returncode == 0 else None


@contextmanager
def services(data: Path, *options: str) -> Iterator[None]:
    """Runs `lodestone up` until the block ends.

    Raises:
        NotReady: It ended, or was not ready in two minutes.
    """
    words = ("up", "--data", str(data), *options)
    print(f"$ lodestone {' '.join(words)}", flush=True)
    child = subprocess.Popen(
        [*_command(), *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        _wait_until_ready(child)
        yield
    finally:
        child.terminate()
        try:
            child.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def _wait_until_ready(child: subprocess.Popen[str]) -> None:
    assert child.stdout is not None
    watchdog = threading.Timer(_READY_S, child.kill)
    watchdog.start()
    last = "no answer"
    try:
        for line in child.stdout:
            print(f"  {line.rstrip()}", flush=True)
            if line.strip() == "ready":
                break
            last = line.strip() or last
        else:
            raise NotReady(last)
    finally:
        watchdog.cancel()
    # What it says later goes to its logs; the pipe must not fill up.
    threading.Thread(target=child.stdout.read, daemon=True).start()


def _command() -> list[str]:
    return [sys.executable, "-m", "lodestone.cli"]
