"""The rows in memory, and the constraints that every table shares."""

from dataclasses import dataclass, field
from datetime import date, datetime
from uuid import UUID

from compuerta.domain.access import Grant, Right
from compuerta.domain.chart import ChartRow
from compuerta.domain.contact import Language
from compuerta.domain.correction import Correction
from compuerta.domain.division import Debt
from compuerta.domain.instruction import Instruction
from compuerta.domain.ledger import Posting
from compuerta.domain.party import Account, Meter, Site
from compuerta.domain.payment import Attempt, PaymentOrder, Refund
from compuerta.domain.policy import Policy, policy_of_texts
from compuerta.domain.road import EndContact, WayFailure
from compuerta.domain.road_figures import RoadHour
from compuerta.domain.sealing import Anchor, Seal
from compuerta.domain.tariff.components import Terms
from compuerta.domain.tariff.schedule import VersionKey
from compuerta.domain.voucher import Layout
from compuerta.services.access_port import ApiKey
from compuerta.services.alarm_port import AlarmPhoto, Feeding, MaintenanceWindow, MeterAlarm
from compuerta.services.bank_port import (
    BankAccount,
    BankEntry,
    BankStatement,
    BankTie,
    EntryKey,
    Payout,
    TargetKey,
)
from compuerta.services.claim_port import KeptClaim
from compuerta.services.commission_port import Commission, Finding, StepDone, Survey
from compuerta.services.correction_port import CaseFile, Dispute
from compuerta.services.day_port import AccountDay, AccountWeight, Drift
from compuerta.services.dues_port import RechargeLine
from compuerta.services.export_port import Answer, BookExport
from compuerta.services.freeze_port import DayKey, Freeze, SiteDay
from compuerta.services.invoice_port import Buyer, Invoice, Seller
from compuerta.services.mass_port import MassItem, MassOperation
from compuerta.services.message_port import Contact, Message, Template
from compuerta.services.occupancy_port import Adjustment, Move, SupplyPointRow
from compuerta.services.outpost_port import Outpost
from compuerta.services.partner_port import BillerPayment, Delivery, KeyName, KeyRow, Webhook
from compuerta.services.period_port import MonthClose
from compuerta.services.plan_port import RoadPlan
from compuerta.services.receipt_port import HandedOut
from compuerta.services.records import (
    Alarm,
    Assignment,
    AuditEntry,
    BillOpening,
    Case,
    Charge,
    EmergencyCredit,
    Endpoint,
    Hold,
    Holdings,
    Inbound,
    Instant,
    Key,
    LoadDay,
    MeterSnapshot,
    Payment,
    ProviderAccount,
    Reading,
    Recharge,
    RechargeInstant,
    SupplyChange,
    TariffEntry,
    TariffVersion,
    Warned,
)
from compuerta.services.report_port import KeptReport
from compuerta.services.seal_port import JournalCheck
from compuerta.services.shift_port import CashMovement, Shift, Till, TillSale
from compuerta.services.statement_port import Difference, Statement, StatementKey
from compuerta.services.store_port import Conflict, ConstraintBroken

# Supply points of this name are not one: each account without a place has its own.
NAMELESS = "-"
Place = tuple[int, str, str | UUID]  # site, building and name; the token, where the name is a dash


