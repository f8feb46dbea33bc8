"""Money to energy: how much an amount buys at this instant.

Nothing is priced here: the bill itself is asked what a use would cost, so that a sale and a bill can never
disagree. Between two break points (the allowance's end, the steps' bounds) cost is a straight line, and two
bills tell it exactly; where it is none, the largest whole Wh is searched for.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from fractions import Fraction

from compuerta.domain.tariff.bill import bill
from compuerta.domain.tariff.civil import to_us
from compuerta.domain.tariff.components import (
    Allocation,
    Percent,
    RoundingPlace,
    Scope,
    Terms,
)
from compuerta.domain.tariff.rating import extend
from compuerta.domain.tariff.schedule import Schedule
from compuerta.domain.tariff.tally import (
    NO_TERMS,
    Amount,
    Span,
    Tally,
    add_here,
    bounds_of,
    steps_window,
)

# A thousand GWh: what no purchase reaches unless energy is free.
ENERGY_WH_MAX = 10**12
_PROBE_WH = 1_000


class Outcome(Enum):
    """What came of turning money into energy."""

    BOUGHT = "bought"
    TOO_LITTLE = "too_little"  # less than one unit
    UNLIMITED = "unlimited"  # energy has no price from here on, and money no end


@dataclass(frozen=True, slots=True, kw_only=True)
class Purchase:
    """What money buys; spent + unspent = the amount. Money is in exact minor units, tax and fees included."""

    outcome: Outcome
    energy_wh: Fraction  # before it is floored; where UNLIMITED, what lies before the price ends
    whole_wh: int  # floored to the unit
    free_wh: int  # how much of it the allowance gives
    spent: Fraction  # for `whole_wh`
    unspent: Fraction


def energy_for(
    amount_minor: int,
    *,
    tally: Tally,
    schedule: Schedule,
    terms: Terms = NO_TERMS,
    at: datetime,
    unit_wh: int = 1,
) -> Purchase:
    """Return the energy that an amount pays for at the price of an instant, on top of what the tally holds.

    Steps, allowance, tax and prices per kWh count; standing charges, demand and minimums are not of energy.
    Where a longer use would be cheaper (slab steps that fall), it ends where the money is first used up.
    """
    assert amount_minor >= 0 and unit_wh > 0, "an amount and a unit to buy are not negative"
    now = Span(start=tally.until, end=max(at, tally.until), energy_wh=0)
    counter = _Counter(extend(tally, now, schedule=schedule, terms=terms).tally, schedule, terms)
    energy_wh, has_end = counter.energy_for(amount_minor)
    whole_wh = int(energy_wh // unit_wh) * unit_wh
    spent = counter.cost(whole_wh)
    bought = Outcome.BOUGHT if whole_wh else Outcome.TOO_LITTLE
    return Purchase(
        outcome=bought if has_end else Outcome.UNLIMITED,
        energy_wh=energy_wh,
        whole_wh=whole_wh,
        free_wh=min(whole_wh, int(counter.free_wh)),
        spent=spent,
        unspent=amount_minor - spent,
    )


class _Counter:
    """Says what energy costs on top of a tally, at the tally's last instant."""

    __slots__ = ("_before", "_period", "_schedule", "_tally", "_tariff", "_terms", "_version", "free_wh")

    def __init__(self, tally: Tally, schedule: Schedule, terms: Terms) -> None:
        self._tally = tally
        self._schedule = schedule
        self._terms = terms
        self._version = schedule.by_key[tally.segments[-1].version]
        self._tariff = self._version.tariff
        self._period = schedule.period_at(to_us(tally.until))
        self._before = bill(tally, schedule=schedule, terms=terms).exact
        allowance = self._tariff.allowance
        self.free_wh = max(allowance.energy_wh - tally.free_used_wh, 0) if allowance else 0

    def cost(self, energy_wh: Amount) -> Fraction:
        """Return what so much more energy costs, in exact minor units."""
        after = add_here(self._tally, energy_wh, schedule=self._schedule, terms=self._terms)
        return bill(after, schedule=self._schedule, terms=self._terms).exact - self._before

    def energy_for(self, amount_minor: int) -> tuple[Fraction, bool]:
        """Return the energy after which the amount is first used up; False = it never is from there on."""
        find = self._on_line if self._is_linear() else self._by_search
        lower: Amount = 0
        for upper in self._breaks():
            found = find(amount_minor, lower, upper)
            if found is not None:
                return Fraction(found), True
            lower = upper
        found = find(amount_minor, lower, None)
        return Fraction(lower if found is None else found), found is not None

    def _is_linear(self) -> bool:
        steps = self._tariff.energy.steps
        taxed = any(isinstance(each, Percent) for each in self._tariff.components)
        on_exact = self._tariff.rounding.place in (RoundingPlace.GROSS, RoundingPlace.RUNNING)
        return steps.allocation is not Allocation.PROPORTIONAL and (on_exact or not taxed)

    def _breaks(self) -> list[Amount]:
        """Return where the price may change, counted from here; that it does not does no harm."""
        tally, steps = self._tally, self._tariff.energy.steps
        bounds = bounds_of(
            tally.segments[-1],
            schedule=self._schedule,
            terms=self._terms,
            window=steps_window(self._tariff, tally.until_us, schedule=self._schedule),
            opened_us=tally.opened_us,
        )
        total = tally.totals[self._period if steps.scope is Scope.PERIOD else 0]
        ahead = [bound - total for bound in bounds[self._period]]
        breaks = {self.free_wh, *ahead, *(each + self.free_wh for each in ahead)}
        return sorted(each for each in breaks if each > 0)

    def _on_line(self, amount_minor: int, lower: Amount, upper: Amount | None) -> Amount | None:
        """Find the crossing on the straight line over (lower, upper]; a jump may lie at its beginning."""
        far = lower + _PROBE_WH if upper is None else upper
        half = Fraction(far - lower) / 2
        at_far = self.cost(far)
        price = (at_far - self.cost(lower + half)) / half
        begin = at_far - price * (far - lower)
        if begin > amount_minor:
            return lower
        if at_far <= amount_minor and (upper is not None or price <= 0):
            return None
        return lower + (amount_minor - begin) / price

    def _by_search(self, amount_minor: int, lower: Amount, upper: Amount | None) -> Amount | None:
        """Find the largest whole Wh in (lower, upper] that the amount pays for, where cost rises."""
        paid = int(lower)
        if upper is not None:
            beyond = int(upper)
        else:
            beyond = paid + _PROBE_WH
            while self.cost(beyond) <= amount_minor and beyond < ENERGY_WH_MAX:
                beyond *= 2
        if beyond <= paid or self.cost(beyond) <= amount_minor:
            return None
        while beyond - paid > 1:
            middle = (paid + beyond) // 2
            if self.cost(middle) <= amount_minor:
                paid = middle
            else:
                beyond = middle
        return paid
