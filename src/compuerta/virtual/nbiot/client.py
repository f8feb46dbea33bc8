"""The device's side of LwM2M, bytes in and bytes out: it registers, tells what its meter says, and is asked.

What it is told by object 19 goes to the meter behind it, and what the meter says goes back as notices. It
also lets itself be read by the objects that the OMA registry has for meters; it never lets itself be switched
by them, since nothing there says who may.
"""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from compuerta.wire import coap
from compuerta.wire.lwm2m import objects, senml, tlv
from compuerta.wire.lwm2m.objects import ContentFormat, Path
from compuerta.wire.lwm2m.registration import Registration, links_to, queries_of
from compuerta.wire.lwm2m.values import Plain

TELLING_MAX: Final = 8  # frames that wait for the one in the air; a meter's modem has no more room
OBSERVE_NO_MAX: Final = 0xFFFFFF  # RFC 7641 3.4
# Of narrow radio that is awake; a platform that was restarted is found again within fifteen seconds.
TIMING: Final = coap.Timing(ack_ms=2_000, asked_again_max=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceSetup:
    """What a device is, and whose values it shows."""

    name: str
    lifetime_s: int
    sleeps: bool
    values: Callable[[], Mapping[str, Plain]]  # by path, such as "/3331/0/5805"


class NbDevice:
    """Will be one LwM2M client over one road; it owns no socket and no clock."""

    def __init__(self, setup: DeviceSetup, *, salt: bytes) -> None:
        self._setup = setup
        self._session = coap.CoapSession(salt=salt, timing=TIMING)
        self._location: Path = ()
        self._asking = b""  # the token of a registration or update in the air
        self._watcher = b""  # the token of who watches what the meter says
        self._observe_no = 0
        self._telling: deque[bytes] = deque(maxlen=TELLING_MAX)

    @property
    def is_registered(self) -> bool:
        """Whether the platform has let it in, as far as it knows."""
        return bool(self._location)

    @property
    def is_watched(self) -> bool:
        """Whether somebody hears what its meter says."""
        return bool(self._watcher)

    @property
    def is_quiet(self) -> bool:
        """Whether nothing of it is in the air."""
        return not self._session.is_waiting

    def contact(self, *, now_ms: int) -> None:
        """Say that it is there: by a registration, or by an update of one."""
        if self._location:
            request = coap.Request(code=coap.Code.POST, path=self._location)
        else:
            self._watcher = b""
            about = Registration(
                name=self._setup.name,
                lifetime_s=self._setup.lifetime_s,
                sleeps=self._setup.sleeps,
                objects=frozenset(objects.path_of(path)[:2] for path in self._setup.values())
                | {objects.SAYS[:2], objects.IS_TOLD[:2]},
            )
            request = coap.Request(
                code=coap.Code.POST,
                path=objects.REGISTRATION,
                queries=queries_of(about),
                payload=links_to(about.objects),
                content_format=ContentFormat.LINK,
            )
        self._asking = self._session.send(request, now_ms=now_ms)

    def leave(self, *, now_ms: int) -> None:
        """Say farewell."""
        if self._location:
            self._session.send(coap.Request(code=coap.Code.DELETE, path=self._location), now_ms=now_ms)
            self._location = ()

    def tell(self, frame: bytes, *, now_ms: int) -> None:
        """Tell what the meter says; where nobody listens it is lost, as on any wire."""
        if self._watcher:
            self._telling.append(frame)
            self._tell_next(now_ms=now_ms)

    def receive(self, datagram: bytes, *, now_ms: int) -> list[bytes]:
        """Take a datagram; returns the frames that the meter is told."""
        try:
            events = self._session.receive(datagram, now_ms=now_ms)
        except coap.ProtocolError:
            return []
        frames = [frame for event in events for frame in self._take(event, now_ms=now_ms)]
        self._tell_next(now_ms=now_ms)
        return frames

    def take_datagrams(self) -> list[bytes]:
        """Return what is to be sent now."""
        return self._session.take_datagrams()

    def wake_at_ms(self) -> int | None:
        """When to call `wake`."""
        return self._session.wake_at_ms()

    def wake(self, *, now_ms: int) -> None:
        """Ask or tell again; a platform that is silent is registered with anew."""
        for event in self._session.wake(now_ms=now_ms):
            self._take(event, now_ms=now_ms)
        self._tell_next(now_ms=now_ms)

    def _tell_next(self, *, now_ms: int) -> None:
        if self._telling and self._watcher and not self._session.is_waiting:
            self._observe_no = (self._observe_no + 1) & OBSERVE_NO_MAX
            self._session.notify(
                self._watcher,
                no=self._observe_no,
                payload=self._telling.popleft(),
                content_format=ContentFormat.OPAQUE,
                now_ms=now_ms,
            )

    def _take(self, event: coap.Event, *, now_ms: int) -> list[bytes]:
        match event:
            case coap.Asked():
                return self._take_asked(event, now_ms=now_ms)
            case coap.Answered() if event.token == self._asking:
                if event.code == coap.Code.CREATED:
                    self._location = event.location
                elif event.code != coap.Code.CHANGED:
                    self._location = ()
            case coap.Unanswered():
                self._location = ()
                self._telling.clear()
            case _:
                pass
        return []

    def _take_asked(self, asked: coap.Asked, *, now_ms: int) -> list[bytes]:
        answer = self._session.answer
        if asked.path == objects.IS_TOLD and asked.code == coap.Code.PUT:
            answer(asked, coap.Code.CHANGED)
            return [asked.payload]
        if asked.path == objects.SAYS and asked.code == coap.Code.GET:
            self._take_watcher(asked)
        elif asked.path == objects.UPDATE_TRIGGER and asked.code == coap.Code.POST:
            answer(asked, coap.Code.CHANGED)
            self.contact(now_ms=now_ms)
        elif asked.code == coap.Code.GET:
            self._show(asked)
        else:
            answer(asked, coap.Code.METHOD_NOT_ALLOWED)
        return []

    def _take_watcher(self, asked: coap.Asked) -> None:
        if asked.observe == 0:
            self._watcher = asked.message.token
        elif asked.observe == 1:
            self._watcher = b""
        self._session.answer(
            asked,
            coap.Code.CONTENT,
            content_format=ContentFormat.OPAQUE,
            observe_no=self._observe_no if asked.observe == 0 else None,
        )

    def _show(self, asked: coap.Asked) -> None:
        """Answer a read of an object, an instance or one resource."""
        found = {
            path: value
            for path, value in self._setup.values().items()
            if objects.path_of(path)[: len(asked.path)] == asked.path
        }
        if not found:
            self._session.answer(asked, coap.Code.NOT_FOUND)
            return
        match asked.accept:
            case ContentFormat.SENML_JSON:
                payload = senml.to_json(found)
            case ContentFormat.SENML_CBOR:
                payload = senml.to_cbor(found)
            case ContentFormat.TLV | None:
                payload = _tlv(found)
            case _:
                self._session.answer(asked, coap.Code.NOT_ACCEPTABLE)
                return
        form = ContentFormat.TLV if asked.accept is None else asked.accept
        self._session.answer(asked, coap.Code.CONTENT, payload=payload, content_format=form)


def _tlv(values: Mapping[str, Plain]) -> bytes:
    """Write the resources of one instance."""
    return tlv.encode(
        [
            tlv.Entry(holds=tlv.Holds.RESOURCE, number=int(objects.path_of(path)[2]), value=_octets(value))
            for path, value in sorted(values.items())
        ]
    )


def _octets(value: Plain) -> bytes:
    if isinstance(value, int):
        return tlv.integer_to(value)
    return value if isinstance(value, bytes) else str(value).encode()
