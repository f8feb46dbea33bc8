"""Incidents: what people and things do to meters, and what each meter has felt since it was first known."""

from collections.abc import Callable
from dataclasses import dataclass, field

from compuerta.adapters.memory import MemoryStore
from compuerta.domain.alarms import AlarmKind
from compuerta.drivers.abilities import MeterEvent
from compuerta.sim.roads import House
from compuerta.sim.stage import Stage

OPEN_MS_MIN, OPEN_MS_MAX = 2_000, 600_000
ALARM_OF = {
    MeterEvent.COVER: AlarmKind.COVER_OPEN,
    MeterEvent.TERMINAL_COVER: AlarmKind.TERMINAL_COVER_OPEN,
    MeterEvent.MAGNET: AlarmKind.MAGNET,
    MeterEvent.OVERLOAD: AlarmKind.OVERLOAD,
}
Deed = Callable[[House, bool], None]


def _open_cover(house: House, begins: bool) -> None:
    house.now().core.set_cover(begins)


def _open_terminals(house: House, begins: bool) -> None:
    house.now().core.set_terminal_cover(begins)


def _hold_magnet(house: House, begins: bool) -> None:
    house.now().core.set_magnet(begins)


DEEDS: tuple[Deed, ...] = (_open_cover, _open_terminals, _hold_magnet)


@dataclass(slots=True, kw_only=True, eq=False)
class Incidents:
    """Will let things happen to meters, and tell what a look at the meter's own counts proves."""

    stage: Stage
    store: MemoryStore
    _known: dict[str, dict[str, int]] = field(default_factory=dict)  # counts at the platform's first reading

    def happen(self, house: House, deed: Deed) -> None:
        """Do something to a meter, and undo it some time later: between two polls, or over several."""
        self.stage.note("thief", deed.__name__.strip("_"), house.meter_no)
        deed(house, True)
        self.stage.later(self.stage.between(OPEN_MS_MIN, OPEN_MS_MAX), lambda: deed(house, False))

    def felt(self, house: House) -> frozenset[AlarmKind]:
        """Return what the meter counts more of than the platform knew when it first read its counts."""
        known = self._known.get(house.meter_no, {})
        counts = house.now().core.records.counts
        return frozenset(
            alarm
            for event, alarm in ALARM_OF.items()
            if event.value in known and counts[event] > known[event.value]
        )

    def look(self) -> None:
        """Note what the platform knows of each meter's counts for the first time."""
        tables = self.store.tables
        for meter_id, snapshot in tables.snapshots.items():
            first = self._known.setdefault(tables.meters[meter_id].meter_no, {})
            if len(first) < len(snapshot.counts):  # what a snapshot knows of counts it keeps
                self._known[tables.meters[meter_id].meter_no] = {**snapshot.counts, **first}
