"""An outpost: a small process beside buses, without a database.

While the platform is there, each line is lent to it: bytes go through, and the outpost says nothing itself.
While it is away, the caretaker holds the lines. Between the two nobody does for a moment, so that there are
never two masters on one bus: a line is lent only when nothing is under way on it, and taken back only when
the meters have fallen silent.
"""

import asyncio
import random
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Final

import structlog

from compuerta.adapters.links import outpost_text
from compuerta.adapters.links.outpost_client import OutpostClient, PlatformAway
from compuerta.adapters.links.outpost_text import TextMalformed
from compuerta.adapters.links.serial_bus import PortNotOpened, SerialBus
from compuerta.adapters.models import load_models
from compuerta.apps import wiring
from compuerta.apps.files import write_whole
from compuerta.apps.outpost_files import (
    JOURNAL_FILE,
    ORDERS_FILE,
    LinePlan,
    OutpostPlan,
    orders_in,
    plan_in,
)
from compuerta.apps.outpost_journal import Journal
from compuerta.drivers.line import byte_us_of
from compuerta.drivers.mac import SoftEsam
from compuerta.drivers.model import Model
from compuerta.services.caretaking import Caretaker
from compuerta.services.dispatching import Equipment
from compuerta.services.link_port import Link
from compuerta.services.mandating import Orders
from compuerta.wire.outpost import Kind

log = structlog.get_logger()

# After the platform is lost: longer than a meter takes to answer what was asked last, and shorter than any
# meter waits for its next reading.
QUIET_S: Final = 2.0
_KEY_BYTES: Final = 32


class _Use(Enum):
    """Who speaks on a line."""

    GONE = "gone"  # its port is not there
    QUIET = "quiet"  # nobody, until the meters are silent
    OURS = "ours"
    RESTING = "resting"  # ours still; nothing is begun
    LENT = "lent"


class _Line:
    """One port of the outpost, and who speaks on it now."""

    def __init__(self, outpost: "Outpost", plan: LinePlan) -> None:
        self.plan = plan
        self.use = _Use.GONE
        self.is_returned = False  # the platform does not know it; it is offered again with its next orders
        self._outpost = outpost
        self._link: Link | None = None

    def opened(self, link: Link) -> None:
        """Take a port that is there."""
        self._link = link
        self.use = _Use.QUIET
        link.attach(self)
        self._outpost.line_came(self)

    def heard(self, data: bytes) -> None:
        """See `Listener`."""
        self._outpost.line_heard(self, data)

    def lost(self, reason: str) -> None:
        """See `Listener`."""
        log.warning("outpost.line.lost", line=self.plan.line, reason=reason)
        self._link = None
        self._outpost.line_gone(self)

    def write(self, data: bytes) -> None:
        """Put bytes on the line."""
        if self._link is not None and data:
            self._link.write(data)


