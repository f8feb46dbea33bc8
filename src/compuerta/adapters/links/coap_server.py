"""Where NB-IoT devices come in: LwM2M registrations, and a `Link` for each device while it is awake.

Datagrams come from a carrier, plain UDP or DTLS, which knows addresses and, behind DTLS, who the peer has
proven to be. A device is let in by the name that is entered for its end; behind DTLS only by its own.
"""

import asyncio
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from secrets import token_bytes, token_hex
from typing import Final

from compuerta.adapters.links.coap_device import Device, Host, Visit
from compuerta.adapters.links.roadhead import UNKNOWN, Keeper, Refusals
from compuerta.domain.road import RoadSign
from compuerta.services.records import Endpoint
from compuerta.wire import coap
from compuerta.wire.lwm2m import objects
from compuerta.wire.lwm2m.registration import (
    Registration,
    RegistrationMalformed,
    fields_of,
    lifetime_of,
    registration_of,
)

CALLER_S_MAX: Final = 60.0  # one that is not registered is forgotten after so much silence


@dataclass(frozen=True, slots=True, kw_only=True)
class CoapLimits:
    """The bounds of one server; each protects against a device, or nobody of ours, that misbehaves."""

    callers_max: int = 20_000
    # Who has not registered; of more, the one heard longest ago makes room.
    unregistered_max: int = 1_000
    datagrams_max: int = 40  # of one caller between two sweeps; a conversation has some six a second
    sweep_s: float = 1.0
    # T3324 of the modems: how long a sleeper's radio stays open after the last word.
    window_s: float = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where datagrams come from, and how answers go back."""

    address: Hashable  # of the carrier's; one caller has one
    host: str  # of it, for alarms
    identity: str | None  # that the peer has proven; None where nothing is proven
    send: Callable[[bytes], None]
    close: Callable[[], None]  # nobody here speaks with it any more


@dataclass(slots=True, kw_only=True, eq=False)
class _Caller:
    source: Source
    session: coap.CoapSession
    heard_s: float
    device: Device | None = None
    timer: asyncio.TimerHandle | None = None
    datagrams: int = 0  # since the last sweep


class CoapServer:
    """This will let devices register and give each a `Link` while it is awake; it owns no socket."""

    def __init__(self, keeper: Keeper, refusals: Refusals, *, limits: CoapLimits | None = None) -> None:
        self._keeper = keeper
        self._refusals = refusals
        self._limits = limits or CoapLimits()
        self._loop = asyncio.get_running_loop()
        self._ends: Mapping[str, Endpoint] = {}
        self._callers: dict[Hashable, _Caller] = {}
        self._unregistered: dict[Hashable, None] = {}  # who was heard longest ago comes first
        self._visits: dict[str, _Caller] = {}  # by location
        self._by_endpoint: dict[str, _Caller] = {}
        self._sweep_timer = self._loop.call_later(self._limits.sweep_s, self._sweep)

    def learn(self, ends: Mapping[str, Endpoint]) -> None:
        """Take over who may register, by name; who may no longer is put out."""
        self._ends = ends
        entered = {end.endpoint_id: end for end in ends.values()}
        for endpoint_id, caller in list(self._by_endpoint.items()):
            if endpoint_id not in entered:
                self._leave(caller, "not_entered")

    def hear(self, source: Source, datagram: bytes) -> None:
        """Take a datagram; what is no CoAP, too much, or asks for nothing of ours is counted."""
        caller = self._callers.get(source.address) or self._arrive(source)
        if caller is None:
            return
        caller.datagrams += 1
        if caller.datagrams > self._limits.datagrams_max:
            if caller.datagrams == self._limits.datagrams_max + 1:
                self._refusals.note(self._name_of(caller), why="coap_flood")
            return
        try:
            events = caller.session.receive(datagram, now_ms=self._now_ms())
        except coap.ProtocolError:
            self._refusals.note(self._name_of(caller), why="coap_malformed")
            return
        self._heard(caller)
        for event in events:
            self._take(caller, event)
        self._flush(caller)

    def gone(self, address: Hashable) -> None:
        """Learn from the carrier that a peer has ended its session."""
        caller = self._callers.get(address)
        if caller is not None:
            self._leave(caller, "closed_by_peer")

    def shut(self) -> None:
        """End all roads without telling their listeners."""
        self._sweep_timer.cancel()
        for caller in list(self._callers.values()):
            if caller.timer is not None:
                caller.timer.cancel()
        self._callers.clear()

    # callers -------------------------------------------------------------------------------------------

    def _arrive(self, source: Source) -> _Caller | None:
        if len(self._unregistered) >= self._limits.unregistered_max:
            self._forget(self._callers[next(iter(self._unregistered))])
        if len(self._callers) >= self._limits.callers_max:
            return None
        caller = _Caller(
            source=source, session=coap.CoapSession(salt=token_bytes(16)), heard_s=self._loop.time()
        )
        self._callers[source.address] = caller
        # At once, and not when it says something that can be read: addresses are forged for nothing.
        self._unregistered[source.address] = None
        return caller

    def _heard(self, caller: _Caller) -> None:
        caller.heard_s = self._loop.time()
        if caller.device is not None:
            caller.device.contact()
        else:
            self._unregistered.pop(caller.source.address, None)
            self._unregistered[caller.source.address] = None

    def _forget(self, caller: _Caller) -> None:
        self._callers.pop(caller.source.address, None)
        self._unregistered.pop(caller.source.address, None)
        if caller.timer is not None:
            caller.timer.cancel()
        caller.source.close()

    def _leave(self, caller: _Caller, reason: str) -> None:
        """Let a device go from every table, and tell who listens to it."""
        device, caller.device = caller.device, None
        self._forget(caller)
        if device is not None:
            self._visits.pop(device.visit.location, None)
            if self._by_endpoint.get(device.visit.endpoint_id) is caller:
                del self._by_endpoint[device.visit.endpoint_id]
            device.lose(reason)

    def _name_of(self, caller: _Caller) -> str:
        if caller.device is not None:
            return caller.device.visit.registration.name
        return caller.source.identity or caller.source.host

    # events --------------------------------------------------------------------------------------------

    def _take(self, caller: _Caller, event: coap.Event) -> None:
        match event:
            case coap.Asked():
                self._take_asked(caller, event)
            case coap.Strayed():
                self._refusals.note(self._name_of(caller), why="token_foreign")
            case coap.Answered() if caller.device is not None:
                sign = caller.device.answered(event, at=datetime.now(UTC))
                if sign is not None:
                    self._tell(caller.device, sign)
            case coap.Unanswered() if caller.device is not None:
                caller.device.unanswered(event)
            case _:
                return

    def _take_asked(self, caller: _Caller, asked: coap.Asked) -> None:
        if asked.path[:1] != objects.REGISTRATION or len(asked.path) > 2:
            caller.session.answer(asked, coap.Code.NOT_FOUND)
        elif len(asked.path) == 1:
            self._take_registration(caller, asked)
        elif self._visits.get(asked.path[1]) is None:
            caller.session.answer(asked, coap.Code.NOT_FOUND)  # it registers again: LwM2M 1.1, 6.2.2
        else:
            self._take_word(caller, asked, self._visits[asked.path[1]])

    def _take_registration(self, caller: _Caller, asked: coap.Asked) -> None:
        try:
            registration = registration_of(asked.queries, asked.payload)
        except RegistrationMalformed:
            caller.session.answer(asked, coap.Code.BAD_REQUEST)
            return
        if asked.code != coap.Code.POST:
            caller.session.answer(asked, coap.Code.METHOD_NOT_ALLOWED)
            return
        end = self._ends.get(registration.name)
        proven = caller.source.identity
        if end is None or proven not in (None, registration.name):
            why = UNKNOWN if end is None else "name_foreign"
            self._refusals.note(registration.name, why=why)
            caller.session.answer(asked, coap.Code.FORBIDDEN)
            return
        visit = self._admit(caller, registration, end)
        caller.session.answer(asked, coap.Code.CREATED, location=("rd", visit.location))
        self._begin(caller)

    def _take_word(self, caller: _Caller, asked: coap.Asked, known: _Caller) -> None:
        """Take an update or a farewell; who comes from a new address is taken over there."""
        assert known.device is not None
        visit = known.device.visit
        proven = caller.source.identity
        if proven not in (None, visit.registration.name):
            self._refusals.note(proven or "", why="name_foreign")
            caller.session.answer(asked, coap.Code.NOT_FOUND)
        elif asked.code == coap.Code.DELETE:
            caller.session.answer(asked, coap.Code.DELETED)
            self._flush(caller)
            self._leave(known, "deregistered")
        elif asked.code == coap.Code.POST:
            self._update(caller, asked, known)
        else:
            caller.session.answer(asked, coap.Code.METHOD_NOT_ALLOWED)

    def _update(self, caller: _Caller, asked: coap.Asked, known: _Caller) -> None:
        assert known.device is not None
        visit = known.device.visit
        try:
            lifetime_s = lifetime_of(fields_of(asked.queries))
        except RegistrationMalformed:
            caller.session.answer(asked, coap.Code.BAD_REQUEST)
            return
        registration = visit.registration
        if lifetime_s is not None:
            registration = replace(registration, lifetime_s=lifetime_s)
        caller.session.answer(asked, coap.Code.CHANGED)
        if known is caller:
            known.device.visit = replace(visit, registration=registration)
            self._tell(known.device, RoadSign(at=datetime.now(UTC)))
            return
        end = self._ends.get(registration.name)
        if end is not None:
            self._admit(caller, registration, end, location=visit.location)
            self._begin(caller)

    def _admit(
        self, caller: _Caller, registration: Registration, end: Endpoint, *, location: str | None = None
    ) -> Visit:
        """Let a device in; an earlier visit of the same end, from wherever, is over."""
        earlier = self._by_endpoint.get(end.endpoint_id)
        if earlier is caller and caller.device is not None:
            self._visits.pop(caller.device.visit.location, None)
            caller.device.lose("replaced")
        elif earlier is not None:
            self._leave(earlier, "replaced")
        visit = Visit(
            location=location or token_hex(8),
            endpoint_id=end.endpoint_id,
            registration=registration,
            contact_s=end.contact_s,
        )
        host = Host(
            clock=self._loop.time,
            opened=self._keeper.opened,
            flush=lambda: self._flush(caller),
            window_s=self._limits.window_s,
        )
        caller.device = Device(visit, caller.session, host)
        self._unregistered.pop(caller.source.address, None)
        self._visits[visit.location] = self._by_endpoint[end.endpoint_id] = caller
        return visit

    def _begin(self, caller: _Caller) -> None:
        self._flush(caller)  # the answer first: it does not listen before
        if caller.device is not None:
            caller.device.watch()
            self._tell(caller.device, RoadSign(at=datetime.now(UTC)))

    def _tell(self, device: Device, sign: RoadSign) -> None:
        """Pass on a sign, with the instant until which the device will have said something."""
        until = sign.at + timedelta(seconds=device.silence_s)
        self._keeper.signalled(
            device.visit.endpoint_id,
            replace(sign, next_contact_at=until if device.sleeps else None),
        )

    # time ----------------------------------------------------------------------------------------------

    def _flush(self, caller: _Caller) -> None:
        for datagram in caller.session.take_datagrams():
            caller.source.send(datagram)
        if caller.timer is not None:
            caller.timer.cancel()
            caller.timer = None
        wake_at_ms = caller.session.wake_at_ms()
        if wake_at_ms is not None and caller.source.address in self._callers:
            caller.timer = self._loop.call_at(wake_at_ms / 1_000, self._wake, caller)

    def _wake(self, caller: _Caller) -> None:
        caller.timer = None
        for event in caller.session.wake(now_ms=self._now_ms()):
            self._take(caller, event)
        self._flush(caller)

    def _sweep(self) -> None:
        now_s = self._loop.time()
        for caller in list(self._callers.values()):
            caller.datagrams = 0
            if caller.device is None:
                if now_s - caller.heard_s > CALLER_S_MAX:
                    self._forget(caller)
            elif caller.device.sweep():
                self._leave(caller, "lifetime_over")
        self._sweep_timer = self._loop.call_later(self._limits.sweep_s, self._sweep)

    def _now_ms(self) -> int:
        return int(self._loop.time() * 1_000)
