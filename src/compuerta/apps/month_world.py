"""A month on a clock of its own: a building, its meters on their own bytes, a provider with bills, each day.

What takes a month for people takes a minute here, because only the clock is another: the rows are those of a
real database, the bytes those of the roads, and what is done with both is done by the services.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from random import Random
from typing import TypeVar
from uuid import UUID, uuid5

from compuerta.adapters.payments.http import Steps, converse_with
from compuerta.adapters.payments.wechat import WechatPay
from compuerta.adapters.payments.wechat_account import WechatSettings
from compuerta.adapters.postgres import bulk_statements
from compuerta.adapters.postgres.store import PostgresStore
from compuerta.apps import town
from compuerta.domain.party import CreditAuthority, zone_of
from compuerta.drivers.abilities import Result
from compuerta.drivers.line import Job
from compuerta.drivers.mac import SoftEsam
from compuerta.drivers.model import Model
from compuerta.services import (
    agreeing,
    closing_days,
    dispatching,
    freezing,
    fund_agreeing,
    ordering,
    sending,
    statement_days,
    statement_sheet,
    tying,
    vend,
)
from compuerta.services.agreeing import Bill
from compuerta.services.dispatching import Dispatcher, Equipment
from compuerta.services.facts import LetterFact
from compuerta.services.fund_agreeing import FundBill
from compuerta.services.notifier_port import Sent, Verdict
from compuerta.services.ordering import Order
from compuerta.services.payment_ports import NotReady, Rejected, StatementFaulty, StatementKind
from compuerta.services.promises import MeterFact, ProviderFact, Purchase, World
from compuerta.services.routing import Reached, own_way
from compuerta.services.sending import CarrierTerms, Outcome, Sender
from compuerta.services.statement_port import Statement
from compuerta.virtual.meter import MeterSetup, VirtualMeter
from compuerta.virtual.meter.load import a_household
from compuerta.virtual.providers.worlds import Button
from compuerta.virtual.wechat.keys import cheap_keys
from compuerta.virtual.wechat.orders import Terms
from compuerta.virtual.wechat.world import WechatWorld

Told = TypeVar("Told")

ZONE = zone_of(town.ZONE)
FIRST_DAY = date(2026, 10, 1)
DAYS = 31
START = datetime.combine(FIRST_DAY, time(), tzinfo=ZONE).astimezone(UTC)
END = datetime.combine(FIRST_DAY + timedelta(days=DAYS), time(), tzinfo=ZONE).astimezone(UTC)
WITH_CREDIT = 7
PEAK_W = 900
VISIT_EVERY = timedelta(hours=2)
# Gateways look a little after the hour, so that midnight is over when they ask for its freeze.
VISIT_AT = timedelta(minutes=5)
LOW_MINOR, RECHARGE_MINOR = 1_500, 6_000
TURN = timedelta(seconds=2)
TURNS_MAX = 20  # of the gateway, until nothing is due any more
STEPS_MAX = 40  # of days, on one visit
POSTMAN = Sender(
    owner="postman",
    carrier_of=lambda organisation_id, channel: CarrierTerms(
        name=channel.value, repeat_within=timedelta(days=1)
    ),
    public_url="https://pay.example.org",
    opt_out_url=lambda contact_id: f"https://pay.example.org/stop/{contact_id}",
)
_MILLISECOND = timedelta(milliseconds=1)
_MCHID, _APPID, _URL = "1900000001", "wx0000000000000001", "https://pay.example.org"
_NAMED = UUID(int=0x6D6F6E7468)


def plan() -> tuple[town.Home, ...]:
    """Say who lives in the building: seven meters that hold their credit, five switches of the platform."""
    homes = [replace(home, in_story=False, price=town.PRICE) for home in town.plan()]
    with_credit = [home for home in homes if home.model == town.STANDARD]
    return (*with_credit[:WITH_CREDIT], *(home for home in homes if home.model == town.REMOTE))


@dataclass(slots=True, kw_only=True)
class Flat:
    """A home, the meter in it, and what is the matter with it."""

    home: town.Home
    setup: MeterSetup
    meter: VirtualMeter
    deaf: bool = False  # its road carries nothing
    pays: bool = True
    forgot_minor: int = 0  # what its meter lost of its money
    paid: list[str] = field(default_factory=list)  # references


class MonthWorld:
    """This will go through the month, visit by visit."""

    def __init__(
        self, store: PostgresStore, built: town.Town, *, models: Mapping[str, Model], key: bytes
    ) -> None:
        self.store = store
        self.organisation_id = built.organisation_id
        self.now = START
        self.chance = Random(10)
        self.brought: Counter[UUID] = Counter()  # words, by message
        self.handed: list[ProviderFact] = []  # money that the house has without a provider's world
        esam = SoftEsam(key)
        self.flats = {home.supply_point: _flat(home, esam) for home in built.homes}
        self.provider, self.wechat = _wechat(self.chance)
        self._by_meter_no = {flat.home.meter_no: flat for flat in self.flats.values()}
        self._dispatcher = Dispatcher(Equipment(models=models, mac=esam, chance=self.chance.randbytes))
        with store.transaction() as tx:
            self._meters = [meter for meter in tx.meters() if meter.meter_no in self._by_meter_no]
            self._dispatcher.follow(tx.zones())

    # time ----------------------------------------------------------------------------------------------

    def go_to(self, instant: datetime) -> None:
        """Let time pass in every meter."""
        self.now = max(self.now, instant)
        for flat in self.flats.values():
            flat.meter.advance(to_ms=self._now_ms())

    @property
    def civil(self) -> datetime:
        """The time of day in the building."""
        return self.now.astimezone(ZONE)

    # people --------------------------------------------------------------------------------------------

    def pay(self, flat: Flat, amount_minor: int) -> str:
        """Order at WeChat, pay, and let the provider tell us; returns the order's reference."""
        wish = Order(
            attempt_id=uuid5(_NAMED, f"{flat.home.meter_no} {self.now}"),
            account_id=flat.home.account_id,
            provider=self.wechat.name,
            reference=f"M{flat.home.supply_point}{self.now:%Y%m%d%H%M}",
            amount_minor=amount_minor,
        )
        attempt = ordering.open_attempt(
            self.store,
            wish,
            capabilities=self.provider.capabilities,
            expires_in=timedelta(minutes=10),
            now=self.now,
        )
        shown = self._ask(self.provider.create(attempt, now=self.now, chance=self.chance.randbytes))
        ordering.presented(self.store, attempt.attempt_id, shown)
        self.wechat.press(Button.PAY, attempt.reference, self.now)
        flat.paid.append(attempt.reference)
        self.hear()
        return attempt.reference

    def hear(self) -> int:
        """Take what the provider has to tell; returns how many payments were told of."""
        notices = []
        for due in self.wechat.due(self.now):
            verdict = self.provider.hear(due.request, now=self.now)
            if not isinstance(verdict, Rejected) and verdict.notice is not None:
                notices.append(verdict.notice)
            self.wechat.answered(due, 200, self.now)
        vend.accept_payments(self.store, notices, now=self.now)
        return len(notices)

    def recharge_the_low(self) -> None:
        """Let everybody pay whose balance is low."""
        with self.store.transaction() as tx:
            views = tx.look_at([flat.home.account_id for flat in self.flats.values()], now=self.now)
        for flat in self.flats.values():
            view = views[flat.home.account_id]
            left_minor = view.balance_minor + view.holdings.undelivered_minor
            if flat.pays and left_minor < LOW_MINOR:
                self.pay(flat, RECHARGE_MINOR + 100 * self.chance.randrange(20))

    # the platform --------------------------------------------------------------------------------------

    def visit(self) -> None:
        """Read every meter that can be reached, ask for freezes that are wanted, and do what is due."""
        reached = [
            Reached(meter=meter, way=own_way(meter))
            for meter in self._meters
            if not self._by_meter_no[meter.meter_no].deaf
        ]
        for each in reached:
            self._carried(self._dispatcher.poll(each, now=self.now, now_ms=self._now_ms()))
        wanted = freezing.wanted(self.store, [each.meter.meter_id for each in reached], now=self.now)
        for each in reached:
            if each.meter.meter_id in wanted:
                job = self._dispatcher.freezes(
                    each, wanted[each.meter.meter_id], now=self.now, now_ms=self._now_ms()
                )
                self._carried(job)
        for _ in range(TURNS_MAX):
            self.go_to(self.now + TURN)
            batch = self._dispatcher.batch(reached)
            written = dispatching.write(self.store, batch, now=self.now, owner="gateway")
            self._dispatcher.settle(batch, written)
            for claim in written.claims:
                self._carried(self._dispatcher.job(claim, now=self.now, now_ms=self._now_ms()))
            if not (written.claims or batch.conclusions):
                return
        raise AssertionError("the gateway is never done")

    def rest(self) -> None:
        """Let nobody use anything, and read what has been used."""
        for flat in self.flats.values():
            flat.meter.core.set_load(0)
        for _ in range(2):
            self.go_to(self.now + VISIT_AT)
            self.visit()
            self.post()

    def end_days(self) -> None:
        """Do the steps of days that are due."""
        for _ in range(STEPS_MAX):
            if not closing_days.sweep(self.store, now=self.now):
                return

    def audit(self) -> list[Statement]:
        """Fetch the bills that are due, and hold them against the books."""
        able = {self.provider.name: self.provider.capabilities}
        statement_days.begin(self.store, able, now=self.now)
        taken = []
        while due := statement_days.due(self.store, now=self.now, limit=1):
            taken.append(self._bill(due[0]))
        return taken

    def _bill(self, due: Statement) -> Statement:
        zone = self.provider.capabilities.statement_zone
        try:
            trade = self._fetched(due, StatementKind.TRADE)
            if due.kind is StatementKind.FUND:
                return self._funds(due, trade)
            bill = Bill(
                statement=due,
                sheet=statement_sheet.written(self.provider.lines(trade, due.kind)),
                scope=statement_days.scope_of(due, zone=zone),
                payees=self.provider.capabilities.payees,
            )
        except StatementFaulty as error:
            return statement_days.faulty(self.store, due, reason=str(error), now=self.now)
        except NotReady as error:
            return statement_days.not_there(self.store, due, zone=zone, reason=str(error), now=self.now)
        return agreeing.take(self.store, partial(bulk_statements.compare, self.store), bill, now=self.now)

    def _funds(self, due: Statement, trade: bytes) -> Statement:
        bill = FundBill(
            statement=due,
            trade=statement_sheet.written(self.provider.lines(trade, StatementKind.TRADE)),
            lines=self.provider.lines(self._fetched(due, due.kind), due.kind),
        )
        told = fund_agreeing.take(self.store, bill, now=self.now)
        tying.tie_known(self.store, organisation_id=due.organisation_id, now=self.now)
        return told

    def _fetched(self, due: Statement, kind: StatementKind) -> bytes:
        steps = self.provider.statement(due.day, kind, now=self.now, chance=self.chance.randbytes)
        return self._ask(steps)

    def post(self) -> None:
        """Bring the words that are due."""
        while handovers := sending.claim(self.store, POSTMAN, now=self.now):
            sent = [
                Outcome(
                    handover=each,
                    sent=Sent(verdict=Verdict.ACCEPTED, provider_id=str(each.letter.message_id)),
                )
                for each in handovers
            ]
            self.brought.update(each.letter.message_id for each in handovers)
            sending.conclude(self.store, sent, owner=POSTMAN.owner, now=self.now)

    # what is true --------------------------------------------------------------------------------------

    def facts(self) -> World:
        """Ask the meters and the provider themselves."""
        return World(
            meters=tuple(_fact(flat, since=START) for flat in self.flats.values()),
            letters=tuple(LetterFact(message_id=key, times=times) for key, times in self.brought.items()),
            provider=tuple(
                ProviderFact(
                    provider=self.wechat.name,
                    transaction_no=each.transaction_no,
                    reference=each.reference,
                    amount_minor=each.amount_minor,
                    refunded_minor=each.refunded_minor,
                )
                for each in self.wechat.facts()
            )
            + tuple(self.handed),
        )

    # inside --------------------------------------------------------------------------------------------

    def _ask(self, steps: Steps[Told]) -> Told:
        return converse_with(steps, lambda request: self.wechat.answer(request, self.now))

    def _carried(self, job: Job) -> None:
        self._dispatcher.finish(job.key, self._carry_out(job), at=self.now)

    def _carry_out(self, job: Job) -> Result:
        """Play a conversation on the meter's own bytes; no time passes in it."""
        meter = self._by_meter_no[job.meter_no].meter
        speech = job.conversation
        speech.begin()
        while speech.result is None:
            asked = speech.send(timing=job.timing, now_ms=self._now_ms())
            speech.receive(meter.receive(asked, now_ms=self._now_ms()), now_ms=self._now_ms())
        return speech.result

    def _now_ms(self) -> int:
        return (self.now - START) // _MILLISECOND


