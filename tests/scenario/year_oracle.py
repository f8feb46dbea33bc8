"""The year as a person with a calendar and a pocket calculator would bill it, hour by hour.

It shares nothing with the engine: local time comes from the zone alone, prices and bounds from three small
tables. Money is counted in 0.0001 per kWh times Wh, and is rounded once, half up, on everything since the
account began, as a meter does.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

ZONE = ZoneInfo("Europe/Madrid")
START = datetime(2027, 1, 1, tzinfo=ZONE).astimezone(UTC)
END = datetime(2028, 1, 1, tzinfo=ZONE).astimezone(UTC)
HOUR = timedelta(hours=1)
FIRST, SECOND, THIRD = datetime(2027, 1, 1), datetime(2027, 4, 1), datetime(2027, 9, 15)  # noqa: DTZ001
HOLIDAYS = frozenset({date(2027, 1, 6), date(2027, 8, 16), date(2027, 10, 12), date(2027, 12, 8)})

VALLEY, FLAT, PEAK = range(3)
UNITS_PER_CENT = 100_000  # 0.0001 of the major unit per kWh x 1 Wh, in a hundredth of the major unit


@dataclass(frozen=True, slots=True)
class Prices:
    """One version: from when, price of each period and step in cent per kWh, bounds, and the peak hours."""

    since: datetime
    base: tuple[str, str, str]
    add_on: tuple[str, str, str]
    bounds_wh: tuple[int, int]
    peaks: frozenset[int]


VERSIONS = (
    Prices(FIRST, ("0.0911", "0.1423", "0.2107"), ("0", "0.0250", "0.0777"), (90_000, 210_000),
           frozenset({10, 11, 12, 13, 18, 19, 20, 21})),
    Prices(SECOND, ("0.0873", "0.1399", "0.2251"), ("0", "0.0310", "0.0801"), (90_000, 210_000),
           frozenset({10, 11, 12, 13, 18, 19, 20, 21})),
    Prices(THIRD, ("0.0905", "0.1501", "0.2333"), ("0", "0.0310", "0.0801"), (120_000, 260_000),
           frozenset({11, 12, 13, 19, 20, 21, 22})),
)  # fmt: skip


@cache
def hours() -> tuple[tuple[datetime, datetime], ...]:
    """Return each hour of the year: its instant, and what the wall clock shows."""
    instants = (START + number * HOUR for number in range((END - START) // HOUR))
    return tuple((at, at.astimezone(ZONE).replace(tzinfo=None)) for at in instants)


def version_at(civil: datetime) -> Prices:
    """Return the version in force."""
    return [each for each in VERSIONS if each.since <= civil][-1]


def period_at(civil: datetime) -> int:
    """Return the period of an hour."""
    if civil.weekday() >= 5 or civil.date() in HOLIDAYS or civil.hour < 8:
        return VALLEY
    return PEAK if civil.hour in version_at(civil).peaks else FLAT


def owed_cent(load_wh: Callable[[int], int]) -> Iterator[tuple[datetime, int]]:
    """Yield, at the end of each hour, what everything so far comes to; `load_wh` is of the nth hour."""
    units = used_wh = month = 0
    for number, (at, civil) in enumerate(hours()):
        if civil.month != month:
            used_wh, month = 0, civil.month
        prices = version_at(civil)
        rest_wh = load_wh(number)
        while rest_wh:
            step = sum(used_wh >= bound for bound in prices.bounds_wh)
            room_wh = prices.bounds_wh[step] - used_wh if step < 2 else rest_wh
            part_wh = min(room_wh, rest_wh)
            price_e4 = _e4(prices.base[period_at(civil)]) + _e4(prices.add_on[step])
            units += price_e4 * part_wh
            used_wh, rest_wh = used_wh + part_wh, rest_wh - part_wh
        yield at + HOUR, (2 * units + UNITS_PER_CENT) // (2 * UNITS_PER_CENT)


@cache
def _e4(price: str) -> int:
    whole, _, decimals = price.partition(".")
    return int(whole) * 10_000 + int(f"{decimals:0<4}")
