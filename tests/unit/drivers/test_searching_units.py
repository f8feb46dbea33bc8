"""Searching a Modbus line: who answers anything is there, and is told by the registers that it has."""

from collections.abc import Sequence
from pathlib import Path
from random import Random

import pytest
from tests.unit.drivers.test_searching import ESAM, NOW_MS, ONE, OTHER, TIMING

from compuerta.adapters.models import load_models
from compuerta.domain.party import CreditAuthority
from compuerta.drivers.abilities import Ending, Result
from compuerta.drivers.line import Job, Line, Priority
from compuerta.drivers.searching_units import UnitSearch
from compuerta.virtual.faults import garbled
from compuerta.virtual.meter.peer import VirtualMeter
from compuerta.virtual.meter.setup import MeterSetup
from compuerta.wire import modbus

MODELS = load_models(Path("models"))
MAPS = {name: each.modbus for name, each in MODELS.items() if each.modbus is not None}
STEPS_MAX = 2_000


def a_unit(unit_no: int, *, image: str = "acrel", meter_no: str = ONE, power_w: int = 0) -> VirtualMeter:
    setup = MeterSetup(
        meter_no=meter_no, credit_authority=CreditAuthority.PLATFORM, unit_no=unit_no, modbus_image=image
    )
    meter = VirtualMeter(setup, now_ms=0, esam=ESAM, chance=Random(unit_no))
    meter.core.set_load(power_w)
    meter.advance(to_ms=NOW_MS)
    return meter


def searched(meters: Sequence[VirtualMeter], *, lost_at: int = STEPS_MAX) -> tuple[UnitSearch, Result]:
    """Let a line with these units on it carry out a search; it may be lost at the probe of that number."""
    search, line, now_ms = UnitSearch(maps=MAPS), Line("bus"), NOW_MS
    job = Job(
        key="search",
        meter_no="searcher",
        conversation=search.speech(),
        priority=Priority.POLL,
        timing=TIMING,
        deadline_ms=10**14,
    )
    line.submit(job, now_ms=now_ms)
    for _ in range(STEPS_MAX):
        if search.probes >= lost_at:
            line.shut()
        written = line.take_bytes()
        if written:
            said = [each.receive(written, now_ms=now_ms) for each in meters]
            heard = [each for each in said if each]
            line.receive(garbled(heard) if heard else b"", now_ms=now_ms + 100)
        for _key, result in line.take_finished():
            return search, result
        now_ms = max(now_ms, line.wake_at_ms() or now_ms)
        line.wake(now_ms=now_ms)
    raise AssertionError("the search did not end")


def test_units_are_found_and_told_by_the_registers_that_they_have() -> None:
    search, result = searched([a_unit(17), a_unit(200, image="eastron", meter_no=OTHER)])

    assert result.ending is Ending.DONE
    assert search.found.keys() == {"17", "200"}
    assert "acrel-ddsy1352" in search.found["17"].models
    assert "eastron-sdm320y" in search.found["200"].models
    assert "acrel-ddsy1352" not in search.found["200"].models


def test_two_units_with_one_number_are_told_as_such() -> None:
    search, _result = searched([a_unit(17, power_w=1_000), a_unit(17, meter_no=OTHER, power_w=77_777_000)])

    assert search.found["17"].is_twice


@pytest.mark.parametrize("lost_at", [10, modbus.UNIT_MAX])
def test_a_search_that_was_broken_off_has_found_nobody_missing(lost_at: int) -> None:
    search, result = searched([], lost_at=lost_at)

    assert (result.ending, search.found) == (Ending.SILENT, {})
