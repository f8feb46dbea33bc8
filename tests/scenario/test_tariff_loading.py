"""A tariff on its way into a meter: the driver's conversation against the virtual meter's bytes.

Each exchange takes a second. The rule behind all tests: until the switch the meter deducts as before, from
the switch on it deducts as the tariff says, and whatever breaks off in between leaves it whole.
"""

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from tests.scenario.loading_bench import EXCHANGES_MAX, REMOTE, STANDARD, THURSDAY, Bench, a_bench

from compuerta.domain.tariff.components import Tariff
from compuerta.domain.tariff.document import tariff_from
from compuerta.domain.tariff.fitting import Loading, MeterTables, fit
from compuerta.drivers import dlt645 as driver
from compuerta.drivers.abilities import Ending, TariffOrder, TariffPart
from compuerta.drivers.loading import NEVER
from compuerta.drivers.model import Model
from compuerta.virtual.meter.clock import ms_from_civil
from compuerta.virtual.meter.tariff import Pair
from compuerta.wire import dlt645
from compuerta.wire.dlt645 import WriteRegister

SWITCH = datetime(2027, 5, 4)  # noqa: DTZ001 a Tuesday

WEEKEND = {
    "name": "Weekends are cheap, steps by the year",
    "currency": "CNY",
    "components": [
        {
            "kind": "energy",
            "name": "Energy",
            "periods": [
                {"name": "peak", "role": "peak", "prices": ["0.60", "0.80"]},
                {"name": "valley", "role": "valley", "prices": ["0.30", "0.50"]},
            ],
            "steps": {"bounds_kwh": ["100"]},
            "day_tables": {"work": ["00:00 valley", "06:00 peak", "22:00 valley"], "rest": ["00:00 valley"]},
            "seasons": [
                {
                    "name": "all year",
                    "from": "01-01",
                    "weekdays": "work",
                    "saturday": "rest",
                    "sunday": "rest",
                    "holidays": {"national": "rest"},
                }
            ],
            "holidays": {"national": ["2027-05-05", "2027-10-01"]},
        }
    ],
}


def the_tables(
    tariff: Tariff | None = None, *, model: Model = STANDARD, at: datetime = SWITCH
) -> MeterTables:
    assert model.tariff is not None
    tables = fit(tariff or tariff_from(WEEKEND), profile=model.tariff, loading=Loading(at=at))
    assert isinstance(tables, MeterTables), tables
    return tables


def an_order(bench: Bench, *, at: datetime = SWITCH, **changes: object) -> TariffOrder:
    order = TariffOrder(tables=the_tables(model=bench.model, at=at), switch_at=at, now=bench.civil)
    return replace(order, **changes)


def flat(price: str) -> Tariff:
    energy = {"kind": "energy", "name": "Energy", "periods": [{"name": "flat", "prices": [price]}]}
    return tariff_from({"name": price, "currency": "CNY", "components": [energy]})


# The way in.


def test_tables_are_written_ahead_and_take_over_at_the_switch_and_not_before() -> None:
    bench = a_bench(start=SWITCH - timedelta(minutes=10))
    before_minor = bench.balance_minor()

    loaded = bench.carry_out(an_order(bench))

    assert (loaded.ending, loaded.reason) == (Ending.DONE, "waits_for_switch")
    bench.wait_until(SWITCH)
    at_switch_minor = bench.balance_minor()
    assert before_minor - at_switch_minor == 8  # 0.16 kWh at the old price of 0.50, and none of it elsewhere
    bench.wait_until(SWITCH + timedelta(hours=24))
    # Tuesday: 8 hours valley, 16 hours peak, 1 kW.
    assert at_switch_minor - bench.balance_minor() == 8 * 30 + 16 * 60
    assert bench.carry_out(an_order(bench)).reason == ""


def test_use_is_counted_by_the_rates_of_the_tariffs_periods() -> None:
    bench = a_bench(start=SWITCH - timedelta(minutes=10))
    order = an_order(bench)
    bench.carry_out(order)
    bench.wait_until(SWITCH)
    before = bench.rates_wh()

    bench.wait_until(SWITCH + timedelta(days=2))

    peak, valley = (bench.rates_wh()[rate - 1] - before[rate - 1] for rate in order.tables.rate_of_period)
    # Wednesday the 5th is a holiday: valley all day.
    assert (round(peak, -2), round(valley, -2)) == (16_000, 8_000 + 24_000)


