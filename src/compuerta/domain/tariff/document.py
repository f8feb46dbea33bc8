"""The document of a tariff: what a file or a form says, as frozen shapes, and back.

A document is made of texts, whole numbers, flags, lists and mappings, so that YAML, JSON and a database's
jsonb carry it unchanged. Prices, amounts, energy and shares are decimal texts in quotes: a number without
quotes has been through a reader of YAML, which makes floats of prices and takes 010 for eight. The order of a
mapping means nothing; where order counts, there is a list.

What cannot be read is refused here, at its place; what can be read and yet makes no tariff, by `checking`.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from fractions import Fraction
from typing import assert_never

from compuerta.domain.money import MINOR_DIGITS, AmountMalformed, format_minor, parse_minor
from compuerta.domain.tariff.components import (
    Account,
    Allocation,
    Allowance,
    Calendar,
    ChangePolicy,
    Component,
    DayTable,
    Demand,
    Energy,
    Fixed,
    HolidayList,
    Ladder,
    Minimum,
    MonthDay,
    Percent,
    Period,
    PerKwh,
    Recovery,
    Role,
    Rounding,
    RoundingMode,
    RoundingPlace,
    Scale,
    Scope,
    Season,
    Slot,
    StepKind,
    Steps,
    Tariff,
    Window,
)
from compuerta.domain.tariff.reading import PRICE_DECIMALS, Spot, Tree, word_of

# More than any tariff met so far, and few enough that a hostile document costs nothing to refuse.
COMPONENTS_MAX = 32
PERIODS_MAX = 64  # DL/T 645-2007: 63 rates
STEPS_MAX = 32
DAY_TABLES_MAX = 64
SLOTS_MAX = 96  # a change every quarter of an hour
SEASONS_MAX = 32
HOLIDAY_LISTS_MAX = 8
HOLIDAYS_MAX = 512  # twenty years of a country's

_ALL_DAY, _ALL_YEAR = "all day", "all year"  # what a calendar that is left out calls its parts
_SLOT = re.compile(r"(?P<hour>[0-9]{2}):(?P<minute>[0-5][0-9]) (?P<period>.+)", re.ASCII)

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_DAYS: dict[str, tuple[int, ...]] = {
    "every day": (0, 1, 2, 3, 4, 5, 6),
    "weekdays": (0, 1, 2, 3, 4),
    "weekends": (5, 6),
} | {name: (number,) for number, name in enumerate(WEEKDAYS)}

# What may be left out, and what it then is; the canonical document leaves it out.
_TARIFF: dict[str, Tree] = {"cycle_day": 1, "rounding": {}}
_ROUNDING: dict[str, Tree] = {"place": "running", "mode": "half_up"}
_CALENDAR: dict[str, Tree] = {"day_tables": {}, "seasons": [], "holidays": {}}
_SEASON: dict[str, Tree] = {"from": "01-01", "holidays": {}, **dict.fromkeys(_DAYS, "")}
_PERIOD: dict[str, Tree] = {"role": "flat"}
_ENERGY = _CALENDAR | {"add_on": [], "steps": {}, "negative_allowed": False}
_STEPS: dict[str, Tree] = {
    "bounds_kwh": [],
    "window": "month",
    "kind": "graduated",
    "scope": "total",
    "allocation": "chronological",
    "scale": "none",
    "on_change": "continue",
    "prorate_moves": False,
    "year_start": "01-01",
    "household": {},
}
_HOUSEHOLD: dict[str, Tree] = {"persons": 0, "extra_kwh": "0"}
_DEMAND = _CALENDAR | {"interval_minutes": 60, "bounds_kw": [], "ratchet": {}}
_RATCHET: dict[str, Tree] = {"months": 0, "percent": "0"}
_PERCENT: dict[str, Tree] = {"base": [], "included": False}
_ALLOWANCE: dict[str, Tree] = {"window": "month", "counts_in_steps": False}
_MINIMUM: dict[str, Tree] = {"base": []}
_RECOVERY: dict[str, Tree] = {"least": "0"}


def tariff_from(mapping: object) -> Tariff:
    """Read a document (texts, numbers, flags, lists and mappings); refuses the first that cannot be read.

    Day tables and holidays come out sorted by name, whatever order the mapping had.
    """
    fields = Spot(value=mapping, place="").fields("name currency components", _TARIFF)
    currency = fields["currency"].text()
    if currency not in MINOR_DIGITS:
        known = ", ".join(sorted(MINOR_DIGITS))
        raise fields["currency"].refused(f"is not a currency known here; write one of {known}")
    rounding = fields["rounding"].fields("", _ROUNDING)
    return Tariff(
        name=fields["name"].text(),
        currency=currency,
        components=tuple(
            _component(spot, currency=currency) for spot in fields["components"].items(COMPONENTS_MAX)
        ),
        cycle_day=fields["cycle_day"].whole(),
        rounding=Rounding(
            place=rounding["place"].word(RoundingPlace), mode=rounding["mode"].word(RoundingMode)
        ),
    )


def mapping_of(tariff: Tariff) -> dict[str, Tree]:
    """Return the canonical document of a tariff without faults: the shortest that reads alike."""
    rounding: dict[str, Tree] = {
        "place": word_of(tariff.rounding.place),
        "mode": word_of(tariff.rounding.mode),
    }
    mapping: dict[str, Tree] = {
        "name": tariff.name,
        "currency": tariff.currency,
        "cycle_day": tariff.cycle_day,
        "rounding": _short(rounding, _ROUNDING),
        "components": [_mapping_of_component(each, currency=tariff.currency) for each in tariff.components],
    }
    return _short(mapping, _TARIFF)


def fingerprint(tariff: Tariff) -> str:
    """Return the SHA-256 of the canonical document: equal for tariffs that say the same."""
    text = json.dumps(mapping_of(tariff), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


_Fields = Mapping[str, Spot]


def _component(spot: Spot, *, currency: str) -> Component:
    kind = spot.value.get("kind") if isinstance(spot.value, Mapping) else None
    match kind:
        case "energy":
            return _energy(spot.fields("kind name periods", _ENERGY))
        case "per_kwh":
            return _per_kwh(spot.fields("kind name account price", {}))
        case "fixed":
            return _fixed(spot.fields("kind name account amount per", {}))
        case "demand":
            return _demand(spot.fields("kind name periods", _DEMAND))
        case "percent":
            return _percent(spot.fields("kind name account percent", _PERCENT))
        case "allowance":
            return _allowance(spot.fields("kind name energy_kwh", _ALLOWANCE))
        case "minimum":
            return _minimum(spot.fields("kind name amount per", _MINIMUM))
        case "recovery":
            return _recovery(spot.fields("kind name percent", _RECOVERY), currency=currency)
        case _:
            kinds = "energy, per_kwh, fixed, demand, percent, allowance, minimum, recovery"
            raise spot.refused(f"write a mapping with a kind: {kinds}")


def _energy(fields: _Fields) -> Energy:
    steps = fields["steps"].fields("", _STEPS)
    household = steps["household"].fields("", _HOUSEHOLD)
    add_on = [spot.decimal() for spot in fields["add_on"].items(STEPS_MAX)]
    periods = _periods(fields["periods"], shared=steps["bounds_kwh"], key="bounds_kwh", add_on=add_on)
    return Energy(
        name=fields["name"].text(),
        calendar=_calendar(fields, periods=periods),
        periods=periods,
        steps=Steps(
            window=steps["window"].word(Window),
            kind=steps["kind"].word(StepKind),
            scope=steps["scope"].word(Scope),
            allocation=steps["allocation"].word(Allocation),
            scale=steps["scale"].word(Scale),
            on_change=steps["on_change"].word(ChangePolicy),
            prorate_moves=steps["prorate_moves"].flag(),
            year_start=steps["year_start"].month_day(),
            household_persons=household["persons"].whole(),
            household_extra_wh=household["extra_kwh"].thousandths(),
        ),
        negative_allowed=fields["negative_allowed"].flag(),
    )


def _demand(fields: _Fields) -> Demand:
    ratchet = fields["ratchet"].fields("", _RATCHET)
    periods = _periods(fields["periods"], shared=fields["bounds_kw"], key="bounds_kw", add_on=[])
    return Demand(
        name=fields["name"].text(),
        calendar=_calendar(fields, periods=periods),
        periods=periods,
        interval_min=fields["interval_minutes"].whole(),
        ratchet_months=ratchet["months"].whole(),
        ratchet_share=ratchet["percent"].decimal() / 100,
    )


def _per_kwh(fields: _Fields) -> PerKwh:
    return PerKwh(
        name=fields["name"].text(), account=fields["account"].word(Account), price=fields["price"].decimal()
    )


def _fixed(fields: _Fields) -> Fixed:
    return Fixed(
        name=fields["name"].text(),
        account=fields["account"].word(Account),
        amount=fields["amount"].decimal(),
        per=fields["per"].word(Window),
    )


def _percent(fields: _Fields) -> Percent:
    return Percent(
        name=fields["name"].text(),
        account=fields["account"].word(Account),
        share=fields["percent"].decimal() / 100,
        base=_names(fields["base"]),
        included=fields["included"].flag(),
    )


def _allowance(fields: _Fields) -> Allowance:
    return Allowance(
        name=fields["name"].text(),
        energy_wh=fields["energy_kwh"].thousandths(),
        window=fields["window"].word(Window),
        counts_in_steps=fields["counts_in_steps"].flag(),
    )


def _minimum(fields: _Fields) -> Minimum:
    return Minimum(
        name=fields["name"].text(),
        amount=fields["amount"].decimal(),
        per=fields["per"].word(Window),
        base=_names(fields["base"]),
    )


def _recovery(fields: _Fields, *, currency: str) -> Recovery:
    fields["least"].decimal()
    try:
        least_minor = parse_minor(str(fields["least"].value), currency=currency)
    except AmountMalformed as malformed:
        raise fields["least"].refused(str(malformed)) from malformed
    return Recovery(
        name=fields["name"].text(), share=fields["percent"].decimal() / 100, least_minor=least_minor
    )


def _names(spot: Spot) -> tuple[str, ...]:
    return tuple(each.text() for each in spot.items(COMPONENTS_MAX))


def _periods(spot: Spot, *, shared: Spot, key: str, add_on: list[Fraction]) -> tuple[Period, ...]:
    """Read periods; bounds that a period does not give itself are the shared ones."""
    periods = []
    for each in spot.items(PERIODS_MAX):
        fields = each.fields("name prices", _PERIOD | {key: "shared"})
        bounds = shared if fields[key].value == "shared" else fields[key]
        prices = [price.decimal() for price in fields["prices"].items(STEPS_MAX)]
        if add_on and len(prices) != 1:
            raise fields["prices"].refused("write one price: add_on is put on it, step by step")
        ladder = Ladder(
            bounds=tuple(bound.thousandths() for bound in bounds.items(STEPS_MAX)),
            prices=tuple(prices[0] + each for each in add_on) if add_on else tuple(prices),
        )
        periods.append(Period(name=fields["name"].text(), ladder=ladder, role=fields["role"].word(Role)))
    if not periods:
        raise spot.refused("write at least one period")
    return tuple(periods)


def _calendar(fields: _Fields, *, periods: tuple[Period, ...]) -> Calendar:
    """Read a calendar; a tariff of one period, or of one kind of day, need not say when it holds."""
    names = [period.name for period in periods]
    tables, seasons = fields["day_tables"], fields["seasons"]
    if not tables.value and len(names) == 1:
        tables = Spot(value={_ALL_DAY: [f"00:00 {names[0]}"]}, place=tables.place)
    day_tables = tuple(
        DayTable(name=name, slots=tuple(_slot(each, names=names) for each in spot.items(SLOTS_MAX)))
        for name, spot in tables.named(DAY_TABLES_MAX).items()
    )
    if not day_tables:
        raise tables.refused("say which period holds when, for each kind of day")
    if not seasons.value and len(day_tables) == 1:
        seasons = Spot(value=[{"name": _ALL_YEAR, "every day": day_tables[0].name}], place=seasons.place)
    holiday_lists = tuple(
        HolidayList(name=name, dates=frozenset(each.day() for each in spot.items(HOLIDAYS_MAX)))
        for name, spot in fields["holidays"].named(HOLIDAY_LISTS_MAX).items()
    )
    table_names = [table.name for table in day_tables]
    return Calendar(
        day_tables=day_tables,
        seasons=tuple(_season(spot, tables=table_names) for spot in seasons.items(SEASONS_MAX)),
        holiday_lists=holiday_lists,
    )


def _slot(spot: Spot, *, names: list[str]) -> Slot:
    found = _SLOT.fullmatch(spot.value) if isinstance(spot.value, str) else None
    if found is None:
        raise spot.refused('write the time it begins and its period, such as "06:00 peak"')
    period = Spot(value=found["period"], place=spot.place).one_of(names)
    return Slot(start_min=int(found["hour"]) * 60 + int(found["minute"]), period=period)


def _season(spot: Spot, *, tables: list[str]) -> Season:
    fields = spot.fields("name", _SEASON)
    days: dict[int, int] = {}
    for key, numbers in _DAYS.items():
        if fields[key].value == "":
            continue
        for number in numbers:
            if number in days:
                raise fields[key].refused(f"{WEEKDAYS[number]} has a day table already")
            days[number] = fields[key].one_of(tables)
    if len(days) < len(WEEKDAYS):
        raise spot.refused(f"{next(WEEKDAYS[n] for n in range(7) if n not in days)} has no day table")
    return Season(
        name=fields["name"].text(),
        start=fields["from"].month_day(),
        days=tuple(days[number] for number in range(7)),
        holidays=tuple(
            (name, each.one_of(tables)) for name, each in fields["holidays"].named(HOLIDAY_LISTS_MAX).items()
        ),
    )


def _mapping_of_component(component: Component, *, currency: str) -> Tree:
    head: dict[str, Tree] = {"kind": "", "name": component.name}
    named: dict[str, Tree]
    match component:
        case Energy():
            return head | {"kind": "energy"} | _short(_energy_fields(component), _ENERGY)
        case Demand():
            return head | {"kind": "demand"} | _short(_demand_fields(component), _DEMAND)
        case PerKwh(account=account, price=price):
            return head | {"kind": "per_kwh", "account": word_of(account), "price": decimal_text(price)}
        case Fixed(account=account, amount=amount, per=per):
            named = {"account": word_of(account), "amount": decimal_text(amount), "per": word_of(per)}
            return head | {"kind": "fixed"} | named
        case Percent(account=account, share=share, base=base, included=included):
            rest = _short({"base": [*base], "included": included}, _PERCENT)
            named = {"account": word_of(account), "percent": decimal_text(share * 100)}
            return head | {"kind": "percent"} | named | rest
        case Allowance(energy_wh=energy_wh, window=window, counts_in_steps=counts):
            rest = _short({"window": word_of(window), "counts_in_steps": counts}, _ALLOWANCE)
            return head | {"kind": "allowance", "energy_kwh": kilo_text(energy_wh)} | rest
        case Minimum(amount=amount, per=per, base=base):
            rest = _short({"base": [*base]}, _MINIMUM)
            return head | {"kind": "minimum", "amount": decimal_text(amount), "per": word_of(per)} | rest
        case Recovery(share=share, least_minor=least_minor):
            least = format_minor(least_minor, currency=currency) if least_minor else "0"
            rest = _short({"least": least}, _RECOVERY)
            return head | {"kind": "recovery", "percent": decimal_text(share * 100)} | rest
    assert_never(component)


def _energy_fields(energy: Energy) -> dict[str, Tree]:
    steps = energy.steps
    household: dict[str, Tree] = {
        "persons": steps.household_persons,
        "extra_kwh": kilo_text(steps.household_extra_wh),
    }
    bounds = _shared_bounds(energy.periods)
    steps_fields: dict[str, Tree] = {
        "bounds_kwh": bounds or [],
        "window": word_of(steps.window),
        "kind": word_of(steps.kind),
        "scope": word_of(steps.scope),
        "allocation": word_of(steps.allocation),
        "scale": word_of(steps.scale),
        "on_change": word_of(steps.on_change),
        "prorate_moves": steps.prorate_moves,
        "year_start": month_day_text(steps.year_start),
        "household": _short(household, _HOUSEHOLD),
    }
    return {
        "periods": _mapping_of_periods(energy.periods, own="" if bounds is not None else "bounds_kwh"),
        "steps": _short(steps_fields, _STEPS),
        **_calendar_fields(energy.calendar, periods=energy.periods),
        "negative_allowed": energy.negative_allowed,
    }


def _demand_fields(demand: Demand) -> dict[str, Tree]:
    ratchet: dict[str, Tree] = {
        "months": demand.ratchet_months,
        "percent": decimal_text(demand.ratchet_share * 100),
    }
    bounds = _shared_bounds(demand.periods)
    return {
        "interval_minutes": demand.interval_min,
        "periods": _mapping_of_periods(demand.periods, own="" if bounds is not None else "bounds_kw"),
        "bounds_kw": bounds or [],
        **_calendar_fields(demand.calendar, periods=demand.periods),
        "ratchet": _short(ratchet, _RATCHET),
    }


def _shared_bounds(periods: tuple[Period, ...]) -> list[Tree] | None:
    """Return the bounds, if all periods have the same."""
    if len({period.ladder.bounds for period in periods}) > 1:
        return None
    return [kilo_text(bound) for bound in periods[0].ladder.bounds]


def _mapping_of_periods(periods: tuple[Period, ...], *, own: str) -> list[Tree]:
    """Return the periods, each with its own bounds under the key `own`, or without where that is empty."""
    mappings: list[Tree] = []
    for period in periods:
        mapping: dict[str, Tree] = {
            "name": period.name,
            "role": word_of(period.role),
            "prices": [decimal_text(price) for price in period.ladder.prices],
        }
        if own:
            mapping[own] = [kilo_text(bound) for bound in period.ladder.bounds]
        mappings.append(_short(mapping, _PERIOD))
    return mappings


def _calendar_fields(calendar: Calendar, *, periods: tuple[Period, ...]) -> dict[str, Tree]:
    names = [table.name for table in calendar.day_tables]
    tables: dict[str, Tree] = {
        table.name: [slot_text(slot, periods=periods) for slot in table.slots]
        for table in calendar.day_tables
    }
    seasons: list[Tree] = [_mapping_of_season(season, tables=names) for season in calendar.seasons]
    holidays: dict[str, Tree] = {
        each.name: [day.isoformat() for day in sorted(each.dates)] for each in calendar.holiday_lists
    }
    all_day = len(periods) == 1 and tables == {_ALL_DAY: [f"00:00 {periods[0].name}"]}
    all_year = len(names) == 1 and seasons == [{"name": _ALL_YEAR, "every day": names[0]}]
    return _short(
        {
            "day_tables": {} if all_day else tables,
            "seasons": [] if all_year else seasons,
            "holidays": holidays,
        },
        _CALENDAR,
    )


def _mapping_of_season(season: Season, *, tables: list[str]) -> dict[str, Tree]:
    names: list[Tree] = [tables[number] for number in season.days]
    if len(set(season.days)) == 1:
        days: dict[str, Tree] = {"every day": names[0]}
    elif len(set(season.days[:5])) == 1:
        days = {"weekdays": names[0], "saturday": names[5], "sunday": names[6]}
    else:
        days = dict(zip(WEEKDAYS, names, strict=True))
    holidays: dict[str, Tree] = {name: tables[table] for name, table in season.holidays}
    head: dict[str, Tree] = {"name": season.name, "from": month_day_text(season.start)}
    return _short(head | days | {"holidays": holidays}, _SEASON)


def _short(mapping: dict[str, Tree], defaults: dict[str, Tree]) -> dict[str, Tree]:
    return {key: value for key, value in mapping.items() if key not in defaults or value != defaults[key]}


def decimal_text(number: Fraction) -> str:
    """Return an exact decimal text, without zeros at its end; of a number with at most nine decimals."""
    scaled = number * 10**PRICE_DECIMALS
    assert scaled.denominator == 1, "checking refuses what is finer"
    whole, part = divmod(abs(scaled.numerator), 10**PRICE_DECIMALS)
    sign = "-" if number < 0 else ""
    return f"{sign}{whole}.{part:0{PRICE_DECIMALS}}".rstrip("0").rstrip(".")


def kilo_text(thousandths: int) -> str:
    """Return Wh as kWh, or W as kW."""
    return decimal_text(Fraction(thousandths, 1_000))


def month_day_text(day: MonthDay) -> str:
    """Return a day of every year, such as 06-01."""
    return f"{day.month:02}-{day.day:02}"


def slot_text(slot: Slot, *, periods: tuple[Period, ...]) -> str:
    """Return when a slot begins and its period, such as 06:00 peak."""
    return f"{slot.start_min // 60:02}:{slot.start_min % 60:02} {periods[slot.period].name}"
