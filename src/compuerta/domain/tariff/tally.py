"""The tally: all that rating remembers of an open bill, and how use moves it forward.

Energy is sorted into cells (version, period, step) as it comes, in integer Wh; only a prorated bound can cut
a Wh, and then the cell is an exact fraction. Money is never in here: `bill` makes it out of the cells.

How steps fill (reference: a running total x and f_k(x) = min(max(x - lower_k, 0), upper_k - lower_k)): a use
that takes the total from x to y puts f_k(y) - f_k(x) into step k, so the lower step includes its upper bound,
and cutting a use in two changes nothing.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from fractions import Fraction

from compuerta.domain.tariff.civil import (
    MINUTE_US,
    Days,
    day_of,
    day_start_us,
    from_us,
    to_us,
    window_of,
)
from compuerta.domain.tariff.components import (
    Allocation,
    ChangePolicy,
    Scale,
    Scope,
    StepKind,
    Steps,
    Tariff,
    Terms,
    Window,
)
from compuerta.domain.tariff.schedule import Piece, Schedule, Version, VersionKey

Amount = int | Fraction  # of Wh; a fraction only under prorated bounds
NO_TERMS = Terms()
W_PER_KW = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Use between two instants that a register was read at.

    Where a boundary falls inside, energy is spread evenly over time, in whole Wh. `rates_wh` are the meter's
    own registers by period, where it keeps the same calendar: then each period's energy goes to its own time.
    """

    start: datetime
    end: datetime
    energy_wh: int
    rates_wh: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """The part of a bill that one version covers."""

    version: VersionKey
    start_us: int
    cells: tuple[Amount, ...]  # by period, then by step; one more step at the end: the allowance
    opening: tuple[Amount, ...]  # the steps' running totals when this segment began
    peaks_wh: tuple[int, ...] = ()  # by demand component, then by its period: the highest interval


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """The state of an account's open bill."""

    opened_us: int  # when the account began
    bill_start_us: int
    until_us: int  # how far time has been rated
    segments: tuple[Segment, ...]
    window_start_us: int  # of the steps
    totals: tuple[Amount, ...]  # the steps' running totals: one, or one per period
    free_start_us: int = 0  # of the allowance's window
    free_used_wh: Amount = 0
    interval_start_us: int = 0  # of the demand interval in progress
    interval_wh: int = 0
    past_peaks_wh: tuple[tuple[int, ...], ...] = ()  # of earlier bills, latest first, for ratchets
    carry: Fraction = Fraction(0)  # minor units not yet billed (rounding RUNNING)
    year_exact: Fraction = Fraction(0)  # minor units billed in this calendar year before this bill
    accrued_us: int = 0  # how far days have been counted, where that is further than use is known

    @property
    def bill_start(self) -> datetime:
        """When the open bill began."""
        return from_us(self.bill_start_us)

    @property
    def until(self) -> datetime:
        """How far time has been rated."""
        return from_us(self.until_us)


def steps_count(tariff: Tariff) -> int:
    """Return how many cells each period has, without the allowance's."""
    energy = tariff.energy
    if energy.steps.kind is StepKind.SLAB or energy.steps.allocation is Allocation.PROPORTIONAL:
        return 1  # these are sorted when the bill is made
    return max(len(period.ladder.prices) for period in energy.periods)


def bill_cycle(tally: Tally, *, schedule: Schedule) -> Days:
    """Return the cycle of the open bill, which ends as it began, whatever day a later version bills on."""
    return cycle_of(schedule.by_key[tally.segments[0].version].tariff, tally.bill_start_us, schedule=schedule)


def cycle_of(tariff: Tariff, instant_us: int, *, schedule: Schedule) -> Days:
    """Return the billing cycle that an instant lies in."""
    day = day_of(instant_us, zone=schedule.zone)
    return window_of(day, window=Window.CYCLE, cycle_day=tariff.cycle_day)


def steps_window(tariff: Tariff, instant_us: int, *, schedule: Schedule) -> Days:
    """Return the window of the steps that an instant lies in."""
    steps = tariff.energy.steps
    day = day_of(instant_us, zone=schedule.zone)
    return window_of(day, window=steps.window, cycle_day=tariff.cycle_day, year_start=steps.year_start)


