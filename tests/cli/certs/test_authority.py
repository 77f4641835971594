from __future__ import annotations

import datetime as dt

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

from lodestone.cli.certs.authority import Authority, Lifetime, Names, Pair


def test_what_an_authority_signs_is_signed_by_it():
    """And by no other; it is no authority itself."""
    authority = Authority.create()
    pair = authority.issue(Names("spiffe://lodestone/person"), Lifetime(1))

    certificate = x509.load_pem_x509_certificate(pair.certificate)
    certificate.verify_directly_issued_by(
        x509.load_pem_x509_certificate(authority.pair.certificate)
    )
    other = x509.load_pem_x509_certificate(Authority.create().pair.certificate)
    with pytest.raises(InvalidSignature):
        certificate.verify_directly_issued_by(other)
    facts = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    assert not facts.value.ca


def test_a_certificate_is_valid_for_as_long_as_it_was_asked_to_be():
    """From a little before now, for clocks that differ."""
    now = dt.datetime.now(dt.UTC)
    pair = Authority.create().issue(Names("spiffe://lodestone/person"), Lifetime(7))

    certificate = x509.load_pem_x509_certificate(pair.certificate)
    assert certificate.not_valid_before_utc < now
    left = certificate.not_valid_after_utc - now
    assert dt.timedelta(days=6, hours=23) < left < dt.timedelta(days=7)


def test_an_authority_has_an_elliptic_key():
    """Another one was not made here."""
    key = ed25519.Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    with pytest.raises(TypeError, match="not an elliptic one"):
        Authority(Pair(Authority.create().pair.certificate, key))
