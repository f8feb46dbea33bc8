"""Tariffs in memory: versions that never change once proposed, and by what an account is billed."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Protocol

from compuerta.adapters.memory.tables import Tables, require
from compuerta.domain.party import Account
from compuerta.domain.tariff.schedule import Agreed, Schedule
from compuerta.services.records import Assignment, TariffEntry, TariffVersion, VersionState
from compuerta.services.schedules import Billing, Schedules
from compuerta.services.store_port import NameTaken


class Versions(Protocol):
    """What can be asked for versions: a transaction."""

    def versions(self, tariff_ids: Iterable[int]) -> list[TariffVersion]:
        """Return all versions of these tariffs."""
        ...


def add(tables: Tables, *, organisation_id: int, name: str, currency: str) -> int:
    """Begin a line of versions."""
    if any((each.organisation_id, each.name) == (organisation_id, name) for each in tables.tariffs.values()):
        raise NameTaken(name)
    tariff_id = len(tables.tariffs) + 1
    tables.tariffs[tariff_id] = TariffEntry(
        tariff_id=tariff_id, organisation_id=organisation_id, name=name, currency=currency
    )
    return tariff_id


def refuse_change(tables: Tables, version: TariffVersion) -> None:
    """Refuse to change what was proposed, and to decide twice."""
    kept = tables.versions[version.version.key]
    if kept.state is VersionState.DRAFT:
        return
    same = (kept.version, kept.fingerprint, kept.drafted_by, kept.proposed_by) == (
        version.version, version.fingerprint, version.drafted_by, version.proposed_by
    )  # fmt: skip
    require(same and kept.state is VersionState.PROPOSED, "tariff_version_is_kept")


def write(tables: Tables, version: TariffVersion) -> None:
    """Write a version; a decision makes a new generation of its tariff."""
    decided = version.state in (VersionState.APPROVED, VersionState.WITHDRAWN)
    require(decided == (version.decided_by is not None), "tariff_version_is_decided_by_somebody")
    is_request = version.state in (VersionState.PROPOSED, VersionState.APPROVED)
    require(not is_request or version.proposed_by is not None, "tariff_version_is_proposed_by_somebody")
    tariff_id = version.version.tariff_id
    if version.state is VersionState.APPROVED:
        others = (version.proposed_by, version.drafted_by)
        require(version.decided_by not in others, "tariff_version_has_two_persons")
        tables.take("tariff_version_approved", tariff_id, version.version.effective_from)
    tables.versions[version.version.key] = version
    if decided:
        entry = tables.tariffs[tariff_id]
        tables.tariffs[tariff_id] = replace(entry, generation=entry.generation + 1)


def accounts_on(tables: Tables, tariff_id: int, *, now: datetime) -> list[int]:
    """Return the open accounts that a tariff bills, or will."""
    found = []
    for account in tables.accounts.values():
        rows = _assignments_of(tables, account)
        ends = [each.starts_at for each in rows[1:]]
        uses = any(
            each.tariff_id == tariff_id and (at == len(ends) or ends[at] > now)
            for at, each in enumerate(rows)
        )
        if account.period.end is None and uses:
            found.append(account.account_id)
    return sorted(found)


def billed_by(
    tx: Versions, tables: Tables, account: Account, *, schedules: Schedules
) -> tuple[Schedule | None, Agreed]:
    """Return by what an account is billed; one that buys nothing has no schedule."""
    rows = _assignments_of(tables, account)
    if not rows:
        return None, ()
    billing = Billing(
        zone=account.zone,
        assignments=tuple(
            (each.starts_at if at else None, each.tariff_id, tables.tariffs[each.tariff_id].generation)
            for at, each in enumerate(rows)
        ),
    )
    agreed = tuple((each.starts_at, each.terms) for each in rows)
    return schedules.of([billing], read=tx.versions)[billing], agreed


def _assignments_of(tables: Tables, account: Account) -> list[Assignment]:
    if account.tariff_id is None:
        return []
    first = Assignment(
        account_id=account.account_id,
        starts_at=account.period.start,
        tariff_id=account.tariff_id,
        terms=tables.terms[account.account_id],
    )
    later = [each for key, each in sorted(tables.assignments.items()) if key[0] == account.account_id]
    return [first, *later]
