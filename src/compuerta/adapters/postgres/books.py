"""The books as PostgreSQL holds them at one instant, for the promises' checks."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any, TypeVar

from compuerta.adapters.postgres import rows, tariffs
from compuerta.adapters.postgres.alarms import to_alarm
from compuerta.adapters.postgres.corrections import to_correction, to_dispute, to_refund
from compuerta.adapters.postgres.dues import to_debt, to_line
from compuerta.adapters.postgres.freezes import to_day, to_freeze
from compuerta.adapters.postgres.messages import to_message
from compuerta.adapters.postgres.rows import Row
from compuerta.adapters.postgres.store import OPTIONS, PostgresStore
from compuerta.adapters.postgres.transaction import PostgresTransaction
from compuerta.domain.party import Account, AccountKind, Period
from compuerta.domain.policy import Policy, policy_of_texts
from compuerta.domain.supply import HoldKind
from compuerta.services.day_port import AccountDay
from compuerta.services.occupancy_port import Adjustment
from compuerta.services.promises import Books
from compuerta.services.records import (
    BillOpening,
    Case,
    EmergencyCredit,
    Hold,
    Instant,
    Recharge,
    RechargeInstant,
    SupplyChange,
    Warned,
)

Record = TypeVar("Record")

# All statements of one look see the same instant, whoever writes meanwhile.
_ONE_INSTANT = OPTIONS + r" -c default_transaction_isolation=repeatable\ read"

_ACCOUNTS = """
select a.account_id, a.organisation_id, a.site_id, a.kind, a.name, p.name as supply_point, p.building,
    z.currency, z.zone, a.tariff_id, i.meter_id, p.pay_token, a.opened_at, a.closed_at
from account a
join supply_point p using (supply_point_id)
join site z on z.site_id = a.site_id
left join installation i on i.account_id = a.account_id and i.ended_at is null
order by a.account_id
"""
_HOLDINGS = """
select account_id, undelivered_minor, delivered_minor, register_wh, register_at, billed_wh, billing_held,
    register_rates_wh, tally, warned, warned_of, warned_minor
from account_state order by account_id
"""
_CHARGES = """
select account_id, charge_id, meter_id, read_at, from_wh, to_wh, bill_before_minor, bill_after_minor,
    bill_start, from_at, rates_wh, tariff_id, version_no, basis
from charge where bill_start is not null order by account_id, from_wh
"""
_HOLDS = """
select meter_id, hold_id, kind, owner, note, started_at as start, ended_at as "end",
    until_wh, ended_by
from supply_hold order by meter_id, hold_id
"""
_SUPPLY_CHANGES = """
select meter_id, account_id, at, closed, kept, reason, was_closed, was_reason, until, read_at
from supply_change order by meter_id, change_no
"""
_POLICIES = """
select a.account_id, o.policy::text as o_policy, z.policy::text as z_policy, a.policy::text as a_policy
from account a join site z using (site_id) join organisation o on o.organisation_id = a.organisation_id
order by a.account_id
"""
_WARNINGS = """
select account_id, level, value, balance_minor, at, zero_at from warning
where level is not null order by account_id, at, level
"""
_CASES = "select account_id, case_id, kind, detail, opened_at from case_file order by account_id, case_id"


def load(url: str, *, now: datetime) -> Books:
    """Read everything that the promises speak of; raises `Unreachable` while the database is away."""
    store = PostgresStore(url, options=_ONE_INSTANT)
    try:
        with store.transaction() as tx:
            return _books(tx, now=now)
    finally:
        store.shut()


def _books(tx: PostgresTransaction, *, now: datetime) -> Books:
    all_of = partial(_all_of, tx)
    return replace(
        _money(tx),
        accounts=all_of(_ACCOUNTS, _account),
        meters=tuple(tx.meters()),
        charges=all_of(_CHARGES, tariffs.to_charge),
        bills=all_of(
            "select account_id, bill_start, opening as tally from bill order by account_id, bill_start",
            lambda row: BillOpening(**{**row, "tally": tuple(row["tally"])}),
        ),
        load_days=all_of("select * from load_day order by meter_id, starts_at", rows.to_load_day),
        billed_by=tx.billed_by(now=now),
        instructions=all_of(
            "select * from instruction order by meter_id, instruction_id", rows.to_instruction
        ),
        holdings=all_of(_HOLDINGS, rows.to_holdings),
        snapshots=all_of("select * from meter_state order by meter_id", rows.to_snapshot),
        holds=all_of(_HOLDS, lambda row: Hold(**{**row, "kind": HoldKind(row["kind"])})),
        emergencies=all_of(
            "select * from emergency_credit order by account_id, taken_at", lambda row: EmergencyCredit(**row)
        ),
        warnings=all_of(_WARNINGS, lambda row: Warned(**row)),
        alarms=all_of("select * from meter_alarm order by meter_id, alarm_id", to_alarm),
        messages=all_of("select * from message order by message_id", to_message),
        policies=dict(all_of(_POLICIES, _policy)),
        supply_changes=all_of(_SUPPLY_CHANGES, lambda row: SupplyChange(**row)),
        cases=all_of(_CASES, lambda row: Case(**row)),
        site_days=all_of("select * from site_day order by site_id, day", to_day),
        freezes=all_of("select * from meter_freeze order by meter_id, day, version", to_freeze),
        account_days=all_of(
            "select * from account_day order by account_id, day, version", lambda row: AccountDay(**row)
        ),
    )


def _money(tx: PostgresTransaction) -> Books:
    """Read what has come, how it was divided, and what was put right."""
    all_of = partial(_all_of, tx)
    return Books(
        attempts=all_of("select * from attempt order by account_id, attempt_id", rows.to_attempt),
        payments=all_of("select * from payment order by account_id, payment_id", rows.to_payment),
        postings=all_of("select * from posting order by account_id, posting_id", rows.to_posting),
        recharges=all_of(
            "select * from recharge order by account_id, recharge_id", lambda row: Recharge(**row)
        ),
        recharge_lines=all_of(
            "select * from recharge_line order by account_id, recharge_id, line_no", to_line
        ),
        instants=all_of("select * from recharge_instant order by account_id, recharge_id, at", _instant),
        debts=all_of("select * from debt order by account_id, debt_id", to_debt),
        corrections=all_of("select * from correction order by account_id, correction_id", to_correction),
        refunds=all_of("select * from refund order by account_id, refund_id", to_refund),
        disputes=all_of("select * from dispute order by account_id, dispute_id", to_dispute),
        adjustments=all_of(
            "select * from adjustment order by account_id, adjustment_id", lambda row: Adjustment(**row)
        ),
    )


def _all_of(tx: PostgresTransaction, statement: str, build: Callable[[Row], Record]) -> tuple[Record, ...]:
    return tuple(build(row) for row in tx.query(statement, {}))


def _account(row: Row) -> Account:
    kept: dict[str, Any] = {name: row[name] for name in row if name not in ("opened_at", "closed_at")}
    kept["kind"] = AccountKind(kept["kind"])
    return Account(**kept, period=Period(start=row["opened_at"], end=row["closed_at"]))


def _policy(row: Row) -> tuple[int, Policy]:
    return row["account_id"], policy_of_texts(row["o_policy"], row["z_policy"], row["a_policy"])


def _instant(row: Row) -> RechargeInstant:
    return RechargeInstant(**{**row, "instant": Instant(row["instant"])})