@dataclass(slots=True)
class Tables:
    """All rows, by key; checkers read them."""

    policies: dict[tuple[str, int], str] = field(default_factory=dict)  # of organisations, sites, accounts
    organisations: dict[int, str] = field(default_factory=dict)
    on_trial: set[int] = field(default_factory=set)  # organisations that are paid with play money
    sites: dict[int, Site] = field(default_factory=dict)
    endpoints: dict[str, Endpoint] = field(default_factory=dict)
    further_ends: dict[int, tuple[str, ...]] = field(default_factory=dict)  # by meter, in their order
    outposts: dict[str, Outpost] = field(default_factory=dict)
    outpost_marks: dict[tuple[str, UUID], int] = field(default_factory=dict)  # by outpost and journal
    end_contacts: dict[str, EndContact] = field(default_factory=dict)
    ends_changed: dict[str, datetime] = field(default_factory=dict)  # by end
    road_hours: dict[tuple[str, datetime], RoadHour] = field(default_factory=dict)  # by end and hour
    way_failures: dict[tuple[int, str], WayFailure] = field(default_factory=dict)  # by meter and end
    meters: dict[int, Meter] = field(default_factory=dict)
    accounts: dict[int, Account] = field(default_factory=dict)
    account_of_meter: dict[int, int] = field(default_factory=dict)
    once_installed: set[int] = field(default_factory=set)  # meters that measured for an account that ended
    # Which meter measured for which account, by meter and start, until when.
    installations: dict[tuple[int, datetime], tuple[int, datetime | None]] = field(default_factory=dict)
    supply_points: dict[Place, SupplyPointRow] = field(default_factory=dict)
    place_of_token: dict[UUID, Place] = field(default_factory=dict)
    open_at: dict[Place, int] = field(default_factory=dict)  # the one open account of each supply point
    moves: dict[tuple[int, UUID], Move] = field(default_factory=dict)
    adjustments: dict[UUID, Adjustment] = field(default_factory=dict)
    provider_accounts: dict[str, ProviderAccount] = field(default_factory=dict)
    holdings: dict[int, Holdings] = field(default_factory=dict)
    terms: dict[int, Terms] = field(default_factory=dict)  # as the account was opened
    tariffs: dict[int, TariffEntry] = field(default_factory=dict)
    versions: dict[VersionKey, TariffVersion] = field(default_factory=dict)
    assignments: dict[tuple[int, datetime], Assignment] = field(default_factory=dict)
    bills: dict[tuple[int, datetime], BillOpening] = field(default_factory=dict)
    attempts: dict[UUID, Attempt] = field(default_factory=dict)
    orders: dict[Key, UUID] = field(default_factory=dict)
    payment_orders: dict[UUID, PaymentOrder] = field(default_factory=dict)
    debts: dict[UUID, Debt] = field(default_factory=dict)
    recharge_lines: dict[UUID, tuple[RechargeLine, ...]] = field(default_factory=dict)  # by recharge
    payment_claims: dict[Key, KeptClaim] = field(default_factory=dict)
    statements: dict[StatementKey, Statement] = field(default_factory=dict)
    statement_differences: dict[tuple[StatementKey, int], Difference] = field(default_factory=dict)
    chart_accounts: dict[tuple[int, str], ChartRow] = field(default_factory=dict)  # by organisation, code
    voucher_layouts: dict[int, Layout] = field(default_factory=dict)  # by organisation
    book_exports: dict[tuple[int, int], BookExport] = field(default_factory=dict)
    book_export_files: dict[tuple[int, int], bytes] = field(default_factory=dict)
    book_answers: dict[tuple[int, int], tuple[Answer, ...]] = field(default_factory=dict)  # in order
    payments: dict[Key, Payment] = field(default_factory=dict)
    postings: dict[UUID, Posting] = field(default_factory=dict)
    recharges: dict[UUID, Recharge] = field(default_factory=dict)
    instants: dict[tuple[UUID, Instant], RechargeInstant] = field(default_factory=dict)
    charges: dict[UUID, Charge] = field(default_factory=dict)
    load_days: dict[tuple[int, datetime], LoadDay] = field(default_factory=dict)
    by_intervals: set[int] = field(default_factory=set)  # accounts
    snapshots: dict[int, MeterSnapshot] = field(default_factory=dict)
    instructions: dict[UUID, Instruction] = field(default_factory=dict)
    readings: dict[tuple[int, datetime], Reading] = field(default_factory=dict)
    holds: dict[UUID, Hold] = field(default_factory=dict)
    emergencies: dict[tuple[int, datetime], EmergencyCredit] = field(default_factory=dict)
    mass_operations: dict[UUID, MassOperation] = field(default_factory=dict)
    mass_items: dict[tuple[UUID, int], MassItem] = field(default_factory=dict)
    supply_changes: list[SupplyChange] = field(default_factory=list)
    cases: dict[UUID, Case] = field(default_factory=dict)
    cases_looked_at: dict[UUID, CaseFile] = field(default_factory=dict)  # what people made of cases
    corrections: dict[tuple[int, UUID], Correction] = field(default_factory=dict)
    refunds: dict[tuple[int, UUID], Refund] = field(default_factory=dict)
    disputes: dict[tuple[int, UUID], Dispute] = field(default_factory=dict)
    alarms: dict[tuple[str, str], tuple[Alarm, int]] = field(default_factory=dict)
    warnings: list[Warned] = field(default_factory=list)
    contacts: dict[UUID, Contact] = field(default_factory=dict)
    templates: dict[tuple[int, str, Language], Template] = field(default_factory=dict)
    messages: dict[UUID, Message] = field(default_factory=dict)
    inbound: list[Inbound] = field(default_factory=list)
    audit: list[AuditEntry] = field(default_factory=list)
    meter_alarms: dict[UUID, MeterAlarm] = field(default_factory=dict)
    alarm_photos: dict[UUID, AlarmPhoto] = field(default_factory=dict)
    maintenance_windows: dict[UUID, MaintenanceWindow] = field(default_factory=dict)
    feedings: dict[tuple[int, int, datetime], Feeding] = field(default_factory=dict)
    roles: dict[tuple[int, str], frozenset[Right]] = field(default_factory=dict)  # organisations' own
    role_grants: dict[UUID, Grant] = field(default_factory=dict)
    api_keys: dict[UUID, ApiKey] = field(default_factory=dict)
    api_keys_revoked: dict[UUID, datetime] = field(default_factory=dict)
    tills: dict[str, Till] = field(default_factory=dict)
    shifts: dict[UUID, Shift] = field(default_factory=dict)
    cash_movements: dict[UUID, CashMovement] = field(default_factory=dict)
    till_sales: dict[tuple[int, UUID], TillSale] = field(default_factory=dict)
    idempotency_keys: dict[KeyName, KeyRow] = field(default_factory=dict)
    webhooks: dict[UUID, Webhook] = field(default_factory=dict)
    webhook_deliveries: dict[tuple[UUID, UUID], Delivery] = field(default_factory=dict)
    biller_payments: dict[tuple[str, str], BillerPayment] = field(default_factory=dict)
    payouts: dict[tuple[str, str], Payout] = field(default_factory=dict)
    bank_accounts: dict[UUID, BankAccount] = field(default_factory=dict)
    bank_statements: dict[tuple[UUID, int], BankStatement] = field(default_factory=dict)
    bank_entries: dict[EntryKey, BankEntry] = field(default_factory=dict)
    bank_ties: dict[tuple[UUID, UUID, TargetKey, datetime], BankTie] = field(default_factory=dict)
    receipts: dict[tuple[int, UUID], HandedOut] = field(default_factory=dict)  # by account and recharge
    site_days: dict[DayKey, SiteDay] = field(default_factory=dict)
    freezes: dict[tuple[int, date, int], Freeze] = field(default_factory=dict)  # by version
    account_days: dict[tuple[int, date, int], AccountDay] = field(default_factory=dict)  # by version
    seals: dict[tuple[int, int], Seal] = field(default_factory=dict)  # by account and number
    anchors: dict[tuple[int, int], Anchor] = field(default_factory=dict)  # by site and number
    month_closes: dict[tuple[int, date], MonthClose] = field(default_factory=dict)  # by organisation
    journal_checks: list[JournalCheck] = field(default_factory=list)
    account_weights: dict[int, AccountWeight] = field(default_factory=dict)
    drifts: dict[UUID, Drift] = field(default_factory=dict)
    daily_reports: dict[tuple[int, date, int], KeptReport] = field(default_factory=dict)  # by version
    daily_reports_told: dict[tuple[int, date, str], datetime] = field(default_factory=dict)  # by money
    sellers: dict[int, Seller] = field(default_factory=dict)  # by organisation
    buyers: dict[int, Buyer] = field(default_factory=dict)  # by account
    invoice_numbers: dict[tuple[int, str], int] = field(default_factory=dict)  # the last of each series
    invoices: dict[tuple[int, UUID], Invoice] = field(default_factory=dict)  # by account
    road_plans: dict[UUID, RoadPlan] = field(default_factory=dict)
    surveys: dict[UUID, Survey] = field(default_factory=dict)
    survey_findings: dict[tuple[UUID, str], Finding] = field(default_factory=dict)  # by address
    commissions: dict[UUID, Commission] = field(default_factory=dict)
    commission_steps: dict[UUID, StepDone] = field(default_factory=dict)
    taken: set[tuple[object, ...]] = field(default_factory=set)  # what unique indexes hold, by index
    beats: dict[tuple[str, str], datetime] = field(default_factory=dict)
    ends: dict[str, tuple[bool, str]] = field(default_factory=dict)  # alive or not, and by which gateway

    def policy_of(self, account: Account) -> Policy:
        """Return what account, site and organisation have settled."""
        scopes = (
            ("organisation", account.organisation_id),
            ("site", account.site_id),
            ("account", account.account_id),
        )
        return policy_of_texts(*(self.policies.get(scope, "{}") for scope in scopes))

    def place_of(self, account: Account) -> Place:
        """Return the supply point that an account is at."""
        name = account.supply_point if account.supply_point != NAMELESS else account.pay_token
        return account.site_id, account.building, name

    def take(self, index: str, *key: object) -> None:
        """Enter a key into a unique index; raises `Conflict` where it is there."""
        if (index, *key) in self.taken:
            raise Conflict(f"{index}: {key} exists")
        self.taken.add((index, *key))


def require(holds: bool, constraint: str) -> None:
    """Refuse what a constraint of the database would refuse."""
    if not holds:
        raise ConstraintBroken(constraint)
