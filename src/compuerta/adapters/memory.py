"""The database in memory: the simulator's, and the one that tests of services use.

It keeps the same constraints as PostgreSQL, by hand: what a CHECK or a unique index refuses there is refused
here. A transaction that is left by an exception is undone whole, as after a crash.
"""

import copy
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import UUID

from compuerta.domain import instruction as life
from compuerta.domain.instruction import Event, Instruction, Kind, State
from compuerta.domain.ledger import (
    DELIVERED,
    UNDELIVERED,
    Outcome,
    Posting,
    PostingKind,
    judge_all,
    liability_minor,
)
from compuerta.domain.party import Account, AccountKind, Meter, Period, Site
from compuerta.domain.payment import Attempt
from compuerta.domain.tariff.components import Terms
from compuerta.domain.tariff.schedule import VersionKey
from compuerta.services.facts import BilledBy
from compuerta.services.schedules import Billing, Schedules
from compuerta.services.store_port import (
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
    Conflict,
    ConstraintBroken,
    Endpoint,
    Hold,
    Holdings,
    HoldKind,
    Inbound,
    Instant,
    Key,
    MeterEntry,
    MeterSnapshot,
    NameTaken,
    Payment,
    ProviderAccount,
    Reading,
    Recharge,
    RechargeInstant,
    TariffEntry,
    TariffVersion,
    VersionState,
    Warned,
)

_FORBIDDING = frozenset({HoldKind.SAFETY, HoldKind.ADMINISTRATOR})


@dataclass(slots=True)
class Tables:
    """All rows, by key; checkers read them."""

    organisations: dict[int, str] = field(default_factory=dict)
    sites: dict[int, Site] = field(default_factory=dict)
    endpoints: dict[str, Endpoint] = field(default_factory=dict)
    meters: dict[int, Meter] = field(default_factory=dict)
    accounts: dict[int, Account] = field(default_factory=dict)
    account_of_meter: dict[int, int] = field(default_factory=dict)
    provider_accounts: dict[str, ProviderAccount] = field(default_factory=dict)
    holdings: dict[int, Holdings] = field(default_factory=dict)
    terms: dict[int, Terms] = field(default_factory=dict)  # as the account was opened
    tariffs: dict[int, TariffEntry] = field(default_factory=dict)
    versions: dict[VersionKey, TariffVersion] = field(default_factory=dict)
    assignments: dict[tuple[int, datetime], Assignment] = field(default_factory=dict)
    bills: dict[tuple[int, datetime], BillOpening] = field(default_factory=dict)
    attempts: dict[UUID, Attempt] = field(default_factory=dict)
    orders: dict[Key, UUID] = field(default_factory=dict)
    payments: dict[Key, Payment] = field(default_factory=dict)
    postings: dict[UUID, Posting] = field(default_factory=dict)
    recharges: dict[UUID, Recharge] = field(default_factory=dict)
    instants: dict[tuple[UUID, Instant], RechargeInstant] = field(default_factory=dict)
    charges: dict[UUID, Charge] = field(default_factory=dict)
    snapshots: dict[int, MeterSnapshot] = field(default_factory=dict)
    instructions: dict[UUID, Instruction] = field(default_factory=dict)
    readings: dict[tuple[int, datetime], Reading] = field(default_factory=dict)
    holds: dict[UUID, Hold] = field(default_factory=dict)
    cases: dict[UUID, Case] = field(default_factory=dict)
    alarms: dict[tuple[str, str], tuple[Alarm, int]] = field(default_factory=dict)
    warnings: list[Warned] = field(default_factory=list)
    inbound: list[Inbound] = field(default_factory=list)
    audit: list[AuditEntry] = field(default_factory=list)
    taken: set[tuple[object, ...]] = field(default_factory=set)  # what unique indexes hold, by index
    beats: dict[tuple[str, str], datetime] = field(default_factory=dict)
    ends: dict[str, tuple[bool, str]] = field(default_factory=dict)  # alive or not, and by which gateway


