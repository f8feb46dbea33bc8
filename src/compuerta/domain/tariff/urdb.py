"""OpenEI URDB rates (the JSON of its interface) as tariffs, and a year's bills by them.

Published rates are full of dirt. What has one meaning is normalised: a bound of 0, or beyond any account's
use, is no bound; the last tier's bound is none; period numbers may be 1.0; one period needs no schedule. What
has two meanings, or costs money that is not rated here, is refused with the field named. Numbers become exact
decimals by the digits that they were written with: 0.0421641 is that, whatever a reader of JSON made of it.

A month of a rate is a calendar month, its hours are the wall clock's, and it knows no holidays.
"""

import re
from calendar import isleap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from itertools import groupby, pairwise
from numbers import Rational, Real
from typing import TypeVar

from compuerta.domain.errors import Refused
from compuerta.domain.money import minor_digits
from compuerta.domain.tariff.bill import Bill, bill
from compuerta.domain.tariff.civil import MINUTE_US, YEAR_MONTHS, from_us, to_us
from compuerta.domain.tariff.components import (
    MINUTES_PER_DAY,
    Account,
    Allocation,
    Calendar,
    Component,
    DayTable,
    Demand,
    Energy,
    Fixed,
    Ladder,
    Minimum,
    MonthDay,
    Period,
    Scale,
    Season,
    Slot,
    Steps,
    Tariff,
    Terms,
    Window,
)
from compuerta.domain.tariff.rating import year_exact_after
from compuerta.domain.tariff.schedule import Schedule, Version
from compuerta.domain.tariff.tally import Span, Tally, opened, sort_in

# A bound from here on, in kWh or kW, is a way to write that there is none; 1e14 and 1e38 are met.
UNBOUNDED_FROM = 10**12
PERIODS_MAX = 64
TIERS_MAX = 32
NAME_CHARACTERS_MAX = 120
LOOKBACK_MONTHS = range(25)
HOUR_MIN = 60
DAY_HOURS = 24
YEARS = range(1970, 2200)

