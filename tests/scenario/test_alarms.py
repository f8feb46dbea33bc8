"""What is done to a virtual meter is on the alarms board after one poll, through real frames."""

from dataclasses import replace
from datetime import timedelta

import pytest
from tests.scenario.loading_bench import Bench, a_bench
from tests.unit.services.town import NOON, Home, a_town

from compuerta.adapters.memory import MemoryStore
from compuerta.domain.alarms import AlarmKind
from compuerta.domain.instruction import Limits
from compuerta.domain.supply import HoldKind
from compuerta.drivers.abilities import Ending, LimitsOrder, ReadOrder, Relay
from compuerta.services import observe
from compuerta.services.alarm_port import MeterAlarm
from compuerta.virtual.meter import ConstantLoad

MINUTE = timedelta(minutes=1)
QUARTER = timedelta(minutes=15)


class House:
    """A home whose meter is polled through its frames, at a time that moves with the meter's own."""

    def __init__(self, *, power_w: int = 3_000) -> None:
        self.store = MemoryStore()
        self.home: Home = a_town(self.store, register_wh=None).homes[0]
        self.bench: Bench = a_bench(load=ConstantLoad(power_w=power_w))
        self._began = self.bench.civil
        self.poll()

    def poll(self) -> None:
        """Read the meter, a quarter of an hour after it was read last."""
        self.bench.wait_until(self.bench.civil + QUARTER)
        result = self.bench.carry_out(ReadOrder())
        assert result.ending is Ending.DONE
        at = NOON + (self.bench.civil - self._began)
        report = observe.MeterReport(meter_id=self.home.meter_id, at=at, state=result.state)
        observe.take_readings(self.store, [report], now=at)

    def alarms(self) -> dict[AlarmKind, MeterAlarm]:
        """Return the board, by kind; one row of each."""
        rows = list(self.store.tables.meter_alarms.values())
        board = {alarm.kind: alarm for alarm in rows}
        assert len(board) == len(rows)
        return board


def test_a_meter_that_is_left_alone_raises_nothing() -> None:
    house = House()

    house.poll()

    assert house.alarms() == {}


@pytest.mark.parametrize(
    ("part", "kind"),
    [("set_cover", AlarmKind.COVER_OPEN), ("set_terminal_cover", AlarmKind.TERMINAL_COVER_OPEN)],
)
def test_an_opened_cover_is_on_the_board_after_one_poll_and_over_after_the_next(
    part: str, kind: AlarmKind
) -> None:
    house = House()

    getattr(house.bench.meter.core, part)(True)
    house.poll()
    opened = house.alarms()
    getattr(house.bench.meter.core, part)(False)
    house.poll()

    assert set(opened) == {kind}
    assert opened[kind].ended_at is None
    assert house.alarms()[kind].ended_at is not None


def test_a_cover_opened_and_shut_between_two_polls_is_on_the_board_and_over() -> None:
    house = House()

    house.bench.meter.core.set_cover(True)
    house.bench.meter.core.set_cover(False)
    house.poll()

    (alarm,) = house.alarms().values()
    assert (alarm.kind, alarm.times, alarm.detail) == (AlarmKind.COVER_OPEN, 1, "cover_open: 0 -> 1")
    assert alarm.ended_at is not None


def test_a_reversed_phase_is_on_the_board_after_one_poll() -> None:
    house = House()

    core = house.bench.meter.core
    core.set_wiring(replace(core.wiring, reversed=frozenset({0})))
    house.poll()

    alarm = house.alarms()[AlarmKind.REVERSE_FLOW]
    assert alarm.ended_at is None
    assert "active_reverse" in alarm.detail


def test_a_magnet_is_on_the_board_after_one_poll() -> None:
    house = House()

    house.bench.meter.core.set_magnet(True)
    house.poll()

    assert house.alarms()[AlarmKind.MAGNET].ended_at is not None


def test_an_overload_opens_the_relay_and_is_told_with_its_story() -> None:
    house = House(power_w=2_000)
    order = LimitsOrder(limits=Limits(power_w_max=3_000))
    assert house.bench.carry_out(order).ending is Ending.DONE

    house.bench.meter.core.set_load(6_000)
    house.poll()

    assert AlarmKind.OVERLOAD in house.alarms()
    assert AlarmKind.SWITCH_FAILURE not in house.alarms()
    snapshot = house.store.tables.snapshots[house.home.meter_id]
    assert (snapshot.relay, snapshot.wanted_reason) == (Relay.OPEN, "overload_lock")
    assert [hold.kind for hold in house.store.tables.holds.values()] == [HoldKind.OVERLOAD]
    assert house.store.tables.supply_changes[-1].reason == "overload_lock"
