"""Searching: everybody on a line is found by their own number, whoever else answers at the same time."""

from collections.abc import Sequence
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compuerta.adapters.models import load_models
from compuerta.domain.party import CreditAuthority
from compuerta.drivers import searching
from compuerta.drivers.abilities import Ending, Result
from compuerta.drivers.line import Job, Line, Priority
from compuerta.drivers.mac import SoftEsam
from compuerta.drivers.model import RechargeLayout, RoadTiming
from compuerta.drivers.searching import PROBES_MAX, Probe, ProbeSession, Renumbering, Search
from compuerta.services import surveying
from compuerta.virtual.faults import garbled
from compuerta.virtual.meter.peer import VirtualMeter
from compuerta.virtual.meter.setup import MeterSetup
from compuerta.wire import dlt645

MODELS = load_models(Path("models"))
REGISTERS = frozenset().union(*(surveying.registers_of(each) for each in MODELS.values()))
TIMING = RoadTiming(first_byte_ms=700, gap_ms=500, tries_max=1)
ESAM = SoftEsam(b"a key that is long enough for tests")
NOW_MS = 3_600_000
IN_2026_MS = 1_795_392_000_000  # a register of a clock has no years before 2000
ONE, TWIN, OTHER = "558890213594", "118890213594", "558890210007"


def a_meter(
    meter_no: str, *, seed: int = 1, authority: CreditAuthority = CreditAuthority.METER
) -> VirtualMeter:
    setup = MeterSetup(
        meter_no=meter_no,
        credit_authority=authority,
        layout=RechargeLayout.VENDOR,
        balance_minor=5_000,
        civil_offset_ms=IN_2026_MS,
    )
    chance = Random(seed)
    meter = VirtualMeter(
        setup, now_ms=0, esam=SoftEsam(b"a key that is long enough for tests"), chance=chance
    )
    meter.core.set_load(1_000 * seed)
    meter.advance(to_ms=3_600_000)
    return meter


def carried_out(
    job: Search | Renumbering, meters: Sequence[VirtualMeter], *, lost_at: int = 2 * PROBES_MAX
) -> Result:
    """Let a line with these meters on it carry out a search; all who answer speak at once.

    The line may be lost while its probe of that number is on the wire.
    """
    line, now_ms = Line("bus"), NOW_MS
    line.submit(
        Job(
            key="search",
            meter_no="searcher",
            conversation=job.speech(),
            priority=Priority.POLL,
            timing=TIMING,
            deadline_ms=10**14,
        ),
        now_ms=now_ms,
    )
    for _ in range(4 * PROBES_MAX):
        if job.probes >= lost_at:
            line.shut()
        written = line.take_bytes()
        if written:
            said = [each.receive(written, now_ms=now_ms) for each in meters]
            heard = [each for each in said if each]
            line.receive(garbled(heard) if heard else b"", now_ms=now_ms + 100)
        for _key, result in line.take_finished():
            return result
        now_ms = max(now_ms, line.wake_at_ms() or now_ms)
        line.wake(now_ms=now_ms)
    raise AssertionError("the search did not end")


def test_a_lonely_meter_is_found_and_told_by_its_registers() -> None:
    search = Search(registers=REGISTERS, is_shared=False)

    result = carried_out(search, [a_meter(ONE)])

    assert result.ending is Ending.DONE
    (found,) = search.found.values()
    assert (found.meter_no, found.energy_wh, found.is_twice) == (ONE, 1_000, False)
    assert "dlt645-vendor-rs485" in surveying.candidates(MODELS.values(), found.registers)
    assert search.probes < 40  # nobody else is looked for once one has answered alone


def test_a_meter_without_money_fits_no_model_with_money() -> None:
    search = Search(registers=REGISTERS)

    carried_out(search, [a_meter(ONE, authority=CreditAuthority.PLATFORM)])

    fitting = surveying.candidates(MODELS.values(), search.found[ONE].registers)
    assert fitting
    assert {MODELS[each].credit_authority for each in fitting} == {CreditAuthority.PLATFORM}


def test_meters_that_speak_at_once_are_told_apart_digit_by_digit() -> None:
    search = Search(registers=())

    carried_out(search, [a_meter(each, seed=at + 1) for at, each in enumerate((ONE, TWIN, OTHER))])

    assert search.found.keys() == {ONE, TWIN, OTHER}
    assert not any(each.is_twice for each in search.found.values())


