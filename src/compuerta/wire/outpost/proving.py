"""How an outpost shows that it has its key: it signs a nonce of the platform, which is used once.

What is signed also names the platform's certificate: a proof that somebody coaxed out of an outpost with
another certificate is worth nothing here.
"""

import hmac
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from compuerta.wire.outpost.frames import NONCE_BYTES, ProtocolError

_NAME_BYTES_MAX: Final = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """Who an outpost says it is, with the code that shows it."""

    outpost_id: str
    code: bytes

    def encoded(self) -> bytes:
        """Return the payload of a PROOF frame."""
        return self.code + self.outpost_id.encode("ascii")


def parse_proof(payload: bytes) -> Proof:
    """Read the payload of a PROOF frame; raises `ProtocolError`."""
    code, name = payload[:NONCE_BYTES], payload[NONCE_BYTES:]
    if not 0 < len(name) <= _NAME_BYTES_MAX or not name.isascii() or not name.decode("ascii").isprintable():
        raise ProtocolError("a proof without a name")
    return Proof(outpost_id=name.decode("ascii"), code=code)


def proof_of(outpost_id: str, *, key: bytes, nonce: bytes, certificate: bytes) -> Proof:
    """Return the proof for a nonce of the platform; `certificate` is the platform's, in DER."""
    assert len(nonce) == NONCE_BYTES, "a nonce is long enough to come once"
    said = b"outpost\x00" + nonce + sha256(certificate).digest() + outpost_id.encode("ascii")
    return Proof(outpost_id=outpost_id, code=hmac.digest(key, said, sha256))
