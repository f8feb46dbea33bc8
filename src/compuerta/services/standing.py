"""Standing charges in silence: days that passed are charged also where no reading came.

That a day passed is certain; what was used in it is not, and nothing is supposed of it (promise T2). An
account whose billing is held waits for the person who has its case.
"""

from datetime import datetime, timedelta

from compuerta.domain.party import zone_of
from compuerta.domain.tariff.civil import day_of, day_start_us, from_us, to_us
from compuerta.domain.tariff.components import Fixed
from compuerta.domain.tariff.packing import unpacked
from compuerta.services import booking, charging, converging, telling, warning
from compuerta.services.charging import Charged
from compuerta.services.records import AccountView, Holdings, Warned
from compuerta.services.store_port import Store

# Whoever was read within a day is charged by the next reading.
SILENT_FOR = timedelta(days=1)
ACCOUNTS_PER_PAGE = 200


def charge_silent(store: Store, *, after: int, now: datetime) -> int | None:
    """Charge the days up to today of silent accounts, a page of them after an account id.

    Returns after which account the next page begins; None when there is no more. Charging a day again
    charges nothing.
    """
    with store.transaction() as tx:
        silent_since = now - SILENT_FOR
        account_ids = tx.silent_accounts(silent_since=silent_since, after=after, limit=ACCOUNTS_PER_PAGE)
        charged: list[tuple[AccountView, Charged]] = []
        for view in tx.lock_accounts(account_ids, now=now).values():
            made = _days_of(view, now=now)
            if made is not None:
                charged.append((view, made))
        decided = [_warned(view, made, now=now) for view, made in charged]
        warnings = [each for _, said in decided for each in said]
        tx.save_holdings([holdings for holdings, _ in decided])
        booking.book(tx, [posting for _, made in charged for posting in made.postings])
        tx.put_charges([each for _, made in charged for each in made.charges])
        tx.put_warnings(warnings)
        telling.warned(tx, warnings, now=now)
        converging.converge(tx, [view.account.account_id for view, _ in charged], now=now)
    return account_ids[-1] if len(account_ids) == ACCOUNTS_PER_PAGE else None


def _warned(view: AccountView, made: Charged, *, now: datetime) -> tuple[Holdings, list[Warned]]:
    if not warning.is_of_ledger(view):
        return made.holdings, []
    was_minor = view.holdings.delivered_minor
    change = warning.Change(before_minor=was_minor, after_minor=was_minor - made.amount_minor, at=now)
    return warning.decided(view, made.holdings, change)


def _days_of(view: AccountView, *, now: datetime) -> Charged | None:
    """Return what the days of a silent account come to; None where there is nothing to count."""
    if view.schedule is None or view.meter is None or view.holdings.billing_held:
        return None
    tariff = view.schedule.version_at(to_us(now)).tariff
    if not any(isinstance(each, Fixed) for each in tariff.components):
        return None
    zone = zone_of(view.account.zone)
    today = from_us(day_start_us(day_of(to_us(now), zone=zone), zone=zone))
    tally = unpacked(view.holdings.tally)
    if max(tally.until, from_us(tally.accrued_us)) > today:
        return None
    # A day falls due when it begins, as it does for whoever is read in it.
    return charging.charge_days(view, view.holdings, view.meter.meter_id, until=now, now=now)
