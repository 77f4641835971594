"""The ports that `up` serves on."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterable
from typing import Final

from lodestone.cli.errors import CliError
from lodestone.cli.up.places import Place

_OFFSET: Final = 10_000
_LAST_PORT: Final = 65_535


def metrics_port(port: int) -> int:
    """A service's port + 10000; 0, which is none, where that is no port."""
    shifted = port + _OFFSET
    return shifted if shifted <= _LAST_PORT else 0


def health_port(port: int) -> int:
    """With TLS, where health is in plaintext: a service's port - 10000; 0, which is none, where that is no port."""
    return max(port - _OFFSET, 0)


def require_free(places: Iterable[Place], *, tls: bool = False) -> None:
    """Tries every port, those of the metrics too, and with TLS those of health.

    Another server on one of them would answer our questions for health in our child's stead.

    Raises:
        CliError: One cannot be had; how to choose another.
    """
    for place in places:
        choose = f"LODESTONE_{place.word.upper()}=127.0.0.1:PORT"
        _try(place.host, place.port, f"for the {place.name} service", f"{choose} chooses another")
        if metrics_port(place.port):
            whose = f"for the {place.name} service's metrics (its port + 10000)"
            _try(place.host, metrics_port(place.port), whose, f"{choose} moves both")
        if tls and health_port(place.port):
            whose = f"for the {place.name} service's health (its port - 10000)"
            _try(place.host, health_port(place.port), whose, f"{choose} moves both")


def _try(host: str, port: int, whose: str, way_out: str) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            what = f"port {port} of {host}"
            if error.errno == errno.EADDRINUSE:
                message = f"{what}, {whose}, is in use by another program or `lodestone up`"
            else:
                message = (
                    f"{what}, {whose}, cannot be had ({(error.strerror or str(error)).lower()})"
                )
            raise CliError(f"{message}: {way_out}") from error
