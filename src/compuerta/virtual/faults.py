"""What a road or a meter does wrong, as data: drawn once per run, or switched on by an order.

Chances are fractions of one. `mistreat` turns one exchange into what the platform will hear, and when.
"""

from dataclasses import dataclass
from random import Random

from compuerta.virtual.meter.peer import VirtualMeter

LATE_MS = 5_000  # longer than any master waits on a cable: the answer meets the next request


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """Everything that may go wrong between a meter and its platform; nothing by default."""

    loss: float = 0.0  # of answers; the meter has obeyed, and nobody knows
    damage: float = 0.0  # one bit of the answer is flipped
    late_answer: float = 0.0  # the answer comes when nobody waits for it any more
    delay_ms: int = 0  # on every answer
    echo: bool = False  # the converter lets the platform hear itself
    silent: bool = False  # the meter's transmitter is broken
    stuck_relay: bool = False
    clock_offset_s: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """Bytes for the platform, and how much later than usual they come."""

    delay_ms: int
    octets: bytes


def afflict(meter: VirtualMeter, faults: Faults) -> None:
    """Put into a meter what is wrong with the meter itself; the clock is off from now on, and once."""
    meter.silent = faults.silent
    meter.core.set_stuck(faults.stuck_relay)
    if faults.clock_offset_s:
        meter.core.set_clock(meter.core.civil_ms + faults.clock_offset_s * 1_000)


def mistreat(answer: bytes, *, request: bytes, faults: Faults, chance: Random) -> list[Delivery]:
    """Return what the platform hears of an exchange; `answer` may be empty."""
    heard = [Delivery(delay_ms=0, octets=request)] if faults.echo else []
    # Always three draws, so that one fault does not shift the luck of all others in a seeded run.
    is_lost, is_damaged, is_late = (
        chance.random() < fraction for fraction in (faults.loss, faults.damage, faults.late_answer)
    )
    if not answer or is_lost:
        return heard
    octets = _with_a_bit_flipped(answer, chance) if is_damaged else answer
    delay_ms = faults.delay_ms + (LATE_MS if is_late else 0)
    return [*heard, Delivery(delay_ms=delay_ms, octets=octets)]


def garbled(answers: list[bytes]) -> bytes:
    """Return what a bus carries when several meters answer at once: a driven zero wins over a one."""
    longest = max(answers, key=len)
    octets = bytearray(longest)
    for answer in answers:
        for index, octet in enumerate(answer):
            octets[index] &= octet
    return bytes(octets)


def _with_a_bit_flipped(answer: bytes, chance: Random) -> bytes:
    bit = chance.randrange(len(answer) * 8)
    octets = bytearray(answer)
    octets[bit // 8] ^= 1 << bit % 8
    return bytes(octets)
