"""Both ends of a line: what counts as an answer, what does not, and what silence does."""

import pytest

from compuerta.wire import dlt645
from compuerta.wire.dlt645 import (
    Acknowledged,
    AddressAnswer,
    Answer,
    BroadcastTime,
    Deframer,
    ErrBit,
    ErrorAnswer,
    Event,
    ExchangeInFlight,
    FollowUpAnswer,
    Frame,
    MasterSession,
    MeterSession,
    ProtocolError,
    RawAnswer,
    ReadAddress,
    ReadFollowUp,
    ReadRegister,
    RechargeAnswer,
    RegisterAnswer,
    Replied,
    Requested,
    SecurityErrorAnswer,
    Sent,
    Silent,
    StatusQuery,
    Stray,
    Timing,
    Why,
)
from compuerta.wire.dlt645.fields import civil_time

METER_NO = "000260700042"
NEIGHBOUR = "000260700043"
READ = ReadRegister(di=0x00900200)
MONEY = RegisterAnswer(di=0x00900200, payload=bytes.fromhex("50120000"))
ENERGY = RegisterAnswer(di=0x00010000, payload=bytes.fromhex("56341200"))
TIMING = Timing(first_byte_ms=700, gap_ms=500, tries_max=3)


def a_master(*, address: str = METER_NO) -> MasterSession:
    return MasterSession(address=address, timing=TIMING)


def wire(answer: Answer, *, meter_no: str = METER_NO) -> bytes:
    return dlt645.encode(answer.to_frame(meter_no))


def strays(events: list[Event]) -> list[Why]:
    return [event.why for event in events if isinstance(event, Stray)]


def test_an_answer_is_told_with_its_request() -> None:
    master = a_master()

    octets = master.send(READ, now_ms=0)
    events = master.receive(wire(MONEY), now_ms=100)

    assert Deframer().receive(octets, now_ms=0) == [READ.to_frame(METER_NO)]
    assert events == [Replied(request=READ, answer=MONEY, meter_no=METER_NO)]
    assert master.wake_at_ms() is None


def test_an_answer_in_pieces_is_waited_for_past_the_first_deadline() -> None:
    master = a_master()
    octets = wire(MONEY)
    master.send(READ, now_ms=0)

    master.receive(octets[:9], now_ms=650)
    early = master.wake(700)
    events = master.receive(octets[9:], now_ms=1_100)

    assert early == b""
    assert events == [Replied(request=READ, answer=MONEY, meter_no=METER_NO)]


def test_silence_repeats_the_request_and_ends_in_silent() -> None:
    master = a_master()
    first = master.send(READ, now_ms=0)
    sent = [first]
    events: list[Event] = []

    for _ in range(10):
        if (at_ms := master.wake_at_ms()) is None:
            break
        sent.append(master.wake(at_ms))
        events += master.receive(b"", now_ms=at_ms)

    assert sent == [first, first, first, b""]
    assert events == [Silent(request=READ)]


def test_nothing_is_repeated_before_its_time() -> None:
    master = a_master()
    master.send(READ, now_ms=1_000)

    assert master.wake_at_ms() == 1_700
    assert master.wake(1_699) == b""
    assert master.wake(1_700) != b""
    assert master.wake_at_ms() == 2_400


def test_chatter_cannot_keep_a_master_waiting_for_ever() -> None:
    master = a_master()
    master.send(READ, now_ms=0)
    repeated_ms = None

    for now_ms in range(0, 60_000, 100):
        master.receive(b"\x68", now_ms=now_ms)
        if master.wake(now_ms):
            repeated_ms = now_ms
            break

    assert repeated_ms == 6_700


def test_an_answer_swallowed_by_a_damaged_length_is_found_when_time_is_up() -> None:
    master = a_master()
    master.send(READ, now_ms=0)
    damaged = bytearray(wire(ENERGY, meter_no=NEIGHBOUR))
    damaged[4 + 9] = 0xF0

    waiting = master.receive(bytes(damaged) + wire(MONEY), now_ms=50)
    octets = master.wake(master.wake_at_ms() or 0)
    events = master.receive(b"", now_ms=800)

    assert waiting == []
    assert octets == b""
    assert events == [Replied(request=READ, answer=MONEY, meter_no=METER_NO)]


@pytest.mark.parametrize(
    ("octets", "why"),
    [
        (dlt645.encode(READ.to_frame(METER_NO)), Why.ECHO),
        (wire(MONEY, meter_no=NEIGHBOUR), Why.OTHER_METER),
        (wire(ENERGY), Why.NOT_ASKED),
        (wire(Acknowledged(function=0x14)), Why.NOT_ASKED),
        (wire(ErrorAnswer(function=0x14, err=frozenset({ErrBit.OTHER}))), Why.NOT_ASKED),
        (wire(SecurityErrorAnswer(raw=b"\x02\x00")), Why.NOT_ASKED),
        (dlt645.encode(ReadRegister(di=0x00010000).to_frame(METER_NO)), Why.NOT_AN_ANSWER),
    ],
    ids=[
        "echo",
        "neighbour",
        "other register",
        "other function",
        "other refusal",
        "security",
        "another master",
    ],
)
def test_what_is_not_the_answer_is_stray_and_the_answer_still_counts(octets: bytes, why: Why) -> None:
    master = a_master()
    master.send(READ, now_ms=0)

    before = master.receive(octets, now_ms=10)
    after = master.receive(wire(MONEY), now_ms=100)

    assert [type(event) for event in before] == [Stray]
    assert strays(before) == [why]
    assert after == [Replied(request=READ, answer=MONEY, meter_no=METER_NO)]


