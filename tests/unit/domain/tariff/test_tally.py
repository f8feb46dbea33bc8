"""How use is sorted into cells."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from fractions import Fraction

import pytest
from tests.unit.domain.tariff.parts import (
    HOUR,
    a_calendar,
    a_schedule,
    a_span,
    a_tariff,
    an_energy,
    utc,
)

from compuerta.domain.tariff.components import (
    Allowance,
    ChangePolicy,
    Demand,
    Ladder,
    MonthDay,
    Period,
    Scale,
    Scope,
    Steps,
    Tariff,
    Terms,
    Window,
)
from compuerta.domain.tariff.schedule import Schedule, Version, joined
from compuerta.domain.tariff.tally import (
    NO_TERMS,
    Amount,
    Span,
    Tally,
    count_days,
    cut_at_cycle,
    opened,
    shares,
    sort_in,
)

MAY = utc(2026, 5, 1)
DAY = timedelta(days=1)
TWO = ("1", "2")


def a_stepped(
    steps: Steps | None = None, *, bounds_wh: tuple[int, ...] = (100,), cycle_day: int = 1
) -> Schedule:
    """Two steps, one period."""
    return a_schedule(a_tariff(an_energy(TWO, bounds_wh=bounds_wh, steps=steps), cycle_day=cycle_day))


def sorted_in(schedule: Schedule, *spans: Span, terms: Terms = NO_TERMS, start: datetime = MAY) -> Tally:
    """The tally after some uses."""
    tally = opened(schedule=schedule, at=start)
    for span in spans:
        tally = sort_in(tally, span, schedule=schedule, terms=terms).tally
    return tally


def cells(tally: Tally) -> tuple[Amount, ...]:
    """Of the last segment."""
    return tally.segments[-1].cells


@pytest.mark.parametrize(
    ("energy_wh", "low", "high"), [(0, 0, 0), (99, 99, 0), (100, 100, 0), (101, 100, 1), (250, 100, 150)]
)
def test_the_lower_step_includes_its_bound(energy_wh: int, low: int, high: int) -> None:
    tally = sorted_in(a_stepped(), a_span(MAY, MAY + HOUR, energy_wh))

    assert cells(tally) == (low, high, 0)


@pytest.mark.parametrize(
    ("window", "cycle_day", "starts_again"),
    [
        (Window.DAY, 1, datetime(2026, 5, 2)),  # noqa: DTZ001 in UTC, as the schedule is
        (Window.MONTH, 1, datetime(2026, 6, 1)),  # noqa: DTZ001
        (Window.CYCLE, 10, datetime(2026, 5, 10)),  # noqa: DTZ001
        (Window.QUARTER, 1, datetime(2026, 7, 1)),  # noqa: DTZ001
        (Window.YEAR, 1, datetime(2027, 4, 20)),  # noqa: DTZ001
    ],
)
def test_steps_begin_again_with_their_window(window: Window, cycle_day: int, starts_again: datetime) -> None:
    schedule = a_stepped(Steps(window=window, year_start=MonthDay(month=4, day=20)), cycle_day=cycle_day)
    again = starts_again.replace(tzinfo=MAY.tzinfo)
    before = sorted_in(schedule, a_span(MAY, MAY + HOUR, 90), a_span(again - HOUR, again - HOUR / 2, 0))

    after = sort_in(before, a_span(again - HOUR / 2, again, 0), schedule=schedule).tally

    assert (before.totals, after.totals) == ((90,), (0,))


def test_each_period_may_count_for_itself() -> None:
    calendar = a_calendar(working=[(0, 0), (1, 1)])
    shared = an_energy(TWO, TWO, bounds_wh=[100], calendar=calendar)
    own = replace(shared, steps=Steps(scope=Scope.PERIOD))

    use = a_span(MAY, MAY + 2 * HOUR, 240)

    assert cells(sorted_in(a_schedule(a_tariff(shared)), use)) == (100, 20, 0, 0, 120, 0)
    assert cells(sorted_in(a_schedule(a_tariff(own)), use)) == (100, 20, 0, 100, 20, 0)


@pytest.mark.parametrize(
    ("scale", "bound_wh"),
    [
        (Scale.NONE, 100),
        (Scale.DAY, 3_100),
        (Scale.PERSON, 600),
        (Scale.KW, 350),
        (Scale.KW_DAY, 10_850),
    ],
)
def test_bounds_are_scaled_by_the_contract(scale: Scale, bound_wh: int) -> None:
    terms = Terms(persons=6, contracted_w=3_500)

    tally = sorted_in(a_stepped(Steps(scale=scale)), a_span(MAY, MAY + HOUR, 20_000), terms=terms)

    assert cells(tally) == (bound_wh, 20_000 - bound_wh, 0)


@pytest.mark.parametrize(("persons", "bound_wh"), [(None, 100), (4, 100), (5, 130), (6, 130)])
def test_a_large_household_gets_more_of_the_lower_step(persons: int | None, bound_wh: int) -> None:
    steps = Steps(household_persons=5, household_extra_wh=30)

    tally = sorted_in(a_stepped(steps), a_span(MAY, MAY + HOUR, 500), terms=Terms(persons=persons))

    assert cells(tally) == (bound_wh, 500 - bound_wh, 0)


@pytest.mark.parametrize(("counts", "low"), [(False, 100), (True, 70)])
def test_free_energy_comes_first_and_may_move_the_steps(counts: bool, low: int) -> None:
    free = Allowance(name="Free", energy_wh=30, counts_in_steps=counts)
    schedule = a_schedule(a_tariff(an_energy(TWO, bounds_wh=[100]), free))

    tally = sorted_in(schedule, a_span(MAY, MAY + HOUR, 20), a_span(MAY + HOUR, MAY + 2 * HOUR, 180))

    assert cells(tally) == (low, 170 - low, 30)


def test_free_energy_that_is_not_used_lapses() -> None:
    schedule = a_schedule(
        a_tariff(an_energy(("1",)), Allowance(name="Free", energy_wh=30, window=Window.DAY))
    )

    tally = sorted_in(schedule, a_span(MAY, MAY + DAY, 10), a_span(MAY + DAY, MAY + 2 * DAY, 50))

    assert cells(tally) == (20, 40)


@pytest.mark.parametrize(
    ("policy", "totals", "low"),
    [
        (ChangePolicy.CONTINUE, (165,), 50),
        (ChangePolicy.RESET, (95,), 95),
        (ChangePolicy.PRORATE, (95,), Fraction(120 * 17, 31)),
    ],
)
def test_a_version_goes_on_counting_as_its_policy_says(
    policy: ChangePolicy, totals: tuple[int, ...], low: Amount
) -> None:
    old, new = (
        a_tariff(an_energy(TWO, bounds_wh=[bound], steps=Steps(on_change=policy))) for bound in (100, 120)
    )
    change = datetime(2026, 8, 15)  # noqa: DTZ001 the wall clock's
    schedule = a_schedule(old, new, changes=[change])
    august, middle = utc(2026, 8, 1), utc(2026, 8, 15)

    tally = sorted_in(
        schedule, a_span(august, middle, 70), a_span(middle, utc(2026, 8, 31), 95), start=august
    )

    assert (tally.totals, cells(tally)[0]) == (totals, low)
    assert sum(map(sum, (segment.cells for segment in tally.segments))) == 165


def test_a_late_reading_is_spread_over_what_is_left_of_its_time() -> None:
    schedule = a_schedule(a_tariff(an_energy(("1",), ("2",), calendar=a_calendar(working=[(0, 0), (2, 1)]))))
    known = a_span(MAY, MAY + HOUR, 5)

    late = sorted_in(schedule, known, a_span(MAY, MAY + 3 * HOUR, 100))
    too_late = sorted_in(schedule, known, a_span(MAY, MAY + HOUR, 100))

    assert cells(late) == (55, 0, 50, 0)
    assert cells(too_late) == (105, 0, 0, 0)
    assert too_late.until == MAY + HOUR


def test_use_at_one_instant_in_a_later_window_is_sorted_there() -> None:
    schedule = a_stepped(Steps(window=Window.DAY))
    noon = MAY + DAY + 12 * HOUR

    tally = sorted_in(schedule, a_span(MAY, MAY + HOUR, 100), a_span(noon, noon, 60))

    assert (tally.totals, cells(tally), tally.until) == ((60,), (160, 0, 0), noon)


def test_the_meters_own_rates_go_to_their_own_periods() -> None:
    calendar = a_calendar(working=[(0, 0), (12, 1)])
    schedule = a_schedule(a_tariff(an_energy(("1",), ("2",), calendar=calendar)))

    day = sorted_in(schedule, a_span(MAY, MAY + DAY, 100, (90, 10)))
    # The meter's clock is behind: it booked noon's first minutes as morning.
    drifted = sorted_in(schedule, a_span(MAY + 12 * HOUR, MAY + 13 * HOUR, 100, (7, 93)))
    # It keeps rates that the tariff does not have: only their sum counts.
    foreign = sorted_in(schedule, a_span(MAY, MAY + DAY, 100, (30, 30, 40)))

    assert cells(day) == (90, 0, 10, 0)
    assert cells(drifted) == (7, 0, 93, 0)
    assert cells(foreign) == (50, 0, 50, 0)


def test_a_meter_with_fewer_rates_than_periods_passes_through_all_of_them() -> None:
    calendar = a_calendar(working=[(0, 1), (6, 0)])
    schedule = a_schedule(a_tariff(an_energy(("1",), ("2",), calendar=calendar)))
    start = utc(2026, 5, 31, 12)

    moved = sort_in(
        opened(schedule=schedule, at=start), a_span(start, start + DAY, 100, (100,)), schedule=schedule
    )

    # The bill ends at midnight, in the period that the meter has no rate for.
    assert [bill.until for bill in moved.closed] == [utc(2026, 6, 1)]
    assert moved.tally.bill_start == utc(2026, 6, 1)


@pytest.mark.parametrize("rates_wh", [None, (60, 40)])
def test_a_use_cut_at_the_cycle_keeps_its_energy(rates_wh: tuple[int, ...] | None) -> None:
    calendar = a_calendar(working=[(0, 0), (12, 1)])
    schedule = a_schedule(a_tariff(an_energy(("1",), ("2",), calendar=calendar)))
    start = utc(2026, 5, 31, 12)
    tally = opened(schedule=schedule, at=start)

    head, tail = cut_at_cycle(a_span(start, start + 3 * DAY, 100, rates_wh), tally, schedule=schedule)

    assert tail is not None
    assert (head.end, tail.start) == (utc(2026, 6, 1), utc(2026, 6, 1))
    assert head.energy_wh + tail.energy_wh == 100
    assert cut_at_cycle(head, tally, schedule=schedule) == (head, None)


def test_days_are_counted_no_further_than_the_cycle() -> None:
    schedule = a_stepped()
    tally = opened(schedule=schedule, at=MAY)

    counted = count_days(tally, MAY + 90 * DAY, schedule=schedule)

    assert count_days(counted, MAY, schedule=schedule) == counted
    assert counted == count_days(tally, utc(2026, 6, 1), schedule=schedule)
    assert counted.until == MAY


@pytest.mark.parametrize(("interval_min", "peak_wh"), [(15, 100), (30, 110), (60, 160)])
def test_the_peak_is_the_highest_interval_of_the_wall_clock(interval_min: int, peak_wh: int) -> None:
    demand = Demand(
        name="Demand",
        calendar=a_calendar(),
        periods=(Period(name="d", ladder=Ladder(bounds=(), prices=(Fraction(1),))),),
        interval_min=interval_min,
    )
    schedule = a_schedule(a_tariff(an_energy(("1",)), demand))
    quarters = [10, 100, 50, 0, 20, 0]

    tally = sorted_in(
        schedule,
        *(a_span(MAY + at * HOUR / 4, MAY + (at + 1) * HOUR / 4, wh) for at, wh in enumerate(quarters)),
    )

    assert tally.segments[-1].peaks_wh == (peak_wh,)


def test_shares_add_up_and_a_cut_changes_no_other() -> None:
    assert shares(10, [1, 1, 1]) == [3, 3, 4]
    assert shares(10, [1, 2]) == [3, 7]
    assert shares(10, [0, 0]) == [10, 0]
    assert shares(0, []) == []


def test_energy_below_nothing_and_rates_that_do_not_add_up_are_not_rated() -> None:
    schedule = a_stepped()

    for wrong in (a_span(MAY, MAY + HOUR, -1), a_span(MAY, MAY + HOUR, 5, (4,))):
        with pytest.raises(AssertionError):
            sorted_in(schedule, wrong)


def given_one_after_the_other(*tariffs: Tariff, changes: Sequence[datetime]) -> Schedule:
    """The schedule of an account that changes from tariff to tariff; the same tariff is one version."""
    distinct = list(dict.fromkeys(tariffs))
    versions = {
        number: (
            Version(tariff_id=number, version_no=1, effective_from=datetime(2000, 1, 1), tariff=tariff),  # noqa: DTZ001
        )
        for number, tariff in enumerate(distinct)
    }
    starts = zip((None, *changes), tariffs, strict=True)
    return joined([(start, distinct.index(tariff)) for start, tariff in starts], versions, zone="UTC")


def test_who_comes_back_to_a_tariff_has_its_bounds_again() -> None:
    prorated = a_tariff(an_energy(TWO, bounds_wh=[100], steps=Steps(on_change=ChangePolicy.PRORATE)))
    flat = a_tariff(an_energy(("3",)))
    april, june = utc(2026, 4, 1), utc(2026, 6, 1)
    schedule = given_one_after_the_other(prorated, flat, prorated, changes=[MAY, june])

    tally = sorted_in(schedule, a_span(april, june, 30), a_span(june, june + DAY, 120), start=april)

    assert cells(tally) == (100, 20, 0)


def test_other_terms_of_the_same_version_share_no_bounds_anew() -> None:
    yearly = Steps(on_change=ChangePolicy.PRORATE, window=Window.YEAR)
    prorated = a_tariff(an_energy(TWO, bounds_wh=[365], steps=yearly))
    schedule = given_one_after_the_other(prorated, prorated, changes=[MAY])

    tally = sorted_in(schedule, a_span(MAY, MAY + DAY, 400), start=MAY - DAY)

    assert cells(tally) == (365, 35, 0)
