"""A meter and the driver's conversation with it, exchange by exchange, at a time that a test moves."""

from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from random import Random

from tests.scenario.meter_bench import CUSTOMER_NO, ESAM, METER_NO

from compuerta.adapters.models import load_models
from compuerta.drivers import dlt645 as driver
from compuerta.drivers.abilities import Order, ReadOrder, Result
from compuerta.drivers.model import Model
from compuerta.virtual.meter import ConstantLoad, MeterSetup, VirtualMeter
from compuerta.virtual.meter.clock import civil_from_ms, ms_from_civil
from compuerta.wire import dlt645
from compuerta.wire.dlt645 import WriteRegister

MODELS = load_models(Path(__file__).parents[2] / "models")
STANDARD, REMOTE = MODELS["dlt645-standard-4g"], MODELS["dlt645-remote-rs485"]
THURSDAY = datetime(2027, 4, 29, 12, 0)  # noqa: DTZ001 a meter's clock
SECOND_MS = 1_000
EXCHANGES_MAX = 400


@dataclass
class Bench:
    """A meter, the world's time, and a road that loses what a test tells it to lose."""

    meter: VirtualMeter
    model: Model = STANDARD
    now_ms: int = 0
    requests: list[dlt645.Request] = field(default_factory=list)

    @property
    def civil(self) -> datetime:
        return civil_from_ms(self.meter.core.civil_ms).replace(microsecond=0)

    def carry_out(self, order: Order, *, unheard: int = -1, unanswered: int = -1) -> Result:
        """Play a conversation; the exchange of one of these numbers is lost, and silence ends it."""
        self.requests = []
        conversation = driver.converse(
            order,
            model=self.model,
            meter=driver.MeterIdentity(meter_no=METER_NO),
            mac=ESAM,
            chance=Random(1).randbytes,
        )
        reply: driver.Reply | None = None
        for exchange in range(EXCHANGES_MAX):
            try:
                request = next(conversation) if reply is None else conversation.send(reply)
            except StopIteration as end:
                result: Result = end.value
                return result
            self.requests.append(request)
            self.now_ms += SECOND_MS
            lost = exchange == unanswered
            reply = dlt645.Silent(request=request)
            if exchange != unheard:
                answer = self.hear(request)
                reply = reply if lost else answer
        raise AssertionError("a conversation without an end")

    def hear(self, request: dlt645.Request) -> driver.Reply:
        sent = dlt645.encode(request.to_frame(METER_NO))
        heard = self.meter.receive(sent, now_ms=self.now_ms)
        [frame] = dlt645.Deframer().receive(heard, now_ms=self.now_ms)
        return dlt645.parse_answer(frame)

    def wait_until(self, civil: datetime) -> None:
        self.now_ms += ms_from_civil(civil) - self.meter.core.civil_ms
        self.meter.advance(to_ms=self.now_ms)

    @property
    def writes(self) -> list[WriteRegister]:
        return [request for request in self.requests if isinstance(request, WriteRegister)]

    @property
    def exchanges(self) -> int:
        return len(self.requests)

    def balance_minor(self) -> int:
        balance_minor = self.meter.core.balance_minor
        assert balance_minor is not None
        return balance_minor

    def rates_wh(self) -> tuple[int, ...]:
        rates_wh = self.carry_out(ReadOrder()).state.rates_wh
        assert rates_wh is not None
        return rates_wh


def a_bench(*, start: datetime = THURSDAY, model: Model = STANDARD, **changes: object) -> Bench:
    setup = MeterSetup(
        meter_no=METER_NO,
        credit_authority=model.credit_authority,
        customer_no=CUSTOMER_NO,
        balance_minor=100_000,
        load=ConstantLoad(power_w=1_000),
        civil_offset_ms=ms_from_civil(start),
    )
    meter = VirtualMeter(replace(setup, **changes), now_ms=0, esam=ESAM, chance=Random(1))
    return Bench(meter=meter, model=model)
