"""Channels as our servers like them: spread over replicas, quick to come back, and patient."""

from __future__ import annotations

import re
from enum import Enum
from functools import cache
from importlib.resources import files
from typing import Final
from urllib.parse import unquote

import grpc

from lodestone.client.reloading_channel import ReloadingChannel
from lodestone.client.tls_files import TlsFolder
from lodestone.client.transport import PLAINTEXT, Transport, channel_credentials

MEBIBYTE: Final = 1024 * 1024

# A copy of the one beside the protos, which `make protos` makes; for other languages that is the place.
_SERVICE_CONFIG: Final = "service_config.json"


class HandshakeFailure(Enum):
    """Why TLS does not come about."""

    TURNED_AWAY = "the server takes no certificate, not this one, or only TLS"
    NOT_BELIEVED = "the server's certificate is not signed by the authority, or has expired"
    WRONG_NAME = "the server's certificate is for other addresses"
    PLAINTEXT = "the server has no TLS"


# Without a word of TLS the server has closed the connection.
_FAILURES: Final = (
    ("WRONG_VERSION_NUMBER", HandshakeFailure.PLAINTEXT),
    ("CERTIFICATE_VERIFY_FAILED", HandshakeFailure.NOT_BELIEVED),
    ("Hostname Verification Check failed", HandshakeFailure.WRONG_NAME),
    ("Socket closed", HandshakeFailure.TURNED_AWAY),
)

# grpc's own words, before and since 1.80; the peer is percent-encoded: `ipv6:%5B::1%5D:50051`.
_NO_CONNECTION: Final = re.compile(
    r"(?:failed to connect to all addresses|connections to all backends failing); "
    r"last error: \w+: (?:ipv[46]:)?(?P<peer>\S+): .*"
    r"|(?:errors resolving|DNS resolution failed for) (?P<name>\S+): .*",
    re.DOTALL,
)


def connect(
    address: str,
    *,
    transport: Transport = PLAINTEXT,
    retries: bool = True,
    max_message_bytes: int = 64 * MEBIBYTE,
) -> grpc.aio.Channel:
    """A channel to every replica that `address` (`host:port`) resolves to, in turn.

    Nothing is sent before the first call. Calls that meet UNAVAILABLE, or are cancelled by a server that is about to
    end, are tried four times within about two seconds, EmbedImages and DetectWatermarks that meet a full queue
    (RESOURCE_EXHAUSTED) when the service says (`grpc-retry-pushback-ms`): every method of ours is idempotent. Must be
    called in a running event loop.

    Args:
        address: `host:port`, or any gRPC target with a scheme.
        transport: Plaintext, or TLS with certificates that are read again when their files change.
        retries: Whether calls are tried again.
        max_message_bytes: The largest message to send or receive.

    Raises:
        BadTlsFiles: The files of `transport` are no good.
        BadToken: Its token is not.
    """
    has_scheme = address.startswith("unix:") or "://" in address
    target = address if has_scheme else f"dns:///{address}"
    options: list[tuple[str, int | str]] = [
        ("grpc.service_config", _service_config()),
        ("grpc.max_send_message_length", max_message_bytes),
        ("grpc.max_receive_message_length", max_message_bytes),
        # What is longer than this, 256 KiB by default, is not sent a second time.
        ("grpc.per_rpc_retry_buffer_size", max_message_bytes),
        ("grpc.enable_retries", int(retries)),
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.max_reconnect_backoff_ms", 2_000),
        # Replicas that come and go have new addresses. By itself gRPC asks for them every half minute at most: of a
        # rolling restart that takes less time it would not know one of the new.
        ("grpc.dns_min_time_between_resolutions_ms", 1_000),
        # A peer that hangs is noticed within half a minute; servers allow a ping every ten seconds.
        ("grpc.keepalive_time_ms", 20_000),
        ("grpc.keepalive_timeout_ms", 10_000),
        # Without it gRPC waits a minute for an answer to a ping, whatever the line above says.
        ("grpc.http2.ping_timeout_ms", 10_000),
        ("grpc.http2.max_pings_without_data", 0),
        # The services are neighbours; a proxy for the outside world does not reach them.
        ("grpc.enable_http_proxy", 0),
    ]
    token = transport.token()
    if transport.tls is None:
        return grpc.aio.insecure_channel(target, options=options)
    return ReloadingChannel(
        TlsFolder(transport.tls, "client"),
        lambda files: grpc.aio.secure_channel(
            target, channel_credentials(files, token), options=options
        ),
    )


def lost_peer(details: str) -> tuple[str, str] | None:
    """The peer (`host:port`) that gRPC says it cannot connect to, and that part of the text; None if there is none.

    Args:
        details: Of a status, or any text that ends with them.
    """
    match = _NO_CONNECTION.search(details)
    return (unquote(match["peer"] or match["name"]), match[0]) if match else None


def handshake_failure(details: str) -> HandshakeFailure | None:
    """What keeps two sides that reach each other apart; None where it is something else.

    Args:
        details: Of a status, or any text that ends with them.
    """
    if not _NO_CONNECTION.search(details):
        return None
    return next((failure for words, failure in _FAILURES if words in details), None)


@cache
def _service_config() -> str:
    """Round-robin over replicas, and which calls are tried again: JSON as gRPC takes it."""
    return files(__package__).joinpath(_SERVICE_CONFIG).read_text(encoding="utf-8")
