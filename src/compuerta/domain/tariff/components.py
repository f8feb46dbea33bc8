"""What a tariff is made of: frozen shapes, no rules yet.

A tariff is a name, a currency, a billing cycle, a way of rounding, and components. Prices are exact fractions
of the major unit (per kWh, per day, per kW): they come from decimal strings and never pass through a float.
Energy is integer Wh, power integer W. Everything here is local civil time; zones come in when it is rated.

What is refused, and at which place, is said by `checking`; how a file or a form says it, by `document`.
"""

from dataclasses import dataclass
from datetime import date
from enum import Enum
from fractions import Fraction

from compuerta.domain import ledger

MINUTES_PER_DAY = 1_440


class Window(Enum):
    """Over what the steps' running total counts before it starts again."""

    DAY = "day"
    MONTH = "month"  # calendar month
    CYCLE = "cycle"  # the bill's cycle, from `cycle_day` to `cycle_day`
    QUARTER = "quarter"
    YEAR = "year"  # from `Steps.year_start`


class StepKind(Enum):
    """How a step prices energy."""

    GRADUATED = "graduated"  # each kWh at the price of its own step
    SLAB = "slab"  # all kWh of the window at the price of the step reached


class Scope(Enum):
    """What is counted against the bounds."""

    TOTAL = "total"  # the energy of all periods together
    PERIOD = "period"  # each period's own energy


class Allocation(Enum):
    """Which kWh are in which step, where periods differ in price."""

    CHRONOLOGICAL = "chronological"  # as they were used: what a prepaid meter does
    PROPORTIONAL = "proportional"  # every step shared by the periods' parts of the cycle: what invoices do


class Scale(Enum):
    """What the bounds are multiplied by."""

    NONE = "none"
    DAY = "day"  # bounds are per day of the window
    PERSON = "person"
    KW = "kw"  # per kW of contracted power
    KW_DAY = "kw_day"  # per kW of contracted power, and per day of the window


class ChangePolicy(Enum):
    """What becomes of the steps' running total when a new version starts inside a window."""

    CONTINUE = "continue"
    RESET = "reset"
    PRORATE = "prorate"  # bounds by the version's share of the window's days, counted from zero


class RoundingPlace(Enum):
    """Where exact money becomes minor units."""

    LINES = "lines"  # every line, tax computed on the rounded net
    NET = "net"  # the net once, then tax on it
    GROSS = "gross"  # the whole bill once
    RUNNING = "running"  # the whole account once: a bill's remainder is carried to the next, as meters do


class RoundingMode(Enum):
    """Which way a half goes."""

    HALF_UP = "half_up"
    HALF_EVEN = "half_even"


class Account(Enum):
    """Which general-ledger code a component's money goes to."""

    ENERGY = ledger.REVENUE_ENERGY
    FIXED = ledger.REVENUE_FIXED
    DEMAND = ledger.REVENUE_DEMAND
    MINIMUM = ledger.REVENUE_MINIMUM
    TAX = ledger.TAX
    LEVY = ledger.LEVY
    FEE = ledger.FEE  # the manager's own surcharge: never hidden in the price of a kWh
    SUBSIDY = ledger.SUBSIDY  # paid by somebody else: lowers the bill

    @property
    def sign(self) -> int:
        """Whether a price or an amount is put on the bill (1), or taken off it (-1)."""
        return -1 if self is Account.SUBSIDY else 1


class Role(Enum):
    """What a period is for people and for meters; its order is the meters' rate number."""

    SHARP = "sharp"
    PEAK = "peak"
    FLAT = "flat"
    VALLEY = "valley"
    DEEP_VALLEY = "deep_valley"


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class MonthDay:
    """A day of every year."""

    month: int
    day: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """From this minute of the wall clock until the next slot, or midnight."""

    start_min: int
    period: int  # index into the component's periods


