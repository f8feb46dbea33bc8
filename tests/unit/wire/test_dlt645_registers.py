"""Registers: names, values both ways, and what is refused."""

from datetime import date, datetime, time

import pytest

from compuerta.wire import dlt645
from compuerta.wire.dlt645 import ProtocolError, StatusWord3, Value, Values, layouts, registers, table


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


@pytest.mark.parametrize(
    ("di", "octets", "values"),
    [
        (0x00010000, "26020000", {"energy_wh": 2_260}),
        (0x00010000, "99999999", {"energy_wh": 999_999_990}),
        (0x00000000, "56341280", {"energy_wh": -1_234_560}),
        (0x00900200, "30120000", {"amount_minor": 1_230}),
        (0x02010100, "4822", {"voltage_mv": 224_800}),
        (0x02020100, "191581", {"current_ma": -11_519}),
        (0x02030000, "504180", {"power_mw": -415_000}),
        (0x04000101, "00221126", {"date": date(2026, 11, 22)}),
        (0x04000102, "304518", {"time": time(18, 45, 30)}),
        (0x04001203, "3000", {"time": time(0, 30)}),
        (0x0400010C, "30451800221126", {"clock": at("2026-11-22 18:45:30")}),
        (0x0400040E, "563412000000", {"customer_no": "000000123456"}),
        (0x04001101, "05", {"bits": 5}),
        (0x04050101, "12340000", {"price_e4": 3_412}),
        (0x04000507, "0006", {"status_word_7": frozenset({"cover_open", "terminal_cover_open"})}),
        (0x05060001, "0000221126", {"at": at("2026-11-22 00:00")}),
        (0x05060001, "0000000000", {"at": None}),
        (0x0001FF00, "26020000" + "00" * 4, {"total_energy_wh": 2_260, "rate_1_energy_wh": 0}),
        (0x0201FF00, "48220000", {"phase_1_voltage_mv": 224_800, "phase_2_voltage_mv": 0}),
        (0x04010001, "010007021830", {"slot_1_hhmmnn": "070001", "slot_2_hhmmnn": "301802"}),
    ],
)
def test_a_register_is_read_and_written(di: int, octets: str, values: Values) -> None:
    payload = bytes.fromhex(octets)

    assert dlt645.decode_values(di, payload) == values
    assert dlt645.encode_values(di, values) == payload


def test_energy_finer_than_the_register_is_cut_off_as_on_the_display() -> None:
    assert dlt645.encode_values(0x00010000, {"energy_wh": 2_269}) == bytes.fromhex("26020000")
    assert dlt645.encode_values(0x00000000, {"energy_wh": -2_269}) == bytes.fromhex("26020080")


@pytest.mark.parametrize(
    ("di", "octets"),
    [
        (0x00010000, "260200"),  # too short
        (0x00010000, "2602000000"),  # too long
        (0x00010000, "2602000A"),  # not a digit
        (0x0001FF00, "2602000000"),  # a block with half a rate
        (0x0400010C, "30451800221326"),  # month 13
        (0x0400010C, "30451807221126"),  # day 7 of the week
        (0x04000102, "304524"),  # hour 24
        (0x99999999, "00"),  # not in the table
    ],
)
def test_bytes_of_another_layout_are_refused(di: int, octets: str) -> None:
    with pytest.raises(ProtocolError):
        dlt645.decode_values(di, bytes.fromhex(octets))


@pytest.mark.parametrize(
    ("di", "values"),
    [
        (0x00010000, {}),
        (0x00010000, {"power_mw": 1}),
        (0x00010000, {"energy_wh": 1, "more": 1}),
        (0x00010000, {"energy_wh": -10}),
        (0x00010000, {"energy_wh": 1_000_000_000}),
        (0x00010000, {"energy_wh": "1"}),
        (0x02020100, {"current_ma": 800_000}),  # no room for the sign
        (0x0400040E, {"customer_no": "123"}),
        (0x0400010C, {"clock": datetime.fromisoformat("2026-11-22T18:45:30+08:00")}),
        (0x0400010C, {"clock": datetime.fromisoformat("1999-12-31 23:59:59")}),
        (0x04000507, {"status_word_7": frozenset({"relay_open"})}),
    ],
)
def test_values_that_a_register_cannot_hold_are_refused(di: int, values: dict[str, Value]) -> None:
    with pytest.raises(ProtocolError):
        dlt645.encode_values(di, values)


def test_a_name_tells_rate_phase_settlement_and_record() -> None:
    names = {di: register.name for di in DIS if (register := dlt645.lookup(di))}

    assert names == DIS


DIS = {
    0x00010000: "forward active energy total",
    0x00010201: "forward active energy rate 2 at settlement day 1 back",
    0x0001FF00: "forward active energy block",
    0x02010300: "voltage phase C",
    0x02030000: "active power total",
    0x04020008: "second set of day tables 8",
    0x0506013E: "daily freeze: forward active energy 62 back",
    0x03300D0A: "cover open record 10",
    0x1D00FF01: "relay trip record 1",
    0x040605FF: "spare ladder block",
    0x040300FE: "public holiday 254",
    0x050401FE: "hourly freeze: forward active energy 254 back",
}


@pytest.mark.parametrize(
    "di", [0x00014000, 0x0001000D, 0x02010400, 0x03300D0B, 0x0506013F, 0x04030000, 0x040300FF, 0xFFFFFFFF]
)
def test_an_identifier_outside_the_table_is_not_found(di: int) -> None:
    assert dlt645.lookup(di) is None


def test_status_word_3_says_relay_command_and_alarm() -> None:
    word = dlt645.status_word_3(0x00D0)

    assert word == StatusWord3(relay_open=True, relay_command_trip=True, pre_trip_alarm=True)
    assert word.flags == {"relay_open", "relay_command_trip", "pre_trip_alarm"}


def test_every_value_of_status_word_3_survives() -> None:
    assert all(dlt645.status_word_3(bits).bits == bits for bits in range(0, 1 << 16, 7))


@pytest.mark.parametrize("word", [1, 2, 4, 5, 6, 7])
def test_every_bit_of_a_status_word_has_a_name_of_its_own(word: int) -> None:
    for bit in range(16):
        names = dlt645.bit_names(word, bits=1 << bit)
        assert len(names) == 1
        assert dlt645.bits_of(word, names=names) == 1 << bit


def test_no_two_rows_of_the_table_claim_the_same_identifier() -> None:
    claimed = [di for row in table.ROWS for di in _identifiers(row)]

    assert len(claimed) == len(set(claimed))


def test_every_row_of_the_table_is_found_and_its_names_are_unique() -> None:
    for row in table.ROWS:
        register = dlt645.lookup(_identifiers(row)[0])
        assert register is not None
        assert register.fields == row.fields
        length = sum(field.length for field in row.fields) + (row.repeated.length * 3 if row.repeated else 0)
        fields = registers.fields_of(register, length=length)
        assert len({field.name for field in fields}) == len(fields)


def test_the_longest_list_has_a_bound() -> None:
    rates = layouts.REPEATS_MAX

    assert dlt645.decode_values(0x0001FF00, bytes(4 * (rates + 1)))
    with pytest.raises(ProtocolError):
        dlt645.decode_values(0x0001FF00, bytes(4 * (rates + 2)))


def _identifiers(row: table.Row) -> list[int]:
    found = [0]
    for place in range(0, 8, 2):
        pair = row.pattern[place : place + 2]
        octets = table.VARIABLES[pair].octets if pair in table.VARIABLES else [int(pair, 16)]
        found = [di << 8 | octet for di in found for octet in octets]
    return found
