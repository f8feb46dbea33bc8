"""What holds for any bytes, any frame, any value."""

from datetime import datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from compuerta.wire import dlt645
from compuerta.wire.dlt645 import (
    Deframer,
    Frame,
    MasterSession,
    MeterSession,
    ProtocolError,
    ReadRegister,
    Recharge,
    RelayCommand,
    RelayControl,
    table,
)

pytestmark = pytest.mark.slow  # a hundred examples each

METER_NO = "000260700042"

addresses = st.from_regex(r"[0-9]{12}|(AA){1,6}", fullmatch=True).map(lambda text: text.rjust(12, "A"))
frames = st.builds(
    Frame,
    address=addresses,
    control=st.integers(0, 255),
    data=st.binary(max_size=dlt645.frame.DATA_BYTES_MAX),
)
civil = st.datetimes(datetime(2000, 1, 1), datetime(2099, 12, 31)).map(lambda at: at.replace(microsecond=0))  # noqa: DTZ001
identifiers = st.one_of(
    st.integers(0, 0xFFFFFFFF),
    st.sampled_from(table.ROWS).flatmap(
        lambda row: st.tuples(
            *(
                st.sampled_from(table.VARIABLES[pair].octets if pair in table.VARIABLES else [int(pair, 16)])
                for pair in (row.pattern[at : at + 2] for at in range(0, 8, 2))
            )
        ).map(lambda octets: int.from_bytes(bytes(octets), "big"))
    ),
)


@given(frames, st.integers(0, 4))
def test_any_frame_survives_the_wire(frame: Frame, wake_bytes: int) -> None:
    assert Deframer().receive(dlt645.encode(frame, wake_bytes=wake_bytes), now_ms=0) == [frame]


@given(st.lists(frames, max_size=4), st.data())
def test_frames_come_the_same_whole_or_cut_anywhere(sent: list[Frame], draw: st.DataObject) -> None:
    stream = b"".join(dlt645.encode(frame) for frame in sent)
    cut = draw.draw(st.integers(0, len(stream)))
    deframer = Deframer()

    heard = deframer.receive(stream[:cut], now_ms=0) + deframer.receive(stream[cut:], now_ms=1)

    assert heard == sent


@given(st.lists(st.tuples(st.binary(max_size=60), st.integers(0, 2_000))), frames)
@example([(b"\x68" * 60, 0), (b"\x68\x16" * 30, 0)], Frame(address=METER_NO, control=0x11, data=b""))
def test_any_bytes_give_frames_or_nothing_and_a_frame_after_silence_is_heard(
    pieces: list[tuple[bytes, int]], frame: Frame
) -> None:
    deframer = Deframer()
    now_ms = 0
    for octets, pause_ms in pieces:
        now_ms += pause_ms
        for noise in deframer.receive(octets, now_ms=now_ms):
            assert dlt645.encode(noise, wake_bytes=0) in b"".join(piece for piece, _ in pieces)

    heard = deframer.receive(dlt645.encode(frame), now_ms=now_ms + 501)

    assert heard[-1:] == [frame]


@given(frames)
def test_any_frame_is_a_message_of_one_direction_and_stays_itself(frame: Frame) -> None:
    for parse, is_ours in (
        (dlt645.parse_request, not frame.control & 0x80),
        (dlt645.parse_answer, bool(frame.control & 0x80)),
    ):
        try:
            message = parse(frame)
        except ProtocolError:
            assert not is_ours
        else:
            assert is_ours
            assert message.to_frame(frame.address) == frame


@given(frames)
def test_any_frame_can_be_explained(frame: Frame) -> None:
    (explained,) = dlt645.explain(dlt645.encode(frame))

    assert explained.data_hex == frame.data.hex()
    assert explained.meaning


@given(st.binary(max_size=400))
def test_any_bytes_can_be_explained(octets: bytes) -> None:
    assert all(explained.meaning for explained in dlt645.explain(octets))


@given(identifiers, st.binary(max_size=80))
def test_any_register_bytes_are_values_that_write_the_same_bytes_or_a_refusal(di: int, octets: bytes) -> None:
    try:
        values = dlt645.decode_values(di, octets)
    except ProtocolError:
        return

    again = dlt645.encode_values(di, values)

    assert dlt645.decode_values(di, again) == values
    assert len(again) == len(octets)


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_no_bytes_break_either_end(one: bytes, other: bytes) -> None:
    master, meter = MasterSession(address=METER_NO), MeterSession(address=METER_NO)
    master.send(ReadRegister(di=0x00010000), now_ms=0)

    for now_ms, octets in ((1, one), (400, other), (9_000, b"")):
        master.receive(octets, now_ms=now_ms)
        master.wake(now_ms)
        meter.receive(octets, now_ms)


@given(
    amount_minor=st.integers(0, 2**32 - 1),
    purchase_no=st.integers(0, 2**32 - 1),
    customer_no=st.from_regex(r"[0-9]{12}", fullmatch=True),
    octets=st.binary(min_size=12, max_size=12),
)
def test_any_recharge_arrives_as_it_was_sent(
    amount_minor: int, purchase_no: int, customer_no: str, octets: bytes
) -> None:
    recharge = Recharge(
        operator=octets[:4],
        amount_minor=amount_minor,
        purchase_no=purchase_no,
        mac1=octets[4:8],
        customer_no=customer_no,
        mac2=octets[8:],
    )

    assert dlt645.parse_request(recharge.to_frame(METER_NO)) == recharge


@given(
    command=st.sampled_from(RelayCommand),
    level=st.integers(0, 255),
    password=st.from_regex(r"[0-9]{6}", fullmatch=True),
    valid_until=civil,
)
def test_any_relay_command_arrives_as_it_was_sent(
    command: RelayCommand, level: int, password: str, valid_until: datetime
) -> None:
    request = RelayControl(command=command, password_level=level, password=password, valid_until=valid_until)

    assert dlt645.parse_request(request.to_frame(METER_NO)) == request


@given(civil)
def test_any_moment_of_the_meters_clock_survives(at: datetime) -> None:
    assert dlt645.decode_values(0x0400010C, dlt645.encode_values(0x0400010C, {"clock": at})) == {"clock": at}
