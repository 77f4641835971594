"""Certificates by cert-manager and by `make certs` say the same."""

from __future__ import annotations

import subprocess
import sys

import pytest
from cryptography import x509

from tests.deploy.manifests import ROOT, SERVICES, rendered

# They call, and nobody calls them.
CLIENTS = ("person", "bulk")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("certs")
    command = [sys.executable, "-m", "lodestone.cli", "certs", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return folder


def names_in(path):
    certificate = x509.load_pem_x509_certificate(path.read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return (
        names.get_values_for_type(x509.UniformResourceIdentifier),
        set(names.get_values_for_type(x509.DNSName)),
        {str(address) for address in names.get_values_for_type(x509.IPAddress)},
    )


@pytest.mark.parametrize(
    ("overlay_name", "name"),
    [
        *((overlay, name) for overlay in ("cpu", "gpu", "bulk") for name in (*SERVICES, "person")),
        ("bulk", "bulk"),
    ],
)
def test_names_are_the_same(overlay_name, name, made):
    """Who somebody is, and under which names a service is asked."""
    spec = rendered(overlay_name).one("Certificate", name)["spec"]
    uris, dns, addresses = names_in(made / name / "tls.crt")
    assert uris == spec["uris"] == [f"spiffe://lodestone/{name}"]
    if name not in CLIENTS:
        assert set(spec["dnsNames"]) == dns
        assert set(spec["ipAddresses"]) == addresses
    assert spec["secretName"] == f"{name}-tls"
    assert spec["issuerRef"] == {"kind": "Issuer", "name": "lodestone-ca"}
    assert "client auth" in spec["usages"]
    assert ("server auth" in spec["usages"]) is (name not in CLIENTS)


def test_they_are_renewed_long_before_they_end():
    """And with a new key."""
    for name in (*SERVICES, *CLIENTS):
        spec = rendered("bulk").one("Certificate", name)["spec"]
        hours = {key: int(spec[key].removesuffix("h")) for key in ("duration", "renewBefore")}
        assert hours["renewBefore"] >= 30 * 24
        assert hours["duration"] >= 2 * hours["renewBefore"]
        assert spec["privateKey"]["rotationPolicy"] == "Always"


def test_the_authority_is_its_own():
    """Signed by itself, and used by the issuer of all others."""
    overlay = rendered("cpu")
    authority = overlay.one("Certificate", "lodestone-ca")["spec"]
    assert authority["isCA"] is True
    issuer = overlay.one("Issuer", authority["issuerRef"]["name"])["spec"]
    assert issuer == {"selfSigned": {}}
    signing = overlay.one("Issuer", "lodestone-ca")["spec"]
    assert signing == {"ca": {"secretName": authority["secretName"]}}
