"""Recomputing: what a use comes to by the meter's freezes and the tariff, beside what was charged for it.

One row per account says up to which register and tally it was recomputed. Where freezes alone cannot tell
what a use cost, since its price changed within the day and no registers by rate are kept, nothing is told,
and recomputing begins anew at the last reading.
"""

from dataclasses import dataclass, replace
from datetime import datetime

from compuerta.domain.drift import Prices, prices_of
from compuerta.domain.tariff.bill import bill
from compuerta.domain.tariff.civil import to_us
from compuerta.domain.tariff.fitting import rates_of
from compuerta.domain.tariff.packing import packed, unpacked
from compuerta.domain.tariff.rating import extend
from compuerta.domain.tariff.schedule import Schedule, VersionKey, joined
from compuerta.domain.tariff.tally import Span, Tally, opened
from compuerta.services.day_port import AccountWeight, ChargedSince
from compuerta.services.freeze_port import Freeze
from compuerta.services.records import AccountView


@dataclass(frozen=True, slots=True, kw_only=True)
class Recomputed:
    """What a use came to, up to a freeze."""

    weight: AccountWeight  # from where the next night goes on
    gap_minor: int | None  # what was charged less what the use costs; None = cannot be told
    unread_minor: int  # the cost of what lies between the last charge and the freeze
    unread_wh: int
    used_wh: int
    span: Span  # since the freeze before


def begun(view: AccountView) -> AccountWeight | None:
    """Return the last reading as the place to recompute from; None where there was none."""
    held = view.holdings
    if view.meter is None or not held.tally or held.register_wh is None or held.register_at is None:
        return None
    return AccountWeight(
        account_id=view.account.account_id,
        meter_id=view.meter.meter_id,
        at=held.register_at,
        energy_wh=held.register_wh,
        rates_wh=held.register_rates_wh,
        tally=held.tally,
        charged_wh=held.billed_wh,
        unread_minor=0,
        offset_wh=held.register_wh - held.billed_wh,
    )


def recompute(
    view: AccountView,
    weight: AccountWeight,
    freeze: Freeze,
    charged: ChargedSince,
    *,
    runs_by: VersionKey | None,
) -> Recomputed | None:
    """Return what the use since `weight` comes to up to a freeze; None where the two do not follow."""
    begin = begun(view)
    used_wh = (freeze.energy_wh or 0) - weight.energy_wh
    follows = begin is not None and (weight.meter_id, weight.offset_wh) == (begin.meter_id, begin.offset_wh)
    if begin is None or freeze.energy_wh is None or not follows or weight.at > freeze.at or used_wh < 0:
        return None
    whole = Span(start=weight.at, end=freeze.at, energy_wh=used_wh)
    read_at = min(max(charged.read_at or weight.at, weight.at), freeze.at)
    unread_wh = min(max(freeze.energy_wh - weight.offset_wh - charged.to_wh, 0), used_wh)
    read = replace(whole, end=read_at, energy_wh=used_wh - unread_wh if read_at > weight.at else 0)
    unread = replace(whole, start=read_at, energy_wh=used_wh - read.energy_wh)
    tally, read_minor = cost(view, unpacked(weight.tally), read)
    tally, unread_minor = cost(view, tally, unread)
    known_minor: int | None = read_minor + unread_minor
    if has_prices(view, whole):
        rates_wh = _rates_used(view, weight, freeze, whole, runs_by=runs_by)
        known_minor = None
        if rates_wh is not None:
            tally, known_minor = cost(view, unpacked(weight.tally), replace(whole, rates_wh=rates_wh))
    since_minor = unread_minor if charged.read_at is not None else unread_minor + weight.unread_minor
    gap_minor = None
    if known_minor is not None:
        gap_minor = charged.amount_minor + since_minor - weight.unread_minor - known_minor
    after = replace(
        weight,
        at=freeze.at,
        energy_wh=freeze.energy_wh,
        rates_wh=freeze.rates_wh,
        tally=packed(tally),
        charged_wh=charged.to_wh,
        unread_minor=since_minor,
    )
    return Recomputed(
        weight=begin if known_minor is None else after,
        gap_minor=gap_minor,
        unread_minor=since_minor,
        unread_wh=max(freeze.energy_wh - weight.offset_wh - charged.to_wh, 0),
        used_wh=used_wh,
        span=whole,
    )


