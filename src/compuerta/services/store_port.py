"""The port to the database: rows as they are, and one transaction per use case.

Two implementations ship: memory (the simulator's world) and PostgreSQL. Both pass one contract suite.
Every method takes or gives batches. Rows of money, readings and instructions are keyed by account or meter.
A transaction commits when its block ends, and is undone when an exception leaves it.
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

from compuerta.domain.errors import Broken, Refused, Unreachable
from compuerta.domain.instruction import LEASE, Instruction, Kind
from compuerta.domain.ledger import Outcome, Posting
from compuerta.domain.party import Meter
from compuerta.domain.payment import Attempt
from compuerta.domain.supply import HoldKind
from compuerta.services.access_port import Access
from compuerta.services.alarm_port import Alarms
from compuerta.services.bank_port import Banks
from compuerta.services.claim_port import Claims
from compuerta.services.clearing_port import Clearing
from compuerta.services.commission_port import Commissions
from compuerta.services.correction_port import Corrections
from compuerta.services.day_port import Days
from compuerta.services.dues_port import Dues
from compuerta.services.export_port import Exports
from compuerta.services.freeze_port import Freezes
from compuerta.services.history_port import Histories
from compuerta.services.invoice_port import Invoices
from compuerta.services.mass_port import Masses
from compuerta.services.message_port import Messages
from compuerta.services.occupancy_port import Occupancy
from compuerta.services.outpost_port import Outposts
from compuerta.services.partner_port import Partners
from compuerta.services.period_port import Periods
from compuerta.services.plan_port import Plans
from compuerta.services.receipt_port import Receipts
from compuerta.services.records import (
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
from compuerta.services.report_port import Reports
from compuerta.services.road_port import Roads
from compuerta.services.seal_port import Seals
from compuerta.services.shift_port import Shifts
from compuerta.services.statement_port import Statements


class Conflict(Unreachable):
    """Another transaction was faster with the same key; the same batch will find its work when run again."""


class NameTaken(Refused):
    """There is another of this name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"there is a {name!r} already; choose another name")
        self.name = name


class ConstraintBroken(Broken):
    """The database refused what the code thought right: a promise was about to be broken."""


