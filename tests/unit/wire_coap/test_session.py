"""Two ends of CoAP on a virtual clock: asking again, answering once, watching, and what nobody asked for."""

from collections.abc import Iterable
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from compuerta.wire import coap
from compuerta.wire.coap.options import Block, Option, block_to
from compuerta.wire.coap.session import BODY_BYTES_MAX, BODY_MS_MAX, REMEMBERED_MAX, REMEMBERED_MS

GET = coap.Request(code=coap.Code.GET, path=("4", "0"))
WATCH = replace(GET, path=("19", "0", "0"), observe=0)
PUT = coap.Request(code=coap.Code.PUT, path=("19", "1", "0"), payload=b"frame", content_format=42)


def two_ends() -> tuple[coap.CoapSession, coap.CoapSession]:
    return coap.CoapSession(salt=b"platform"), coap.CoapSession(salt=b"device")


def heard(session: coap.CoapSession, datagrams: Iterable[bytes], *, now_ms: int = 0) -> list[coap.Event]:
    return [event for datagram in datagrams for event in session.receive(datagram, now_ms=now_ms)]


def asked(device: coap.CoapSession, datagrams: Iterable[bytes]) -> coap.Asked:
    [event] = heard(device, datagrams)
    assert isinstance(event, coap.Asked)
    return event


def message(code: int, kind: coap.Kind = coap.Kind.CON, **fields: object) -> bytes:
    return coap.encode(replace(coap.Message(kind=kind, code=code, message_id=9), **fields))  # type: ignore[arg-type]


def test_a_request_is_answered_with_its_own_token() -> None:
    platform, device = two_ends()
    token = platform.send(PUT, now_ms=0)
    request = asked(device, platform.take_datagrams())

    device.answer(request, coap.Code.CHANGED)
    events = heard(platform, device.take_datagrams())

    assert (request.path, request.payload, request.content_format) == (PUT.path, b"frame", 42)
    [event] = events
    assert isinstance(event, coap.Answered)
    assert (event.token, event.code) == (token, coap.Code.CHANGED)
    assert not platform.is_waiting


