"""One use case on the tables in memory: the store port's transaction."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from compuerta.adapters.memory import outbox, periods, registry, roads, supply, tariffs
from compuerta.adapters.memory.access import MemoryAccess
from compuerta.adapters.memory.alarms import MemoryAlarms
from compuerta.adapters.memory.bank import MemoryBanks
from compuerta.adapters.memory.claims import MemoryClaims
from compuerta.adapters.memory.clearing import MemoryClearing
from compuerta.adapters.memory.commissions import MemoryCommissions
from compuerta.adapters.memory.corrections import MemoryCorrections
from compuerta.adapters.memory.days import MemoryDays
from compuerta.adapters.memory.dues import MemoryDues
from compuerta.adapters.memory.exports import MemoryExports
from compuerta.adapters.memory.freezes import MemoryFreezes
from compuerta.adapters.memory.histories import MemoryHistories
from compuerta.adapters.memory.invoices import MemoryInvoices
from compuerta.adapters.memory.masses import MemoryMasses
from compuerta.adapters.memory.messages import MemoryMessages
from compuerta.adapters.memory.occupancy import MemoryOccupancy
from compuerta.adapters.memory.outposts import MemoryOutposts
from compuerta.adapters.memory.partners import MemoryPartners
from compuerta.adapters.memory.periods import MemoryPeriods
from compuerta.adapters.memory.plans import MemoryPlans
from compuerta.adapters.memory.provider_bills import MemoryStatements
from compuerta.adapters.memory.receipts import MemoryReceipts
from compuerta.adapters.memory.reports import MemoryReports
from compuerta.adapters.memory.roads import MemoryRoads
from compuerta.adapters.memory.seals import MemorySeals
from compuerta.adapters.memory.shifts import MemoryShifts
from compuerta.adapters.memory.tables import Tables, require
from compuerta.domain import instruction as life
from compuerta.domain.instruction import LEASE, Instruction, Kind, State
from compuerta.domain.ledger import (
    DELIVERED,
    UNDELIVERED,
    Outcome,
    Posting,
    PostingKind,
    judge_all,
    liability_minor,
)
from compuerta.domain.party import Meter, Site
from compuerta.domain.payment import Attempt
from compuerta.domain.supply import FORBIDDING, HoldKind
from compuerta.drivers.abilities import KEEP_POWER
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


class MemoryTransaction:
    """This will run one use case on the tables."""

    def __init__(self, tables: Tables, schedules: Schedules) -> None:
        self._tables = tables
        self._schedules = schedules
        self.alarms = MemoryAlarms(tables)
        self.messages = MemoryMessages(tables)
        self.occupancy = MemoryOccupancy(tables)
        self.access = MemoryAccess(tables)
        self.masses = MemoryMasses(tables)
        self.dues = MemoryDues(tables)
        self.corrections = MemoryCorrections(tables)
        self.claims = MemoryClaims(tables)
        self.clearing = MemoryClearing(tables)
        self.partners = MemoryPartners(tables)
        self.shifts = MemoryShifts(tables)
        self.receipts = MemoryReceipts(tables)
        self.statements = MemoryStatements(tables)
        self.freezes = MemoryFreezes(tables)
        self.days = MemoryDays(tables)
        self.seals = MemorySeals(tables)
        self.periods = MemoryPeriods(tables)
        self.bank = MemoryBanks(tables)
        self.exports = MemoryExports(tables)
        self.invoices = MemoryInvoices(tables)
        self.reports = MemoryReports(tables)
        self.histories = MemoryHistories(tables)
        self.roads = MemoryRoads(tables)
        self.outposts = MemoryOutposts(tables)
        self.commissions = MemoryCommissions(tables)
        self.plans = MemoryPlans(tables)

    # registry ------------------------------------------------------------------------------------------

    def add_organisation(self, name: str, *, live: bool = True) -> int:
        organisation_id = _added(self._tables.organisations, name)
        if not live:
            self._tables.on_trial.add(organisation_id)
        return organisation_id

    def is_live(self, organisation_id: int) -> bool:
        return organisation_id in self._tables.organisations.keys() - self._tables.on_trial

    def add_site(self, *, organisation_id: int, name: str, zone: str, currency: str) -> int:
        site_id = len(self._tables.sites) + 1
        self._tables.sites[site_id] = Site(
            site_id=site_id, organisation_id=organisation_id, name=name, zone=zone, currency=currency
        )
        return site_id

    def add_endpoint(self, endpoint: Endpoint) -> None:
        self._tables.take("endpoint_pkey", endpoint.endpoint_id)
        self._tables.take("endpoint_road_address_key", endpoint.road, endpoint.address)
        self._tables.endpoints[endpoint.endpoint_id] = endpoint

    def add_meter(self, entry: MeterEntry) -> int:
        return registry.add_meter(self._tables, entry)

    def add_account(self, opening: AccountOpening) -> int:
        return registry.add_account(self._tables, opening)

    def add_provider_account(self, account: ProviderAccount) -> None:
        self._tables.take("provider_account_pkey", account.provider)
        on_trial = account.organisation_id in self._tables.on_trial
        require(account.live is not on_trial, "provider_account_is_as_its_organisation")
        self._tables.provider_accounts[account.provider] = account

    def provider_account(self, provider: str) -> ProviderAccount | None:
        return self._tables.provider_accounts.get(provider)

    def endpoints(self) -> list[Endpoint]:
        return [endpoint for _, endpoint in sorted(self._tables.endpoints.items())]

    def meters(self) -> list[Meter]:
        return [meter for _, meter in sorted(self._tables.meters.items())]

    def zones(self) -> dict[int, str]:
        accounts = self._tables.accounts
        return {
            meter_id: accounts[account_id].zone
            for meter_id, account_id in self._tables.account_of_meter.items()
        }

    def account_by_token(self, pay_token: UUID) -> int | None:
        place = self._tables.place_of_token.get(pay_token)
        return None if place is None else self._tables.open_at.get(place)

    # tariffs -------------------------------------------------------------------------------------------

    def add_tariff(self, *, organisation_id: int, name: str, currency: str, at: datetime) -> int:
        return tariffs.add(self._tables, organisation_id=organisation_id, name=name, currency=currency)

    def tariff(self, tariff_id: int) -> TariffEntry | None:
        return self._tables.tariffs.get(tariff_id)

    def versions(self, tariff_ids: Iterable[int]) -> list[TariffVersion]:
        wanted = set(tariff_ids)
        return [each for key, each in sorted(self._tables.versions.items()) if key[0] in wanted]

    def put_version(self, version: TariffVersion) -> None:
        require(version.version.tariff_id in self._tables.tariffs, "tariff_version_tariff_id_fkey")
        self._tables.take("tariff_version_pkey", *version.version.key)
        self._write_version(version)

    def save_version(self, version: TariffVersion) -> None:
        tariffs.refuse_change(self._tables, version)
        self._write_version(version)

    def _write_version(self, version: TariffVersion) -> None:
        tariffs.write(self._tables, version)
        if version.decided_by is not None:
            self._schedules = Schedules()  # a decision may be undone: what is learned from it is not kept

    def assign(self, assignment: Assignment) -> None:
        self._tables.take("tariff_assignment_pkey", assignment.account_id, assignment.starts_at)
        self._tables.assignments[assignment.account_id, assignment.starts_at] = assignment

    def accounts_on(self, tariff_id: int, *, now: datetime) -> list[int]:
        return tariffs.accounts_on(self._tables, tariff_id, now=now)

    # accounts and money --------------------------------------------------------------------------------

    def lock_accounts(self, account_ids: Iterable[int], *, now: datetime) -> dict[int, AccountView]:
        known = sorted(set(account_ids) & self._tables.accounts.keys())
        return {account_id: self._view(account_id, now=now) for account_id in known}

    def look_at(self, account_ids: Iterable[int], *, now: datetime) -> dict[int, AccountView]:
        return self.lock_accounts(account_ids, now=now)

    def silent_accounts(self, *, silent_since: datetime, after: int, limit: int) -> list[int]:
        silent = [
            account_id
            for account_id, each in self._tables.holdings.items()
            if account_id > after
            and each.tally
            and each.register_at is not None
            and each.register_at < silent_since
            and self._tables.accounts[account_id].period.end is None
        ]
        return sorted(silent)[:limit]

    def interval_accounts(self, *, after: int, limit: int) -> list[int]:
        return sorted(each for each in self._tables.by_intervals if each > after)[:limit]

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
        require(attempt.amount_minor > 0, "attempt_amount_minor_check")
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
            require(payment.amount_minor > 0, "payment_amount_minor_check")
            self._tables.take("payment_reference_pkey", payment.provider, payment.transaction_no)
            self._tables.take("payment_pkey", payment.account_id, payment.payment_id)
            self._tables.payments[payment.provider, payment.transaction_no] = payment

    def book(self, postings: Sequence[Posting]) -> list[Outcome]:
        judged = judge_all(postings, known=self._tables.postings)
        for posting, outcome in judged:
            if outcome is Outcome.CREATED:
                require(
                    (posting.kind is PostingKind.REVERSAL) == bool(posting.reverses), "posting_reversal_names"
                )
                if posting.reverses:
                    self._tables.take("posting_reversed_once", posting.account_id, posting.reverses)
                    require(posting.reverses in self._tables.postings, "posting_account_id_reverses_fkey")
                else:
                    self._tables.take("posting_once", posting.account_id, posting.cause_id, posting.kind)
                periods.require_open(self._tables, posting)
                self._tables.postings[posting.posting_id] = posting
                self._move(posting)
        return [outcome for _, outcome in judged]

    def put_recharges(self, recharges: Sequence[Recharge]) -> None:
        for recharge in recharges:
            parts = (
                recharge.credit_minor + recharge.fixed_minor + recharge.debt_minor
                + recharge.fee_minor + recharge.tax_minor + recharge.change_minor
            )  # fmt: skip
            require(parts == recharge.paid_minor, "recharge_is_divided_whole")
            self._tables.take("recharge_pkey", recharge.account_id, recharge.recharge_id)
            one = (recharge.payment_id is None) != (recharge.adjustment_id is None)
            require(one, "recharge_is_granted_by_one")
            granted = "adjustment" if recharge.payment_id is None else "payment"
            by = (recharge.account_id, recharge.payment_id or recharge.adjustment_id)
            self._tables.take(f"recharge_of_{granted}", *by)
            require((f"{granted}_pkey", *by) in self._tables.taken, f"recharge_{granted}_fkey")
            self._tables.recharges[recharge.recharge_id] = recharge

    def put_instants(self, instants: Sequence[RechargeInstant]) -> None:
        for each in instants:
            require(
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
            self._tables.take("bill_pkey", each.account_id, each.bill_start)
            self._tables.bills[each.account_id, each.bill_start] = each

    def put_charges(self, charges: Sequence[Charge]) -> None:
        for charge in charges:
            require(charge.to_wh >= charge.from_wh, "charge_goes_forward")
            require((charge.account_id, charge.bill_start) in self._tables.bills, "charge_of_a_bill")
            self._tables.take("charge_pkey", charge.account_id, charge.charge_id)
            if charge.to_wh > charge.from_wh:
                self._tables.take("charge_of_energy_once", charge.account_id, charge.from_wh)
            self._tables.charges[charge.charge_id] = charge

    def save_holdings(self, holdings: Sequence[Holdings]) -> None:
        for each in holdings:
            kept = self._tables.holdings[each.account_id]
            self._tables.holdings[each.account_id] = replace(
                each, undelivered_minor=kept.undelivered_minor, delivered_minor=kept.delivered_minor
            )

    # instructions --------------------------------------------------------------------------------------

    def put_instructions(self, instructions: Sequence[Instruction]) -> None:
        outbox.put(self._tables, instructions)

    def save_instructions(self, instructions: Sequence[Instruction]) -> None:
        for each in instructions:
            outbox.write(self._tables, each)

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

    def last_looks(self, meter_ids: Iterable[int]) -> dict[int, Instruction]:
        return outbox.last_looks(self._tables, meter_ids)

    def open_limits(self, meter_ids: Iterable[int]) -> list[Instruction]:
        return outbox.open_limits(self._tables, meter_ids)

    def loadings(self, meter_ids: Iterable[int]) -> list[Instruction]:
        return outbox.loadings(self._tables, meter_ids)

    def overdue_loadings(self, *, now: datetime, told: Iterable[str], limit: int) -> list[Instruction]:
        return outbox.overdue_loadings(self._tables, now=now, told=told, limit=limit)

    def due_meters(self, among: Iterable[int], *, now: datetime, limit: int) -> dict[int, Kind]:
        return outbox.due_meters(self._tables, among, now=now, limit=limit)

    def claim(
        self, meter_ids: Iterable[int], *, now: datetime, owner: str, lease: timedelta = LEASE
    ) -> list[Claim]:
        leased = outbox.lease(self._tables, meter_ids, now=now, owner=owner, until=now + lease)
        return [self._claim(each, now=now) for each in leased]

    def _claim(self, leased: Instruction, *, now: datetime) -> Claim:
        view = self._view(self._tables.account_of_meter[leased.meter_id], now=now)
        assert view.meter is not None and view.snapshot is not None
        return Claim(
            instruction=leased,
            meter=view.meter,
            zone=view.account.zone,
            claimed_at=now,
            may_close=not (FORBIDDING & view.holds),
            permits=view.policy.permits,
            wanted_closed=view.snapshot.wanted_closed,
            wanted_kept=view.snapshot.wanted_kept,
            keeps_power=KEEP_POWER in view.snapshot.flags,
            schedule=view.schedule if leased.kind is Kind.TARIFF else None,
            terms=view.terms_at(leased.effective_at or now),
        )

    def end_leases(self, *, owners_silent_since: datetime, at: datetime) -> None:
        living = self._living(owners_silent_since)
        for each in list(self._tables.instructions.values()):
            if each.lease_until is not None and each.lease_until > at and each.lease_owner not in living:
                self._tables.instructions[each.instruction_id] = replace(each, lease_until=at)

    def wake(self, meter_ids: Iterable[int], *, now: datetime) -> None:
        wanted = set(meter_ids)
        for each in list(self._tables.instructions.values()):
            waits = each.state in life.OPEN and each.state is not State.IN_FLIGHT and each.due_at > now
            if each.meter_id in wanted and waits and each.tries > 0:
                self._tables.instructions[each.instruction_id] = replace(each, due_at=now)

    # meters --------------------------------------------------------------------------------------------

    def put_readings(self, readings: Sequence[Reading]) -> None:
        for each in readings:
            require(each.energy_wh is None or each.energy_wh >= 0, "reading_energy_wh_check")
            self._tables.readings.setdefault((each.meter_id, each.at), each)

    def save_snapshots(self, snapshots: Sequence[MeterSnapshot]) -> None:
        for each in snapshots:
            last = self._tables.snapshots[each.meter_id].purchase_no_last
            self._tables.snapshots[each.meter_id] = replace(each, purchase_no_last=last)

    def put_load_days(self, days: Sequence[LoadDay]) -> None:
        for day in days:
            self._tables.take("load_day_pkey", day.meter_id, day.starts_at)
            self._tables.load_days[day.meter_id, day.starts_at] = day

    def load_days(self, meter_ids: Iterable[int], *, since: datetime, until: datetime) -> list[LoadDay]:
        wanted = set(meter_ids)
        return [
            day
            for (meter_id, starts_at), day in sorted(self._tables.load_days.items())
            if meter_id in wanted and since <= starts_at < until
        ]

    def put_hold(self, hold: Hold) -> None:
        require(hold.note != "", "supply_hold_note_check")
        self._tables.take("supply_hold_pkey", hold.meter_id, hold.hold_id)
        self._tables.holds[hold.hold_id] = hold

    def holds_of(self, meter_ids: Iterable[int], *, at: datetime) -> list[Hold]:
        return supply.holds_of(self._tables, meter_ids, at=at)

    def claim_decisions(self, *, now: datetime, limit: int) -> list[int]:
        return supply.claim_decisions(self._tables, now=now, limit=limit)

    def emergencies(self, account_ids: Iterable[int]) -> dict[int, EmergencyCredit]:
        return supply.emergencies(self._tables, account_ids)

    def put_emergency(self, emergency: EmergencyCredit) -> None:
        supply.put_emergency(self._tables, emergency)

    def paying(self, account_ids: Iterable[int], *, now: datetime) -> dict[int, datetime]:
        return supply.paying(self._tables, account_ids, now=now)

    def put_supply_changes(self, changes: Sequence[SupplyChange]) -> None:
        self._tables.supply_changes += changes

    def put_policy(self, *, scope: str, scope_id: int, document: str) -> None:
        self._tables.policies[scope, scope_id] = document

    def settled(self, *, scope: str, scope_id: int) -> Settled | None:
        return supply.settled(self._tables, scope=scope, scope_id=scope_id)

    def accounts_in(self, *, scope: str, scope_id: int, after: int, limit: int) -> list[int]:
        return supply.accounts_in(self._tables, scope=scope, scope_id=scope_id, after=after, limit=limit)

    def save_holds(self, holds: Sequence[Hold]) -> None:
        supply.save_holds(self._tables, holds)

    def holds_begun(self, meter_id: int, kind: HoldKind, *, since: datetime) -> int:
        return supply.holds_begun(self._tables, meter_id, kind, since=since)

    def end_holds(self, meter_id: int, kind: HoldKind, *, at: datetime, by: str | None = None) -> int:
        return supply.end_holds(self._tables, meter_id, kind, at=at, by=by)

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
            key = ("warning_once", each.account_id, each.at, each.level)
            if key not in self._tables.taken:
                self._tables.taken.add(key)
                self._tables.warnings.append(each)

    def put_inbound(self, messages: Sequence[Inbound]) -> None:
        for each in messages:
            self._tables.take("inbound_message_pkey", each.inbound_id)
            self._tables.inbound.append(each)

    def put_audit(self, entries: Sequence[AuditEntry]) -> None:
        for each in entries:
            self._tables.take("audit_pkey", each.organisation_id, each.audit_id)
            self._tables.audit.append(each)

    def put_beat(self, *, role: str, instance: str, started_at: datetime, at: datetime) -> None:
        self._tables.beats[role, instance] = at

    def put_ends(self, alive: Mapping[str, bool], *, gateway: str, at: datetime) -> None:
        for endpoint_id, is_alive in alive.items():
            _, holder = self._tables.ends.get(endpoint_id, (is_alive, gateway))
            if is_alive or holder == gateway:
                roads.put_end(self._tables, endpoint_id, is_alive=is_alive, gateway=gateway, at=at)

    def lose_ends(self, *, gateways_silent_since: datetime, at: datetime) -> None:
        living = self._living(gateways_silent_since)
        for endpoint_id, (is_alive, gateway) in list(self._tables.ends.items()):
            if is_alive and gateway not in living:
                roads.lose(self._tables, endpoint_id, gateway=gateway, at=at)

    # inside --------------------------------------------------------------------------------------------

    def _living(self, silent_since: datetime) -> set[str]:
        return {instance for (_, instance), beat_at in self._tables.beats.items() if beat_at > silent_since}

    def _view(self, account_id: int, *, now: datetime) -> AccountView:
        account = self._tables.accounts[account_id]
        meter_id = account.meter_id
        schedule, agreed = tariffs.billed_by(self, self._tables, account, schedules=self._schedules)
        return AccountView(
            schedule=schedule,
            agreed=agreed,
            by_intervals=account_id in self._tables.by_intervals,
            account=account,
            holdings=self._tables.holdings[account_id],
            meter=None if meter_id is None else self._tables.meters[meter_id],
            snapshot=None if meter_id is None else self._tables.snapshots[meter_id],
            holds=frozenset() if meter_id is None else self._holds(meter_id, now=now),
            policy=self._tables.policy_of(account),
            hold_edge=None if meter_id is None else supply.hold_edge(self._tables, meter_id, now=now),
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
        require(moved.undelivered_minor >= 0, "undelivered_minor >= 0")
        self._tables.holdings[posting.account_id] = moved


def _added(table: dict[int, str], row: str) -> int:
    key = len(table) + 1
    table[key] = row
    return key
