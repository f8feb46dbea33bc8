"""Warning: what a balance's change makes an account's levels say.

The rules are `alert`'s; here is what the levels count: money as whoever holds the credit says it, energy by
the tariff, hours by the account's own habits.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from compuerta.domain import alert
from compuerta.domain.forecast import DAYS_MAX, HOURS_PER_DAY, Forecast, Shape
from compuerta.domain.party import CreditAuthority
from compuerta.domain.policy import Level, LevelKind, levels_of
from compuerta.domain.tariff.inverse import ENERGY_WH_MAX, Outcome, energy_for
from compuerta.services import charging, forecasting
from compuerta.services.records import AccountView, Holdings, Warned

_HOURS_MAX = DAYS_MAX * HOURS_PER_DAY


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A balance before and after something; both after all that was credited meanwhile."""

    before_minor: int
    after_minor: int
    at: datetime


def levels(view: AccountView) -> tuple[Level, ...]:
    """Return an account's levels, in the order of their bits."""
    return alert.ordered(levels_of(view.policy, currency=view.account.currency))


def counts_hours(view: AccountView) -> bool:
    """Tell whether any of an account's levels counts the time that is left."""
    return any(level.kind is LevelKind.DAYS for level in levels(view))


def is_of_ledger(view: AccountView) -> bool:
    """Tell whether the balance that warns is that of our books."""
    return view.meter is not None and view.meter.credit_authority is CreditAuthority.PLATFORM


def is_of_meter(view: AccountView) -> bool:
    """Tell whether the balance that warns is the meter's own."""
    return view.meter is not None and view.meter.credit_authority is CreditAuthority.METER


def decided(
    view: AccountView, holdings: Holdings, change: Change, *, shape: Shape | None = None
) -> tuple[Holdings, list[Warned]]:
    """Return what is kept of a change, and the warning that it leads to, if any.

    `holdings` are those after the change. Without a shape, levels in days wait for the next time.
    """
    known, at = levels(view), change.at
    before = _Counted(view, holdings, change.before_minor, at, shape)
    warned = holdings.warned
    if holdings.warned_of != alert.mark(known):
        # Whoever sets levels is not told of those that were passed long ago.
        warned = alert.passed(known, before.values(known))
    elif warned:  # only what has spoken is armed again; most accounts need not be counted twice
        seen = holdings.warned_minor
        recharged = seen is None or change.before_minor > seen
        warned = alert.rearmed(known, before.values(known), warned, recharged=recharged)
    after = _Counted(view, holdings, change.after_minor, at, shape)
    level, warned = alert.crossings(known, after.values(known), warned)
    kept = replace(holdings, warned=warned, warned_of=alert.mark(known), warned_minor=change.after_minor)
    if level is None:
        return kept, []
    zero = after.zero() if level.kind is LevelKind.DAYS else None
    told = Warned(
        account_id=view.account.account_id,
        level=level.key,
        value=after.value(level) or 0,
        balance_minor=change.after_minor,
        at=at,
        zero_at=zero.zero_at if zero else None,
    )
    return kept, [told]


@dataclass(slots=True)
class _Counted:
    """What levels count of one balance; the tariff and the habits are asked only where a level wants them."""

    view: AccountView
    holdings: Holdings
    balance_minor: int
    at: datetime
    shape: Shape | None

    def values(self, known: Sequence[Level]) -> list[int | None]:
        by_kind = {level.kind: None for level in known}
        found = {kind: self._of(kind) for kind in by_kind}
        return [found[level.kind] for level in known]

    def value(self, level: Level) -> int | None:
        return self._of(level.kind)

    def zero(self) -> Forecast | None:
        if self.shape is None or self.view.schedule is None:
            return None
        return forecasting.used_up(
            self.view, self.holdings, self.shape, balance_minor=self.balance_minor, at=self.at
        )

    def _of(self, kind: LevelKind) -> int | None:
        match kind:
            case LevelKind.MONEY:
                return self.balance_minor
            case LevelKind.ENERGY:
                return self._energy_wh()
            case LevelKind.DAYS:
                return self._hours()

    def _energy_wh(self) -> int | None:
        schedule = self.view.schedule
        if schedule is None:
            return None
        tally = charging.tally_of(self.view, self.holdings)
        bought = energy_for(
            max(self.balance_minor, 0),
            tally=tally,
            schedule=schedule,
            terms=self.view.terms_at(tally.bill_start),
            at=self.at,
        )
        return ENERGY_WH_MAX if bought.outcome is Outcome.UNLIMITED else bought.whole_wh

    def _hours(self) -> int | None:
        if self.shape is None or self.view.schedule is None:
            return None
        zero = self.zero()
        return _HOURS_MAX if zero is None else (zero.zero_at - self.at) // timedelta(hours=1)
