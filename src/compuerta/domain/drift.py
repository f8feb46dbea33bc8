"""Drift: three figures of one account at one midnight, and what explains that they are not one.

Our books, the meter's own balance, and what registers and tariff come to. A difference is explained by
what is known of the account, the surest first; what nothing explains says so. Nothing is adjusted here.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from fractions import Fraction
from itertools import accumulate
from math import ceil
from typing import Final

from compuerta.domain.money import minor_digits
from compuerta.domain.tariff.bill import WH_PER_KWH
from compuerta.domain.tariff.components import Period

# Ours and the meter's roundings: one each of a bill, and two steps of a register of 10 Wh.
ROUNDINGS_MINOR: Final = 2
STEPS_WH: Final = 20
# No tax and levy on energy is above half of its price.
TAXED_MAX: Final = Fraction(3, 2)
# Amounts that may be on one side alone around midnight; more are not tried, since any sum would fit.
UNDER_WAY_MAX: Final = 6
# A clock that is off by less prices no hour otherwise.
CLOCK_OFF_S_MIN: Final = 60
# Around a price's edge use may be so many times the day's mean.
PEAK: Final = 4
DAY_S: Final = 86_400
_DAY: Final = timedelta(days=1)
_NOTHING: Final = timedelta()

# Use that falls to less than half of its mean is not the weather, if something else says so too.
FELL_SHARE: Final = 2
MEAN_DAYS_MIN: Final = 3
MEAN_WH_MIN: Final = 1_000


class Cause(Enum):
    """What explains a difference."""

    TARIFF_VERSION = "tariff_version"  # the meter runs by other tables than we bill by
    CLOCK = "clock"  # it prices hours otherwise, since its clock is off
    LOST_INSTRUCTION = "lost_instruction"  # the meter has not what it was given
    DOUBLE_CREDIT = "double_credit"  # the meter has something twice
    TAMPER = "tamper"  # it measures less than is used
    UNEXPLAINED = "unexplained"


@dataclass(frozen=True, slots=True, kw_only=True)
class UnderWay:
    """An amount that one side may have without the other just now."""

    amount_minor: int  # by how much the meter may be above our books
    overdue: bool = False  # the meter is heard, and has not taken it for too long


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """A recharge that a meter has by our rows."""

    purchase_no: int
    amount_minor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What is known that may explain why a meter holds other money than our books."""

    gap_minor: int  # the meter's less ours, without what was explained before
    tolerance_minor: int
    under_way: tuple[UnderWay, ...] = ()
    given: tuple[Given, ...] = ()  # by number; the latest last
    meter_no: int | None = None  # the last purchase that the meter counts
    other_version_minor: int | None = None  # the gap that the version makes which the meter was seen to run
    clock_minor_max: int = 0  # the gap that its clock can make


class Verdict(Enum):
    """What a gap is, where it is no drift."""

    AGREES = "agrees"
    IN_FLIGHT = "in_flight"  # explained by what is on its way: no case


def explain(evidence: Evidence) -> Verdict | Cause:
    """Return what explains a gap, the surest first."""
    if _fits(evidence, 0):
        return Verdict.AGREES
    fitting = [some for some in _sums(evidence.under_way) if _fits(evidence, _sum(some))]
    if any(not each.overdue for some in fitting for each in some):
        return Verdict.IN_FLIGHT
    if fitting or _is_lost(evidence):
        return Cause.LOST_INSTRUCTION
    if any(_fits(evidence, each.amount_minor) for each in evidence.given):
        return Cause.DOUBLE_CREDIT
    if evidence.other_version_minor and _fits(evidence, evidence.other_version_minor):
        return Cause.TARIFF_VERSION
    if abs(evidence.gap_minor) <= evidence.clock_minor_max:
        return Cause.CLOCK
    return Cause.UNEXPLAINED


def _fits(evidence: Evidence, amount_minor: int) -> bool:
    return abs(evidence.gap_minor - amount_minor) <= evidence.tolerance_minor


def _sum(some: Iterable[UnderWay]) -> int:
    return sum(each.amount_minor for each in some)


def _sums(under_way: Sequence[UnderWay]) -> list[tuple[UnderWay, ...]]:
    """Return the sets of amounts that may be on one side alone, but for the empty one."""
    found: list[tuple[UnderWay, ...]] = [()]
    for each in under_way[:UNDER_WAY_MAX]:
        found += [(*some, each) for some in found]
    return found[1:]


