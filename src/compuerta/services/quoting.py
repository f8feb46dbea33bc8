"""Quoting: what an amount would come to for an account now, line by line, before any money is taken.

Every screen, the API and the order itself ask here, so that nobody is shown another sum than is taken; and
what is refused is refused here, while the payer still has their money.
"""

from dataclasses import dataclass
from datetime import datetime

from compuerta.domain.division import Debt, Division, PartKind
from compuerta.domain.errors import Refused
from compuerta.domain.money import format_minor, minor_digits
from compuerta.domain.party import AccountKind
from compuerta.domain.tariff.civil import to_us
from compuerta.domain.tariff.inverse import Outcome, energy_for
from compuerta.services import charging, crediting
from compuerta.services.crediting import Owing
from compuerta.services.records import AccountView
from compuerta.services.store_port import Store, Transaction

LEAST_MAJOR = 1  # where no policy says how much a recharge is at least, or at most
MOST_MAJOR = 10_000


class AmountOutOfBounds(Refused):
    """An amount below the smallest or above the largest recharge."""

    def __init__(self, amount_minor: int, *, least_minor: int, most_minor: int, currency: str) -> None:
        least = format_minor(least_minor, currency=currency)
        most = format_minor(most_minor, currency=currency)
        super().__init__(f"a recharge is between {least} and {most} {currency}")
        self.amount_minor = amount_minor
        self.least_minor = least_minor
        self.most_minor = most_minor
        self.currency = currency


class TooMuchHeld(Refused):
    """The account would have more credit than its policy allows."""

    def __init__(self, amount_minor: int, *, room_minor: int, currency: str) -> None:
        room = format_minor(room_minor, currency=currency)
        super().__init__(f"this account may have {room} {currency} more now: pay less, or later")
        self.amount_minor = amount_minor
        self.room_minor = room_minor
        self.currency = currency


class AccountNotRechargeable(Refused):
    """The account is closed, unknown, or has no meter; money taken for it could not be delivered."""

    def __init__(self, account_id: int) -> None:
        super().__init__(f"account {account_id} cannot be recharged: it is closed or has no meter")
        self.account_id = account_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Within which amounts an account may be recharged now."""

    least_minor: int
    most_minor: int
    room_minor: int | None  # for credit, what fees and debts take not counted; None = no limit


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """What an amount comes to: its parts add up to it."""

    account_id: int
    currency: str
    amount_minor: int
    division: Division
    balance_minor: int  # in force and on its way, before
    debts: tuple[Debt, ...]  # that this recharge does not end, as they are after it
    limits: Limits
    tariff: str
    period: str  # of the price in force; empty where there is only one
    energy_wh: int | None  # None where energy costs nothing

    @property
    def balance_after_minor(self) -> int:
        """What is in force and on its way afterwards."""
        return self.balance_minor + self.division.credit_minor

    @property
    def energy_minor(self) -> int:
        """What is left of the amount for energy."""
        return self.division.of(PartKind.ENERGY)


def quote(store: Store, account_id: int, amount_minor: int, *, now: datetime) -> Quote:
    """Return what an amount would come to now; refuses what would not be taken.

    Refusals are `AmountOutOfBounds`, `TooMuchHeld` and `AccountNotRechargeable`. Nothing is locked: what is
    owed may be another amount when the money comes, and the receipt then says so.
    """
    with store.transaction() as tx:
        found = tx.look_at([account_id], now=now).get(account_id)
        view = require_rechargeable(found, account_id)
        owing, division = takeable(tx, view, amount_minor, now=now)
    tariff, period = _price_of(view, now=now)
    return Quote(
        account_id=account_id,
        currency=view.account.currency,
        amount_minor=amount_minor,
        division=division,
        balance_minor=owing.held_minor,
        debts=owing.after(division).debts,
        limits=limits_of(view, owing),
        tariff=tariff,
        period=period,
        energy_wh=energy_bought(view, division.of(PartKind.ENERGY), now=now),
    )


def takeable(
    tx: Transaction, view: AccountView, amount_minor: int, *, now: datetime
) -> tuple[Owing, Division]:
    """Return how an amount would be divided, and what it meets; refuses what would not be taken.

    All of a quote but the energy, which takes as long again as the rest of an order.
    """
    account_id, currency = view.account.account_id, view.account.currency
    owing = crediting.owing_of(tx, {account_id: view}, now=now)[account_id]
    limits = limits_of(view, owing)
    if not limits.least_minor <= amount_minor <= limits.most_minor:
        raise AmountOutOfBounds(
            amount_minor, least_minor=limits.least_minor, most_minor=limits.most_minor, currency=currency
        )
    division = crediting.divided(view, owing, amount_minor, now=now)
    if limits.room_minor is not None and division.credit_minor > limits.room_minor:
        raise TooMuchHeld(amount_minor, room_minor=limits.room_minor, currency=currency)
    return owing, division


def limits_of(view: AccountView, owing: Owing) -> Limits:
    """Return within which amounts an account may be recharged now."""
    policy, unit = view.policy, 10 ** minor_digits(view.account.currency)
    least_minor, most_minor = policy.recharge_least_minor, policy.recharge_most_minor
    return Limits(
        least_minor=LEAST_MAJOR * unit if least_minor is None else least_minor,
        most_minor=MOST_MAJOR * unit if most_minor is None else most_minor,
        room_minor=crediting.room_minor(view, owing),
    )


def is_rechargeable(view: AccountView) -> bool:
    """Tell whether money for an account could be credited."""
    is_open = view.account.period.end is None and view.meter is not None
    return is_open and view.account.kind is AccountKind.CUSTOMER


def require_rechargeable(view: AccountView | None, account_id: int) -> AccountView:
    """Return an account that can be recharged; refuses every other."""
    if view is None or not is_rechargeable(view):
        raise AccountNotRechargeable(account_id)
    return view


def energy_bought(view: AccountView, amount_minor: int, *, now: datetime) -> int | None:
    """Return the watt-hours that credit buys at the price of now; None where energy costs nothing."""
    assert view.schedule is not None, "an account that buys has a tariff"
    tally = charging.tally_of(view, view.holdings)
    bought = energy_for(amount_minor, tally=tally, schedule=view.schedule, terms=view.terms_at(now), at=now)
    return None if bought.outcome is Outcome.UNLIMITED else bought.whole_wh


def _price_of(view: AccountView, *, now: datetime) -> tuple[str, str]:
    assert view.schedule is not None, "an account that buys has a tariff"
    tariff = view.schedule.version_at(to_us(now)).tariff
    periods = tariff.energy.periods
    name = periods[view.schedule.period_at(to_us(now))].name if len(periods) > 1 else ""
    return tariff.name, name
