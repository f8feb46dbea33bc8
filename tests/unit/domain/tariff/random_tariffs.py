"""Tariffs and histories of all kinds that checking lets through, for property tests."""

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from fractions import Fraction

from hypothesis import strategies as st
from tests.unit.domain.tariff.by_ticks import TICK

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
    Ladder,
    Minimum,
    MonthDay,
    Percent,
    Period,
    PerKwh,
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
    Terms,
    Window,
)
from compuerta.domain.tariff.tally import Span

# Shifts of an hour at two, of an hour at midnight, of half an hour, odd offsets, and none at all.
ZONES = [
    "Europe/Madrid", "America/Santiago", "America/Havana", "Australia/Lord_Howe", "Asia/Kathmandu", "UTC",
]  # fmt: skip
PRICES = st.integers(0, 9_999).map(lambda number: Fraction(number, 10_000))


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """An account, its tariffs with the wall clock's time of each, and its use."""

    zone: str
    start: datetime
    tariffs: tuple[tuple[datetime, Tariff], ...]
    terms: Terms
    spans: tuple[Span, ...]


@st.composite
def calendars(draw: st.DrawFn, *, periods: int, slot_min: int = 15) -> Calendar:
    """Two day tables and up to two seasons."""
    each = st.integers(0, periods - 1)

    def table(name: str) -> DayTable:
        starts = draw(st.sets(st.integers(1, 1_440 // slot_min - 1), max_size=3))
        slots = [Slot(start_min=slot_min * start, period=draw(each)) for start in (0, *sorted(starts))]
        return DayTable(name=name, slots=tuple(slots))

    def season(name: str, month: int, day: int) -> Season:
        days = draw(st.tuples(*[st.integers(0, 1)] * 7))
        return Season(name=name, start=MonthDay(month=month, day=day), days=days)

    seasons = [season("first", 1, 1)] if draw(st.booleans()) else [season("a", 4, 2), season("b", 10, 20)]
    return Calendar(day_tables=(table("x"), table("y")), seasons=tuple(seasons))


@st.composite
def ladders(draw: st.DrawFn, *, bound_wh_max: int) -> Ladder:
    """Up to three steps."""
    bounds = sorted(draw(st.sets(st.integers(1, bound_wh_max), max_size=2)))
    prices = draw(st.lists(PRICES, min_size=len(bounds) + 1, max_size=len(bounds) + 1))
    return Ladder(bounds=tuple(bounds), prices=tuple(prices))


_SCALED_BY = {Scale.NONE: 1, Scale.DAY: 30, Scale.PERSON: 2, Scale.KW: 3, Scale.KW_DAY: 90}


@st.composite
def steps(draw: st.DrawFn) -> Steps:
    """All ways to count; what only a bill decides counts by the cycle."""
    kind = draw(st.sampled_from(StepKind))
    allocation = Allocation.CHRONOLOGICAL
    if kind is StepKind.GRADUATED:
        allocation = draw(st.sampled_from(Allocation))
    late = kind is StepKind.SLAB or allocation is Allocation.PROPORTIONAL
    persons = draw(st.sampled_from([0, 0, 5]))
    return Steps(
        window=Window.CYCLE if late else draw(st.sampled_from(Window)),
        kind=kind,
        scope=draw(st.sampled_from(Scope)),
        allocation=allocation,
        scale=draw(st.sampled_from(Scale)),
        on_change=draw(st.sampled_from(ChangePolicy)),
        prorate_moves=draw(st.booleans()),
        year_start=draw(st.sampled_from([MonthDay(month=1, day=1), MonthDay(month=3, day=20)])),
        household_persons=persons,
        household_extra_wh=persons * 1_000,
    )


@st.composite
def energies(draw: st.DrawFn) -> Energy:
    """Up to three periods, with one row of bounds or a row for each."""
    count = draw(st.integers(1, 3))
    how = draw(steps())
    bound_wh_max = 60_000 // _SCALED_BY[how.scale]
    shared = draw(ladders(bound_wh_max=bound_wh_max))
    own = draw(st.booleans())
    periods = []
    for number in range(count):
        ladder = draw(ladders(bound_wh_max=bound_wh_max)) if own else shared
        if not own:
            ladder = replace(shared, prices=tuple(draw(PRICES) for _ in shared.prices))
        periods.append(Period(name=f"p{number}", ladder=ladder))
    return Energy(name="Energy", calendar=draw(calendars(periods=count)), periods=tuple(periods), steps=how)


@st.composite
def demands(draw: st.DrawFn) -> Demand:
    """Power by one or two periods, with a ratchet or without."""
    count = draw(st.integers(1, 2))
    months = draw(st.integers(0, 2))
    return Demand(
        name="Demand",
        calendar=draw(calendars(periods=count, slot_min=60)),
        periods=tuple(
            Period(name=f"d{number}", ladder=draw(ladders(bound_wh_max=3_000))) for number in range(count)
        ),
        interval_min=draw(st.sampled_from([15, 30, 60])),
        ratchet_months=months,
        ratchet_share=Fraction(4, 5) if months else Fraction(0),
    )


@st.composite
def others(draw: st.DrawFn) -> list[Component]:
    """What stands beside the energy."""
    found: list[Component] = []
    if draw(st.booleans()):
        account = draw(st.sampled_from([Account.LEVY, Account.FEE, Account.SUBSIDY]))
        found.append(PerKwh(name="Each kWh", account=account, price=draw(PRICES) / 10))
    if draw(st.booleans()):
        window = draw(st.sampled_from(Window))
        found.append(Fixed(name="Standing", account=Account.FIXED, amount=draw(PRICES) * 20, per=window))
    if draw(st.booleans()):
        found.append(draw(demands()))
    if draw(st.booleans()):
        share = draw(st.sampled_from([Fraction(1, 5), Fraction(13, 100)]))
        found.append(
            Percent(name="Inside", account=Account.TAX, share=share, base=("Energy",), included=True)
        )
    if draw(st.booleans()):
        base = draw(st.sampled_from([(), ("Energy",)]))
        account = draw(st.sampled_from([Account.TAX, Account.FEE]))
        found.append(Percent(name="On top", account=account, share=Fraction(15, 100), base=base))
    if draw(st.booleans()):
        found.append(
            Allowance(
                name="Free",
                energy_wh=draw(st.integers(1, 30_000)),
                window=draw(st.sampled_from(Window)),
                counts_in_steps=draw(st.booleans()),
            )
        )
    if draw(st.booleans()):
        base = draw(st.sampled_from([(), ("Energy",)]))
        found.append(Minimum(name="Minimum", amount=draw(PRICES) * 50, per=Window.CYCLE, base=base))
    return found


@st.composite
def tariffs(draw: st.DrawFn) -> Tariff:
    """A tariff that checking lets through."""
    return Tariff(
        name="Random",
        currency="EUR",
        components=(draw(energies()), *draw(others())),
        cycle_day=draw(st.sampled_from([1, 15, 28])),
        rounding=Rounding(
            place=draw(st.sampled_from(RoundingPlace)), mode=draw(st.sampled_from(RoundingMode))
        ),
    )


@st.composite
def followers(draw: st.DrawFn, before: Tariff) -> Tariff:
    """A tariff that may follow another within a bill: steps that go on are counted as before."""
    after = replace(draw(tariffs()), cycle_day=before.cycle_day)
    old, new = before.energy.steps, after.energy.steps
    if new.on_change is not ChangePolicy.CONTINUE:
        return after
    alike = (old.window, old.scope, old.year_start) == (new.window, new.scope, new.year_start)
    same_periods = len(before.energy.periods) == len(after.energy.periods)
    if alike and (new.scope is Scope.TOTAL or same_periods):
        return after
    energy = replace(after.energy, steps=replace(new, on_change=ChangePolicy.RESET))
    return replace(after, components=(energy, *after.components[1:]))


@st.composite
def histories(draw: st.DrawFn, *, start: datetime, periods: int) -> tuple[Span, ...]:
    """Uses with gaps, with registers by rate, of no length, late, and over several days."""
    spans: list[Span] = []
    at = start
    for _ in range(draw(st.integers(1, 8))):
        begin = at + draw(st.sampled_from([0, 0, 0, 0, -7, 5, 200])) * TICK
        length = draw(st.sampled_from([0, 1, 3, 4, 4, 60, 96, 700, 1_800])) + draw(st.integers(0, 3))
        end = max(begin, begin + length * TICK)
        rates = draw(st.none() | st.lists(st.integers(0, 9_000), min_size=1, max_size=periods).map(tuple))
        energy_wh = sum(rates) if rates is not None else draw(st.integers(0, 40_000))
        spans.append(Span(start=begin, end=end, energy_wh=energy_wh, rates_wh=rates))
        at = max(at, end)
    return tuple(spans)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """An account somewhere, around a shift of its clocks or a few months on."""
    zone = draw(st.sampled_from(ZONES))
    day = draw(
        st.sampled_from([date(2026, 3, 17), date(2026, 8, 25), date(2026, 10, 12), date(2025, 12, 20)])
    )
    start = datetime.fromisoformat(f"{day}T00:00+00:00") + draw(st.integers(0, 95)) * TICK
    first = draw(tariffs())
    versions = [(datetime(2000, 1, 1), first)]  # noqa: DTZ001 the wall clock's
    if draw(st.booleans()):
        hour = draw(st.sampled_from([0, 0, 12]))
        change = datetime(day.year, day.month, day.day, hour)  # noqa: DTZ001 the wall clock's
        change += timedelta(days=draw(st.integers(1, 25)))
        versions.append((change, draw(followers(first))))
    periods = max(len(tariff.energy.periods) for _, tariff in versions)
    return Case(
        zone=zone,
        start=start,
        tariffs=tuple(versions),
        terms=draw(
            st.sampled_from(
                [Terms(), Terms(persons=6, contracted_w=3_300), Terms(persons=2, contracted_w=5_000)]
            )
        ),
        spans=draw(histories(start=start, periods=periods)),
    )
