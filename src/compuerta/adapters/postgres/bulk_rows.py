"""Rows of bulk works: accounts are locked and read as columns, and charges go in by COPY.

Taking registers and closing bills share it; what they do with it is theirs.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

import numpy as np
import psycopg

from compuerta.adapters.postgres import binary
from compuerta.adapters.postgres.binary import copy_in
from compuerta.adapters.postgres.transaction import PostgresTransaction
from compuerta.domain.ledger import PostingKind
from compuerta.domain.policy import Level, LevelKind
from compuerta.domain.supply import Reason
from compuerta.domain.tariff.civil import to_us
from compuerta.domain.tariff.columns import Bools, Int64s
from compuerta.drivers.abilities import Relay
from compuerta.services import warning
from compuerta.services.charge_columns import BASES, CODES, NONE, Charges, Terms, Warnings
from compuerta.services.deducting import RELAYS

_IN_CREDIT, _OUT_OF_CREDIT = 1, 2  # what is wanted of a meter, in the statement below
_PLACE: Final = {relay: place for place, relay in enumerate(RELAYS, start=1)}  # 0 = not known
_CHARGE_BIGINTS = (
    "account_id", "meter_id", "from_wh", "to_wh", "bill_before_minor", "bill_after_minor",
)  # fmt: skip

# As `statements.LOCK_ACCOUNTS` and `LOCK_METERS` lock, in the same order; the rows stay where they are.
_LOCK_ACCOUNTS = """
with locked as (
    select account_id from account_state
    where account_id in (
        select account_id from installation where meter_id = any(%(ids)s) and ended_at is null
    )
    order by account_id for update
) select coalesce(min(account_id), 0) as first, coalesce(max(account_id), 0) as last from locked
"""
_LOCK_METERS = """
with locked as (
    select meter_id from meter_state where meter_id = any(%(ids)s) order by meter_id for update
) select count(*) from locked
"""
# What the accounts of meters have, as arrays, by the length of their tallies.
_STANDING = """
select
    array_agg(l.account_id) as account_id, array_agg(i.meter_id) as meter_id,
    array_agg(coalesce(l.register_wh, 0)) as register_wh,
    array_agg(coalesce(l.register_at, a.opened_at)) as register_at,
    array_agg(l.billed_wh) as billed_wh, array_agg(l.delivered_minor) as delivered_minor,
    array_agg(l.tally) as tally,
    array_agg(l.warned::bigint) as warned, array_agg(l.warned_of::bigint) as warned_of,
    array_agg(coalesce(l.warned_minor, %(none)s)) as warned_minor,
    array_agg(hashtextextended(coalesce(a.policy ->> 'levels', ''), 0)) as levels,
    array_agg(coalesce(t.read_at, a.opened_at)) as read_at,
    array_agg(coalesce(array_position(%(relays)s::text[], t.relay), 0)::bigint) as relay,
    array_agg(coalesce(t.power_w, %(none)s)) as power_w,
    array_agg(case
        when t.differs_since is not null or t.wanted_kept then 0
        when t.wanted_closed and t.wanted_reason = %(in_credit)s then 1
        when not t.wanted_closed and t.wanted_reason = %(out_of_credit)s then 2
        else 0
    end::bigint) as wanted,
    array_agg(a.site_id) as site_id, array_agg(a.tariff_id) as tariff_id,
    array_agg(coalesce(a.persons, 0)::bigint) as persons,
    array_agg(coalesce(a.contracted_w, 0)) as contracted_w
from installation i
join account_state l on l.account_id = i.account_id {of_account_state}
join account a on a.account_id = i.account_id {of_account}
join meter m on m.meter_id = i.meter_id {of_meter}
join meter_state t on t.meter_id = i.meter_id {of_meter_state}
where i.meter_id = any(%(ids)s) and i.ended_at is null
    and m.credit_authority = 'platform' and a.kind = 'customer' and not a.reassigned
    and not l.billing_held and l.tally <> '{{}}' and {also}
group by cardinality(l.tally)
"""
# Row by row through five indexes costs three times as much as reading five short stretches of them, which is
# what a batch's ids are where most meters tell something.
_STRETCHES = {
    "of_account_state": "and l.account_id between %(first)s and %(last)s",
    "of_account": "and a.account_id between %(first)s and %(last)s",
    "of_meter": "and m.meter_id between %(first_meter)s and %(last_meter)s",
    "of_meter_state": "and t.meter_id between %(first_meter)s and %(last_meter)s",
}
_DENSE_MAX = 2  # times as many ids in the stretch as in the batch
_PLANNED = """
select set_config('enable_nestloop', %(by_key)s, true), set_config('enable_mergejoin', %(merging)s, true),
    set_config('work_mem', '64MB', true)
