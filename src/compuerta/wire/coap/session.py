"""What two CoAP ends say to each other, without a socket: asking again, answering once, pieces of a body.

Both ends are the same object: a platform asks meters and is asked by them. It is given datagrams and the
time, and gives events and datagrams. One request is in the air at a time (RFC 7252 4.7, NSTART = 1); a new
one takes the place of one that is still asked for, so that nothing is sent that nobody waits for any more.

Randomness is `salt`: tokens and message numbers are drawn from it, and nobody who has not read them can say
the next.
"""

from collections import OrderedDict
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Final

from compuerta.wire.coap.message import Code, Kind, Message, ProtocolError, decode, encode
from compuerta.wire.coap.options import (
    Block,
    Option,
    block_of,
    block_to,
    number_of,
    number_to,
    texts_of,
    texts_to,
)

REMEMBERED_MAX: Final = 32  # messages of the other end whose answers are kept, to say them once more
REMEMBERED_MS: Final = 247_000  # RFC 7252 4.8.2, EXCHANGE_LIFETIME
OBSERVED_MAX: Final = 8  # things that are watched at one end
BODY_BYTES_MAX: Final = 4_096  # that comes in pieces; a meter's list of objects is a quarter of it
BODY_MS_MAX: Final = 93_000  # between two pieces (RFC 7252 4.8.2, MAX_TRANSMIT_WAIT)
_TOKEN_BYTES: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """How patient an end is; the usual values are for NB-IoT, where an answer may take ten seconds."""

    ack_ms: int = 4_000  # RFC 7252 4.8 has 2 s, which asks twice for every answer on narrow radio
    asked_again_max: int = 3
    answer_ms: int = 30_000  # for an answer that comes apart from its acknowledgement (5.2.2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Something to be asked for."""

    code: Code
    path: tuple[str, ...]
    queries: tuple[str, ...] = ()
    payload: bytes = b""
    content_format: int | None = None
    accept: int | None = None
    observe: int | None = None  # 0 = tell me of every change, 1 = no longer (RFC 7641 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The other end asks; answer it with `answer`."""

    message: Message
    code: int
    path: tuple[str, ...]
    queries: tuple[str, ...]
    payload: bytes
    content_format: int | None
    accept: int | None
    observe: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """An answer, or what a thing that is watched has become."""

    token: bytes
    code: int
    payload: bytes
    content_format: int | None
    observe_no: int | None = None
    location: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Unanswered:
    """Nobody answers, or the other end knows nothing of it (a reset)."""

    token: bytes
    reset: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Strayed:
    """An answer to what was never asked here; the other end was told so (RFC 7252 4.2)."""

    token: bytes


Event = Asked | Answered | Unanswered | Strayed


@dataclass(slots=True, kw_only=True)
class _Outstanding:
    """A request or notice in the air."""

    token: bytes
    message_id: int
    datagram: bytes
    request: Request | None  # None: a notice, which is done when it is acknowledged
    wake_at_ms: int
    wait_ms: int
    asked_again: int = 0
    acknowledged: bool = False


@dataclass(slots=True, kw_only=True)
class _Body:
    """A body that comes in pieces."""

    octets: bytearray = field(default_factory=bytearray)
    until_ms: int = 0


