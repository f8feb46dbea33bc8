"""A read: energy by rate where it adds up, and a clock that is set where the read knows the time."""

from datetime import timedelta

import pytest
from tests.unit.drivers.test_dlt645 import NOON, STANDARD, Meter, play

from compuerta.drivers.abilities import Ending, ReadOrder, Relay
from compuerta.drivers.dlt645 import Reply
from compuerta.wire import dlt645

COVER, MAGNET = 0x03300D00, 0x03350000


@pytest.mark.parametrize(
    ("rates_wh", "told"),
    [
        ((0, 1_000, 230, 0), (0, 1_000, 230, 0)),
        ((0, 1_000, 220, 0), None),  # cut off one by one: only the total is a fact
        (None, None),
    ],
)
def test_energy_is_told_by_rate_where_the_rates_add_up(
    rates_wh: tuple[int, ...] | None, told: tuple[int, ...] | None
) -> None:
    result = play(ReadOrder(), Meter(rates_wh=rates_wh))

    assert result.state.energy_wh == 1_230
    assert result.state.rates_wh == told


@pytest.mark.parametrize(
    ("off", "reason"),
    [(timedelta(0), ""), (timedelta(minutes=2), ""), (timedelta(minutes=-2, seconds=-1), "clock_set")],
)
def test_a_read_that_knows_the_time_sets_a_clock_that_is_off(off: timedelta, reason: str) -> None:
    meter = Meter(clock=NOON + off)

    result = play(ReadOrder(now=NOON), meter)

    assert (result.ending, result.reason) == (Ending.DONE, reason)
    assert result.state.clock == (NOON if reason else NOON + off)


def test_a_clock_that_stays_wrong_does_not_spoil_the_reading() -> None:
    meter = Meter(clock=NOON + timedelta(hours=1), is_stuck=True)

    result = play(ReadOrder(now=NOON), meter)

    assert (result.ending, result.reason) == (Ending.DONE, "clock_not_set")
    assert result.state.energy_wh == 1_230


def test_the_counters_of_the_model_are_read_and_a_refused_one_is_left_out() -> None:
    result = play(ReadOrder(), Meter(counts={COVER: 3, MAGNET: 0}))

    assert result.state.counts == {"cover": 3, "magnet": 0}


def test_a_short_reading_asks_for_no_counters() -> None:
    meter = Meter(counts={COVER: 3})

    result = play(ReadOrder(counts=False), meter)

    asked = {request.di for request in meter.requests if isinstance(request, dlt645.ReadRegister)}
    assert (result.state.energy_wh, result.state.counts) == (1_230, {})
    assert not asked & set(STANDARD.events.values())


def test_counters_come_last_so_that_a_silent_one_costs_no_reading() -> None:
    class Deaf(Meter):
        def hear(self, request: dlt645.Request) -> Reply:
            counts = isinstance(request, dlt645.ReadRegister) and request.di in STANDARD.events.values()
            return dlt645.Silent(request=request) if counts else Meter.hear(self, request)

    meter = Deaf()

    result = play(ReadOrder(now=NOON), meter)
    asked = [request for request in meter.requests if isinstance(request, dlt645.ReadRegister)]

    assert result.ending is Ending.DONE
    assert (result.state.energy_wh, result.state.relay, result.state.clock) == (1_230, Relay.CLOSED, NOON)
    assert result.state.counts == {}
    assert asked[-1].di == 0x0400010C


def test_a_counter_that_is_no_number_costs_no_reading() -> None:
    class Babbling(Meter):
        def hear(self, request: dlt645.Request) -> Reply:
            if isinstance(request, dlt645.ReadRegister) and request.di == COVER:
                return dlt645.RegisterAnswer(di=COVER, payload=b"\xff\xff\xff")
            return Meter.hear(self, request)

    result = play(ReadOrder(), Babbling())

    assert (result.ending, result.state.energy_wh, result.state.counts) == (Ending.DONE, 1_230, {})


def test_what_is_wrong_with_a_phase_is_told_plainly_and_with_the_phase() -> None:
    class Overloaded(Meter):
        def hear(self, request: dlt645.Request) -> Reply:
            reply = Meter.hear(self, request)
            if not isinstance(request, dlt645.ReadRegister) or request.di != 0x040005FF:
                return reply
            assert isinstance(reply, dlt645.RegisterAnswer)
            words = dict(reply.values()) | {"status_word_5": frozenset({"overload"})}
            return dlt645.RegisterAnswer(di=request.di, payload=dlt645.encode_values(request.di, words))

    result = play(ReadOrder(), Overloaded())

    assert {"overload", "overload_b", "cover_open"} <= result.state.flags
    assert not {"overload_a", "overload_c", "cover_open_b"} & result.state.flags
