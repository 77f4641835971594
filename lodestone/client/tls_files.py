"""The three files of TLS, tried out before anybody relies on them."""

from __future__ import annotations

import ssl
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

CERTIFICATE: Final = "tls.crt"
KEY: Final = "tls.key"
AUTHORITY: Final = "ca.crt"

# Files that are no good are looked at again after so long.
_AGAIN_S: Final = 1.0
# A handshake in memory has four flights at most.
_FLIGHTS: Final = 4

Stamp = tuple[tuple[int, ...], ...]
Side = Literal["server", "client"]


class BadTlsFiles(ValueError):
    """A folder whose files do not make TLS.

    Attributes:
        folder: The folder.
        cause: What is wrong, one line.
    """

    def __init__(self, folder: Path, cause: str) -> None:
        super().__init__(f"LODESTONE_TLS: {folder}: {cause}")
        self.folder = folder
        self.cause = cause


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """What the files of a folder say, PEM.

    Attributes:
        certificate: Of `tls.crt`, with those between it and the authority.
        key: Of `tls.key`.
        authority: Of `ca.crt`: whose certificates are believed.
        not_after_s: When the certificate expires, seconds since 1970.
    """

    certificate: bytes
    key: bytes
    authority: bytes
    not_after_s: float


class TlsFolder:
    """A folder with `tls.crt`, `tls.key` and `ca.crt`, the names of cert-manager's Secrets.

    Args:
        path: The folder.
        side: As what the certificate is shown.

    Attributes:
        path: The folder.
        files: The last ones that were good.

    Raises:
        BadTlsFiles: They are not good.
    """

    def __init__(self, path: Path, side: Side) -> None:
        self.path = path
        self._side = side
        self._stamp = _stamp(path)
        self._failed: tuple[Stamp, float, BadTlsFiles] | None = None
        self.files = read_tls_files(path, side)

    def refresh(self) -> bool:
        """Reads the files again if they have changed, and says whether `files` are others now.

        Raises:
            BadTlsFiles: They have changed, and are not good; `files` stay as they were.
        """
        stamp = _stamp(self.path)
        if stamp == self._stamp:
            return False
        if self._failed and self._failed[0] == stamp:
            _, at_s, error = self._failed
            if time.monotonic() - at_s < _AGAIN_S:
                raise BadTlsFiles(error.folder, error.cause)
        try:
            files = read_tls_files(self.path, self._side)
        except BadTlsFiles as error:
            self._failed = (stamp, time.monotonic(), error)
            raise
        self._stamp, self._failed, before, self.files = stamp, None, self.files, files
        return files != before


def read_tls_files(folder: Path, side: Side) -> TlsFiles:
    """Reads the files and has them shake hands with themselves.

    That finds a key of another certificate, a certificate that has expired, is for the other side or was not signed by
    `ca.crt`, and an authority that is none.

    Args:
        folder: Where they are.
        side: As what the certificate is shown.

    Raises:
        BadTlsFiles: One of that, or a file cannot be read.
    """
    found = _read(folder)
    _require_certificates(folder, CERTIFICATE, found[CERTIFICATE])
    _require_certificates(folder, AUTHORITY, found[AUTHORITY])
    not_after_s = _shake_hands(folder, side)
    if _read(folder) != found:
        raise BadTlsFiles(folder, "the files changed while they were read")
    return TlsFiles(found[CERTIFICATE], found[KEY], found[AUTHORITY], not_after_s)


def _read(folder: Path) -> dict[str, bytes]:
    found = {}
    for name in (CERTIFICATE, KEY, AUTHORITY):
        try:
            found[name] = (folder / name).read_bytes()
        except OSError as error:
            raise BadTlsFiles(folder, f"{name} cannot be read: {error.strerror}") from error
    return found


def _stamp(folder: Path) -> Stamp:
    stamps: list[tuple[int, ...]] = []
    for name in (CERTIFICATE, KEY, AUTHORITY):
        try:
            facts = (folder / name).stat()
        except OSError:
            stamps.append(())
        else:
            stamps.append((facts.st_ino, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns))
    return tuple(stamps)


def _require_certificates(folder: Path, name: str, pem: bytes) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(cadata=pem.decode("ascii"))
    except (ssl.SSLError, ValueError) as error:
        raise BadTlsFiles(folder, f"{name} is not a certificate in PEM") from error
    if name == AUTHORITY and not context.get_ca_certs():
        raise BadTlsFiles(folder, f"{name} is not the certificate of an authority (CA:TRUE)")


def _shake_hands(folder: Path, side: Side) -> float:
    """Seconds since 1970 at which the certificate expires."""
    try:
        shown = _handshake(folder, side)
    except ssl.SSLCertVerificationError as error:
        raise BadTlsFiles(folder, f"{CERTIFICATE}: {_refusal(error)}") from error
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            cause = f"{KEY} is not the key of {CERTIFICATE}"
        else:
            cause = f"{KEY} is not a key in PEM without a password"
        raise BadTlsFiles(folder, cause) from error
    except OSError as error:
        raise BadTlsFiles(folder, f"cannot be read: {error.strerror}") from error
    return ssl.cert_time_to_seconds(shown["notAfter"])


def _handshake(folder: Path, side: Side) -> Any:
    """The certificate, as the other side sees it; raises what that side has against it."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = _context(folder, ssl.PROTOCOL_TLS_SERVER, believes=side == "server")
    client = _context(folder, ssl.PROTOCOL_TLS_CLIENT, believes=side == "client")
    answering = server.wrap_bio(to_server, to_client, server_side=True)
    asking = client.wrap_bio(to_client, to_server)
    for _ in range(_FLIGHTS):
        for one in (asking, answering):
            try:
                one.do_handshake()
            except ssl.SSLWantReadError:
                continue
    return (asking if side == "server" else answering).getpeercert()


def _context(folder: Path, protocol: int, *, believes: bool) -> ssl.SSLContext:
    """One that `believes` does not look at what the other shows."""
    context = ssl.SSLContext(protocol)
    # The name is a matter of the address that is dialled.
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE if believes else ssl.CERT_REQUIRED
    # Without a password OpenSSL would ask the terminal for one.
    context.load_cert_chain(folder / CERTIFICATE, folder / KEY, password="")
    context.load_verify_locations(folder / AUTHORITY)
    return context


def _refusal(error: ssl.SSLCertVerificationError) -> str:
    if "issuer" in error.verify_message or "self-signed" in error.verify_message:
        return f"{AUTHORITY} has not signed it"
    return error.verify_message
