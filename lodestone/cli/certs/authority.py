"""An authority of one's own, and the certificates that it signs."""

from __future__ import annotations

import datetime as dt
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

# Clocks differ.
_BEFORE: Final = dt.timedelta(minutes=5)
_AUTHORITY_DAYS: Final = 3_650


@dataclass(frozen=True, slots=True)
class Names:
    """Whom a certificate is for.

    Attributes:
        uri: Who it is, `spiffe://lodestone/embedder`.
        dns: The names under which it serves.
        addresses: The IP addresses under which it does.
    """

    uri: str
    dns: Sequence[str] = ()
    addresses: Sequence[str] = ()

    @property
    def all(self) -> list[x509.GeneralName]:
        """As a certificate has them."""
        return [
            x509.UniformResourceIdentifier(self.uri),
            *map(x509.DNSName, self.dns),
            *(x509.IPAddress(ipaddress.ip_address(address)) for address in self.addresses),
        ]


@dataclass(frozen=True, slots=True)
class Lifetime:
    """From when to when a certificate is valid."""

    days: float
    begin: dt.datetime = field(default_factory=lambda: dt.datetime.now(dt.UTC) - _BEFORE)

    @property
    def end(self) -> dt.datetime:
        """When it expires."""
        return self.begin + dt.timedelta(days=self.days)


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate and its key, PEM."""

    certificate: bytes
    key: bytes


class Authority:
    """Signs certificates with an elliptic key (P-256).

    Attributes:
        pair: Its own certificate, and the key that nobody else may have.
    """

    def __init__(self, pair: Pair) -> None:
        self.pair = pair
        self._certificate = x509.load_pem_x509_certificate(pair.certificate)
        key = serialization.load_pem_private_key(pair.key, None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            message = "the authority's key is not an elliptic one"
            raise TypeError(message)
        self._key = key

    @classmethod
    def create(cls) -> Authority:
        """A new one, for ten years."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = _name("Lodestone")
        usage = x509.KeyUsage(
            digital_signature=True,
            key_cert_sign=True,
            crl_sign=True,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            encipher_only=False,
            decipher_only=False,
        )
        builder = (
            _builder(name, name, key, Lifetime(_AUTHORITY_DAYS))
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage, critical=True)
        )
        return cls(_pair(builder.sign(key, hashes.SHA256()), key))

    def issue(self, names: Names, lifetime: Lifetime) -> Pair:
        """A certificate for servers and clients."""
        key = ec.generate_private_key(ec.SECP256R1())
        purposes = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        builder = (
            _builder(_name(names.uri), self._certificate.subject, key, lifetime)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
            .add_extension(x509.SubjectAlternativeName(names.all), critical=False)
            .add_extension(issuer, critical=False)
        )
        return _pair(builder.sign(self._key, hashes.SHA256()), key)


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, lifetime: Lifetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(lifetime.begin)
        .not_valid_after(lifetime.end)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _pair(certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> Pair:
    encoding, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    return Pair(
        certificate.public_bytes(encoding),
        key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, plain),
    )
