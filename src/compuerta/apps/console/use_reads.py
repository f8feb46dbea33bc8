"""What a resident's page says of use: by hour, by day, and how long the balance lasts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from django.utils import translation

from compuerta.apps.console import work
from compuerta.apps.console.histories import PayPlace
from compuerta.domain import forecast, wording
from compuerta.domain.contact import Language
from compuerta.domain.forecast import Shape
from compuerta.domain.party import zone_of
from compuerta.domain.tariff.tally import Span
from compuerta.services import beyond_zero, energy_pictures, forecasting
from compuerta.services.records import AccountView

HOURS_SHOWN: Final = 24
DAYS_SHOWN: Final = 14
SUGGESTED_DAYS: Final = (7, 30)
_HOUR: Final = timedelta(hours=1)
_PERCENT: Final = 100
CHART_WIDTH: Final = 336
LABELLED_EVERY: Final = {HOURS_SHOWN: 4, DAYS_SHOWN: 2}  # more would not be read on a phone


@dataclass(frozen=True, slots=True, kw_only=True)
class Lasting:
    """How long a balance lasts, and what is offered beyond it."""

    zero_at: datetime | None = None
    told: str = ""  # zero_at in the reader's language
    emergency_minor: int = 0  # offered now


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One bar of a chart of `CHART_WIDTH` by 100."""

    at: datetime
    energy_wh: int
    left: int
    top: int
    width: int
    height: int
    middle: int  # where its label is
    labelled: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Used:
    """What a place has used, and what it will want."""

    hours: Sequence[Bar]
    days: Sequence[Bar]
    suggested: Sequence[tuple[int, int]]  # (days, minor units)

    @property
    def day_wh(self) -> int:
        """What the last hours come to."""
        return sum(bar.energy_wh for bar in self.hours)

    @property
    def weeks_wh(self) -> int:
        """What the last days come to."""
        return sum(bar.energy_wh for bar in self.days)

    @property
    def is_known(self) -> bool:
        """Whether anything was used that could be shown."""
        return bool(self.weeks_wh)


def lasting(account_id: int, *, now: datetime) -> Lasting:
    """Return how long an account's balance lasts, and the emergency credit that it is offered."""
    view, shape, taken = _known(account_id, now=now)
    if view is None:
        return Lasting()
    offered = view.policy.emergency_minor if not taken and beyond_zero.is_offered(view) else 0
    if shape is None or view.balance_minor <= 0:
        return Lasting(emergency_minor=offered)
    found = forecasting.used_up(view, view.holdings, shape, balance_minor=view.balance_minor, at=now)
    zero_at = None if found is None else found.zero_at
    told = wording.about(zero_at, zone=zone_of(view.account.zone), now=now, language=reader())
    return Lasting(zero_at=zero_at, told=told, emergency_minor=offered)


def used(place: PayPlace, *, now: datetime) -> Used:
    """Return a place's use since its account was opened: nobody sees what the one before has used."""
    view, shape, _taken = _known(place.account_id, now=now)
    if view is None or view.meter is None:
        return Used(hours=(), days=(), suggested=())
    since = max(now - forecast.HISTORY, place.opened_at)
    with work.store() as store, store.transaction() as tx:
        found = tx.messages.uses_of([view.meter.meter_id], since=since, until=now)
    zone = zone_of(place.zone)
    first = now.replace(minute=0, second=0, microsecond=0) - (HOURS_SHOWN - 1) * _HOUR
    by_hour = _by_hour(found.get(view.meter.meter_id, []), anchor=first)
    hours = [(first + place_ * _HOUR).astimezone(zone) for place_ in range(HOURS_SHOWN)]
    by_day: dict[date, int] = {}
    for at, energy_wh in by_hour.items():
        day = at.astimezone(zone).date()
        by_day[day] = by_day.get(day, 0) + energy_wh
    today = now.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)
    days = [today - timedelta(days=back) for back in reversed(range(DAYS_SHOWN))]
    suggested = [
        (count, forecasting.suggested_minor(view, shape, days=count)) for count in SUGGESTED_DAYS if shape
    ]
    return Used(
        hours=_bars([(at, by_hour.get(at, 0)) for at in hours]),
        days=_bars([(at, by_day.get(at.date(), 0)) for at in days]),
        suggested=[each for each in suggested if each[1]],
    )


def reader() -> Language:
    """Return the language of whoever reads."""
    return Language(translation.get_language() or Language.ENGLISH.value)


def _known(account_id: int, *, now: datetime) -> tuple[AccountView | None, Shape | None, bool]:
    with work.store() as store, store.transaction() as tx:
        view = tx.look_at([account_id], now=now).get(account_id)
        if view is None:
            return None, None, False
        shape = forecasting.shapes_of(tx, [view], now=now).get(account_id)
        return view, shape, bool(tx.emergencies([account_id]))


def _by_hour(spans: Sequence[Span], *, anchor: datetime) -> Mapping[datetime, int]:
    hours: dict[datetime, int] = {}
    for hour, energy_wh, _ in energy_pictures.shared_out(spans, anchor=anchor):
        hours[hour] = hours.get(hour, 0) + energy_wh
    return hours


def _bars(values: Sequence[tuple[datetime, int]]) -> list[Bar]:
    highest = max((energy_wh for _, energy_wh in values), default=0) or 1
    pitch, every = CHART_WIDTH // len(values), LABELLED_EVERY[len(values)]
    bars = []
    for number, (at, energy_wh) in enumerate(values):
        height = -(-energy_wh * _PERCENT // highest)
        bars.append(
            Bar(
                at=at,
                energy_wh=energy_wh,
                left=number * pitch + 1,
                top=_PERCENT - height,
                width=pitch - 2,
                height=height,
                middle=number * pitch + pitch // 2,
                labelled=(len(values) - 1 - number) % every == 0,
            )
        )
    return bars
