"""The tariff inside a meter: its tables in two sets each, of which one runs and one can be written.

`Tariff.at` says at which rate and price the next unit is counted, and how far that holds. The running set
is never written: a spare set is, and the two change places at their switch time (DL/T 645-2007 5.2.9).
Rest days, holidays and counts have no spare: they hold as soon as they are written.
"""

from bisect import bisect_right
from dataclasses import dataclass
from enum import Enum
from typing import Final, Generic, TypeVar

from compuerta.virtual.meter import tables
from compuerta.virtual.meter.clock import DAY_MS, civil_from_ms
from compuerta.virtual.meter.registers import RATES_SHOWN_MIN
from compuerta.virtual.meter.tables import (
    DAY_TABLES_MAX,
    RATES_MAX,
    Counts,
    DayTable,
    DayTables,
    Fault,
    Holiday,
    Ladder,
    Prices,
    TablesRefused,
    TariffTables,
    Zones,
)

MINUTE_MS: Final = 60_000

Table = TypeVar("Table")


class TableKind(Enum):
    """What exists in two sets."""

    ZONES = "zones"
    DAY_TABLES = "day tables"
    PRICES = "prices"
    LADDER = "ladder"


@dataclass(frozen=True, slots=True, kw_only=True)
class TariffSegment:
    """A rate and what a unit costs, from an instant and a use on, to others (None = any)."""

    rate: int
    rate_price_e4: int  # 0.0001 of the major unit per kWh
    step_price_e4: int
    from_civil_ms: int
    until_civil_ms: int
    from_used_wh: int  # of the window of the steps
    until_used_wh: int | None

    @property
    def price_e4(self) -> int:
        """The price of a unit: with both on, the prices of rate and step add up."""
        return self.rate_price_e4 + self.step_price_e4

    def holds(self, civil_ms: int, *, used_wh: int) -> bool:
        """Tell whether an instant and a use lie in it."""
        in_use = self.from_used_wh <= used_wh and (self.until_used_wh is None or used_wh < self.until_used_wh)
        return in_use and self.from_civil_ms <= civil_ms < self.until_civil_ms


class Pair(Generic[Table]):
    """Will keep two sets of one table, and change them over at a civil instant."""

    __slots__ = ("_sets", "second_runs", "switch_civil_ms")

    def __init__(self, table: Table) -> None:
        self._sets = [table, table]
        self.second_runs = False
        self.switch_civil_ms: int | None = None

    @property
    def running(self) -> Table:
        """The set that holds now."""
        return self._sets[self.second_runs]

    @property
    def spare(self) -> Table:
        """The set that will hold after the switch."""
        return self._sets[not self.second_runs]

    @spare.setter
    def spare(self, table: Table) -> None:
        self._sets[not self.second_runs] = table

    def set_no(self, number: int) -> Table:
        """Return the first (1) or the second (2) set."""
        return self._sets[number - 1]

    def is_running(self, number: int) -> bool:
        """Tell whether it is this set, 1 or 2, that holds now."""
        return self.second_runs == (number == 2)

    def switch_if_due(self, civil_ms: int) -> bool:
        """Change the sets over if it is time; tells whether it was."""
        if self.switch_civil_ms is None or civil_ms < self.switch_civil_ms:
            return False
        self.second_runs, self.switch_civil_ms = not self.second_runs, None
        return True


SetPair = Pair[Zones] | Pair[DayTables] | Pair[Prices] | Pair[Ladder]


