"""Forecasting for accounts: their past is read, and what their balance still lasts for is said.

Nothing of it is kept: a shape is made of six weeks when somebody asks, which takes some ten milliseconds.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime

from compuerta.domain import forecast
from compuerta.domain.forecast import Forecast, Shape
from compuerta.domain.money import minor_digits
from compuerta.domain.party import zone_of
from compuerta.services import charging
from compuerta.services.records import AccountView, Holdings
from compuerta.services.store_port import Transaction


def shapes_of(tx: Transaction, views: Iterable[AccountView], *, now: datetime) -> Mapping[int, Shape]:
    """Return what accounts use by the hour of the week, of those of which something is known."""
    metered = [view for view in views if view.meter is not None and view.schedule is not None]
    if not metered:
        return {}
    meter_ids = [view.meter.meter_id for view in metered if view.meter]
    uses = tx.messages.uses_of(meter_ids, since=now - forecast.HISTORY, until=now)
    shapes = {}
    for view in metered:
        assert view.meter is not None
        # What was used before the account began tells of somebody else.
        begun_at = view.account.period.start
        spans = [span for span in uses.get(view.meter.meter_id, []) if span.start >= begun_at]
        shape = forecast.shape_of(spans, zone=zone_of(view.account.zone), now=now)
        if shape is not None:
            shapes[view.account.account_id] = shape
    return shapes


def used_up(
    view: AccountView, holdings: Holdings, shape: Shape, *, balance_minor: int, at: datetime
) -> Forecast | None:
    """Return when a balance will be used up, not before the instant of asking; None = not for months."""
    assert view.schedule is not None
    tally = charging.tally_of(view, holdings)
    found = forecast.used_up(
        balance_minor,
        tally=tally,
        schedule=view.schedule,
        shape=shape,
        terms=view.terms_at(tally.bill_start),
    )
    if found is None or found.zero_at >= at:
        return found
    return Forecast(zero_at=at, error_hours=found.error_hours)


def suggested_minor(view: AccountView, shape: Shape, *, days: int) -> int:
    """Return what to pay so that it lasts for some days from now, in whole major units, 0 = nothing."""
    assert view.schedule is not None
    tally = charging.tally_of(view, view.holdings)
    cost = forecast.cost_of(
        days, tally=tally, schedule=view.schedule, shape=shape, terms=view.terms_at(tally.bill_start)
    )
    unit: int = 10 ** minor_digits(view.account.currency)
    return max(-(-(cost - view.balance_minor) // unit) * unit, 0)
