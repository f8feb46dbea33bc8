"""What charges are made of: their bill made again from the opening and the uses (promise T3)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

from compuerta.adapters.postgres import tariffs
from compuerta.adapters.postgres.transaction import PostgresTransaction
from compuerta.apps.console import work
from compuerta.domain.party import zone_of
from compuerta.domain.tariff.bill import Bill, bill
from compuerta.domain.tariff.civil import day_start_us, from_us
from compuerta.domain.tariff.explaining import Move, Settled, explain, settle
from compuerta.domain.tariff.packing import unpacked
from compuerta.domain.tariff.schedule import Version, VersionKey
from compuerta.services import charging
from compuerta.services.records import AccountView, Basis, Charge, LoadDay

# A month of readings a quarter of an hour apart, and as many again.
CHARGES_PER_BILL_MAX = 6_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """Charges of one bill that follow each other, with their lines, their rounding and their versions."""

    charges: Sequence[Charge]
    moves: tuple[Move, ...]
    settled: Settled
    versions: Mapping[VersionKey, Version]
    zone: str
    currency: str

    @property
    def charge(self) -> Charge:
        """The last one, or the only one."""
        return self.charges[-1]

    @property
    def since(self) -> datetime:
        """When the use began."""
        return self.charges[0].from_at

    @property
    def bill_before_minor(self) -> int:
        """What the bill came to before."""
        return self.charges[0].bill_before_minor

    @property
    def energy_wh(self) -> int:
        """What was used."""
        return sum(each.to_wh - each.from_wh for each in self.charges)

    @property
    def used(self) -> list[Version]:
        """The versions that the lines are of."""
        return [self.versions[key] for key in dict.fromkeys(move.version for move in self.moves)]

    @property
    def many_periods(self) -> bool:
        """Whether a period's name tells anything."""
        return any(len(each.tariff.energy.periods) > 1 for each in self.used)


def explained(account_id: int, charge_id: UUID, *, now: datetime) -> Explained | None:
    """Return what a charge is made of; None where the account has none such, or one from before tariffs."""
    with work.store() as store, store.transaction() as tx:
        view = tx.look_at([account_id], now=now).get(account_id)
        found = tx.query(
            """select bill_start, read_at from charge
            where account_id = %(account_id)s and charge_id = %(charge_id)s and bill_start is not null""",
            {"account_id": account_id, "charge_id": charge_id},
        )
        if view is None or not found:
            return None
        bill_start, read_at = found[0]["bill_start"], found[0]["read_at"]
        return _made_again(
            tx, view, bill_start, until=read_at, wanted=lambda each: each.charge_id == charge_id
        )


def day(account_id: int, on: date, *, zone: str, now: datetime) -> list[Explained]:
    """Return what a day's charges are made of, bill by bill; one at midnight is of the day before.

    Charges from before tariffs are left out.
    """
    start, end = (from_us(day_start_us(each, zone=zone_of(zone))) for each in (on, on + timedelta(days=1)))
    with work.store() as store, store.transaction() as tx:
        view = tx.look_at([account_id], now=now).get(account_id)
        found = tx.query(
            """select distinct bill_start from charge
            where account_id = %(account_id)s and read_at > %(start)s and read_at <= %(end)s
                and bill_start is not null order by bill_start""",
            {"account_id": account_id, "start": start, "end": end},
        )
        if view is None:
            return []
        bill_starts = [row["bill_start"] for row in found]
        made = [
            _made_again(tx, view, each, until=end, wanted=lambda charge: charge.read_at > start)
            for each in bill_starts
        ]
    return [each for each in made if each is not None]


def open_bill(account_id: int, *, now: datetime) -> tuple[Bill, AccountView] | None:
    """Return an account's bill as it stands; None where nothing was used yet."""
    with work.store() as store, store.transaction() as tx:
        view = tx.look_at([account_id], now=now).get(account_id)
    if view is None or view.schedule is None or not view.holdings.tally:
        return None
    tally = unpacked(view.holdings.tally)
    return bill(tally, schedule=view.schedule, terms=view.terms_at(tally.bill_start)), view


def _made_again(
    tx: PostgresTransaction,
    view: AccountView,
    bill_start: datetime,
    *,
    until: datetime,
    wanted: Callable[[Charge], bool],
) -> Explained | None:
    """Return what the wanted charges of a bill are made of, from its opening up to an instant."""
    charges = _charges(tx, view.account.account_id, bill_start, until=until)
    chosen = [place for place, each in enumerate(charges) if wanted(each)]
    if view.schedule is None or not chosen:
        return None
    values = {"account_id": view.account.account_id, "bill_start": bill_start}
    (begun,) = tx.query(
        "select opening from bill where account_id = %(account_id)s and bill_start = %(bill_start)s", values
    )
    made = list(
        charging.made_again(
            unpacked(begun["opening"]),
            charges,
            schedule=view.schedule,
            terms=view.terms_at(bill_start),
            days=_load_days(tx, charges),
        )
    )
    before, after = made[chosen[0]][0], made[chosen[-1]][1]
    return Explained(
        charges=[charges[place] for place in chosen],
        moves=explain(before, after),
        settled=settle(before, after),
        versions=view.schedule.by_key,
        zone=view.account.zone,
        currency=view.account.currency,
    )


def _charges(
    tx: PostgresTransaction, account_id: int, bill_start: datetime, *, until: datetime
) -> list[Charge]:
    found = tx.query(
        """select account_id, charge_id, meter_id, read_at, from_wh, to_wh, bill_before_minor,
            bill_after_minor, bill_start, from_at, tariff_id, version_no, basis, rates_wh
        from charge
        where account_id = %(account_id)s and bill_start = %(bill_start)s and read_at <= %(until)s
        order by read_at, to_wh limit %(limit)s""",
        {
            "account_id": account_id,
            "bill_start": bill_start,
            "until": until,
            "limit": CHARGES_PER_BILL_MAX,
        },
    )
    return [tariffs.to_charge(row) for row in found]


def _load_days(tx: PostgresTransaction, charges: Sequence[Charge]) -> list[LoadDay]:
    """Return the days that charges by intervals rest on."""
    by_intervals = [each for each in charges if each.basis is Basis.INTERVALS]
    if not by_intervals:
        return []
    since = min(each.from_at for each in by_intervals) - charging.LONGEST_DAY
    until = max(each.read_at for each in by_intervals)
    return tx.load_days({each.meter_id for each in by_intervals}, since=since, until=until)
