"""Caretaking: what an outpost does with its lines while the platform is away.

It reads the meters by the lines and drivers that a gateway has, notes what they say, and opens the relay of
whoever's credit has ended, as the mandates allow. It owns no port, clock, disk or chance: whoever has them
calls it, as a gateway's line is called. A line is its own, or lent; on a line that is lent it says nothing.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from compuerta.domain.instruction import LEASE, Instruction, Kind, State
from compuerta.domain.naming import named
from compuerta.domain.supply import Reason
from compuerta.drivers.abilities import Ending, Relay
from compuerta.drivers.line import Line
from compuerta.services import standing_alone
from compuerta.services.deliver import Conclusion
from compuerta.services.dispatching import Dispatcher, Equipment, Written
from compuerta.services.forwarding import Cut, Record
from compuerta.services.mandating import Mandate, Orders, Posted
from compuerta.services.observe import MeterReport
from compuerta.services.records import Claim
from compuerta.services.routing import Reached
from compuerta.services.standing_alone import NEAR_MS

POLLS_MAX: Final = 2  # that wait on a line: more would only make a cut wait
UNNUMBERED: Final = 0  # of a record that no journal has yet


@dataclass(slots=True, kw_only=True, eq=False)
class _Held:
    """A line that is ours now."""

    line: Line
    rests: bool = False  # nothing is begun on it any more


@dataclass(slots=True, kw_only=True)
class _Round:
    """When each meter is read next, and why a relay is being opened."""

    due_ms: dict[int, int] = field(default_factory=dict)
    asked: dict[str, int] = field(default_factory=dict)  # meters that are being read, by the job's key
    cuts: dict[int, Cut] = field(default_factory=dict)  # by meter, while its relay is being opened
    tries: dict[int, int] = field(default_factory=dict)  # ... and how often that was tried


class Caretaker:
    """This will hold the lines of one outpost while nobody else does."""

    def __init__(self, equipment: Equipment, *, name: str) -> None:
        self._equipment = equipment
        self._name = name
        self._dispatcher = Dispatcher(equipment)
        self._orders: Orders | None = None
        self._mandates: dict[int, Mandate] = {}
        self._posted: dict[int, Posted] = {}
        self._held: dict[int, _Held] = {}
        self._round = _Round()
        self._notes: list[Record] = []

    def take_orders(self, orders: Orders) -> None:
        """Take new orders; what a mandate says replaces what was reckoned here."""
        self._orders, self._mandates = orders, dict(orders.mandates)
        models = self._equipment.models
        self._posted = {each.meter.meter_id: each for each in orders.meters if each.meter.model in models}
        self._dispatcher.follow(
            {meter_id: each.zone for meter_id, each in self._posted.items() if each.zone is not None}
        )

    def take(self, line_no: int, *, byte_us: int, now_ms: int) -> None:
        """Hold a line from now on; its meters are read at once, and those with little credit soon again."""
        self._held[line_no] = _Held(line=Line(f"{self._name}/{line_no}", byte_us=byte_us))
        for posted in self._on(line_no):
            self._round.due_ms[posted.meter.meter_id] = now_ms

    def rest(self, line_no: int) -> None:
        """Begin nothing more on a line; what is under way ends."""
        if line_no in self._held:
            self._held[line_no].rests = True

    def is_at_rest(self, line_no: int) -> bool:
        """Tell whether nothing is under way on a line, so that it may be lent."""
        held = self._held.get(line_no)
        return held is None or held.line.jobs_open() == 0

    def let_go(self, line_no: int, *, now: datetime, now_ms: int) -> None:
        """Hold a line no longer, whatever is under way on it: it is lent, or its port is gone."""
        held = self._held.pop(line_no, None)
        if held is not None:
            held.line.shut()
            self._finish(held, now=now)
            self._go_on(now=now, now_ms=now_ms)

    def holds(self, line_no: int) -> bool:
        """Tell whether a line is ours now."""
        return line_no in self._held

    def receive(self, line_no: int, data: bytes, *, now: datetime, now_ms: int) -> None:
        """Take bytes of a line."""
        held = self._held.get(line_no)
        if held is not None:
            held.line.receive(data, now_ms=now_ms)
            self._go_on(now=now, now_ms=now_ms)

    def wake(self, *, now: datetime, now_ms: int) -> None:
        """Do what is due: read meters, repeat requests, open relays."""
        for held in self._held.values():
            held.line.wake(now_ms=now_ms)
        self._go_on(now=now, now_ms=now_ms)

    def wake_at_ms(self) -> int | None:
        """Return when `wake` wants to be called; None = not before something else happens."""
        wakes = [held.line.wake_at_ms() for held in self._held.values()]
        wakes += [due_ms for meter_id, due_ms in self._round.due_ms.items() if self._may_ask(meter_id)]
        return min((each for each in wakes if each is not None), default=None)

    def take_bytes(self, line_no: int) -> bytes:
        """Return what is to be written to a line now, once."""
        held = self._held.get(line_no)
        return b"" if held is None else held.line.take_bytes()

    def take_notes(self) -> list[Record]:
        """Return what is to be noted in the journal, once; the journal gives the numbers."""
        notes, self._notes = self._notes, []
        return notes

    # reading -------------------------------------------------------------------------------------------

    def _go_on(self, *, now: datetime, now_ms: int) -> None:
        for held in self._held.values():
            self._finish(held, now=now)
        self._read_due(now=now, now_ms=now_ms)
        self._judge_all(now=now, now_ms=now_ms)

    def _finish(self, held: _Held, *, now: datetime) -> None:
        for key, result in held.line.take_finished():
            self._dispatcher.finish(key, result, at=now)
            self._round.asked.pop(key, None)

    def _read_due(self, *, now: datetime, now_ms: int) -> None:
        due = sorted(
            (due_ms, meter_id) for meter_id, due_ms in self._round.due_ms.items() if due_ms <= now_ms
        )
        for _, meter_id in due:
            if not self._may_ask(meter_id):
                continue
            if self._clock_is_behind(now):
                self._round.due_ms[meter_id] = now_ms + NEAR_MS
            else:
                self._read(self._posted[meter_id], now=now, now_ms=now_ms)

    def _clock_is_behind(self, now: datetime) -> bool:
        """Whether our clock is behind the platform's word: what is noted by it would be wrong, too."""
        return self._orders is None or now < self._orders.issued_at

    def _may_ask(self, meter_id: int) -> bool:
        posted = self._posted.get(meter_id)
        held = None if posted is None else self._held.get(posted.line)
        is_open = held is not None and not held.rests and held.line.jobs_open() < POLLS_MAX
        is_free = not self._dispatcher.is_busy(meter_id) and meter_id not in self._round.asked.values()
        return is_open and is_free

    def _read(self, posted: Posted, *, now: datetime, now_ms: int) -> None:
        assert self._orders is not None
        meter_id = posted.meter.meter_id
        self._round.due_ms[meter_id] = now_ms + self._orders.poll_ms
        job = self._dispatcher.poll(_reached(posted), now=now, now_ms=now_ms)
        self._round.asked[job.key] = meter_id
        self._held[posted.line].line.submit(job, now_ms=now_ms)

    def _on(self, line_no: int) -> Iterable[Posted]:
        return (each for each in self._posted.values() if each.line == line_no)

    # deciding ------------------------------------------------------------------------------------------

    def _judge_all(self, *, now: datetime, now_ms: int) -> None:
        """Note what was said, and open the relays of those whose credit has ended."""
        free = [_reached(each) for each in self._posted.values() if self._may_open(each)]
        batch = self._dispatcher.batch(free)
        claims = []
        for report in batch.reports:
            claims += self._judge(report, now=now, now_ms=now_ms, may_open=report.meter_id in batch.free)
        for conclusion in batch.conclusions:
            self._conclude(conclusion, now_ms=now_ms)
        self._dispatcher.settle(batch, Written(outcomes=[], claims=claims))
        for claim in claims:
            job = self._dispatcher.job(claim, now=now, now_ms=now_ms)
            self._held[self._posted[claim.meter.meter_id].line].line.submit(job, now_ms=now_ms)

    def _may_open(self, posted: Posted) -> bool:
        held = self._held.get(posted.line)
        return held is not None and not held.rests

    def _judge(self, report: MeterReport, *, now: datetime, now_ms: int, may_open: bool) -> list[Claim]:
        self._notes.append(_record(report))
        orders = self._orders
        mandate = None if orders is None else self._mandates.get(report.meter_id)
        if orders is None or mandate is None or not orders.are_good(now):
            return []
        judged = standing_alone.judge(mandate, report, now=now)
        self._mandates[report.meter_id] = judged.mandate
        if judged.next_ms is not None:
            due_ms = now_ms + min(judged.next_ms, orders.poll_ms)
            self._round.due_ms[report.meter_id] = due_ms
        if not judged.opens or not may_open:
            return []
        holdings = judged.mandate.view.holdings
        self._round.cuts[report.meter_id] = Cut(
            out_since=judged.out_since or now,
            register_wh=holdings.register_wh or 0,
            ends_wh=judged.ends_wh,
            balance_minor=holdings.delivered_minor,
            issued_at=orders.issued_at,
        )
        tries = self._round.tries[report.meter_id] = self._round.tries.get(report.meter_id, 0) + 1
        return [self._claim(self._posted[report.meter_id], judged.mandate, tries=tries, now=now)]

    def _claim(self, posted: Posted, mandate: Mandate, *, tries: int, now: datetime) -> Claim:
        """Return the cut as a claim of our own: it is carried out as one of the platform's would be."""
        meter_id = posted.meter.meter_id
        order = Instruction(
            meter_id=meter_id,
            instruction_id=named("outpost cut", meter_id, now.isoformat()),
            account_id=mandate.view.account.account_id,
            kind=Kind.SWITCH,
            created_at=now,
            due_at=now,
            state=State.IN_FLIGHT,
            relay_closed=False,
            reason=Reason.OUT_OF_CREDIT.value,
            tries=tries,
            lease_until=now + LEASE,
            lease_owner=self._name,
        )
        return Claim(
            instruction=order,
            meter=posted.meter,
            claimed_at=now,
            zone=posted.zone or mandate.view.account.zone,
            may_close=False,
            permits=False,
            wanted_closed=False,
        )

    def _conclude(self, conclusion: Conclusion, *, now_ms: int) -> None:
        """Note a relay that was opened, with why; one that did not answer is tried again soon.

        A meter that took the order and shows no relay is noted once, and told again at its next readings.
        """
        meter_id, result = conclusion.claim.meter.meter_id, conclusion.result
        cut = self._round.cuts.pop(meter_id)
        if result.ending in (Ending.SILENT, Ending.BUSY):
            self._round.due_ms[meter_id] = now_ms + NEAR_MS
        is_open = result.state.relay is Relay.OPEN
        is_first = result.ending is Ending.ACCEPTED and conclusion.claim.instruction.tries == 1
        if is_open or is_first:
            state, at = result.state, conclusion.at
            self._notes.append(Record(record_no=UNNUMBERED, meter_id=meter_id, at=at, state=state, cut=cut))
        if is_open:
            self._round.tries.pop(meter_id, None)
            if meter_id in self._mandates:
                self._mandates[meter_id] = standing_alone.opened(self._mandates[meter_id])


def _reached(posted: Posted) -> Reached:
    return Reached(meter=posted.meter, way=posted.way)


def _record(report: MeterReport) -> Record:
    return Record(
        record_no=UNNUMBERED,
        meter_id=report.meter_id,
        at=report.at,
        state=report.state,
        asked_at=report.asked_at,
        clock_off_s=report.clock_off_s,
    )
