"""What the promises are judged on: rows from the books, and facts from the world outside them.

Facts are what the outside world says of itself: the meter of its credit and relay, the provider of its money.
They are read at the meter and at the provider, never through the platform's own rows.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from compuerta.domain.alarms import AlarmKind
from compuerta.domain.correction import Correction
from compuerta.domain.division import Debt
from compuerta.domain.instruction import TAKEN_BACK, Instruction, Kind, State
from compuerta.domain.ledger import Posting
from compuerta.domain.party import Account, Meter
from compuerta.domain.payment import Attempt, Refund
from compuerta.domain.policy import DEFAULT, Policy
from compuerta.domain.supply import HoldKind
from compuerta.domain.tariff.bill import bill
from compuerta.domain.tariff.components import Terms
from compuerta.domain.tariff.packing import unpacked
from compuerta.domain.tariff.rating import extend
from compuerta.domain.tariff.schedule import Agreed, Schedule, terms_at
from compuerta.domain.tariff.tally import Span, opened
from compuerta.drivers.abilities import Relay
from compuerta.services.alarm_port import MeterAlarm
from compuerta.services.correction_port import Dispute
from compuerta.services.day_port import AccountDay
from compuerta.services.dues_port import RechargeLine
from compuerta.services.freeze_port import Freeze, SiteDay
from compuerta.services.message_port import Message
from compuerta.services.occupancy_port import Adjustment
from compuerta.services.records import (
    BillOpening,
    Case,
    Charge,
    EmergencyCredit,
    Hold,
    Holdings,
    LoadDay,
    MeterSnapshot,
    Payment,
    Recharge,
    RechargeInstant,
    SupplyChange,
    Warned,
)

Row = TypeVar("Row")
Key = TypeVar("Key")


@dataclass(frozen=True, slots=True, kw_only=True)
class BilledBy:
    """The versions and terms that an account is billed by."""

    schedule: Schedule
    agreed: Agreed

    def terms_at(self, instant: datetime) -> Terms:
        """Return the terms that hold at an instant; those of a bill are those of its beginning."""
        return terms_at(self.agreed, instant)


@dataclass(frozen=True, slots=True, kw_only=True)
class Books:
    """What the database holds at one instant."""

    accounts: tuple[Account, ...] = ()
    meters: tuple[Meter, ...] = ()
    attempts: tuple[Attempt, ...] = ()
    payments: tuple[Payment, ...] = ()
    postings: tuple[Posting, ...] = ()
    recharges: tuple[Recharge, ...] = ()
    recharge_lines: tuple[RechargeLine, ...] = ()
    debts: tuple[Debt, ...] = ()
    corrections: tuple[Correction, ...] = ()
    refunds: tuple[Refund, ...] = ()
    disputes: tuple[Dispute, ...] = ()
    instants: tuple[RechargeInstant, ...] = ()
    charges: tuple[Charge, ...] = ()
    bills: tuple[BillOpening, ...] = ()
    load_days: tuple[LoadDay, ...] = ()
    instructions: tuple[Instruction, ...] = ()
    holdings: tuple[Holdings, ...] = ()
    snapshots: tuple[MeterSnapshot, ...] = ()
    holds: tuple[Hold, ...] = ()
    emergencies: tuple[EmergencyCredit, ...] = ()
    cases: tuple[Case, ...] = ()
    adjustments: tuple[Adjustment, ...] = ()
    billed_by: Mapping[int, BilledBy] = field(default_factory=dict)  # by account
    warnings: tuple[Warned, ...] = ()
    supply_changes: tuple[SupplyChange, ...] = ()
    alarms: tuple[MeterAlarm, ...] = ()
    messages: tuple[Message, ...] = ()
    policies: Mapping[int, Policy] = field(default_factory=dict)  # by account
    site_days: tuple[SiteDay, ...] = ()
    freezes: tuple[Freeze, ...] = ()  # all versions
    account_days: tuple[AccountDay, ...] = ()  # all versions


@dataclass(frozen=True, slots=True, kw_only=True)
class Purchase:
    """One credit that a meter has taken; a vendor's meter counts its purchases itself."""

    purchase_no: int
    amount_minor: int
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterFact:
    """What a meter says of itself, read at the meter and not through the platform."""

    meter_no: str
    relay: Relay
    energy_wh: int
    balance_minor: int | None = None  # None = the platform is the credit authority
    credited: tuple[Purchase, ...] = ()  # since it was installed; what was taken out is below nothing
    opening_minor: int = 0  # what was in it when it was installed ...
    opening_wh: int = 0  # ... and what its register showed
    switched_on: tuple[datetime, ...] = ()  # when a message of the platform made supply come back
    relay_stuck: bool = False
    ran_backwards: bool = False  # its register lost energy
    midnights: Mapping[datetime, int] = field(
        default_factory=dict
    )  # what it froze, by its own clock's midnight
    felt: frozenset[AlarmKind] = frozenset()  # what happened to it since the platform first knew its counts


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderFact:
    """Money that a provider really has."""

    provider: str
    transaction_no: str
    reference: str
    amount_minor: int
    acknowledged: bool = True  # we said that we know; False = it still tells us, or gave up
    refunded_minor: int = 0  # that went back, or is on its way
    by_hand: bool = False  # somebody refunds it in the provider's console, past this house


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterFact:
    """Words that a carrier has brought to somebody."""

    message_id: UUID
    times: int


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """The facts outside the books; None = nobody was asked."""

    meters: tuple[MeterFact, ...] | None = None
    provider: tuple[ProviderFact, ...] | None = None
    letters: tuple[LetterFact, ...] | None = None
    holds: Mapping[str, int] = field(default_factory=dict)  # what honest providers hold for us


