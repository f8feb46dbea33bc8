"""Keys of Alipay: RSA2 alone, from PEM or the bare base64 of Alipay's key tool, and certificates' names.

RSA2 is RSA with PKCS #1 v1.5 and SHA-256. A message never chooses how it is verified: what a signature was
made with is not read out of the signature. The two protocols are the seam at which a simulation in virtual
time puts something cheaper.
"""

import base64
import binascii
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    load_der_private_key,
    load_der_public_key,
    load_pem_private_key,
    load_pem_public_key,
)
from cryptography.x509.oid import NameOID, SignatureAlgorithmOID

from compuerta.domain.errors import Refused

KEY_BITS_MIN = 2048  # RSA2 asks for it; a shorter key is a mistake or an attack

_CERTIFICATE = b"BEGIN CERTIFICATE"
_SHORT_NAMES = {
    NameOID.COMMON_NAME: "CN",
    NameOID.ORGANIZATIONAL_UNIT_NAME: "OU",
    NameOID.ORGANIZATION_NAME: "O",
    NameOID.LOCALITY_NAME: "L",
    NameOID.STATE_OR_PROVINCE_NAME: "ST",
    NameOID.COUNTRY_NAME: "C",
}
# The roots that count: Alipay's file of roots holds one of SM2 as well, which RSA2 has no use for.
_RSA_ROOTS = (SignatureAlgorithmOID.RSA_WITH_SHA1, SignatureAlgorithmOID.RSA_WITH_SHA256)


class KeyUnusable(Refused):
    """A text that is no RSA key of at least 2048 bits, or no certificate."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the key cannot be used: {reason}")
        self.reason = reason


class Signer(Protocol):
    """What turns a message into a signature."""

    def sign(self, message: bytes) -> bytes: ...


class Verifier(Protocol):
    """What tells a genuine signature from any other bytes."""

    def is_genuine(self, signature: bytes, *, message: bytes) -> bool: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRing:
    """One side's keys: its own signer, and the other side's verifiers by certificate, "" in key mode."""

    signer: Signer
    verifiers: Mapping[str, Verifier]
    app_cert_sn: str = ""  # certificate mode: what every request names
    root_cert_sn: str = ""


class RsaSigner:
    """Signs with an RSA private key: PEM without a passphrase, or bare base64 (PKCS #1 or PKCS #8)."""

    def __init__(self, text: bytes) -> None:
        try:
            if b"-----BEGIN" in text:
                key = load_pem_private_key(text, password=None)
            else:
                key = load_der_private_key(_bare(text), password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise KeyUnusable("no private key without a passphrase") from error
        if not isinstance(key, RSAPrivateKey) or key.key_size < KEY_BITS_MIN:
            raise KeyUnusable(f"not RSA of at least {KEY_BITS_MIN} bits")
        self._key = key

    def sign(self, message: bytes) -> bytes:
        """Return the signature of the message."""
        return self._key.sign(message, PKCS1v15(), SHA256())


class RsaVerifier:
    """Verifies with an RSA public key: PEM, bare base64, or inside a certificate."""

    def __init__(self, text: bytes) -> None:
        try:
            key = _public_key(text)
        except (ValueError, UnsupportedAlgorithm) as error:
            raise KeyUnusable("neither a public key nor a certificate") from error
        if not isinstance(key, RSAPublicKey) or key.key_size < KEY_BITS_MIN:
            raise KeyUnusable(f"not RSA of at least {KEY_BITS_MIN} bits")
        self._key = key

    def is_genuine(self, signature: bytes, *, message: bytes) -> bool:
        """Return whether the key's owner signed exactly this message."""
        try:
            self._key.verify(signature, message, PKCS1v15(), SHA256())
        except InvalidSignature:
            return False
        return True


def _public_key(text: bytes) -> object:
    if _CERTIFICATE in text:
        return x509.load_pem_x509_certificate(text).public_key()
    return load_pem_public_key(text) if b"-----BEGIN" in text else load_der_public_key(_bare(text))


def certificate_sn(pem: bytes) -> str:
    """Return what Alipay calls a certificate: the MD5 of its issuer's name and its serial number."""
    return _sn(_certificates(pem)[0])


def root_sn(pem: bytes) -> str:
    """Return what Alipay calls its roots: the names of all that are RSA, joined by underscores."""
    roots = [_sn(root) for root in _certificates(pem) if root.signature_algorithm_oid in _RSA_ROOTS]
    if not roots:
        raise KeyUnusable("no RSA root among the certificates")
    return "_".join(roots)


def _certificates(pem: bytes) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(pem)
    except ValueError as error:
        raise KeyUnusable("no certificate in PEM") from error


def _sn(certificate: x509.Certificate) -> str:
    # Java's X500Principal writes a name from its end to its beginning.
    parts = [
        f"{_SHORT_NAMES.get(part.oid, part.oid.dotted_string)}={_text(part.value)}"
        for part in reversed(list(certificate.issuer))
    ]
    # MD5 names the certificate and protects nothing.
    named = f"{','.join(parts)}{certificate.serial_number}"
    return hashlib.md5(named.encode(), usedforsecurity=False).hexdigest()


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.hex()


def _bare(text: bytes) -> bytes:
    try:
        return base64.b64decode(b"".join(text.split()), validate=True)
    except binascii.Error as error:
        raise ValueError("not base64") from error
