"""The errors of the command line: one clear line each."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict
from typing import Final

import grpc

from lodestone.cli.words import one_line
from lodestone.client import Addresses, BadAddress, BadTlsFiles, BadToken, ServiceUnreachable
from lodestone.client.channel import HandshakeFailure, handshake_failure, lost_peer
from lodestone.client.transport import TLS, TOKEN_FILE

EXIT_INTERRUPTED: Final = 130

_TURNED_AWAY: Final = (
    f"it turns the certificate in {TLS} away: another authority than the service's has signed it, "
    "or it has expired"
)
_HINTS: Final[dict[HandshakeFailure | None, str]] = {
    None: "is `lodestone up` running?",
    HandshakeFailure.TURNED_AWAY: _TURNED_AWAY,
    HandshakeFailure.NOT_BELIEVED: f"ca.crt in {TLS} has not signed its certificate, or that has expired",
    HandshakeFailure.WRONG_NAME: "its certificate is for other addresses",
    HandshakeFailure.PLAINTEXT: f"it has no TLS, and {TLS} is set",
}


class CliError(Exception):
    """What went wrong and, where there is one, the way out, in one line.

    Attributes:
        exit_status: What the process ends with.
    """

    def __init__(self, message: str, *, exit_status: int = 1) -> None:
        super().__init__(message)
        self.exit_status = exit_status


class SeveralErrors(CliError):
    """Several things that went wrong, one clear line each.

    Attributes:
        lines: At least one.
    """

    def __init__(self, lines: Sequence[str]) -> None:
        super().__init__("; ".join(lines))
        self.lines = tuple(lines)


class WrongUsage(CliError):
    """A command line that cannot be meant."""

    def __init__(self, message: str) -> None:
        super().__init__(message, exit_status=2)


def explain(error: BaseException) -> str:
    """An error as one line for a person."""
    match error:
        case ServiceUnreachable():
            return _no_service(f"the {error.word} service", error.address, error.details)
        case grpc.aio.AioRpcError():
            return _failed_call(error)
        case UnicodeEncodeError() if error.encoding == "utf-8":
            # Python keeps such bytes of the command line as lone surrogates, which no message can hold.
            shown = str(error.object)[:200].encode("utf-8", "backslashreplace").decode()
            return one_line(f"{shown} has bytes that are no UTF-8")
        case OSError() if error.filename is not None:
            return one_line(f"{error.filename}: {error.strerror}")
        case CliError() | BadAddress() | BadTlsFiles() | BadToken():
            return one_line(str(error))
        case _:
            return one_line(
                f"unexpected {type(error).__name__}: {error} (LODESTONE_TRACEBACK=1 shows where)"
            )


def error_lines(error: CliError) -> list[str]:
    """An error as one line for each thing that went wrong."""
    lines = error.lines if isinstance(error, SeveralErrors) else [str(error)]
    return [one_line(line) for line in lines]


def plain_reason(text: str) -> str:
    """Why something waits, on one line, with gRPC's own words for a connection that fails in ours."""
    lost = lost_peer(text)
    return one_line(text.replace(lost[1], f"no connection to {lost[0]}") if lost else text)


def _failed_call(error: grpc.aio.AioRpcError) -> str:
    details = error.details() or error.code().name
    lost = lost_peer(details)
    if lost:
        return _no_service(_service_at(lost[0]), lost[0], details)
    if error.code() is grpc.StatusCode.UNAUTHENTICATED:
        details = f"{details} ({TOKEN_FILE} names the file with yours)"
    return one_line(details)


def _no_service(name: str, address: str, details: str) -> str:
    hint = _HINTS.get(handshake_failure(details), _HINTS[None])
    if hint is _TURNED_AWAY and not os.environ.get(TLS):
        hint = f"it may want TLS: set {TLS} to the folder with your certificate"
    return one_line(f"cannot reach {name} at {address}: {hint}")


def _service_at(peer: str) -> str:
    """What to call the service with this port: its host may have another name here than the peer's address."""
    port = peer.rpartition(":")[2]
    for word, address in asdict(Addresses.from_environment(os.environ)).items():
        if address.rpartition(":")[2] == port:
            return f"the {word} service"
    return "a service"
