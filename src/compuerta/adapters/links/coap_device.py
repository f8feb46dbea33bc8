"""One NB-IoT device that speaks LwM2M to us: it registers, sleeps, wakes, and carries its meter's frames.

Frames travel in object 19: what the meter says is watched at /19/0/0, what it is told is written to /19/1/0.
Nothing waits here for a sleeper: while it sleeps it has no link, so that nothing is claimed for it; any word
of it opens the link again, and the link is lost as `ASLEEP` when its radio has closed.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from compuerta.adapters.links.device_link import DeviceLink
from compuerta.adapters.links.roadhead import ASLEEP
from compuerta.domain.road import RoadSign
from compuerta.services.link_port import Link
from compuerta.wire import coap
from compuerta.wire.lwm2m import objects, tlv
from compuerta.wire.lwm2m.objects import ContentFormat
from compuerta.wire.lwm2m.registration import Registration
from compuerta.wire.lwm2m.values import ProtocolError

FRAME_BYTES_MAX: Final = 512  # of one datagram; the longest frame of DL/T 645-2007 has 216
SIGN_EVERY_S: Final = 3_600  # its signal is asked for so often: each question costs battery
SIGN_AGAIN_S: Final = 60  # a conversation that begins meanwhile puts the question off
QUIET_S: Final = 1.0  # then nobody converses
_RSRP, _CELL, _SNR = 2, 8, 11  # resources of object 4
_SIGNS: Final = frozenset({_RSRP, _CELL, _SNR})


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """A device as it is known since it registered."""

    location: str  # what it names itself by from then on: /rd/LOCATION
    endpoint_id: str
    registration: Registration
    contact_s: int | None  # a sleeper says something at least so often; None = always awake


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """What a device needs of who has the socket."""

    clock: Callable[[], float]  # monotonic seconds
    opened: Callable[[str, Link], None]
    flush: Callable[[], None]  # the session has something to be sent
    window_s: float  # a sleeper's radio closes so long after the last word between us


class Device:
    """This will hold one device's visit over one session; who has the socket drives it."""

    def __init__(self, visit: Visit, session: coap.CoapSession, host: Host) -> None:
        self.visit = visit
        self._session = session
        self._host = host
        self._heard_s = self._spoke_s = host.clock()
        self._sign_due_s = 0.0
        self._watching = b""  # the token by which it tells what its meter says
        self._is_watched = False
        self._sign_token = b""
        self._link: DeviceLink | None = None

    @property
    def is_reached(self) -> bool:
        """Whether there is a road to it now."""
        return self._link is not None

    @property
    def sleeps(self) -> bool:
        """Whether it may only be spoken to shortly after it has spoken."""
        return self.visit.registration.sleeps or self.visit.contact_s is not None

    @property
    def silence_s(self) -> int:
        """How long it may be silent: as it said itself, or as it was entered."""
        lifetime_s = self.visit.registration.lifetime_s
        return lifetime_s if self.visit.contact_s is None else min(lifetime_s, self.visit.contact_s)

    def watch(self) -> None:
        """Ask it to tell what its meter says; its road is open when it agrees."""
        self._is_watched = False
        self._watching = self._ask(
            coap.Request(code=coap.Code.GET, path=objects.SAYS, accept=ContentFormat.OPAQUE, observe=0)
        )

    def contact(self) -> None:
        """Learn that it has said anything at all: its radio is open now."""
        self._heard_s = self._host.clock()
        if self._is_watched and self._link is None:
            self._open()

    def answered(self, event: coap.Answered, *, at: datetime) -> RoadSign | None:
        """Take an answer or a notice; returns what it tells of its signal."""
        if event.token == self._watching:
            self._take_said(event)
        elif event.token == self._sign_token:
            self._sign_due_s = self._host.clock() + SIGN_EVERY_S
            return sign_in(event.payload, at=at) if event.code == coap.Code.CONTENT else None
        return None

    def unanswered(self, event: coap.Unanswered) -> None:
        """Learn that it did not answer; a sleeper is asleep again, and silence tells of who is awake."""
        if event.token == self._watching:
            self._is_watched = False
            self.lose("not_watched")
        elif self.sleeps and not event.reset and event.token != self._sign_token:
            self.lose(ASLEEP)

    def sweep(self) -> bool:
        """Close the road of who sleeps again, and ask who is quiet; returns whether the visit is over."""
        now_s = self._host.clock()
        quiet_s = now_s - max(self._heard_s, self._spoke_s)
        if self.sleeps and quiet_s > self._host.window_s and not self._session.is_waiting:
            self.lose(ASLEEP)
        # Who falls asleep is asked while its radio is surely open.
        elif quiet_s >= QUIET_S and not (self.sleeps and quiet_s > self._host.window_s / 2):
            self._ask_for_sign(now_s=now_s)
        return now_s - self._heard_s > self.visit.registration.lifetime_s

    def lose(self, reason: str) -> None:
        """End the road; the visit goes on."""
        link, self._link = self._link, None
        if link is not None:
            link.lose(reason)

    def _ask_for_sign(self, *, now_s: float) -> None:
        """Ask for its signal, where it has told that it knows it and nothing else is in the air."""
        knows = self.visit.registration.has(objects.SIGNAL[0])
        if knows and self.is_reached and now_s >= self._sign_due_s and not self._session.is_waiting:
            self._sign_due_s = now_s + SIGN_AGAIN_S
            self._sign_token = self._ask(
                coap.Request(code=coap.Code.GET, path=objects.SIGNAL, accept=ContentFormat.TLV)
            )

    def _take_said(self, event: coap.Answered) -> None:
        if event.code >= coap.Code.BAD_REQUEST:
            self._is_watched = False
            self.lose("not_watched")
            return
        was_watched, self._is_watched = self._is_watched, True
        if self._link is None:
            self._open()
        # The first answer repeats what was said last: it belongs to nobody's question (RFC 7641 3.1).
        if was_watched and self._link is not None:
            self._link.ear.hear(frame_in(event.payload, event.content_format))

    def _open(self) -> None:
        self._link = DeviceLink(write=self._write, shut=self.lose)
        self._host.opened(self.visit.endpoint_id, self._link)

    def _write(self, frame: bytes) -> None:
        if len(frame) > FRAME_BYTES_MAX:
            return  # nothing of ours is so long; the silence tells
        self._spoke_s = self._host.clock()
        self._ask(
            coap.Request(
                code=coap.Code.PUT,
                path=objects.IS_TOLD,
                payload=frame,
                content_format=ContentFormat.OPAQUE,
            )
        )

    def _ask(self, request: coap.Request) -> bytes:
        token = self._session.send(request, now_ms=int(self._host.clock() * 1_000))
        self._host.flush()
        return token


def frame_in(payload: bytes, content_format: int | None) -> bytes:
    """Take the bytes out of what a device tells: bare, or as the one resource of a TLV."""
    if content_format != ContentFormat.TLV:
        return payload
    try:
        return b"".join(entry.value for entry in tlv.decode(payload))
    except ProtocolError:
        return b""


def sign_in(payload: bytes, *, at: datetime) -> RoadSign | None:
    """Read object 4; None where it tells nothing that can be read."""
    try:
        entries = tlv.decode(payload)
        if len(entries) == 1 and entries[0].entries:
            entries = entries[0].entries
        found = {entry.number: tlv.integer_of(entry.value) for entry in entries if entry.number in _SIGNS}
    except ProtocolError:
        return None
    if not found:
        return None
    cell = found.get(_CELL)
    return RoadSign(
        at=at,
        rsrp_dbm=found.get(_RSRP),
        snr_db=found.get(_SNR),
        cell=None if cell is None else str(cell),
    )
