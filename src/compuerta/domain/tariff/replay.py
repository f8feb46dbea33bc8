"""Replay: a new tariff on old use, before anybody pays by it: who would pay more, how much, and why.

One account at a time, so that progress can be shown and a large building needs no memory. The last bill of a
history stands as it is: what falls due only at a cycle's end is not in it, under either tariff.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from compuerta.domain.tariff.bill import Bill
from compuerta.domain.tariff.components import Terms
from compuerta.domain.tariff.rating import rate
from compuerta.domain.tariff.schedule import Schedule
from compuerta.domain.tariff.tally import NO_TERMS, Span

_Part = tuple[str, str]  # a line's name and period
_Sums = dict[_Part, dict[int | None, int]]  # minor units by step


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """What an account has used, in order of time."""

    account_id: int
    spans: tuple[Span, ...]
    terms: Terms = NO_TERMS


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """What the lines of one name and period come to under both tariffs."""

    name: str
    period: str
    old_minor: int
    new_minor: int
    step: int | None  # the one that moves it most; None = a tariff has no steps there

    @property
    def more_minor(self) -> int:
        """How much more it is; below zero, less."""
        return self.new_minor - self.old_minor


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """An account's bills under both tariffs; the differences add up to that of the totals."""

    account_id: int
    old: tuple[Bill, ...]
    new: tuple[Bill, ...]
    differences: tuple[Difference, ...]  # the largest first; what is the same is left out

    @property
    def old_minor(self) -> int:
        """What the account has paid, by the old tariff."""
        return sum(bill.total_minor for bill in self.old)

    @property
    def new_minor(self) -> int:
        """What it would have paid."""
        return sum(bill.total_minor for bill in self.new)

    @property
    def more_minor(self) -> int:
        """How much more that is; below zero, less."""
        return self.new_minor - self.old_minor

    @property
    def reason(self) -> Difference | None:
        """What moves the account most in the direction that it moves; None = it does not move."""
        along = [each for each in self.differences if each.more_minor * self.more_minor > 0]
        return along[0] if along else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What a new tariff would have done to all; the counts add up to the accounts, the totals to the sums."""

    dearer: int = 0
    cheaper: int = 0
    same: int = 0
    old_minor: int = 0
    new_minor: int = 0
    most_dearer: Replayed | None = None
    most_cheaper: Replayed | None = None
    differences: tuple[Difference, ...] = ()  # of all accounts together, the largest first


def replay(
    histories: Iterable[History], *, old: Schedule, new: Schedule, start: datetime
) -> Iterator[Replayed]:
    """Yield each account's bills under both tariffs, from an instant that all histories begin at."""
    for history in histories:
        was = tuple(rate(history.spans, schedule=old, start=start, terms=history.terms))
        would_be = tuple(rate(history.spans, schedule=new, start=start, terms=history.terms))
        yield Replayed(
            account_id=history.account_id,
            old=was,
            new=would_be,
            differences=_differences(_sums(was), _sums(would_be)),
        )


def summary(replayed: Iterable[Replayed]) -> Summary:
    """Return what the accounts come to together; takes them one by one."""
    dearer = cheaper = same = 0
    most_dearer: Replayed | None = None
    most_cheaper: Replayed | None = None
    old: _Sums = {}
    new: _Sums = {}
    for each in replayed:
        dearer += each.more_minor > 0
        cheaper += each.more_minor < 0
        same += each.more_minor == 0
        if each.more_minor > (most_dearer.more_minor if most_dearer else 0):
            most_dearer = each
        if each.more_minor < (most_cheaper.more_minor if most_cheaper else 0):
            most_cheaper = each
        _add(old, each.old)
        _add(new, each.new)
    return Summary(
        dearer=dearer,
        cheaper=cheaper,
        same=same,
        old_minor=sum(sum(steps.values()) for steps in old.values()),
        new_minor=sum(sum(steps.values()) for steps in new.values()),
        most_dearer=most_dearer,
        most_cheaper=most_cheaper,
        differences=_differences(old, new),
    )


def _sums(bills: Iterable[Bill]) -> _Sums:
    sums: _Sums = {}
    _add(sums, bills)
    return sums


def _add(sums: _Sums, bills: Iterable[Bill]) -> None:
    for bill in bills:
        for line in bill.lines:
            steps = sums.setdefault((line.name, line.period), {})
            steps[line.step] = steps.get(line.step, 0) + line.amount_minor


def _differences(old: _Sums, new: _Sums) -> tuple[Difference, ...]:
    parts = [*old, *(part for part in new if part not in old)]
    found = [_difference(part, old.get(part, {}), new.get(part, {})) for part in parts]
    moved = [each for each in found if each.more_minor]
    return tuple(sorted(moved, key=lambda each: abs(each.more_minor), reverse=True))


def _difference(part: _Part, old: dict[int | None, int], new: dict[int | None, int]) -> Difference:
    steps = [step for step in {*old, *new} if step is not None]
    by_step = {step: abs(new.get(step, 0) - old.get(step, 0)) for step in sorted(steps)}
    stepped = by_step and None not in old and None not in new
    name, period = part
    return Difference(
        name=name,
        period=period,
        old_minor=sum(old.values()),
        new_minor=sum(new.values()),
        step=max(by_step, key=by_step.__getitem__) if stepped else None,
    )