class Tariff:
    """Will say what the next unit costs, and take new tables by the rules of `tables`."""

    def __init__(self, start: TariffTables) -> None:
        self.counts = start.counts_needed
        rest = DAY_TABLES_MAX - len(start.day_tables)
        missing = RATES_MAX - len(start.rate_prices_e4)
        self.zones: Pair[Zones] = Pair(start.zones)
        self.day_tables: Pair[DayTables] = Pair(start.day_tables + start.day_tables[:1] * rest)
        self.prices: Pair[Prices] = Pair(start.rate_prices_e4 + start.rate_prices_e4[-1:] * missing)
        self.ladder: Pair[Ladder] = Pair(start.ladder)
        self.weekday_bits = start.weekday_bits
        self.rest_table_no = start.rest_table_no
        self.holidays = dict(enumerate(start.holidays, start=1))
        self._pairs: dict[TableKind, SetPair] = {
            TableKind.ZONES: self.zones,
            TableKind.DAY_TABLES: self.day_tables,
            TableKind.PRICES: self.prices,
            TableKind.LADDER: self.ladder,
        }
        tables.check_prices(start.rate_prices_e4, self.counts)
        self._check_all(self.counts)
        self._segment: TariffSegment | None = None  # the last answer; None = something has been written since

    # What holds.

    def at(self, civil_ms: int, *, used_wh: int) -> TariffSegment:
        """Return what holds at a civil instant after so much use since the last settlement.

        It ends with the slot, the day, the step, or the switch of a set.
        """
        segment = self._segment
        if segment is None or not segment.holds(civil_ms, used_wh=used_wh):
            segment = self._segment = self._look(civil_ms, used_wh=used_wh)
        return segment

    @property
    def rates_shown(self) -> int:
        """The number of rates that have a register."""
        return max(self.counts.rates, RATES_SHOWN_MIN)

    def switch_civil_ms(self, kind: TableKind) -> int | None:
        """Return when the sets of a kind change places; None = they do not."""
        return self._pairs[kind].switch_civil_ms

    def switch_if_due(self, civil_ms: int) -> list[TableKind]:
        """Change over the sets whose time has come; returns which."""
        switched = [kind for kind, pair in self._pairs.items() if pair.switch_if_due(civil_ms)]
        if switched:
            self._segment = None
        return switched

    # What can be written. Whoever writes the running set, or against a rule, gets `TablesRefused`.

    def set_zones(self, zones: Zones, *, set_no: int) -> None:
        """Replace the year zones of a set."""
        tables.check_zones(zones, self.counts)
        _refuse_running(self.zones.is_running(set_no))
        self.zones.spare = zones

    def set_day_table(self, table: DayTable, *, set_no: int, table_no: int) -> None:
        """Replace one day table of a set."""
        tables.check_table_no(table_no, self.counts)
        tables.check_day_table(table, self.counts)
        _refuse_running(self.day_tables.is_running(set_no))
        spare = list(self.day_tables.spare)
        spare[table_no - 1] = table
        self.day_tables.spare = tuple(spare)

    def set_spare_prices(self, prices_e4: Prices, *, first_rate: int) -> None:
        """Replace some prices of rates, from one rate on, in the spare set; the others stay."""
        spare, before = self.prices.spare, first_rate - 1
        if before + len(prices_e4) > self.counts.rates:
            raise TablesRefused(Fault.RATES, f"{self.counts.rates} rates are set")
        tables.check_prices(prices_e4, self.counts)
        self.prices.spare = spare[:before] + prices_e4 + spare[before + len(prices_e4) :]

    def set_spare_ladder(self, ladder: Ladder) -> None:
        """Replace the spare ladder."""
        tables.check_ladder(ladder, self.counts)
        self.ladder.spare = ladder

    def set_switch(self, kind: TableKind, *, switch_civil_ms: int, civil_ms: int) -> None:
        """Say when the sets of a kind change places; only what is still to come can be waited for."""
        if switch_civil_ms <= civil_ms:
            raise TablesRefused(Fault.OTHER, "the switch time has passed")
        self._pairs[kind].switch_civil_ms = switch_civil_ms
        self._segment = None

    def set_counts(self, counts: Counts, *, highest_rate: int) -> None:
        """Change how many entries the tables may have; no less than they have, or than a register counted."""
        if highest_rate > max(counts.rates, RATES_SHOWN_MIN):
            raise TablesRefused(Fault.OTHER, f"rate {highest_rate} has a register with use in it")
        self._check_all(counts)
        self.counts = counts
        self._segment = None

    def set_rest_days(self, *, weekday_bits: int, table_no: int) -> None:
        """Say which days of every week rest, and which day table they follow."""
        tables.check_table_no(table_no, self.counts)
        self.weekday_bits, self.rest_table_no = weekday_bits, table_no
        self._segment = None

    def set_holiday(self, number: int, holiday: Holiday | None) -> None:
        """Set one public holiday; None takes it away."""
        if not 1 <= number <= self.counts.holidays:
            raise TablesRefused(Fault.OTHER, f"holiday {number} of {self.counts.holidays}")
        if holiday is None:
            self.holidays.pop(number, None)
        else:
            tables.check_table_no(holiday.table_no, self.counts)
            self.holidays[number] = holiday
        self._segment = None

    def _check_all(self, counts: Counts) -> None:
        tables.check_counts(counts)
        for set_no in (1, 2):
            tables.check_zones(self.zones.set_no(set_no), counts)
            for table in self.day_tables.set_no(set_no)[: counts.day_tables]:
                tables.check_day_table(table, counts)
            tables.check_ladder(self.ladder.set_no(set_no), counts)
        tables.check_table_no(self.rest_table_no, counts)
        for number, holiday in self.holidays.items():
            tables.check_table_no(holiday.table_no, counts)
            if number > counts.holidays:
                raise TablesRefused(Fault.OTHER, f"holiday {number} is set")

    def _look(self, civil_ms: int, *, used_wh: int) -> TariffSegment:
        day, of_day_ms = divmod(civil_ms, DAY_MS)
        slots = tables.without_padding(self.day_tables.running[self._table_no(day) - 1])
        starts_ms = [(slot.hour * 60 + slot.minute) * MINUTE_MS for slot in slots]
        begun = bisect_right(starts_ms, of_day_ms)
        rate = slots[begun - 1].rate  # a day table is a circle: until its first slot begins, its last goes on
        end_ms = starts_ms[begun] if begun < len(slots) else DAY_MS
        switches_ms = (pair.switch_civil_ms for pair in self._pairs.values())
        ends_ms = [at_ms for at_ms in switches_ms if at_ms is not None and at_ms > civil_ms]
        ladder = self.ladder.running
        step = ladder.step_at(used_wh)
        return TariffSegment(
            rate=rate,
            rate_price_e4=self.prices.running[rate - 1],
            step_price_e4=ladder.prices_e4[step],
            from_civil_ms=civil_ms,
            until_civil_ms=min([day * DAY_MS + end_ms, *ends_ms]),
            from_used_wh=used_wh,
            until_used_wh=ladder.bounds_wh[step] if step < len(ladder.bounds_wh) else None,
        )

    def _table_no(self, day: int) -> int:
        at = civil_from_ms(day * DAY_MS).date()
        for holiday in self.holidays.values():
            if holiday.on == at:
                return holiday.table_no
        if not self.weekday_bits >> at.isoweekday() % 7 & 1:
            return self.rest_table_no
        begun = [zone for zone in self.zones.running if (zone.month, zone.day) <= (at.month, at.day)]
        return (begun or self.zones.running)[-1].table_no  # the year is a circle, too


def _refuse_running(runs: bool) -> None:
    if runs:
        raise TablesRefused(Fault.OTHER, "the running set is never written")