@dataclass(frozen=True, slots=True, kw_only=True)
class DayTable:
    """One kind of day: slots that begin at minute 0 and rise."""

    name: str
    slots: tuple[Slot, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Season:
    """From this day of the year until the next season's."""

    name: str
    start: MonthDay
    days: tuple[int, ...]  # seven day tables, Monday first
    holidays: tuple[tuple[str, int], ...] = ()  # (list, day table): the first list with the date decides


@dataclass(frozen=True, slots=True, kw_only=True)
class HolidayList:
    """Dates that are not what their weekday says."""

    name: str
    dates: frozenset[date]


@dataclass(frozen=True, slots=True, kw_only=True)
class Calendar:
    """Which period holds at a minute of the wall clock."""

    day_tables: tuple[DayTable, ...]
    seasons: tuple[Season, ...]  # rising by start; the last one goes round into the next year
    holiday_lists: tuple[HolidayList, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Ladder:
    """Prices by step: step k goes up to and including bounds[k]; the last step has no bound."""

    bounds: tuple[int, ...]  # Wh for energy (times `Scale`), W for demand; rising
    prices: tuple[Fraction, ...]  # one more than bounds; major units per kWh, or per kW


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """A named price, or ladder of prices, that the calendar points at."""

    name: str
    ladder: Ladder
    role: Role = Role.FLAT


@dataclass(frozen=True, slots=True, kw_only=True)
class Steps:
    """How energy is counted against the ladders' bounds."""

    window: Window = Window.MONTH
    kind: StepKind = StepKind.GRADUATED
    scope: Scope = Scope.TOTAL
    allocation: Allocation = Allocation.CHRONOLOGICAL
    scale: Scale = Scale.NONE
    on_change: ChangePolicy = ChangePolicy.CONTINUE
    prorate_moves: bool = False  # who moves in within a window gets the bounds of the days that are left
    year_start: MonthDay = MonthDay(month=1, day=1)
    household_persons: int = 0  # households of so many or more ...
    household_extra_wh: int = 0  # ... get every bound raised by so much; 0 = no such rule


@dataclass(frozen=True, slots=True, kw_only=True)
class Energy:
    """The price of use: a calendar of periods, each with its ladder."""

    name: str
    calendar: Calendar
    periods: tuple[Period, ...]
    steps: Steps
    negative_allowed: bool = False  # prices below nothing are meant, and no slip

    @property
    def is_stepped(self) -> bool:
        """Whether a price changes with how much is used."""
        return any(period.ladder.bounds for period in self.periods)


@dataclass(frozen=True, slots=True, kw_only=True)
class PerKwh:
    """A price on every kWh, beside the energy's own: a levy, a fee, a subsidy."""

    name: str
    account: Account
    price: Fraction  # never negative: a subsidy's account takes it off


@dataclass(frozen=True, slots=True, kw_only=True)
class Fixed:
    """An amount for time, accrued by the day at 00:00, with or without use."""

    name: str
    account: Account
    amount: Fraction
    per: Window  # DAY, MONTH, CYCLE, QUARTER or YEAR; of a longer one each day carries its equal part


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """A price on the highest average power of the cycle, by period of its own calendar."""

    name: str
    calendar: Calendar
    periods: tuple[Period, ...]  # bounds in W, prices per kW
    interval_min: int = 60
    ratchet_months: int = 0  # the billed peak is at least a share of the peaks of so many cycles before
    ratchet_share: Fraction = Fraction(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Percent:
    """A share of other components: a tax, a levy, a fee, a subsidy."""

    name: str
    account: Account
    share: Fraction  # 13 % is 13/100
    base: tuple[str, ...] = ()  # names of components before this one; empty = all of them
    included: bool = False  # True: the prices of the base contain it already, and it is told apart


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """Energy that is free in each window, used first; what is left lapses."""

    name: str
    energy_wh: int
    window: Window = Window.MONTH
    counts_in_steps: bool = False  # whether free energy moves the steps' running total


@dataclass(frozen=True, slots=True, kw_only=True)
class Minimum:
    """What the base comes to at least by the end of a cycle or year; the rest is added then."""

    name: str
    amount: Fraction
    per: Window  # CYCLE or YEAR (a year that ends with the cycle that holds 31 December)
    base: tuple[str, ...] = ()  # as in Percent


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovery:
    """How much of a payment goes to what is owed from before."""

    name: str
    share: Fraction
    least_minor: int = 0


Component = Energy | PerKwh | Fixed | Demand | Percent | Allowance | Minimum | Recovery


@dataclass(frozen=True, slots=True, kw_only=True)
class Rounding:
    """How exact money becomes minor units."""

    place: RoundingPlace = RoundingPlace.RUNNING
    mode: RoundingMode = RoundingMode.HALF_UP


@dataclass(frozen=True, slots=True, kw_only=True)
class Tariff:
    """All that decides what use costs. The order of components is the order of a bill's lines."""

    name: str
    currency: str
    components: tuple[Component, ...]
    cycle_day: int = 1  # 1..28: a bill goes from this day of a month, 00:00, to that of the next
    rounding: Rounding = Rounding()

    @property
    def energy(self) -> Energy:
        """The one energy component (`checking` sees to it that there is one)."""
        return next(each for each in self.components if isinstance(each, Energy))

    @property
    def allowance(self) -> Allowance | None:
        """The allowance, if there is one."""
        return next((each for each in self.components if isinstance(each, Allowance)), None)

    @property
    def demands(self) -> tuple[Demand, ...]:
        """The demand components, in order."""
        return tuple(each for each in self.components if isinstance(each, Demand))


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What of an account's contract a tariff may ask for."""

    persons: int | None = None
    contracted_w: int | None = None