def test_a_late_second_answer_is_stray() -> None:
    master = a_master()
    master.send(READ, now_ms=0)
    master.wake(700)

    events = master.receive(wire(MONEY) + wire(MONEY), now_ms=750)

    assert [type(event) for event in events] == [Replied, Stray]
    assert strays(events) == [Why.NOT_ASKED]


def test_a_refusal_is_an_answer() -> None:
    master = a_master()
    refusal = ErrorAnswer(function=0x11, err=frozenset({ErrBit.NO_SUCH_REGISTER}))
    master.send(READ, now_ms=0)

    assert master.receive(wire(refusal), now_ms=10) == [
        Replied(request=READ, answer=refusal, meter_no=METER_NO)
    ]


def test_a_follow_up_wants_its_own_sequence() -> None:
    master = a_master()
    request = ReadFollowUp(di=0x0506FF01, sequence=2)
    first, second = (FollowUpAnswer(di=0x0506FF01, payload=b"\1\2", sequence=n) for n in (1, 2))
    master.send(request, now_ms=0)

    events = master.receive(wire(first) + wire(second), now_ms=10)

    assert strays(events) == [Why.NOT_ASKED]
    assert events[1:] == [Replied(request=request, answer=second, meter_no=METER_NO)]


def test_a_security_answer_about_something_else_is_stray() -> None:
    master = a_master()
    master.send(StatusQuery(operator=bytes(4)), now_ms=0)

    assert strays(master.receive(wire(RechargeAnswer(di=0x070102FF)), now_ms=10)) == [Why.NOT_ASKED]


def test_a_vendors_security_answer_without_identifier_is_the_answer() -> None:
    master = a_master()
    query = StatusQuery(operator=bytes(4))
    bare = RawAnswer(control=0x83, body=b"")
    master.send(query, now_ms=0)

    assert master.receive(wire(bare), now_ms=10) == [Replied(request=query, answer=bare, meter_no=METER_NO)]


@pytest.mark.parametrize("address", [dlt645.WILDCARD, "AAAAAAAA0042"])
def test_a_wildcard_is_answered_with_the_full_number(address: str) -> None:
    master = a_master(address=address)
    answer = AddressAnswer(meter_no=METER_NO)
    master.send(ReadAddress(), now_ms=0)

    assert master.receive(wire(answer), now_ms=10) == [
        Replied(request=ReadAddress(), answer=answer, meter_no=METER_NO)
    ]


def test_a_broadcast_expects_nothing() -> None:
    master = a_master(address=dlt645.BROADCAST)
    request = BroadcastTime(at=civil_time(2026, 11, 22, 18, 45, 30))

    octets = master.send(request, now_ms=5)

    assert octets
    assert master.wake_at_ms() == 5
    assert master.wake(5) == b""
    assert master.receive(b"", now_ms=5) == [Sent(request=request)]
    assert master.wake_at_ms() is None


def test_two_requests_at_once_are_a_bug_of_the_caller() -> None:
    master = a_master()
    master.send(READ, now_ms=0)

    with pytest.raises(ExchangeInFlight):
        master.send(READ, now_ms=1)


def test_a_request_that_cannot_be_built_leaves_the_line_free() -> None:
    master = a_master()

    with pytest.raises(ProtocolError):
        master.send(ReadRegister(di=-1), now_ms=0)

    assert master.wake_at_ms() is None
    assert master.send(READ, now_ms=0)


@pytest.mark.parametrize(
    ("address", "broadcast", "wildcard"),
    [
        (METER_NO, False, False),
        (dlt645.WILDCARD, False, True),
        ("AAAAAAAA0042", False, True),
        (dlt645.BROADCAST, True, False),
    ],
)
def test_a_meter_hears_what_is_for_it(address: str, broadcast: bool, wildcard: bool) -> None:
    meter = MeterSession(address=METER_NO)

    heard = meter.receive(dlt645.encode(READ.to_frame(address)), 0)

    assert heard == [Requested(request=READ, broadcast=broadcast, wildcard=wildcard)]


@pytest.mark.parametrize(
    "frame",
    [
        READ.to_frame(NEIGHBOUR),
        READ.to_frame("AAAAAAAA0043"),
        MONEY.to_frame(METER_NO),
        MONEY.to_frame(NEIGHBOUR),
    ],
    ids=["neighbour", "abbreviated neighbour", "own answer", "neighbour's answer"],
)
def test_a_meter_ignores_what_is_not_for_it(frame: Frame) -> None:
    assert MeterSession(address=METER_NO).receive(dlt645.encode(frame), 0) == []


def test_both_ends_understand_each_other() -> None:
    master, meter = a_master(), MeterSession(address=METER_NO)

    (requested,) = meter.receive(master.send(READ, now_ms=0), 0)
    events = master.receive(meter.send(MONEY), now_ms=50)

    assert requested.request == READ
    assert events == [Replied(request=READ, answer=MONEY, meter_no=METER_NO)]
