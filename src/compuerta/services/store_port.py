"""The port to the database: rows as they are, and one transaction per use case.

Two implementations ship: memory (the simulator's world) and PostgreSQL. Both pass one contract suite.
Every method takes or gives batches. Rows of money, readings and instructions are keyed by account or meter.
A transaction commits when its block ends, and is undone when an exception leaves it.
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Protocol
from uuid import UUID

from compuerta.domain.errors import Broken, Refused, Unreachable
from compuerta.domain.instruction import Instruction, Kind
from compuerta.domain.ledger import Outcome, Posting
from compuerta.domain.party import Account, AccountKind, CreditAuthority, Meter, RoadKind
from compuerta.domain.payment import Attempt
from compuerta.domain.tariff.components import Terms
from compuerta.domain.tariff.schedule import Agreed, Schedule, Version, VersionKey, terms_at
from compuerta.drivers.abilities import Relay


class Conflict(Unreachable):
    """Another transaction was faster with the same key; the same batch will find its work when run again."""


class NameTaken(Refused):
    """There is another of this name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"there is a {name!r} already; choose another name")
        self.name = name


class ConstraintBroken(Broken):
    """The database refused what the code thought right: a promise was about to be broken."""


class PaymentVerdict(Enum):
    """What was done with a payment."""

    CREDITED = "credited"
    SUSPENDED = "suspended"  # the money is here, and a case says why it is not credited


class Basis(Enum):
    """What a charge rests on."""

    READ = "read"  # a reading, or readings of each rate: nothing had to be supposed
    SPREAD = "spread"  # use between readings that lie apart, spread evenly over hours of different prices
    DAYS = "days"  # days that passed, without a reading
    INTERVALS = "intervals"  # what the meter has measured by intervals, day by day


class Instant(Enum):
    """The instants of a recharge that are kept for ever."""

    PAID = "paid"  # the provider's word
    POSTED = "posted"  # in our ledger
    CREDITED = "credited"  # in force where the credit authority is
    CLOSED = "closed"  # the relay was seen closed


class HoldKind(Enum):
    """A named reason to keep supply off, or on."""

    SAFETY = "safety"
    ADMINISTRATOR = "administrator"
    PROTECTED = "protected"
    TEMPORARY = "temporary"


@dataclass(frozen=True, slots=True, kw_only=True)
class Payment:
    """Money that a provider says it has."""

    account_id: int
    payment_id: UUID
    provider: str
    transaction_no: str
    reference: str
    amount_minor: int
    currency: str
    paid_at: datetime
    posted_at: datetime
    verdict: PaymentVerdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Recharge:
    """How a payment was divided (promise M3): the parts add up to what was paid."""

    account_id: int
    recharge_id: UUID
    payment_id: UUID
    meter_id: int
    paid_minor: int
    credit_minor: int
    fixed_minor: int = 0
    debt_minor: int = 0
    fee_minor: int = 0
    tax_minor: int = 0
    change_minor: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RechargeInstant:
    """When something happened to a recharge; each is written once."""

    account_id: int
    recharge_id: UUID
    instant: Instant
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """What use has cost, with all that explains it (promises M4, T3)."""

    account_id: int
    charge_id: UUID
    meter_id: int
    read_at: datetime
    from_wh: int  # energy of the account billed before
    to_wh: int
    bill_before_minor: int
    bill_after_minor: int
    bill_start: datetime
    from_at: datetime  # the use is of [from_at, read_at)
    version: VersionKey  # in force at the end
    basis: Basis
    rates_wh: tuple[int, ...] | None = None  # by the meter's own registers of rates


@dataclass(frozen=True, slots=True, kw_only=True)
class BillOpening:
    """Where a bill began: with the uses of its charges it can be made again, line by line (promise T3)."""

    account_id: int
    bill_start: datetime
    tally: tuple[int, ...]  # before any use of this bill; packed


class VersionState(Enum):
    """Where a version of a tariff stands."""

    DRAFT = "draft"
    PROPOSED = "proposed"  # never changed any more; a second person decides
    APPROVED = "approved"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True, kw_only=True)
