"""Keys for both sides of a simulated Alipay: real RSA with certificates, or cheap in virtual time.

Making RSA keys takes a fifth of a second and fresh entropy, so a key set is made once and passed around.
"""

import hashlib
import hmac
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from cryptography.x509.oid import NameOID

from compuerta.domain.errors import Refused
from compuerta.wire.alipay.keys import (
    KEY_BITS_MIN,
    KeyRing,
    RsaSigner,
    RsaVerifier,
    Signer,
    Verifier,
    certificate_sn,
    root_sn,
)

CERTIFICATE_DAYS = 5 * 365


class KeysIncomplete(Refused):
    """A directory that holds some keys of a set but not all of them."""

    def __init__(self, directory: Path) -> None:
        super().__init__(f"{directory} holds part of a key set; empty it, or name another directory")
        self.directory = directory


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayKeys:
    """What Alipay holds: its own signer, the merchant's public half, and what certificates are called."""

    signer: Signer
    merchant: Verifier
    alipay_cert_sn: str
    app_cert_sn: str
    root_cert_sn: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KeySet:
    """All keys of one simulated app, as PEM; nothing of it is worth hiding from anybody."""

    app_key: bytes
    app_public: bytes
    app_certificate: bytes
    alipay_key: bytes
    alipay_public: bytes
    alipay_certificate: bytes
    root_certificates: bytes

    def gateway(self) -> GatewayKeys:
        """Return Alipay's side of this set."""
        return GatewayKeys(
            signer=RsaSigner(self.alipay_key),
            merchant=RsaVerifier(self.app_certificate),
            alipay_cert_sn=certificate_sn(self.alipay_certificate),
            app_cert_sn=certificate_sn(self.app_certificate),
            root_cert_sn=root_sn(self.root_certificates),
        )


def make_keys(*, now: datetime) -> KeySet:
    """Make a fresh key set whose certificates are valid from the day before `now`."""
    root, app, alipay = (_rsa_key() for _ in range(3))
    other_root = ec.generate_private_key(ec.SECP256R1())  # as in Alipay's own file, not all roots are RSA
    return KeySet(
        app_key=_private_pem(app),
        app_public=_public_pem(app),
        app_certificate=_certificate(app, name="simulated app", issuer=root, now=now),
        alipay_key=_private_pem(alipay),
        alipay_public=_public_pem(alipay),
        alipay_certificate=_certificate(alipay, name="simulated Alipay", issuer=root, now=now),
        root_certificates=b"\n".join(
            _certificate(key, name="simulated root", issuer=key, now=now) for key in (root, other_root)
        ),
    )


def keys_in(directory: Path, *, now: datetime) -> KeySet:
    """Return the key set that a directory holds; makes one, readable by its owner only, where it is empty."""
    paths = {field.name: directory / f"{field.name}.pem" for field in fields(KeySet)}
    present = [path for path in paths.values() if path.exists()]
    if not present:
        keys = make_keys(now=now)
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name, path in paths.items():
            path.touch(mode=0o600)
            path.write_bytes(getattr(keys, name))
        return keys
    if len(present) != len(paths):
        raise KeysIncomplete(directory)
    return KeySet(**{name: path.read_bytes() for name, path in paths.items()})


class SharedSecret:
    """Signs and verifies by HMAC: a thousandth of the time of RSA, for runs in virtual time only."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def sign(self, message: bytes) -> bytes:
        return hmac.digest(self._secret, message, hashlib.sha256)

    def is_genuine(self, signature: bytes, *, message: bytes) -> bool:
        return hmac.compare_digest(signature, self.sign(message))


def cheap_keys() -> tuple[GatewayKeys, KeyRing]:
    """Return both sides' keys for a run in virtual time: the same every time, and secret to nobody."""
    app, alipay = SharedSecret(b"app"), SharedSecret(b"alipay")
    gateway = GatewayKeys(signer=alipay, merchant=app, alipay_cert_sn="", app_cert_sn="", root_cert_sn="")
    return gateway, KeyRing(signer=app, verifiers={"": alipay})


def _rsa_key() -> RSAPrivateKey:
    return generate_private_key(public_exponent=65537, key_size=KEY_BITS_MIN)


def _private_pem(key: RSAPrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _public_pem(key: RSAPrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def _certificate(
    key: RSAPrivateKey | ec.EllipticCurvePrivateKey,
    *,
    name: str,
    issuer: RSAPrivateKey | ec.EllipticCurvePrivateKey,
    now: datetime,
) -> bytes:
    certificate = (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(_name("simulated root"))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=CERTIFICATE_DAYS))
        .sign(issuer, SHA256())
    )
    return certificate.public_bytes(Encoding.PEM)


def _name(name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "CN"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Simulation"),
            x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, "Certification Authority"),
            x509.NameAttribute(NameOID.COMMON_NAME, name),
        ]
    )
