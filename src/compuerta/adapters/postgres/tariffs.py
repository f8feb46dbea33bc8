"""Tariffs in PostgreSQL: versions as documents, and by what an account is billed."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from compuerta.adapters.postgres import rows
from compuerta.adapters.postgres.rows import Asked, Row
from compuerta.domain.tariff import document
from compuerta.domain.tariff.components import Terms
from compuerta.domain.tariff.schedule import Agreed, Version
from compuerta.services.facts import BilledBy
from compuerta.services.records import (
    Assignment,
    Basis,
    Charge,
    LoadDay,
    TariffEntry,
    TariffVersion,
    VersionState,
)
from compuerta.services.schedules import Billing, Schedules

_KEPT = (
    "fingerprint", "drafted_by", "drafted_at", "proposed_by", "proposed_at", "decided_by", "decided_at",
    "note",
)  # fmt: skip


def tariff(tx: Asked, tariff_id: int) -> TariffEntry | None:
    """Return a line of versions by its id, locked."""
    found = tx.query(
        """select tariff_id, organisation_id, name, currency, generation from tariff
        where tariff_id = %(id)s for update""",
        {"id": tariff_id},
    )
    return TariffEntry(**found[0]) if found else None


def versions(tx: Asked, tariff_ids: Iterable[int]) -> list[TariffVersion]:
    """Return all versions of these tariffs, by tariff and number, locked against another decision."""
    found = tx.query(
        """select * from tariff_version where tariff_id = any(%(ids)s)
        order by tariff_id, version_no for share""",
        {"ids": sorted(set(tariff_ids))},
    )
    return [to_version(row) for row in found]


def to_version(row: Row) -> TariffVersion:
    """Build a version from its row."""
    return TariffVersion(
        version=Version(
            tariff_id=row["tariff_id"],
            version_no=row["version_no"],
            effective_from=row["effective_from"],
            tariff=document.tariff_from(row["document"]),
        ),
        state=VersionState(row["state"]),
        **{name: row[name] for name in _KEPT},
    )


def version_columns(version: TariffVersion) -> dict[str, Any]:
    """Return a version's columns: the tariff is a document."""
    row = rows.columns(version)
    kept: Version = row.pop("version")
    return {
        **row,
        "tariff_id": kept.tariff_id,
        "version_no": kept.version_no,
        "effective_from": kept.effective_from,
        "document": document.mapping_of(kept.tariff),
    }


def assignment_columns(assignment: Assignment) -> dict[str, Any]:
    """Return an assignment's columns."""
    row = rows.columns(assignment)
    terms = row.pop("terms")
    return {**row, "persons": terms.persons, "contracted_w": terms.contracted_w}


def charge_columns(charge: Charge) -> dict[str, Any]:
    """Return a charge's columns: the version is two."""
    row = rows.columns(charge)
    row["tariff_id"], row["version_no"] = row.pop("version")
    return row


def to_charge(row: Row) -> Charge:
    """Build a charge from its row."""
    kept = {name: row[name] for name in row if name not in ("tariff_id", "version_no")}
    rates_wh = row["rates_wh"]
    return Charge(
        **{
            **kept,
            "version": (row["tariff_id"], row["version_no"]),
            "basis": Basis(row["basis"]),
            "rates_wh": None if rates_wh is None else tuple(rates_wh),
        }
    )


def accounts_on(tx: Asked, tariff_id: int, *, now: datetime) -> list[int]:
    """Return the open accounts that a tariff bills at an instant, or will later."""
    found = tx.query(
        """with assigned as (
            select account_id, opened_at as starts_at, tariff_id from account where tariff_id is not null
            union all
            select account_id, starts_at, tariff_id from tariff_assignment
        ), reign as (
            select *, lead(starts_at) over (partition by account_id order by starts_at) as ends_at
            from assigned
        )
        select distinct r.account_id from reign r join account a using (account_id)
        where r.tariff_id = %(id)s and (r.ends_at is null or r.ends_at > %(now)s) and a.closed_at is null
        order by r.account_id""",
        {"id": tariff_id, "now": now},
    )
    return [row["account_id"] for row in found]


def interval_accounts(tx: Asked, *, after: int, limit: int) -> list[int]:
    """Return open accounts that are billed by intervals."""
    found = tx.query(
        """select account_id from account
        where billed_by = 'intervals' and closed_at is null and account_id > %(after)s
        order by account_id limit %(limit)s""",
        {"after": after, "limit": limit},
    )
    return [row["account_id"] for row in found]


def load_days(tx: Asked, meter_ids: Iterable[int], *, since: datetime, until: datetime) -> list[LoadDay]:
    """Return the days of these meters that begin in [since, until), by meter and time."""
    found = tx.query(
        """select * from load_day
        where meter_id = any(%(ids)s) and starts_at >= %(since)s and starts_at < %(until)s
        order by meter_id, starts_at""",
        {"ids": sorted(set(meter_ids)), "since": since, "until": until},
    )
    return [rows.to_load_day(row) for row in found]


def silent_accounts(tx: Asked, *, silent_since: datetime, after: int, limit: int) -> list[int]:
    """Return open accounts with an open bill and no reading since an instant."""
    found = tx.query(
        """select s.account_id from account_state s join account a using (account_id)
        where s.account_id > %(after)s and s.register_at < %(since)s and s.tally <> '{}'
            and a.closed_at is null
        order by s.account_id limit %(limit)s""",
        {"after": after, "since": silent_since, "limit": limit},
    )
    return [row["account_id"] for row in found]


def billed_by(tx: Asked, views: Sequence[Row], *, schedules: Schedules) -> dict[int, BilledBy]:
    """Return by what each account of these view rows is billed; accounts that buy nothing have none."""
    assigned = _assigned(tx, views)
    billings = {
        row["a_account_id"]: Billing(
            zone=row["a_zone"],
            assignments=tuple((start, *key) for start, key, _ in assigned[row["a_account_id"]]),
        )
        for row in views
        if row["a_tariff_id"] is not None
    }
    views_of = {row["a_account_id"]: row for row in views}
    made = schedules.of(billings.values(), read=lambda tariff_ids: versions(tx, tariff_ids))
    return {
        account_id: BilledBy(
            schedule=made[billing],
            agreed=_agreed(views_of[account_id], assigned[account_id]),
        )
        for account_id, billing in billings.items()
    }


_Assigned = tuple[datetime | None, tuple[int, int], Terms]  # from when, (tariff, generation), terms


def _assigned(tx: Asked, views: Sequence[Row]) -> dict[int, list[_Assigned]]:
    changed = [row["a_account_id"] for row in views if row["reassigned"]]
    rows_of: dict[int, list[_Assigned]] = {
        row["a_account_id"]: [(None, (row["a_tariff_id"], row["generation"]), _terms(row))] for row in views
    }
    if changed:
        found = tx.query(
            """select t.account_id, t.starts_at, t.tariff_id, t.persons, t.contracted_w, g.generation
            from tariff_assignment t join tariff g using (tariff_id)
            where t.account_id = any(%(ids)s) order by t.account_id, t.starts_at""",
            {"ids": changed},
        )
        for row in found:
            each = (row["starts_at"], (row["tariff_id"], row["generation"]), _terms(row))
            rows_of[row["account_id"]].append(each)
    return rows_of


def _agreed(view: Row, assigned: Sequence[_Assigned]) -> Agreed:
    opened_at: datetime = view["a_opened_at"]
    return tuple((start or opened_at, terms) for start, _, terms in assigned)


def _terms(row: Row) -> Terms:
    return Terms(persons=row["persons"], contracted_w=row["contracted_w"])
