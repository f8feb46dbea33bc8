"""The sealed part of a notice: AES-256-GCM under the merchant's APIv3 key."""

import base64
import binascii
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from compuerta.domain.errors import Refused
from compuerta.wire.wechat import fields
from compuerta.wire.wechat.fields import BodyMalformed, JsonObject

ALGORITHM = "AEAD_AES_256_GCM"
KEY_BYTES = 32
NONCE_BYTES = 12
CIPHERTEXT_CHARS_MAX = 65_536  # a notice is bounded to 64 KiB before; a resource cannot be longer


class ApiKeyMalformed(Refused):
    """An APIv3 key that is not 32 bytes."""

    def __init__(self, key_bytes: int) -> None:
        super().__init__(f"the APIv3 key must be {KEY_BYTES} bytes, not {key_bytes}")
        self.key_bytes = key_bytes


class ResourceUnreadable(Refused):
    """A resource that this APIv3 key does not open: another key sealed it, or it was changed."""

    def __init__(self) -> None:
        super().__init__("the resource does not open with the configured APIv3 key")


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """The sealed resource as it travels; `ciphertext` ends with the 16 bytes of the tag."""

    original_type: str
    ciphertext: bytes
    associated: str  # may be empty
    nonce: str  # 12 characters


def seal(plain: bytes, *, key: bytes, nonce: str, original_type: str) -> Resource:
    """Seal a plain text as the provider does."""
    sealed = _cipher(key).encrypt(nonce.encode(), plain, original_type.encode())
    return Resource(original_type=original_type, ciphertext=sealed, associated=original_type, nonce=nonce)


def unseal(resource: Resource, *, key: bytes) -> bytes:
    """Return the plain text of a resource; refuses one that this key did not seal."""
    try:
        return _cipher(key).decrypt(
            resource.nonce.encode(), resource.ciphertext, resource.associated.encode()
        )
    except InvalidTag as error:
        raise ResourceUnreadable from error


def parse_resource(part: JsonObject) -> Resource:
    """Read the `resource` object of a notice."""
    if fields.text(part, "algorithm", chars_max=32) != ALGORITHM:
        raise BodyMalformed("algorithm", f"must be {ALGORITHM}")
    nonce = fields.text(part, "nonce", chars_max=NONCE_BYTES)
    if len(nonce.encode()) != NONCE_BYTES:
        raise BodyMalformed("nonce", f"must be {NONCE_BYTES} bytes")
    try:
        ciphertext = base64.b64decode(
            fields.text(part, "ciphertext", chars_max=CIPHERTEXT_CHARS_MAX), validate=True
        )
    except (binascii.Error, ValueError) as error:
        raise BodyMalformed("ciphertext", "not base64") from error
    return Resource(
        original_type=fields.text_or_empty(part, "original_type", chars_max=32),
        ciphertext=ciphertext,
        associated=fields.text_or_empty(part, "associated_data", chars_max=64),
        nonce=nonce,
    )


def resource_fields(resource: Resource) -> dict[str, object]:
    """Return the `resource` object of a notice, ready to be written."""
    return {
        "original_type": resource.original_type,
        "algorithm": ALGORITHM,
        "ciphertext": base64.b64encode(resource.ciphertext).decode("ascii"),
        "associated_data": resource.associated,
        "nonce": resource.nonce,
    }


def _cipher(key: bytes) -> AESGCM:
    if len(key) != KEY_BYTES:
        raise ApiKeyMalformed(len(key))
    return AESGCM(key)
