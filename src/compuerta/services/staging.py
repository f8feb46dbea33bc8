"""Staging: the decision on one supply, the stages before a cut, and when the clock will change it.

A cut for money has stages where the platform is the credit authority: a last chance that was told, a payment
that somebody makes just now, and one more look at the meter. Friendly hours and stages keep on what is on;
they never switch on what is off, since nobody who was cut gets electricity for it.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from compuerta.domain import supply
from compuerta.domain.friendly import friendly_until, is_friendly
from compuerta.domain.party import CreditAuthority, zone_of
from compuerta.domain.supply import Decision, Reason, Supply
from compuerta.services.records import AccountView, EmergencyCredit

# A cut rests on a reading that is not older than this, or that was taken since the stages began.
LOOK_AGE_MAX = timedelta(minutes=2)
# A meter that was asked and stays silent is cut all the same: the order waits for it, and reads it first.
LOOK_WAIT_MAX = timedelta(minutes=10)
# An open pay page is no electricity for nothing: after the last chance it holds a cut off so long at most.
PAYING_MAX = timedelta(minutes=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What a decision rests on beside what is known of the account itself."""

    emergency: EmergencyCredit | None = None  # taken, and not repaid
    paying_until: datetime | None = None  # somebody waits to pay until then
    looked_at: datetime | None = None  # when the meter was last ordered to be looked at


@dataclass(frozen=True, slots=True, kw_only=True)
class Staged:
    """A decision, until when it stands if nothing but the clock moves, and since when a cut is near."""

    decision: Decision
    on: Supply  # what was decided on
    until: datetime | None = None
    out_since: datetime | None = None
    cut_at: datetime | None = None  # the end of the last chance


def staged(view: AccountView, known: Known, *, now: datetime) -> Staged:
    """Decide one account's supply as it stands."""
    assert view.meter is not None and view.snapshot is not None, "supply is decided where there is a meter"
    is_on = view.snapshot.wanted_closed is not False
    zone = zone_of(view.account.zone)
    bare = Supply(
        balance_minor=view.balance_minor,
        credit_authority=view.meter.credit_authority,
        holds=view.holds,
        billing_held=view.holdings.billing_held,
        emergency_minor=_left_minor(known.emergency),
        friendly=is_on and view.balance_minor <= 0 and is_friendly(view.policy, zone, now),
    )
    decision = supply.decide(bare)
    if decision.reason is Reason.FRIENDLY_HOURS:
        ends = friendly_until(view.policy, zone, now)
        return Staged(decision=decision, on=bare, until=_earlier(view.hold_edge, ends))
    if decision.reason is not Reason.OUT_OF_CREDIT:
        return Staged(decision=decision, on=bare, until=view.hold_edge)
    if not is_on or view.meter.credit_authority is CreditAuthority.METER:
        return Staged(decision=decision, on=bare, until=view.hold_edge, out_since=view.snapshot.out_since)
    return _stages(view, known, bare, now=now)


def _stages(view: AccountView, known: Known, bare: Supply, *, now: datetime) -> Staged:
    assert view.snapshot is not None
    out_since = view.snapshot.out_since or now
    cut_at = out_since + timedelta(minutes=view.policy.last_chance_min)
    paying_until = min(known.paying_until or now, cut_at + PAYING_MAX)
    look_until = _look_until(view, known, out_since=out_since, now=now)
    on = replace(bare, paying=now < paying_until, last_chance=now < cut_at, look_owed=now < look_until)
    decision = supply.decide(on)
    ends = {
        Reason.PAYMENT_IN_FLIGHT: paying_until,
        Reason.LAST_CHANCE: cut_at,
        Reason.LOOK_FIRST: look_until,
    }.get(decision.reason)
    return Staged(
        decision=decision, on=on, until=_earlier(view.hold_edge, ends), out_since=out_since, cut_at=cut_at
    )


def _look_until(view: AccountView, known: Known, *, out_since: datetime, now: datetime) -> datetime:
    """Return until when a cut waits for a look at the meter; `now` where it waits for none."""
    assert view.snapshot is not None
    read_at = view.snapshot.read_at
    if read_at is not None and read_at >= min(now - LOOK_AGE_MAX, out_since):
        return now
    if known.looked_at is None or known.looked_at < out_since:
        return now + LOOK_WAIT_MAX
    return known.looked_at + LOOK_WAIT_MAX


def _left_minor(emergency: EmergencyCredit | None) -> int:
    return 0 if emergency is None or emergency.spent_at is not None else emergency.limit_minor


def _earlier(one: datetime | None, other: datetime | None) -> datetime | None:
    return min((each for each in (one, other) if each is not None), default=None)
