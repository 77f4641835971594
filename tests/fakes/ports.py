"""Ports of loopback that nobody listens on."""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import socket
from collections.abc import Iterator

from lodestone.cli.up.ports import metrics_port

# Both they and the metrics' ports above them are below those that systems hand out by themselves (from 32,768 or
# 49,152): what is free now is not taken by somebody's connection before a service listens on it.
_PORTS = range(12_000, 22_000)


def _own() -> Iterator[int]:
    """The ports of this process: no other worker of the same run has one of them, and none comes soon again."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    own = list(_PORTS[worker::workers])
    random.SystemRandom().shuffle(own)
    return itertools.cycle(own)


_own_ports = _own()


def _is_free(port: int) -> bool:
    with contextlib.suppress(OSError), socket.socket() as one:
        one.bind(("127.0.0.1", port))
        return True
    return False


def free_port() -> int:
    """One; nobody listens on the port of its metrics either."""
    return next(port for port in _own_ports if _is_free(port) and _is_free(metrics_port(port)))


def free_ports(count: int) -> list[int]:
    """So many, no two the same."""
    return [free_port() for _ in range(count)]


def free_ports_in_a_row(count: int) -> int:
    """The first of so many, one after the other."""
    while True:
        first = free_port()
        if all(
            _is_free(port) and _is_free(metrics_port(port)) for port in range(first, first + count)
        ):
            return first
