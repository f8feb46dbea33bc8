"""Losses: hours between readings, what is not measured again, and who is looked at."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compuerta.domain import losses
from compuerta.domain.losses import HOUR, Fix, HourLoss, Suspicion, Unit

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
DAYS_WH = 72


def at(minutes: int, energy_wh: int, *, relay_open: bool = False) -> Fix:
    return Fix(at=NOON + minutes * MINUTE, energy_wh=energy_wh, relay_open=relay_open)


def hours(fed: list[int], units: list[Unit]) -> tuple[HourLoss, ...]:
    return losses.loss_map([NOON + n * HOUR for n in range(len(fed))], fed, units)


def a_unit(meter_id: int, hours_wh: list[int | None], **facts: object) -> Unit:
    return Unit(meter_id=meter_id, hours_wh=tuple(hours_wh), **facts)


def test_a_register_is_taken_between_its_readings() -> None:
    around = (at(-15, 1_000), at(45, 2_000))

    assert losses.register_wh(NOON, around) == 1_250


def test_a_reading_on_the_hour_is_the_register() -> None:
    assert losses.register_wh(NOON, (at(0, 700), at(0, 700))) == 700


@pytest.mark.parametrize(
    "around", [(None, at(0, 1)), (at(0, 1), None), (at(-61, 0), at(60, 9)), (at(-5, 9), at(5, 8))]
)
def test_where_readings_lie_apart_or_run_back_nobody_knows(
    around: tuple[Fix | None, Fix | None],
) -> None:
    assert losses.register_wh(NOON, around) is None


def test_an_hour_with_an_unknown_edge_is_not_zero() -> None:
    edges = [NOON, NOON + HOUR, NOON + 2 * HOUR]
    fixes = [(at(0, 0), at(0, 0)), (at(60, 500), at(60, 500)), (None, None)]

    assert losses.hours_wh(edges, fixes) == (500, None)


@given(st.lists(st.integers(min_value=0, max_value=10_000), min_size=2, max_size=24))
def test_hours_add_up_to_the_registers(steps_wh: list[int]) -> None:
    registers = [sum(steps_wh[:n]) for n in range(len(steps_wh) + 1)]
    edges = [NOON + n * HOUR for n in range(len(registers))]
    fixes = [(at(60 * n, wh), at(60 * n, wh)) for n, wh in enumerate(registers)]

    assert sum(each or 0 for each in losses.hours_wh(edges, fixes)) == registers[-1]


def test_what_is_fed_and_not_measured_again_is_lost() -> None:
    (hour,) = hours([1_000], [a_unit(1, [600]), a_unit(2, [300])])

    assert (hour.used_wh, hour.loss_wh, hour.share_permille, hour.missing) == (900, 100, 100, 0)


def test_an_hour_that_one_meter_does_not_tell_has_no_loss() -> None:
    (hour,) = hours([1_000], [a_unit(1, [600]), a_unit(2, [None])])

    assert (hour.loss_wh, hour.share_permille, hour.missing) == (None, None, 1)
    assert losses.lost_share([hour]) is None


@pytest.mark.parametrize(
    ("fed_wh", "loss_wh", "much"),
    [(100_000, 10_001, True), (100_000, 10_000, False), (2_000, 999, False), (10_000, -5_000, False)],
)
def test_a_loss_beyond_what_wires_explain_is_too_much(fed_wh: int, loss_wh: int, much: bool) -> None:
    assert losses.is_too_much(fed_wh, loss_wh) is much


def test_intervals_become_hours() -> None:
    starts = [NOON, NOON + HOUR]
    days = {NOON: (15, (1, 2, 3, 4, 10, 20, 30, 40, 100, 100, 100, 100))}

    assert losses.by_intervals(starts, days) == {NOON: 10, NOON + HOUR: 100}


def test_the_likeliest_is_first_and_the_innocent_is_not_named() -> None:
    steady: list[int | None] = [500] * DAYS_WH
    by_night: list[int | None] = [0 if hour % 24 < 8 else 400 for hour in range(DAYS_WH)]
    idle: list[int | None] = [0] * DAYS_WH
    fed = [500 + 600 + 100 for _ in range(DAYS_WH)]
    units = [
        a_unit(1, steady),
        a_unit(2, by_night),
        a_unit(3, idle),
        a_unit(4, steady, off_wh=900, cover_before_wh=9_000, cover_after_wh=2_000),
    ]

    found = losses.suspects(hours(fed, units), units)

    assert [suspect.meter_id for suspect in found] == [4, 3, 2]
    assert {ground.suspicion for ground in found[0].grounds} == {
        Suspicion.USE_WHILE_OFF,
        Suspicion.STEP_AFTER_COVER,
    }
    assert found[1].grounds[0].suspicion is Suspicion.ZERO_USE
    assert (found[2].grounds[0].suspicion, found[2].grounds[0].figure) == (Suspicion.FALLS_WITH_LOSS, 1_000)


@pytest.mark.parametrize("facts", [{"occupied": False}, {"was_off": True}])
def test_a_unit_that_may_use_nothing_is_no_suspect(facts: dict[str, bool]) -> None:
    unit = a_unit(1, [0] * DAYS_WH, **facts)

    assert losses.suspects(hours([500] * DAYS_WH, [unit]), [unit]) == ()


def test_use_with_the_relay_open_all_around_is_counted() -> None:
    fixes = [
        (at(-5, 0, relay_open=True), at(5, 10, relay_open=True)),
        (at(55, 300, relay_open=True), at(65, 310, relay_open=True)),
        (at(115, 900, relay_open=True), at(125, 910)),
    ]

    assert losses.off_wh(fixes, (300, 600)) == 300


def test_figures_that_rise_together_agree_and_still_ones_do_not() -> None:
    assert losses.agreement_permille([(1, 10), (2, 20), (3, 30)]) == 1_000
    assert losses.agreement_permille([(1, 30), (2, 20), (3, 10)]) == -1_000
    assert losses.agreement_permille([(1, 5), (2, 5), (3, 5)]) == 0
