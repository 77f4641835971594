"""`python -m lodestone.cli.module_start MODULE ARGUMENTS`: runs a module's `main`; Ctrl-C is no traceback."""

from __future__ import annotations

import importlib
import signal
import sys
from typing import Final

INTERRUPTED_LINE: Final = "error: interrupted\n"


def main() -> int:
    """Loads a module and runs it; the exit status is its own, or 130 for Ctrl-C that it does not hear itself.

    While it loads Ctrl-C ends the process at once: libraries that are interrupted amid their imports say so in many
    ways, and some not at all.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    # Whoever started this process has kept the signal back until here.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    del sys.argv[0]
    try:
        module = importlib.import_module(f"{sys.argv[0]}.__main__")
    except ModuleNotFoundError as error:
        sys.stderr.write(
            f"error: {error.name} is not installed: run `make setup` in the checkout\n"
        )
        return 1
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        status: int = module.main(sys.argv[1:])
    except KeyboardInterrupt:
        sys.stderr.write(INTERRUPTED_LINE)
        status = 128 + signal.SIGINT
    return status


if __name__ == "__main__":
    sys.exit(main())
