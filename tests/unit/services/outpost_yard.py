"""A yard with an outpost: a bus of virtual meters, a store, and a clock that jumps from event to event."""

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from random import Random
from uuid import UUID

from tests.unit.services.town import (
    MODELS,
    NOON,
    PLATFORM,
    Home,
    Town,
    a_meter_entry,
    a_town,
    an_id,
    an_opening,
)

from compuerta.adapters.links import outpost_text
from compuerta.adapters.memory import MemoryStore
from compuerta.domain.party import Bearer, CreditAuthority, RoadKind
from compuerta.domain.tariff.components import Tariff
from compuerta.drivers.abilities import MeterState
from compuerta.drivers.mac import SoftEsam
from compuerta.services import forwarding, mandating, observe
from compuerta.services.caretaking import Caretaker
from compuerta.services.dispatching import Equipment
from compuerta.services.forwarding import Record
from compuerta.services.mandating import Orders
from compuerta.services.outpost_port import Outpost
from compuerta.services.records import Endpoint
from compuerta.services.store_port import Store
from compuerta.virtual.fleet.world import unix_ms
from compuerta.virtual.meter.load import ConstantLoad
from compuerta.virtual.meter.peer import VirtualMeter
from compuerta.virtual.meter.setup import MeterSetup

POST = "post-1"
LINE = 1
END = "line-1"
BYTE_US = 11 * 1_000_000 // 9_600
ESAM = SoftEsam(b"the key of tests and of nothing else")
POLL_MS = 900_000
STARTED_MS = unix_ms(NOON)
REMOTE, MODBUS = "dlt645-remote-rs485", "modbus-generic"


@dataclass(slots=True, kw_only=True)
class Yard:
    """What stands in a yard, and what time it is there."""

    store: MemoryStore
    town: Town
    homes: list[Home]
    meters: list[VirtualMeter]
    caretaker: Caretaker
    now_ms: int = STARTED_MS
    journal: list[Record] = field(default_factory=list)
    journal_id: UUID = field(default_factory=lambda: an_id("journal"))
    said: list[bytes] = field(default_factory=list)  # what the outpost put on the bus
    _due: list[tuple[int, int, Callable[[], None]]] = field(default_factory=list)
    _count: int = 0

    @property
    def now(self) -> datetime:
        return NOON + timedelta(milliseconds=self.now_ms - STARTED_MS)

    def read_by_platform(self) -> None:
        """Let the platform read every meter, as it does while the line is lent."""
        reports = []
        for home, meter in zip(self.homes, self.meters, strict=True):
            meter.advance(to_ms=self.now_ms)
            state = MeterState(
                energy_wh=register_wh(meter),
                relay=meter.core.relay,
                power_w=meter.core.power_w,
            )
            reports.append(observe.MeterReport(meter_id=home.meter_id, at=self.now, state=state))
        observe.take_readings(self.store, reports, now=self.now)

    def orders(self) -> Orders:
        lines = mandating.lines_of(all_ends(self.store))
        return mandating.orders(self.store, wanted=lines, poll_ms=POLL_MS, now=self.now)[POST]

    def cut_off(self) -> None:
        """Leave the outpost alone with its line, with orders that went through their text."""
        self.caretaker.take_orders(outpost_text.orders_from(outpost_text.orders_text(self.orders())))
        self.caretaker.take(LINE, byte_us=BYTE_US, now_ms=self.now_ms)
        self._pump()

    def come_back(self) -> int:
        """Let the platform be there again: what was noted is forwarded, through its text."""
        self.caretaker.rest(LINE)
        while not self.caretaker.is_at_rest(LINE):
            self.run_for(timedelta(milliseconds=100))
        self.caretaker.let_go(LINE, now=self.now, now_ms=self.now_ms)
        return self.forward(self.journal)

    def forward(self, records: list[Record]) -> int:
        text = outpost_text.records_text(self.journal_id, records)
        journal_id, read = outpost_text.records_from(text)
        return forwarding.take_records(
            self.store, outpost_id=POST, journal_id=journal_id, records=read, now=self.now
        )

    def run_for(self, length: timedelta) -> None:
        until_ms = self.now_ms + length // timedelta(milliseconds=1)
        while True:
            wakes = [each for each in (self.caretaker.wake_at_ms(), self._next_ms()) if each is not None]
            at_ms = max(min(wakes, default=until_ms), self.now_ms)
            if at_ms >= until_ms:
                self.now_ms = until_ms
                return
            self.now_ms = at_ms
            while self._due and self._due[0][0] <= self.now_ms:
                heapq.heappop(self._due)[2]()
            self.caretaker.wake(now=self.now, now_ms=self.now_ms)
            self._pump()

    def _next_ms(self) -> int | None:
        return self._due[0][0] if self._due else None

    def _pump(self) -> None:
        octets = self.caretaker.take_bytes(LINE)
        if octets:
            self.said.append(octets)
            self._later(60, lambda: self._at_meters(octets))
        for note in self.caretaker.take_notes():
            self.journal.append(replace(note, record_no=len(self.journal) + 1))

    def _at_meters(self, octets: bytes) -> None:
        for meter in self.meters:
            meter.advance(to_ms=self.now_ms)
            answer = meter.receive(octets, now_ms=self.now_ms, connector="bus")
            if answer:
                self._later(60, lambda answer=answer: self._heard(answer))  # type: ignore[misc]

    def _heard(self, answer: bytes) -> None:
        self.caretaker.receive(LINE, answer, now=self.now, now_ms=self.now_ms)
        self._pump()

    def _later(self, delay_ms: int, act: Callable[[], None]) -> None:
        self._count += 1
        heapq.heappush(self._due, (self.now_ms + delay_ms, self._count, act))