def peaks_of(tally: Tally) -> tuple[int, ...]:
    """Return the highest intervals of the bill so far, by the last version's demands and their periods.

    An earlier version's count where it measured by as many periods: a new price forgets no peak.
    """
    last = tally.segments[-1].peaks_wh
    alike = [segment.peaks_wh for segment in tally.segments if len(segment.peaks_wh) == len(last)]
    return tuple(max(peaks_wh) for peaks_wh in zip(*alike, strict=True))


def opened(*, schedule: Schedule, at: datetime) -> Tally:
    """Return the tally of an account that begins at an instant."""
    at_us = to_us(at)
    version = schedule.version_at(at_us)
    window = steps_window(version.tariff, at_us, schedule=schedule)
    totals = _no_totals(version.tariff)
    return Tally(
        opened_us=at_us,
        bill_start_us=at_us,
        until_us=at_us,
        segments=(_segment(version, at_us, totals),),
        window_start_us=day_start_us(window.first, zone=schedule.zone),
        totals=totals,
        free_start_us=_free_window_us(version.tariff, at_us, schedule)[0],
        interval_start_us=at_us,
    )


def taken_over(tally: Tally, *, schedule: Schedule, at: datetime) -> Tally:
    """Return the tally of an account that begins at an instant, and goes on in another's steps.

    Nothing is in its bill yet; where the steps' window has ended since, they begin anew all the same.
    """
    fresh = opened(schedule=schedule, at=at)
    (segment,) = fresh.segments
    same = (fresh.window_start_us, len(fresh.totals)) == (tally.window_start_us, len(tally.totals))
    if not same or segment.version[0] != tally.segments[-1].version[0]:
        return fresh
    return replace(
        fresh,
        opened_us=tally.opened_us,
        segments=(replace(segment, opening=tally.totals),),
        totals=tally.totals,
        free_used_wh=tally.free_used_wh if fresh.free_start_us == tally.free_start_us else 0,
    )


def bounds_of(
    segment: Segment, *, schedule: Schedule, terms: Terms, window: Days, opened_us: int
) -> tuple[tuple[Amount, ...], ...]:
    """Return each period's bounds as they hold for this account in this window, in Wh."""
    tariff = schedule.by_key[segment.version].tariff
    steps = tariff.energy.steps
    extra_wh = household_wh(steps, terms=terms)
    shared = steps.prorate_moves or steps.on_change is ChangePolicy.PRORATE
    if not (extra_wh or shared) and steps.scale is Scale.NONE:
        return tuple(period.ladder.bounds for period in tariff.energy.periods)
    factor = _scale(steps.scale, terms, window) * _share(segment, schedule, window, opened_us)
    return tuple(
        tuple(simplest((bound + extra_wh) * factor) for bound in period.ladder.bounds)
        for period in tariff.energy.periods
    )


def household_wh(steps: Steps, *, terms: Terms) -> int:
    """Return how much longer every step is for a household of so many persons."""
    return steps.household_extra_wh if 0 < steps.household_persons <= (terms.persons or 0) else 0


def simplest(amount: Fraction) -> Amount:
    """Return an amount as an integer where it is one."""
    return amount.numerator if amount.denominator == 1 else amount


def _scale(scale: Scale, terms: Terms, window: Days) -> Fraction:
    match scale:
        case Scale.NONE:
            return Fraction(1)
        case Scale.DAY:
            return Fraction(window.count)
        case Scale.PERSON:
            return Fraction(terms.persons or 1)
        case Scale.KW:
            return Fraction(terms.contracted_w or 0, W_PER_KW)
        case Scale.KW_DAY:
            return Fraction((terms.contracted_w or 0) * window.count, W_PER_KW)


