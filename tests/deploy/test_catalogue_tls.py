"""The catalogue's addresses in docs/deploy.md, as a crawler's pod would use them."""

from __future__ import annotations

import contextlib
import re
import socket
import ssl
import struct
import threading

import psycopg
import pytest

from lodestone.cli.certs.authority import Authority, Lifetime, Names
from services.crawler.catalogue.postgres_server import parse_server
from tests.deploy.manifests import ROOT, rendered

PAGE = (ROOT / "docs" / "deploy.md").read_text()
URLS = re.findall(r"`(postgresql://[^`]+sslmode=[^`]+)`", PAGE)
REFUSED = b"SFATAL\0C28P01\0Mno such user\0\0"


@contextlib.contextmanager
def answering(pair, folder):
    """A server that has TLS, and a word for whoever has believed its certificate: its port."""
    files = folder / "server.crt", folder / "server.key"
    for path, content in zip(files, (pair.certificate, pair.key), strict=True):
        path.write_bytes(content)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*files)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=answer, args=(listening, context))
        thread.start()
        yield listening.getsockname()[1]
        thread.join(10)
        assert not thread.is_alive()


def answer(listening, context):
    """As PostgreSQL begins: TLS is asked for in plaintext and granted, and the first message is read."""
    plain, _ = listening.accept()
    with plain:
        plain.recv(8)
        plain.sendall(b"S")
        with contextlib.suppress(OSError), context.wrap_socket(plain, server_side=True) as secure:
            secure.recv(4_096)
            secure.sendall(b"E" + struct.pack(">i", len(REFUSED) + 4) + REFUSED)


def message_of(url, port, files):
    """What a connection ends with that follows an address of the page, with the pod's folders elsewhere."""
    for path, here in files.items():
        url = url.replace(path, str(here))
    place = parse_server(url).set(drivername="postgresql", host="localhost", port=port)
    with pytest.raises(psycopg.OperationalError) as caught:
        psycopg.connect(place.render_as_string(hide_password=False), connect_timeout=5)
    return str(caught.value)


@pytest.mark.parametrize("url", URLS)
def test_the_server_is_believed_by_its_authority_alone(url, tmp_path, monkeypatch):
    """Which the address names: a pod's user has no home where libpq would look for one."""
    monkeypatch.setenv("HOME", "/nonexistent")
    authority, other = Authority.create(), Authority.create()
    for name in ("ca.crt", "ca-certificates.crt"):
        (tmp_path / name).write_bytes(authority.pair.certificate)
    files = {"/secrets/catalogue": tmp_path, "/etc/ssl/certs": tmp_path}
    names = Names("spiffe://lodestone/catalogue", ("localhost",))
    for signer, said in ((authority, "no such user"), (other, "certificate verify failed")):
        with answering(signer.issue(names, Lifetime(1)), tmp_path) as port:
            assert said in message_of(url, port, files)
    elsewhere = authority.issue(Names(names.uri, ("elsewhere",)), Lifetime(1))
    with answering(elsewhere, tmp_path) as port:
        assert "does not match host name" in message_of(url, port, files)


def test_there_is_an_address_for_either_kind_of_authority():
    """One of the Secret's own, at the place where the pod has it, and those that everybody believes."""
    roots = {re.search(r"sslrootcert=([^&`]+)", url)[1] for url in URLS}
    mounts = rendered("cpu").mounts("crawler")
    assert roots == {"/secrets/catalogue/ca.crt", "/etc/ssl/certs/ca-certificates.crt"}
    assert mounts["/secrets/catalogue"]["readOnly"]
    assert "items" not in rendered("cpu").volumes("crawler")["catalogue"]["secret"]