def _flat(home: town.Home, esam: SoftEsam) -> Flat:
    number = int(home.meter_no[-3:])
    authority = CreditAuthority.PLATFORM if home.model == town.REMOTE else CreditAuthority.METER
    setup = MeterSetup(
        meter_no=home.meter_no,
        customer_no=home.meter_no,
        credit_authority=authority,
        price_e4=int(home.price.replace(".", "")),
        load=a_household(peak_power_w=PEAK_W, chance=Random(number)),
        civil_offset_ms=(START.astimezone(ZONE).replace(tzinfo=None) - datetime(1970, 1, 1)) // _MILLISECOND,  # noqa: DTZ001
    )
    return Flat(home=home, setup=setup, meter=VirtualMeter(setup, now_ms=0, esam=esam, chance=Random(number)))


def _wechat(chance: Random) -> tuple[WechatPay, WechatWorld]:
    keys, ring = cheap_keys()
    world = WechatWorld(
        keys=keys, terms=Terms(mchid=_MCHID, appid=_APPID), random=Random(chance.randrange(2**32))
    )
    settings = WechatSettings(
        mchid=_MCHID,
        appid=_APPID,
        merchant_key_pem=b"",
        merchant_serial=keys.merchant_serial,
        api_key=keys.api_key,
        platform_pems={},
        base_url=_URL,
        notify_url=f"{_URL}/notices/wechat",
        live=False,
    )
    return WechatPay(settings, keys=ring), world


def _fact(flat: Flat, *, since: datetime) -> MeterFact:
    core = flat.meter.core
    return MeterFact(
        meter_no=flat.home.meter_no,
        opening_minor=-flat.forgot_minor,  # all else has to agree
        relay=core.relay,
        energy_wh=core.energy_wh,
        balance_minor=core.balance_minor,
        credited=tuple(
            Purchase(
                purchase_no=each.purchase_no,
                amount_minor=each.amount_minor,
                at=since + timedelta(milliseconds=each.credited_at_ms),
            )
            for each in core.records.credited
        ),
        midnights={
            each.at.replace(second=0, microsecond=0): each.energy_wh
            for each in reversed(core.records.daily_freezes)
        },
    )
