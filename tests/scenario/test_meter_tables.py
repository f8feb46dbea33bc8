"""What tables a meter takes and what it refuses, and how its two sets change places: in real frames."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.scenario.meter_bench import HOUR_MS, MINUTE_MS, NOON, a_bench, err
from tests.scenario.tariff_bench import (
    DONE,
    HOURS,
    MONTHLY_BLOCK,
    NEVER,
    a_ladder_block,
    a_tariff_bench,
    entries,
    minute,
    rates_wh,
)

from compuerta.virtual.meter import Ladder, Settlement, Slot, TariffTables
from compuerta.virtual.meter.clock import DAY_MS
from compuerta.wire.dlt645 import ClearMeter, ErrBit, ErrorAnswer, ReadRegister, WriteRegister
from compuerta.wire.dlt645.fields import bcd_to

DIGITS = st.sampled_from([0x00, 0x01, 0x02, 0x03, 0x06, 0x12, 0x22, 0x26, 0x99])
WRITTEN = (
    *range(0x04000106, 0x0400010A), *range(0x04000201, 0x04000208), 0x04000801, 0x04000802,
    0x04010000, 0x04010001, 0x04020000, 0x04020001, 0x04020002, 0x04030001, 0x04030009,
    0x040502FF, 0x04050203, 0x040605FF,
)  # fmt: skip

# Limits: at the limit, and one beyond.


@pytest.mark.parametrize(
    ("di", "most", "length", "bit"),
    [
        (0x04000201, 14, 1, ErrBit.TOO_MANY_ZONES),
        (0x04000202, 8, 1, ErrBit.TOO_MANY_PERIODS),
        (0x04000203, 14, 1, ErrBit.TOO_MANY_PERIODS),
        (0x04000204, 63, 1, ErrBit.TOO_MANY_TARIFFS),
        (0x04000205, 254, 2, ErrBit.OTHER),
        (0x04000207, 6, 1, ErrBit.TOO_MANY_TARIFFS),
    ],
)
def test_a_count_has_a_limit(di: int, most: int, length: int, bit: ErrBit) -> None:
    bench = a_bench()

    assert bench.write(di, bcd_to(most + 1, length=length)) == err(0x14, bit)
    assert bench.write(di, bcd_to(most, length=length)) == DONE

    assert bench.read(di) == bcd_to(most, length=length)


ZONES_3 = ("010101", "040102", "070101")
SLOTS_8 = tuple(f"{hour:02}0001" for hour in range(8))


@pytest.mark.parametrize(
    ("di", "value", "answer"),
    [
        (0x04020000, entries(*ZONES_3[:2]), DONE),
        (0x04020000, entries(*ZONES_3), err(0x14, ErrBit.TOO_MANY_ZONES)),
        (0x04020000, entries(*ZONES_3[:2], *["040102"] * 12), DONE),  # padded
        (0x04020000, entries(*ZONES_3[:2], *["040102"] * 13), err(0x14, ErrBit.TOO_MANY_ZONES)),
        (0x04020000, entries("010103"), err(0x14, ErrBit.OTHER)),  # a day table that is not there
        (0x04020000, entries("010100"), err(0x14, ErrBit.OTHER)),
        (0x04020000, entries("040101", "010102"), err(0x14, ErrBit.OTHER)),  # not in order
        (0x04020000, entries("040101", "040102"), err(0x14, ErrBit.OTHER)),  # overlapping
        (0x04020000, entries("022901"), DONE),
        (0x04020000, entries("023001"), err(0x14, ErrBit.OTHER)),
        (0x04020000, b"", err(0x14, ErrBit.OTHER)),
        (0x04020000, entries("010101")[:2], err(0x14, ErrBit.OTHER)),
        (0x04020001, entries(*SLOTS_8), DONE),
        (0x04020001, entries(*SLOTS_8, "080001"), err(0x14, ErrBit.TOO_MANY_PERIODS)),
        (0x04020001, entries("000004"), DONE),
        (0x04020001, entries("000005"), err(0x14, ErrBit.TOO_MANY_TARIFFS)),
        (0x04020001, entries("000000"), err(0x14, ErrBit.OTHER)),
        (0x04020001, entries("235901"), DONE),
        (0x04020001, entries("240001"), err(0x14, ErrBit.OTHER)),
        (0x04020001, entries("006001"), err(0x14, ErrBit.OTHER)),
        (0x04020001, entries("080001", "070002"), err(0x14, ErrBit.OTHER)),
        (0x04020002, entries("000001"), DONE),
        (0x04020003, entries("000001"), err(0x14, ErrBit.OTHER)),
        (0x040502FF, bytes(16), DONE),
        (0x040502FF, bytes(20), err(0x14, ErrBit.TOO_MANY_TARIFFS)),
        (0x04050204, bytes(4), DONE),
        (0x04050205, bytes(4), err(0x14, ErrBit.TOO_MANY_TARIFFS)),
        (0x04050200, bytes(4), err(0x14, ErrBit.OTHER)),
        (0x04050201, bytes(8), err(0x14, ErrBit.OTHER)),
        (0x04000108, minute(NOON), err(0x14, ErrBit.OTHER)),
        (0x04000108, minute(NOON + timedelta(minutes=1)), DONE),
        (0x04000802, b"\x03", err(0x14, ErrBit.OTHER)),
    ],
)
def test_a_table_is_taken_at_its_limit_and_not_beyond(di: int, value: bytes, answer: object) -> None:
    bench = a_tariff_bench(HOURS)
    before = bench.ask(ReadRegister(di=di))

    assert bench.write(di, value) == answer

    taken = bench.ask(ReadRegister(di=di))
    assert (taken == before) or answer == DONE


ONE_STEP = {"bounds": (5_000,) * 6, "prices": (2_000, *[4_000] * 6), "settlements": NEVER * 4}


@pytest.mark.parametrize(
    ("changes", "answer"),
    [
        ({}, DONE),
        ({"bounds": (5_000, *[9_000] * 5)}, DONE),
        ({"bounds": (5_000, 9_000, *[9_500] * 4)}, err(0x14, ErrBit.TOO_MANY_TARIFFS)),
        ({"bounds": (5_000, 4_000, *[4_000] * 4)}, err(0x14, ErrBit.OTHER)),
        ({"bounds": (5_000, *[0] * 5)}, err(0x14, ErrBit.OTHER)),
        ({"bounds": (0,) * 6}, DONE),
        ({"settlements": entries("022823") + NEVER * 3}, DONE),
        ({"settlements": entries("022900") + NEVER * 3}, err(0x14, ErrBit.OTHER)),
        ({"settlements": entries("130100") + NEVER * 3}, err(0x14, ErrBit.OTHER)),
        ({"settlements": entries("010124") + NEVER * 3}, err(0x14, ErrBit.OTHER)),
        ({"settlements": entries("010100", "040100", "070100", "100100")}, DONE),
    ],
)
def test_a_ladder_is_taken_whole_or_not_at_all(changes: dict[str, object], answer: object) -> None:
    bench = a_tariff_bench(HOURS)
    bench.write(0x04000207, b"\x02")
    before = bench.read(0x040605FF)
    block = a_ladder_block(**ONE_STEP | changes)

    assert bench.write_sealed(0x040605FF, block) == answer

    assert bench.read(0x040605FF) == (block if answer == DONE else before)
    assert bench.read(0x040604FF) == before


def test_a_count_goes_no_lower_than_what_is_in_use() -> None:
    bench = a_tariff_bench(HOURS)
    bench.wait(span_ms=36_000)  # a unit at rate 2

    bench.write(0x04020001, entries("000001"))  # the running set has three slots all the same
    assert bench.write(0x04000203, b"\x02") == err(0x14, ErrBit.TOO_MANY_PERIODS)
    assert bench.write(0x04000203, b"\x03") == DONE
    assert bench.write(0x04000204, b"\x03") == err(0x14, ErrBit.TOO_MANY_TARIFFS)
    assert bench.write(0x04000201, b"\x00") == err(0x14, ErrBit.OTHER)
    assert bench.write(0x04000206, b"\x01") == err(0x14, ErrBit.OTHER)


def test_a_rate_whose_register_holds_use_is_not_taken_away() -> None:
    tables = TariffTables(day_tables=((Slot(hour=0, rate=6),),), rate_prices_e4=(1_000,) * 6)
    bench = a_tariff_bench(tables)
    bench.wait(span_ms=HOUR_MS)
    assert rates_wh(bench) == (0, 0, 0, 0, 0, 1_000)

    bench.write(0x04020001, entries("000001"))
    bench.write(0x04000107, minute(NOON + timedelta(hours=2)))
    bench.wait(span_ms=HOUR_MS)
    bench.write(0x04010001, entries("000001"))

    assert bench.write(0x04000204, b"\x05") == err(0x14, ErrBit.OTHER)
    bench.ask(ClearMeter(password_level=2, password="000000"))
    assert bench.write(0x04000204, b"\x05") == err(0x14, ErrBit.TOO_MANY_TARIFFS)  # day table 2 has it still


# Sets: the spare is written, the running never; they change places at an instant.


def test_a_spare_set_is_written_and_read_back() -> None:
    bench = a_tariff_bench(HOURS)
    bench.write(0x04000207, b"\x01")
    written = {
        0x04020000: entries("010101", "060102"),
        0x04020001: entries("000004", "070003"),
        0x040502FF: b"".join(bcd_to(price, length=4) for price in (9, 8, 7, 6)),
        0x04050203: bcd_to(5, length=4),
        0x040605FF: MONTHLY_BLOCK,
    }
    running = [bench.read(di) for di in (0x04010000, 0x04010001, 0x040501FF, 0x040604FF)]

    assert all(bench.write(di, value) == DONE for di, value in written.items())

    written[0x040502FF] = written[0x040502FF][:8] + written[0x04050203] + written[0x040502FF][12:]
    assert {di: bench.read(di) for di in written} == written
    assert [bench.read(di) for di in (0x04010000, 0x04010001, 0x040501FF, 0x040604FF)] == running
    assert bench.read(0x040602FF) == bcd_to(5_000, length=4) * 6
    assert bench.values(0x04060301) == {"price_e4": 2_000}
    assert bench.values(0x04060307) == {"price_e4": 4_000}
    assert bench.ask(ReadRegister(di=0x04060308)) == err(0x11, ErrBit.NO_SUCH_REGISTER)
    assert bench.ask(ReadRegister(di=0x04060207)) == err(0x11, ErrBit.NO_SUCH_REGISTER)


@pytest.mark.parametrize(
    ("di", "value"),
    [
        (0x04010000, entries("010101")),
        (0x04010001, entries("000001")),
        (0x040501FF, bytes(16)),
        (0x04050101, bytes(4)),
        (0x040604FF, MONTHLY_BLOCK),
        (0x04060001, bytes(4)),
        (0x04060101, bytes(4)),
    ],
)
def test_a_running_set_is_never_written(di: int, value: bytes) -> None:
    bench = a_tariff_bench(HOURS)
    before = bench.read(di)

    assert bench.write(di, value) == err(0x14, ErrBit.OTHER)
    assert bench.write_sealed(di, value) == err(0x14, ErrBit.OTHER)

    assert bench.read(di) == before


@pytest.mark.parametrize(
    ("written", "switch_di", "bit", "freeze_di", "prices_e4"),
    [
        ({0x04020000: entries("010102")}, 0x04000106, 5, 0x05020001, (10_000, 6_000)),
        ({0x04020001: entries("000001")}, 0x04000107, 0, 0x05030001, (10_000, 12_000)),
        ({0x04050202: bcd_to(7_777, length=4)}, 0x04000108, 10, 0x05050001, (10_000, 7_777)),
        ({0x04000207: b"\x01", 0x040605FF: MONTHLY_BLOCK}, 0x04000109, 11, 0x05070001, (10_000, 12_000)),
    ],
    ids=["zones", "day tables", "prices", "ladder"],
)
def test_nothing_changes_before_the_switch_time_and_everything_at_it(
    written: dict[int, bytes], switch_di: int, bit: int, freeze_di: int, prices_e4: tuple[int, int]
) -> None:
    bench = a_tariff_bench(HOURS)
    at = NOON + timedelta(hours=3, minutes=7)
    for di, value in (written | {switch_di: minute(at)}).items():
        assert bench.write(di, value) == DONE
    assert bench.read(switch_di) == minute(at)

    bench.wait_until(at - timedelta(milliseconds=1))
    assert bench.values(0x02800020) == {"price_e4": prices_e4[0]}
    assert not bench.word_3() >> bit & 1
    assert bench.ask(ReadRegister(di=freeze_di)) == err(0x11, ErrBit.NO_SUCH_REGISTER)
    bench.wait(span_ms=1)

    assert bench.values(0x02800020) == {"price_e4": prices_e4[1]}
    assert bench.word_3() >> bit & 1
    assert bench.read(freeze_di) == minute(at)
    frozen = bench.values(freeze_di + 0x100)
    assert frozen["total_energy_wh"] == frozen["rate_2_energy_wh"] == 3_110
    assert bench.read(switch_di) == bytes(5)
    bench.wait(span_ms=DAY_MS)
    assert bench.word_3() >> bit & 1


@pytest.mark.parametrize("to_annual", [True, False])
def test_a_switch_at_the_very_moment_of_a_settlement_settles_once(to_annual: bool) -> None:
    december = datetime(2026, 12, 1)  # noqa: DTZ001 a meter's clock
    bench = a_tariff_bench(TariffTables(), at=december - timedelta(hours=5))
    settlements = (entries("120100") if to_annual else NEVER) + NEVER * 3
    block = a_ladder_block(bounds=(0,) * 6, prices=(0,) * 7, settlements=settlements)
    bench.write_sealed(0x040605FF, block)
    bench.write_sealed(0x04000109, minute(december))

    bench.wait(span_ms=6 * HOUR_MS)

    assert bench.values(0x000B0001) == {"energy_wh": 5_000}
    assert bench.values(0x000B0000) == {"energy_wh": 1_000}
    assert bench.values(0x00010301) == {"energy_wh": 5_000}
    assert bench.values(0x00010302) == {"energy_wh": 0}


def test_a_settlement_of_the_old_steps_at_their_last_moment_is_not_lost() -> None:
    at = NOON + timedelta(hours=1)
    old = Ladder(settlements=(Settlement(month=at.month, day=at.day, hour=at.hour),))
    bench = a_tariff_bench(TariffTables(ladder=old))
    block = a_ladder_block(bounds=(0,) * 6, prices=(0,) * 7, settlements=entries("070100") + NEVER * 3)
    bench.write_sealed(0x040605FF, block)
    bench.write_sealed(0x04000109, minute(at))

    bench.wait(span_ms=2 * HOUR_MS)

    assert bench.values(0x000B0001) == {"energy_wh": 1_000}
    assert bench.values(0x000B0000) == {"energy_wh": 1_000}


@settings(max_examples=40, deadline=None)
@given(
    writes=st.lists(
        st.tuples(st.sampled_from(WRITTEN), st.binary(max_size=6) | st.lists(DIGITS, max_size=16).map(bytes)),
        max_size=12,
    )
)
def test_no_tables_at_all_make_a_meter_fail_or_lose_use(writes: list[tuple[int, bytes]]) -> None:
    bench = a_tariff_bench(HOURS)
    bench.write(0x04000205, bcd_to(9, length=2))
    bench.write(0x04000207, b"\x06")

    answers = [bench.write(di, value) for di, value in writes]
    bench.wait(span_ms=DAY_MS)

    assert all(answer == DONE or isinstance(answer, ErrorAnswer) for answer in answers)
    assert sum(rates_wh(bench)) == 24_000


def test_after_the_switch_the_first_set_is_the_spare_one() -> None:
    bench = a_tariff_bench(HOURS)
    bench.write(0x04000106, minute(NOON + timedelta(minutes=1)))
    bench.wait(span_ms=MINUTE_MS)

    assert bench.write(0x04020000, entries("010102")) == err(0x14, ErrBit.OTHER)
    assert bench.write(0x04010000, entries("010102")) == DONE
    assert bench.write(0x04010001, entries("000001")) == err(
        0x14, ErrBit.OTHER
    )  # day tables have not switched


def test_a_switch_time_that_the_power_cut_covered_is_made_up_for() -> None:
    bench = a_tariff_bench(HOURS)
    bench.write(0x04050202, bcd_to(20_000, length=4))
    bench.write(0x04000108, minute(NOON + timedelta(hours=1)))
    bench.meter.core.set_power(False)

    bench.wait(span_ms=2 * HOUR_MS)
    assert bench.meter.core.price.price_e4 == 10_000
    bench.meter.core.set_power(True)

    assert bench.values(0x02800020) == {"price_e4": 20_000}
    assert bench.read(0x05050001) == minute(NOON + timedelta(hours=2))


def test_prices_and_steps_are_sealed_by_a_mac_and_a_wrong_one_changes_nothing() -> None:
    bench = a_tariff_bench(HOURS)
    prices = bytes(16)
    unsealed = WriteRegister(
        di=0x040502FF, password_level=0x99, password="000000", value=prices + b"\xde\xad\xbe\xef"
    )
    before = bench.read(0x040502FF)

    assert bench.ask(unsealed) == err(0x14, ErrBit.NOT_AUTHORISED)  # nobody has shown who it is
    bench.identify()
    assert bench.ask(unsealed) == err(0x14, ErrBit.NOT_AUTHORISED)
    assert bench.write(0x040502FF, prices, password="123456") == err(0x14, ErrBit.NOT_AUTHORISED)
    assert bench.read(0x040502FF) == before

    assert bench.write_sealed(0x040502FF, prices) == DONE
    assert bench.read(0x040502FF) == prices
