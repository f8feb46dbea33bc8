"""As of: what we believed of an account at an instant, and what we know of that instant now.

What we believed rests on what was booked, read, decided and known by then; what came later about it stands
beside it. Nothing is guessed: what nobody had told by then is not known (promise T2).
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from fractions import Fraction

from compuerta.domain.errors import Refused
from compuerta.domain.ledger import DEBT, DELIVERED, UNDELIVERED
from compuerta.domain.party import AccountKind
from compuerta.domain.tariff.civil import to_us
from compuerta.drivers.abilities import Relay
from compuerta.services.freeze_port import Freeze
from compuerta.services.history_port import CodeSum, Fitted, Pending, Tenancy
from compuerta.services.local_instants import instant_of
from compuerta.services.records import AccountView, Hold, Reading, SupplyChange
from compuerta.services.resident_statements import AccountUnknown
from compuerta.services.store_port import Store, Transaction

_INSTANT = timedelta(microseconds=1)  # the shortest time that is told apart: what is booked at it is in


class InstantAhead(Refused):
    """Nobody knows what will be."""

    def __init__(self, at: datetime, *, now: datetime) -> None:
        super().__init__(f"{at.isoformat()} lies ahead; choose an instant up to {now.isoformat()}")
        self.at = at


class Standing(Enum):
    """Whether an account existed."""

    NOT_YET = "not_yet"
    OPEN = "open"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Books:
    """What the ledger said then, and what was booked later although it was of before."""

    delivered_minor: int
    undelivered_minor: int
    debt_minor: int
    recharged_later_minor: int  # paid by then
    charged_later_minor: int  # read by then; less than nothing

    @property
    def balance_minor(self) -> int:
        """What we believed: the credit in force and on its way."""
        return self.delivered_minor + self.undelivered_minor

    @property
    def known_now_minor(self) -> int:
        """What we know now that it was."""
        return self.balance_minor + self.recharged_later_minor + self.charged_later_minor


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What the meter had told by then, each with the instant of its reading."""

    register_wh: int | None = None
    register_at: datetime | None = None
    balance_minor: int | None = None
    balance_at: datetime | None = None
    relay: Relay | None = None
    relay_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Priced:
    """The tariff that holds for an instant, and the prices of its period."""

    tariff: str
    tariff_id: int
    version_no: int
    decided_at: datetime | None
    was_decided: bool  # by then; otherwise it was decided later, for before
    period: str
    prices: tuple[Fraction, ...]  # for a kWh, step by step
    bounds_wh: tuple[int, ...]  # where a step ends


@dataclass(frozen=True, slots=True, kw_only=True)
class AsOf:
    """An account at an instant."""

    at: datetime
    tenancy: Tenancy
    standing: Standing
    occupant: Tenancy | None  # whose the place was: perhaps another than the account's party
    meter: Fitted | None
    books: Books
    told: Told
    decision: SupplyChange | None
    priced: Priced | None
    holds: tuple[Hold, ...]
    pending: tuple[Pending, ...]
    frozen_then: Freeze | None  # the last freeze before, as it was known then ...
    frozen_now: Freeze | None  # ... and as it is known now


def as_of(store: Store, account_id: int, *, at: datetime, now: datetime) -> AsOf:
    """Return an account as of an instant; raises `InstantAhead`, or `AccountUnknown`.

    Of an instant before the account existed it says that, and who lived there.
    """
    if at > now:
        raise InstantAhead(at, now=now)
    with store.transaction() as tx:
        tenancy = tx.histories.tenancy(account_id)
        if tenancy is None:
            raise AccountUnknown(account_id)
        fitted = tx.histories.fitted([account_id], since=at, until=at + _INSTANT)
        meter = fitted[0] if fitted else None
        view = tx.look_at([account_id], now=now)[account_id]
        return AsOf(
            at=at,
            tenancy=tenancy,
            standing=_standing(tenancy, at),
            occupant=_occupant(tx, tenancy, at),
            meter=meter,
            books=_books(tx, account_id, at),
            told=Told() if meter is None else _told(tx, meter, at),
            decision=tx.histories.decided(account_id, at=at),
            priced=_priced(tx, view, at) if _standing(tenancy, at) is Standing.OPEN else None,
            holds=() if meter is None else tuple(tx.holds_of([meter.meter_id], at=at)),
            pending=tuple(tx.histories.pending(account_id, at=at)),
            frozen_then=None if meter is None else _frozen(tx, meter, at=at, known_by=at),
            frozen_now=None if meter is None else _frozen(tx, meter, at=at, known_by=now),
        )


