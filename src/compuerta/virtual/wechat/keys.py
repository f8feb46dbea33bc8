"""Keys for both sides of a simulated WeChat Pay: real RSA in memory or in files, or cheap in virtual time.

Making RSA keys takes a fifth of a second and fresh entropy, so a key set is made once and passed around.
"""

import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
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
from compuerta.wire.wechat.keys import KEY_BITS_MIN, KeyRing, RsaSigner, RsaVerifier, Signer, Verifier

CERTIFICATE_DAYS = 5 * 365  # as the provider's own
_PARTS = (
    "merchant_key.pem",
    "merchant_certificate.pem",
    "platform_key.pem",
    "platform_public_key.pem",
    "certified_key.pem",
    "platform_certificate.pem",
)
_NAMES = "names.json"


class KeysIncomplete(Refused):
    """A directory that holds some keys of a set but not all of them."""

    def __init__(self, directory: Path) -> None:
        super().__init__(f"{directory} holds part of a key set; empty it, or name another directory")
        self.directory = directory


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderKeys:
    """What the provider holds: its two signing keys by serial number, and the merchant's public half."""

    signers: Mapping[str, Signer]
    public_key_id: str
    certificate_serial: str
    merchant: Verifier
    merchant_serial: str
    api_key: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class KeySet:
    """All keys of one simulated merchant account, as PEM; nothing of it is worth hiding from anybody."""

    merchant_key_pem: bytes
    merchant_certificate_pem: bytes
    platform_key_pem: bytes
    platform_public_key_pem: bytes
    certified_key_pem: bytes
    platform_certificate_pem: bytes
    public_key_id: str
    api_key: bytes

    @property
    def merchant_serial(self) -> str:
        return _serial(self.merchant_certificate_pem)

    @property
    def certificate_serial(self) -> str:
        return _serial(self.platform_certificate_pem)

    @property
    def platform_pems(self) -> dict[str, bytes]:
        """What a merchant configures: both kinds of keys by serial number."""
        return {
            self.public_key_id: self.platform_public_key_pem,
            self.certificate_serial: self.platform_certificate_pem,
        }

    def provider(self) -> ProviderKeys:
        """Return the provider's side of this set."""
        return ProviderKeys(
            signers={
                self.public_key_id: RsaSigner(self.platform_key_pem),
                self.certificate_serial: RsaSigner(self.certified_key_pem),
            },
            public_key_id=self.public_key_id,
            certificate_serial=self.certificate_serial,
            merchant=RsaVerifier(self.merchant_certificate_pem),
            merchant_serial=self.merchant_serial,
            api_key=self.api_key,
        )


def make_keys(*, now: datetime) -> KeySet:
    """Make a fresh key set whose certificates are valid from the day before `now`."""
    merchant, platform, certified = (_make_key() for _ in range(3))
    return KeySet(
        merchant_key_pem=_private_pem(merchant),
        merchant_certificate_pem=_certificate_pem(merchant, name="simulated merchant", now=now),
        platform_key_pem=_private_pem(platform),
        platform_public_key_pem=platform.public_key().public_bytes(
            Encoding.PEM, PublicFormat.SubjectPublicKeyInfo
        ),
        certified_key_pem=_private_pem(certified),
        platform_certificate_pem=_certificate_pem(certified, name="simulated platform", now=now),
        public_key_id=f"PUB_KEY_ID_{secrets.randbelow(10**28):028d}",
        api_key=secrets.token_hex(16).encode(),
    )


def keys_in(directory: Path, *, now: datetime) -> KeySet:
    """Return the key set that a directory holds; makes one, readable by its owner only, where it is empty."""
    present = [part for part in (*_PARTS, _NAMES) if (directory / part).exists()]
    if not present:
        keys = make_keys(now=now)
        _write_keys(keys, directory)
        return keys
    if len(present) != len(_PARTS) + 1:
        raise KeysIncomplete(directory)
    return _read_keys(directory)


class SharedSecret:
    """Signs and verifies by HMAC: a thousandth of the time of RSA, for runs in virtual time only."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def sign(self, message: bytes) -> bytes:
        return hmac.digest(self._secret, message, hashlib.sha256)

    def is_genuine(self, signature: bytes, *, message: bytes) -> bool:
        return hmac.compare_digest(signature, self.sign(message))


def cheap_keys() -> tuple[ProviderKeys, KeyRing]:
    """Return both sides' keys for a run in virtual time: the same every time, and secret to nobody."""
    merchant = SharedSecret(b"merchant")
    platform = {"PUB_KEY_ID_CHEAP": SharedSecret(b"platform"), "CE47": SharedSecret(b"certified")}
    provider = ProviderKeys(
        signers=platform,
        public_key_id="PUB_KEY_ID_CHEAP",
        certificate_serial="CE47",
        merchant=merchant,
        merchant_serial="3E5C",
        api_key=b"0123456789abcdef0123456789abcdef",
    )
    return provider, KeyRing(signer=merchant, verifiers=platform)


def _write_keys(keys: KeySet, directory: Path) -> None:
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    names = {"public_key_id": keys.public_key_id, "api_key": keys.api_key.decode("ascii")}
    contents = {part: _pem(keys, part) for part in _PARTS} | {_NAMES: json.dumps(names).encode()}
    for part, content in contents.items():
        path = directory / part
        path.touch(mode=0o600)
        path.write_bytes(content)


def _read_keys(directory: Path) -> KeySet:
    names = json.loads((directory / _NAMES).read_bytes())
    merchant, merchant_certificate, platform, public, certified, certificate = (
        (directory / part).read_bytes() for part in _PARTS
    )
    return KeySet(
        merchant_key_pem=merchant,
        merchant_certificate_pem=merchant_certificate,
        platform_key_pem=platform,
        platform_public_key_pem=public,
        certified_key_pem=certified,
        platform_certificate_pem=certificate,
        public_key_id=str(names["public_key_id"]),
        api_key=str(names["api_key"]).encode(),
    )


def _pem(keys: KeySet, part: str) -> bytes:
    pem = getattr(keys, part.replace(".pem", "_pem"))
    assert isinstance(pem, bytes)
    return pem


def _make_key() -> RSAPrivateKey:
    return generate_private_key(public_exponent=65537, key_size=KEY_BITS_MIN)


def _private_pem(key: RSAPrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _certificate_pem(key: RSAPrivateKey, *, name: str, now: datetime) -> bytes:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=CERTIFICATE_DAYS))
        .sign(key, SHA256())
    )
    return certificate.public_bytes(Encoding.PEM)


def _serial(certificate_pem: bytes) -> str:
    return f"{x509.load_pem_x509_certificate(certificate_pem).serial_number:X}"
