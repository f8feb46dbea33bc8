"""Pricing: what an amount comes to for an account now, as the till's page shows it."""

from dataclasses import dataclass
from datetime import datetime

from compuerta.apps.console import work
from compuerta.domain.errors import Refused
from compuerta.services import quoting


@dataclass(frozen=True, slots=True, kw_only=True)
class Priced:
    """The tariff in force and what an amount buys at it."""

    tariff: str
    period: str  # empty where there is only one
    bought_wh: int | None  # None where energy costs nothing


def priced(account_id: int, amount_minor: int, *, now: datetime) -> Priced | None:
    """Return what an amount buys for an account now, once what is owed is settled.

    None where it would be refused: the sale itself says why.
    """
    with work.store() as store:
        try:
            quote = quoting.quote(store, account_id, amount_minor, now=now)
        except Refused:
            return None
    return Priced(tariff=quote.tariff, period=quote.period, bought_wh=quote.energy_wh)
