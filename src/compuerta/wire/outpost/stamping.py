"""How old bytes for a line are, told by one clock alone: the outpost's.

A connection may stand still for a while and then deliver all at once. A cut that was said half a minute ago
must not be heard now: the account may have been recharged, and lit by another road, meanwhile. So the
platform stamps what it says with the last tick that it had from the outpost.
"""

from typing import Final

from compuerta.wire.outpost.frames import ProtocolError

STAMP_BYTES: Final = 8
# Two ticks and a slow network; a driver's patience on a bus is shorter.
FRESH_MS: Final = 6_000


def stamp(tick_ms: int) -> bytes:
    """Return a tick as bytes."""
    return tick_ms.to_bytes(STAMP_BYTES)


def stamped(octets: bytes, *, tick_ms: int) -> bytes:
    """Return the payload of a SAY frame."""
    return stamp(tick_ms) + octets


def unstamped(payload: bytes) -> tuple[int, bytes]:
    """Return the tick and the bytes behind it; raises `ProtocolError`."""
    if len(payload) < STAMP_BYTES:
        raise ProtocolError("bytes without a stamp")
    return int.from_bytes(payload[:STAMP_BYTES]), payload[STAMP_BYTES:]


def is_fresh(tick_ms: int, *, now_ms: int) -> bool:
    """Tell whether what was said after a tick may still be put on a line."""
    return 0 <= now_ms - tick_ms <= FRESH_MS
