"""What an outpost and the platform say to each other inside TLS: lines, their bytes, orders, records."""

from compuerta.wire.outpost.frames import (
    LINES_MAX,
    NONCE_BYTES,
    PAYLOAD_BYTES_MAX,
    STRANGER_BYTES_MAX,
    Deframer,
    Frame,
    Kind,
    ProtocolError,
    encode,
)
from compuerta.wire.outpost.proving import Proof, parse_proof, proof_of
from compuerta.wire.outpost.stamping import FRESH_MS, is_fresh, stamp, stamped, unstamped

__all__ = [
    "FRESH_MS",
    "LINES_MAX",
    "NONCE_BYTES",
    "PAYLOAD_BYTES_MAX",
    "STRANGER_BYTES_MAX",
    "Deframer",
    "Frame",
    "Kind",
    "Proof",
    "ProtocolError",
    "encode",
    "is_fresh",
    "parse_proof",
    "proof_of",
    "stamp",
    "stamped",
    "unstamped",
]
