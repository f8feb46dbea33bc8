"""DL/T 645-2007 as a line speaks it: the exchanges of a conversation, and what meters say unasked."""

from compuerta.drivers.model import RoadTiming
from compuerta.drivers.talk import Conversation, Reply
from compuerta.drivers.tongue import Ended, Heard, Speech, Spoken, Stray
from compuerta.wire import dlt645

# The longest request of the money path; its time on the wire is added to the patience.
REQUEST_BYTES = 50
WRITE_BYTES = 28  # of a write beside its value, which may be longer than that: a tariff's tables
STATUS_WORDS = 0x040005FF
STATUS_BYTES = 14
# The vendor's order number is not proven to be checked by every meter: these are never repeated unread.
_NEVER_REPEATED = (dlt645.VendorRecharge, dlt645.VendorRefund)


def in_dlt645(conversation: Conversation, *, meter_no: str) -> Speech:
    """Return a conversation with the meter of this number, ready for a line."""
    return Spoken(conversation, Dlt645(meter_no))


class Dlt645:
    """This will carry requests to the meter of one number; see `Tongue`."""

    def __init__(self, meter_no: str) -> None:
        self._meter_no = meter_no

    def session(self, timing: RoadTiming) -> "Dlt645Session":
        """See `Tongue`."""
        return Dlt645Session(self._meter_no, timing)

    def request_bytes(self, request: dlt645.Request) -> int:
        """See `Tongue`."""
        value = request.value if isinstance(request, dlt645.WriteRegister) else b""
        return max(REQUEST_BYTES, WRITE_BYTES + len(value))

    def is_repeatable(self, request: dlt645.Request) -> bool:
        """See `Tongue`."""
        return not isinstance(request, _NEVER_REPEATED)

    def silence(self, request: dlt645.Request) -> Reply:
        """See `Tongue`."""
        return dlt645.Silent(request=request)


class Dlt645Session:
    """This will carry one exchange; see `Session`."""

    def __init__(self, meter_no: str, timing: RoadTiming) -> None:
        self._master = dlt645.MasterSession(
            address=meter_no,
            timing=dlt645.Timing(
                first_byte_ms=timing.first_byte_ms, gap_ms=timing.gap_ms, tries_max=timing.tries_max
            ),
        )

    def send(self, request: dlt645.Request, *, now_ms: int) -> bytes:
        """See `Session`."""
        return self._master.send(request, now_ms=now_ms)

    def receive(self, data: bytes, *, now_ms: int) -> list[Ended[Reply] | Stray]:
        """See `Session`."""
        told: list[Ended[Reply] | Stray] = []
        for event in self._master.receive(data, now_ms=now_ms):
            match event:
                case dlt645.Replied():
                    heard = Heard(meter_no=event.meter_no, words=_words_of(event.answer))
                    told.append(Ended(reply=event.answer, heard=heard))
                case dlt645.Silent():
                    told.append(Ended(reply=event, heard=Heard(meter_no=None)))
                case dlt645.Stray():
                    told.append(_stray(event.frame))
                case dlt645.Sent():
                    pass  # only a broadcast is not answered, and no conversation broadcasts
        return told

    def wake_at_ms(self) -> int | None:
        """See `Session`."""
        return self._master.wake_at_ms()

    def wake(self, now_ms: int) -> bytes:
        """See `Session`."""
        return self._master.wake(now_ms)


class Dlt645Ear:
    """This will hear meters that speak unasked; see `Ear`."""

    def __init__(self) -> None:
        self._deframer = dlt645.Deframer()

    def receive(self, data: bytes, *, now_ms: int) -> list[Stray]:
        """See `Ear`."""
        return [_stray(frame) for frame in self._deframer.receive(data, now_ms=now_ms)]


def _stray(frame: dlt645.Frame) -> Stray:
    if not frame.control & dlt645.ANSWER_BIT:
        return Stray(meter_no=None)
    return Stray(meter_no=frame.address, words=_words_of(dlt645.parse_answer(frame)))


def _words_of(answer: dlt645.Answer) -> bytes:
    """Return the status words of an answer that has all of them, and b"" for any other."""
    is_words = isinstance(answer, dlt645.RegisterAnswer) and answer.di == STATUS_WORDS and not answer.more
    if not is_words or not isinstance(answer, dlt645.RegisterAnswer):
        return b""
    return answer.payload if len(answer.payload) == STATUS_BYTES else b""