class Outpost:
    """This will hold the lines of one outpost, and its connection to the platform."""

    def __init__(self, plan: OutpostPlan, *, models: Mapping[str, Model], journal: Journal) -> None:
        self._plan = plan
        self._journal = journal
        # Reading and opening ask for no meter's key, and so an outpost has none.
        keyless = SoftEsam(wiring.chance(_KEY_BYTES))
        equipment = Equipment(models=models, mac=keyless, chance=wiring.chance)
        self._caretaker = Caretaker(equipment, name=plan.identity.outpost_id)
        self._client = OutpostClient(plan.identity, self, away=_away, chance=random.random)
        self._lines = {each.line: _Line(self, each) for each in plan.lines}
        self._is_welcome = False
        self._sent_no: int | None = None  # the last record that is on its way
        self._timer: asyncio.TimerHandle | None = None
        self._tasks = asyncio.TaskGroup()

    async def run(self) -> None:
        """Hold the lines until cancelled."""
        orders = orders_in(self._plan.directory)
        if orders is not None:
            self._caretaker.take_orders(orders)
        try:
            async with self._tasks as tasks:
                for line in self._lines.values():
                    tasks.create_task(self._hold(line))
                tasks.create_task(self._client.run())
        finally:
            if self._timer is not None:
                self._timer.cancel()
            self._journal.shut()

    async def _hold(self, line: _Line) -> None:
        def not_opened(error: PortNotOpened) -> None:
            log.warning("outpost.line.not_opened", line=line.plan.line, error=str(error))

        await SerialBus(
            line.plan.device,
            opened=line.opened,
            not_opened=not_opened,
            baud=line.plan.baud,
            parity=line.plan.parity,
        ).run()

    # the platform --------------------------------------------------------------------------------------

    def welcomed(self) -> None:
        """See `Tenant`: first what was noted, then the lines, so that nothing newer overtakes it."""
        log.info("outpost.platform.there", records=self._journal.count())
        self._is_welcome, self._sent_no = True, None
        for line in self._lines.values():
            line.is_returned = False
            if line.use is _Use.OURS:
                self._rest(line)
        self._forward()

    def ordered(self, orders: bytes) -> None:
        """See `Tenant`; on disk first, since the platform may be gone the next moment."""
        try:
            known: Orders = outpost_text.orders_from(orders)
        except TextMalformed as error:
            log.error("outpost.orders.malformed", error=str(error))
            return
        write_whole(self._plan.directory / ORDERS_FILE, orders)
        self._caretaker.take_orders(known)
        for line in self._lines.values():
            line.is_returned = False
            if line.use is _Use.OURS:
                self._rest(line)
        self._lend_all()

    def kept(self, record_no: int) -> None:
        """See `Tenant`."""
        self._journal.forget(record_no)
        self._sent_no = None
        self._forward()

    def returned(self, line: int) -> None:
        """See `Tenant`."""
        known = self._lines.get(line)
        if known is not None and known.use is _Use.LENT:
            known.is_returned = True
            self._be_quiet(known)

    def said(self, line: int, data: bytes) -> None:
        """See `Tenant`."""
        known = self._lines.get(line)
        if known is not None and known.use is _Use.LENT:
            known.write(data)

    def left_alone(self, reason: str) -> None:
        """See `Tenant`."""
        log.warning("outpost.platform.gone", reason=reason)
        self._is_welcome = False
        for line in self._lines.values():
            if line.use is _Use.LENT:
                self._be_quiet(line)
            elif line.use is _Use.RESTING:
                self._take_back(line)

    def _forward(self) -> None:
        """Send the oldest records, one batch at a time; when there are none, lend the lines."""
        if not self._is_welcome or self._sent_no is not None:
            return
        records = self._journal.next_records()
        if records:
            self._sent_no = records[-1].record_no
            text = outpost_text.records_text(self._journal.journal_id, records)
            self._client.send(Kind.RECORDS, payload=text)
        else:
            self._lend_all()

    # lines ---------------------------------------------------------------------------------------------

    def line_came(self, line: _Line) -> None:
        """Take a port that has come."""
        self._be_quiet(line)

    def line_heard(self, line: _Line, data: bytes) -> None:
        """Pass on what meters say, to whoever speaks with them."""
        if line.use is _Use.LENT:
            self._client.send(Kind.HEARD, line=line.plan.line, payload=data)
        elif line.use in (_Use.OURS, _Use.RESTING):
            self._caretaker.receive(line.plan.line, data, now=wiring.now(), now_ms=_now_ms())
            self._go_on()

    def line_gone(self, line: _Line) -> None:
        """Tell whoever speaks on a line that it is gone."""
        use, line.use = line.use, _Use.GONE
        if use is _Use.LENT:
            self._client.send(Kind.WITHDRAW, line=line.plan.line)
        self._let_go(line)

    def _be_quiet(self, line: _Line) -> None:
        line.use = _Use.QUIET
        asyncio.get_running_loop().call_later(QUIET_S, self._end_quiet, line)

    def _end_quiet(self, line: _Line) -> None:
        if line.use is not _Use.QUIET:
            return
        self._take_back(line)
        if self._is_welcome and not line.is_returned:
            self._rest(line)
            self._lend_all()

    def _take_back(self, line: _Line) -> None:
        line.use = _Use.OURS
        self._caretaker.take(line.plan.line, byte_us=byte_us_of(line.plan.baud), now_ms=_now_ms())
        self._wait()

    def _rest(self, line: _Line) -> None:
        line.use = _Use.RESTING
        self._caretaker.rest(line.plan.line)

    def _lend_all(self) -> None:
        if not self._is_welcome or not self._is_forwarded():
            return
        for line in self._lines.values():
            if line.use is _Use.RESTING and self._caretaker.is_at_rest(line.plan.line):
                line.use = _Use.LENT
                self._let_go(line)
                self._client.send(Kind.OFFER, line=line.plan.line)

    def _let_go(self, line: _Line) -> None:
        self._caretaker.let_go(line.plan.line, now=wiring.now(), now_ms=_now_ms())
        self._go_on()

    def _is_forwarded(self) -> bool:
        return self._journal.count() == 0

    # the caretaker -------------------------------------------------------------------------------------

    def _go_on(self) -> None:
        """Note, say and wait for what the caretaker wants noted, said and waited for."""
        self._journal.note(self._caretaker.take_notes())
        for line in self._lines.values():
            line.write(self._caretaker.take_bytes(line.plan.line))
        if self._is_welcome:
            self._forward()
        self._wait()

    def _wait(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        wake_ms = self._caretaker.wake_at_ms()
        if wake_ms is not None:
            self._timer = asyncio.get_running_loop().call_at(wake_ms / 1_000, self._wake)

    def _wake(self) -> None:
        self._timer = None
        self._caretaker.wake(now=wiring.now(), now_ms=_now_ms())
        self._go_on()


def outpost_in(directory: Path, *, models: Path) -> Outpost:
    """Return the outpost whose files lie in a directory; refuses files that cannot be used."""
    plan = plan_in(directory)
    return Outpost(plan, models=load_models(models), journal=Journal(directory / JOURNAL_FILE))


def _now_ms() -> int:
    return int(asyncio.get_running_loop().time() * 1_000)


def _away(error: PlatformAway) -> None:
    log.warning("outpost.platform.not_reached", reason=error.reason)