def _share(segment: Segment, schedule: Schedule, window: Days, opened_us: int) -> Fraction:
    """Return the part of the window's days for which its bounds are granted."""
    steps = schedule.by_key[segment.version].tariff.energy.steps
    first, end = window.first, window.end
    if steps.prorate_moves:
        first = max(first, day_of(opened_us, zone=schedule.zone))
    if steps.on_change is ChangePolicy.PRORATE:
        start_us, end_us = schedule.reign_at(segment.start_us)
        first = first if start_us is None else max(first, day_of(start_us, zone=schedule.zone))
        end = end if end_us is None else min(end, day_of(end_us, zone=schedule.zone))
    return Fraction(max((end - first).days, 0), window.count)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sorted:
    """A tally moved forward, and the last tallies of the bills that ended on the way, oldest first."""

    tally: Tally
    closed: tuple[Tally, ...] = ()


def sort_in(tally: Tally, span: Span, *, schedule: Schedule, terms: Terms = NO_TERMS) -> Sorted:
    """Return the tally after a use; the span must begin where the tally has arrived, or before.

    What of the span lies before that (an account's first reading is of an earlier instant) is spread over the
    rest: energy is never lost.
    """
    assert span.energy_wh >= 0, "a register that ran backwards is held before it is rated"
    assert span.rates_wh is None or sum(span.rates_wh) == span.energy_wh, "registers of rates add up"
    start_us, end_us = max(to_us(span.start), tally.until_us), to_us(span.end)
    hand = _Hand(tally, schedule, terms)
    for piece in schedule.pieces(tally.until_us, start_us):
        hand.go_to(piece.start_us)
    hand.go_to(start_us)
    if end_us <= start_us:
        hand.add_here(span.energy_wh)
        return hand.sorted()
    pieces = list(hand.cut(start_us, end_us))
    for piece, energy_wh in _spread(pieces, span):
        hand.go_to(piece.start_us)
        hand.add(piece, energy_wh)
    hand.go_to(end_us)
    return hand.sorted()


def cut_at_cycle(span: Span, tally: Tally, *, schedule: Schedule) -> tuple[Span, Span | None]:
    """Cut a use where the open bill ends: what belongs to it, and the rest, if there is any."""
    end_us = _cycle_end_us(tally, schedule)
    start_us = max(to_us(span.start), tally.until_us)
    if to_us(span.end) <= end_us:
        return span, None
    at = from_us(end_us)
    # A bill ends at a local midnight, where a piece ends too.
    spread = _spread(list(schedule.pieces(min(start_us, end_us), to_us(span.end))), span)
    before = [each for each in spread if each[0].start_us < end_us]
    after = spread[len(before) :]
    start = min(span.start, at)
    return _part(span, before, start=start, end=at), _part(
        span, after, start=max(span.start, at), end=span.end
    )


def _part(span: Span, spread: Sequence[tuple[Piece, int]], *, start: datetime, end: datetime) -> Span:
    rates_wh = None
    if span.rates_wh is not None:
        rates_wh = tuple(
            sum(energy_wh for piece, energy_wh in spread if piece.period == period)
            for period in range(len(span.rates_wh))
        )
    return Span(start=start, end=end, energy_wh=sum(wh for _, wh in spread), rates_wh=rates_wh)


def cycle_end(tally: Tally, *, schedule: Schedule) -> datetime:
    """Return when the open bill ends."""
    return from_us(_cycle_end_us(tally, schedule))


def _cycle_end_us(tally: Tally, schedule: Schedule) -> int:
    return day_start_us(bill_cycle(tally, schedule=schedule).end, zone=schedule.zone)


def next_boundary_us(tally: Tally, *, schedule: Schedule) -> int:
    """Return the next instant at which a version, a bill or a window ends: until then only periods change."""
    segment = tally.segments[-1]
    tariff, zone = schedule.by_key[segment.version].tariff, schedule.zone
    window = steps_window(tariff, tally.until_us, schedule=schedule)
    ends_us = [
        _cycle_end_us(tally, schedule),
        day_start_us(window.end, zone=zone),
        _free_window_us(tariff, tally.until_us, schedule)[1],
    ]
    _, replaced_us = schedule.reign_at(segment.start_us)
    return min(ends_us if replaced_us is None else [*ends_us, replaced_us])


