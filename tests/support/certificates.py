"""Certificates for tests: authorities, and what they sign."""

from __future__ import annotations

__all__ = ["Authority"]

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from agentfield.process.tls import TlsFiles

DAY = timedelta(days=1)
PEM = serialization.Encoding.PEM
PLAIN = serialization.NoEncryption()


class Authority:
    """A certificate authority whose files are in a folder."""

    def __init__(self, folder: Path, name: str = "ca") -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _named(name)
        built = _built(self._name, self._name, self._key.public_key(), valid=DAY).add_extension(
            x509.BasicConstraints(ca=True, path_length=None), critical=True
        )
        self.file = folder / f"{name}.pem"
        self.file.write_bytes(built.sign(self._key, hashes.SHA256()).public_bytes(PEM))

    def issue(
        self, name: str = "server", *, host: str = "127.0.0.1", valid: timedelta = DAY
    ) -> TlsFiles:
        """Write a certificate for a host, and its key; a name again replaces both."""
        key = ec.generate_private_key(ec.SECP256R1())
        names: list[x509.GeneralName] = [x509.DNSName(host)]
        if host[0].isdigit():
            names = [x509.IPAddress(ip_address(host))]
        built = _built(_named(name), self._name, key.public_key(), valid=valid).add_extension(
            x509.SubjectAlternativeName(names), critical=False
        )
        files = TlsFiles(cert=self._folder / f"{name}.crt", key=self._folder / f"{name}.key")
        files.cert.write_bytes(built.sign(self._key, hashes.SHA256()).public_bytes(PEM))
        files.key.write_bytes(key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, PLAIN))
        return files


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _built(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, *, valid: timedelta
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - 2 * DAY)
        .not_valid_after(now + valid)
    )
