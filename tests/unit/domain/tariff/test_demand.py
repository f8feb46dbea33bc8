"""The price of power: peaks, ratchets, and what a change of version or season does to them."""

from collections.abc import Sequence
from datetime import datetime
from fractions import Fraction

from tests.unit.domain.tariff.parts import (
    HOUR,
    a_calendar,
    a_schedule,
    a_span,
    a_tariff,
    an_energy,
    utc,
)

from compuerta.domain.tariff.bill import Bill
from compuerta.domain.tariff.components import (
    Account,
    Calendar,
    DayTable,
    Demand,
    Ladder,
    MonthDay,
    Period,
    Season,
    Slot,
    Tariff,
)
from compuerta.domain.tariff.rating import rate
from compuerta.domain.tariff.schedule import Schedule

FREE = an_energy(["0"])
SEASONAL = Calendar(
    day_tables=tuple(
        DayTable(name=name, slots=(Slot(start_min=0, period=period),))
        for period, name in enumerate(("summer", "winter"))
    ),
    seasons=(
        Season(name="summer", start=MonthDay(month=4, day=1), days=(0,) * 7),
        Season(name="winter", start=MonthDay(month=10, day=1), days=(1,) * 7),
    ),
)


def a_demand(
    *prices: str, calendar: Calendar | None = None, ratchet_months: int = 0, ratchet_share: str = "0"
) -> Demand:
    """Each period is its price."""
    return Demand(
        name="Demand",
        calendar=calendar or a_calendar(),
        periods=tuple(
            Period(name=f"p{number}", ladder=Ladder(bounds=(), prices=(Fraction(price),)))
            for number, price in enumerate(prices)
        ),
        ratchet_months=ratchet_months,
        ratchet_share=Fraction(ratchet_share),
    )


def bills_of(schedule: Schedule, hours: Sequence[tuple[datetime, int]], until: datetime) -> list[Bill]:
    """Bills of 2026 up to an instant, with use in these hours and no other."""
    start = utc(2026, 1, 1)
    spans = [a_span(at, at + HOUR, energy_wh) for at, energy_wh in hours]
    return rate([*spans, a_span(until, until, 0)], schedule=schedule, start=start)


def demanded(bill: Bill) -> dict[str, Fraction]:
    """Billed kW by period."""
    return {line.period: line.quantity / 1_000 for line in bill.lines if line.account is Account.DEMAND}


def with_demand(demand: Demand) -> Tariff:
    return a_tariff(FREE, demand)


def test_a_ratchet_goes_on_when_the_season_changes_the_period() -> None:
    schedule = a_schedule(
        with_demand(a_demand("5", "7", calendar=SEASONAL, ratchet_months=3, ratchet_share="0.9"))
    )

    bills = bills_of(schedule, [(utc(2026, 9, 10, 8), 20_000), (utc(2026, 10, 5, 8), 4_000)], utc(2027, 3, 1))

    assert [demanded(bill) for bill in bills[8:13]] == [
        {"p0": 20},
        {"p1": 18},
        {"p1": 18},
        {"p1": 18},
        {"p1": Fraction("3.6")},
    ]


def test_a_period_that_the_cycle_does_not_have_is_not_billed_for_its_past() -> None:
    schedule = a_schedule(
        with_demand(a_demand("5", "7", calendar=SEASONAL, ratchet_months=1, ratchet_share="0.5"))
    )

    bills = bills_of(
        schedule, [(utc(2026, 9, 10, 8), 20_000), (utc(2026, 10, 5, 8), 15_000)], utc(2026, 11, 1)
    )

    assert demanded(bills[9]) == {"p1": 15}


def test_each_of_several_periods_looks_back_on_itself() -> None:
    by_time = a_calendar(working=[(0, 0), (8, 1), (20, 0)])
    schedule = a_schedule(
        with_demand(a_demand("1", "9", calendar=by_time, ratchet_months=1, ratchet_share="0.5"))
    )

    bills = bills_of(schedule, [(utc(2026, 1, 5, 2), 30_000), (utc(2026, 1, 5, 9), 10_000)], utc(2026, 3, 1))

    assert demanded(bills[0]) == {"p0": 30, "p1": 10}
    assert demanded(bills[1]) == {"p0": 15, "p1": 5}


def test_a_new_price_within_a_month_forgets_no_peak() -> None:
    change = datetime(2026, 1, 15)  # noqa: DTZ001 the wall clock's
    schedule = a_schedule(with_demand(a_demand("5")), with_demand(a_demand("6")), changes=[change])

    (bill,) = bills_of(
        schedule, [(utc(2026, 1, 5, 8), 20_000), (utc(2026, 1, 20, 8), 4_000)], utc(2026, 1, 31)
    )

    assert demanded(bill) == {"p0": 20}
    assert bill.exact == 20 * 6 * 100
