"""Machines that ask: what was answered under their keys, and what they want to be told, in memory."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from compuerta.adapters.memory.tables import Tables, require
from compuerta.services.partner_port import (
    BillerPayment,
    Delivery,
    DeliveryState,
    Due,
    Facts,
    Happening,
    KeyName,
    KeyRow,
    Webhook,
    Wish,
)


class MemoryPartners:
    """See `partner_port.Partners`."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    # keys
    def key(self, name: KeyName) -> KeyRow | None:
        return self._tables.idempotency_keys.get(name)

    def put_key(self, row: KeyRow) -> bool:
        require(row.name.key != "", "idempotency_key_key_check")
        if row.name in self._tables.idempotency_keys:
            return False
        self._tables.idempotency_keys[row.name] = row
        return True

    def save_key(self, row: KeyRow) -> None:
        require((row.answer is None) == (row.answered_at is None), "idempotency_key_is_answered_whole")
        kept = self._tables.idempotency_keys[row.name]
        self._tables.idempotency_keys[row.name] = replace(
            kept, taken_at=row.taken_at, answer=row.answer, answered_at=row.answered_at
        )

    def drop_keys(self, *, created_before: datetime, limit: int) -> int:
        known = self._tables.idempotency_keys.values()
        old = sorted(
            (each for each in known if each.created_at < created_before), key=lambda each: each.created_at
        )[:limit]
        for each in old:
            del self._tables.idempotency_keys[each.name]
        return len(old)

    # webhooks
    def webhook(self, webhook_id: UUID, *, organisation_id: int) -> Webhook | None:
        found = self._tables.webhooks.get(webhook_id)
        return found if found is not None and found.organisation_id == organisation_id else None

    def webhooks(self, organisation_id: int) -> list[Webhook]:
        found = [
            each
            for each in self._tables.webhooks.values()
            if each.organisation_id == organisation_id and each.ended_at is None
        ]
        return sorted(found, key=lambda each: (each.made_at, each.webhook_id))

    def put_webhook(self, webhook: Webhook) -> None:
        require(webhook.url != "", "webhook_url_check")
        require(bool(webhook.events), "webhook_events_check")
        self._tables.take("webhook_pkey", webhook.webhook_id)
        self._tables.webhooks[webhook.webhook_id] = webhook

    def save_webhook(self, webhook: Webhook) -> None:
        self._tables.webhooks[webhook.webhook_id] = replace(
            self._tables.webhooks[webhook.webhook_id],
            generation=webhook.generation,
            rotated_at=webhook.rotated_at,
            ended_at=webhook.ended_at,
        )

    def tell(self, happenings: Sequence[Happening], *, now: datetime) -> None:
        for each in happenings:
            for webhook in self.webhooks(self._organisation(each)):
                if each.event in webhook.events:
                    delivery = _delivery(webhook, each, now=now)
                    key = (delivery.webhook_id, delivery.delivery_id)
                    self._tables.webhook_deliveries.setdefault(key, delivery)

    def _organisation(self, happening: Happening) -> int:
        if happening.account_id is not None:
            return self._tables.accounts[happening.account_id].organisation_id
        require(happening.about != "", "webhook_delivery_is_about_something")
        assert happening.organisation_id is not None
        return happening.organisation_id

    def claim_deliveries(self, wish: Wish, *, now: datetime) -> list[Due]:
        waiting = [
            each
            for each in self._tables.webhook_deliveries.values()
            if each.due_at is not None and each.due_at <= now and each.webhook_id not in wish.busy
        ]
        shares: Counter[UUID] = Counter()
        claimed: list[Due] = []
        for each in sorted(waiting, key=lambda each: (each.due_at, each.delivery_id)):
            shares[each.webhook_id] += 1
            if shares[each.webhook_id] <= wish.each_max and len(claimed) < wish.limit:
                leased = replace(each, due_at=wish.until, tries=each.tries + 1)
                self.save_deliveries([leased])
                webhook = self._tables.webhooks[each.webhook_id]
                claimed.append(Due(delivery=leased, webhook=webhook, facts=self._facts(each)))
        return claimed

    def delivery(self, webhook_id: UUID, delivery_id: UUID) -> Delivery | None:
        return self._tables.webhook_deliveries.get((webhook_id, delivery_id))

    def save_deliveries(self, deliveries: Sequence[Delivery]) -> None:
        for each in deliveries:
            is_waiting = each.state is DeliveryState.WAITING
            require(is_waiting == (each.due_at is not None), "webhook_delivery_is_due_or_over")
            require(is_waiting == (each.ended_at is None), "webhook_delivery_is_due_or_over")
            self._tables.webhook_deliveries[each.webhook_id, each.delivery_id] = each

    def drop_deliveries(self, *, ended_before: datetime, limit: int) -> int:
        old = [
            key
            for key, each in self._tables.webhook_deliveries.items()
            if each.ended_at is not None and each.ended_at < ended_before
        ][:limit]
        for key in old:
            del self._tables.webhook_deliveries[key]
        return len(old)

    # billers
    def lock_biller_payment(self, payment: BillerPayment) -> tuple[BillerPayment, bool]:
        key = (payment.provider, payment.reference)
        known = self._tables.biller_payments.get(key)
        if known is None:
            self.save_biller_payment(payment)
        return known or payment, known is None

    def biller_payment(self, *, provider: str, reference: str) -> BillerPayment | None:
        return self._tables.biller_payments.get((provider, reference))

    def save_biller_payment(self, payment: BillerPayment) -> None:
        require(payment.account_id is not None or payment.reversed_at is not None, "biller_payment_is_whole")
        self._tables.biller_payments[payment.provider, payment.reference] = payment

    def _facts(self, delivery: Delivery) -> Facts:
        tables, account_id = self._tables, delivery.account_id
        recharge = tables.recharges.get(delivery.recharge_id) if delivery.recharge_id else None
        attempt = tables.attempts.get(delivery.attempt_id) if delivery.attempt_id else None
        for payment in tables.payments.values():
            if recharge is not None and payment.payment_id == recharge.payment_id:
                attempt_id = tables.orders.get((payment.provider, payment.reference))
                attempt = None if attempt_id is None else tables.attempts[attempt_id]
        order_id = None if attempt is None else attempt.order_id
        order = tables.payment_orders.get(order_id) if order_id else None
        amount_minor = None if attempt is None else attempt.amount_minor
        return Facts(
            order_id=order_id,
            attempt_id=None if attempt is None else attempt.attempt_id,
            caller_reference="" if order is None else order.caller_reference,
            amount_minor=amount_minor if recharge is None else recharge.paid_minor,
            currency="" if account_id is None else tables.accounts[account_id].currency,
        )


def _delivery(webhook: Webhook, happening: Happening, *, now: datetime) -> Delivery:
    return Delivery(
        webhook_id=webhook.webhook_id,
        delivery_id=happening.happening_id,
        organisation_id=webhook.organisation_id,
        account_id=happening.account_id,
        event=happening.event,
        at=happening.at,
        recharge_id=happening.recharge_id,
        attempt_id=happening.attempt_id,
        state=DeliveryState.WAITING,
        tries=0,
        due_at=now,
        last_answer="",
        created_at=now,
        about=happening.about,
    )
