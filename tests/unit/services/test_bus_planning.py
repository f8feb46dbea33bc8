"""Planned lines against the drivers themselves, and against the page that tells of them."""

import re
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from random import Random

import pytest

from compuerta.adapters.models import load_models
from compuerta.domain.party import Bearer, CreditAuthority, Meter, RoadKind
from compuerta.drivers import line
from compuerta.drivers.abilities import Ending, Order, ReadOrder, RechargeOrder, Relay, SwitchOrder
from compuerta.drivers.line import Job, Line, Priority
from compuerta.drivers.mac import SoftEsam
from compuerta.drivers.model import Model, RechargeLayout
from compuerta.drivers.speaking import speak
from compuerta.drivers.talk import MeterIdentity
from compuerta.services import bus_planning
from compuerta.services.bus_planning import Doubt, LineUnplannable, LineWish, Share
from compuerta.services.records import Endpoint
from compuerta.virtual.meter.peer import VirtualMeter
from compuerta.virtual.meter.setup import MeterSetup

ROOT = Path(__file__).parents[3]
MODELS = load_models(ROOT / "models")
ESAM = SoftEsam(b"a key for measuring lines")
METER_NO = "000000000001"
BEGUN_MS = 1_760_000_000_000
CIVIL = datetime(2025, 10, 9, 8, 53, 20)  # noqa: DTZ001 - what the meter's clock shows
REMOTE = MeterSetup(
    meter_no=METER_NO, customer_no=METER_NO, credit_authority=CreditAuthority.PLATFORM, balance_minor=0
)
LOCAL = MeterSetup(meter_no=METER_NO, customer_no=METER_NO, layout=RechargeLayout.VENDOR)
MODBUS = MeterSetup(meter_no=METER_NO, unit_no=1, credit_authority=CreditAuthority.PLATFORM)
SETUPS = {"dlt645-remote-rs485": REMOTE, "dlt645-vendor-rs485": LOCAL, "modbus-generic": MODBUS}
OPEN = SwitchOrder(relay=Relay.OPEN, now=CIVIL)
CLOSE = SwitchOrder(relay=Relay.CLOSED, now=CIVIL)


def a_line(model: str, meters: int = 1, absent: int = 0, *, baud: int = 2_400) -> LineWish:
    return LineWish(shares=[Share(model=MODELS[model], meters=meters, absent=absent)], baud=baud, poll_s=900)


def spent_ms(
    meter: VirtualMeter, model: Model, order: Order, *, baud: int = 2_400, begun_ms: int = BEGUN_MS
) -> int:
    """Let the real driver speak to a meter on a line of this speed, and return how long it took."""
    byte_us = line.byte_us_of(baud)
    bus = Line("bus", byte_us=byte_us)
    identity = MeterIdentity(meter_no=METER_NO, unit_no=1)
    conversation = speak(order, model=model, meter=identity, mac=ESAM, chance=bytes)
    timing = model.roads["rs485"]
    job = Job(
        key="job",
        meter_no=METER_NO,
        conversation=conversation,
        priority=Priority.POLL,
        timing=timing,
        deadline_ms=60_000,
    )
    now_ms = 0
    bus.submit(job, now_ms=now_ms)
    while not (finished := bus.take_finished()):
        asked = bus.take_bytes()
        answer = meter.receive(asked, now_ms=begun_ms + now_ms, line_ms=now_ms) if asked else b""
        wake_at_ms = bus.wake_at_ms() or now_ms
        if answer:
            now_ms += bus_planning.ANSWER_MS_USUAL + (len(asked) + len(answer)) * byte_us // 1_000
            bus.receive(answer, now_ms=now_ms)
        else:
            now_ms = max(now_ms, wake_at_ms)
            bus.wake(now_ms=now_ms)
    ((_, result),) = finished
    assert result.ending is Ending.DONE, result
    return now_ms + line.PAUSE_MS


