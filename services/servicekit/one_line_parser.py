"""A command line of a module, whose every error is one line."""

from __future__ import annotations

import argparse
from typing import NoReturn


class OneLineParser(argparse.ArgumentParser):
    """Reads arguments as argparse does, without the usage in front of an error."""

    def error(self, message: str) -> NoReturn:
        """Ends the process with one line and status 2."""
        self.exit(2, f"error: {message} (see: {self.prog} --help)\n")
