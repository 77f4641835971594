"""Every address that this process connects to and every name that it asks the system for."""

from __future__ import annotations

import ipaddress
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any


@dataclass(slots=True)
class SocketLog:
    """What was seen since the log began.

    Attributes:
        connected: The address and port of each connection that was tried.
        system_names: The names that the system's resolver was asked for.
    """

    connected: list[tuple[str, int]] = field(default_factory=list)
    system_names: list[str] = field(default_factory=list)


@contextmanager
def socket_log() -> Iterator[SocketLog]:
    """Watches the sockets of the process through the interpreter's audit events."""
    log = SocketLog()
    _watching().append(log)
    try:
        yield log
    finally:
        _watching().remove(log)


@cache
def _watching() -> list[SocketLog]:
    logs: list[SocketLog] = []

    def watch(event: str, details: tuple[Any, ...]) -> None:
        if event == "socket.connect" and isinstance(details[1], tuple):
            for log in logs:
                log.connected.append(details[1][:2])
        elif event == "socket.getaddrinfo" and not _is_address(details[0]):
            for log in logs:
                log.system_names.append(str(details[0]))

    # An audit hook stays for the life of the process: there is one, and it is quiet while nobody watches.
    sys.addaudithook(watch)
    return logs


def _is_address(host: object) -> bool:
    try:
        ipaddress.ip_address(host if isinstance(host, str) else "")
    except ValueError:
        return not host
    return True
