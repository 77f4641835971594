"""What the commands `lodestone watermark …` have in common where they run: what they read, and what they write."""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Callable, Mapping
from typing import Any, Final, NoReturn

import structlog
from structlog.typing import EventDict

from services.servicekit.logs import configure_logs

INTERRUPTED: Final = 130


class CommandParser(argparse.ArgumentParser):
    """Reads the command line of `lodestone watermark COMMAND`, which is what a person has typed."""

    def __init__(self, command: str, description: str) -> None:
        super().__init__(prog=f"lodestone watermark {command}", description=description)

    def error(self, message: str) -> NoReturn:
        """Ends the process with one line and status 2."""
        self.exit(2, f"error: {message} (see: {self.prog} --help)\n")


def at_least(lowest: int) -> Callable[[str], int]:
    """The `type` of an option that is a whole number from `lowest`."""

    def number(text: str) -> int:
        value = int(text)
        if value < lowest:
            message = f"{value} is under {lowest}"
            raise argparse.ArgumentTypeError(message)
        return value

    return number


def fail(error: object, status: int) -> int:
    """Says on stderr in one line what went wrong; the exit status."""
    sys.stderr.write(f"error: {_one_line(str(error))}\n")
    return status


def print_object(facts: Mapping[str, Any]) -> None:
    """Prints one JSON object on a line of its own; numbers that are not finite become null."""
    sys.stdout.write(json.dumps({name: _finite(value) for name, value in facts.items()}) + "\n")
    sys.stdout.flush()


def configure_notes(command: str, *, as_json: bool) -> None:
    """What the code has to say besides its results goes to stderr: as lines for a person, or as JSON objects."""
    configure_logs(f"watermark-{command}", as_json=True)
    if not as_json:
        structlog.configure(processors=[structlog.processors.add_log_level, _as_line])


def _as_line(_logger: object, _method: str, event: EventDict) -> str:
    """`warning: photo left out: path a.png, reason not a JPEG`; without the level where nothing is wrong."""
    level, words = event.pop("level"), str(event.pop("event")).replace("_", " ")
    facts = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in event.items())
    line = f"{words}: {facts}" if facts else words
    return _one_line(line if level == "info" else f"{level}: {line}")


def _one_line(text: str) -> str:
    """Without what a file's name could rule a terminal by."""
    return "".join(one if one.isprintable() else "\ufffd" for one in " ".join(text.split()))


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _finite(one) for name, one in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value
