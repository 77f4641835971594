"""The certificate that a server shows: read again when its files change, so that nobody restarts it."""

from __future__ import annotations

import datetime as dt
import threading
import time
from pathlib import Path

import grpc
import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge

from lodestone.client.tls_files import BadTlsFiles, TlsFiles, TlsFolder
from services.servicekit.errors import Misconfigured


class ServerCertificates:
    """What a server shows those who connect, and asks of them: a certificate that the same authority has signed.

    Each new connection meets the files as they are. Files that are no good, which may be half written, change nothing:
    that is logged once and counted.

    Args:
        folder: With `tls.crt`, `tls.key` and `ca.crt`.
        word: The service's, for its metrics.
        registry: Where they are.

    Raises:
        Misconfigured: The files are no good.
    """

    def __init__(self, folder: Path, word: str, registry: CollectorRegistry) -> None:
        try:
            self._folder = TlsFolder(folder, "server")
        except BadTlsFiles as error:
            raise Misconfigured(str(error)) from error
        self._shown = self._folder.files
        # By event: what was said of it.
        self._told: dict[str, str] = {}
        # gRPC asks from threads of its own.
        self._lock = threading.Lock()
        not_after = Gauge(
            f"lodestone_{word}_certificate_not_after_seconds",
            "When the certificate that is shown expires, seconds since 1970.", registry=registry,
        )  # fmt: skip
        not_after.set_function(lambda: self._folder.files.not_after_s)
        self._failures = Counter(
            f"lodestone_{word}_certificate_reload_failures",
            "Times that files of a certificate had changed and were no good.", registry=registry,
        )  # fmt: skip

    def credentials(self) -> grpc.ServerCredentials:
        """For a port that nobody reaches without a certificate."""
        return grpc.dynamic_ssl_server_credentials(
            _configuration(self._shown),
            self._fetch,  # type: ignore[arg-type]  # the stubs know no None, which is "as before"
            require_client_authentication=True,
        )

    def look(self) -> None:
        """Reads the files if they have changed; says once when the certificate has expired."""
        with self._lock:
            self._refresh()

    def _fetch(self) -> grpc.ServerCertificateConfiguration | None:
        """For each new connection; None is what the one before got."""
        with self._lock:
            self._refresh()
            if self._shown is self._folder.files:
                return None
            self._shown = self._folder.files
            return _configuration(self._shown)

    def _refresh(self) -> None:
        try:
            if self._folder.refresh():
                until = dt.datetime.fromtimestamp(self._folder.files.not_after_s, dt.UTC)
                structlog.get_logger().info("certificate_reloaded", not_after=until.isoformat())
                self._told.clear()
        except BadTlsFiles as error:
            self._failures.inc()
            self._tell("certificate_not_reloaded", str(error))
        # The one that is shown may run out while others are no good.
        if self._folder.files.not_after_s < time.time():
            self._tell("certificate_expired", f"LODESTONE_TLS: {self._folder.path}")

    def _tell(self, event: str, cause: str) -> None:
        if self._told.get(event) != cause:
            structlog.get_logger().error(event, cause=cause)
            self._told[event] = cause


def _configuration(files: TlsFiles) -> grpc.ServerCertificateConfiguration:
    return grpc.ssl_server_certificate_configuration(
        [(files.key, files.certificate)], root_certificates=files.authority
    )
