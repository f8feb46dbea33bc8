"""Standing alone: what an outpost makes of a reading, by the platform's own charging and table of reasons.

It opens a relay for want of credit, and for nothing else, and never closes one: whatever keeps a supply on at
the platform (a hold, friendly hours, a doubt about the readings) keeps it on here.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from compuerta.domain.energy import Delta, judge_delta
from compuerta.domain.supply import Reason
from compuerta.domain.tariff.inverse import Outcome, energy_for
from compuerta.domain.tariff.tally import Span
from compuerta.drivers.abilities import Relay
from compuerta.services import beyond_zero, charging, staging
from compuerta.services.charging import Use
from compuerta.services.mandating import Mandate
from compuerta.services.observe import MeterReport
from compuerta.services.records import AccountView, Holdings

# However near the end of its credit, a meter is not read more often: a line has others to ask.
NEAR_MS: Final = 30_000
_MS_PER_HOUR: Final = 3_600_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What a reading has led to."""

    mandate: Mandate  # as the account stands now
    opens: bool  # the relay has to be opened: credit has ended, and nothing keeps supply on
    out_since: datetime | None  # since when credit has ended
    ends_wh: int | None  # the register at which it ends; None = energy has no price, or no end is in sight
    next_ms: int | None  # when to look again, if that is before the next poll


def judge(mandate: Mandate, report: MeterReport, *, now: datetime) -> Judged:
    """Charge what was used up to a reading, and decide as the platform would."""
    charged = _charged(mandate, report, now=now)
    view = charged.at(now)
    emergency = charged.emergency or beyond_zero.given(view, now=now)
    stage = staging.staged(view, staging.Known(emergency=emergency, looked_at=report.at), now=now)
    assert view.snapshot is not None
    snapshot = replace(view.snapshot, out_since=stage.out_since)
    after = replace(charged, view=replace(charged.view, snapshot=snapshot), emergency=emergency)
    is_out = not stage.decision.closed and stage.decision.reason is Reason.OUT_OF_CREDIT
    floor_minor = 0 if emergency is None else -emergency.limit_minor
    ends_wh = _ends_wh(view, floor_minor, now=now)
    # On although the platform wanted it off when it gave the mandate: somebody has paid or lent since.
    was_on = snapshot.wanted_closed is not False or mandate.opened_here
    return Judged(
        mandate=after,
        opens=is_out and was_on and snapshot.relay is not Relay.OPEN,
        out_since=stage.out_since,
        ends_wh=ends_wh,
        next_ms=_next_ms(view, ends_wh, stage.until, now=now),
    )


def opened(mandate: Mandate) -> Mandate:
    """Return a mandate whose relay was opened: what keeps on what is on does not bring it back."""
    assert mandate.view.snapshot is not None
    snapshot = replace(
        mandate.view.snapshot,
        relay=Relay.OPEN,
        wanted_closed=False,
        wanted_reason=Reason.OUT_OF_CREDIT.value,
    )
    return replace(mandate, view=replace(mandate.view, snapshot=snapshot), opened_here=True)


def _charged(mandate: Mandate, report: MeterReport, *, now: datetime) -> Mandate:
    view = mandate.view
    assert view.snapshot is not None
    state = report.state
    snapshot = replace(
        view.snapshot,
        relay=state.relay or view.snapshot.relay,
        power_w=view.snapshot.power_w if state.power_w is None else state.power_w,
        read_at=report.at,
    )
    holdings = _holdings(view, report, now=now)
    return replace(mandate, view=replace(view, snapshot=snapshot, holdings=holdings))


def _holdings(view: AccountView, report: MeterReport, *, now: datetime) -> Holdings:
    """Return what an account has after a reading; a register in doubt holds its billing, and so the cut."""
    before, register_wh = view.holdings, report.state.energy_wh
    if register_wh is None or before.billing_held:
        return before
    last_at = before.register_at or view.account.period.start
    if report.at <= last_at:
        return before
    if before.register_wh is None:
        return replace(before, register_wh=register_wh, register_at=report.at)
    elapsed_s = int((report.at - last_at).total_seconds()) + 1
    if (
        judge_delta(before_wh=before.register_wh, after_wh=register_wh, elapsed_s=elapsed_s)
        is not Delta.PLAUSIBLE
    ):
        return replace(before, billing_held=True)
    assert view.meter is not None
    span = Span(start=last_at, end=report.at, energy_wh=register_wh - before.register_wh)
    charged = charging.charge(view, before, Use(meter_id=view.meter.meter_id, span=span), now=now)
    return replace(
        charged.holdings,
        delivered_minor=before.delivered_minor - charged.amount_minor,
        register_wh=register_wh,
        register_at=report.at,
    )


def _ends_wh(view: AccountView, floor_minor: int, *, now: datetime) -> int | None:
    """Return the register at which credit ends, at this instant's price, by the tariff's inverse."""
    holdings, schedule = view.holdings, view.schedule
    if schedule is None or holdings.register_wh is None:
        return None
    left_minor = view.balance_minor - floor_minor
    if left_minor <= 0:
        return holdings.register_wh
    tally = charging.tally_of(view, holdings)
    bought = energy_for(
        left_minor, tally=tally, schedule=schedule, terms=view.terms_at(tally.bill_start), at=now
    )
    if bought.outcome is Outcome.UNLIMITED:
        return None
    return holdings.register_wh + bought.whole_wh


def _next_ms(view: AccountView, ends_wh: int | None, until: datetime | None, *, now: datetime) -> int | None:
    """Return in how many milliseconds the end may be reached at the power that is drawn now."""
    assert view.snapshot is not None
    waits = []
    power_w = view.snapshot.power_w
    left_wh = 0 if ends_wh is None else ends_wh - (view.holdings.register_wh or 0)
    if left_wh > 0 and power_w and view.snapshot.relay is not Relay.OPEN:
        waits.append(left_wh * _MS_PER_HOUR // power_w)
    if until is not None and until > now:
        waits.append((until - now) // timedelta(milliseconds=1))
    return max(min(waits), NEAR_MS) if waits else None