_NUMBER = re.compile(r"-?[0-9]{1,40}(\.[0-9]{1,40})?([eE][+-]?[0-9]{1,2})?", re.ASCII)
_ENERGY_UNITS = {
    "kwh": Scale.NONE,
    "kwh daily": Scale.DAY,
    "kwh/kw": Scale.KW,
    "kwh/kw daily": Scale.KW_DAY,
}
_DEMAND_UNITS = {"kw": Scale.NONE}
_FIXED_PER = {"$/day": Window.DAY, "$/month": Window.MONTH, "$/year": Window.YEAR}
_MINIMUM_PER = {"$/month": Window.CYCLE, "$/year": Window.YEAR}
# Each is money that a bill of ours would leave out.
_NOT_RATED = ("fueladjustmentsmonthly", "demandreactivepowercharge", "demandratchetpercentage")
_Choice = TypeVar("_Choice")
# As PySAM takes charges of other lengths, in leap years too.
_DAYS_PER_MONTH = Fraction(365, 12)
_YEARS_PER_MONTH = Fraction(1, 12)
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class UrdbMalformed(Refused):
    """A rate that cannot be read, or rated; `field` is a path such as `energyratestructure[1][0].rate`."""

    def __init__(self, *, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tier:
    bound: Fraction | None  # kWh or kW, before it is scaled; None = no bound
    price: Fraction
    scale: Scale


def tariff_from_urdb(
    rate: Mapping[str, object],
    *,
    currency: str = "USD",
    tier_mode: Allocation = Allocation.CHRONOLOGICAL,
    tier_accumulation: Window = Window.MONTH,
) -> Tariff:
    """Return the tariff of a rate; a rate does not say how its tiers are counted.

    Refuses (`UrdbMalformed`) what has no one meaning or is not rated here; what can be read and yet makes no
    tariff, such as a demand price below nothing, is refused by `checking`. What is fed in (`sell`,
    `dgrules`) is left aside, and so are the words for whom the rate is.
    """
    _refuse_not_rated(rate)
    minor_digits(currency)
    components: list[Component] = [
        _energy(rate, tier_mode=tier_mode, tier_accumulation=tier_accumulation),
        *_demands(rate),
        *_fixed(rate),
        *_minimums(rate),
    ]
    return Tariff(name=_name(rate), currency=currency, components=tuple(components))


def monthly_totals(
    rate: dict[str, object],
    wh: list[int],
    interval_minutes: int,
    year: int,
    tier_mode: str,
    tier_accumulation: str,
) -> list[Fraction]:
    """Return the bills of a calendar year's months, January first, in major units before any rounding.

    `wh` is the use in each interval of the year from 1 January, 00:00, in a zone without clock changes. A
    month's fixed charge is a twelfth of a year's, and 365/12 of a day's, as PySAM takes it. Bounds per kW are
    of the highest interval of the window (month or year). Before the year there was no use to look back on.
    """
    tariff = tariff_from_urdb(
        _by_the_month(rate),
        tier_mode=_chosen(tier_mode, "tier_mode", {each.value: each for each in Allocation}),
        tier_accumulation=_chosen(
            tier_accumulation, "tier_accumulation", {each.value: each for each in (Window.MONTH, Window.YEAR)}
        ),
    )
    bills = bills_of_year(tariff, wh, interval_minutes=interval_minutes, year=year)
    return [each.exact / 10 ** minor_digits(tariff.currency) for each in bills]


def bills_of_year(tariff: Tariff, wh: Sequence[int], *, interval_minutes: int, year: int) -> list[Bill]:
    """Return the twelve bills of a rate's tariff for a calendar year's use (see `monthly_totals`).

    The engine sorts the runs of use and makes the bills; power has no order, and is put in by month.
    """
    load = _load(wh, interval_minutes=interval_minutes, year=year)
    schedule = _schedule(tariff, _measured(tariff.components, interval_minutes))
    sorting = _schedule(tariff, [each for each in tariff.components if not isinstance(each, Demand)])
    edges_us = load.edges_us()
    tally = opened(schedule=sorting, at=from_us(edges_us[0]))
    past_wh: tuple[tuple[int, ...], ...] = ()
    year_exact = Fraction(0)
    bills = []
    for month_us in pairwise(edges_us):
        window_us = month_us if tariff.energy.steps.window is Window.MONTH else (edges_us[0], edges_us[-1])
        terms = Terms(contracted_w=load.peak_w(*window_us))
        tally, ended = _month(tally, load, month_us, schedule=sorting, terms=terms)
        peaks_wh = _peaks_wh(load, month_us, schedule=schedule)
        ended = replace(
            ended,
            segments=(replace(ended.segments[0], peaks_wh=peaks_wh),),
            past_peaks_wh=past_wh,
            year_exact=year_exact,
        )
        bills.append(bill(ended, schedule=schedule, terms=terms, closing=True))
        year_exact = year_exact_after(ended, bills[-1], schedule=schedule)
        past_wh = (peaks_wh, *past_wh)
    return bills


# The tariff.


def _name(rate: Mapping[str, object]) -> str:
    words = " - ".join(str(rate[field]) for field in ("utility", "name") if rate.get(field))
    printable = "".join(each if each.isprintable() else " " for each in words)
    return " ".join(printable.split())[:NAME_CHARACTERS_MAX].strip() or "URDB rate"


def _refuse_not_rated(rate: Mapping[str, object]) -> None:
    for field in _NOT_RATED:
        given = rate.get(field)
        numbers = given if isinstance(given, list | tuple) else [given]
        if any(_number(each, field) for each in numbers if each is not None):
            raise UrdbMalformed(
                field=field, reason="is not rated here; add it to the prices, or leave it out"
            )
    if _costs(_structure(rate, "coincidentratestructure", _DEMAND_UNITS)):
        reason = "is not rated here: a meter does not know the grid's peak"
        raise UrdbMalformed(field="coincidentratestructure", reason=reason)


def _energy(rate: Mapping[str, object], *, tier_mode: Allocation, tier_accumulation: Window) -> Energy:
    field = "energyratestructure"
    structure = _structure(rate, field, _ENERGY_UNITS)
    if not structure:
        raise UrdbMalformed(field=field, reason="is missing")
    scales = {tier.scale for tiers in structure for tier in tiers if tier.bound is not None}
    if len(scales) > 1:
        raise UrdbMalformed(field=field, reason="its bounds are in several units; write all in one")
    return Energy(
        name="Energy",
        calendar=_calendar(rate, "energyweekdayschedule", "energyweekendschedule", periods=len(structure)),
        periods=_periods(structure),
        steps=Steps(
            window=tier_accumulation, allocation=tier_mode, scale=scales.pop() if scales else Scale.NONE
        ),
        negative_allowed=any(tier.price < 0 for tiers in structure for tier in tiers),
    )


def _demands(rate: Mapping[str, object]) -> Iterator[Demand]:
    for field in ("demandrateunit", "demandunits", "flatdemandunit"):
        _unit(rate.get(field), field, _DEMAND_UNITS)
    interval_min = _interval(rate)
    ratchet_months, ratchet_share = _ratchet(rate)
    flat = _structure(rate, "flatdemandstructure", _DEMAND_UNITS)
    if _costs(flat):
        months = _row(rate.get("flatdemandmonths"), "flatdemandmonths", YEAR_MONTHS, periods=len(flat))
        hours = [(month,) * DAY_HOURS for month in months]
        yield Demand(
            name="Demand",
            calendar=_calendar_of(hours, hours),
            periods=_periods(flat),
            interval_min=interval_min,
            ratchet_months=ratchet_months,
            ratchet_share=ratchet_share,
        )
    by_time = _structure(rate, "demandratestructure", _DEMAND_UNITS)
    if _costs(by_time):
        if ratchet_months:
            reason = "does not say what of demand by time of use it looks back on: leave one of them out"
            raise UrdbMalformed(field="lookbackpercent", reason=reason)
        yield Demand(
            name="Demand by time of use",
            calendar=_calendar(rate, "demandweekdayschedule", "demandweekendschedule", periods=len(by_time)),
            periods=_periods(by_time),
            interval_min=interval_min,
        )


def _interval(rate: Mapping[str, object]) -> int:
    """Return over how many minutes power is averaged; where a rate does not say, an hour, as loads come."""
    given = rate.get("demandwindow")
    return HOUR_MIN if given is None else _whole(given, "demandwindow", range(1, HOUR_MIN + 1))


def _ratchet(rate: Mapping[str, object]) -> tuple[int, Fraction]:
    share = _amount(rate.get("lookbackpercent"), "lookbackpercent")
    months = _whole(_amount(rate.get("lookbackrange"), "lookbackrange"), "lookbackrange", LOOKBACK_MONTHS)
    if not share:
        return 0, Fraction(0)  # months without a share look back on nothing
    if not 0 < share <= 1:
        raise UrdbMalformed(field="lookbackpercent", reason="write a share from 0 to 1")
    if not months:
        raise UrdbMalformed(field="lookbackrange", reason="write how many months are looked back on")
    flags = rate.get("lookbackmonths")
    if flags is not None and not all(_row(flags, "lookbackmonths", YEAR_MONTHS, periods=2)):
        raise UrdbMalformed(field="lookbackmonths", reason="a ratchet of some months only is not rated here")
    return months, share


def _fixed(rate: Mapping[str, object]) -> Iterator[Fixed]:
    charge = _charge(rate, "fixedchargefirstmeter", "fixedchargeunits", _FIXED_PER, old="fixedmonthlycharge")
    if charge:
        amount, per = charge
        yield Fixed(name="Fixed charge", account=Account.FIXED, amount=amount, per=per)


def _minimums(rate: Mapping[str, object]) -> Iterator[Minimum]:
    charge = _charge(rate, "mincharge", "minchargeunits", _MINIMUM_PER, old="minmonthlycharge")
    annual = _amount(rate.get("annualmincharge"), "annualmincharge")
    if charge:
        amount, per = charge
        yield Minimum(name="Minimum charge", amount=amount, per=Window.CYCLE if per is Window.MONTH else per)
    if annual:
        if charge:
            raise UrdbMalformed(
                field="annualmincharge", reason="a rate has one minimum, and there is another"
            )
        yield Minimum(name="Minimum charge", amount=annual, per=Window.YEAR)


def _charge(
    rate: Mapping[str, object], field: str, unit: str, per: Mapping[str, Window], *, old: str
) -> tuple[Fraction, Window] | None:
    """Return an amount and for how long it is, by its new name or its old one; None = there is none."""
    amount = _amount(rate.get(field), field)
    monthly = _amount(rate.get(old), old)
    if amount and monthly and (amount, rate.get(unit)) != (monthly, "$/month"):
        raise UrdbMalformed(field=old, reason=f"differs from {field}: leave one of them out")
    if amount:
        return amount, _chosen(rate.get(unit), unit, per)
    return (monthly, Window.MONTH) if monthly else None


# Prices.


def _structure(rate: Mapping[str, object], field: str, units: Mapping[str, Scale]) -> list[list[_Tier]]:
    return [
        _tiers(tiers, f"{field}[{at}]", units)
        for at, tiers in enumerate(
            _list([] if rate.get(field) is None else rate[field], field, most=PERIODS_MAX)
        )
    ]


def _costs(structure: Sequence[Sequence[_Tier]]) -> bool:
    return any(tier.price for tiers in structure for tier in tiers)


def _tiers(given: object, field: str, units: Mapping[str, Scale]) -> list[_Tier]:
    tiers = [
        _tier(each, f"{field}[{at}]", units) for at, each in enumerate(_list(given, field, most=TIERS_MAX))
    ]
    if not tiers:
        raise UrdbMalformed(field=field, reason="has no tier; write one with its rate")
    below = Fraction(0)
    for at, tier in enumerate(tiers[:-1]):
        if tier.bound is None:
            raise UrdbMalformed(field=f"{field}[{at}].max", reason="only the last tier is without a bound")
        if tier.bound <= below:
            raise UrdbMalformed(field=f"{field}[{at}].max", reason="tiers must rise")
        if (tier.bound * 1_000).denominator != 1:
            raise UrdbMalformed(field=f"{field}[{at}].max", reason="is finer than a thousandth")
        below = tier.bound
    return [*tiers[:-1], replace(tiers[-1], bound=None)]


def _tier(given: object, field: str, units: Mapping[str, Scale]) -> _Tier:
    if not isinstance(given, Mapping):
        raise UrdbMalformed(field=field, reason="write a tier with its rate")
    if given.get("rate") is None:
        raise UrdbMalformed(field=f"{field}.rate", reason="is missing; write 0 where nothing is charged")
    bound = _amount(given.get("max"), f"{field}.max")
    if bound < 0:
        raise UrdbMalformed(field=f"{field}.max", reason="is below nothing")
    return _Tier(
        bound=bound if 0 < bound < UNBOUNDED_FROM else None,
        price=_number(given["rate"], f"{field}.rate") + _amount(given.get("adj"), f"{field}.adj"),
        scale=_unit(given.get("unit"), f"{field}.unit", units),
    )


def _unit(given: object, field: str, units: Mapping[str, Scale]) -> Scale:
    word = given.strip().lower() if isinstance(given, str) else given
    return Scale.NONE if word is None else _chosen(word, field, units)


def _periods(structure: Sequence[Sequence[_Tier]]) -> tuple[Period, ...]:
    return tuple(
        Period(
            name=f"period {at}",
            ladder=Ladder(
                bounds=tuple(int(tier.bound * 1_000) for tier in tiers if tier.bound is not None),
                prices=tuple(tier.price for tier in tiers),
            ),
        )
        for at, tiers in enumerate(structure)
    )


# Time.


def _calendar(rate: Mapping[str, object], weekdays: str, weekends: str, *, periods: int) -> Calendar:
    return _calendar_of(
        _matrix(rate.get(weekdays), weekdays, periods=periods),
        _matrix(rate.get(weekends), weekends, periods=periods),
    )


def _matrix(given: object, field: str, *, periods: int) -> list[tuple[int, ...]]:
    """Return twelve months of twenty-four hours of period numbers."""
    if given is None:
        return [_row(None, field, DAY_HOURS, periods=periods)] * YEAR_MONTHS
    months = _list(given, field, most=YEAR_MONTHS)
    if len(months) != YEAR_MONTHS:
        raise UrdbMalformed(field=field, reason=f"write {YEAR_MONTHS} months")
    return [_row(each, f"{field}[{month}]", DAY_HOURS, periods=periods) for month, each in enumerate(months)]


def _row(given: object, field: str, length: int, *, periods: int) -> tuple[int, ...]:
    if given is None and periods == 1:
        return (0,) * length
    if given is None:
        raise UrdbMalformed(field=field, reason="is missing")
    row = _list(given, field, most=length)
    if len(row) != length:
        raise UrdbMalformed(field=field, reason=f"write {length} period numbers")
    return tuple(_whole(each, f"{field}[{at}]", range(periods)) for at, each in enumerate(row))


def _calendar_of(weekdays: Sequence[tuple[int, ...]], weekends: Sequence[tuple[int, ...]]) -> Calendar:
    """Make day tables of the different rows, and seasons of the months that are alike, round the year."""
    tables = {row: number for number, row in enumerate(dict.fromkeys([*weekdays, *weekends]))}
    months = [(tables[weekday], tables[weekend]) for weekday, weekend in zip(weekdays, weekends, strict=True)]
    starts = [month for month in range(YEAR_MONTHS) if months[month] != months[month - 1]] or [0]
    return Calendar(
        day_tables=tuple(
            DayTable(name=f"day {number + 1:02}", slots=_slots(row)) for row, number in tables.items()
        ),
        seasons=tuple(
            Season(
                name=f"{_MONTHS[start]} to {_MONTHS[starts[(at + 1) % len(starts)] - 1]}",
                start=MonthDay(month=start + 1, day=1),
                days=(months[start][0],) * 5 + (months[start][1],) * 2,
            )
            for at, start in enumerate(starts)
        ),
    )


def _slots(hours: Sequence[int]) -> tuple[Slot, ...]:
    return tuple(
        Slot(start_min=hour * HOUR_MIN, period=period)
        for hour, period in enumerate(hours)
        if hour == 0 or period != hours[hour - 1]
    )


# Values.


def _number(given: object, field: str) -> Fraction:
    """Return a number by the digits that it is written with."""
    if isinstance(given, Rational) and not isinstance(given, bool):
        return Fraction(given)
    if isinstance(given, bool) or not isinstance(given, Real | Decimal | str):
        raise UrdbMalformed(field=field, reason="write a number")
    # What JSON makes of a decimal keeps 15 digits; further ones came from arithmetic: 0.1 + 0.2 is 0.3.
    digits = f"{given:.15g}" if isinstance(given, Real) else str(given)
    if not _NUMBER.fullmatch(digits):
        raise UrdbMalformed(field=field, reason="write a number such as 0.0421641")
    return Fraction(digits)


def _amount(given: object, field: str) -> Fraction:
    return Fraction(0) if given is None else _number(given, field)


def _whole(given: object, field: str, among: range) -> int:
    number = _number(given, field)
    if number.denominator != 1 or number.numerator not in among:
        raise UrdbMalformed(field=field, reason=f"write a whole number from {among[0]} to {among[-1]}")
    return number.numerator


def _list(given: object, field: str, *, most: int) -> Sequence[object]:
    if not isinstance(given, list | tuple):
        raise UrdbMalformed(field=field, reason="write a list")
    if len(given) > most:
        raise UrdbMalformed(field=field, reason=f"has {len(given)} entries, at most {most} are taken")
    return given


def _chosen(given: object, field: str, choices: Mapping[str, _Choice]) -> _Choice:
    if not isinstance(given, str) or given not in choices:
        raise UrdbMalformed(field=field, reason=f"write one of {', '.join(choices)}")
    return choices[given]


# A year's bills.


@dataclass(frozen=True, slots=True, kw_only=True)
class _Load:
    """A year's use, interval by interval."""

    wh: Sequence[int]
    interval_min: int
    year: int

    def edges_us(self) -> list[int]:
        """Return where the months begin, and the year's end."""
        return [
            to_us(datetime(self.year + month // YEAR_MONTHS, month % YEAR_MONTHS + 1, 1, tzinfo=UTC))
            for month in range(YEAR_MONTHS + 1)
        ]

    def within(self, start_us: int, end_us: int) -> Sequence[int]:
        """Return the intervals of [start, end), whose edges are edges of intervals."""
        zero_us, step_us = to_us(datetime(self.year, 1, 1, tzinfo=UTC)), self.interval_min * MINUTE_US
        return self.wh[(start_us - zero_us) // step_us : (end_us - zero_us) // step_us]

    def peak_w(self, start_us: int, end_us: int) -> int:
        """Return the highest average power of an interval."""
        return max(self.within(start_us, end_us)) * HOUR_MIN // self.interval_min


def _load(wh: Sequence[int], *, interval_minutes: int, year: int) -> _Load:
    if year not in YEARS:
        raise UrdbMalformed(field="year", reason=f"write a year from {YEARS[0]} to {YEARS[-1]}")
    if interval_minutes < 1 or HOUR_MIN % interval_minutes:
        raise UrdbMalformed(field="interval_minutes", reason="write a part of an hour, such as 15, 30 or 60")
    count = (366 if isleap(year) else 365) * MINUTES_PER_DAY // interval_minutes
    if len(wh) != count:
        raise UrdbMalformed(field="wh", reason=f"has {len(wh)} intervals; the year {year} has {count}")
    if min(wh) < 0:
        raise UrdbMalformed(field="wh", reason="has an interval below nothing")
    return _Load(wh=wh, interval_min=interval_minutes, year=year)


def _by_the_month(rate: Mapping[str, object]) -> dict[str, object]:
    """Return a rate whose charges by the day or year are by the month, as PySAM takes them."""
    turned = dict(rate)
    for field, unit, months in (
        ("fixedchargefirstmeter", "fixedchargeunits", {"$/day": _DAYS_PER_MONTH, "$/year": _YEARS_PER_MONTH}),
        ("mincharge", "minchargeunits", {"$/day": _DAYS_PER_MONTH}),
    ):
        factor = months.get(str(rate.get(unit)))
        if factor is not None:
            turned[field] = _amount(rate.get(field), field) * factor
            turned[unit] = "$/month"
    return turned


def _measured(components: Iterable[Component], interval_min: int) -> list[Component]:
    """Return the components with power averaged over the load's own intervals."""
    return [
        replace(each, interval_min=interval_min) if isinstance(each, Demand) else each for each in components
    ]


def _schedule(tariff: Tariff, components: Iterable[Component]) -> Schedule:
    start = datetime(YEARS[0], 1, 1, tzinfo=UTC)
    version = Version(
        tariff_id=0,
        version_no=0,
        effective_from=start.replace(tzinfo=None),
        tariff=replace(tariff, components=tuple(components)),
    )
    return Schedule(zone="UTC", versions=((start, version),))


def _month(
    tally: Tally, load: _Load, month_us: tuple[int, int], *, schedule: Schedule, terms: Terms
) -> tuple[Tally, Tally]:
    """Return the tally after a month's use, and the month's last; a run of one period is one use."""
    for _, run in groupby(schedule.pieces(*month_us), key=lambda piece: piece.period):
        pieces = list(run)
        start_us, end_us = pieces[0].start_us, pieces[-1].end_us
        energy_wh = sum(load.within(start_us, end_us))
        span = Span(start=from_us(start_us), end=from_us(end_us), energy_wh=energy_wh)
        moved = sort_in(tally, span, schedule=schedule, terms=terms)
        tally = moved.tally
    (ended,) = moved.closed
    return tally, ended


def _peaks_wh(load: _Load, month_us: tuple[int, int], *, schedule: Schedule) -> tuple[int, ...]:
    """Return a month's highest intervals, by demand component, then by its period."""
    start_us, end_us = month_us
    version = schedule.version_at(start_us)
    peaks_wh: list[int] = []
    for number, demand in enumerate(version.tariff.demands):
        own_wh = [0] * len(demand.periods)
        at_us = start_us
        while at_us < end_us:
            run = schedule.demand_run(version, number, at_us)
            own_wh[run.period] = max(own_wh[run.period], *load.within(run.start_us, run.end_us))
            at_us = run.end_us
        peaks_wh += own_wh
    return tuple(peaks_wh)
