"""A client's session: it pings in time, sends no more at once than is taken, and ends when it should."""

import pytest

from compuerta.wire.mqtt.packets import (
    ConnAck,
    Connect,
    Disconnect,
    Packet,
    Ping,
    Pong,
    PubAck,
    Publish,
    Reason,
    Stream,
    SubAck,
    encode,
)
from compuerta.wire.mqtt.session import (
    PONG_MS_MAX,
    WAITING_MAX,
    Arrived,
    ClientSession,
    Connected,
    Ended,
    Heard,
    SessionFull,
    Subscribed,
)


def a_session(*, receive_max: int = 2, keep_alive_s: int = 60) -> ClientSession:
    """A session that was let in at 0 ms."""
    session = ClientSession(Connect(client_id="a", keep_alive_s=keep_alive_s), packet_bytes_max=10_000)
    session.begin(now_ms=0)
    session.take_bytes()
    [event] = session.receive(encode(ConnAck(reason=0, receive_max=receive_max)), now_ms=0)
    assert event == Connected(session_present=False)
    return session


def said(session: ClientSession) -> list[Packet]:
    return Stream().receive(session.take_bytes())


def a_message(**changes: int) -> Publish:
    return Publish(topic="t", payload=b"p", qos=1, **changes)


def test_a_ping_goes_out_when_half_of_what_was_promised_is_over() -> None:
    session = a_session(keep_alive_s=60)

    assert session.wake_at_ms() == 30_000
    assert session.wake(29_999) == []
    assert said(session) == []
    assert session.wake(30_000) == []
    assert said(session) == [Ping()]


def test_a_broker_that_does_not_answer_a_ping_is_gone() -> None:
    session = a_session()
    session.wake(30_000)

    assert session.wake(30_000 + PONG_MS_MAX) == [Ended(reason="broker_silent")]
    assert session.wake_at_ms() is None


def test_a_broker_that_answers_a_ping_stays() -> None:
    session = a_session()
    session.wake(30_000)

    assert session.receive(encode(Pong()), now_ms=30_100) == []
    assert session.wake(30_000 + PONG_MS_MAX) == []


def test_no_more_is_sent_at_once_than_the_broker_takes() -> None:
    session = a_session(receive_max=2)

    numbers = [session.publish(a_message(), now_ms=0) for _ in range(3)]
    first = [packet for packet in said(session) if isinstance(packet, Publish)]
    events = session.receive(encode(PubAck(packet_id=numbers[0])), now_ms=1)

    assert [packet.packet_id for packet in first] == numbers[:2]
    assert events == [Arrived(packet_id=numbers[0], reason=Reason.SUCCESS)]
    assert [packet.packet_id for packet in said(session) if isinstance(packet, Publish)] == numbers[2:]


def test_what_waits_longer_than_it_is_good_for_is_not_sent() -> None:
    session = a_session(receive_max=1)
    number = session.publish(a_message(), now_ms=0)
    session.publish(a_message(expiry_s=3), now_ms=0)
    said(session)

    session.receive(encode(PubAck(packet_id=number)), now_ms=3_000)

    assert said(session) == []


def test_what_may_wait_is_bounded() -> None:
    session = a_session(receive_max=1)
    for _ in range(WAITING_MAX + 1):
        session.publish(a_message(), now_ms=0)

    with pytest.raises(SessionFull):
        session.publish(a_message(), now_ms=0)


def test_numbers_that_wait_or_are_on_their_way_are_not_given_twice() -> None:
    session = a_session(receive_max=1)
    numbers = [session.publish(a_message(), now_ms=0) for _ in range(10)]

    assert len(set(numbers)) == len(numbers)


@pytest.mark.parametrize(
    ("reason", "name"),
    [(Reason.BAD_USER, "key_refused"), (Reason.NOT_AUTHORIZED, "key_refused"), (0x88, "not_let_in")],
)
def test_who_is_not_let_in_learns_why(reason: int, name: str) -> None:
    session = ClientSession(Connect(client_id="a"), packet_bytes_max=10_000)
    session.begin(now_ms=0)

    assert session.receive(encode(ConnAck(reason=reason)), now_ms=0) == [Ended(reason=name)]


def test_a_filter_that_is_not_served_is_told() -> None:
    session = a_session()
    session.subscribe(["mine", "yours"], now_ms=0)

    heard = session.receive(encode(SubAck(packet_id=1, reasons=(1, Reason.NOT_AUTHORIZED))), now_ms=0)

    assert heard == [Subscribed(refused=("yours",))]


def test_nothing_is_told_after_the_end() -> None:
    session = a_session()
    octets = encode(Disconnect(reason=Reason.TAKEN_OVER)) + encode(Publish(topic="t", payload=b""))

    assert session.receive(octets, now_ms=0) == [Ended(reason="taken_over")]
    assert session.receive(encode(Publish(topic="t", payload=b"")), now_ms=0) == []


def test_damage_ends_the_session_after_what_was_whole() -> None:
    session = a_session()
    whole = encode(Publish(topic="t", payload=b"p"))

    assert session.receive(whole, now_ms=0) == [Heard(topic="t", payload=b"p", packet_id=0)]
    assert session.receive(b"\xf0\x00", now_ms=0) == [Ended(reason="malformed")]


def test_only_what_was_numbered_is_acknowledged() -> None:
    session = a_session()

    session.acknowledge([0, 7], now_ms=0)

    assert said(session) == [PubAck(packet_id=7)]
