"""What both halves of the register table need: rates, entries of rings, and energy as registers count it."""

from typing import Final

from compuerta.wire.dlt645.fields import bcd_to

RATES: Final = 4
FLAT_RATE: Final = 3  # all use is at the flat rate, as long as the price is flat
RATE_ALL: Final = 0xFF
ENTRY_ALL: Final = 0xFF
WH_PER_STEP: Final = 10  # energy registers count 0.01 kWh
BALANCE_MINOR_MAX: Final = 99_999_999  # XXXXXX.XX: more than this no register of the meter could show


def energy_steps(energy_wh: int) -> bytes:
    """Return an energy as XXXXXX.XX kWh; the register rolls over as a real one does."""
    return bcd_to(energy_wh // WH_PER_STEP % 10**8, length=4)


def rates_of(energy_wh: int, rate: int) -> bytes | None:
    """Return the total (0), one rate (1..4) or all five (FF) of an energy; None = no such rate."""
    by_rate = [energy_wh if rate_no in (0, FLAT_RATE) else 0 for rate_no in range(RATES + 1)]
    if rate == RATE_ALL:
        return b"".join(energy_steps(one_wh) for one_wh in by_rate)
    return energy_steps(by_rate[rate]) if rate <= RATES else None