def instant_at(store: Store, account_id: int, text: str, *, turn: int | None = None) -> datetime:
    """Return the instant that somebody wrote by the clock of an account's site; see `local_instants`."""
    with store.transaction() as tx:
        tenancy = tx.histories.tenancy(account_id)
    if tenancy is None:
        raise AccountUnknown(account_id)
    return instant_of(text, zone=tenancy.zone, turn=turn)


def _standing(tenancy: Tenancy, at: datetime) -> Standing:
    if at < tenancy.opened_at:
        return Standing.NOT_YET
    return Standing.OPEN if tenancy.closed_at is None or at < tenancy.closed_at else Standing.CLOSED


def _occupant(tx: Transaction, tenancy: Tenancy, at: datetime) -> Tenancy | None:
    there = tx.histories.tenancies([tenancy.site_id], since=at, until=at + _INSTANT)
    customers = (each for each in there if each.kind is AccountKind.CUSTOMER)
    return next((each for each in customers if each.where == tenancy.where), None)


def _books(tx: Transaction, account_id: int, at: datetime) -> Books:
    sums = tx.histories.sums([account_id], until=at + _INSTANT)
    recharged_minor, charged_minor = tx.histories.learnt_later(account_id, at=at)
    return Books(
        delivered_minor=-_under(sums, DELIVERED),
        undelivered_minor=-_under(sums, UNDELIVERED),
        debt_minor=_under(sums, DEBT),
        recharged_later_minor=recharged_minor,
        charged_later_minor=charged_minor,
    )


def _under(sums: list[CodeSum], code: str) -> int:
    return sum(each.amount_minor for each in sums if each.code == code)


def _told(tx: Transaction, meter: Fitted, at: datetime) -> Told:
    """What a meter told before it measured for this account is of somebody else."""
    readings = [each for each in tx.histories.last_told(meter.meter_id, at=at) if each.at >= meter.started_at]
    register, balance, relay = (
        next((each for each in readings if getattr(each, name) is not None), None)
        for name in ("energy_wh", "balance_minor", "relay")
    )
    return Told(
        register_wh=None if register is None else register.energy_wh,
        register_at=_at(register),
        balance_minor=None if balance is None else balance.balance_minor,
        balance_at=_at(balance),
        relay=None if relay is None else relay.relay,
        relay_at=_at(relay),
    )


def _at(reading: Reading | None) -> datetime | None:
    return None if reading is None else reading.at


def _frozen(tx: Transaction, meter: Fitted, *, at: datetime, known_by: datetime) -> Freeze | None:
    found = tx.histories.frozen(meter.meter_id, at=at, known_by=known_by)
    return found if found is not None and found.account_id == meter.account_id else None


def _priced(tx: Transaction, view: AccountView, at: datetime) -> Priced | None:
    if view.schedule is None:
        return None
    version = view.schedule.version_at(to_us(at))
    kept = next(each for each in tx.versions([version.tariff_id]) if each.version.key == version.key)
    period = version.tariff.energy.periods[view.schedule.period_at(to_us(at))]
    return Priced(
        tariff=version.tariff.name,
        tariff_id=version.tariff_id,
        version_no=version.version_no,
        decided_at=kept.decided_at,
        was_decided=kept.decided_at is not None and kept.decided_at <= at,
        period=period.name,
        prices=period.ladder.prices,
        bounds_wh=period.ladder.bounds,
    )
