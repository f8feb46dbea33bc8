"""Machines that ask: what was answered under their keys, and what they want to be told, in PostgreSQL."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from uuid import UUID

from compuerta.adapters.postgres import rows
from compuerta.adapters.postgres.rows import Asked, Row
from compuerta.services.partner_port import (
    Answer,
    BillerPayment,
    Delivery,
    DeliveryState,
    Due,
    Event,
    Facts,
    Happening,
    KeyName,
    KeyRow,
    Webhook,
    Wish,
)

# Where nobody has a webhook the whole select is one look at an empty index: recharges pay nothing for it.
_TELL = """
insert into webhook_delivery (webhook_id, delivery_id, organisation_id, account_id, event, at, recharge_id,
    attempt_id, state, due_at, created_at, about)
select w.webhook_id, r.delivery_id, w.organisation_id, r.account_id, r.event, r.at, r.recharge_id,
    r.attempt_id, 'waiting', r.due_at, r.created_at, r.about
from jsonb_populate_recordset(null::webhook_delivery, %s) r
left join account a using (account_id)
join webhook w on w.organisation_id = coalesce(a.organisation_id, r.organisation_id)
    and w.ended_at is null and r.event = any(w.events)
where exists (select from webhook where ended_at is null)
on conflict do nothing
"""
# One partner whose door is slow keeps no other waiting: each webhook has its share of a claim.
_CLAIM = """
with hungry as (
    select distinct webhook_id from webhook_delivery
    where due_at <= %(now)s and webhook_id <> all(%(busy)s::uuid[])
), mine as (
    select d.webhook_id, d.delivery_id from hungry h cross join lateral (
        select webhook_id, delivery_id from webhook_delivery
        where webhook_id = h.webhook_id and due_at <= %(now)s
        order by due_at, delivery_id limit %(each)s for update skip locked
    ) d order by d.webhook_id, d.delivery_id limit %(limit)s
), leased as (
    update webhook_delivery d set due_at = %(until)s, tries = d.tries + 1
    from mine where (d.webhook_id, d.delivery_id) = (mine.webhook_id, mine.delivery_id) returning d.*
)
select d.*, w.url, w.events, w.generation, w.rotated_at, w.made_by, w.made_at, w.ended_at as webhook_ended_at,
    t.order_id, t.attempt_id as of_attempt,
    coalesce(o.caller_reference, '') as caller_reference,
    coalesce(r.paid_minor, t.amount_minor) as amount_minor, coalesce(z.currency, '') as currency
from leased d
join webhook w using (webhook_id)
left join account a on a.account_id = d.account_id
left join site z on z.site_id = a.site_id
left join recharge r on r.account_id = d.account_id and r.recharge_id = d.recharge_id
left join payment p on p.account_id = r.account_id and p.payment_id = r.payment_id
left join attempt t on t.account_id = d.account_id and (
    t.attempt_id = d.attempt_id or (t.provider, t.reference) = (p.provider, p.reference))
left join payment_order o on o.account_id = t.account_id and o.order_id = t.order_id
order by d.created_at, d.webhook_id, d.delivery_id
"""
_LOCK_BILLER_PAYMENT = """
insert into biller_payment (provider, reference, organisation_id, said_at, account_id, attempt_id,
    amount_minor, currency, reversed_at)
values (%(provider)s, %(reference)s, %(organisation_id)s, %(said_at)s, %(account_id)s, %(attempt_id)s,
    %(amount_minor)s, %(currency)s, %(reversed_at)s)