def test_after_the_switch_the_same_order_says_that_the_meter_has_swapped() -> None:
    bench = a_bench()
    assert bench.carry_out(an_order(bench)).ending is Ending.BUSY
    bench.wait_until(SWITCH)

    result = bench.carry_out(an_order(bench))

    assert (result.ending, result.reason) == (Ending.DONE, "")
    assert [write.di for write in bench.writes] == [0x04000801]  # the rest days, which had to wait


def test_what_is_there_already_is_not_written_again() -> None:
    bench = a_bench(start=SWITCH - timedelta(hours=1))
    bench.carry_out(an_order(bench))

    again = bench.carry_out(an_order(bench))

    assert (again.ending, again.reason) == (Ending.DONE, "waits_for_switch")
    assert bench.writes == []


def test_only_what_differs_is_written() -> None:
    bench = a_bench(start=SWITCH - timedelta(hours=1))
    bench.carry_out(an_order(bench, tables=the_tables(flat("0.70"))))

    bench.carry_out(an_order(bench, tables=the_tables(flat("0.80"))))

    sealed = [write for write in bench.writes if write.password_level == 0x99]
    assert [write.di for write in bench.writes if write not in sealed] == [0x04000106, 0x04000107] * 2
    assert [write.di for write in sealed] == [0x04000108, 0x04000109, 0x040502FF, 0x04000108, 0x04000109]


def test_the_second_change_goes_into_the_other_sets() -> None:
    bench = a_bench(start=SWITCH - timedelta(hours=1))
    bench.carry_out(an_order(bench, tables=the_tables(flat("0.70"))))
    bench.wait_until(SWITCH + timedelta(hours=1))
    later = SWITCH + timedelta(hours=2)

    loaded = bench.carry_out(an_order(bench, tables=the_tables(flat("0.90"), at=later), switch_at=later))

    assert (loaded.ending, loaded.reason) == (Ending.DONE, "waits_for_switch")
    bench.wait_until(later)
    before_minor = bench.balance_minor()
    bench.wait_until(later + timedelta(hours=1))
    assert before_minor - bench.balance_minor() == 90


def test_a_meter_of_the_platform_takes_the_calendar_without_money() -> None:
    bench = a_bench(start=SWITCH - timedelta(minutes=10), model=REMOTE)

    loaded = bench.carry_out(an_order(bench))

    assert (loaded.ending, loaded.reason) == (Ending.DONE, "waits_for_switch")
    assert not any(isinstance(request, dlt645.Authenticate) for request in bench.requests)
    bench.wait_until(SWITCH + timedelta(hours=12))
    assert bench.rates_wh()[1] > 0


# Breaking off.


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["unheard", "unanswered"])
def test_silence_at_any_step_and_a_repeat_lose_nothing(kind: str) -> None:
    whole = a_bench(start=SWITCH - timedelta(hours=1))
    whole.carry_out(an_order(whole))

    for exchange in range(whole.exchanges):
        bench = a_bench(start=SWITCH - timedelta(hours=1))
        broken = bench.carry_out(an_order(bench), **{kind: exchange})
        assert (broken.ending, broken.reason) == (Ending.SILENT, "no_answer")
        repeated = bench.carry_out(an_order(bench))
        assert (repeated.ending, repeated.reason) == (Ending.DONE, "waits_for_switch"), exchange
        bench.wait_until(SWITCH + timedelta(minutes=1))
        assert bench.carry_out(an_order(bench)).reason == ""


@pytest.mark.slow
def test_what_breaks_off_and_is_never_repeated_leaves_the_old_tariff_whole() -> None:
    at = SWITCH - timedelta(hours=1)
    whole = a_bench(start=at)
    whole.carry_out(an_order(whole))
    arming = next(at for at, each in enumerate(whole.requests) if _is_write(each, 0x04000106))

    for exchange in range(arming):
        bench = a_bench(start=at)
        bench.carry_out(an_order(bench), unanswered=exchange)
        bench.wait_until(SWITCH + timedelta(hours=1))
        before_minor = bench.balance_minor()
        bench.wait_until(SWITCH + timedelta(hours=13))
        assert before_minor - bench.balance_minor() == 12 * 50, exchange


