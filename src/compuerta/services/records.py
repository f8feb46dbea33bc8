"""Records: the rows of the database as the use cases see them.

Frozen; rows of money, readings and instructions are keyed by account or meter. What may be asked of the
database is said by `store_port`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from uuid import UUID

from compuerta.domain.instruction import Instruction
from compuerta.domain.party import Account, AccountKind, Bearer, CreditAuthority, Meter, RoadKind
from compuerta.domain.policy import DEFAULT, Policy
from compuerta.domain.supply import HoldKind
from compuerta.domain.tariff.components import Terms
from compuerta.domain.tariff.schedule import Agreed, Schedule, Version, VersionKey, terms_at
from compuerta.drivers.abilities import Relay


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
    """How a payment was divided (promise M3): the parts add up to what was paid.

    An adjustment grants credit like a payment, and is one of the two.
    """

    account_id: int
    recharge_id: UUID
    payment_id: UUID | None
    meter_id: int
    paid_minor: int
    credit_minor: int
    fixed_minor: int = 0
    debt_minor: int = 0
    fee_minor: int = 0
    tax_minor: int = 0
    change_minor: int = 0
    adjustment_id: UUID | None = None


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
    wanted_kept: bool = False  # it is to stay on although its money is used up
    decide_at: datetime | None = None  # when the clock alone may change what is wanted
    out_since: datetime | None = None  # since when only the stages before a cut keep supply on
    differs_since: datetime | None = None  # since when the relay is not where it is wanted
    relay: Relay | None = None
    energy_wh: int | None = None
    balance_minor: int | None = None
    power_w: int | None = None
    flags: frozenset[str] = field(default_factory=frozenset)
    counts: Mapping[str, int] = field(default_factory=dict)  # of its events, as it counts them, by kind
    read_at: datetime | None = None
    heard_at: datetime | None = None
    clock_off_s: int | None = None  # by how much its clock was ahead when it was found wrong last ...
    clock_off_at: datetime | None = None  # ... and when that was


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
    warned: int = 0  # which levels have spoken: bit n is level n of the account's levels ...
    warned_of: int = 0  # ... and of which levels that was: their mark
    warned_minor: int | None = None  # the balance that the levels saw last: above it, somebody has recharged


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
    policy: Policy = DEFAULT  # what account, site and organisation have settled
    hold_edge: datetime | None = None  # when the next of the meter's holds begins or ends by the clock

    @property
    def credit_in_meter(self) -> bool:
        """Whether the credit lies in the meter, which deducts from it by itself."""
        return self.meter is not None and self.meter.credit_authority is CreditAuthority.METER

    @property
    def balance_minor(self) -> int:
        """What is left, as whoever holds the credit says; our books, where the meter has not told yet."""
        if self.credit_in_meter and self.snapshot is not None and self.snapshot.balance_minor is not None:
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
    """A level spoke: what it counts fell to it, or below."""

    account_id: int
    level: str  # its key, such as "money:5000"
    value: int  # minor units, watt-hours or hours, as the level counts
    balance_minor: int
    at: datetime
    zero_at: datetime | None = None  # when the balance will be used up, where hours were reckoned


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
    until_wh: int | None = None  # the register at which a temporary supply is over
    ended_by: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EmergencyCredit:
    """Credit beyond zero that somebody took, or was given: once, until it is repaid."""

    account_id: int
    taken_at: datetime
    limit_minor: int
    taken_by: str
    used_at: datetime | None = None  # since when it keeps supply on; before, there was credit left
    spent_at: datetime | None = None  # used up: nothing more of it until it is repaid
    repaid_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """What a scope has settled: a policy as JSON, as somebody wrote it."""

    organisation_id: int
    document: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SupplyChange:
    """A decision on supply that differs from the one before: the relay's story is made of these."""

    meter_id: int
    account_id: int
    at: datetime
    closed: bool
    kept: bool
    reason: str  # a reason's name
    was_closed: bool | None  # None = nobody had decided before
    was_reason: str
    until: datetime | None = None  # when the clock alone may change it again
    read_at: datetime | None = None  # the reading that it rests on


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
    """The end of a road: a module or DTU that dials in, a serial bus, a sleeper on NB-IoT."""

    endpoint_id: str
    organisation_id: int
    road: RoadKind
    bearer: Bearer
    # What names it to its bearer: registration text, device path, host:port, MQTT or LwM2M client name,
    # an outpost and its line, the operator's device id.
    address: str
    baud: int | None = None  # of a bus; None = nobody shares the road
    contact_s: int | None = None  # a sleeper says something at least so often; None = always awake
    key_generation: int = 1  # which of its keys is good now; one more takes the old ones away
    cell: str = ""  # radio cell or segment that it shares with others; "" = not known


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderAccount:
    """An account at a payment provider, and where its unplaced money waits."""

    provider: str
    organisation_id: int
    kind: str  # "wechat", "till"
    suspense_account_id: int
    live: bool = True  # as its organisation: False = on trial, with money that does not exist


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountOpening:
    """What is needed to open an account at a supply point with a meter.

    A supply point of this name in this building is made where there is none.
    """

    site_id: int
    kind: AccountKind
    name: str
    supply_point: str
    building: str = ""
    floor: int | None = None
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
    unit_no: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """An instruction that is ours until the lease ends, with what its driver needs."""

    instruction: Instruction
    meter: Meter
    zone: str
    claimed_at: datetime
    may_close: bool  # no hold forbids closing the relay (promise S3)
    permits: bool  # closing is permitted only: the user presses the button
    wanted_closed: bool | None  # what supply should be now; None = nobody has decided yet
    wanted_kept: bool = False  # ... and that it stays on although the meter's money is used up
    keeps_power: bool = False  # the meter told so when it was read last
    schedule: Schedule | None = None  # by what its account is billed; only with a tariff
    terms: Terms = field(default_factory=Terms)


Key = tuple[str, str]  # (provider, reference or transaction number)
