"""A virtual meter that a fitter gave the wrong number."""

from datetime import UTC, datetime
from random import Random

import pytest

from compuerta.domain.party import MeterNoMalformed
from compuerta.drivers.mac import SoftEsam
from compuerta.virtual.fleet.bus import Bus
from compuerta.virtual.fleet.control import Fleet
from compuerta.virtual.fleet.world import World
from compuerta.virtual.meter.peer import VirtualMeter
from compuerta.virtual.meter.setup import MeterSetup

NOON = datetime(2026, 11, 22, 4, tzinfo=UTC)
ONE, OTHER = "558890213594", "558890210007"


def a_fleet() -> Fleet:
    world, chance = World(started_at=NOON), Random(1)
    esam = SoftEsam(b"a key that is long enough for tests")
    meters = [
        VirtualMeter(MeterSetup(meter_no=each), now_ms=world.now_ms(), esam=esam, chance=chance)
        for each in (ONE, OTHER)
    ]
    return Fleet({"bus": Bus(meters, world=world, chance=chance)}, world=world)


def test_two_meters_may_be_given_one_number_and_are_still_told_apart() -> None:
    fleet = a_fleet()

    fleet.obey({"order": "set_number", "meter_no": ONE, "number": OTHER})

    assert fleet.meter(ONE).meter_no == fleet.meter(OTHER).meter_no == OTHER
    fleet.obey({"order": "set_number", "meter_no": ONE, "number": ONE})
    assert fleet.meter(ONE).meter_no == ONE


def test_a_number_that_is_none_is_refused() -> None:
    with pytest.raises(MeterNoMalformed):
        a_fleet().obey({"order": "set_number", "meter_no": ONE, "number": "12"})
