"""Orders as apps and partners see them: one statement per question, and one form for every answer."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID

from pydantic import BaseModel

from compuerta.adapters.postgres.store import PostgresStore
from compuerta.apps.api.reading import Row
from compuerta.domain.payment import Flow
from compuerta.services.payment_ports import PresentationKind

# What the payer is to be shown, by how they pay.
SHOWN_AS: Final = {
    Flow.QR: PresentationKind.QR,
    Flow.WALLET: PresentationKind.WALLET,
    Flow.APP: PresentationKind.APP,
    Flow.WEB: PresentationKind.REDIRECT,
    Flow.DESKTOP: PresentationKind.REDIRECT,
    Flow.CODE: PresentationKind.WAIT,
    Flow.PROMPT: PresentationKind.PROMPT,
}
StateName = Literal["unknown", "ordered", "presented", "paid", "credited", "power", "suspended", "failed"]


class AttemptMade(BaseModel):
    """One way to pay an order, and what the payer is to be shown."""

    attempt_id: UUID
    provider: str
    flow: str
    state: str
    shown_as: str
    presented: str | None
    created_at: datetime
    expires_at: datetime


class OrderMade(BaseModel):
    """An order with its four instants: facts, not promises."""

    order_id: UUID
    account_id: int
    meter_no: str | None
    reference: str
    amount_minor: int
    currency: str
    state: StateName
    ordered_at: datetime
    paid_at: datetime | None
    posted_at: datetime | None
    credited_at: datetime | None
    power_at: datetime | None
    attempts: list[AttemptMade]


_ORDER = """
select o.order_id, o.account_id, m.meter_no, o.caller_reference as reference, o.amount_minor, o.currency,
    o.created_at as ordered_at, paid.paid_at, paid.posted_at, paid.credited_at,
    paid.closed_at as power_at, paid.verdict, paid.recharge_id, coalesce(tried.attempts, '[]') as attempts
from payment_order o
join account a using (account_id)
left join installation i on i.account_id = o.account_id and i.ended_at is null
left join meter m on m.meter_id = i.meter_id
left join lateral (
    select jsonb_agg(jsonb_build_object(
        'attempt_id', t.attempt_id, 'provider', t.provider, 'flow', t.flow, 'state', t.state,
        'presented', t.presented, 'created_at', t.created_at, 'expires_at', t.expires_at
    ) order by t.created_at, t.attempt_id) as attempts
    from attempt t where t.account_id = o.account_id and t.order_id = o.order_id
) tried on true
left join lateral (
    select p.verdict, p.paid_at, p.posted_at, r.recharge_id, l.credited_at, l.closed_at
    from attempt t
    join payment p on p.account_id = t.account_id and p.provider = t.provider and p.reference = t.reference
    left join recharge r on r.account_id = p.account_id and r.payment_id = p.payment_id
    -- Of these rows alone: the view of all recharges would be made whole for each look.
    left join lateral (
        select max(i.at) filter (where i.instant = 'credited') as credited_at,
            max(i.at) filter (where i.instant = 'closed') as closed_at
        from recharge_instant i where i.account_id = r.account_id and i.recharge_id = r.recharge_id
    ) l on true
    where t.account_id = o.account_id and t.order_id = o.order_id
    order by p.posted_at, p.payment_id limit 1
) paid on true
"""
ONE_ORDER = (
    _ORDER
    + """where o.order_id = %(order_id)s and a.organisation_id = %(organisation_id)s
    and (%(caller)s::text is null or (o.door = 'app' and o.caller = %(caller)s))
"""
)
_ORDERS = _ORDER + " where o.order_id = any(%(order_ids)s)"
ONE_ATTEMPT = """
select t.attempt_id, t.order_id
from payment_reference r
join attempt t on t.account_id = r.account_id and t.attempt_id = r.row_id
join account a on a.account_id = t.account_id
where r.kind = 'order' and r.row_id = %(attempt_id)s and a.organisation_id = %(organisation_id)s
    and t.order_id is not null
"""
PAYABLE = """
select a.account_id, a.name, p.name as supply_point, p.building, z.name as site, z.currency, m.meter_no
from meter m
join installation i on i.meter_id = m.meter_id and i.ended_at is null
join account a on a.account_id = i.account_id
join supply_point p on p.supply_point_id = a.supply_point_id
join site z on z.site_id = a.site_id
where m.organisation_id = %(organisation_id)s and m.meter_no = %(meter_no)s and a.kind = 'customer'
"""
PROVIDERS = """
select provider, kind from provider_account where organisation_id = %(organisation_id)s order by provider
"""


def orders_now(store: PostgresStore, order_ids: Sequence[UUID]) -> list[Row]:
    """Return how orders stand, for all who follow one of them at once."""
    return store.query(_ORDERS, {"order_ids": sorted(order_ids)})


def state_of(row: dict[str, Any]) -> str:
    """Return the one word for where an order stands; money that came counts more than any attempt."""
    if row["power_at"] is not None:
        return "power"
    if row["credited_at"] is not None:
        return "credited"
    if row["verdict"] is not None:
        return "paid" if row["verdict"] == "credited" else "suspended"
    states = {attempt["state"] for attempt in row["attempts"]}
    if states & {"presented", "expired"}:
        return "presented"
    return "ordered" if "created" in states or not states else "failed"


def made_of(row: Row) -> OrderMade:
    """Return an order as machines are told of it."""
    attempts = [
        AttemptMade(**each, shown_as=SHOWN_AS.get(Flow(each["flow"]), PresentationKind.PAID).value)
        for each in row["attempts"]
    ]
    return OrderMade(**{"state": state_of(row), **row, "attempts": attempts})