def test_new_meters_with_numbers_in_a_row_are_not_taken_for_one() -> None:
    search = Search(registers=())
    numbers = [f"{number:012d}" for number in range(202_600_000_016, 202_600_000_024)]

    carried_out(search, [a_meter(each, seed=0) for each in numbers])

    assert sorted(search.found) == numbers


def test_two_meters_with_one_number_are_told_as_such() -> None:
    search = Search(registers=REGISTERS)

    carried_out(search, [a_meter(ONE, seed=3), a_meter(ONE, seed=5)])

    assert search.found[ONE].is_twice
    assert not search.found[ONE].registers  # nobody knows whose they would be


def test_nobody_on_the_line_is_found_by_nobody() -> None:
    search = Search(registers=REGISTERS, expected=(ONE,))

    result = carried_out(search, [])

    assert (result.ending, search.found, search.probes) == (Ending.DONE, {}, 3)


@pytest.mark.parametrize("lost_at", [1, 2, 3])
def test_a_search_that_was_broken_off_does_not_say_that_nobody_is_there(lost_at: int) -> None:
    search = Search(registers=REGISTERS, expected=(ONE,))

    assert carried_out(search, [], lost_at=lost_at) == Result(ending=Ending.SILENT, reason="line_lost")


def test_a_number_whose_writing_was_broken_off_is_not_told_as_refused() -> None:
    meter = a_meter(ONE)
    meter.core.programming_key = True

    result = carried_out(Renumbering(meter_no=ONE, new_no=OTHER), [meter], lost_at=2)

    assert result == Result(ending=Ending.SILENT, reason="line_lost")


@pytest.mark.parametrize(("bound", "most"), [("FOUND_MAX", 2), ("PROBES_MAX", 150)])
def test_a_search_without_end_is_refused(monkeypatch: pytest.MonkeyPatch, bound: str, most: int) -> None:
    monkeypatch.setattr(searching, bound, most)
    search = Search(registers=())

    result = carried_out(search, [a_meter(each, seed=at) for at, each in enumerate((ONE, TWIN, OTHER))])

    assert result == Result(ending=Ending.REFUSED, reason="line_too_full")


def test_the_only_meter_of_a_line_takes_another_number() -> None:
    meter = a_meter(ONE)
    meter.core.programming_key = True

    result = carried_out(Renumbering(meter_no=ONE, new_no=OTHER), [meter])

    assert (result.ending, meter.meter_no) == (Ending.DONE, OTHER)


@pytest.mark.parametrize(
    ("meters", "pressed", "reason"),
    [((ONE,), False, "number_not_taken"), ((ONE, TWIN), True, "no_answer"), ((TWIN,), True, "another_meter")],
)
def test_no_other_meter_takes_a_number(meters: tuple[str, ...], pressed: bool, reason: str) -> None:
    there = [a_meter(each, seed=at + 1) for at, each in enumerate(meters)]
    for each in there:
        each.core.programming_key = pressed

    result = carried_out(Renumbering(meter_no=ONE, new_no=OTHER), there)

    assert (result.ending, result.reason) == (Ending.REFUSED, reason)
    assert [each.meter_no for each in there] == list(meters)


def test_a_number_that_was_taken_already_is_taken() -> None:
    meter = a_meter(OTHER)

    result = carried_out(Renumbering(meter_no=ONE, new_no=OTHER), [meter])

    assert result.ending is Ending.DONE


@given(st.lists(st.binary(max_size=40), max_size=8))
@settings(max_examples=60, deadline=None)
def test_any_bytes_end_a_probe_and_nothing_is_raised(pieces: list[bytes]) -> None:
    session, now_ms = ProbeSession(TIMING), 0
    session.send(Probe(address=dlt645.WILDCARD, request=dlt645.ReadAddress()), now_ms=0)
    for piece in pieces:
        now_ms += 10
        assert session.receive(piece, now_ms=now_ms) == []

    assert session.wake_at_ms() <= 10_000
    session.wake(session.wake_at_ms())

    assert len(session.receive(b"", now_ms=session.wake_at_ms())) == 1


def test_a_talker_without_end_does_not_hold_a_probe() -> None:
    session, now_ms = ProbeSession(TIMING), 0
    session.send(Probe(address=dlt645.WILDCARD, request=dlt645.ReadAddress()), now_ms=0)

    while now_ms < session.wake_at_ms():
        session.receive(b"\xfe", now_ms=now_ms)
        now_ms += 100
        assert now_ms < 60_000

    assert now_ms < TIMING.first_byte_ms + dlt645.TALK_MS_MAX + 200