class MemoryStore:
    """This will hold a whole database in this process."""

    def __init__(self) -> None:
        self.tables = Tables()
        self._schedules = Schedules()

    @contextmanager
    def transaction(self) -> Iterator["MemoryTransaction"]:
        """Begin a transaction; see `store_port.Store`."""
        # Rows are frozen, so copying the dictionaries is copying the database.
        before = Tables(**{name: copy.copy(getattr(self.tables, name)) for name in Tables.__slots__})
        try:
            yield MemoryTransaction(self.tables, self._schedules)
        except BaseException:
            self.tables = before
            raise

    def billed_by(self, *, now: datetime) -> dict[int, BilledBy]:
        """Return by what every account is billed."""
        transaction = MemoryTransaction(self.tables, self._schedules)
        views = transaction.lock_accounts(self.tables.accounts, now=now)
        return {
            account_id: BilledBy(schedule=view.schedule, terms=view.terms)
            for account_id, view in views.items()
            if view.schedule is not None
        }


class MemoryTransaction:
    """This will run one use case on the tables."""

    def __init__(self, tables: Tables, schedules: Schedules) -> None:
        self._tables = tables
        self._schedules = schedules

    # registry ------------------------------------------------------------------------------------------

    def add_organisation(self, name: str) -> int:
        return _added(self._tables.organisations, name)

    def add_site(self, *, organisation_id: int, name: str, zone: str, currency: str) -> int:
        site_id = len(self._tables.sites) + 1
        self._tables.sites[site_id] = Site(
            site_id=site_id, organisation_id=organisation_id, name=name, zone=zone, currency=currency
        )
        return site_id

    def add_endpoint(self, endpoint: Endpoint) -> None:
        self._take("endpoint_pkey", endpoint.endpoint_id)
        self._take("endpoint_road_address_key", endpoint.road, endpoint.address)
        self._tables.endpoints[endpoint.endpoint_id] = endpoint

    def add_meter(self, entry: MeterEntry) -> int:
        _require(entry.endpoint_id in self._tables.endpoints, "meter_endpoint_id_fkey")
        self._take("meter_meter_no_key", entry.meter_no)
        meter_id = len(self._tables.meters) + 1
        self._tables.meters[meter_id] = Meter(
            meter_id=meter_id,
            organisation_id=entry.organisation_id,
            meter_no=entry.meter_no,
            model=entry.model,
            credit_authority=entry.credit_authority,
            customer_no=entry.customer_no,
            endpoint_id=entry.endpoint_id,
            road=entry.road,
        )
        self._tables.snapshots[meter_id] = MeterSnapshot(meter_id=meter_id)
        return meter_id

    def add_account(self, opening: AccountOpening) -> int:
        self._take("supply_point_pay_token_key", opening.pay_token)
        account_id = len(self._tables.accounts) + 1
        site = self._tables.sites[opening.site_id]
        self._tables.accounts[account_id] = Account(
            account_id=account_id,
            organisation_id=site.organisation_id,
            site_id=site.site_id,
            kind=opening.kind,
            name=opening.name,
            supply_point=opening.supply_point,
            currency=site.currency,
            zone=site.zone,
            tariff_id=opening.tariff_id,
            meter_id=opening.meter_id,
            pay_token=opening.pay_token,
            period=Period(start=opening.opened_at),
        )
        self._tables.holdings[account_id] = Holdings(account_id=account_id, register_wh=opening.register_wh)
        _require(
            (opening.kind is AccountKind.CUSTOMER) == (opening.tariff_id is not None), "account_has_a_tariff"
        )
        self._tables.terms[account_id] = opening.terms
        if opening.meter_id is not None:
            self._take("installation_of_meter", opening.meter_id)
            self._tables.account_of_meter[opening.meter_id] = account_id
        return account_id

    def add_provider_account(self, account: ProviderAccount) -> None:
        self._take("provider_account_pkey", account.provider)
        self._tables.provider_accounts[account.provider] = account

    def provider_account(self, provider: str) -> ProviderAccount | None:
        return self._tables.provider_accounts.get(provider)

    def endpoints(self) -> list[Endpoint]:
        return [endpoint for _, endpoint in sorted(self._tables.endpoints.items())]

    def meters(self) -> list[Meter]:
        return [meter for _, meter in sorted(self._tables.meters.items())]

    def account_by_token(self, pay_token: UUID) -> int | None:
        for account in self._tables.accounts.values():
            if account.pay_token == pay_token and account.period.end is None:
                return account.account_id
        return None

    # tariffs -------------------------------------------------------------------------------------------

    def add_tariff(self, *, organisation_id: int, name: str, currency: str, at: datetime) -> int:
        if any(
            (each.organisation_id, each.name) == (organisation_id, name)
            for each in self._tables.tariffs.values()
        ):
            raise NameTaken(name)
        tariff_id = len(self._tables.tariffs) + 1
        self._tables.tariffs[tariff_id] = TariffEntry(
            tariff_id=tariff_id, organisation_id=organisation_id, name=name, currency=currency
        )
        return tariff_id

    def tariff(self, tariff_id: int) -> TariffEntry | None:
        return self._tables.tariffs.get(tariff_id)

    def versions(self, tariff_ids: Iterable[int]) -> list[TariffVersion]:
        wanted = set(tariff_ids)
        return [each for key, each in sorted(self._tables.versions.items()) if key[0] in wanted]

    def put_version(self, version: TariffVersion) -> None:
        _require(version.version.tariff_id in self._tables.tariffs, "tariff_version_tariff_id_fkey")
        self._take("tariff_version_pkey", *version.version.key)
        self._write_version(version)

    def save_version(self, version: TariffVersion) -> None:
        kept = self._tables.versions[version.version.key]
        if kept.state is not VersionState.DRAFT:
            same = (kept.version, kept.fingerprint, kept.drafted_by, kept.proposed_by) == (
                version.version, version.fingerprint, version.drafted_by, version.proposed_by
            )  # fmt: skip
            _require(same and kept.state is VersionState.PROPOSED, "tariff_version_is_kept")
        self._write_version(version)

    def _write_version(self, version: TariffVersion) -> None:
        decided = version.state in (VersionState.APPROVED, VersionState.WITHDRAWN)
        _require(decided == (version.decided_by is not None), "tariff_version_is_decided_by_somebody")
        tariff_id = version.version.tariff_id
        if version.state is VersionState.APPROVED:
            others = (version.proposed_by, version.drafted_by)
            _require(version.decided_by not in others, "tariff_version_has_two_persons")
            self._take("tariff_version_approved", tariff_id, version.version.effective_from)
        self._tables.versions[version.version.key] = version
        if decided:
            entry = self._tables.tariffs[tariff_id]
            self._tables.tariffs[tariff_id] = replace(entry, generation=entry.generation + 1)

    def assign(self, assignment: Assignment) -> None:
        self._take("tariff_assignment_pkey", assignment.account_id, assignment.starts_at)
        self._tables.assignments[assignment.account_id, assignment.starts_at] = assignment

    def accounts_on(self, tariff_id: int, *, now: datetime) -> list[int]:
        found = []
        for account in self._tables.accounts.values():
            rows = self._assignments_of(account.account_id)
            ends = [each.starts_at for each in rows[1:]]
            uses = any(
                each.tariff_id == tariff_id and (at == len(ends) or ends[at] > now)
                for at, each in enumerate(rows)
            )
            if account.period.end is None and uses:
                found.append(account.account_id)
        return sorted(found)

    def _assignments_of(self, account_id: int) -> list[Assignment]:
        account = self._tables.accounts[account_id]
        if account.tariff_id is None:
            return []
        first = Assignment(
            account_id=account_id,
            starts_at=account.period.start,
            tariff_id=account.tariff_id,
            terms=self._tables.terms[account_id],
        )
        later = [each for key, each in sorted(self._tables.assignments.items()) if key[0] == account_id]
        return [first, *later]

    # accounts and money --------------------------------------------------------------------------------

    def lock_accounts(self, account_ids: Iterable[int], *, now: datetime) -> dict[int, AccountView]:
        known = sorted(set(account_ids) & self._tables.accounts.keys())
        return {account_id: self._view(account_id, now=now) for account_id in known}

    def accounts_of_meters(self, meter_ids: Iterable[int]) -> dict[int, int]:
        installed = self._tables.account_of_meter
        return {meter_id: installed[meter_id] for meter_id in meter_ids if meter_id in installed}

    def attempts_by_reference(self, keys: Iterable[Key]) -> dict[Key, Attempt]:
        orders = self._tables.orders
        return {key: self._tables.attempts[orders[key]] for key in keys if key in orders}

    def attempt(self, attempt_id: UUID) -> Attempt | None:
        return self._tables.attempts.get(attempt_id)

    def put_attempt(self, attempt: Attempt) -> bool:
        key = (attempt.provider, attempt.reference)
        if key in self._tables.orders or attempt.attempt_id in self._tables.attempts:
            return False
        _require(attempt.amount_minor > 0, "attempt_amount_minor_check")
        self._tables.orders[key] = attempt.attempt_id
        self._tables.attempts[attempt.attempt_id] = attempt
        return True

    def save_attempts(self, attempts: Iterable[Attempt]) -> None:
        for attempt in attempts:
            self._tables.attempts[attempt.attempt_id] = attempt

    def claim_attempts(self, *, now: datetime, until: datetime, limit: int) -> list[Attempt]:
        due = [
            each for each in self._tables.attempts.values() if each.ask_at is not None and each.ask_at <= now
        ]
        claimed = [
            replace(each, ask_at=until)
            for each in sorted(due, key=lambda each: (each.ask_at or now, each.reference))[:limit]
        ]
        self.save_attempts(claimed)
        return claimed

    def payments_known(self, keys: Iterable[Key]) -> dict[Key, Payment]:
        return {key: self._tables.payments[key] for key in keys if key in self._tables.payments}

    def put_payments(self, payments: Sequence[Payment]) -> None:
        for payment in payments:
            _require(payment.amount_minor > 0, "payment_amount_minor_check")
            self._take("payment_reference_pkey", payment.provider, payment.transaction_no)
            self._take("payment_pkey", payment.account_id, payment.payment_id)
            self._tables.payments[payment.provider, payment.transaction_no] = payment

    def book(self, postings: Sequence[Posting]) -> list[Outcome]:
        judged = judge_all(postings, known=self._tables.postings)
        for posting, outcome in judged:
            if outcome is Outcome.CREATED:
                _require(
                    (posting.kind is PostingKind.REVERSAL) == bool(posting.reverses), "posting_reversal_names"
                )
                if posting.reverses:
                    self._take("posting_reversed_once", posting.account_id, posting.reverses)
                    _require(posting.reverses in self._tables.postings, "posting_account_id_reverses_fkey")
                else:
                    self._take("posting_once", posting.account_id, posting.cause_id, posting.kind)
                self._tables.postings[posting.posting_id] = posting
                self._move(posting)
        return [outcome for _, outcome in judged]

    def put_recharges(self, recharges: Sequence[Recharge]) -> None:
        for recharge in recharges:
            parts = (
                recharge.credit_minor + recharge.fixed_minor + recharge.debt_minor
                + recharge.fee_minor + recharge.tax_minor + recharge.change_minor
            )  # fmt: skip
            _require(parts == recharge.paid_minor, "recharge_is_divided_whole")
            self._take("recharge_pkey", recharge.account_id, recharge.recharge_id)
            self._take("recharge_account_id_payment_id_key", recharge.account_id, recharge.payment_id)
            paid = ("payment_pkey", recharge.account_id, recharge.payment_id)
            _require(paid in self._tables.taken, "recharge_account_id_payment_id_fkey")
            self._tables.recharges[recharge.recharge_id] = recharge

    def put_instants(self, instants: Sequence[RechargeInstant]) -> None:
        for each in instants:
            _require(
                each.recharge_id in self._tables.recharges, "recharge_instant_account_id_recharge_id_fkey"
            )
            self._tables.instants.setdefault((each.recharge_id, each.instant), each)

    def recharges_unlit(self, seen_closed: Mapping[int, datetime]) -> list[tuple[int, UUID]]:
        return [
            (each.account_id, recharge_id)
            for (recharge_id, instant), each in self._tables.instants.items()
            if instant is Instant.CREDITED
            and each.account_id in seen_closed
            and each.at <= seen_closed[each.account_id]
            and (recharge_id, Instant.CLOSED) not in self._tables.instants
        ]

    def put_bills(self, bills: Sequence[BillOpening]) -> None:
        for each in bills:
            self._take("bill_pkey", each.account_id, each.bill_start)
            self._tables.bills[each.account_id, each.bill_start] = each

    def put_charges(self, charges: Sequence[Charge]) -> None:
        for charge in charges:
            _require(charge.to_wh >= charge.from_wh, "charge_goes_forward")
            _require((charge.account_id, charge.bill_start) in self._tables.bills, "charge_of_a_bill")
            self._take("charge_pkey", charge.account_id, charge.charge_id)
            if charge.to_wh > charge.from_wh:
                self._take("charge_of_energy_once", charge.account_id, charge.from_wh)
            self._tables.charges[charge.charge_id] = charge

    def save_holdings(self, holdings: Sequence[Holdings]) -> None:
        for each in holdings:
            kept = self._tables.holdings[each.account_id]
            self._tables.holdings[each.account_id] = replace(
                each, undelivered_minor=kept.undelivered_minor, delivered_minor=kept.delivered_minor
            )

    # instructions --------------------------------------------------------------------------------------

    def put_instructions(self, instructions: Sequence[Instruction]) -> None:
        for each in instructions:
            self._take("instruction_pkey", each.meter_id, each.instruction_id)
            if each.kind is Kind.RECHARGE:
                self._take("instruction_purchase_no_once", each.meter_id, each.purchase_no)
                self._take("instruction_delivers_once", each.meter_id, each.recharge_id)
                self._give_purchase_no(each.meter_id, each.purchase_no or 0)
            self._write_instruction(each)

    def save_instructions(self, instructions: Sequence[Instruction]) -> None:
        for each in instructions:
            self._write_instruction(each)

    def instructions(self, keys: Iterable[tuple[int, UUID]]) -> dict[UUID, Instruction]:
        known = self._tables.instructions
        return {
            instruction_id: known[instruction_id] for _, instruction_id in keys if instruction_id in known
        }

    def switches(self, meter_ids: Iterable[int], *, refused_since: datetime) -> list[Instruction]:
        wanted = set(meter_ids)
        return [
            each
            for each in self._tables.instructions.values()
            if each.meter_id in wanted
            and each.kind is Kind.SWITCH
            and (
                each.state in life.OPEN
                or (each.state is State.REFUSED and each.ended_at and each.ended_at >= refused_since)
            )
        ]

    def due_meters(self, among: Iterable[int], *, now: datetime, limit: int) -> list[int]:
        oldest = {}
        for meter_id in among:
            due = self._due(meter_id, now=now)
            if due is not None and (due.lease_until is None or due.lease_until <= now):
                oldest[meter_id] = due.created_at
        return sorted(oldest, key=lambda meter_id: (oldest[meter_id], meter_id))[:limit]

    def claim(self, meter_ids: Iterable[int], *, now: datetime, owner: str) -> list[Claim]:
        claims = []
        for meter_id in sorted(set(meter_ids)):
            due = self._due(meter_id, now=now)
            if due is None or (due.lease_until is not None and due.lease_until > now):
                continue
            leased = replace(
                due,
                state=life.after(due.state, Event.CLAIMED),
                tries=due.tries + 1,
                lease_owner=owner,
                lease_until=now + life.LEASE,
            )
            self._tables.instructions[leased.instruction_id] = leased
            account = self._tables.accounts[self._tables.account_of_meter[meter_id]]
            may_close = not (_FORBIDDING & self._holds(meter_id, now=now))
            claims.append(
                Claim(
                    instruction=leased,
                    meter=self._tables.meters[meter_id],
                    zone=account.zone,
                    may_close=may_close,
                    wanted_closed=self._tables.snapshots[meter_id].wanted_closed,
                )
            )
        return claims

    def end_leases(self, *, owners_silent_since: datetime, at: datetime) -> None:
        living = self._living(owners_silent_since)
        for each in list(self._tables.instructions.values()):
            if each.lease_until is not None and each.lease_until > at and each.lease_owner not in living:
                self._tables.instructions[each.instruction_id] = replace(each, lease_until=at)

    def wake(self, meter_ids: Iterable[int], *, now: datetime) -> None:
        wanted = set(meter_ids)
        for each in list(self._tables.instructions.values()):
            waits = each.state in life.OPEN and each.state is not State.IN_FLIGHT and each.due_at > now
            if each.meter_id in wanted and waits:
                self._tables.instructions[each.instruction_id] = replace(each, due_at=now)

    # meters --------------------------------------------------------------------------------------------

    def put_readings(self, readings: Sequence[Reading]) -> None:
        for each in readings:
            _require(each.energy_wh is None or each.energy_wh >= 0, "reading_energy_wh_check")
            self._tables.readings.setdefault((each.meter_id, each.at), each)

    def save_snapshots(self, snapshots: Sequence[MeterSnapshot]) -> None:
        for each in snapshots:
            last = self._tables.snapshots[each.meter_id].purchase_no_last
            self._tables.snapshots[each.meter_id] = replace(each, purchase_no_last=last)

    def put_hold(self, hold: Hold) -> None:
        _require(hold.note != "", "supply_hold_note_check")
        self._take("supply_hold_pkey", hold.meter_id, hold.hold_id)
        self._tables.holds[hold.hold_id] = hold

    def meters_with_hold_edges(self, *, since: datetime, until: datetime) -> list[int]:
        return sorted(
            {
                hold.meter_id
                for hold in self._tables.holds.values()
                if since < hold.start <= until or (hold.end is not None and since < hold.end <= until)
            }
        )

    def end_holds(self, meter_id: int, kind: HoldKind, *, at: datetime) -> int:
        ended = [
            hold
            for hold in self._tables.holds.values()
            if hold.meter_id == meter_id and hold.kind is kind and (hold.end is None or hold.end > at)
        ]
        for hold in ended:
            self._tables.holds[hold.hold_id] = replace(hold, end=max(at, hold.start))
        return len(ended)

    # people --------------------------------------------------------------------------------------------

    def put_cases(self, cases: Sequence[Case]) -> None:
        for each in cases:
            self._tables.cases.setdefault(each.case_id, each)

    def put_alarms(self, alarms: Sequence[Alarm]) -> None:
        for each in alarms:
            listed = sum(kind == each.kind for kind, _ in self._tables.alarms)
            is_listed = (each.kind, each.subject) in self._tables.alarms or listed < ALARMS_PER_KIND_MAX
            subject = each.subject if is_listed else ALARM_OTHERS
            _, times = self._tables.alarms.get((each.kind, subject), (each, 0))
            self._tables.alarms[each.kind, subject] = (each, times + 1)

    def put_warnings(self, warnings: Sequence[Warned]) -> None:
        for each in warnings:
            key = ("warning_pkey", each.account_id, each.at, each.level_minor)
            if key not in self._tables.taken:
                self._tables.taken.add(key)
                self._tables.warnings.append(each)

    def put_inbound(self, messages: Sequence[Inbound]) -> None:
        for each in messages:
            self._take("inbound_message_pkey", each.inbound_id)
            self._tables.inbound.append(each)

    def put_audit(self, entries: Sequence[AuditEntry]) -> None:
        for each in entries:
            self._take("audit_pkey", each.organisation_id, each.audit_id)
            self._tables.audit.append(each)

    def put_beat(self, *, role: str, instance: str, started_at: datetime, at: datetime) -> None:
        self._tables.beats[role, instance] = at

    def put_ends(self, alive: Mapping[str, bool], *, gateway: str, at: datetime) -> None:
        for endpoint_id, is_alive in alive.items():
            _, holder = self._tables.ends.get(endpoint_id, (is_alive, gateway))
            if is_alive or holder == gateway:
                self._tables.ends[endpoint_id] = is_alive, gateway

    def lose_ends(self, *, gateways_silent_since: datetime, at: datetime) -> None:
        living = self._living(gateways_silent_since)
        for endpoint_id, (_, gateway) in list(self._tables.ends.items()):
            if gateway not in living:
                self._tables.ends[endpoint_id] = False, gateway

    # inside --------------------------------------------------------------------------------------------

    def _living(self, silent_since: datetime) -> set[str]:
        return {instance for (_, instance), beat_at in self._tables.beats.items() if beat_at > silent_since}

    def _view(self, account_id: int, *, now: datetime) -> AccountView:
        account = self._tables.accounts[account_id]
        meter_id = account.meter_id
        rows = self._assignments_of(account_id)
        tariffs = self._tables.tariffs
        billing = Billing(
            zone=account.zone,
            assignments=tuple(
                (each.starts_at if at else None, each.tariff_id, tariffs[each.tariff_id].generation)
                for at, each in enumerate(rows)
            ),
        )
        schedule = self._schedules.of([billing], read=self.versions)[billing] if rows else None
        terms = [each.terms for each in rows if each.starts_at <= now] or [Terms()]
        return AccountView(
            schedule=schedule,
            terms=terms[-1],
            account=account,
            holdings=self._tables.holdings[account_id],
            meter=None if meter_id is None else self._tables.meters[meter_id],
            snapshot=None if meter_id is None else self._tables.snapshots[meter_id],
            holds=frozenset() if meter_id is None else self._holds(meter_id, now=now),
        )

    def _holds(self, meter_id: int, *, now: datetime) -> frozenset[HoldKind]:
        return frozenset(
            hold.kind
            for hold in self._tables.holds.values()
            if hold.meter_id == meter_id and hold.start <= now and (hold.end is None or now < hold.end)
        )

    def _move(self, posting: Posting) -> None:
        holdings = self._tables.holdings[posting.account_id]
        moved = replace(
            holdings,
            undelivered_minor=holdings.undelivered_minor + liability_minor(posting, code=UNDELIVERED),
            delivered_minor=holdings.delivered_minor + liability_minor(posting, code=DELIVERED),
        )
        _require(moved.undelivered_minor >= 0, "undelivered_minor >= 0")
        self._tables.holdings[posting.account_id] = moved

    def _take(self, index: str, *key: object) -> None:
        if (index, *key) in self._tables.taken:
            raise Conflict(f"{index}: {key} exists")
        self._tables.taken.add((index, *key))

    def _write_instruction(self, each: Instruction) -> None:
        superseded_recharge = each.kind is Kind.RECHARGE and each.state is State.SUPERSEDED
        _require(not superseded_recharge, "recharge_is_never_superseded")
        _require((each.ended_at is None) == (each.state in life.OPEN), "instruction_ends_once")
        in_flight = each.state is State.IN_FLIGHT
        _require(in_flight == (each.lease_until is not None), "instruction_is_leased")
        if in_flight and any(
            other.meter_id == each.meter_id
            and other.state is State.IN_FLIGHT
            and other.instruction_id != each.instruction_id
            for other in self._tables.instructions.values()
        ):
            raise Conflict(f"instruction_in_flight: {each.meter_id} exists")
        self._tables.instructions[each.instruction_id] = each

    def _give_purchase_no(self, meter_id: int, purchase_no: int) -> None:
        snapshot = self._tables.snapshots[meter_id]
        self._tables.snapshots[meter_id] = replace(
            snapshot, purchase_no_last=max(snapshot.purchase_no_last, purchase_no)
        )

    def _due(self, meter_id: int, *, now: datetime) -> Instruction | None:
        waiting = [
            each
            for each in self._tables.instructions.values()
            if each.meter_id == meter_id and each.state in life.OPEN
        ]
        first_no = min((each.purchase_no for each in waiting if each.purchase_no is not None), default=None)
        due = [
            each
            for each in waiting
            # A later recharge never overtakes an earlier one that waits for its next try.
            if each.purchase_no in (None, first_no) and (each.state is State.IN_FLIGHT or each.due_at <= now)
        ]
        order = sorted(
            due, key=lambda each: (each.state is not State.IN_FLIGHT, each.created_at, each.instruction_id)
        )
        return order[0] if order else None


def _added(table: dict[int, str], row: str) -> int:
    key = len(table) + 1
    table[key] = row
    return key


def _require(holds: bool, constraint: str) -> None:
    if not holds:
        raise ConstraintBroken(constraint)
