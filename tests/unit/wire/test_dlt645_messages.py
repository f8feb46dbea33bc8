"""Messages: the traps of the layouts, and what cannot be built."""

from datetime import datetime

import pytest

from compuerta.wire import dlt645
from compuerta.wire.dlt645 import (
    BroadcastTime,
    ChangeBaud,
    ErrBit,
    ErrorAnswer,
    Frame,
    Freeze,
    ProtocolError,
    RawAnswer,
    RawRequest,
    ReadRegister,
    Recharge,
    RelayCommand,
    RelayControl,
    SecurityErrorAnswer,
    SecurityRaw,
    SerrBit,
    VendorRecharge,
)

METER_NO = "000260700042"
OPERATOR = bytes.fromhex("11223344")
UNTIL = datetime.fromisoformat("2026-11-22 19:15:00")


def a_recharge(
    *, amount_minor: int = 25_000, purchase_no: int = 2, customer_no: str = "000000123456"
) -> Recharge:
    return Recharge(
        operator=OPERATOR,
        amount_minor=amount_minor,
        purchase_no=purchase_no,
        mac1=bytes.fromhex("c1c2c3c4"),
        customer_no=customer_no,
        mac2=bytes.fromhex("d1d2d3d4"),
    )


def test_an_amount_of_a_recharge_is_binary_and_the_same_amount_in_a_register_is_bcd() -> None:
    recharge = a_recharge(amount_minor=25_000).to_frame(METER_NO)
    register = dlt645.encode_values(0x00900200, {"amount_minor": 25_000})

    assert recharge.data[8:12] == (25_000).to_bytes(4, "little") == bytes.fromhex("a8610000")
    assert register == bytes.fromhex("00500200")


def test_the_operator_code_travels_as_it_is() -> None:
    assert a_recharge().to_frame(METER_NO).data[4:8] == OPERATOR


def test_a_recharge_has_the_length_of_its_layout() -> None:
    vendor = VendorRecharge(
        operator=OPERATOR,
        amount_minor=1,
        order_no="2026112200000215",
        mac1=bytes(4),
        meter_no=METER_NO,
        mac2=bytes(4),
    )

    assert len(a_recharge().to_frame(METER_NO).data) == 30
    assert len(vendor.to_frame(METER_NO).data) == 34


def test_a_recharge_with_a_customer_number_that_is_none_is_not_taken_for_one() -> None:
    frame = a_recharge().to_frame(METER_NO)
    odd = frame._replace(data=frame.data[:20] + b"\xaa" * 6 + frame.data[26:])

    assert isinstance(dlt645.parse_request(odd), SecurityRaw)


def test_relay_control_is_password_operator_command_and_time_in_this_order() -> None:
    request = RelayControl(
        command=RelayCommand.TRIP_RESTORE_D,
        password_level=2,
        password="123456",
        operator=OPERATOR,
        auto_restore=6,
        valid_until=UNTIL,
    )

    assert request.to_frame(METER_NO).data.hex(" ") == "02 56 34 12 11 22 33 44 1d 06 00 15 19 22 11 26"


@pytest.mark.parametrize(
    ("baud", "bit"), [(600, 2), (1200, 4), (2400, 8), (4800, 16), (9600, 32), (19200, 64)]
)
def test_a_speed_is_one_bit(baud: int, bit: int) -> None:
    assert ChangeBaud(baud=baud).to_frame(METER_NO).data == bytes((bit,))


def test_a_freeze_without_a_moment_is_now() -> None:
    assert Freeze().to_frame(METER_NO).data == b"\x99" * 4
    assert Freeze(minute=0, hour=0, day=1).to_frame(METER_NO).data == bytes.fromhex("00000199")


@pytest.mark.parametrize("raw", ["01", "02", "08", "20", "ff"])
def test_the_vendors_single_error_byte_never_means_that_a_recharge_was_done(raw: str) -> None:
    answer = dlt645.parse_answer(Frame(address=METER_NO, control=0xC3, data=bytes.fromhex(raw)))

    assert isinstance(answer, SecurityErrorAnswer)
    assert answer.serr == {SerrBit.OTHER}


def test_the_standards_two_error_bytes_are_bits_low_byte_first() -> None:
    answer = dlt645.security_error(SerrBit.REPEATED_RECHARGE, SerrBit.SUSPENDED)

    assert answer.raw == b"\x02\x01"
    assert answer.serr == {SerrBit.REPEATED_RECHARGE, SerrBit.SUSPENDED}


def test_an_error_byte_is_bits() -> None:
    answer = dlt645.parse_answer(Frame(address=METER_NO, control=0xDC, data=b"\x05"))

    assert answer == ErrorAnswer(function=0x1C, err=frozenset({ErrBit.OTHER, ErrBit.NOT_AUTHORISED}))


@pytest.mark.parametrize(
    ("control", "octets"),
    [
        (0x08, ""),  # no time
        (0x08, "000000991126"),  # no such day
        (0x11, "000001"),  # half an identifier
        (0x12, "00000100"),  # no sequence
        (0x13, "00"),  # something where nothing belongs
        (0x14, "00000100020000"),  # cut within the password
        (0x16, "60000101"),  # minute 60
        (0x17, "03"),  # two speeds at once
        (0x1C, "0200000000000000" + "99" + "00001519221126"),  # no such command
        (0x1C, "0200000000000000" + "1a00" + "001519321126"),  # no such day
        (0x1D, "07"),
        (0x03, "ff0201"),
        (0x1F, "00"),
    ],
)
def test_a_request_that_is_not_understood_stays_whole(control: int, octets: str) -> None:
    frame = Frame(address=METER_NO, control=control, data=bytes.fromhex(octets))

    request = dlt645.parse_request(frame)

    assert request == RawRequest(control=control, body=frame.data)


@pytest.mark.parametrize(
    ("control", "octets"),
    [
        (0x91, "0000"),
        (0x92, "00000100"),
        (0x93, "aaaaaaaaaaaa"),
        (0x94, "00"),
        (0x9C, "01"),
        (0x9C, "0010"),
        (0xD1, ""),
    ],
)
def test_an_answer_that_is_not_understood_stays_whole(control: int, octets: str) -> None:
    frame = Frame(address=METER_NO, control=control, data=bytes.fromhex(octets))

    answer = dlt645.parse_answer(frame)

    assert answer == RawAnswer(control=control, body=frame.data)


@pytest.mark.parametrize(
    "request_",
    [
        a_recharge(amount_minor=-1),
        a_recharge(amount_minor=1 << 32),
        a_recharge(purchase_no=1 << 32),
        a_recharge(customer_no="12345678901"),
        ReadRegister(di=0x06000001, since=UNTIL),
        ReadRegister(di=1 << 32),
        ChangeBaud(baud=115_200),
        Freeze(minute=100),
        BroadcastTime(at=datetime.fromisoformat("2026-11-22T19:15:00+00:00")),
        RelayControl(command=RelayCommand.TRIP, password_level=2, password="12345", valid_until=UNTIL),
        RelayControl(
            command=RelayCommand.TRIP,
            password_level=2,
            password="123456",
            auto_restore=256,
            valid_until=UNTIL,
        ),
    ],
    ids=str,
)
def test_a_request_that_the_wire_cannot_carry_is_refused(request_: dlt645.Request) -> None:
    with pytest.raises(ProtocolError):
        request_.to_frame(METER_NO)