def add_here(tally: Tally, energy_wh: Amount, *, schedule: Schedule, terms: Terms = NO_TERMS) -> Tally:
    """Return the tally with energy used at the very instant that it has arrived at."""
    hand = _Hand(tally, schedule, terms)
    hand.add_here(energy_wh)
    return hand.tally()


def is_same_bill(before: Tally, after: Tally, *, schedule: Schedule) -> bool:
    """Tell of two moments of one open bill whether nothing has come to it: no energy, no version, no day."""
    days = [
        day_of(max(tally.until_us, tally.accrued_us, tally.bill_start_us + 1) - 1, zone=schedule.zone)
        for tally in (before, after)
    ]
    has_days = before.until_us > before.bill_start_us or before.accrued_us > before.bill_start_us
    return before.segments == after.segments and days[0] == days[1] and has_days


def count_days(tally: Tally, until: datetime, *, schedule: Schedule) -> Tally:
    """Return the tally with days counted until an instant, though use is not known so far.

    No further than the cycle's end: a bill ends when the use of all its days is known.
    """
    end_us = _cycle_end_us(tally, schedule)
    return replace(tally, accrued_us=max(tally.accrued_us, min(to_us(until), end_us)))


def _spread(pieces: Sequence[Piece], span: Span) -> list[tuple[Piece, int]]:
    periods = min(len(piece.version.tariff.energy.periods) for piece in pieces)
    if span.rates_wh is None or len(span.rates_wh) > periods:
        lengths = [piece.end_us - piece.start_us for piece in pieces]
        return list(zip(pieces, shares(span.energy_wh, lengths), strict=True))
    # A meter may keep fewer rates than there are periods; time passes in all of them.
    spread = [(piece, 0) for piece in pieces if piece.period >= len(span.rates_wh)]
    for period, energy_wh in enumerate(span.rates_wh):
        own = [piece for piece in pieces if piece.period == period]
        if not own and energy_wh:
            # The meter's clock runs a little ahead or behind: its word on the rate stands.
            own = [Piece(pieces[0].start_us, pieces[0].start_us, pieces[0].version, period)]
        lengths = [piece.end_us - piece.start_us for piece in own]
        spread += list(zip(own, shares(energy_wh, lengths), strict=True))
    return sorted(spread, key=lambda each: (each[0].start_us, each[0].end_us))


def shares(amount: int, weights: Sequence[int]) -> list[int]:
    """Split an amount by weights into integers that add up to it, by running floors.

    Cutting a weight in two splits its share and changes no other.
    """
    whole = sum(weights)
    if not whole:
        return [amount if at == 0 else 0 for at in range(len(weights))]
    parts, weight, given = [], 0, 0
    for each in weights:
        weight += each
        until = amount * weight // whole
        parts.append(until - given)
        given = until
    return parts