class Transaction(Protocol):
    """All that a use case may ask of the database, inside one transaction.

    What belongs to one room of the house alone is asked of a part of it.
    """

    @property
    def alarms(self) -> Alarms: ...
    @property
    def messages(self) -> Messages: ...
    @property
    def occupancy(self) -> Occupancy: ...
    @property
    def access(self) -> Access: ...
    @property
    def masses(self) -> Masses: ...
    @property
    def dues(self) -> Dues: ...
    @property
    def corrections(self) -> Corrections: ...
    @property
    def claims(self) -> Claims: ...
    @property
    def clearing(self) -> Clearing: ...
    @property
    def partners(self) -> Partners: ...
    @property
    def shifts(self) -> Shifts: ...
    @property
    def receipts(self) -> Receipts: ...
    @property
    def statements(self) -> Statements: ...
    @property
    def freezes(self) -> Freezes: ...
    @property
    def days(self) -> Days: ...
    @property
    def seals(self) -> Seals: ...
    @property
    def periods(self) -> Periods: ...
    @property
    def bank(self) -> Banks: ...
    @property
    def exports(self) -> Exports: ...
    @property
    def invoices(self) -> Invoices: ...
    @property
    def reports(self) -> Reports: ...
    @property
    def histories(self) -> Histories: ...
    @property
    def roads(self) -> Roads: ...
    @property
    def outposts(self) -> Outposts: ...
    @property
    def commissions(self) -> Commissions: ...
    @property
    def plans(self) -> Plans: ...

    # registry
    def add_organisation(self, name: str, *, live: bool = True) -> int:
        """Register an organisation; one that is not live is on trial, and paid with play money."""
        ...

    def is_live(self, organisation_id: int) -> bool:
        """Tell whether an organisation is paid with money that exists; False where there is none of it."""
        ...

    def add_site(self, *, organisation_id: int, name: str, zone: str, currency: str) -> int: ...
    def add_endpoint(self, endpoint: Endpoint) -> None: ...
    def add_meter(self, entry: MeterEntry) -> int: ...
    def add_account(self, opening: AccountOpening) -> int: ...
    def add_provider_account(self, account: ProviderAccount) -> None: ...
    def provider_account(self, provider: str) -> ProviderAccount | None: ...
    def endpoints(self) -> list[Endpoint]: ...
    def meters(self) -> list[Meter]: ...
    def zones(self) -> dict[int, str]:
        """Return the time zone of each meter's site, of those that measure for an account."""
        ...

    def account_by_token(self, pay_token: UUID) -> int | None: ...

    # tariffs
    def add_tariff(self, *, organisation_id: int, name: str, currency: str, at: datetime) -> int:
        """Begin a line of versions; raises `NameTaken` where the organisation has one of this name."""
        ...

    def tariff(self, tariff_id: int) -> TariffEntry | None:
        """Return a line of versions, locked until the transaction ends: decisions on it follow each other."""
        ...

    def versions(self, tariff_ids: Iterable[int]) -> list[TariffVersion]:
        """Return all versions of these tariffs, by tariff and number, locked until the transaction ends."""
        ...

    def put_version(self, version: TariffVersion) -> None: ...
    def save_version(self, version: TariffVersion) -> None:
        """Write a draft anew, propose it, or decide on it; a decision makes a new generation."""
        ...

    def assign(self, assignment: Assignment) -> None: ...
    def accounts_on(self, tariff_id: int, *, now: datetime) -> list[int]:
        """Return the open accounts that this tariff bills, or will."""
        ...

    # accounts and money
    def lock_accounts(self, account_ids: Iterable[int], *, now: datetime) -> dict[int, AccountView]:
        """Lock accounts with their meters, in id order, and return what is known of them."""
        ...

    def look_at(self, account_ids: Iterable[int], *, now: datetime) -> dict[int, AccountView]:
        """Return what is known of accounts, without a lock: for screens, and for what is checked again."""
        ...

    def interval_accounts(self, *, after: int, limit: int) -> list[int]:
        """Return open accounts that are billed by intervals, by id from after one on."""

    def silent_accounts(self, *, silent_since: datetime, after: int, limit: int) -> list[int]:
        """Return open accounts with an open bill and no reading since an instant, by id from after one on."""
        ...

    def accounts_of_meters(self, meter_ids: Iterable[int]) -> dict[int, int]:
        """Return the open account of each meter that has one."""
        ...

    def attempts_by_reference(self, keys: Iterable[Key]) -> dict[Key, Attempt]:
        """Lock the attempts that these orders belong to, before their accounts, and return them."""
        ...

    def attempt(self, attempt_id: UUID) -> Attempt | None: ...
    def put_attempt(self, attempt: Attempt) -> bool:
        """Write a new attempt; False where its reference is taken."""
        ...

    def save_attempts(self, attempts: Iterable[Attempt]) -> None: ...
    def claim_attempts(self, *, now: datetime, until: datetime, limit: int) -> list[Attempt]:
        """Take attempts whose provider is to be asked now; they are due again at `until`."""
        ...

    def payments_known(self, keys: Iterable[Key]) -> dict[Key, Payment]: ...
    def put_payments(self, payments: Sequence[Payment]) -> None:
        """Write payments; raises `Conflict` where a transaction number is there already (promise M2)."""
        ...

    def book(self, postings: Sequence[Posting]) -> list[Outcome]:
        """Judge and write postings and move the holdings that they touch."""
        ...

    def put_recharges(self, recharges: Sequence[Recharge]) -> None: ...
    def put_instants(self, instants: Sequence[RechargeInstant]) -> None: ...
    def recharges_unlit(self, seen_closed: Mapping[int, datetime]) -> list[tuple[int, UUID]]:
        """Return recharges of these accounts, credited by the given instant, that have no CLOSED yet."""
        ...

    def put_bills(self, bills: Sequence[BillOpening]) -> None: ...
    def put_charges(self, charges: Sequence[Charge]) -> None: ...
    def save_holdings(self, holdings: Sequence[Holdings]) -> None:
        """Write all of the holdings but the two amounts, which only `book` moves."""
        ...

    # instructions
    def put_instructions(self, instructions: Sequence[Instruction]) -> None:
        """Write new instructions; a recharge's purchase number becomes the meter's last."""
        ...

    def save_instructions(self, instructions: Sequence[Instruction]) -> None: ...
    def instructions(self, keys: Iterable[tuple[int, UUID]]) -> dict[UUID, Instruction]: ...
    def switches(self, meter_ids: Iterable[int], *, refused_since: datetime) -> list[Instruction]:
        """Return the switches of these meters that are open, or were refused since an instant."""
        ...

    def last_looks(self, meter_ids: Iterable[int]) -> dict[int, Instruction]:
        """Return the last look that was ordered at each of these meters, open or ended."""
        ...

    def open_limits(self, meter_ids: Iterable[int]) -> list[Instruction]:
        """Return the open instructions that write limits into these meters."""
        ...

    def loadings(self, meter_ids: Iterable[int]) -> list[Instruction]:
        """Return all tariff instructions of these meters, open and ended, by meter and effective instant."""
        ...

    def overdue_loadings(self, *, now: datetime, told: Iterable[str], limit: int) -> list[Instruction]:
        """Return waiting tariff instructions whose instant has passed, but for those with these answers."""
        ...

    def due_meters(self, among: Iterable[int], *, now: datetime, limit: int) -> dict[int, Kind]:
        """Return what is due for which of these meters, the longest waiting first, tariffs last.

        Locks nothing.
        """
        ...

    def claim(
        self, meter_ids: Iterable[int], *, now: datetime, owner: str, lease: timedelta = LEASE
    ) -> list[Claim]:
        """Lease the oldest due instruction of each meter that has none in flight.

        A tariff comes after all else, and never before one that is effective earlier.
        """
        ...

    def end_leases(self, *, owners_silent_since: datetime, at: datetime) -> None:
        """End the leases whose owner gave no sign of life since an instant."""
        ...

    def wake(self, meter_ids: Iterable[int], *, now: datetime) -> None:
        """Make what was tried before, and waits, due at once: its meter was heard."""
        ...

    # meters
    def put_readings(self, readings: Sequence[Reading]) -> None: ...
    def save_snapshots(self, snapshots: Sequence[MeterSnapshot]) -> None:
        """Write what is known of meters; the purchase number given out last is not touched."""
        ...

    def put_load_days(self, days: Sequence[LoadDay]) -> None: ...
    def load_days(self, meter_ids: Iterable[int], *, since: datetime, until: datetime) -> list[LoadDay]:
        """Return the days of these meters that begin in [since, until), by meter and time."""

    def put_hold(self, hold: Hold) -> None: ...
    def save_holds(self, holds: Sequence[Hold]) -> None:
        """Write the ends of holds."""
        ...

    def holds_begun(self, meter_id: int, kind: HoldKind, *, since: datetime) -> int:
        """Return how many holds of a kind began after an instant, those that have ended too."""
        ...

    def holds_of(self, meter_ids: Iterable[int], *, at: datetime) -> list[Hold]:
        """Return the holds of these meters that are in force at an instant, by meter and start."""
        ...

    def claim_decisions(self, *, now: datetime, limit: int) -> list[int]:
        """Return accounts whose supply the clock alone may have changed by now, by meter."""
        ...

    def emergencies(self, account_ids: Iterable[int]) -> dict[int, EmergencyCredit]:
        """Return the emergency credit that each of these accounts has taken and not repaid."""
        ...

    def put_emergency(self, emergency: EmergencyCredit) -> None:
        """Write an emergency credit, or what became of it; one that is open is not taken again."""
        ...

    def paying(self, account_ids: Iterable[int], *, now: datetime) -> dict[int, datetime]:
        """Return until when somebody is waiting to pay, of those accounts where somebody is."""
        ...

    def put_supply_changes(self, changes: Sequence[SupplyChange]) -> None: ...
    def put_policy(self, *, scope: str, scope_id: int, document: str) -> None:
        """Write what an organisation, a site or an account has settled, as JSON."""
        ...

    def settled(self, *, scope: str, scope_id: int) -> Settled | None:
        """Return what an organisation, a site or an account has settled, locked; None where there is none."""
        ...

    def accounts_in(self, *, scope: str, scope_id: int, after: int, limit: int) -> list[int]:
        """Return the open accounts with a meter of a scope, by id from after one on."""
        ...

    def end_holds(self, meter_id: int, kind: HoldKind, *, at: datetime, by: str | None = None) -> int:
        """End all holds of a kind, and keep who ended them; returns how many there were."""
        ...

    # people
    def put_cases(self, cases: Sequence[Case]) -> None: ...
    def put_alarms(self, alarms: Sequence[Alarm]) -> None: ...
    def put_warnings(self, warnings: Sequence[Warned]) -> None: ...
    def put_inbound(self, messages: Sequence[Inbound]) -> None: ...
    def put_audit(self, entries: Sequence[AuditEntry]) -> None: ...
    def put_beat(self, *, role: str, instance: str, started_at: datetime, at: datetime) -> None: ...
    def put_ends(self, alive: Mapping[str, bool], *, gateway: str, at: datetime) -> None:
        """Keep which ends of roads are reached now, and by whom; only who holds an end can lose it."""
        ...

    def lose_ends(self, *, gateways_silent_since: datetime, at: datetime) -> None:
        """Take the ends for lost whose gateway gave no sign of life since an instant."""
        ...


class Store(Protocol):
    """A database."""

    def transaction(self) -> AbstractContextManager[Transaction]:
        """Begin a transaction: commits at the end of the block, undone by an exception."""
        ...
