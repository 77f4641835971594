"""`lodestone`: the command line."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from lodestone.cli.quiet import GRPC_VERBOSITY, QUIET


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs one command and ends the process: 0, 1 for a failure, 2 for a wrong command line, 130 for Ctrl-C."""
    # gRPC writes its own log lines on stderr unless it is told otherwise before it is imported.
    os.environ.setdefault(GRPC_VERBOSITY, QUIET)
    try:
        from lodestone.cli.app import run
    except KeyboardInterrupt:
        # Pressed while the libraries load.
        sys.exit(130)
    sys.exit(run(sys.argv[1:] if arguments is None else arguments))


if __name__ == "__main__":
    main()