def is_about(measured_ms: int, planned_ms: int) -> bool:
    return measured_ms <= planned_ms + 10 and measured_ms * 10 >= planned_ms * 9


@pytest.mark.parametrize("baud", [1_200, 9_600])
@pytest.mark.parametrize("name", SETUPS)
def test_a_planned_reading_takes_what_the_driver_takes(name: str, baud: int) -> None:
    meter = VirtualMeter(SETUPS[name], now_ms=BEGUN_MS, esam=ESAM, chance=Random(1))

    measured_ms = spent_ms(meter, MODELS[name], ReadOrder(now=CIVIL), baud=baud)

    assert is_about(measured_ms, bus_planning.plan(a_line(name, baud=baud)).meter_ms)


@pytest.mark.parametrize("name", ["dlt645-remote-rs485", "modbus-generic"])
def test_a_planned_way_to_light_takes_what_the_driver_takes(name: str) -> None:
    meter = VirtualMeter(SETUPS[name], now_ms=BEGUN_MS, esam=ESAM, chance=Random(1))
    spent_ms(meter, MODELS[name], OPEN)

    measured_ms = spent_ms(meter, MODELS[name], CLOSE, begun_ms=BEGUN_MS + 10_000)

    assert is_about(measured_ms, bus_planning.plan(a_line(name)).supply_ms)


def test_a_recharge_and_its_switch_are_planned_together() -> None:
    name = "dlt645-vendor-rs485"
    meter = VirtualMeter(SETUPS[name], now_ms=BEGUN_MS, esam=ESAM, chance=Random(1))
    order = RechargeOrder(amount_minor=5_000, purchase_no=1, customer_no=METER_NO)

    recharged_ms = spent_ms(meter, MODELS[name], order)

    # A meter that is on already needs no switch: what is planned is the longer way.
    assert recharged_ms < bus_planning.plan(a_line(name)).supply_ms < 2 * recharged_ms


def test_an_absent_meter_costs_one_try() -> None:
    present, absent = (bus_planning.plan(a_line("dlt645-remote-rs485", 2, away)) for away in (0, 1))

    one_try_ms = absent.round_ms - present.meter_ms

    assert one_try_ms == 700 + 230 + 500  # patience, fifty bytes at 2,400 baud, and the silence after it
    assert absent.wait_ms_max == one_try_ms
    assert present.wait_ms_max == 60 * 11 * 1_000 // 2_400 + 100 + 50  # the longest exchange of a reading


def test_the_lines_that_are_entered_are_planned_with_the_meters_on_them() -> None:
    def an_end(name: str, baud: int | None) -> Endpoint:
        return Endpoint(
            endpoint_id=name,
            organisation_id=1,
            road=RoadKind.RS485,
            bearer=Bearer.SERIAL,
            address=f"/dev/{name}",
            baud=baud,
        )

    def a_meter(number: int, model: str, endpoint_id: str) -> Meter:
        return Meter(
            meter_id=number,
            organisation_id=1,
            meter_no=f"{number:012d}",
            model=model,
            credit_authority=CreditAuthority.PLATFORM,
            customer_no=f"{number:012d}",
            endpoint_id=endpoint_id,
            road=RoadKind.RS485,
        )

    meters = [a_meter(1, "modbus-generic", "bus"), a_meter(2, "dlt645-remote-rs485", "bus")]
    odd = [a_meter(3, "of nobody", "bus"), a_meter(4, "modbus-generic", "session")]
    ends = [an_end("bus", 9_600), an_end("empty", 9_600), an_end("session", None)]

    plans = bus_planning.plan_entered(ends, meters + odd, models=MODELS, poll_s=900)

    shares = [a_line(each.model).shares[0] for each in reversed(meters)]
    assert plans == {"bus": bus_planning.plan(LineWish(shares=shares, baud=9_600, poll_s=900))}


