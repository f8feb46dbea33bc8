"""The platform's certificate for outposts: made once by itself, and pinned by each outpost."""

import ssl
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

# Longer than outposts last: it is pinned, and nobody has to be asked for another.
VALID: Final = timedelta(days=365 * 30)
NAME: Final = "compuerta outposts"


def made(*, now: datetime) -> str:
    """Return a new certificate with its key, in PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + VALID)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    kept = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return (kept + certificate.public_bytes(serialization.Encoding.PEM)).decode("ascii")


def certificate_of(pem: bytes) -> str:
    """Return the certificate alone, in PEM: what outposts pin."""
    return x509.load_pem_x509_certificate(pem).public_bytes(serialization.Encoding.PEM).decode("ascii")


def der_of(certificate: str) -> bytes:
    """Return a certificate in DER."""
    return ssl.PEM_cert_to_DER_cert(certificate)


def serving(path: Path) -> ssl.SSLContext:
    """Return what shows the certificate that is kept at a path with its key."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_cert_chain(path)
    return context
