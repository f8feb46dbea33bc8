"""What a charge is made of: its bill made again from the opening and the uses (promise T3)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from compuerta.adapters.postgres import tariffs
from compuerta.adapters.postgres.transaction import PostgresTransaction
from compuerta.apps.console import work
from compuerta.domain.tariff.bill import Bill, bill
from compuerta.domain.tariff.explaining import Move, Settled, explain, settle
from compuerta.domain.tariff.packing import unpacked
from compuerta.domain.tariff.schedule import Version, VersionKey
from compuerta.services import charging
from compuerta.services.store_port import AccountView, Charge

# A month of readings a quarter of an hour apart, and as many again.
CHARGES_PER_BILL_MAX = 6_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """A charge with its lines, how it was rounded, and the versions that it was made by."""

    charge: Charge
    moves: tuple[Move, ...]
    settled: Settled
    versions: Mapping[VersionKey, Version]
    zone: str
    currency: str

    @property
    def energy_wh(self) -> int:
        """What was used."""
        return self.charge.to_wh - self.charge.from_wh

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
        charges, opening = _bill_until(tx, account_id, charge_id)
    if view is None or view.schedule is None or not charges:
        return None
    terms = view.terms_at(charges[-1].bill_start)
    made = charging.made_again(unpacked(opening), charges, schedule=view.schedule, terms=terms)
    before, after = list(made)[-1]
    return Explained(
        charge=charges[-1],
        moves=explain(before, after),
        settled=settle(before, after),
        versions=view.schedule.by_key,
        zone=view.account.zone,
        currency=view.account.currency,
    )


def open_bill(account_id: int, *, now: datetime) -> tuple[Bill, AccountView] | None:
    """Return an account's bill as it stands; None where nothing was used yet."""
    with work.store() as store, store.transaction() as tx:
        view = tx.look_at([account_id], now=now).get(account_id)
    if view is None or view.schedule is None or not view.holdings.tally:
        return None
    tally = unpacked(view.holdings.tally)
    return bill(tally, schedule=view.schedule, terms=view.terms_at(tally.bill_start)), view


def _bill_until(tx: PostgresTransaction, account_id: int, charge_id: UUID) -> tuple[list[Charge], list[int]]:
    """Return the charges of a bill up to one of them, in order, and how the bill began."""
    values = {"account_id": account_id, "charge_id": charge_id, "limit": CHARGES_PER_BILL_MAX}
    found = tx.query(
        """select c.account_id, c.charge_id, c.meter_id, c.read_at, c.from_wh, c.to_wh, c.bill_before_minor,
            c.bill_after_minor, c.bill_start, c.from_at, c.tariff_id, c.version_no, c.basis, c.rates_wh
        from charge c
        join charge this on this.account_id = c.account_id and this.bill_start = c.bill_start
        where this.account_id = %(account_id)s and this.charge_id = %(charge_id)s
            and (c.read_at, c.to_wh) <= (this.read_at, this.to_wh)
        order by c.read_at, c.to_wh limit %(limit)s""",
        values,
    )
    if not found or found[-1]["charge_id"] != charge_id:
        return [], []
    opening = tx.query(
        """select b.opening from bill b join charge c using (account_id, bill_start)
        where c.account_id = %(account_id)s and c.charge_id = %(charge_id)s""",
        values,
    )
    return [tariffs.to_charge(row) for row in found], opening[0]["opening"]
