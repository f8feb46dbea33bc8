"""The gateway's roads: which line reaches which meter, and the loop's clock that drives each line.

A `Road` couples a pure `Line` with a `Link`: bytes and time in, bytes and results out.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from compuerta.domain.party import Meter
from compuerta.domain.road import Way
from compuerta.drivers.abilities import Result
from compuerta.drivers.line import Job, Line, byte_us_of
from compuerta.services.link_port import Link
from compuerta.services.records import Endpoint


@dataclass(slots=True, kw_only=True)
class Registry:
    """What the gateway knows of meters and road ends; loaded anew from time to time."""

    endpoints: dict[str, Endpoint] = field(default_factory=dict)
    by_no: dict[str, Meter] = field(default_factory=dict)
    by_id: dict[int, Meter] = field(default_factory=dict)
    on_endpoint: dict[str, list[Meter]] = field(default_factory=dict)

    def fill(
        self, endpoints: Sequence[Endpoint], meters: Sequence[Meter], ways: Mapping[int, Sequence[Way]]
    ) -> None:
        """Take over what the database knows now; a meter stands on the end of each of its ways."""
        self.endpoints = {each.endpoint_id: each for each in endpoints}
        self.by_no = {each.meter_no: each for each in meters}
        self.by_id = {each.meter_id: each for each in meters}
        self.on_endpoint = {each.endpoint_id: [] for each in endpoints}
        for meter in meters:
            for way in ways.get(meter.meter_id, ()):
                self.on_endpoint.setdefault(way.endpoint_id, []).append(meter)


def _line(endpoint: Endpoint) -> Line:
    if endpoint.baud is None:
        # Nobody shares a dialed-in session, so there is no bus to be let go of before the next request.
        return Line(endpoint.endpoint_id, pause_ms=0)
    return Line(endpoint.endpoint_id, byte_us=byte_us_of(endpoint.baud))


class Road:
    """This will drive one line over one link by the event loop's clock."""

    def __init__(
        self,
        endpoint: Endpoint,
        link: Link,
        *,
        finished: Callable[[str, Result], None],
        heard: Callable[[list[str]], None],
        pushed: Callable[["Road", list[str]], None],
        lost: Callable[["Road", str], None],
    ) -> None:
        self.endpoint = endpoint
        self.line = _line(endpoint)
        self._link = link
        self._finished = finished
        self._heard = heard
        self._pushed = pushed
        self._lost = lost
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self.is_lost = False
        self.octets_heard = 0  # since they were looked at last
        link.attach(self)

    def submit(self, job: Job) -> None:
        """Give the line a conversation; raises `LineFull` or `LineShut`."""
        self.line.submit(job, now_ms=self.now_ms())
        self._pump()

    def now_ms(self) -> int:
        """The clock of this road: monotonic milliseconds."""
        return int(self._loop.time() * 1000)

    def heard(self, data: bytes) -> None:
        """Take bytes from the link."""
        self.octets_heard += len(data)
        self.line.receive(data, now_ms=self.now_ms())
        self._pump()

    def take_octets(self) -> int:
        """Return how many bytes were heard since the last call."""
        octets, self.octets_heard = self.octets_heard, 0
        return octets

    def lost(self, reason: str) -> None:
        """End everything that was under way: the road is gone."""
        self.is_lost = True
        self._cancel()
        self.line.shut()
        self._hand_out()
        self._lost(self, reason)

    def shut(self) -> None:
        """End the road from our side."""
        self.is_lost = True
        self._cancel()
        self.line.shut()
        self._link.shut()

    def _wake(self) -> None:
        self._timer = None
        self.line.wake(now_ms=self.now_ms())
        self._pump()

    def _pump(self) -> None:
        outgoing = self.line.take_bytes()
        if outgoing:
            self._link.write(outgoing)
        self._hand_out()
        self._cancel()
        wake_at_ms = self.line.wake_at_ms()
        if wake_at_ms is not None and not self.is_lost:
            self._timer = self._loop.call_at(wake_at_ms / 1000, self._wake)

    def _hand_out(self) -> None:
        for key, result in self.line.take_finished():
            self._finished(key, result)
        heard = self.line.take_heard()
        if heard:
            self._heard(heard)
        pushed = self.line.take_pushed()
        if pushed:
            self._pushed(self, pushed)

    def _cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
