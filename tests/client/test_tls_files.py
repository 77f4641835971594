from __future__ import annotations

import datetime as dt
import time
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from lodestone.cli.certs.authority import Authority, Lifetime
from lodestone.client import tls_files
from lodestone.client.tls_files import BadTlsFiles, TlsFolder, read_tls_files
from tests.fakes.certificate_files import issue, write

NOW = dt.datetime.now(dt.UTC)


@pytest.fixture(scope="module")
def authority():
    return Authority.create()


@pytest.fixture(scope="module")
def pair(authority):
    return issue(authority, "embedder")


@pytest.fixture
def folder(tmp_path, pair, authority):
    return write(tmp_path / "tls", pair, authority)


@pytest.mark.parametrize("side", ["server", "client"])
def test_good_files_are_read_as_they_are(folder, pair, authority, side):
    """With the time at which the certificate expires."""
    found = read_tls_files(folder, side)

    assert (found.certificate, found.key) == (pair.certificate, pair.key)
    assert found.authority == authority.pair.certificate
    assert abs(found.not_after_s - time.time() - 86_400) < 600


def protected(pair):
    key = serialization.load_pem_private_key(pair.key, None)
    how = serialization.BestAvailableEncryption(b"password")
    pem, kind = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    return key.private_bytes(pem, kind, how)


def spoil(folder, name, content):
    (folder / name).write_bytes(content)


@pytest.mark.parametrize(
    ("spoiling", "cause"),
    [
        (lambda at, _: (at / "tls.key").unlink(), "tls.key cannot be read: No such file"),
        (lambda at, _: (at / "ca.crt").unlink(), "ca.crt cannot be read: No such file"),
        (lambda at, _: spoil(at, "tls.crt", b""), "tls.crt is not a certificate in PEM"),
        (lambda at, _: spoil(at, "tls.crt", b"\xff\0"), "tls.crt is not a certificate in PEM"),
        (lambda at, pair: spoil(at, "tls.crt", pair.certificate[:300]), "tls.crt is not a certif"),
        (lambda at, _: spoil(at, "ca.crt", b"no"), "ca.crt is not a certificate in PEM"),
        (
            lambda at, pair: spoil(at, "ca.crt", pair.certificate),
            "ca.crt is not the certificate of an authority",
        ),
        (lambda at, _: spoil(at, "tls.key", b"no"), "tls.key is not a key in PEM"),
        (
            lambda at, pair: spoil(at, "tls.key", protected(pair)),
            "tls.key is not a key in PEM without a password",
        ),
        (
            lambda at, _: spoil(at, "tls.key", issue(Authority.create(), "embedder").key),
            "tls.key is not the key of tls.crt",
        ),
        (
            lambda at, _: spoil(at, "ca.crt", Authority.create().pair.certificate),
            "tls.crt: ca.crt has not signed it",
        ),
    ],
)
def test_files_that_are_no_good_have_one_clear_error(folder, pair, spoiling, cause):
    """It names the folder and the file."""
    spoiling(folder, pair)

    with pytest.raises(BadTlsFiles, match=cause) as caught:
        read_tls_files(folder, "server")

    assert str(caught.value).startswith(f"LODESTONE_TLS: {folder}: ")


@pytest.mark.parametrize(
    ("begin", "cause"),
    [
        (NOW - dt.timedelta(days=2), "certificate has expired"),
        (NOW + dt.timedelta(hours=1), "certificate is not yet valid"),
    ],
)
@pytest.mark.parametrize("side", ["server", "client"])
def test_a_certificate_out_of_its_time_is_refused(tmp_path, authority, begin, cause, side):
    """By either side, before anybody shows it."""
    pair = issue(authority, "embedder", lifetime=Lifetime(1, begin))

    with pytest.raises(BadTlsFiles, match=f"tls.crt: {cause}"):
        read_tls_files(write(tmp_path / "tls", pair, authority), side)


def test_a_folder_that_is_none_is_said_to_be_none(tmp_path):
    """As is one that is a file."""
    (tmp_path / "file").touch()

    with pytest.raises(BadTlsFiles, match="No such file or directory"):
        read_tls_files(tmp_path / "nothing", "client")
    with pytest.raises(BadTlsFiles, match="Not a directory"):
        read_tls_files(tmp_path / "file", "client")


def test_a_folder_is_read_again_when_it_changes(folder, authority):
    """And only then."""
    tls = TlsFolder(folder, "server")
    assert not tls.refresh()
    renewed = issue(authority, "embedder")
    write(folder, renewed, authority)

    assert tls.refresh()
    assert tls.files.certificate == renewed.certificate
    assert not tls.refresh()


def test_half_of_a_change_changes_nothing(folder, pair, authority, monkeypatch):
    """A certificate whose key is still to come; the other half makes it whole."""
    tls = TlsFolder(folder, "server")
    renewed = issue(authority, "embedder")
    spoil(folder, "tls.crt", renewed.certificate)
    reads = []
    really = tls_files.read_tls_files
    monkeypatch.setattr(
        tls_files, "read_tls_files", lambda *given: [reads.append(given), really(*given)][1]
    )

    for _ in range(3):
        with pytest.raises(BadTlsFiles, match="tls.key is not the key"):
            tls.refresh()
    assert len(reads) == 1, "what is no good is not tried again at once"
    assert tls.files.certificate == pair.certificate

    spoil(folder, "tls.key", renewed.key)
    assert tls.refresh()
    assert (tls.files.certificate, tls.files.key) == (renewed.certificate, renewed.key)


def test_files_that_change_while_they_are_read_are_no_good(folder, authority, monkeypatch):
    """Nobody knows what was tried out."""
    really = tls_files._shake_hands

    def replaced(*given):
        found = really(*given)
        spoil(folder, "tls.crt", issue(authority, "embedder").certificate)
        return found

    monkeypatch.setattr(tls_files, "_shake_hands", replaced)

    with pytest.raises(BadTlsFiles, match="changed while they were read"):
        read_tls_files(folder, "server")


def test_a_mounted_secret_changes_all_at_once(tmp_path, pair, authority):
    """As Kubernetes does it: a link of links is moved to another folder; the files' names stay."""
    mount, renewed = tmp_path / "mount", issue(authority, "embedder")
    write(tmp_path / "first", pair, authority)
    write(tmp_path / "second", renewed, authority)
    mount.mkdir()
    (mount / "..data").symlink_to(tmp_path / "first")
    for name in ("tls.crt", "tls.key", "ca.crt"):
        (mount / name).symlink_to(Path("..data") / name)
    tls = TlsFolder(mount, "server")
    assert tls.files.certificate == pair.certificate

    (mount / "..data.new").symlink_to(tmp_path / "second")
    (mount / "..data.new").replace(mount / "..data")

    assert tls.refresh()
    assert (tls.files.certificate, tls.files.key) == (renewed.certificate, renewed.key)
