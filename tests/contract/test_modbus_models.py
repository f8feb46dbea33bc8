"""Every Modbus model file is played against a virtual meter of that make: through a line, in frames.

The registers of the virtual meters are written apart from the model files, so that a slip in either shows.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from random import Random

import pytest
from tests.contract.wire import Wire, a_wire

from compuerta.adapters.models import load_models
from compuerta.domain.instruction import Limits
from compuerta.domain.party import CreditAuthority
from compuerta.drivers.abilities import (
    ClockOrder,
    Ending,
    LimitsOrder,
    Order,
    ReadOrder,
    RechargeOrder,
    Relay,
    Result,
    SwitchOrder,
)
from compuerta.drivers.line import Job, Line, Priority
from compuerta.drivers.mac import SoftEsam
from compuerta.drivers.modbus import NO_RELAY_SHOWN, POWER_FELL
from compuerta.drivers.model import Model
from compuerta.drivers.speaking import speak
from compuerta.drivers.talk import MeterIdentity
from compuerta.virtual.meter import ConstantLoad, MeterSetup, VirtualMeter
from compuerta.virtual.meter.wiring import Wiring
from compuerta.wire import modbus

UNIT_NO = 17
METER_NO = "260700000017"
ESAM = SoftEsam(b"a key for tests.")
NOON_MS = 1_795_348_800_000  # 2026-11-22 12:00, civil time of the meter
NOON = datetime(2026, 11, 22, 12, 0)  # noqa: DTZ001 a meter's clock knows no zone
STEPS_MAX = 200

MODELS = load_models(Path(__file__).parents[2] / "models")
IMAGES = {  # whose registers each model describes, and how many phases it has
    "modbus-generic": ("generic", 1),
    "acrel-ddsy1352": ("acrel", 1),
    "eastron-sdm320y": ("eastron", 1),
    "eastron-sdm530y": ("eastron", 3),
}
SHOWN, UNSHOWN, READ_ONLY = "modbus-generic", "acrel-ddsy1352", "eastron-sdm320y"
EVERY_MODEL = pytest.mark.parametrize("name", IMAGES)


@dataclass
class Bus:
    """Meters on one wire, on a clock that the test moves; the line speaks to whom a job names."""

    meters: list[VirtualMeter]
    wire: Wire
    near: Wire
    line: Line = field(default_factory=lambda: Line("bus"))
    now_ms: int = NOON_MS
    answers: int = 0
    lost_answers: frozenset[int] = frozenset()
    requests: list[bytes] = field(default_factory=list)
    echoes: bool = False

    def at_meters(self, data: bytes) -> None:
        self.requests.append(data)
        if self.echoes:
            self.wire.write(data)
        for meter in self.meters:
            answer = meter.receive(data, now_ms=self.now_ms)
            if answer:
                if self.answers not in self.lost_answers:
                    self.wire.write(answer)
                self.answers += 1

    def carry_out(self, *jobs: Job) -> dict[str, Result]:
        self.answers, self.requests = 0, []
        for job in jobs:
            self.line.submit(job, now_ms=self.now_ms)
        for _ in range(STEPS_MAX):
            self.near.write(self.line.take_bytes())
            wake_at_ms = self.line.wake_at_ms()
            if wake_at_ms is None:
                break
            self.now_ms = max(self.now_ms, wake_at_ms)
            self.line.wake(now_ms=self.now_ms)
        return dict(self.line.take_finished())


@dataclass
class Hearing:
    """Who hears one end of the wire."""

    heard_: object

    def heard(self, data: bytes) -> None:
        self.heard_(data)  # type: ignore[operator]

    def lost(self, reason: str) -> None:
        raise AssertionError(reason)


def a_bus(*meters: VirtualMeter) -> Bus:
    near, far = a_wire()
    bus = Bus(meters=list(meters), wire=far, near=near)
    far.attach(Hearing(bus.at_meters))
    near.attach(Hearing(lambda data: bus.line.receive(data, now_ms=bus.now_ms)))
    return bus


def a_meter(
    name: str, *, load_w: int = 0, unit_no: int | None = UNIT_NO, meter_no: str = METER_NO
) -> VirtualMeter:
    image, phases = IMAGES.get(name, ("generic", 1))
    setup = MeterSetup(
        meter_no=meter_no,
        credit_authority=CreditAuthority.PLATFORM,
        energy_wh=1_234_560,
        load=ConstantLoad(power_w=load_w),
        phases=phases,
        unit_no=unit_no,
        modbus_image=image,
    )
    return VirtualMeter(setup, now_ms=NOON_MS, esam=ESAM, chance=Random(1))


def a_job(
    order: Order, *, model: Model, key: str = "order", unit_no: int | None = UNIT_NO, meter_no: str = METER_NO
) -> Job:
    return Job(
        key=key,
        meter_no=meter_no,
        conversation=speak(
            order,
            model=model,
            meter=MeterIdentity(meter_no=meter_no, unit_no=unit_no),
            mac=ESAM,
            chance=Random(52).randbytes,
        ),
        priority=Priority.RECHARGE,
        timing=model.roads["rs485"],
        deadline_ms=NOON_MS + 600_000,
    )


def carried_out(bus: Bus, order: Order, *, name: str, losing: frozenset[int] = frozenset()) -> Result:
    bus.lost_answers = losing
    return bus.carry_out(a_job(order, model=MODELS[name]))["order"]


def a_switch(relay: Relay, **changes: object) -> SwitchOrder:
    return SwitchOrder(relay=relay, now=NOON, **changes)  # type: ignore[arg-type]


def test_every_modbus_model_is_played_here() -> None:
    assert set(IMAGES) == {name for name, model in MODELS.items() if model.protocol == "modbus"}


@EVERY_MODEL
def test_the_state_that_is_read_is_the_meters(name: str) -> None:
    bus = a_bus(a_meter(name, load_w=1_500))

    result = carried_out(bus, ReadOrder(), name=name)

    state = result.state
    assert (result.ending, result.reason) == (Ending.DONE, "")
    assert state.energy_wh is not None
    assert abs(state.energy_wh - 1_234_560) < 100  # a float has steps of its own
    assert (state.power_w, state.relay) == (1_500, Relay.CLOSED)
    assert (state.balance_minor, state.purchase_no) == (None, None)
    if MODELS[name].modbus.rates:  # type: ignore[union-attr]
        assert sum(state.rates_wh or ()) == state.energy_wh


@EVERY_MODEL
def test_power_that_runs_backwards_is_negative(name: str) -> None:
    meter = a_meter(name, load_w=700)
    phases = IMAGES[name][1]
    meter.core.set_wiring(Wiring(voltages_dv=(2_200,) * phases, reversed=frozenset(range(phases))))

    state = carried_out(a_bus(meter), ReadOrder(), name=name).state

    assert state.power_w is not None
    assert (abs(state.power_w + 700) <= 1, state.relay) == (True, Relay.CLOSED)


def test_rates_that_do_not_add_up_to_the_total_are_no_fact() -> None:
    session, bus = modbus.MeterSession(unit_no=UNIT_NO), a_bus()

    def tell(data: bytes) -> None:
        for requested in session.receive(data, now_ms=bus.now_ms):
            count = requested.request.quantity  # type: ignore[union-attr]
            octets = bytes.fromhex("0001E2400001869F" + "00000000" * 3) if count == 10 else bytes(2 * count)
            bus.wire.write(session.send(modbus.Registers(octets=octets)))

    bus.wire.attach(Hearing(tell))

    state = carried_out(bus, ReadOrder(), name=UNSHOWN).state

    assert (state.energy_wh, state.rates_wh) == (1_234_560, None)


def test_an_order_to_everybody_is_obeyed_without_an_answer() -> None:
    meter = a_meter(SHOWN, load_w=1_500)
    write = modbus.WriteRegister(at=0x20, value=0)

    said = meter.receive(modbus.encode(modbus.Frame(modbus.BROADCAST, write.to_pdu())), now_ms=NOON_MS)

    assert (said, meter.core.relay) == (b"", Relay.OPEN)


@EVERY_MODEL
def test_a_meter_without_power_is_silent(name: str) -> None:
    meter = a_meter(name)
    meter.core.set_power(False)

    result = carried_out(a_bus(meter), ReadOrder(), name=name)

    assert (result.ending, result.reason) == (Ending.SILENT, "no_answer")


@pytest.mark.parametrize("load_w", [0, 1_500])
def test_where_the_relay_is_shown_a_switch_is_done_when_it_says_so(load_w: int) -> None:
    meter = a_meter(SHOWN, load_w=load_w)
    bus = a_bus(meter)

    cut = carried_out(bus, a_switch(Relay.OPEN), name=SHOWN)
    dark = meter.core.relay
    close = carried_out(bus, a_switch(Relay.CLOSED), name=SHOWN)

    assert (cut.ending, cut.reason, cut.state.relay, dark) == (Ending.DONE, "", Relay.OPEN, Relay.OPEN)
    assert (close.ending, close.state.relay, meter.core.relay) == (Ending.DONE, Relay.CLOSED, Relay.CLOSED)


@pytest.mark.parametrize("name", [SHOWN, UNSHOWN])
def test_a_wish_that_is_met_already_sends_no_command(name: str) -> None:
    bus = a_bus(a_meter(name, load_w=1_500))

    result = carried_out(bus, a_switch(Relay.CLOSED), name=name)

    assert (result.ending, result.state.relay) == (Ending.DONE, Relay.CLOSED)
    assert [request[1] for request in bus.requests] == [modbus.Function.READ_HOLDING]


@pytest.mark.parametrize("name", [SHOWN, UNSHOWN])
def test_a_stuck_relay_is_accepted_and_never_done(name: str) -> None:
    meter = a_meter(name, load_w=1_500)
    meter.core.set_stuck(True)

    result = carried_out(a_bus(meter), a_switch(Relay.OPEN), name=name)

    assert (result.ending, result.reason, result.state.relay) == (
        Ending.ACCEPTED,
        "not_read_back",
        Relay.CLOSED,
    )


def test_where_no_relay_is_shown_power_that_fell_to_zero_proves_a_cut() -> None:
    meter = a_meter(UNSHOWN, load_w=1_500)

    result = carried_out(a_bus(meter), a_switch(Relay.OPEN), name=UNSHOWN)

    assert (result.ending, result.reason, result.state.relay) == (Ending.DONE, POWER_FELL, Relay.OPEN)
    assert not meter.core.contact_closed


def test_where_no_relay_is_shown_and_nothing_flows_a_switch_stays_accepted() -> None:
    meter = a_meter(UNSHOWN, load_w=0)
    bus = a_bus(meter)

    cut = carried_out(bus, a_switch(Relay.OPEN), name=UNSHOWN)
    close = carried_out(bus, a_switch(Relay.CLOSED), name=UNSHOWN)

    assert (cut.ending, cut.reason, cut.state.relay) == (Ending.ACCEPTED, NO_RELAY_SHOWN, None)
    assert (close.ending, close.reason, close.state.relay) == (Ending.ACCEPTED, NO_RELAY_SHOWN, None)


def test_power_that_flows_again_proves_a_close() -> None:
    meter = a_meter(UNSHOWN, load_w=1_500)
    bus = a_bus(meter)
    carried_out(bus, a_switch(Relay.OPEN), name=UNSHOWN)

    result = carried_out(bus, a_switch(Relay.CLOSED), name=UNSHOWN)

    assert (result.ending, result.reason, result.state.relay) == (Ending.DONE, "", Relay.CLOSED)


def test_an_echo_of_our_own_command_is_no_proof() -> None:
    # The answer to a write of one register is the request itself, byte for byte.
    meter = a_meter(SHOWN, load_w=1_500)
    bus = a_bus(meter)
    bus.echoes = True
    meter.core.set_stuck(True)

    result = carried_out(bus, a_switch(Relay.OPEN), name=SHOWN)

    assert (result.ending, result.state.relay) == (Ending.ACCEPTED, Relay.CLOSED)


@pytest.mark.parametrize("lost", range(3))
def test_a_single_lost_answer_is_asked_for_again(lost: int) -> None:
    meter = a_meter(SHOWN, load_w=1_500)

    result = carried_out(a_bus(meter), a_switch(Relay.OPEN), name=SHOWN, losing=frozenset({lost}))

    assert (result.ending, meter.core.relay) == (Ending.DONE, Relay.OPEN)


@pytest.mark.parametrize("first_lost", range(4))
def test_whatever_answer_is_lost_for_good_done_is_never_said_without_proof(first_lost: int) -> None:
    meter = a_meter(SHOWN, load_w=1_500)
    bus = a_bus(meter)

    first = carried_out(bus, a_switch(Relay.OPEN), name=SHOWN, losing=frozenset(range(first_lost, 99)))
    second = carried_out(bus, a_switch(Relay.OPEN), name=SHOWN)

    assert first.ending is (Ending.SILENT if first_lost < 3 else Ending.DONE)
    assert (second.ending, second.state.relay) == (Ending.DONE, Relay.OPEN)


@pytest.mark.parametrize("name", [READ_ONLY, "eastron-sdm530y"])
def test_a_model_that_nothing_is_known_to_switch_refuses(name: str) -> None:
    bus = a_bus(a_meter(name))

    result = carried_out(bus, a_switch(Relay.OPEN), name=name)

    assert (result.ending, result.reason) == (Ending.REFUSED, "model_cannot_switch")
    assert bus.requests == []


def test_who_wants_a_button_is_not_closed_upon() -> None:
    meter = a_meter(SHOWN)
    bus = a_bus(meter)
    carried_out(bus, a_switch(Relay.OPEN), name=SHOWN)

    result = carried_out(bus, a_switch(Relay.CLOSED, permits=True), name=SHOWN)

    assert (result.ending, result.reason) == (Ending.REFUSED, "model_cannot_permit")
    assert meter.core.relay is Relay.OPEN


def test_a_clock_is_set_and_read_back_and_followed() -> None:
    bus = a_bus(a_meter(SHOWN))

    result = carried_out(bus, ClockOrder(now=NOON + timedelta(days=3)), name=SHOWN)
    followed = carried_out(bus, ReadOrder(now=NOON), name=SHOWN)

    assert result.ending is Ending.DONE
    assert (followed.ending, followed.reason) == (Ending.DONE, "clock_set")
    assert followed.state.clock_found is not None
    assert abs(followed.state.clock_found - NOON - timedelta(days=3)) < timedelta(minutes=1)


@pytest.mark.parametrize(
    ("order", "reason"),
    [
        (ClockOrder(now=NOON), "model_has_no_clock"),
        (LimitsOrder(limits=Limits(power_w_max=4_400)), "model_takes_no_limits"),
        (RechargeOrder(amount_minor=1, purchase_no=1, customer_no="0" * 12), "model_keeps_no_money"),
    ],
)
def test_what_the_model_does_not_have_is_refused_by_name(order: Order, reason: str) -> None:
    result = carried_out(a_bus(a_meter(UNSHOWN)), order, name=UNSHOWN)

    assert (result.ending, result.reason) == (Ending.REFUSED, reason)


def test_a_meter_whose_unit_is_not_entered_is_not_spoken_to() -> None:
    bus = a_bus(a_meter(SHOWN))

    result = bus.carry_out(a_job(ReadOrder(), model=MODELS[SHOWN], unit_no=None))["order"]

    assert (result.ending, result.reason) == (Ending.REFUSED, "unit_not_entered")
    assert bus.requests == []


def test_a_meter_with_other_registers_is_refused_and_not_misread() -> None:
    bus = a_bus(a_meter(READ_ONLY))  # an Eastron where an Acrel was entered

    result = carried_out(bus, ReadOrder(), name=UNSHOWN)

    assert (result.ending, result.reason) == (Ending.REFUSED, "refused_by_meter")
    assert result.state.energy_wh is None


@pytest.mark.parametrize(
    ("code", "ending"), [(5, Ending.BUSY), (6, Ending.BUSY), (0x0A, Ending.SILENT), (0x0B, Ending.SILENT)]
)
def test_an_exception_says_whether_to_try_again(code: int, ending: Ending) -> None:
    session = modbus.MeterSession(unit_no=UNIT_NO)
    bus = a_bus()
    bus.at_meters(b"")

    def refuse(data: bytes) -> None:
        for requested in session.receive(data, now_ms=bus.now_ms):
            refusal = modbus.Refusal(function=requested.request.to_pdu()[0], code=code)
            bus.wire.write(session.send(refusal))

    bus.wire.attach(Hearing(refuse))

    assert carried_out(bus, ReadOrder(), name=SHOWN).ending is ending


def test_meters_of_two_protocols_share_a_bus() -> None:
    other_no = "558890213594"
    other = VirtualMeter(
        MeterSetup(meter_no=other_no, credit_authority=CreditAuthority.PLATFORM, energy_wh=770),
        now_ms=NOON_MS,
        esam=ESAM,
        chance=Random(2),
    )
    ours = a_meter(SHOWN)
    bus = a_bus(ours, other)

    results = bus.carry_out(
        a_job(ReadOrder(), key="645", model=MODELS["dlt645-remote-rs485"], meter_no=other_no),
        a_job(ReadOrder(), key="modbus", model=MODELS[SHOWN]),
        a_job(a_switch(Relay.OPEN), key="cut", model=MODELS[SHOWN]),
    )

    assert {key: result.ending for key, result in results.items()} == dict.fromkeys(
        ("645", "modbus", "cut"), Ending.DONE
    )
    assert (results["645"].state.energy_wh, results["modbus"].state.energy_wh) == (770, 1_234_560)
    assert (ours.core.relay, other.core.relay) == (Relay.OPEN, Relay.CLOSED)
    assert set(bus.line.take_heard()) == {other_no, METER_NO}