class TariffEntry:
    """A line of versions under one name; `generation` grows with every decision."""

    tariff_id: int
    organisation_id: int
    name: str
    currency: str
    generation: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class TariffVersion:
    """A version as it is kept, with who wrote, proposed and decided it."""

    version: Version
    state: VersionState
    fingerprint: str
    drafted_by: str
    drafted_at: datetime
    proposed_by: str | None = None
    proposed_at: datetime | None = None
    decided_by: str | None = None
    decided_at: datetime | None = None
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """A tariff that an account changes to, with what of its contract the tariff asks for."""

    account_id: int
    starts_at: datetime
    tariff_id: int
    terms: Terms = field(default_factory=Terms)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a meter said of itself at an instant."""

    meter_id: int
    at: datetime
    energy_wh: int | None
    balance_minor: int | None
    relay: Relay | None
    purchase_no: int | None
    power_w: int | None
    rates_wh: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadDay:
    """What a meter has measured by intervals on a local day, from its first instant on."""

    meter_id: int
    starts_at: datetime
    minutes: int  # of each interval
    wh: tuple[int, ...]  # of 23, 24 or 25 hours, as the day has


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterSnapshot:
    """The last that is known of a meter, and what is wanted of it."""

    meter_id: int
    purchase_no_last: int = 0  # the last that was given out
    purchase_no: int | None = None  # the last that the meter counts
    wanted_closed: bool | None = None
    wanted_reason: str = ""
    relay: Relay | None = None
    energy_wh: int | None = None
    balance_minor: int | None = None
    power_w: int | None = None
    flags: frozenset[str] = field(default_factory=frozenset)
    read_at: datetime | None = None
    heard_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Holdings:
    """What an account has; the two amounts are moved by postings only."""

    account_id: int
    undelivered_minor: int = 0
    delivered_minor: int = 0  # the balance in force by our books
    register_wh: int | None = None  # the register value that was billed last; None = no reading yet
    register_at: datetime | None = None  # when it was read; None = it was given when the account was opened
    billed_wh: int = 0  # energy billed since the account began
    billing_held: bool = False  # a reading is in doubt: nothing is charged, nobody is cut
    register_rates_wh: tuple[int, ...] | None = None  # the registers by rate, with `register_wh`
    tally: tuple[int, ...] = ()  # the open bill, packed; empty before the first reading


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountView:
    """An account with all that a decision about it needs, locked until the transaction ends."""

    account: Account
    holdings: Holdings
    meter: Meter | None
    snapshot: MeterSnapshot | None
    holds: frozenset[HoldKind]
    schedule: Schedule | None = None  # by what it is billed; None for accounts that buy nothing
    agreed: Agreed = ()  # the terms, those to come too
    by_intervals: bool = False  # it is billed by load days, once a cycle, and not by registers

    @property
    def balance_minor(self) -> int:
        """What is left, as whoever holds the credit says; our books, where the meter has not told yet."""
        in_meter = self.meter is not None and self.meter.credit_authority is CreditAuthority.METER
        if in_meter and self.snapshot is not None and self.snapshot.balance_minor is not None:
            return self.snapshot.balance_minor
        return self.holdings.delivered_minor

    def terms_at(self, instant: datetime) -> Terms:
        """Return the terms that hold at an instant; those of a bill are those of its beginning."""
        return terms_at(self.agreed, instant)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A difference or doubt that a person has to look at."""

    account_id: int
    case_id: UUID
    kind: str  # "amount_differs", "reference_unknown", "recharge_refused", "register_backwards" ...
    detail: str
    opened_at: datetime


# Strangers choose what is told of them, such as the number that they dial in with: a flood of new names fills
# no disk, and no screen.
ALARMS_PER_KIND_MAX = 1_000
ALARM_OTHERS = "others"


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """Something that went wrong at a border; repeats of one subject are counted, not listed again.

    Subjects of a kind beyond `ALARMS_PER_KIND_MAX` are counted together, as `ALARM_OTHERS`.
    """

    kind: str  # "notice_forged", "registration_unknown", "meter_number_twice" ...
    subject: str
    detail: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Warned:
    """A balance fell through a level."""

    account_id: int
    level_minor: int
    balance_minor: int
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Inbound:
    """A provider's message as it came, whatever became of it."""

    inbound_id: UUID
    provider: str
    heard_at: datetime
    headers: Mapping[str, str]
    body: bytes
    verdict: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """A named reason to keep supply off, or on, with an owner and an end."""

    meter_id: int
    hold_id: UUID
    kind: HoldKind
    owner: str
    note: str
    start: datetime
    end: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """Who changed what, why, from where (promise A2)."""

    organisation_id: int
    audit_id: UUID
    at: datetime
    who: str
    what: str
    why: str
    origin: str
    subject: str
    before: str
    after: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """The end of a road: a module or DTU that dials in, or a serial bus."""

    endpoint_id: str
    organisation_id: int
    road: RoadKind
    address: str  # registration text of a dial-in, or device path of a bus
    baud: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderAccount:
    """An account at a payment provider, and where its unplaced money waits."""

    provider: str
    organisation_id: int
    kind: str  # "wechat", "till"
    suspense_account_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountOpening:
    """What is needed to open an account at a supply point with a meter."""

    site_id: int
    kind: AccountKind
    name: str
    supply_point: str
    tariff_id: int | None  # None for accounts that buy nothing
    meter_id: int | None
    pay_token: UUID
    opened_at: datetime
    register_wh: int | None = None
    terms: Terms = field(default_factory=Terms)
    by_intervals: bool = False  # see AccountView


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterEntry:
    """What is needed to register a meter."""

    organisation_id: int
    meter_no: str
    model: str
    credit_authority: CreditAuthority
    customer_no: str
    endpoint_id: str
    road: RoadKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """An instruction that is ours until the lease ends, with what its driver needs."""

    instruction: Instruction
    meter: Meter
    zone: str
    may_close: bool  # no hold forbids closing the relay (promise S3)
    wanted_closed: bool | None  # what supply should be now; None = nobody has decided yet
    schedule: Schedule | None = None  # by what its account is billed; only with a tariff
    terms: Terms = field(default_factory=Terms)


Key = tuple[str, str]  # (provider, reference or transaction number)


class Transaction(Protocol):
    """All that a use case may ask of the database, inside one transaction."""

    # registry
    def add_organisation(self, name: str) -> int: ...
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

    def claim(self, meter_ids: Iterable[int], *, now: datetime, owner: str) -> list[Claim]:
        """Lease the oldest due instruction of each meter that has none in flight.

        A tariff comes after all else, and never before one that is effective earlier.
        """
        ...

    def end_leases(self, *, owners_silent_since: datetime, at: datetime) -> None:
        """End the leases whose owner gave no sign of life since an instant."""
        ...

    def wake(self, meter_ids: Iterable[int], *, now: datetime) -> None:
        """Make the waiting instructions of meters that were heard due at once."""
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
    def meters_with_hold_edges(self, *, since: datetime, until: datetime) -> list[int]:
        """Return the meters with a hold that began or ended in (since, until]."""
        ...

    def end_holds(self, meter_id: int, kind: HoldKind, *, at: datetime) -> int: ...

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