class View:
    """The books and the facts, indexed once for all checks."""

    def __init__(self, books: Books, world: World, *, now: datetime, before: Books | None) -> None:
        self.books, self.world, self.now, self.before = books, world, now, before
        self.account = {each.account_id: each for each in books.accounts}
        self.meter = {each.meter_id: each for each in books.meters}
        self.holdings = {each.account_id: each for each in books.holdings}
        self.snapshot = {each.meter_id: each for each in books.snapshots}
        self.payment = {(each.provider, each.transaction_no): each for each in books.payments}
        self.payment_by_id = {each.payment_id: each for each in books.payments}
        self.cases = {each.case_id for each in books.cases}
        self.cases_of = grouped(books.cases, lambda each: each.account_id)
        self.postings_of = grouped(books.postings, lambda each: each.cause_id)
        self.postings_by_account = grouped(books.postings, lambda each: each.account_id)
        self.lines_of = grouped(books.recharge_lines, lambda each: each.recharge_id)
        self.charges_of = grouped(books.charges, lambda each: each.account_id)
        self.warnings_of = grouped(books.warnings, lambda each: each.account_id)
        self.instructions_of = grouped(books.instructions, lambda each: each.meter_id)
        self.holds_of = grouped(books.holds, lambda each: each.meter_id)
        self.fact = {each.meter_no: each for each in world.meters or ()}
        self.account_of_meter = {
            each.meter_id: each for each in books.accounts if each.meter_id and each.period.end is None
        }

        self.adjustment = {each.adjustment_id: each for each in books.adjustments}
        # Who lives, or lived, where a meter measures, and what all of them were charged for.
        self.accounts_of: dict[int, set[int]] = defaultdict(set)
        self.charged_wh: dict[int, int] = defaultdict(int)
        for meter_id, open_account in self.account_of_meter.items():
            self.accounts_of[meter_id].add(open_account.account_id)
        for charge in books.charges:
            self.accounts_of[charge.meter_id].add(charge.account_id)
            self.charged_wh[charge.meter_id] += charge.to_wh - charge.from_wh

    def metered(self) -> Iterator[tuple[Account, Meter, MeterFact]]:
        """Yield each open account whose meter told of itself."""
        for account in self.account_of_meter.values():
            meter = self.meter[account.meter_id or 0]
            if meter.meter_no in self.fact:
                yield account, meter, self.fact[meter.meter_no]

    def deliveries(self, meter_id: int) -> list[Instruction]:
        """Return what a meter was, or is, to be given or asked back, by the number that it counts it by.

        What was taken back before it was sent, and what it has refused to give back, has no number any more.
        """
        return [
            each
            for each in self.instructions_of[meter_id]
            if (each.kind is Kind.RECHARGE and each.last_answer != TAKEN_BACK)
            or (each.kind is Kind.WITHDRAWAL and each.state is not State.REFUSED)
        ]

    def holds_at(self, meter_id: int, at: datetime) -> frozenset[HoldKind]:
        """Return the kinds of holds that are in force at an instant."""
        return frozenset(
            hold.kind
            for hold in self.holds_of[meter_id]
            if hold.start <= at and (hold.end is None or at < hold.end)
        )

    def policy_of(self, account_id: int) -> Policy:
        """Return what an account, its site and its organisation have settled."""
        return self.books.policies.get(account_id, DEFAULT)

    def emergency_minor(self, account_id: int) -> int:
        """Return the emergency credit of an account that is taken, and neither spent nor repaid."""
        taken = [
            each.limit_minor
            for each in self.books.emergencies
            if each.account_id == account_id and each.spent_at is None and each.repaid_at is None
        ]
        return max(taken, default=0)

    def unbilled_minor(self, account: Account, fact: MeterFact) -> int:
        """Return what the meter has measured and no charge has told of yet."""
        holdings = self.holdings[account.account_id]
        used_wh = max(fact.energy_wh - (holdings.register_wh or 0), 0)
        by = self.books.billed_by[account.account_id]
        schedule = by.schedule
        start = holdings.register_at or account.period.start
        tally = unpacked(holdings.tally) if holdings.tally else opened(schedule=schedule, at=start)
        terms = by.terms_at(tally.bill_start)
        use = Span(start=start, end=self.now, energy_wh=used_wh)
        moved = extend(tally, use, schedule=schedule, terms=terms)
        closed_minor = sum(ended.total_minor for _, ended in moved.closed)
        after = bill(moved.tally, schedule=schedule, terms=terms)
        return closed_minor + after.total_minor - bill(tally, schedule=schedule, terms=terms).total_minor


def grouped(rows: Iterable[Row], key: Callable[[Row], Key]) -> dict[Key, list[Row]]:
    """Return rows by a key; a key that no row has is an empty list."""
    groups: dict[Key, list[Row]] = defaultdict(list)
    for row in rows:
        groups[key(row)].append(row)
    return groups


def unless(holds: bool, otherwise: str) -> str | None:
    """Return the line that tells of a broken promise, or None where it holds."""
    return None if holds else otherwise