class CoapSession:
    """One end of one road between two CoAP ends."""

    def __init__(self, *, salt: bytes, timing: Timing | None = None) -> None:
        self._salt = salt
        self._timing = timing or Timing()
        self._drawn = 0
        self._message_id = int.from_bytes(self._draw()[:2], "big")
        self._outgoing: list[bytes] = []
        self._outstanding: _Outstanding | None = None
        self._observed: OrderedDict[bytes, None] = OrderedDict()
        # By the other end's message numbers: until when, and what was answered (b"" = nothing yet).
        self._remembered: OrderedDict[int, tuple[int, bytes]] = OrderedDict()
        self._asked_body: tuple[tuple[str, ...], _Body] | None = None
        self._answered_body: tuple[bytes, _Body] | None = None

    # out -----------------------------------------------------------------------------------------------

    @property
    def is_waiting(self) -> bool:
        """Whether a request or notice is in the air."""
        return self._outstanding is not None

    def send(self, request: Request, *, now_ms: int) -> bytes:
        """Ask, and return the token that the answer will bear; what was asked for before is given up."""
        token = self._draw()[:_TOKEN_BYTES]
        if request.observe == 0:
            self._observed[token] = None
            while len(self._observed) > OBSERVED_MAX:
                self._observed.popitem(last=False)
        self._send_request(request, token, now_ms=now_ms)
        return token

    def notify(self, token: bytes, *, no: int, payload: bytes, content_format: int, now_ms: int) -> None:
        """Tell who watches what has become of a thing (RFC 7641 4.2), and be sure that it is heard."""
        message = Message(
            kind=Kind.CON,
            code=Code.CONTENT,
            message_id=self._next_id(),
            token=token,
            options=(
                (Option.OBSERVE, number_to(no)),
                (Option.CONTENT_FORMAT, number_to(content_format)),
            ),
            payload=payload,
        )
        self._put_in_the_air(message, request=None, now_ms=now_ms)

    def answer(
        self,
        asked: Asked,
        code: Code,
        *,
        payload: bytes = b"",
        content_format: int | None = None,
        location: tuple[str, ...] = (),
        observe_no: int | None = None,
    ) -> None:
        """Answer what was asked, at once and with its acknowledgement (RFC 7252 5.2.1)."""
        options = texts_to(Option.LOCATION_PATH, location)
        if content_format is not None:
            options += ((Option.CONTENT_FORMAT, number_to(content_format)),)
        if observe_no is not None:
            options += ((Option.OBSERVE, number_to(observe_no)),)
        self._answer(asked.message, code, options=options, payload=payload)

    def give_up(self) -> None:
        """Ask no more for what is in the air."""
        self._outstanding = None

    def take_datagrams(self) -> list[bytes]:
        """Return what is to be sent now, in order."""
        outgoing, self._outgoing = self._outgoing, []
        return outgoing

    # in ------------------------------------------------------------------------------------------------

    def receive(self, datagram: bytes, *, now_ms: int) -> list[Event]:
        """Take a datagram; refuses with `ProtocolError` what is none of CoAP's."""
        message = decode(datagram)
        if message.code == Code.EMPTY:
            return self._take_empty(message, now_ms=now_ms)
        if message.kind is Kind.RST or (message.kind is Kind.ACK and message.is_request):
            raise ProtocolError("a reset or acknowledgement that asks", octets=datagram[:4])  # 4.2, table 1
        if message.kind in (Kind.CON, Kind.NON) and self._is_repeated(message, now_ms=now_ms):
            return []
        return (
            self._take_request(message, now_ms) if message.is_request else self._take_answer(message, now_ms)
        )

    def wake_at_ms(self) -> int | None:
        """When to call `wake`; None = only bytes bring news."""
        return None if self._outstanding is None else self._outstanding.wake_at_ms

    def wake(self, *, now_ms: int) -> list[Event]:
        """Ask again for what nobody has answered, each time twice as patiently (RFC 7252 4.2)."""
        waiting = self._outstanding
        if waiting is None or now_ms < waiting.wake_at_ms:
            return []
        if waiting.acknowledged or waiting.asked_again >= self._timing.asked_again_max:
            self._outstanding = None
            self._observed.pop(waiting.token, None)
            return [Unanswered(token=waiting.token)]
        waiting.asked_again += 1
        waiting.wait_ms *= 2
        waiting.wake_at_ms = now_ms + waiting.wait_ms
        self._outgoing.append(waiting.datagram)
        return []

    # requests of ours ----------------------------------------------------------------------------------

    def _send_request(
        self, request: Request, token: bytes, *, now_ms: int, block: Block | None = None
    ) -> None:
        options = texts_to(Option.URI_PATH, request.path) + texts_to(Option.URI_QUERY, request.queries)
        numbers = (
            (Option.CONTENT_FORMAT, request.content_format),
            (Option.ACCEPT, request.accept),
            (Option.OBSERVE, request.observe if block is None else None),  # RFC 7959 3.4
        )
        options += tuple((int(number), number_to(value)) for number, value in numbers if value is not None)
        if block is not None:
            options += ((int(Option.BLOCK2), block_to(block)),)
        message = Message(
            kind=Kind.CON,
            code=request.code,
            message_id=self._next_id(),
            token=token,
            options=options,
            payload=request.payload,
        )
        self._put_in_the_air(message, request=request, now_ms=now_ms)

    def _put_in_the_air(self, message: Message, *, request: Request | None, now_ms: int) -> None:
        datagram = encode(message)
        # RFC 7252 4.8: between one and one and a half times, so that a cell does not speak all at once.
        wait_ms = self._timing.ack_ms * (256 + self._draw()[0] // 2) // 256
        self._outstanding = _Outstanding(
            token=message.token,
            message_id=message.message_id,
            datagram=datagram,
            request=request,
            wake_at_ms=now_ms + wait_ms,
            wait_ms=wait_ms,
        )
        self._outgoing.append(datagram)

    def _take_empty(self, message: Message, *, now_ms: int) -> list[Event]:
        waiting = self._outstanding
        if message.kind is Kind.CON:  # RFC 7252 4.3: a ping is answered by a reset
            self._say_empty(Kind.RST, message.message_id)
            return []
        if waiting is None or waiting.message_id != message.message_id:
            return []
        if message.kind is Kind.RST:
            self._outstanding = None
            self._observed.pop(waiting.token, None)
            return [Unanswered(token=waiting.token, reset=True)]
        if waiting.request is None:
            self._outstanding = None
        else:
            waiting.acknowledged = True
            waiting.wake_at_ms = now_ms + self._timing.answer_ms
        return []

    def _take_answer(self, message: Message, now_ms: int) -> list[Event]:
        waiting = self._outstanding
        is_awaited = waiting is not None and waiting.request is not None and waiting.token == message.token
        if message.kind is Kind.ACK and (waiting is None or waiting.message_id != message.message_id):
            return []  # of an exchange that was given up
        if not is_awaited and message.token not in self._observed:
            self._remember(message, b"", now_ms=now_ms)
            self._say_empty(Kind.RST, message.message_id)
            return [Strayed(token=message.token)]
        if message.kind is Kind.CON:
            self._remember(message, self._say_empty(Kind.ACK, message.message_id), now_ms=now_ms)
        elif message.kind is Kind.NON:
            self._remember(message, b"", now_ms=now_ms)
        if is_awaited and waiting is not None:
            self._outstanding = None
            return self._take_piece(message, waiting, now_ms=now_ms)
        return [_answered(message, message.payload)]

    def _take_piece(self, message: Message, waiting: _Outstanding, *, now_ms: int) -> list[Event]:
        """Take an answer, or ask for its next piece (RFC 7959 2.4); pieces out of order end it."""
        block = block_of(message, Option.BLOCK2)
        is_first = block is None or block.no == 0
        if message.code >= Code.BAD_REQUEST or (is_first and number_of(message, Option.OBSERVE) is None):
            self._observed.pop(message.token, None)  # RFC 7641 3.1: nobody watches there
        if block is None or (block.no == 0 and not block.more):
            return [_answered(message, message.payload)]
        begun = self._answered_body
        body = begun[1] if begun is not None and begun[0] == message.token else _Body()
        self._answered_body = None
        too_long = len(body.octets) + len(message.payload) > BODY_BYTES_MAX
        if too_long or block.no * block.size != len(body.octets) or waiting.request is None:
            return [Unanswered(token=message.token)]
        body.octets += message.payload
        if not block.more:
            return [_answered(message, bytes(body.octets))]
        if len(message.payload) != block.size:
            return [Unanswered(token=message.token)]
        self._answered_body = (message.token, body)
        following = replace(block, no=block.no + 1, more=False)
        self._send_request(waiting.request, message.token, now_ms=now_ms, block=following)
        return []

    # requests of theirs --------------------------------------------------------------------------------

    def _is_repeated(self, message: Message, *, now_ms: int) -> bool:
        """Tell whether it was taken already, and say the same answer once more (RFC 7252 4.5)."""
        while self._remembered and next(iter(self._remembered.values()))[0] <= now_ms:
            self._remembered.popitem(last=False)
        known = self._remembered.get(message.message_id)
        if known is None:
            return False
        if known[1] and message.kind is Kind.CON:
            self._outgoing.append(known[1])
        return True

    def _take_request(self, message: Message, now_ms: int) -> list[Event]:
        self._remember(message, b"", now_ms=now_ms)
        try:
            path, queries = texts_of(message, Option.URI_PATH), texts_of(message, Option.URI_QUERY)
            block = block_of(message, Option.BLOCK1)
            known = {int(each) for each in Option}
            if any(number & 1 and number not in known for number, _ in message.options):
                raise ProtocolError("a critical option that is not known")  # RFC 7252 5.4.1
        except ProtocolError:
            self._answer(message, Code.BAD_OPTION)
            return []
        payload = message.payload
        if block is not None:
            whole = self._take_body(message, path, block, now_ms=now_ms)
            if whole is None:
                return []
            payload = whole
        return [
            Asked(
                message=message,
                code=message.code,
                path=path,
                queries=queries,
                payload=payload,
                content_format=number_of(message, Option.CONTENT_FORMAT),
                accept=number_of(message, Option.ACCEPT),
                observe=number_of(message, Option.OBSERVE),
            )
        ]

    def _take_body(
        self, message: Message, path: tuple[str, ...], block: Block, *, now_ms: int
    ) -> bytes | None:
        """Take a piece of what is asked with; None until the last is there, or when it was refused."""
        begun, self._asked_body = self._asked_body, None
        if block.no == 0:
            body = _Body()
        elif begun is not None and begun[0] == path and now_ms < begun[1].until_ms:
            body = begun[1]
        else:
            self._answer(message, Code.INCOMPLETE)  # RFC 7959 2.9.2
            return None
        if len(body.octets) + len(message.payload) > BODY_BYTES_MAX:
            most = ((int(Option.SIZE1), number_to(BODY_BYTES_MAX)),)
            self._answer(message, Code.TOO_LARGE, options=most)  # RFC 7959 4
            return None
        fits = block.no * block.size == len(body.octets) and len(message.payload) <= block.size
        if not fits or (block.more and len(message.payload) != block.size):
            self._answer(message, Code.INCOMPLETE)
            return None
        body.octets += message.payload
        if not block.more:
            return bytes(body.octets)
        body.until_ms = now_ms + BODY_MS_MAX
        self._asked_body = (path, body)
        self._answer(message, Code.CONTINUE, options=((int(Option.BLOCK1), block_to(block)),))
        return None

    def _answer(
        self,
        request: Message,
        code: Code,
        *,
        options: tuple[tuple[int, bytes], ...] = (),
        payload: bytes = b"",
    ) -> None:
        is_confirmed = request.kind is Kind.CON
        block = next((value for number, value in request.options if number == Option.BLOCK1), None)
        # With a refusal it would be read as the wish for smaller pieces (RFC 7959 2.9.3).
        if block is not None and code is not Code.CONTINUE and code < Code.BAD_REQUEST:
            options += ((int(Option.BLOCK1), block),)
        datagram = encode(
            Message(
                kind=Kind.ACK if is_confirmed else Kind.NON,
                code=code,
                message_id=request.message_id if is_confirmed else self._next_id(),
                token=request.token,
                options=options,
                payload=payload,
            )
        )
        if request.message_id in self._remembered:
            self._remembered[request.message_id] = (self._remembered[request.message_id][0], datagram)
        self._outgoing.append(datagram)

    # small parts ---------------------------------------------------------------------------------------

    def _remember(self, message: Message, datagram: bytes, *, now_ms: int) -> None:
        self._remembered[message.message_id] = (now_ms + REMEMBERED_MS, datagram)
        while len(self._remembered) > REMEMBERED_MAX:
            self._remembered.popitem(last=False)

    def _say_empty(self, kind: Kind, message_id: int) -> bytes:
        datagram = encode(Message(kind=kind, code=Code.EMPTY, message_id=message_id))
        self._outgoing.append(datagram)
        return datagram

    def _next_id(self) -> int:
        self._message_id = (self._message_id + 1) & 0xFFFF
        return self._message_id

    def _draw(self) -> bytes:
        self._drawn += 1
        return sha256(self._salt + self._drawn.to_bytes(8, "big")).digest()


def _answered(message: Message, payload: bytes) -> Answered:
    return Answered(
        token=message.token,
        code=message.code,
        payload=payload,
        content_format=number_of(message, Option.CONTENT_FORMAT),
        observe_no=number_of(message, Option.OBSERVE),
        location=texts_of(message, Option.LOCATION_PATH),
    )
