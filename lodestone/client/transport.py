"""How services are reached: plaintext, or TLS with a certificate of one's own and, for a person, a token."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import grpc

from lodestone.client.tls_files import TlsFiles

TLS: Final = "LODESTONE_TLS"
TOKEN_FILE: Final = "LODESTONE_TOKEN_FILE"  # noqa: S105 - the name of a variable


class BadToken(ValueError):
    """A file that holds no token, or one that would be sent in plaintext.

    Attributes:
        path: The file.
    """

    def __init__(self, path: Path, cause: str) -> None:
        super().__init__(f"{TOKEN_FILE}: {path}: {cause}")
        self.path = path


@dataclass(frozen=True, slots=True)
class Transport:
    """How to reach services.

    Attributes:
        tls: A folder with `tls.crt`, `tls.key` and `ca.crt`; None is plaintext.
        token_file: A file with a person's token; None sends none.
    """

    tls: Path | None = None
    token_file: Path | None = None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Transport:
        """Reads LODESTONE_TLS and LODESTONE_TOKEN_FILE; unset or empty is none."""
        tls, token_file = environment.get(TLS), environment.get(TOKEN_FILE)
        return cls(Path(tls) if tls else None, Path(token_file) if token_file else None)

    def token(self) -> BearerToken | None:
        """What is sent with each call.

        Raises:
            BadToken: The file has none, or there is no TLS.
        """
        if self.token_file is None:
            return None
        if self.tls is None:
            raise BadToken(self.token_file, f"a token is sent over TLS alone: set {TLS}")
        return BearerToken(self.token_file)


PLAINTEXT: Final = Transport()
"""What loopback does with."""


class BearerToken(grpc.AuthMetadataPlugin):
    """The token in a file, read again when the file changes; while it is no good, the one before.

    Raises:
        BadToken: The file has no token.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp = self._look()
        self._token = self._read()

    def __call__(self, _context: Any, callback: grpc.AuthMetadataPluginCallback) -> None:
        """Called by gRPC for each call, in a thread of its own."""
        stamp = self._look()
        if stamp != self._stamp:
            # Half written, perhaps; the service says what it thinks of the one before.
            with suppress(BadToken):
                self._token, self._stamp = self._read(), stamp
        callback((("authorization", f"Bearer {self._token}"),), None)

    def _look(self) -> tuple[int, ...]:
        try:
            facts = self._path.stat()
        except OSError:
            return ()
        return (facts.st_ino, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns)

    def _read(self) -> str:
        try:
            token = self._path.read_text(encoding="ascii").strip()
        except OSError as error:
            raise BadToken(self._path, f"cannot be read: {error.strerror}") from error
        except UnicodeDecodeError as error:
            raise BadToken(self._path, "it is no token") from error
        # Metadata is visible ASCII; a file of the service's has names as well.
        if not token or not all("!" <= character <= "~" for character in token):
            raise BadToken(self._path, "it is not one token alone")
        return token


def channel_credentials(files: TlsFiles, token: BearerToken | None) -> grpc.ChannelCredentials:
    """For a channel: the certificate that is shown, whom it believes, and what each call carries."""
    credentials = grpc.ssl_channel_credentials(files.authority, files.key, files.certificate)
    if token is None:
        return credentials
    return grpc.composite_channel_credentials(credentials, grpc.metadata_call_credentials(token))