"""
_MERGING = {"by_key": "off", "merging": "on"}
_BY_KEY = {"by_key": "on", "merging": "off"}
# Meters with a hold, or with a switch on its way: whoever decides on their supply has to look.
_WATCHED = """
select meter_id from supply_hold where meter_id between %(first)s and %(last)s
union
select meter_id from instruction
where meter_id between %(first)s and %(last)s and ended_at is null and kind = 'switch'
"""
_RELAY_NAMES: Final = [relay.value for relay in RELAYS]
VALUES: Final = {
    "relays": _RELAY_NAMES,
    "none": NONE,
    "in_credit": Reason.IN_CREDIT.value,
    "out_of_credit": Reason.OUT_OF_CREDIT.value,
}


Cursor = psycopg.Cursor[Any]
Row = dict[str, Any]


def locked(cursor: Cursor, meter_ids: Int64s, *, also: str) -> list[Row]:
    """Lock the accounts of meters, in order, and return what stands in those that fulfil a condition."""
    values = {"ids": meter_ids, **VALUES}
    (found,) = cursor.execute(_LOCK_ACCOUNTS, values).fetchall()
    cursor.execute(_LOCK_METERS, values)
    ends = {"first_meter": int(meter_ids[0]), "last_meter": int(meter_ids[-1])}
    longest = max(found["last"] - found["first"], ends["last_meter"] - ends["first_meter"]) + 1
    if longest > _DENSE_MAX * len(meter_ids):
        scattered = _STANDING.format(also=also, **dict.fromkeys(_STRETCHES, ""))
        return cursor.execute(scattered, values).fetchall()
    cursor.execute(_PLANNED, _MERGING)
    dense = _STANDING.format(also=also, **_STRETCHES)
    rows = cursor.execute(dense, {**values, **found, **ends}).fetchall()
    cursor.execute(_PLANNED, _BY_KEY)
    return rows


def watched(cursor: Cursor, meter_ids: Int64s) -> list[int]:
    """Return the meters on whose supply a hold or an open switch bears."""
    stretch = {"first": int(meter_ids[0]), "last": int(meter_ids[-1])}
    return [row["meter_id"] for row in cursor.execute(_WATCHED, stretch).fetchall()]


def is_settled(*, wanted: Int64s, relay: Int64s, balance_minor: Int64s) -> Bools:
    """Tell which meters have what they should have: nothing is to be decided for them."""
    on = np.isin(relay, [_PLACE[Relay.CLOSED], _PLACE[Relay.PERMITTED]])
    lit = (wanted == _IN_CREDIT) & (balance_minor > 0) & on
    dark = (wanted == _OUT_OF_CREDIT) & (balance_minor <= 0) & (relay == _PLACE[Relay.OPEN])
    settled: Bools = lit | dark
    return settled


def billed_alike(tx: PostgresTransaction, row: Row, *, now: datetime) -> Iterator[tuple[Terms, Int64s]]:
    """Part accounts by what they are billed and warned by; whom energy or hours warn is left out."""
    parts = np.stack([row[name] for name in ("site_id", "tariff_id", "persons", "contracted_w", "levels")])
    _, first, groups = np.unique(parts, axis=1, return_index=True, return_inverse=True)
    account_ids = row["account_id"][first].tolist()
    views = tx.look_at(account_ids, now=now)
    for group, account_id in enumerate(account_ids):
        view = views[account_id]
        assert view.schedule is not None
        levels = warning.levels(view)
        if any(level.kind is not LevelKind.MONEY for level in levels):
            continue
        terms = Terms(
            schedule=view.schedule,
            contract=view.terms_at(now),
            currency=view.account.currency,
            levels=levels,
        )
        yield terms, np.flatnonzero(groups.reshape(-1) == group)


def copy_charges(cursor: Cursor, charges: Charges, *, currency: str, now: datetime) -> None:
    for basis in np.unique(charges.basis).tolist():
        some = charges.at(charges.basis == basis)
        fields = [
            *(binary.bigints(name, getattr(some, name)) for name in _CHARGE_BIGINTS),
            binary.uuids("charge_id", some.charge_id),
            binary.instants("read_at", some.read_at_us),
            binary.instants("from_at", some.from_at_us),
            binary.instants("bill_start", some.bill_start_us),
            binary.bigints("tariff_id", some.version[:, 0]),
            binary.integers("version_no", some.version[:, 1]),
            binary.text("basis", BASES[basis].value),
        ]
        copy_in(cursor, "charge", fields, rows=len(some.account_id))
    _copy_postings(cursor, charges, currency=currency, now=now)


def _copy_postings(cursor: Cursor, charges: Charges, *, currency: str, now: datetime) -> None:
    """Write postings, those with the same lines together."""
    lines = charges.amounts_minor != 0
    patterns = lines @ (1 << np.arange(len(CODES)))
    for pattern in np.unique(patterns[patterns > 0]).tolist():
        some = charges.at(patterns == pattern)
        codes = [at for at in range(len(CODES)) if pattern >> at & 1]
        fields = [
            binary.bigints("account_id", some.account_id),
            binary.uuids("posting_id", some.posting_id),
            binary.text("kind", PostingKind.CHARGE.value),
            binary.text("currency", currency),
            binary.text_array("codes", [CODES[at] for at in codes]),
            binary.bigint_arrays("amounts_minor", some.amounts_minor[:, codes]),
            binary.instants("booked_at", to_us(now)),
            binary.uuids("cause_id", some.charge_id),
        ]
        copy_in(cursor, "posting", fields, rows=len(some.account_id))


def copy_warnings(cursor: Cursor, warnings: Warnings) -> None:
    for level_minor in np.unique(warnings.level_minor).tolist():
        some = warnings.at(warnings.level_minor == level_minor)
        fields = [
            binary.bigints("account_id", some.account_id),
            binary.text("level", Level(kind=LevelKind.MONEY, value=level_minor).key),
            binary.bigints("value", some.balance_minor),
            binary.bigints("balance_minor", some.balance_minor),
            binary.instants("at", some.at_us),
        ]
        copy_in(cursor, "warning", fields, rows=len(some.account_id))