class _Hand:
    """A tally while it is being moved; the one place where it changes."""

    __slots__ = (
        "_bounds", "_cells", "_closed", "_cycle_end_us", "_free_end_us", "_peaks_wh", "_schedule", "_tally",
        "_terms", "_totals", "_version", "_window_end_us",
    )  # fmt: skip

    def __init__(self, tally: Tally, schedule: Schedule, terms: Terms) -> None:
        self._tally = tally
        self._schedule = schedule
        self._terms = terms
        self._closed: list[Tally] = []
        self._look_up()

    def tally(self) -> Tally:
        """Return the tally as it stands."""
        *before, last = self._tally.segments
        last = replace(last, cells=tuple(self._cells), peaks_wh=tuple(self._peaks_wh))
        return replace(self._tally, segments=(*before, last), totals=tuple(self._totals))

    def sorted(self) -> Sorted:
        return Sorted(tally=self.tally(), closed=tuple(self._closed))

    def _look_up(self) -> None:
        """Fetch what the last segment's version says about this window."""
        tally, schedule = self._tally, self._schedule
        segment = tally.segments[-1]
        self._version = schedule.by_key[segment.version]
        tariff, zone = self._version.tariff, schedule.zone
        self._cells, self._peaks_wh = list(segment.cells), list(segment.peaks_wh)
        self._totals = list(tally.totals)
        window = steps_window(tariff, tally.until_us, schedule=schedule)
        self._bounds = bounds_of(
            segment, schedule=schedule, terms=self._terms, window=window, opened_us=tally.opened_us
        )
        self._window_end_us = day_start_us(window.end, zone=zone)
        self._cycle_end_us = _cycle_end_us(tally, schedule)
        self._free_end_us = _free_window_us(tariff, tally.until_us, schedule)[1]

    # Time.

    def go_to(self, at_us: int) -> None:
        """Let time arrive at an instant, which is no further than the next boundary."""
        version = self._schedule.version_at(at_us)
        if self._tally.until_us < at_us:
            self._tally = replace(self._tally, until_us=at_us)
        if at_us >= self._cycle_end_us:
            self._close(at_us, version)
        elif version.key != self._version.key:
            self._change(at_us, version)
        elif at_us >= self._window_end_us or at_us >= self._free_end_us:
            self._renew(at_us)

    def _close(self, at_us: int, version: Version) -> None:
        """End the bill and begin the next, under the version that holds now."""
        ended = self.tally()
        self._closed.append(ended)
        self._tally = replace(ended, bill_start_us=at_us, past_peaks_wh=_past(ended, version.tariff))
        self._change(at_us, version, first=True)

    def _change(self, at_us: int, version: Version, *, first: bool = False) -> None:
        """Go on under another version, or in another bill: a new segment begins."""
        kept = self.tally()
        totals = self._totals_under(version, at_us)
        before = () if first else kept.segments
        self._tally = replace(
            kept,
            segments=(*before, _segment(version, at_us, totals)),
            totals=totals,
            interval_start_us=at_us,
            interval_wh=0,
        )
        self._begin_windows(at_us, version)

    def _totals_under(self, version: Version, at_us: int) -> tuple[Amount, ...]:
        """Return the running totals with which a version begins (see `ChangePolicy`)."""
        tariff = version.tariff
        same = version.key == self._version.key
        policy = tariff.energy.steps.on_change
        continues = same or policy is ChangePolicy.CONTINUE
        if at_us >= self._window_end_us or not continues:
            return _no_totals(tariff)
        if same or len(self._totals) == len(_no_totals(tariff)):
            return tuple(self._totals)
        return _no_totals(tariff)

    def _renew(self, at_us: int) -> None:
        """Begin the windows that have ended, within the same segment."""
        self._tally = self.tally()
        if at_us >= self._window_end_us:
            self._tally = replace(self._tally, totals=_no_totals(self._version.tariff))
        self._begin_windows(at_us, self._version)

    def _begin_windows(self, at_us: int, version: Version) -> None:
        tariff, schedule = version.tariff, self._schedule
        window = steps_window(tariff, at_us, schedule=schedule)
        free_start_us = _free_window_us(tariff, at_us, schedule)[0]
        fresh = free_start_us != self._tally.free_start_us
        self._tally = replace(
            self._tally,
            window_start_us=day_start_us(window.first, zone=schedule.zone),
            free_start_us=free_start_us,
            free_used_wh=0 if fresh else self._tally.free_used_wh,
        )
        self._look_up()

    # Use.

    def cut(self, start_us: int, end_us: int) -> list[Piece]:
        """Cut time at every boundary that matters to the versions in force."""
        cut: list[Piece] = []
        for piece in self._schedule.pieces(start_us, end_us):
            cut += self._cut_by_demand(piece) if piece.version.tariff.demands else [piece]
        return cut

    def _cut_by_demand(self, piece: Piece) -> list[Piece]:
        """Cut at the edges of demand intervals too; all demands of a tariff have one length (checked)."""
        length_us = piece.version.tariff.demands[0].interval_min * MINUTE_US
        day_us = day_start_us(day_of(piece.start_us, zone=self._schedule.zone), zone=self._schedule.zone)
        cut, at_us = [], piece.start_us
        while at_us < piece.end_us:
            edge_us = day_us + ((at_us - day_us) // length_us + 1) * length_us
            until_us = min(edge_us, piece.end_us)
            cut.append(Piece(at_us, until_us, piece.version, piece.period))
            at_us = until_us
        return cut

    def add_here(self, energy_wh: Amount) -> None:
        """Sort a use that takes no time."""
        at_us = self._tally.until_us
        self.add(Piece(at_us, at_us, self._version, self._schedule.period_at(at_us)), energy_wh)

    def add(self, piece: Piece, energy_wh: Amount) -> None:
        """Sort a use of one period into its cells."""
        if self._peaks_wh and piece.start_us < piece.end_us:
            self._measure(piece, int(energy_wh))  # what has no duration has no power
        tariff = self._version.tariff
        count = steps_count(tariff)
        row = piece.period * (count + 1)
        free_wh = self._take_free(energy_wh)
        self._cells[row + count] += free_wh
        paid_wh = energy_wh - free_wh
        which = piece.period if tariff.energy.steps.scope is Scope.PERIOD else 0
        allowance = tariff.allowance
        if allowance is not None and allowance.counts_in_steps:
            self._totals[which] += free_wh
        lower = self._totals[which]
        upper = self._totals[which] = lower + paid_wh
        if count == 1:
            self._cells[row] += paid_wh
            return
        bounds = self._bounds[piece.period]
        step = bisect_right(bounds, lower)  # a step that is full to its bound is behind us
        while lower < upper:
            end = min(bounds[step], upper) if step < len(bounds) else upper
            self._cells[row + step] += end - lower
            lower, step = end, step + 1

    def _take_free(self, energy_wh: Amount) -> Amount:
        allowance = self._version.tariff.allowance
        if allowance is None:
            return 0
        free_wh = min(energy_wh, max(allowance.energy_wh - self._tally.free_used_wh, 0))
        self._tally = replace(self._tally, free_used_wh=self._tally.free_used_wh + free_wh)
        return free_wh

    def _measure(self, piece: Piece, energy_wh: int) -> None:
        """Add to the demand interval in progress and keep the highest."""
        length_us = self._version.tariff.demands[0].interval_min * MINUTE_US
        day_us = day_start_us(day_of(piece.start_us, zone=self._schedule.zone), zone=self._schedule.zone)
        start_us = day_us + (piece.start_us - day_us) // length_us * length_us
        inside = start_us <= self._tally.interval_start_us
        interval_wh = (self._tally.interval_wh if inside else 0) + energy_wh
        self._tally = replace(
            self._tally,
            interval_start_us=max(start_us, self._tally.interval_start_us),
            interval_wh=interval_wh,
        )
        at = 0
        for number, demand in enumerate(self._version.tariff.demands):
            period = self._schedule.demand_run(self._version, number, piece.start_us).period
            self._peaks_wh[at + period] = max(self._peaks_wh[at + period], interval_wh)
            at += len(demand.periods)


def _no_totals(tariff: Tariff) -> tuple[Amount, ...]:
    per_period = tariff.energy.steps.scope is Scope.PERIOD
    return (0,) * (len(tariff.energy.periods) if per_period else 1)


def _segment(version: Version, start_us: int, opening: tuple[Amount, ...]) -> Segment:
    tariff = version.tariff
    return Segment(
        version=version.key,
        start_us=start_us,
        cells=(0,) * (len(tariff.energy.periods) * (steps_count(tariff) + 1)),
        opening=opening,
        peaks_wh=(0,) * sum(len(demand.periods) for demand in tariff.demands),
    )


def _free_window_us(tariff: Tariff, at_us: int, schedule: Schedule) -> tuple[int, int]:
    allowance = tariff.allowance
    window = Window.YEAR if allowance is None else allowance.window
    day = day_of(at_us, zone=schedule.zone)
    days = window_of(day, window=window, cycle_day=tariff.cycle_day)
    return day_start_us(days.first, zone=schedule.zone), day_start_us(days.end, zone=schedule.zone)


def _past(ended: Tally, tariff: Tariff) -> tuple[tuple[int, ...], ...]:
    kept = max((demand.ratchet_months for demand in tariff.demands), default=0)
    return (peaks_of(ended), *ended.past_peaks_wh)[:kept]
