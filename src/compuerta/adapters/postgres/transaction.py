"""What a use case may ask of PostgreSQL: the store port's transaction, statement by statement.

Writes are queued in the pipeline and go out with the next read or the commit; empty batches cost nothing.
Locks are taken in id order: accounts with their meters first, instructions after them.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg

from compuerta.adapters.postgres import money_in, outbox, registry, rows, statements, supply, tariffs
from compuerta.adapters.postgres.access import PostgresAccess
from compuerta.adapters.postgres.alarms import PostgresAlarms
from compuerta.adapters.postgres.bank import PostgresBanks
from compuerta.adapters.postgres.claims import PostgresClaims
from compuerta.adapters.postgres.clearing import PostgresClearing
from compuerta.adapters.postgres.commissions import PostgresCommissions
from compuerta.adapters.postgres.corrections import PostgresCorrections
from compuerta.adapters.postgres.days import PostgresDays
from compuerta.adapters.postgres.dues import PostgresDues
from compuerta.adapters.postgres.exports import PostgresExports
from compuerta.adapters.postgres.freezes import PostgresFreezes
from compuerta.adapters.postgres.histories import PostgresHistories
from compuerta.adapters.postgres.invoices import PostgresInvoices
from compuerta.adapters.postgres.masses import PostgresMasses
from compuerta.adapters.postgres.messages import PostgresMessages
from compuerta.adapters.postgres.occupancy import PostgresOccupancy
from compuerta.adapters.postgres.outposts import PostgresOutposts
from compuerta.adapters.postgres.partners import PostgresPartners
from compuerta.adapters.postgres.periods import PostgresPeriods
from compuerta.adapters.postgres.plans import PostgresPlans
from compuerta.adapters.postgres.provider_bills import PostgresStatements
from compuerta.adapters.postgres.receipts import PostgresReceipts
from compuerta.adapters.postgres.reports import PostgresReports
from compuerta.adapters.postgres.roads import PostgresRoads
from compuerta.adapters.postgres.rows import Row
from compuerta.adapters.postgres.seals import PostgresSeals
from compuerta.adapters.postgres.shifts import PostgresShifts
from compuerta.domain.instruction import LEASE, Instruction, Kind
from compuerta.domain.ledger import Outcome, Posting, judge_all
from compuerta.domain.party import Meter
from compuerta.domain.payment import Attempt
from compuerta.domain.supply import HoldKind
from compuerta.services.facts import BilledBy
from compuerta.services.records import (
    ALARM_OTHERS,
    ALARMS_PER_KIND_MAX,
    AccountOpening,
    AccountView,
    Alarm,
    Assignment,
    AuditEntry,
    BillOpening,
    Case,
    Charge,
    Claim,
    EmergencyCredit,
    Endpoint,
    Hold,
    Holdings,
    Inbound,
    Instant,
    Key,
    LoadDay,
    MeterEntry,
    MeterSnapshot,
    Payment,
    ProviderAccount,
    Reading,
    Recharge,
    RechargeInstant,
    Settled,
    SupplyChange,
    TariffEntry,
    TariffVersion,
    Warned,
)
from compuerta.services.schedules import Schedules
from compuerta.services.store_port import NameTaken

Connection = psycopg.Connection[dict[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Write:
    """A write that waits, with its one value."""

    statement: str
    value: object


class PostgresTransaction:
    """This will run one use case's statements on a connection that is inside a transaction."""

    def __init__(self, connection: Connection, schedules: Schedules) -> None:
        self._connection = connection
        self._schedules = schedules
        self._waiting: dict[str, _Write] = {}
        self.alarms = PostgresAlarms(self)
        self.messages = PostgresMessages(self)
        self.occupancy = PostgresOccupancy(self)
        self.access = PostgresAccess(self)
        self.masses = PostgresMasses(self)
        self.dues = PostgresDues(self)
        self.corrections = PostgresCorrections(self)
        self.claims = PostgresClaims(self)
        self.clearing = PostgresClearing(self)
        self.partners = PostgresPartners(self)
        self.shifts = PostgresShifts(self)
        self.receipts = PostgresReceipts(self)
        self.statements = PostgresStatements(self)
        self.freezes = PostgresFreezes(self)
        self.days = PostgresDays(self)
        self.seals = PostgresSeals(self)
        self.periods = PostgresPeriods(self)
        self.bank = PostgresBanks(self)
        self.exports = PostgresExports(self)
        self.invoices = PostgresInvoices(self)
        self.reports = PostgresReports(self)
        self.histories = PostgresHistories(self)
        self.roads = PostgresRoads(self)
        self.outposts = PostgresOutposts(self)
        self.commissions = PostgresCommissions(self)
        self.plans = PostgresPlans(self)
        self.made_work = False  # something is due for a gateway once this commits

    # registry ------------------------------------------------------------------------------------------

    def add_organisation(self, name: str, *, live: bool = True) -> int:
        return registry.add_organisation(self, name, live=live)

    def is_live(self, organisation_id: int) -> bool:
        return registry.is_live(self, organisation_id)

    def add_site(self, *, organisation_id: int, name: str, zone: str, currency: str) -> int:
        return registry.add_site(
            self, organisation_id=organisation_id, name=name, zone=zone, currency=currency
        )

    def add_endpoint(self, endpoint: Endpoint) -> None:
        self.insert("endpoint", [rows.columns(endpoint)])

    def add_meter(self, entry: MeterEntry) -> int:
        return registry.add_meter(self, entry)

    def add_account(self, opening: AccountOpening) -> int:
        return registry.add_account(self, opening)

    def add_provider_account(self, account: ProviderAccount) -> None:
        self.insert("provider_account", [rows.columns(account)])

    def provider_account(self, provider: str) -> ProviderAccount | None:
        return registry.provider_account(self, provider)

    def endpoints(self) -> list[Endpoint]:
        return registry.endpoints(self)

    def meters(self) -> list[Meter]:
        return registry.meters(self)

    def zones(self) -> dict[int, str]:
        return registry.zones(self)

    def account_by_token(self, pay_token: UUID) -> int | None:
        return registry.account_by_token(self, pay_token)

    # tariffs -------------------------------------------------------------------------------------------

    def add_tariff(self, *, organisation_id: int, name: str, currency: str, at: datetime) -> int:
        new = self._all(
            """insert into tariff (organisation_id, name, currency, created_at) values (%s, %s, %s, %s)
            on conflict do nothing returning tariff_id""",
            organisation_id, name, currency, at,
        )  # fmt: skip
        if not new:
            raise NameTaken(name)
        tariff_id: int = new[0]["tariff_id"]
        return tariff_id

    def tariff(self, tariff_id: int) -> TariffEntry | None:
        return tariffs.tariff(self, tariff_id)

    def versions(self, tariff_ids: Iterable[int]) -> list[TariffVersion]:
        return tariffs.versions(self, tariff_ids)

    def put_version(self, version: TariffVersion) -> None:
        self.insert("tariff_version", [tariffs.version_columns(version)])
        self._note_decision(version)

    def save_version(self, version: TariffVersion) -> None:
        row = tariffs.version_columns(version)
        key = ("tariff_id", "version_no")
        self.update("tariff_version", [row], key=key, changed=tuple(row.keys() - set(key)))
        self._note_decision(version)

    def _note_decision(self, version: TariffVersion) -> None:
        if version.decided_by is not None:
            self._schedules = Schedules()  # a decision may be undone: what is learned from it is not kept
            tariff_id = version.version.tariff_id
            self._run("update tariff set generation = generation + 1 where tariff_id = %s", tariff_id)

    def assign(self, assignment: Assignment) -> None:
        self.insert("tariff_assignment", [tariffs.assignment_columns(assignment)])
        self._run("update account set reassigned = true where account_id = %s", assignment.account_id)

    def accounts_on(self, tariff_id: int, *, now: datetime) -> list[int]:
        return tariffs.accounts_on(self, tariff_id, now=now)

    # accounts and money --------------------------------------------------------------------------------

    def lock_accounts(self, account_ids: Iterable[int], *, now: datetime) -> dict[int, AccountView]:
        ids = sorted(set(account_ids))
        if not ids:
            return {}
        values = {"ids": ids, "now": now}
        self.flush()
        self._connection.execute(statements.LOCK_ACCOUNTS, values)
        self._connection.execute(statements.LOCK_METERS, values)
        return self.look_at(ids, now=now)

    def look_at(self, account_ids: Iterable[int], *, now: datetime) -> dict[int, AccountView]:
        found = self.query(statements.VIEW_ACCOUNTS, {"ids": sorted(set(account_ids)), "now": now})
        by = tariffs.billed_by(self, found, schedules=self._schedules)
        return {row["a_account_id"]: rows.to_view(row, by.get(row["a_account_id"])) for row in found}

    def billed_by(self, *, now: datetime) -> dict[int, BilledBy]:
        """Return by what every account is billed, without a lock."""
        ids = [row["account_id"] for row in self._all("select account_id from account")]
        found = self.query(statements.VIEW_ACCOUNTS, {"ids": ids, "now": now})
        return tariffs.billed_by(self, found, schedules=self._schedules)

    def silent_accounts(self, *, silent_since: datetime, after: int, limit: int) -> list[int]:
        return tariffs.silent_accounts(self, silent_since=silent_since, after=after, limit=limit)

    def interval_accounts(self, *, after: int, limit: int) -> list[int]:
        return tariffs.interval_accounts(self, after=after, limit=limit)

    def accounts_of_meters(self, meter_ids: Iterable[int]) -> dict[int, int]:
        return registry.accounts_of_meters(self, sorted(set(meter_ids)))

    def attempts_by_reference(self, keys: Iterable[Key]) -> dict[Key, Attempt]:
        return money_in.attempts_by_reference(self, keys)

    def attempt(self, attempt_id: UUID) -> Attempt | None:
        return money_in.attempt(self, attempt_id)

    def put_attempt(self, attempt: Attempt) -> bool:
        return money_in.put_attempt(self, attempt)

    def save_attempts(self, attempts: Iterable[Attempt]) -> None:
        self.update(
            "attempt",
            [rows.columns(attempt) for attempt in attempts],
            key=("account_id", "attempt_id"),
            changed=("state", "watched_until", "ask_at", "asks", "presented"),
        )

    def claim_attempts(self, *, now: datetime, until: datetime, limit: int) -> list[Attempt]:
        return money_in.claim_attempts(self, now=now, until=until, limit=limit)

    def payments_known(self, keys: Iterable[Key]) -> dict[Key, Payment]:
        return money_in.payments_known(self, keys)

    def put_payments(self, payments: Sequence[Payment]) -> None:
        money_in.put_payments(self, payments)

    def book(self, postings: Sequence[Posting]) -> list[Outcome]:
        judged = judge_all(postings, known={})
        fine = [posting for posting, outcome in judged if outcome is Outcome.CREATED]
        if not fine:
            return [outcome for _, outcome in judged]
        found = self._all(statements.BOOK, rows.packed(rows.posting_columns(posting) for posting in fine))
        new = {row["posting_id"] for row in found}
        old = [posting for posting in fine if posting.posting_id not in new]
        if not old:
            return [outcome for _, outcome in judged]
        known = self._all(
            """select p.* from unnest(%s::bigint[], %s::uuid[]) as k (account_id, posting_id)
            join posting p using (account_id, posting_id)""",
            [posting.account_id for posting in old], [posting.posting_id for posting in old],
        )  # fmt: skip
        there = {row["posting_id"]: rows.to_posting(row) for row in known}
        return [outcome for _, outcome in judge_all(postings, known=there)]

    def put_recharges(self, recharges: Sequence[Recharge]) -> None:
        self.insert("recharge", [rows.columns(recharge) for recharge in recharges])

    def put_instants(self, instants: Sequence[RechargeInstant]) -> None:
        self.insert("recharge_instant", [rows.columns(each) for each in instants], on_conflict="do nothing")
        credited = {each.account_id for each in instants if each.instant is Instant.CREDITED}
        if credited:
            self.write(
                "account_state",
                "update account_state set awaits_closing = true where account_id = any(%s)",
                sorted(credited),
            )
        closed = {each.account_id for each in instants if each.instant is Instant.CLOSED}
        if closed - credited:
            self._run(
                """update account_state s set awaits_closing = exists (
                    select from recharge_timeline l
                    where l.account_id = s.account_id and l.credited_at is not null and l.closed_at is null
                ) where s.account_id = any(%s)""",
                sorted(closed),
            )

    def recharges_unlit(self, seen_closed: Mapping[int, datetime]) -> list[tuple[int, UUID]]:
        if not seen_closed:
            return []
        found = self._all(
            statements.RECHARGES_UNLIT,
            list(seen_closed), list(seen_closed.values()),
        )  # fmt: skip
        return [(row["account_id"], row["recharge_id"]) for row in found]

    def put_bills(self, bills: Sequence[BillOpening]) -> None:
        self.insert("bill", [rows.columns(each, tally="opening") for each in bills])

    def put_charges(self, charges: Sequence[Charge]) -> None:
        self.insert("charge", [tariffs.charge_columns(charge) for charge in charges])

    def save_holdings(self, holdings: Sequence[Holdings]) -> None:
        self.update(
            "account_state",
            [rows.columns(each) for each in holdings],
            key=("account_id",),
            changed=(
                "register_wh", "register_at", "register_rates_wh", "billed_wh", "billing_held", "tally",
                "warned", "warned_of", "warned_minor",
            ),
        )  # fmt: skip

    # instructions --------------------------------------------------------------------------------------

    def put_instructions(self, instructions: Sequence[Instruction]) -> None:
        self.insert("instruction", [rows.columns(each) for each in instructions])
        self.made_work = self.made_work or bool(instructions)
        given: dict[int, int] = {}
        for each in instructions:
            if each.purchase_no is not None:
                given[each.meter_id] = max(each.purchase_no, given.get(each.meter_id, 0))
        if given:
            self.write(
                "meter_state",
                """update meter_state s
                set purchase_no_last = greatest(s.purchase_no_last, g.purchase_no_last)
                from jsonb_populate_recordset(null::meter_state, %s) as g where s.meter_id = g.meter_id""",
                rows.packed(
                    {"meter_id": meter_id, "purchase_no_last": number} for meter_id, number in given.items()
                ),
            )

    def save_instructions(self, instructions: Sequence[Instruction]) -> None:
        self.update(
            "instruction",
            [rows.columns(each) for each in instructions],
            key=("meter_id", "instruction_id"),
            changed=(
                "state",
                "due_at",
                "effective_at",
                "tries",
                "lease_until",
                "lease_owner",
                "ended_at",
                "last_answer",
                "endpoint_id",
            ),
        )

    def instructions(self, keys: Iterable[tuple[int, UUID]]) -> dict[UUID, Instruction]:
        return outbox.instructions(self, keys)

    def switches(self, meter_ids: Iterable[int], *, refused_since: datetime) -> list[Instruction]:
        return outbox.switches(self, meter_ids, refused_since=refused_since)

    def last_looks(self, meter_ids: Iterable[int]) -> dict[int, Instruction]:
        return outbox.last_looks(self, meter_ids)

    def open_limits(self, meter_ids: Iterable[int]) -> list[Instruction]:
        return outbox.open_limits(self, meter_ids)

    def loadings(self, meter_ids: Iterable[int]) -> list[Instruction]:
        return outbox.loadings(self, meter_ids)

    def overdue_loadings(self, *, now: datetime, told: Iterable[str], limit: int) -> list[Instruction]:
        return outbox.overdue_loadings(self, now=now, told=told, limit=limit)

    def due_meters(self, among: Iterable[int], *, now: datetime, limit: int) -> dict[int, Kind]:
        return outbox.due_meters(self, among, now=now, limit=limit)

    def claim(
        self, meter_ids: Iterable[int], *, now: datetime, owner: str, lease: timedelta = LEASE
    ) -> list[Claim]:
        leased = outbox.lease(self, meter_ids, now=now, owner=owner, until=now + lease)
        if not leased:
            return []
        with_tariff = [each.account_id for each in leased if each.kind is Kind.TARIFF]
        views = self.look_at(with_tariff, now=now) if with_tariff else {}
        return outbox.claims(self, leased, views, now=now)

    def end_leases(self, *, owners_silent_since: datetime, at: datetime) -> None:
        self._run(
            """update instruction i set lease_until = %s
            where i.state = 'in_flight' and i.lease_until > %s and not exists (
                select from role_beat b where b.instance = i.lease_owner and b.beat_at > %s
            )""",
            at, at, owners_silent_since,
        )  # fmt: skip

    def wake(self, meter_ids: Iterable[int], *, now: datetime) -> None:
        self._run(
            """update instruction set due_at = %s
            where meter_id = any(%s) and ended_at is null and state <> 'in_flight' and tries > 0
                and due_at > %s""",
            now, sorted(set(meter_ids)), now,
        )  # fmt: skip

    # meters --------------------------------------------------------------------------------------------

    def put_readings(self, readings: Sequence[Reading]) -> None:
        self.insert("reading", [rows.columns(each) for each in readings], on_conflict="do nothing")

    def save_snapshots(self, snapshots: Sequence[MeterSnapshot]) -> None:
        self.update(
            "meter_state",
            [rows.columns(each) for each in snapshots],
            key=("meter_id",),
            changed=(
                "wanted_closed", "wanted_reason", "wanted_kept", "decide_at", "out_since", "differs_since",
                "relay", "energy_wh", "balance_minor", "purchase_no", "power_w", "flags", "counts", "read_at",
                "heard_at", "clock_off_s", "clock_off_at",
            ),
        )  # fmt: skip

    def put_load_days(self, days: Sequence[LoadDay]) -> None:
        self.insert("load_day", [rows.columns(each) for each in days])

    def load_days(self, meter_ids: Iterable[int], *, since: datetime, until: datetime) -> list[LoadDay]:
        return tariffs.load_days(self, meter_ids, since=since, until=until)

    def put_hold(self, hold: Hold) -> None:
        self.insert("supply_hold", [rows.columns(hold, start="started_at", end="ended_at")])

    def holds_of(self, meter_ids: Iterable[int], *, at: datetime) -> list[Hold]:
        return supply.holds_of(self, meter_ids, at=at)

    def claim_decisions(self, *, now: datetime, limit: int) -> list[int]:
        return supply.claim_decisions(self, now=now, limit=limit)

    def emergencies(self, account_ids: Iterable[int]) -> dict[int, EmergencyCredit]:
        return supply.emergencies(self, account_ids)

    def put_emergency(self, emergency: EmergencyCredit) -> None:
        supply.put_emergency(self, emergency)

    def paying(self, account_ids: Iterable[int], *, now: datetime) -> dict[int, datetime]:
        return supply.paying(self, account_ids, now=now)

    def put_supply_changes(self, changes: Sequence[SupplyChange]) -> None:
        self.insert("supply_change", [rows.columns(each) for each in changes])

    def put_policy(self, *, scope: str, scope_id: int, document: str) -> None:
        supply.put_policy(self, scope=scope, scope_id=scope_id, document=document)

    def settled(self, *, scope: str, scope_id: int) -> Settled | None:
        return supply.settled(self, scope=scope, scope_id=scope_id)

    def accounts_in(self, *, scope: str, scope_id: int, after: int, limit: int) -> list[int]:
        return supply.accounts_in(self, scope=scope, scope_id=scope_id, after=after, limit=limit)

    def save_holds(self, holds: Sequence[Hold]) -> None:
        supply.save_holds(self, holds)

    def holds_begun(self, meter_id: int, kind: HoldKind, *, since: datetime) -> int:
        return supply.holds_begun(self, meter_id, kind, since=since)

    def end_holds(self, meter_id: int, kind: HoldKind, *, at: datetime, by: str | None = None) -> int:
        return supply.end_holds(self, meter_id, kind, at=at, by=by)

    # people --------------------------------------------------------------------------------------------

    def put_cases(self, cases: Sequence[Case]) -> None:
        self.insert("case_file", [rows.columns(each) for each in cases], on_conflict="do nothing")

    def put_alarms(self, alarms: Sequence[Alarm]) -> None:
        for alarm in alarms:
            self._run(
                statements.PUT_ALARM,
                alarm.kind, alarm.kind, alarm.subject, alarm.kind, ALARMS_PER_KIND_MAX, alarm.subject,
                ALARM_OTHERS, alarm.detail, alarm.at, alarm.at,
            )  # fmt: skip

    def put_warnings(self, warnings: Sequence[Warned]) -> None:
        self.insert("warning", [rows.columns(each) for each in warnings], on_conflict="do nothing")

    def put_inbound(self, messages: Sequence[Inbound]) -> None:
        kept = [{**rows.columns(each), "headers": dict(each.headers)} for each in messages]
        self.insert("inbound_message", kept)

    def put_audit(self, entries: Sequence[AuditEntry]) -> None:
        self.insert("audit", [rows.columns(each) for each in entries])

    def put_beat(self, *, role: str, instance: str, started_at: datetime, at: datetime) -> None:
        self._run(
            """insert into role_beat (role, instance, started_at, beat_at) values (%s, %s, %s, %s)
            on conflict (role, instance) do update set beat_at = excluded.beat_at""",
            role, instance, started_at, at,
        )  # fmt: skip

    def put_ends(self, alive: Mapping[str, bool], *, gateway: str, at: datetime) -> None:
        if alive:
            self._run(statements.PUT_ENDS, gateway, at, list(alive), list(alive.values()))

    def lose_ends(self, *, gateways_silent_since: datetime, at: datetime) -> None:
        self._run(statements.LOSE_ENDS, at, gateways_silent_since)

    # statements ----------------------------------------------------------------------------------------

    def query(self, statement: str, values: Mapping[str, object]) -> list[dict[str, Any]]:
        """Run one statement with named values."""
        self.flush()
        return self._connection.execute(statement, values).fetchall()

    def flush(self) -> None:
        """Send the writes that wait, all in one statement: one plan and one answer for a whole use case."""
        waiting, self._waiting = self._waiting, {}
        if waiting:
            parts = ", ".join(f"{table}_written as ({write.statement})" for table, write in waiting.items())
            self._connection.execute(f"with {parts} select", [write.value for write in waiting.values()])

    def run(self, statement: str, values: Mapping[str, object]) -> None:
        """Run one statement with named values that returns no rows."""
        self.flush()
        self._connection.execute(statement, values)

    def _run(self, statement: str, *values: object) -> None:
        self.flush()
        self._connection.execute(statement, values)

    def _all(self, statement: str, *values: object) -> list[dict[str, Any]]:
        self.flush()
        return self._connection.execute(statement, values).fetchall()

    def insert(self, table: str, records: Sequence[Row], *, on_conflict: str = "") -> None:
        """Queue new rows of a table."""
        if not records:
            return
        names = ", ".join(records[0])
        clause = f"on conflict {on_conflict}" if on_conflict else ""
        unfolded = f"jsonb_populate_recordset(null::{table}, %s)"
        self.write(
            table,
            f"insert into {table} ({names}) select {names} from {unfolded} {clause}",
            rows.packed(records),
        )

    def update(
        self, table: str, records: Sequence[Row], *, key: tuple[str, ...], changed: tuple[str, ...]
    ) -> None:
        """Queue changes of rows that are named by their key."""
        if not records:
            return
        sets = ", ".join(f"{name} = r.{name}" for name in changed)
        same = " and ".join(f"t.{name} = r.{name}" for name in key)
        self.write(
            table,
            f"update {table} t set {sets} from jsonb_populate_recordset(null::{table}, %s) r where {same}",
            rows.packed(records),
        )

    def write(self, table: str, statement: str, value: object) -> None:
        """Let a write wait for others; within one statement each table is written once."""
        if table in self._waiting:
            self.flush()
        self._waiting[table] = _Write(statement=statement, value=value)
