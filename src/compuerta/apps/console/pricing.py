"""Pricing: what an amount buys for an account now, by its own open bill."""

from dataclasses import dataclass
from datetime import datetime

from compuerta.apps.console import work
from compuerta.domain.tariff.civil import to_us
from compuerta.domain.tariff.inverse import Outcome, divide, energy_for
from compuerta.services import charging


@dataclass(frozen=True, slots=True, kw_only=True)
class Priced:
    """The tariff in force and what an amount buys at it."""

    tariff: str
    period: str  # empty where there is only one
    bought_wh: int | None  # None where energy costs nothing


def priced(account_id: int, amount_minor: int, *, now: datetime) -> Priced | None:
    """Return what an amount buys for an account now, once what is owed is settled.

    None for accounts that buy nothing.
    """
    with work.store() as store, store.transaction() as tx:
        view = tx.look_at([account_id], now=now).get(account_id)
    if view is None or view.schedule is None:
        return None
    tally = charging.tally_of(view, view.holdings)
    overdrawn_minor = max(-view.balance_minor, 0)
    division = divide(amount_minor, emergency_minor=overdrawn_minor, debt_minor=0, recovery=None)
    bought = energy_for(
        division.credit_minor, tally=tally, schedule=view.schedule, terms=view.terms_at(now), at=now
    )
    tariff = view.schedule.version_at(to_us(now)).tariff
    periods = tariff.energy.periods
    at = view.schedule.period_at(to_us(now))
    return Priced(
        tariff=tariff.name,
        period=periods[at].name if len(periods) > 1 else "",
        bought_wh=None if bought.outcome is Outcome.UNLIMITED else bought.whole_wh,
    )
