"""What a month costs by a tariff that is being edited: a made-up load, rated like a real one. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import accumulate
from types import MappingProxyType

from compuerta.domain.tariff.bill import Bill
from compuerta.domain.tariff.components import Tariff, Terms
from compuerta.domain.tariff.rating import rate
from compuerta.domain.tariff.schedule import Version, in_force
from compuerta.domain.tariff.tally import Span

# How a day's energy lies over its hours, in parts.
SHAPES = MappingProxyType(
    {
        "home": (3, 2, 2, 2, 2, 3, 5, 7, 6, 5, 4, 5, 6, 5, 4, 4, 5, 7, 9, 10, 10, 9, 7, 5),
        "shop": (1, 1, 1, 1, 1, 1, 1, 2, 5, 9, 10, 10, 10, 10, 10, 10, 10, 10, 10, 9, 8, 4, 1, 1),
        "night": (9, 9, 9, 9, 9, 9, 4, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 4, 9),
        "even": (1,) * 24,
    }
)
# A household as a tariff may ask for one; the account's own contract decides when it is billed.
TYPICAL = Terms(persons=3, contracted_w=5_000)
ENERGY_WH_MAX = 1_000_000_000
_HOUR = timedelta(hours=1)
_LONG_AGO = datetime(2000, 1, 1)  # noqa: DTZ001 the wall clock of any site
_DAYS_MAX = 62  # no cycle is longer


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """So much energy in one cycle of the bill, in the shape of a day."""

    energy_wh: int
    shape: str


def bill_of(tariff: Tariff, load: Load, *, zone: str, month: datetime) -> Bill:
    """Return the whole bill of the cycle that begins in this month, for somebody who moves in with it."""
    first = month.replace(day=tariff.cycle_day, hour=0, minute=0, second=0, microsecond=0)
    version = Version(tariff_id=0, version_no=0, effective_from=first.replace(tzinfo=None), tariff=tariff)
    schedule = in_force((version,), zone=zone)
    start = first.replace(tzinfo=schedule.zone)
    after = (first + timedelta(days=31)).replace(day=tariff.cycle_day, tzinfo=schedule.zone)
    hours = min((after - start) // _HOUR, 24 * _DAYS_MAX)
    spans = [*_spans(load, start=start, hours=hours), Span(start=after, end=after + _HOUR, energy_wh=0)]
    return rate(spans, schedule=schedule, start=start, terms=TYPICAL)[0]


def bill_of_use(tariff: Tariff, spans: Sequence[Span], *, zone: str, terms: Terms) -> Bill | None:
    """Return the first whole bill of a real use, or the only one as it stands; None where none was."""
    if not spans:
        return None
    version = Version(tariff_id=0, version_no=0, effective_from=_LONG_AGO, tariff=tariff)
    schedule = in_force((version,), zone=zone)
    return rate(spans, schedule=schedule, start=spans[0].start, terms=terms)[0]


def _spans(load: Load, *, start: datetime, hours: int) -> Iterator[Span]:
    """Share the energy over the hours; what is rounded off an hour comes in the next."""
    parts = [SHAPES[load.shape][hour % 24] for hour in range(hours)]
    ends = [load.energy_wh * until // sum(parts) for until in accumulate(parts)]
    for hour, end in enumerate(ends):
        before = ends[hour - 1] if hour else 0
        yield Span(start=start + hour * _HOUR, end=start + (hour + 1) * _HOUR, energy_wh=end - before)
