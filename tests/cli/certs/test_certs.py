from __future__ import annotations

import stat

import pytest
from cryptography import x509

from lodestone.cli.app import run
from lodestone.client.tls_files import read_tls_files

WORDS = ("embedder", "novelty", "watermark", "crawler", "bulk", "person")


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "certs"
    assert run(["certs", str(folder)]) == 0
    return folder


def names_of(folder, kind):
    certificate = x509.load_pem_x509_certificate((folder / "tls.crt").read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return [str(name) for name in names.get_values_for_type(kind)]


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("word", WORDS)
def test_each_gets_a_folder_of_its_own(folder, word):
    """That is good on either side, with its name; the key is nobody else's to read."""
    for side in ("server", "client"):
        read_tls_files(folder / word, side)
    assert names_of(folder / word, x509.UniformResourceIdentifier) == [f"spiffe://lodestone/{word}"]
    assert mode(folder / word / "tls.key") == 0o600
    assert sorted(path.name for path in (folder / word).iterdir()) == [
        "ca.crt",
        "tls.crt",
        "tls.key",
    ]
    assert mode(folder / "ca" / "ca.key") == 0o600


def test_a_service_has_the_names_that_it_is_reached_by(folder):
    """In a cluster and on this machine; a person and the bulk Job are reached by nobody."""
    assert names_of(folder / "novelty", x509.DNSName) == [
        "novelty",
        "novelty.lodestone",
        "novelty.lodestone.svc",
        "novelty.lodestone.svc.cluster.local",
        "localhost",
    ]
    assert "127.0.0.1" in names_of(folder / "novelty", x509.IPAddress)
    for word in ("bulk", "person"):
        assert names_of(folder / word, x509.DNSName) == []


def test_what_to_export_holds_in_every_folder(tmp_path, monkeypatch, capsys):
    """It is absolute, and quoted where the shell wants that."""
    monkeypatch.chdir(tmp_path)
    assert run(["certs", "my certs"]) == 0
    said = capsys.readouterr().out.splitlines()[-1]
    assert said == f"for this shell: export LODESTONE_TLS='{tmp_path}/my certs/person'"


def test_an_authority_is_not_overwritten(folder, capsys):
    """Nor anything that it has signed."""
    before = (folder / "person" / "tls.crt").read_bytes()

    assert run(["certs", str(folder)]) == 1

    assert "there is an authority in" in capsys.readouterr().err
    assert (folder / "person" / "tls.crt").read_bytes() == before


def test_new_certificates_of_the_same_authority(folder):
    """For when the old ones expire: who believes the authority needs no other."""
    before = {name: (folder / "person" / name).read_bytes() for name in ("tls.crt", "ca.crt")}

    assert run(["certs", str(folder), "--renew", "--days", "30"]) == 0

    renewed = read_tls_files(folder / "person", "client")
    assert renewed.certificate != before["tls.crt"]
    assert renewed.authority == before["ca.crt"]


def test_without_an_authority_there_is_nothing_to_renew(tmp_path, capsys):
    """One line, and nothing is made."""
    assert run(["certs", str(tmp_path / "certs"), "--renew"]) == 1

    assert "no authority to sign with" in capsys.readouterr().err
    assert not (tmp_path / "certs").exists()


def test_a_key_of_another_kind_is_no_authority(folder, capsys):
    """Nor is a file of something else."""
    (folder / "ca" / "ca.key").write_text("no key")

    assert run(["certs", str(folder), "--renew"]) == 1

    assert "is not an authority of `lodestone certs`" in capsys.readouterr().err


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path, capsys):
    """With its path."""
    (tmp_path / "file").touch()

    assert run(["certs", str(tmp_path / "file")]) == 1

    assert "cannot be written: " in capsys.readouterr().err
