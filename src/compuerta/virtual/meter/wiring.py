"""What a meter's conductors carry, phase by phase, and what it notices of it: status words 1, 2 and 4 to 7.

What hangs behind the meter draws its current whatever the voltage; a phase measures the power of the voltage
and the current that it sees. So a reversed phase counts backwards, and one that sees no current nothing.
"""

from dataclasses import dataclass
from typing import Final

# Parts of the nominal voltage, and between phases; usual settings of Chinese meters, none of them verified.
LOSS_PERCENT: Final = 60  # below it voltage is lost; without current the phase is broken
UNDER_PERCENT: Final = 78
OVER_PERCENT: Final = 120
UNBALANCE_PERCENT: Final = 30  # between the highest and the lowest, as a part of the highest


@dataclass(frozen=True, slots=True, kw_only=True)
class Wiring:
    """How installers, faults and thieves have left one phase, or three; phases count from 0."""

    voltages_dv: tuple[int, ...]
    reversed: frozenset[int] = frozenset()  # phases whose current runs backwards through the meter
    lost: frozenset[int] = frozenset()  # phases whose current the meter does not see
    bypassed_percent: int = 0  # of every phase's current, which goes around the meter


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """What the meter measures on one phase; power and current are negative where they run backwards."""

    voltage_dv: int
    current_ma: int
    power_w: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """What is judged by limits: of all phases together, and of one of them."""

    overloaded: bool
    over_current_ma: int  # 0 = not watched


def phases_of(wiring: Wiring, *, load_w: int, nominal_dv: int) -> tuple[Phase, ...]:
    """Return what each phase measures of a load that is shared evenly."""
    count = len(wiring.voltages_dv)
    seen = []
    for phase, voltage_dv in enumerate(wiring.voltages_dv):
        share_w = load_w // count + (phase < load_w % count)
        share_w = 0 if phase in wiring.lost else share_w * (100 - wiring.bypassed_percent) // 100
        way = -1 if phase in wiring.reversed else 1
        current_ma = way * (share_w * 10_000 // nominal_dv)
        power_w = way * (share_w * voltage_dv // nominal_dv)
        seen.append(Phase(voltage_dv=voltage_dv, current_ma=current_ma, power_w=power_w))
    return tuple(seen)


def neutral_ma(wiring: Wiring, *, load_w: int, nominal_dv: int) -> int:
    """Return the current of the neutral: all of a single phase's, also what goes around the meter."""
    return load_w * 10_000 // nominal_dv if len(wiring.voltages_dv) == 1 else 0


def direction_words(phases: tuple[Phase, ...]) -> tuple[int, int]:
    """Return the bits of words 1 and 2: the direction of all, and of each phase."""
    backwards = sum(one.power_w for one in phases) < 0
    return backwards << 4, sum((one.power_w < 0) << place for place, one in enumerate(phases))


def phase_words(
    phases: tuple[Phase, ...], *, wiring: Wiring, nominal_dv: int, notice: Notice, flows: bool
) -> tuple[int, int, int]:
    """Return words 4, 5 and 6; `flows` says whether anything is drawn."""
    words = []
    for place, one in enumerate(phases):
        is_lost = one.voltage_dv * 100 < LOSS_PERCENT * nominal_dv
        current_ma = abs(one.current_ma)
        words.append(
            (is_lost and current_ma > 0) << 0
            | (not is_lost and one.voltage_dv * 100 < UNDER_PERCENT * nominal_dv) << 1
            | (one.voltage_dv * 100 > OVER_PERCENT * nominal_dv) << 2
            | (flows and place in wiring.lost) << 3
            | (0 < notice.over_current_ma < current_ma) << 4
            | (notice.overloaded and one.power_w > 0) << 5
            | (one.power_w < 0) << 6
            | (is_lost and current_ma == 0) << 7
        )
    a, b, c = (*words, 0, 0)[:3]
    return a, b, c


def unbalance_bits(phases: tuple[Phase, ...], *, neutral_ma: int) -> int:
    """Return bits 2 and 3 of word 7; a single phase is compared with its neutral."""
    currents_ma = [abs(one.current_ma) for one in phases]
    if len(phases) == 1:
        currents_ma.append(neutral_ma)
    voltages_dv = [one.voltage_dv for one in phases]
    return _is_unbalanced(voltages_dv) << 2 | _is_unbalanced(currents_ma) << 3


def _is_unbalanced(values: list[int]) -> bool:
    return (max(values) - min(values)) * 100 > UNBALANCE_PERCENT * max(values)