def register_wh(meter: VirtualMeter) -> int:
    """Return what a meter's register shows: it counts in steps of ten."""
    return meter.core.energy_wh // 10 * 10


def all_ends(store: Store) -> list[Endpoint]:
    with store.transaction() as tx:
        return tx.endpoints()


def a_yard(
    *,
    powers_w: tuple[int, ...] = (2_000,),
    tariff: Tariff | None = None,
    outpost: Outpost | None = None,
    authority: CreditAuthority = PLATFORM,
    modbus: str | None = None,
) -> Yard:
    """Build an outpost with one line and a home on it per power that is drawn."""
    store = MemoryStore()
    town = a_town(store, authorities=(), tariff=tariff, price_per_kwh="1.0000")
    homes = []
    with store.transaction() as tx:
        tx.outposts.put(outpost or Outpost(outpost_id=POST, organisation_id=town.organisation_id))
        tx.add_endpoint(
            Endpoint(
                endpoint_id=END,
                organisation_id=town.organisation_id,
                road=RoadKind.RS485,
                bearer=Bearer.OUTPOST,
                address=f"{POST}/{LINE}",
                baud=9_600,
            )
        )
        for number, _ in enumerate(powers_w, start=1):
            entry = a_meter_entry(town.organisation_id, number=number, authority=authority)
            unit_no = None if modbus is None else number
            meter_id = tx.add_meter(
                replace(entry, model=MODBUS if modbus else REMOTE, endpoint_id=END, unit_no=unit_no)
            )
            opening = an_opening(
                town.site_id, name=f"flat {number}", meter_id=meter_id, tariff_id=town.tariff_id
            )
            homes.append(Home(meter_id=meter_id, account_id=tx.add_account(opening)))
    meters = [
        a_virtual(number, power_w=power_w, authority=authority, modbus=modbus)
        for number, power_w in enumerate(powers_w, start=1)
    ]
    equipment = Equipment(models=MODELS, mac=ESAM, chance=lambda count: bytes(count))
    return Yard(store=store, town=town, homes=homes, meters=meters, caretaker=Caretaker(equipment, name=POST))


def a_virtual(
    number: int,
    *,
    power_w: int,
    authority: CreditAuthority = PLATFORM,
    energy_wh: int = 0,
    modbus: str | None = None,
) -> VirtualMeter:
    setup = MeterSetup(
        meter_no=f"{number:012d}",
        credit_authority=authority,
        customer_no=f"{number:012d}",
        load=ConstantLoad(power_w=power_w),
        energy_wh=energy_wh,
        unit_no=None if modbus is None else number,
        modbus_image=modbus or "generic",
        baud=9_600,
        civil_offset_ms=8 * 3_600_000,
    )
    return VirtualMeter(setup, now_ms=STARTED_MS, esam=ESAM, chance=Random(number))
