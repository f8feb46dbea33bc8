"""Two ends of CoAP on a virtual clock: asking again, answering once, watching, and what nobody asked for."""

from collections.abc import Iterable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compuerta.wire import coap
from compuerta.wire.coap.options import Block, Option, block_to, texts_to
from compuerta.wire.coap.session import (
    BODY_BYTES_MAX,
    BODY_MS_MAX,
    OBSERVED_MAX,
    REMEMBERED_MAX,
    REMEMBERED_MS,
)

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


def test_a_message_number_means_another_message_once_its_time_is_over() -> None:
    _, device = two_ends()
    request = message(coap.Code.GET)
    heard(device, [request])

    assert heard(device, [request], now_ms=REMEMBERED_MS - 1) == []
    assert len(heard(device, [request], now_ms=REMEMBERED_MS)) == 1


def test_what_wants_no_acknowledgement_is_answered_once_however_often_it_comes() -> None:
    _, device = two_ends()
    request = message(coap.Code.GET, coap.Kind.NON)
    device.answer(asked(device, [request]), coap.Code.CONTENT)

    assert heard(device, [request]) == []
    assert len(device.take_datagrams()) == 1


@pytest.mark.parametrize("kind", [coap.Kind.RST, coap.Kind.ACK])
def test_a_reset_and_an_acknowledgement_ask_for_nothing(kind: coap.Kind) -> None:
    _, device = two_ends()

    with pytest.raises(coap.ProtocolError):
        heard(device, [message(coap.Code.GET, kind)])


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


@pytest.mark.parametrize(("kind", "acknowledgements"), [(coap.Kind.CON, 2), (coap.Kind.NON, 0)])
def test_an_answer_that_comes_twice_is_told_once(kind: coap.Kind, acknowledgements: int) -> None:
    platform, _ = two_ends()
    token = platform.send(GET, now_ms=0)
    platform.take_datagrams()
    answer = message(coap.Code.CONTENT, kind, token=token, payload=b"late")

    events = heard(platform, [answer, answer])

    assert [type(event) for event in events] == [coap.Answered]
    said = [coap.decode(datagram).kind for datagram in platform.take_datagrams()]
    assert said == [coap.Kind.ACK] * acknowledgements


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


def test_no_more_is_watched_than_there_is_room_for() -> None:
    platform, _ = two_ends()
    tokens = [platform.send(WATCH, now_ms=0) for _ in range(OBSERVED_MAX + 1)]
    notices = [
        message(coap.Code.CONTENT, coap.Kind.NON, token=token, message_id=number)
        for number, token in enumerate(tokens)
    ]

    first, *others = heard(platform, notices)

    assert first == coap.Strayed(token=tokens[0])
    assert all(isinstance(event, coap.Answered) for event in others)


def test_a_notice_is_acknowledged_and_never_answered() -> None:
    _, device = two_ends()
    device.notify(b"watcher", no=1, payload=b"said", content_format=42, now_ms=0)

    events = heard(device, [message(coap.Code.CONTENT, token=b"watcher")])

    assert events == [coap.Strayed(token=b"watcher")]
    assert device.is_waiting


def test_an_answer_to_what_was_never_asked_is_reset_and_told() -> None:
    platform, _ = two_ends()
    platform.send(GET, now_ms=0)
    platform.take_datagrams()

    forged = message(coap.Code.CONTENT, token=b"guessed", payload=b"forged")
    events = heard(platform, [forged, forged])

    assert events == [coap.Strayed(token=b"guessed")]  # once, however often it comes
    assert coap.decode(platform.take_datagrams()[0]).kind is coap.Kind.RST
    assert platform.is_waiting


def test_tokens_of_two_sessions_are_not_alike() -> None:
    platform, device = two_ends()

    assert platform.send(GET, now_ms=0) != device.send(GET, now_ms=0)


def test_a_critical_option_that_is_not_known_is_refused() -> None:
    _, device = two_ends()

    assert heard(device, [message(coap.Code.GET, options=((9, b""),))]) == []
    assert coap.decode(device.take_datagrams()[0]).code == coap.Code.BAD_OPTION


def block(no: int, *, more: bool, payload: bytes, message_id: int, path: tuple[str, ...] = ()) -> bytes:
    option = (int(Option.BLOCK1), block_to(Block(no=no, more=more, size=64)))
    options = (*texts_to(Option.URI_PATH, path), option)
    return message(coap.Code.PUT, options=options, payload=payload, message_id=message_id)


def a_piece(request: bytes, no: int, *, more: bool, payload: bytes) -> bytes:
    """Return a block of the answer to a request."""
    known = coap.decode(request)
    return message(
        coap.Code.CONTENT,
        coap.Kind.ACK,
        token=known.token,
        message_id=known.message_id,
        options=((int(Option.BLOCK2), block_to(Block(no=no, more=more, size=64))),),
        payload=payload,
    )


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


@pytest.mark.parametrize(
    "second",
    [
        block(2, more=False, payload=b"b", message_id=2),
        block(1, more=False, payload=b"b" * 65, message_id=2),
        block(1, more=False, payload=b"b", message_id=2, path=("elsewhere",)),
    ],
    ids=["jump", "too_long", "elsewhere"],
)
def test_a_block_that_does_not_fit_the_one_before_is_refused(second: bytes) -> None:
    _, device = two_ends()
    heard(device, [block(0, more=True, payload=b"a" * 64, message_id=1)])

    assert heard(device, [second]) == []
    refused = coap.decode(device.take_datagrams()[-1])
    assert refused.code == coap.Code.INCOMPLETE
    assert Option.BLOCK1 not in dict(refused.options)  # it would ask for smaller blocks


@pytest.mark.parametrize("value", [b"\x07", b"\x01\x00\x00\x00", bytes(5)])
def test_a_block_of_a_size_or_a_number_that_cannot_be_is_refused(value: bytes) -> None:
    _, device = two_ends()

    assert heard(device, [message(coap.Code.PUT, options=((int(Option.BLOCK1), value),))]) == []
    assert code_said(device) == coap.Code.BAD_OPTION


@pytest.mark.parametrize(("no", "octets"), [(3, 64), (0, 63)])
def test_an_answer_whose_blocks_jump_or_are_short_is_given_up(no: int, octets: int) -> None:
    platform, _ = two_ends()
    token = platform.send(GET, now_ms=0)
    [request] = platform.take_datagrams()

    events = heard(platform, [a_piece(request, no, more=True, payload=b"a" * octets)])

    assert events == [coap.Unanswered(token=token)]


def test_an_answer_of_blocks_without_end_is_given_up() -> None:
    platform, _ = two_ends()
    token = platform.send(GET, now_ms=0)
    events: list[coap.Event] = []
    for number in range(BODY_BYTES_MAX // 64 + 1):
        assert events == []
        [request] = platform.take_datagrams()
        events = heard(platform, [a_piece(request, number, more=True, payload=b"a" * 64)])

    assert events == [coap.Unanswered(token=token)]
    assert platform.take_datagrams() == []


def test_blocks_of_two_answers_are_not_put_together() -> None:
    platform, _ = two_ends()
    platform.send(GET, now_ms=0)
    [former] = platform.take_datagrams()
    heard(platform, [a_piece(former, 0, more=True, payload=b"a" * 64)])
    platform.take_datagrams()
    token = platform.send(GET, now_ms=1)
    [request] = platform.take_datagrams()

    events = heard(platform, [a_piece(request, 1, more=False, payload=b"b")])

    assert events == [coap.Unanswered(token=token)]


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