def test_what_is_not_answered_is_asked_again_ever_more_patiently_and_then_given_up() -> None:
    platform, _ = two_ends()
    token = platform.send(PUT, now_ms=0)
    first = platform.take_datagrams()
    waits, now_ms, events = [], 0, []
    while not events:
        wake_at_ms = platform.wake_at_ms()
        assert wake_at_ms is not None
        waits.append(wake_at_ms - now_ms)
        now_ms = wake_at_ms
        events = platform.wake(now_ms=now_ms)
        assert platform.take_datagrams() in (first, [])

    assert 4_000 <= waits[0] < 6_000
    assert [wait // waits[0] for wait in waits] == [1, 2, 4, 8]
    assert events == [coap.Unanswered(token=token)]
    assert platform.wake_at_ms() is None


def test_a_request_that_comes_twice_is_asked_once_and_answered_alike() -> None:
    platform, device = two_ends()
    platform.send(PUT, now_ms=0)
    datagrams = platform.take_datagrams()
    device.answer(asked(device, datagrams), coap.Code.CHANGED)
    answer = device.take_datagrams()

    assert heard(device, datagrams, now_ms=REMEMBERED_MS - 1) == []
    assert device.take_datagrams() == answer


def test_messages_are_remembered_within_a_bound() -> None:
    _, device = two_ends()
    requests = [message(coap.Code.GET, message_id=number) for number in range(REMEMBERED_MAX + 1)]
    heard(device, requests)

    assert len(heard(device, [requests[0], requests[-1]])) == 1


def test_a_new_request_takes_the_place_of_one_in_the_air() -> None:
    platform, device = two_ends()
    platform.send(PUT, now_ms=0)
    [late] = platform.take_datagrams()
    token = platform.send(replace(PUT, payload=b"other"), now_ms=100)
    platform.take_datagrams()
    device.answer(asked(device, [late]), coap.Code.CHANGED)

    assert heard(platform, device.take_datagrams()) == []
    platform.wake(now_ms=10_000)
    [again] = platform.take_datagrams()
    assert coap.decode(again).payload == b"other"
    assert coap.decode(again).token == token


def test_an_answer_apart_from_its_acknowledgement_is_taken_and_acknowledged() -> None:
    platform, _ = two_ends()
    token = platform.send(GET, now_ms=0)
    request = coap.decode(platform.take_datagrams()[0])
    acknowledged = message(coap.Code.EMPTY, coap.Kind.ACK, message_id=request.message_id)

    nothing = heard(platform, [acknowledged])
    [event] = heard(platform, [message(coap.Code.CONTENT, token=token, payload=b"late")])

    assert nothing == []
    assert isinstance(event, coap.Answered)
    assert event.payload == b"late"
    [acknowledgement] = platform.take_datagrams()
    assert coap.decode(acknowledgement).kind is coap.Kind.ACK


def test_what_is_watched_is_told_until_somebody_resets_it() -> None:
    platform, device = two_ends()
    token = platform.send(WATCH, now_ms=0)
    request = asked(device, platform.take_datagrams())
    device.answer(request, coap.Code.CONTENT, observe_no=0)
    heard(platform, device.take_datagrams())

    device.notify(request.message.token, no=1, payload=b"said", content_format=42, now_ms=0)
    [event] = heard(platform, device.take_datagrams())
    heard(device, platform.take_datagrams())
    is_quiet = not device.is_waiting
    device.notify(request.message.token, no=2, payload=b"more", content_format=42, now_ms=0)
    notice = coap.decode(device.take_datagrams()[0])
    reset = message(coap.Code.EMPTY, coap.Kind.RST, message_id=notice.message_id)

    assert isinstance(event, coap.Answered)
    assert (event.token, event.payload, event.observe_no) == (token, b"said", 1)
    assert is_quiet
    assert heard(device, [reset]) == [coap.Unanswered(token=token, reset=True)]


def test_an_answer_to_what_was_never_asked_is_reset_and_told() -> None:
    platform, _ = two_ends()
    platform.send(GET, now_ms=0)
    platform.take_datagrams()

    events = heard(platform, [message(coap.Code.CONTENT, token=b"guessed", payload=b"forged")])

    assert events == [coap.Strayed(token=b"guessed")]
    assert coap.decode(platform.take_datagrams()[0]).kind is coap.Kind.RST
    assert platform.is_waiting


def test_tokens_of_two_sessions_are_not_alike() -> None:
    platform, device = two_ends()

    assert platform.send(GET, now_ms=0) != device.send(GET, now_ms=0)


def test_a_critical_option_that_is_not_known_is_refused() -> None:
    _, device = two_ends()

    assert heard(device, [message(coap.Code.GET, options=((9, b""),))]) == []
    assert coap.decode(device.take_datagrams()[0]).code == coap.Code.BAD_OPTION


def block(no: int, *, more: bool, payload: bytes, message_id: int) -> bytes:
    option = (int(Option.BLOCK1), block_to(Block(no=no, more=more, size=64)))
    return message(coap.Code.PUT, options=(option,), payload=payload, message_id=message_id)


def code_said(device: coap.CoapSession) -> int:
    return coap.decode(device.take_datagrams()[-1]).code


def test_a_body_in_blocks_is_one_request() -> None:
    _, device = two_ends()
    first = heard(device, [block(0, more=True, payload=b"a" * 64, message_id=1)])
    continued = code_said(device)
    whole = asked(device, [block(1, more=False, payload=b"b" * 10, message_id=2)])

    assert first == []
    assert continued == coap.Code.CONTINUE
    assert whole.payload == b"a" * 64 + b"b" * 10


def test_blocks_out_of_order_too_many_or_too_late_are_refused() -> None:
    _, device = two_ends()
    heard(device, [block(1, more=True, payload=b"a" * 64, message_id=1)])
    without_first = code_said(device)
    heard(device, [block(0, more=True, payload=b"a" * 63, message_id=2)])
    too_short = code_said(device)
    for number in range(BODY_BYTES_MAX // 64 + 1):
        heard(device, [block(number, more=True, payload=b"a" * 64, message_id=10 + number)])
    too_many = code_said(device)
    heard(device, [block(0, more=True, payload=b"a" * 64, message_id=500)])
    heard(device, [block(1, more=False, payload=b"a", message_id=501)], now_ms=BODY_MS_MAX + 1)
    too_late = code_said(device)

    assert without_first == too_short == too_late == coap.Code.INCOMPLETE
    assert too_many == coap.Code.TOO_LARGE


def test_an_answer_whose_blocks_jump_is_given_up() -> None:
    platform, _ = two_ends()
    token = platform.send(GET, now_ms=0)
    request = coap.decode(platform.take_datagrams()[0])
    option = (int(Option.BLOCK2), block_to(Block(no=3, more=True, size=64)))
    answer = message(
        coap.Code.CONTENT,
        coap.Kind.ACK,
        token=token,
        message_id=request.message_id,
        options=(option,),
        payload=b"a" * 64,
    )

    assert heard(platform, [answer]) == [coap.Unanswered(token=token)]


@given(st.lists(st.binary(max_size=60), max_size=20))
def test_any_datagrams_are_taken_or_refused(datagrams: list[bytes]) -> None:
    platform, _ = two_ends()
    platform.send(WATCH, now_ms=0)
    for datagram in datagrams:
        try:
            platform.receive(datagram, now_ms=0)
        except coap.ProtocolError:
            continue
        for said in platform.take_datagrams():
            coap.decode(said)