@pytest.mark.slow
def test_an_older_orders_switch_does_not_start_a_set_that_is_being_written() -> None:
    bench = a_bench(start=SWITCH - timedelta(hours=1))
    bench.carry_out(an_order(bench, tables=the_tables(flat("0.70"))))
    later = SWITCH + timedelta(hours=6)
    order = an_order(bench, tables=the_tables(flat("0.90"), at=later), switch_at=later)

    put_off = next(
        exchange
        for exchange in range(EXCHANGES_MAX)
        if bench_after(exchange, order).meter.core.tariff.prices.switch_civil_ms == ms_from_civil(NEVER)
    )
    bench = bench_after(put_off + 3, order)

    bench.wait_until(SWITCH + timedelta(hours=2))
    before_minor = bench.balance_minor()
    bench.wait_until(SWITCH + timedelta(hours=3))
    assert before_minor - bench.balance_minor() == 50  # neither tariff: the one from before both
    assert bench.carry_out(replace(order, now=bench.civil)).reason == "waits_for_switch"


def bench_after(exchange: int, order: TariffOrder) -> Bench:
    """A meter with 0.70 loaded, and another order broken off at an exchange."""
    bench = a_bench(start=SWITCH - timedelta(hours=1))
    bench.carry_out(an_order(bench, tables=the_tables(flat("0.70"))))
    bench.carry_out(replace(order, now=bench.civil), unheard=exchange)
    return bench


def _is_write(request: dlt645.Request, di: int) -> bool:
    return isinstance(request, WriteRegister) and request.di == di


# Too late, too early, and what the meter will not have.


@pytest.mark.parametrize(("left_s", "ending"), [(0, Ending.BUSY), (90, Ending.REFUSED), (150, Ending.DONE)])
def test_what_comes_too_late_is_refused_and_changes_nothing(left_s: int, ending: Ending) -> None:
    bench = a_bench(start=SWITCH - timedelta(seconds=left_s))

    result = bench.carry_out(an_order(bench, tables=the_tables(flat("0.70"))))

    assert result.ending is ending
    if ending is not Ending.DONE:
        bench.wait_until(SWITCH + timedelta(minutes=3))
        late = bench.carry_out(an_order(bench, tables=the_tables(flat("0.70"))))
        assert (late.ending, late.reason) == (Ending.REFUSED, "switch_time_passed")
        assert not any(pair.second_runs for pair in every_pair(bench))


def every_pair(bench: Bench) -> list[Pair[Any]]:
    tariff = bench.meter.core.tariff
    return [tariff.zones, tariff.day_tables, tariff.prices, tariff.ladder]


def test_just_after_the_switch_a_meter_may_still_be_about_to_swap() -> None:
    bench = a_bench(start=SWITCH + timedelta(minutes=1))

    result = bench.carry_out(an_order(bench))

    assert (result.ending, result.reason) == (Ending.BUSY, "switch_due")


def test_a_clock_that_is_off_is_set_before_anything_else() -> None:
    bench = a_bench(start=SWITCH - timedelta(hours=3))
    order = replace(an_order(bench), now=SWITCH - timedelta(hours=2))

    bench.carry_out(order)

    assert bench.writes[0].di == 0x0400010C
    assert bench.civil - (SWITCH - timedelta(hours=2)) < timedelta(minutes=2)


def test_a_meter_that_deducts_by_itself_wants_the_right_keys() -> None:
    bench = a_bench()

    @dataclass
    class Locked(Bench):
        def hear(self, request: dlt645.Request) -> driver.Reply:
            if isinstance(request, WriteRegister) and request.password_level == 0x99:
                request = replace(request, value=request.value[:-1] + b"\x00")
            return Bench.hear(self, request)

    result = Locked(meter=bench.meter).carry_out(an_order(bench))

    assert (result.ending, result.reason) == (Ending.REFUSED, "identity_refused")


@pytest.mark.parametrize(
    ("di", "name"),
    [
        (0x04000203, "counts"),
        (0x04020000, "zones"),
        (0x04020001, "day_table"),
        (0x040502FF, "rate_prices"),
        (0x040605FF, "steps"),
        (0x04030001, "holidays"),
        (0x04000801, "rest_days"),
        (0x04000107, "switch_time"),
    ],
)
def test_what_a_meter_will_not_have_is_named(di: int, name: str) -> None:
    start = SWITCH - timedelta(hours=1)

    @dataclass
    class Choosy(Bench):
        answers_yes: bool = False

        def hear(self, request: dlt645.Request) -> driver.Reply:
            if not _is_write(request, di):
                return Bench.hear(self, request)
            if self.answers_yes:
                return dlt645.Acknowledged(function=dlt645.Function.WRITE)
            return dlt645.ErrorAnswer(function=dlt645.Function.WRITE, err=frozenset({dlt645.ErrBit.OTHER}))

    tables = replace(the_tables(), day_tables=(*the_tables().day_tables, tuple(many_slots())))
    no, yes = (Choosy(meter=a_bench(start=start).meter, answers_yes=yes) for yes in (False, True))
    refused = no.carry_out(an_order(no, tables=tables))
    forgotten = yes.carry_out(an_order(yes, tables=tables))

    assert (refused.ending, refused.reason) == (Ending.REFUSED, f"{name}_refused")
    assert (forgotten.ending, forgotten.reason) == (Ending.ACCEPTED, f"{name}_not_read_back")


