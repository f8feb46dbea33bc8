"""Orders that tamper: what a thief, a fault or a careless hand does to a meter, and what it says of it."""

import asyncio

import pytest
from tests.unit.virtual.test_fleet import (
    PATIENCE_S,
    Platform,
    a_fleet,
    a_meter,
    a_modem,
    a_world,
    asked,
    play,
)

from compuerta.virtual.fleet import Fleet
from compuerta.virtual.fleet.control import OrderMalformed
from compuerta.virtual.fleet.fields import FieldMalformed
from compuerta.virtual.meter import reading
from compuerta.wire.dlt645 import ReadRegister, RegisterAnswer

METER_NO, ON_THE_BUS = "558890213594", "260305510013"
STATUS_WORDS = ReadRegister(di=0x040005FF)


def told(fleet: Fleet, order: str, meter_no: str = METER_NO, **fields: object) -> dict[str, object]:
    fleet.obey({"order": order, "meter_no": meter_no, **fields})
    [state] = fleet.obey({"order": "dump", "meter_no": meter_no})["meters"]
    return state


def counts(state: dict[str, object]) -> dict[str, int]:
    return {kind: count for kind, count in state["counts"].items() if count}


def test_covers_and_magnets_are_told_with_their_counts() -> None:
    fleet = a_fleet()

    told(fleet, "set_cover", open=True)
    told(fleet, "set_terminal_cover", open=True)
    told(fleet, "set_terminal_cover", open=False)
    state = told(fleet, "set_magnet", present=True)

    assert (state["cover_open"], state["terminal_cover_open"], state["magnet"]) == (True, False, True)
    assert counts(state) == {"cover": 1, "terminal_cover": 1, "magnet": 1}


def test_wires_are_changed_and_put_right_again() -> None:
    fleet = a_fleet()
    told(fleet, "set_load", ON_THE_BUS, power_w=1_000)

    reversed_state = told(fleet, "set_reverse", ON_THE_BUS, reversed=True)
    lost = told(fleet, "set_current_fault", ON_THE_BUS, lost=True, phase="a")
    told(fleet, "set_current_fault", ON_THE_BUS, lost=False)
    half = told(fleet, "set_bypass", ON_THE_BUS, percent=50)
    told(fleet, "set_bypass", ON_THE_BUS, percent=0)
    low = told(fleet, "set_voltage", ON_THE_BUS, voltage_dv=1_100)
    told(fleet, "set_voltage", ON_THE_BUS, voltage_dv=2_200, phase="a")
    right = told(fleet, "set_reverse", ON_THE_BUS, reversed=False, phase="a")

    powers_w = [state["power_w"] for state in (reversed_state, lost, half, low, right)]
    assert powers_w == [-1_000, 0, -500, -500, 1_000]
    core = fleet.meter(ON_THE_BUS).core
    assert core.wiring is core.sound_wiring


def test_limits_change_and_the_rest_stays() -> None:
    fleet = a_fleet()
    before = fleet.meter(METER_NO).core.limits

    told(fleet, "set_limits", power_w_max=3_000)

    after = fleet.meter(METER_NO).core.limits
    assert (after.power_w_max, after.alarm_1_minor) == (3_000, before.alarm_1_minor)


@pytest.mark.parametrize(
    ("order", "fields"),
    [
        ("set_reverse", {"reversed": True, "phase": "b"}),  # a meter of one phase
        ("set_reverse", {}),
        ("set_bypass", {"percent": 101}),
        ("set_voltage", {"voltage_dv": -1}),
        ("set_voltage", {"voltage_dv": 10_000}),
        ("set_limits", {"alarm_3_minor": 1}),
        ("set_magnet", {"present": 1}),
    ],
)
def test_an_order_that_cannot_be_is_refused(order: str, fields: dict[str, object]) -> None:
    with pytest.raises((FieldMalformed, OrderMalformed)):
        told(a_fleet(), order, **fields)


def test_a_meter_that_dials_in_tells_of_an_event_at_once_and_by_a_heartbeat() -> None:
    async def scene() -> None:
        platform, world = Platform(), a_world()
        plan = await platform.open()
        meter = a_meter(world=world)
        modem = a_modem([meter], plan=plan, world=world)
        _, link, ear = await platform.next_call()
        fleet = Fleet({"modem": modem}, world=world)

        fleet.obey({"order": "set_cover", "meter_no": meter.meter_no, "open": True})
        at_once = await ear.answer()
        meter.core.set_magnet(True)
        by_heartbeat = await ear.answer()
        link.write(asked(STATUS_WORDS, of=meter.meter_no))

        assert at_once == by_heartbeat == await ear.answer()
        assert at_once == RegisterAnswer(
            di=STATUS_WORDS.di, payload=reading.read(meter.core, STATUS_WORDS.di)
        )
        await modem.shut()
        await platform.server.shut()

    play(scene())


def test_a_road_that_is_cut_is_dialed_again_when_it_is_whole() -> None:
    async def scene() -> None:
        platform, world = Platform(), a_world()
        plan = await platform.open()
        modem = a_modem([a_meter(world=world)], plan=plan, world=world)
        _, _, ear = await platform.next_call()
        fleet = Fleet({"modem": modem}, world=world)

        fleet.obey({"order": "cut_road", "road": "modem", "cut": True})
        async with asyncio.timeout(PATIENCE_S):
            await ear.is_lost.wait()
        cut = dict(modem.state())
        fleet.obey({"order": "cut_road", "road": "modem", "cut": False})
        who, _, _ = await platform.next_call()

        assert cut["connected"] is False
        assert who == modem.endpoint_id
        await modem.shut()
        await platform.server.shut()

    play(scene())


def test_a_road_that_is_not_there_cannot_be_cut() -> None:
    with pytest.raises(OrderMalformed):
        a_fleet().obey({"order": "cut_road", "road": "nowhere", "cut": True})
