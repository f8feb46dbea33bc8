"""Who may recharge a meter: the seam between this house and the machine that holds the keys.

A meter with an ESAM believes only what carries a cryptogram made with its own key. That key lives in a
utility's key machine, a vendor's library or an HSM; each of them implements `MacProvider`. `SoftEsam` is the
one that ships: it serves virtual meters, tests and the demonstration, on both sides of the wire.
"""

import hmac
from hashlib import sha256
from typing import Protocol

RAND1_BYTES = 8
RAND2_BYTES = 4
CIPHER_BYTES = 8
MAC_BYTES = 4
MASTER_KEY_BYTES_MIN = 16  # below this a key can be guessed


class MacProvider(Protocol):
    """What a conversation needs from the keeper of the keys."""

    def identity(self, meter_no: str, *, rand1: bytes) -> bytes:
        """Return the 8 byte cryptogram of `rand1` that shows the meter who we are."""
        ...

    def mac(self, meter_no: str, *, rand2: bytes, payload: bytes) -> bytes:
        """Return the 4 byte code that binds `payload` to the meter and to its challenge `rand2`."""
        ...


class SoftEsam:
    """Keys and codes in software, the platform's half and the meter's half.

    Each meter's key is HMAC-SHA256 of the meter number under the master key; codes are truncated HMAC-SHA256.
    Real ESAMs use other ciphers (SM1, 3DES) with keys that never leave the chip: no real meter accepts these
    codes, and for a real meter a key machine or HSM stands behind the same `MacProvider`.
    """

    def __init__(self, master_key: bytes) -> None:
        assert len(master_key) >= MASTER_KEY_BYTES_MIN, "master key is too short to protect money"
        self._master_key = master_key

    def identity(self, meter_no: str, *, rand1: bytes) -> bytes:
        """Return the cryptogram of `rand1`; see `MacProvider`."""
        assert len(rand1) == RAND1_BYTES
        return self._code(meter_no, b"identity", rand1)[:CIPHER_BYTES]

    def mac(self, meter_no: str, *, rand2: bytes, payload: bytes) -> bytes:
        """Return the code over `payload`; see `MacProvider`."""
        assert len(rand2) == RAND2_BYTES
        return self._code(meter_no, b"mac", rand2 + payload)[:MAC_BYTES]

    def identity_holds(self, meter_no: str, *, rand1: bytes, cipher: bytes) -> bool:
        """Tell, as the meter's chip does, whether `cipher` was made by the keeper of its key."""
        return hmac.compare_digest(self.identity(meter_no, rand1=rand1), cipher)

    def mac_holds(self, meter_no: str, *, rand2: bytes, payload: bytes, mac: bytes) -> bool:
        """Tell, as the meter's chip does, whether `mac` belongs to `payload` and to `rand2`."""
        return hmac.compare_digest(self.mac(meter_no, rand2=rand2, payload=payload), mac)

    def _code(self, meter_no: str, purpose: bytes, message: bytes) -> bytes:
        meter_key = hmac.digest(self._master_key, meter_no.encode(), sha256)
        # The purpose is part of what is signed: a code for one use is no code for the other.
        return hmac.digest(meter_key, purpose + b"\x00" + message, sha256)


def purchase_payload(*, amount_minor: int, purchase_no: int) -> bytes:
    """Return what MAC1 covers: amount and count as on the wire (4 + 4 bytes, low byte first)."""
    return amount_minor.to_bytes(4, "little") + purchase_no.to_bytes(4, "little")


def customer_payload(customer_no: str) -> bytes:
    """Return the bytes that MAC2 covers: the 12 digit customer number as on the wire (6 BCD)."""
    return bytes.fromhex(customer_no)[::-1]
