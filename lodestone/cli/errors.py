"""The errors of the command line: one clear line each."""

from __future__ import annotations

from typing import Final

import grpc

from lodestone.cli.words import one_line
from lodestone.client import BadAddress, ServiceUnreachable

EXIT_INTERRUPTED: Final = 130


class CliError(Exception):
    """What went wrong and, where there is one, the way out, in one line.

    Attributes:
        exit_status: What the process ends with.
    """

    def __init__(self, message: str, *, exit_status: int = 1) -> None:
        super().__init__(message)
        self.exit_status = exit_status


class WrongUsage(CliError):
    """A command line that cannot be meant."""

    def __init__(self, message: str) -> None:
        super().__init__(message, exit_status=2)


def explain(error: BaseException) -> str:
    """An error as one line for a person."""
    match error:
        case ServiceUnreachable():
            return f"{error}: start one with `lodestone up`"
        case grpc.aio.AioRpcError():
            return one_line(error.details() or error.code().name)
        case OSError() if error.filename is not None:
            return one_line(f"{error.filename}: {error.strerror}")
        case CliError() | BadAddress():
            return one_line(str(error))
        case _:
            return one_line(
                f"unexpected {type(error).__name__}: {error} (LODESTONE_TRACEBACK=1 shows where)"
            )
