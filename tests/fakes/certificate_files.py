"""Folders of certificates, good and bad."""

from __future__ import annotations

from pathlib import Path

import grpc

from lodestone.cli.certs.authority import Authority, Lifetime, Names, Pair

NAMES = "spiffe://lodestone/"


def issue(authority: Authority, word: str, *, lifetime: Lifetime | None = None) -> Pair:
    """For somebody on loopback."""
    names = Names(f"{NAMES}{word}", (word, "localhost"), ("127.0.0.1",))
    return authority.issue(names, lifetime or Lifetime(1))


def write(folder: Path, pair: Pair, authority: Authority) -> Path:
    """As a person or a Secret would; returns the folder."""
    folder.mkdir(exist_ok=True)
    (folder / "tls.crt").write_bytes(pair.certificate)
    (folder / "tls.key").write_bytes(pair.key)
    (folder / "ca.crt").write_bytes(authority.pair.certificate)
    return folder


def channel_credentials(pair: Pair | None, authority: Authority) -> grpc.ChannelCredentials:
    """Of whoever shows this pair, or nothing."""
    certificate, key = (pair.certificate, pair.key) if pair else (None, None)
    return grpc.ssl_channel_credentials(authority.pair.certificate, key, certificate)
