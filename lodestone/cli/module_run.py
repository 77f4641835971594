"""Runs a module of the checkout as a process of its own, that hears what signals this one gets and dies with it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from lodestone.cli.checkout import module_command, module_environment
from lodestone.cli.module_start import INTERRUPTED_LINE
from lodestone.cli.tether import tethered

_START = "lodestone.cli.module_start"
_PASSED_ON = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def run_module(checkout: Path, module: str, *arguments: str) -> int:
    """Runs the `main` of a module's `__main__`, and waits for its end, whatever signal comes meanwhile.

    Returns:
        Its exit status; 128 and the signal's number if a signal ended it.
    """
    passing = _Passing()
    with passing.on():
        # A group of its own: Ctrl-C in a terminal would reach it a second time.
        with _kept_back(signal.SIGINT):
            process = subprocess.Popen(  # noqa: S603 - our own module
                tethered(os.getpid(), module_command(_START, module, *arguments)),
                env=module_environment(checkout, os.environ),
                process_group=0,
            )
        passing.begin(process)
        status = process.wait()
    if status == -signal.SIGINT:
        sys.stderr.write(INTERRUPTED_LINE)
    return status if status >= 0 else 128 - status


def option_words(said: Mapping[str, object]) -> Iterator[str]:
    """Options as a module takes them: one of several values again and again, one without a value if it is wanted.

    Args:
        said: Their values by name; None and what is empty say nothing.
    """
    for option, value in said.items():
        if isinstance(value, bool):
            yield from [option] if value else []
        elif value is None or isinstance(value, list):
            yield from (f"{option}={one}" for one in value or ())
        else:
            yield f"{option}={value}"


@contextmanager
def _kept_back(number: signal.Signals) -> Iterator[None]:
    """A signal waits, here and in processes that are started meanwhile: as they begin they are not ready for it."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {number})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class _Passing:
    """Passes signals on to a process, those too that came before it was there."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._early: list[int] = []

    @contextmanager
    def on(self) -> Iterator[None]:
        before = [signal.signal(number, self._pass) for number in _PASSED_ON]
        try:
            yield
        finally:
            for number, handler in zip(_PASSED_ON, before, strict=True):
                signal.signal(number, handler)

    def begin(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        for number in self._early:
            process.send_signal(number)

    def _pass(self, number: int, _frame: FrameType | None) -> None:
        if self._process is None:
            self._early.append(number)
        else:
            self._process.send_signal(number)
