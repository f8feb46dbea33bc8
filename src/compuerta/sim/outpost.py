"""An outpost beside the bus: it lends its line to the gateways, and takes it over while they are away.

What it decides alone is decided by the same `services/caretaking` as in earnest, and forwarded by the same
`services/forwarding`; only ports, disk and clock are the stage's. Its orders and its journal are on its disk:
a process that dies keeps both.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from compuerta.domain.errors import Unreachable
from compuerta.services import forwarding, mandating
from compuerta.services.caretaking import Caretaker
from compuerta.services.dispatching import Equipment
from compuerta.services.forwarding import Record
from compuerta.services.mandating import Orders
from compuerta.sim.mortal import Database, Mortal
from compuerta.sim.roads import OUTPOST, Road
from compuerta.sim.stage import Stage

LINE = 1
ORDERS_MS = 60_000  # between two orders, while the platform is there
LEND_MS = 500  # between two looks whether the line is at rest
AGAIN_MS = 2_000  # after the database was away
POLL_MS = 700_000
FORWARDED_MAX = 20


class Outpost:
    """One outpost with one line."""

    def __init__(self, *, stage: Stage, database: Database, equipment: Equipment, road: Road) -> None:
        self.body = Mortal(OUTPOST, stage=stage, database=database, born=self._born, dies=self._dies)
        self.road = road
        self.is_cut = False  # the platform is away
        # Whom it tells that the line is theirs, and theirs no more.
        self.lends: Callable[[], None] = lambda: None
        self.takes: Callable[[], None] = lambda: None
        self._stage = stage
        self._database = database
        self._equipment = equipment
        self._caretaker = Caretaker(equipment, name=OUTPOST)
        self._orders: Orders | None = None
        self._journal: list[Record] = []
        self._journal_id = UUID(int=stage.chance.getrandbits(128))
        self._kept_no = 0
        self._wake_ms: int | None = None

    # The life of the process.

    def _born(self) -> None:
        self._caretaker = Caretaker(self._equipment, name=OUTPOST)
        self._wake_ms = None
        if self._orders is not None:
            self._caretaker.take_orders(self._orders)
        self._take()
        self.body.later(1, self._come_back)
        self.body.later(ORDERS_MS, self._renew_orders)

    def _dies(self) -> None:
        self.road.is_lent = False
        self.road.detach(OUTPOST)
        self.takes()

    # Alone.

    def cut_off(self) -> None:
        """Lose the platform: the line is taken over."""
        self.is_cut = True
        if self.body.alive:
            self.body.live(self._take)

    def restored(self) -> None:
        """Have the platform again: what was noted is forwarded, and the line is lent."""
        self.is_cut = False
        if self.body.alive:
            self.body.live(self._come_back)

    def _take(self) -> None:
        self.road.is_lent = False
        self.road.attach(OUTPOST, self.body.guarded(self._hear))
        self._caretaker.let_go(LINE, now=self._now(), now_ms=self._stage.now_ms)  # it may have been at rest
        self._caretaker.take(LINE, byte_us=self.road.byte_us, now_ms=self._stage.now_ms)
        self._stage.note(OUTPOST, "takes", self.road.name)
        self.takes()
        self._pump()

    def _hear(self, data: bytes) -> None:
        self._caretaker.receive(LINE, data, now=self._now(), now_ms=self._stage.now_ms)
        self._pump()

    def _wake(self, at_ms: int) -> None:
        if self._wake_ms == at_ms:
            self._wake_ms = None
            self._caretaker.wake(now=self._now(), now_ms=self._stage.now_ms)
            self._pump()

    def _pump(self) -> None:
        octets = self._caretaker.take_bytes(LINE)
        if octets:
            self.road.send(OUTPOST, octets)
        for note in self._caretaker.take_notes():
            self._journal.append(replace(note, record_no=len(self._journal) + 1))
            self._stage.note(OUTPOST, "notes", len(self._journal), note.meter_id, note.cut or "-")
        wake_ms = self._caretaker.wake_at_ms()
        if wake_ms is not None:
            wake_ms = max(wake_ms, self._stage.now_ms + 1)
            if self._wake_ms is None or wake_ms < self._wake_ms:
                self._wake_ms = wake_ms
                self.body.later(wake_ms - self._stage.now_ms, lambda: self._wake(wake_ms))

    # With the platform.

    def _come_back(self) -> None:
        """Let the line come to rest, forward the journal and lend the line; what fails is tried again."""
        if self.is_cut or self.road.is_lent:
            return
        self._caretaker.rest(LINE)
        if not self._caretaker.is_at_rest(LINE):
            self.body.later(LEND_MS, self._come_back)
            return
        try:
            self._forward()
            self._take_orders()
        except Unreachable:
            self.body.later(AGAIN_MS, self._come_back)
            return
        self._caretaker.let_go(LINE, now=self._now(), now_ms=self._stage.now_ms)
        self.road.detach(OUTPOST)
        self.road.is_lent = True
        self._stage.note(OUTPOST, "lends", self.road.name)
        self.lends()

    def _forward(self) -> None:
        """Send what the platform has not said to have kept; what it kept unheard is sent again."""
        while self._kept_no < len(self._journal):
            self._kept_no = forwarding.take_records(
                self.body,
                outpost_id=OUTPOST,
                journal_id=self._journal_id,
                records=self._journal[self._kept_no : self._kept_no + FORWARDED_MAX],
                now=self._now(),
            )

    def _renew_orders(self) -> None:
        self.body.later(ORDERS_MS, self._renew_orders)
        if self.road.is_lent:
            try:
                self._take_orders()
            except Unreachable:
                return  # the ones that it has stay good until they are too old

    def _take_orders(self) -> None:
        with self.body.transaction() as tx:
            lines = mandating.lines_of(tx.endpoints())
        made = mandating.orders(self.body, wanted=lines, poll_ms=POLL_MS, now=self._now())
        self._orders = made[OUTPOST]
        self._caretaker.take_orders(self._orders)

    def _now(self) -> datetime:
        return self._stage.now(skew_ms=self.body.skew_ms)