def _is_lost(evidence: Evidence) -> bool:
    """Tell whether what the meter lacks is what it should have: by its own count, or to the amount."""
    if evidence.gap_minor >= 0:
        return False
    if evidence.meter_no is not None:
        uncounted = sum(each.amount_minor for each in evidence.given if each.purchase_no > evidence.meter_no)
        if uncounted and _fits(evidence, -uncounted):
            return True
    latest = accumulate(each.amount_minor for each in reversed(evidence.given))
    return any(_fits(evidence, -minor) for minor in latest) or any(
        _fits(evidence, -each.amount_minor) for each in evidence.given
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """What a use can cost, in minor units per Wh with all taxes and levies."""

    high: Fraction
    spread: Fraction  # between the dearest and the cheapest time of day


def prices_of(periods: Sequence[Period], *, currency: str) -> Prices:
    """Return what the periods of a tariff can make of a use."""
    ladders = [period.ladder.prices for period in periods]
    steps = range(max(len(prices) for prices in ladders))
    by_step = [[prices[min(step, len(prices) - 1)] for prices in ladders] for step in steps]
    minor = TAXED_MAX * 10 ** minor_digits(currency) / WH_PER_KWH
    spread = max(max(prices) - min(prices) for prices in by_step)
    return Prices(high=max(map(max, ladders)) * minor, spread=spread * minor)


def tolerance_minor(prices: Prices, *, unread_wh: int) -> int:
    """Return by how much figures may differ that agree: roundings, and when unread energy was used."""
    return ROUNDINGS_MINOR + ceil(prices.high * STEPS_WH + prices.spread * unread_wh)


def clock_minor_max(prices: Prices, *, used_wh: int, clock_off_s: int | None, edges: int) -> int:
    """Return the most that a clock can price otherwise, with so many changes of price in the time."""
    if clock_off_s is None or abs(clock_off_s) < CLOCK_OFF_S_MIN:
        return 0
    off_wh = min(Fraction(used_wh * abs(clock_off_s) * PEAK * edges, DAY_S), Fraction(used_wh))
    return ceil(off_wh * prices.spread)


@dataclass(frozen=True, slots=True, kw_only=True)
class DayUse:
    """What a meter measured on a day, and what makes one doubt it."""

    used_wh: int
    before_wh: tuple[int, ...]  # of valid days before, up to seven
    opened: bool = False  # its cover was opened, or it told of a bypass, and nobody has explained it
    unmeasured_wh: int | None = None  # by how much more than usual is lost behind its feeder
    was_off: bool = False  # its relay was open for some of the day

    @property
    def mean_wh(self) -> int:
        """The mean of the days before."""
        return sum(self.before_wh) // max(len(self.before_wh), 1)

    @property
    def missing_wh(self) -> int:
        """By how much the use is below its mean."""
        return max(self.mean_wh - self.used_wh, 0)

    @property
    def fell(self) -> bool:
        """Whether the use fell away, as far as the meter alone can tell."""
        enough = len(self.before_wh) >= MEAN_DAYS_MIN and self.mean_wh >= MEAN_WH_MIN
        return enough and not self.was_off and self.used_wh * FELL_SHARE < self.mean_wh


def is_tampered(use: DayUse) -> bool:
    """Tell whether a use that fell away is measured elsewhere, or the meter was opened: never alone."""
    lost = use.unmeasured_wh is not None and use.unmeasured_wh * FELL_SHARE >= use.missing_wh
    return use.fell and (use.opened or lost)


# Money at risk: what is used where nobody can cut.


@dataclass(frozen=True, slots=True, kw_only=True)
class SilentAccount:
    """An account whose credit we hold, behind an end of a road that is silent."""

    endpoint_id: str
    currency: str
    silent_since: datetime
    day_minor: int  # what a mean day costs
    balance_minor: int  # when it was read last


@dataclass(frozen=True, slots=True, kw_only=True)
class AtRisk:
    """What is used behind a silent end, by estimate, and how much of it nobody has paid for."""

    endpoint_id: str
    currency: str
    accounts: int
    silent_since: datetime
    hour_minor: int
    used_minor: int
    unpaid_minor: int  # beyond what was left, and what was owed already


def at_risk(accounts: Iterable[SilentAccount], *, now: datetime) -> list[AtRisk]:
    """Return the ends whose repair saves most first."""
    behind: dict[tuple[str, str], list[SilentAccount]] = {}
    for each in accounts:
        behind.setdefault((each.endpoint_id, each.currency), []).append(each)
    found = [_at_risk(some, now=now) for some in behind.values()]
    return sorted(found, key=lambda each: (-each.unpaid_minor, -each.hour_minor, each.endpoint_id))


def _at_risk(some: Sequence[SilentAccount], *, now: datetime) -> AtRisk:
    used = [each.day_minor * max(now - each.silent_since, _NOTHING) // _DAY for each in some]
    rests = [each.balance_minor - minor for each, minor in zip(some, used, strict=True)]
    return AtRisk(
        endpoint_id=some[0].endpoint_id,
        currency=some[0].currency,
        accounts=len(some),
        silent_since=min(each.silent_since for each in some),
        hour_minor=sum(each.day_minor for each in some) // 24,
        used_minor=sum(used),
        unpaid_minor=sum(max(-rest, 0) for rest in rests),
    )
