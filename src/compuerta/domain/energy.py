"""Energy: integers in watt-hours.

Meters count in their own steps (DL/T 645: 0.01 kWh); inside this house energy is always `energy_wh: int`.
"""

from enum import Enum

# A single-phase meter at 100 A and 230 V passes 23 kW; no three-phase supply of ours passes 1 MW.
POWER_W_MAX = 1_000_000


class Delta(Enum):
    """What the way from one register value to the next looks like (promise T2)."""

    PLAUSIBLE = "plausible"
    BACKWARDS = "backwards"
    JUMP = "jump"
    FROM_THE_FUTURE = "from_the_future"


def judge_delta(*, before_wh: int, after_wh: int, elapsed_s: int) -> Delta:
    """Judge a step of a register: it may not run backwards, nor faster than any supply can deliver.

    A register counts in steps of 10 Wh, so one step is allowed at any instant.
    """
    if elapsed_s < 0:
        return Delta.FROM_THE_FUTURE
    if after_wh < before_wh:
        return Delta.BACKWARDS
    if (after_wh - before_wh - 10) * 3600 > POWER_W_MAX * elapsed_s:
        return Delta.JUMP
    return Delta.PLAUSIBLE


def format_kwh(energy_wh: int) -> str:
    """Turn watt-hours into kilowatt-hours with two decimals, rounded down as meters show them."""
    sign = "-" if energy_wh < 0 else ""
    whole, rest = divmod(abs(energy_wh), 1000)
    return f"{sign}{whole}.{rest // 10:02d}"
