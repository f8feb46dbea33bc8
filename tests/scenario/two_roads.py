"""One meter that is reached by a bus and by a module beside it, and gateways that hold these ways.

Time is virtual and goes in small steps; what carries the bytes may swallow or keep them, each way for itself.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from random import Random

from tests.unit.services.town import NOON, PLATFORM, Home, a_town

from compuerta.adapters.memory import MemoryStore
from compuerta.adapters.models import load_models
from compuerta.domain.party import Bearer, CreditAuthority, RoadKind
from compuerta.drivers.line import Line
from compuerta.drivers.mac import SoftEsam
from compuerta.drivers.model import RechargeLayout
from compuerta.services import beating, dispatching, routing
from compuerta.services.beating import Beat
from compuerta.services.dispatching import Dispatcher, Equipment
from compuerta.services.records import Endpoint
from compuerta.virtual.meter import MeterSetup, VirtualMeter

ESAM = SoftEsam(bytes(32))
MODELS = load_models(Path(__file__).parents[2] / "models")
STEP_MS = 20
VISIT_MS = 200
BEAT_MS = 2_000
BUS, MODULE = "bus", "module"


@dataclass(slots=True, kw_only=True)
class Carrier:
    """What one road does with the bytes that it is given."""

    swallows_out: bool = False
    swallows_in: bool = False
    keeps_ms: int = 0  # what goes out


@dataclass(slots=True, kw_only=True)
class Gateway:
    """One gateway process, without its sockets."""

    name: str
    dispatcher: Dispatcher
    lines: Mapping[str, Line]


@dataclass(slots=True, kw_only=True)
class World:
    """The meter, its roads, and who holds them."""

    store: MemoryStore
    home: Home
    meter: VirtualMeter
    gateways: Sequence[Gateway]
    carriers: Mapping[str, Carrier] = field(default_factory=lambda: {BUS: Carrier(), MODULE: Carrier()})
    now_ms: int = 0
    was_open: bool = False  # the relay, at any time since this was set
    _out: list[tuple[int, str, bytes]] = field(default_factory=list)  # when it arrives, by which road

    @property
    def now(self) -> datetime:
        """The instant that it is."""
        return NOON + timedelta(milliseconds=self.now_ms)

    def run(self, *, seconds: float) -> None:
        """Let time go by."""
        end_ms = self.now_ms + round(1_000 * seconds)
        while self.now_ms < end_ms:
            if self.now_ms % BEAT_MS == 0:
                self._beat()
            if self.now_ms % VISIT_MS == 0:
                for gateway in self.gateways:
                    self._visit(gateway)
            self._carry()
            for gateway in self.gateways:
                for line in gateway.lines.values():
                    if (line.wake_at_ms() or self.now_ms + 1) <= self.now_ms:
                        line.wake(now_ms=self.now_ms)
                    self._pump(gateway, line)
            self.was_open |= self.meter.core.relay.value == "open"
            self.now_ms += STEP_MS

    def _beat(self) -> None:
        for gateway in self.gateways:
            sign = Beat(role="gateway", instance=gateway.name, started_at=NOON, at=self.now)
            beating.beat(self.store, sign, ends=dict.fromkeys(gateway.lines, True), alarms=[])
        for gateway in self.gateways:
            gateway.dispatcher.routing.follow(routing.learn(self.store, gateway=gateway.name))

    def _visit(self, gateway: Gateway) -> None:
        dispatcher = gateway.dispatcher
        meters = self.store.tables.meters.values()
        batch = dispatcher.batch(dispatcher.routing.reached(meters, now=self.now))
        written = dispatching.write(self.store, batch, now=self.now, owner=gateway.name)
        dispatcher.settle(batch, written)
        for claim in written.claims:
            line = gateway.lines[dispatcher.way(claim).endpoint_id]
            line.submit(dispatcher.job(claim, now=self.now, now_ms=self.now_ms), now_ms=self.now_ms)

    def _pump(self, gateway: Gateway, line: Line) -> None:
        said, carrier = line.take_bytes(), self.carriers[line.name]
        if said and not carrier.swallows_out:
            self._out.append((self.now_ms + carrier.keeps_ms, line.name, said))
        for key, result in line.take_finished():
            gateway.dispatcher.finish(key, result, at=self.now)

    def _carry(self) -> None:
        arrived = [each for each in self._out if each[0] <= self.now_ms]
        self._out = [each for each in self._out if each[0] > self.now_ms]
        for _, end, said in arrived:
            answer = self.meter.receive(said, now_ms=self.now_ms, connector=end)
            if answer and not self.carriers[end].swallows_in:
                for line in (each.lines[end] for each in self.gateways if end in each.lines):
                    line.receive(answer, now_ms=self.now_ms)


def a_world(*, authority: CreditAuthority = CreditAuthority.METER, gateways: int = 1) -> World:
    """Return a home whose meter has two ways, held by one gateway, or by one each."""
    is_platform = authority is PLATFORM
    store = MemoryStore()
    town = a_town(
        store,
        authorities=(authority,),
        model="dlt645-remote-rs485" if is_platform else "dlt645-vendor-rs485",
    )
    home = town.homes[0]
    module = Endpoint(
        endpoint_id=MODULE,
        organisation_id=town.organisation_id,
        road=RoadKind.MOBILE_4G,
        bearer=Bearer.DIAL_IN,
        address="860000000000001",
    )
    with store.transaction() as tx:
        tx.add_endpoint(module)
        tx.roads.put_ways({home.meter_id: [MODULE]})
        zones = tx.zones()
    entered = store.tables.meters[home.meter_id]
    setup = MeterSetup(
        meter_no=entered.meter_no,
        customer_no=entered.customer_no,
        credit_authority=authority,
        layout=RechargeLayout.VENDOR,
        civil_offset_ms=round((NOON + timedelta(hours=8)).timestamp() * 1_000),
    )
    held = [{BUS, MODULE}] if gateways == 1 else [{BUS}, {MODULE}]
    made = [_gateway(f"gateway{number}", ends, zones) for number, ends in enumerate(held, start=1)]
    meter = VirtualMeter(setup, now_ms=0, esam=ESAM, chance=Random(1))
    return World(store=store, home=home, meter=meter, gateways=made)


def _gateway(name: str, ends: set[str], zones: Mapping[int, str]) -> Gateway:
    dispatcher = Dispatcher(Equipment(models=MODELS, mac=ESAM, chance=Random(2).randbytes))
    dispatcher.follow(zones)
    for end in sorted(ends):
        dispatcher.routing.opened(end)
    return Gateway(name=name, dispatcher=dispatcher, lines={end: Line(end) for end in sorted(ends)})