def many_slots() -> list[object]:
    """More slots than a meter has from the factory."""
    tariff = tariff_from(
        {
            "name": "A",
            "currency": "CNY",
            "components": [
                {
                    "kind": "energy",
                    "name": "Energy",
                    "periods": [
                        {"name": name, "role": name, "prices": ["0.5"]} for name in ("peak", "valley")
                    ],
                    "day_tables": {"all": [f"{h:02}:00 {('peak', 'valley')[h % 2]}" for h in range(14)]},
                }
            ],
        }
    )
    return list(the_tables(tariff).day_tables[0])


def test_a_model_that_takes_no_tables_is_not_asked() -> None:
    bench = a_bench()
    bench.model = replace(STANDARD, tariff=None)

    result = bench.carry_out(an_order(a_bench()))

    assert (result.ending, result.reason) == (Ending.REFUSED, "model_takes_no_tables")
    assert bench.requests == []


# Holidays and rest days: they exist only once.


def test_rest_days_that_come_before_the_switch_wait_and_the_rest_is_loaded() -> None:
    bench = a_bench(start=THURSDAY)  # a weekend lies before the switch

    result = bench.carry_out(an_order(bench))

    assert (result.ending, result.reason) == (Ending.BUSY, "rest_days_wait")
    assert bench.meter.core.tariff.weekday_bits == 0x7F
    bench.wait_until(SWITCH)
    assert bench.meter.core.tariff.zones.second_runs


def test_holidays_before_the_switch_stay_and_each_keeps_its_place() -> None:
    bench = a_bench(start=SWITCH - timedelta(hours=1))
    old = replace(the_tables(), holidays=())
    bench.carry_out(an_order(bench, tables=old))
    holidays = {
        1: (date(2026, 1, 1), 1),
        2: (date(2027, 5, 3), 1),
        3: (date(2027, 5, 9), 1),
        4: (date(2027, 10, 1), 1),
    }
    set_holidays(bench, holidays)

    result = bench.carry_out(an_order(bench, parts=frozenset({TariffPart.HOLIDAYS})))

    assert result.ending is Ending.DONE
    # The past one and the unwanted one make room; today's and the one that is wanted anyway stay.
    held = {number: (each.on, each.table_no) for number, each in bench.meter.core.tariff.holidays.items()}
    assert held == {1: (date(2026, 1, 1), 1), 2: holidays[2], 3: (date(2027, 5, 5), 1), 4: holidays[4]}
    assert [write.di for write in bench.writes] == [0x04030003]


def test_a_holiday_that_is_no_more_is_taken_out() -> None:
    bench = a_bench(start=SWITCH - timedelta(hours=1))
    bench.carry_out(an_order(bench))

    bench.carry_out(an_order(bench, tables=replace(the_tables(), holidays=())))

    assert bench.meter.core.tariff.holidays == {}


def test_more_holidays_than_the_meter_has_are_refused() -> None:
    bench = a_bench(start=SWITCH - timedelta(hours=1))
    order = an_order(bench)
    assert STANDARD.tariff is not None
    bench.model = replace(STANDARD, tariff=replace(STANDARD.tariff, holidays_max=1))

    result = bench.carry_out(order)

    assert (result.ending, result.reason) == (Ending.REFUSED, "too_many_holidays")


def set_holidays(bench: Bench, holidays: dict[int, tuple[date, int]]) -> None:
    values = {0x04000205: len(holidays).to_bytes(2, "little")}
    for number, (on, table_no) in holidays.items():
        digits = f"{on:%y%m%d}{table_no:02}"
        values[0x04030000 + number] = bytes.fromhex(digits)[::-1]
    for di, value in values.items():
        answer = bench.hear(WriteRegister(di=di, password_level=2, password="000000", value=value))
        assert isinstance(answer, dlt645.Acknowledged)
