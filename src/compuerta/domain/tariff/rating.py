"""Rating: use in, bills out. The two calls that everything else is built on.

`extend` moves an account's tally by one use and hands out the bills that ended on the way; `rate` does that
for a whole history. Both are exact, and rating the same uses again gives the same bills.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from fractions import Fraction

from compuerta.domain.tariff.bill import Bill, base_of, bill
from compuerta.domain.tariff.civil import day_of
from compuerta.domain.tariff.components import Minimum, Terms, Window
from compuerta.domain.tariff.schedule import Schedule
from compuerta.domain.tariff.tally import NO_TERMS, Span, Tally, opened, sort_in

# Whatever one bill hands to the next is kept as two integers of 63 bits (`packing`).
KEPT_MAX = 2**62


@dataclass(frozen=True, slots=True, kw_only=True)
class Extended:
    """A tally moved forward, and the bills that ended on the way, oldest first, each with its last tally."""

    tally: Tally
    closed: tuple[tuple[Tally, Bill], ...] = ()


def extend(tally: Tally, span: Span, *, schedule: Schedule, terms: Terms = NO_TERMS) -> Extended:
    """Return the tally after a use; a bill that ends hands its remainder to the next."""
    moved = sort_in(tally, span, schedule=schedule, terms=terms)
    closed: list[tuple[Tally, Bill]] = []
    carry, year_exact = tally.carry, tally.year_exact
    for ended in moved.closed:
        ended = replace(ended, carry=carry, year_exact=year_exact)
        last = bill(ended, schedule=schedule, terms=terms, closing=True)
        closed.append((ended, last))
        carry, year_exact = _kept(last.carry), _kept(year_exact_after(ended, last, schedule=schedule))
    return Extended(tally=replace(moved.tally, carry=carry, year_exact=year_exact), closed=tuple(closed))


def _kept(exact: Fraction) -> Fraction:
    """Return an amount, or the nearest that can be kept: decimals of prices, shares and days multiply."""
    return exact.limit_denominator(max(KEPT_MAX // (abs(exact).__floor__() + 1), 1))


def rate(
    spans: Iterable[Span], *, schedule: Schedule, start: datetime, terms: Terms = NO_TERMS
) -> list[Bill]:
    """Return the bills of a history that begins at `start`, the last one as it stands."""
    tally, bills = opened(schedule=schedule, at=start), []
    for span in spans:
        moved = extend(tally, span, schedule=schedule, terms=terms)
        bills += [ended for _, ended in moved.closed]
        tally = moved.tally
    if tally.until_us > tally.bill_start_us or any(tally.segments[-1].cells):
        bills.append(bill(tally, schedule=schedule, terms=terms))
    return bills


def year_exact_after(ended: Tally, last: Bill, *, schedule: Schedule) -> Fraction:
    """Return what an annual minimum has seen of the calendar year when the next bill begins."""
    tariff = schedule.by_key[ended.segments[-1].version].tariff
    annual = [each for each in tariff.components if isinstance(each, Minimum) and each.per is Window.YEAR]
    began = day_of(ended.bill_start_us, zone=schedule.zone).year
    ends = day_of(ended.until_us, zone=schedule.zone).year
    if not annual or began != ends:
        return Fraction(0)
    return ended.year_exact + sum((line.exact for line in base_of(annual[0], last.lines)), Fraction(0))
