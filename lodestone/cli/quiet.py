"""gRPC's own log lines, which the command keeps off its stderr."""

from __future__ import annotations

from typing import Final

GRPC_VERBOSITY: Final = "GRPC_VERBOSITY"
"""The variable that gRPC reads as it is imported."""

QUIET: Final = "NONE"
"""No lines at all."""