def test_as_many_meters_as_are_said_to_fit_do_fit_and_one_more_does_not() -> None:
    wish = LineWish(shares=a_line("dlt645-remote-rs485", 10).shares, baud=1_200, poll_s=300)

    most = bus_planning.plan(wish).meters_max

    full, over = (
        bus_planning.plan(replace(wish, shares=a_line("dlt645-remote-rs485", meters).shares))
        for meters in (most, most + 1)
    )
    assert Doubt.ROUND_TOO_LONG not in full.doubts
    assert Doubt.ROUND_TOO_LONG in over.doubts
    assert (full.lines_min, over.lines_min) == (1, 2)


@pytest.mark.parametrize(
    ("meters", "cable_m", "baud", "doubt"),
    [
        (32, 1_200, 2_400, ()),
        (33, 0, 2_400, (Doubt.MORE_THAN_USUAL,)),
        (129, 0, 9_600, (Doubt.MORE_THAN_ANY,)),
        (1, 1_201, 2_400, (Doubt.CABLE_TOO_LONG,)),
        (1, 0, 200, (Doubt.LIGHT_TOO_LATE,)),
    ],
)
def test_what_is_not_as_it_should_be_is_told(
    meters: int, cable_m: int, baud: int, doubt: tuple[Doubt, ...]
) -> None:
    shares = a_line("dlt645-remote-rs485", meters).shares

    drawn = bus_planning.plan(LineWish(shares=shares, baud=baud, poll_s=3_600, cable_m=cable_m))

    assert drawn.doubts == doubt


@pytest.mark.parametrize(
    "wish",
    [
        LineWish(shares=[], baud=2_400, poll_s=900),
        LineWish(shares=a_line("modbus-generic").shares, baud=0, poll_s=900),
        LineWish(shares=a_line("modbus-generic").shares, baud=2_400, poll_s=0),
        LineWish(shares=a_line("modbus-generic").shares, baud=2_400, poll_s=900, cable_m=-1),
        LineWish(shares=a_line("modbus-generic").shares, baud=2_400, poll_s=900, answer_ms=-1),
        a_line("modbus-generic", 0),
        a_line("modbus-generic", 2, 3),
        a_line("modbus-generic", 2, -1),
    ],
)
def test_figures_that_make_no_line_are_refused(wish: LineWish) -> None:
    with pytest.raises(LineUnplannable):
        bus_planning.plan(wish)


def test_a_model_that_no_cable_reaches_is_refused() -> None:
    model = replace(MODELS["modbus-generic"], roads={})

    with pytest.raises(LineUnplannable, match="not read by RS485"):
        bus_planning.plan(LineWish(shares=[Share(model=model, meters=1)], baud=2_400, poll_s=900))


@pytest.mark.parametrize("name", [name for name, model in MODELS.items() if "rs485" in model.roads])
def test_every_model_of_a_cable_can_be_planned(name: str) -> None:
    assert bus_planning.plan(a_line(name)).meters_max >= 1


ROW = re.compile(
    r"\| ([a-z0-9-]+) \| ([\d,]+) \| ([\d.]+) s \| ([\d.]+) s \| ([\d.]+) s \| (\d+) \| (\d+) \|"
)


def test_the_page_tells_what_is_reckoned() -> None:
    rows = ROW.findall((ROOT / "docs" / "rs485.md").read_text("utf-8"))

    assert len(rows) >= 9
    for name, baud, meter, wait, supply, per_15_min, per_5_min in rows:
        wish = a_line(name, 30, 2, baud=int(baud.replace(",", "")))
        drawn = bus_planning.plan(wish)
        often = bus_planning.plan(LineWish(shares=wish.shares, baud=wish.baud, poll_s=300))
        told = [f"{each / 1_000:.1f}" for each in (drawn.meter_ms, drawn.wait_ms_max, drawn.supply_ms)]
        assert [meter, wait, supply, per_15_min, per_5_min] == [
            *told,
            str(drawn.meters_max),
            str(often.meters_max),
        ]