def cost(view: AccountView, tally: Tally, span: Span) -> tuple[Tally, int]:
    """Return the tally after a use, and what the use costs."""
    if span.start >= span.end:
        return tally, 0
    assert view.schedule is not None
    terms = view.terms_at(tally.bill_start)
    moved = extend(tally, span, schedule=view.schedule, terms=terms)
    before = bill(tally, schedule=view.schedule, terms=terms)
    after = bill(moved.tally, schedule=view.schedule, terms=view.terms_at(moved.tally.bill_start))
    ended_minor = sum(ended.total_minor for _, ended in moved.closed)
    return moved.tally, ended_minor + after.total_minor - before.total_minor


def has_prices(view: AccountView, span: Span) -> bool:
    """Tell whether a use has more than one price by the time of day."""
    return bool(edges(view, span))


def edges(view: AccountView, span: Span) -> int:
    """Return how often the price changes within a use."""
    assert view.schedule is not None
    found, last = 0, None
    for piece in view.schedule.pieces(to_us(span.start), to_us(span.end)):
        ladder = piece.version.tariff.energy.periods[piece.period].ladder
        found += last is not None and last != ladder
        last = ladder
    return found


def prices_at(view: AccountView, at: datetime) -> Prices:
    """Return what a use at an instant can cost."""
    assert view.schedule is not None
    tariff = view.schedule.version_at(to_us(at) - 1).tariff
    return prices_of(tariff.energy.periods, currency=view.account.currency)


def other_version_minor(view: AccountView, span: Span, runs_by: VersionKey | None) -> int | None:
    """Return by how much a meter deducts less that runs by another version than bills the use.

    Of a meter whose prices are set by hand nobody sees by which it runs: the one before is supposed.
    """
    schedule = view.schedule
    assert schedule is not None
    ours = schedule.version_at(to_us(span.end) - 1)
    since_us, _ = schedule.reign_at(to_us(span.end) - 1)
    before = None if since_us is None else schedule.version_at(since_us - 1)
    theirs = before if runs_by is None else schedule.by_key.get(runs_by)
    if theirs is None or theirs.key == ours.key:
        return None
    one, other = (
        joined([(None, each.tariff_id)], {each.tariff_id: (each,)}, zone=view.account.zone)
        for each in (ours, theirs)
    )
    return _alone(one, span) - _alone(other, span)


def _alone(schedule: Schedule, span: Span) -> int:
    tally = opened(schedule=schedule, at=span.start)
    moved = extend(tally, span, schedule=schedule)
    ended_minor = sum(ended.total_minor for _, ended in moved.closed)
    return ended_minor + bill(moved.tally, schedule=schedule).total_minor


def _rates_used(
    view: AccountView, weight: AccountWeight, freeze: Freeze, span: Span, *, runs_by: VersionKey | None
) -> tuple[int, ...] | None:
    """Return a use by the tariff's periods, where the meter ran by the one version that bills all of it."""
    before, after, schedule = weight.rates_wh, freeze.rates_wh, view.schedule
    if before is None or after is None or len(before) != len(after) or schedule is None:
        return None
    version = schedule.version_at(to_us(span.end) - 1)
    if not runs_by == version.key == schedule.version_at(to_us(span.start)).key:
        return None
    numbers = rates_of(version.tariff.energy.periods, rates_max=len(after))
    if max(numbers) > len(after):
        return None
    used = tuple(after[number - 1] - before[number - 1] for number in numbers)
    return used if min(used) >= 0 and sum(used) == span.energy_wh else None
