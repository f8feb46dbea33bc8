"""What the screen of webhooks reads: where partners are told, and what became of each telling."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from compuerta.apps.console.reads import rows

DELIVERIES_SHOWN_MAX = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookRow:
    """A webhook, and how its tellings stand."""

    webhook_id: UUID
    url: str
    events: list[str]
    generation: int
    rotated_at: datetime | None
    made_by: str
    made_at: datetime
    waiting: int
    heard: int
    given_up: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryRow:
    """One telling."""

    webhook_id: UUID
    delivery_id: UUID
    url: str
    event: str
    place: str
    at: datetime
    state: str
    tries: int
    due_at: datetime | None
    last_answer: str
    is_open: bool


def webhooks(organisation_id: int) -> list[WebhookRow]:
    """Return an organisation's webhooks that have not ended, by when they were made."""
    return rows(
        WebhookRow,
        """select w.webhook_id, w.url, w.events, w.generation, w.rotated_at, w.made_by, w.made_at,
            count(*) filter (where d.state = 'waiting') as waiting,
            count(*) filter (where d.state = 'done') as heard,
            count(*) filter (where d.state = 'given_up') as given_up
        from webhook w left join webhook_delivery d using (webhook_id)
        where w.organisation_id = %(organisation_id)s and w.ended_at is null
        group by w.webhook_id order by w.made_at, w.webhook_id""",
        {"organisation_id": organisation_id},
    )


def deliveries(organisation_id: int) -> list[DeliveryRow]:
    """Return the last tellings; those that somebody has to look at come first."""
    return rows(
        DeliveryRow,
        """select d.webhook_id, d.delivery_id, w.url, d.event, coalesce(p.name, '') as place, d.at, d.state,
            d.tries, d.due_at, d.last_answer, w.ended_at is null as is_open
        from webhook_delivery d join webhook w using (webhook_id)
        left join account a using (account_id) left join supply_point p using (supply_point_id)
        where d.organisation_id = %(organisation_id)s
        order by d.state = 'done', d.created_at desc, d.delivery_id limit %(limit)s""",
        {"organisation_id": organisation_id, "limit": DELIVERIES_SHOWN_MAX},
    )
