"""What holds of Modbus for any bytes, any frame, any cut."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compuerta.wire import modbus
from compuerta.wire.modbus import Deframer, Frame, Layout, MasterSession, MeterSession, ReadRegisters, Side

pytestmark = pytest.mark.slow  # a hundred examples each

words = st.integers(0, 0xFFFF)
requests = st.one_of(
    st.builds(ReadRegisters, bank=st.sampled_from(modbus.Bank), start=words, quantity=st.integers(1, 125)),
    st.builds(modbus.WriteCoil, at=words, on=st.booleans()),
    st.builds(modbus.WriteRegister, at=words, value=words),
    st.builds(modbus.WriteRegisters, start=words, values=st.lists(words, min_size=1, max_size=20).map(tuple)),
)
answers = st.one_of(
    st.builds(
        modbus.Registers,
        bank=st.sampled_from(modbus.Bank),
        octets=st.lists(words, min_size=1, max_size=20).map(
            lambda all_: b"".join(w.to_bytes(2) for w in all_)
        ),
    ),
    st.builds(modbus.RegistersWritten, start=words, count=st.integers(1, 123)),
    st.builds(modbus.Refusal, function=st.sampled_from(modbus.Function), code=st.integers(0, 255)),
)


@given(requests, st.integers(1, 247), st.data())
def test_any_request_survives_the_wire_whole_or_cut_anywhere(
    request: modbus.Request, unit_no: int, draw: st.DataObject
) -> None:
    octets = modbus.encode(Frame(unit_no, request.to_pdu()))
    cut = draw.draw(st.integers(0, len(octets)))
    deframer = Deframer(Side.MASTER)

    heard = deframer.receive(octets[:cut], now_ms=0) + deframer.receive(octets[cut:], now_ms=1)

    assert [(frame.unit_no, modbus.parse_request(frame.pdu)) for frame in heard] == [(unit_no, request)]
    assert modbus.decode(octets) == heard[0]


@given(answers, st.integers(1, 247))
def test_any_answer_survives_the_wire_byte_by_byte(answer: modbus.Answer, unit_no: int) -> None:
    octets = modbus.encode(Frame(unit_no, answer.to_pdu()))
    deframer = Deframer(Side.METER)

    heard = [frame for octet in octets for frame in deframer.receive(bytes((octet,)), now_ms=0)]

    assert [(frame.unit_no, modbus.parse_answer(frame.pdu)) for frame in heard] == [(unit_no, answer)]


@given(st.lists(st.binary(max_size=40), max_size=6))
def test_any_bytes_give_events_and_no_error(pieces: list[bytes]) -> None:
    master, meter, dress = MasterSession(unit_no=1), MeterSession(unit_no=1), modbus.Dress()
    master.send(ReadRegisters(start=0, quantity=1), now_ms=0)

    for at, piece in enumerate(pieces):
        master.receive(piece, now_ms=at)
        meter.receive(piece, now_ms=at)
        dress.inward(piece)
        dress.outward(piece)
    modbus.explain(b"".join(pieces))

    assert master.wake_at_ms() is not None or not pieces


@given(st.binary(max_size=30), requests)
def test_noise_never_keeps_a_meter_from_the_next_request(noise: bytes, request: modbus.Request) -> None:
    meter = MeterSession(unit_no=9)
    meter.receive(noise, now_ms=0)

    heard = meter.receive(modbus.encode(Frame(9, request.to_pdu())), now_ms=10_000)

    assert heard[-1].request == request


@given(st.binary(max_size=260))
def test_any_pdu_is_a_message_or_refused(pdu: bytes) -> None:
    for parse in (modbus.parse_request, modbus.parse_answer):
        try:
            message = parse(pdu)
        except modbus.ProtocolError:
            continue
        assert message.to_pdu() == pdu


@given(st.floats(width=32, allow_nan=False, allow_infinity=False, allow_subnormal=False))
def test_any_float_comes_back_as_it_was(number: float) -> None:
    layout = Layout.of("f32")

    octets = modbus.encode_number(Fraction(number), layout)

    assert modbus.decode_number(octets, layout) == Fraction(number)
