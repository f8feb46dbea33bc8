"""Keys of WeChat Pay v3: who signs, who verifies, and which serial number names which key.

Only RSA with PKCS #1 v1.5 and SHA-256 exists on this road; the two protocols below are the seam at which
a simulation in virtual time puts something cheaper.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key
from cryptography.x509 import load_pem_x509_certificate

from compuerta.domain.errors import Refused

KEY_BITS_MIN = 2048  # the scheme is called SHA256-RSA2048; a shorter key is a mistake or an attack


class KeyUnusable(Refused):
    """A PEM text that is no RSA key of at least 2048 bits."""

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
    """One side's keys: its own signer, and the other side's verifiers by serial number."""

    signer: Signer
    verifiers: Mapping[str, Verifier]


class RsaSigner:
    """Signs with an RSA private key in PEM (PKCS #1 or PKCS #8, without a passphrase)."""

    def __init__(self, pem: bytes) -> None:
        try:
            key = load_pem_private_key(pem, password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise KeyUnusable("no private key in PEM without a passphrase") from error
        if not isinstance(key, RSAPrivateKey) or key.key_size < KEY_BITS_MIN:
            raise KeyUnusable(f"not RSA of at least {KEY_BITS_MIN} bits")
        self._key = key

    def sign(self, message: bytes) -> bytes:
        """Return the signature of the message."""
        return self._key.sign(message, PKCS1v15(), SHA256())


class RsaVerifier:
    """Verifies with an RSA public key in PEM, bare or inside a certificate."""

    def __init__(self, pem: bytes) -> None:
        try:
            certified = b"BEGIN CERTIFICATE" in pem
            key = load_pem_x509_certificate(pem).public_key() if certified else load_pem_public_key(pem)
        except (ValueError, UnsupportedAlgorithm) as error:
            raise KeyUnusable("neither a public key nor a certificate in PEM") from error
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