on conflict (provider, reference) do update set provider = excluded.provider
returning *, xmax = 0 as is_new
"""
_DROP_KEYS = """
with old as (
    select organisation_id, caller, key from idempotency_key where created_at < %(before)s
    order by created_at limit %(limit)s for update skip locked
), dropped as (
    delete from idempotency_key k using old
    where (k.organisation_id, k.caller, k.key) = (old.organisation_id, old.caller, old.key) returning 1
)
select count(*) as number from dropped
"""
_DROP_DELIVERIES = """
with old as (
    select webhook_id, delivery_id from webhook_delivery where ended_at < %(before)s
    order by ended_at limit %(limit)s for update skip locked
), dropped as (
    delete from webhook_delivery d using old
    where (d.webhook_id, d.delivery_id) = (old.webhook_id, old.delivery_id) returning 1
)
select count(*) as number from dropped
"""


class PostgresPartners:
    """See `partner_port.Partners`."""

    def __init__(self, tx: Asked) -> None:
        self._tx = tx

    # keys
    def key(self, name: KeyName) -> KeyRow | None:
        found = self._tx.query(
            """select * from idempotency_key
            where organisation_id = %(organisation_id)s and caller = %(caller)s and key = %(key)s
            for update""",
            asdict(name),
        )
        return _key(found[0]) if found else None

    def put_key(self, row: KeyRow) -> bool:
        return bool(
            self._tx.query(
                """insert into idempotency_key
                    (organisation_id, caller, key, request_mark, created_at, taken_at)
                values (%(organisation_id)s, %(caller)s, %(key)s, %(mark)s, %(created_at)s, %(taken_at)s)
                on conflict do nothing returning 1 as written""",
                {
                    **asdict(row.name),
                    "mark": row.request_mark,
                    "created_at": row.created_at,
                    "taken_at": row.taken_at,
                },
            )
        )

    def save_key(self, row: KeyRow) -> None:
        answer = row.answer
        self._tx.run(
            """update idempotency_key set taken_at = %(taken_at)s, status = %(status)s, answer = %(answer)s,
                answered_at = %(answered_at)s
            where organisation_id = %(organisation_id)s and caller = %(caller)s and key = %(key)s""",
            {
                **asdict(row.name),
                "taken_at": row.taken_at,
                "status": None if answer is None else answer.status,
                "answer": None if answer is None else answer.body,
                "answered_at": row.answered_at,
            },
        )

    def drop_keys(self, *, created_before: datetime, limit: int) -> int:
        (row,) = self._tx.query(_DROP_KEYS, {"before": created_before, "limit": limit})
        return int(row["number"])

    # webhooks
    def webhook(self, webhook_id: UUID, *, organisation_id: int) -> Webhook | None:
        found = self._tx.query(
            """select * from webhook where webhook_id = %(webhook_id)s
                and organisation_id = %(organisation_id)s for update""",
            {"webhook_id": webhook_id, "organisation_id": organisation_id},
        )
        return _webhook(found[0]) if found else None

    def webhooks(self, organisation_id: int) -> list[Webhook]:
        found = self._tx.query(
            """select * from webhook where organisation_id = %(id)s and ended_at is null
            order by made_at, webhook_id""",
            {"id": organisation_id},
        )
        return [_webhook(row) for row in found]

    def put_webhook(self, webhook: Webhook) -> None:
        events = sorted(event.value for event in webhook.events)
        self._tx.insert("webhook", [{**rows.columns(webhook), "events": events}])

    def save_webhook(self, webhook: Webhook) -> None:
        changed = ("generation", "rotated_at", "ended_at")
        record = {name: getattr(webhook, name) for name in ("webhook_id", *changed)}
        self._tx.update("webhook", [record], key=("webhook_id",), changed=changed)

    def tell(self, happenings: Sequence[Happening], *, now: datetime) -> None:
        told = [
            {
                "delivery_id": each.happening_id,
                "event": each.event,
                "account_id": each.account_id,
                "at": each.at,
                "recharge_id": each.recharge_id,
                "attempt_id": each.attempt_id,
                "organisation_id": each.organisation_id,
                "about": each.about,
                "due_at": now,
                "created_at": now,
            }
            for each in happenings
        ]
        if told:
            self._tx.write("webhook_delivery", _TELL, rows.packed(told))

    def claim_deliveries(self, wish: Wish, *, now: datetime) -> list[Due]:
        values = {
            "now": now,
            "until": wish.until,
            "each": wish.each_max,
            "limit": wish.limit,
            "busy": sorted(wish.busy),
        }
        return [_due(row) for row in self._tx.query(_CLAIM, values)]

    def delivery(self, webhook_id: UUID, delivery_id: UUID) -> Delivery | None:
        found = self._tx.query(
            """select * from webhook_delivery
            where webhook_id = %(webhook_id)s and delivery_id = %(delivery_id)s for update""",
            {"webhook_id": webhook_id, "delivery_id": delivery_id},
        )
        return _delivery(found[0]) if found else None

    def save_deliveries(self, deliveries: Sequence[Delivery]) -> None:
        changed = ("state", "tries", "created_at", "due_at", "last_answer", "ended_at")
        names = ("webhook_id", "delivery_id", *changed)
        self._tx.update(
            "webhook_delivery",
            [{name: getattr(each, name) for name in names} for each in deliveries],
            key=("webhook_id", "delivery_id"),
            changed=changed,
        )

    def drop_deliveries(self, *, ended_before: datetime, limit: int) -> int:
        (row,) = self._tx.query(_DROP_DELIVERIES, {"before": ended_before, "limit": limit})
        return int(row["number"])

    # billers
    def lock_biller_payment(self, payment: BillerPayment) -> tuple[BillerPayment, bool]:
        (row,) = self._tx.query(_LOCK_BILLER_PAYMENT, asdict(payment))
        is_new = bool(row.pop("is_new"))
        return BillerPayment(**row), is_new

    def biller_payment(self, *, provider: str, reference: str) -> BillerPayment | None:
        found = self._tx.query(
            "select * from biller_payment where provider = %(provider)s and reference = %(reference)s",
            {"provider": provider, "reference": reference},
        )
        return BillerPayment(**found[0]) if found else None

    def save_biller_payment(self, payment: BillerPayment) -> None:
        self._tx.update(
            "biller_payment",
            [rows.columns(payment)],
            key=("provider", "reference"),
            changed=("account_id", "attempt_id", "amount_minor", "currency", "reversed_at"),
        )


def _key(row: Row) -> KeyRow:
    answer = None if row["status"] is None else Answer(status=row["status"], body=row["answer"])
    return KeyRow(
        name=KeyName(organisation_id=row["organisation_id"], caller=row["caller"], key=row["key"]),
        request_mark=row["request_mark"],
        created_at=row["created_at"],
        taken_at=row["taken_at"],
        answer=answer,
        answered_at=row["answered_at"],
    )


_WEBHOOK = (
    "webhook_id", "organisation_id", "url", "generation", "rotated_at", "made_by", "made_at", "ended_at",
)  # fmt: skip


def _webhook(row: Row) -> Webhook:
    kept = {name: row[name] for name in _WEBHOOK}
    return Webhook(**kept, events=frozenset(map(Event, row["events"])))


def _delivery(row: Row) -> Delivery:
    kept = {name: row[name] for name in Delivery.__slots__}
    return Delivery(**{**kept, "event": Event(row["event"]), "state": DeliveryState(row["state"])})


def _due(row: Row) -> Due:
    return Due(
        delivery=_delivery(row),
        webhook=_webhook({**row, "ended_at": row["webhook_ended_at"]}),
        facts=Facts(
            order_id=row["order_id"],
            attempt_id=row["of_attempt"],
            caller_reference=row["caller_reference"],
            amount_minor=row["amount_minor"],
            currency=row["currency"],
        ),
    )
