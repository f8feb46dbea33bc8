"""What was handed out for recharges, in memory."""

from datetime import datetime
from uuid import UUID

from compuerta.adapters.memory.tables import Tables
from compuerta.domain.correction import CorrectionKind, CorrectionState
from compuerta.domain.ledger import DELIVERED
from compuerta.domain.party import CreditAuthority
from compuerta.domain.payment import DisputeState, RefundState
from compuerta.services.receipt_port import HandedOut, Sold
from compuerta.services.records import Instant, Payment, Recharge


class MemoryReceipts:
    """See `receipt_port.Receipts`."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def sold(self, account_id: int, recharge_id: UUID) -> Sold | None:
        tables, recharge = self._tables, self._tables.recharges.get(recharge_id)
        if recharge is None or recharge.account_id != account_id:
            return None
        account = tables.accounts[account_id]
        payment = next((each for each in tables.payments.values() if _paid(each, recharge)), None)
        instants = {
            what: tables.instants[recharge_id, what].at
            for what in Instant
            if (recharge_id, what) in tables.instants
        }
        return Sold(
            recharge=recharge,
            organisation=tables.organisations[account.organisation_id],
            site=tables.sites[account.site_id].name,
            meter_no=tables.meters[recharge.meter_id].meter_no,
            currency=account.currency,
            provider="" if payment is None else payment.provider,
            transaction_no="" if payment is None else payment.transaction_no,
            attempt_id=None if payment is None else tables.orders.get((payment.provider, payment.reference)),
            instants=instants,
            balance_after_minor=self._balance_after(recharge, at=instants.get(Instant.CREDITED)),
            undone=payment is not None and self._is_undone(payment),
            refunded_minor=0 if payment is None else self._refunded_minor(payment),
        )

    def _is_undone(self, payment: Payment) -> bool:
        return any(
            each.kind in (CorrectionKind.MOVE, CorrectionKind.VOID) and each.state is CorrectionState.DONE
            for each in self._tables.corrections.values()
            if (each.account_id, each.payment_id) == (payment.account_id, payment.payment_id)
        )

    def _refunded_minor(self, payment: Payment) -> int:
        key = payment.account_id, payment.payment_id
        refunded = [
            each.amount_minor
            for each in self._tables.refunds.values()
            if (each.account_id, each.payment_id) == key and each.state is RefundState.DONE
        ]
        lost = [
            each.amount_minor
            for each in self._tables.disputes.values()
            if (each.account_id, each.payment_id) == key and each.state is DisputeState.LOST
        ]
        return sum(refunded) + sum(lost)

    def _balance_after(self, recharge: Recharge, *, at: datetime | None) -> int | None:
        if at is None:
            return None
        if self._tables.meters[recharge.meter_id].credit_authority is CreditAuthority.METER:
            reading = self._tables.readings.get((recharge.meter_id, at))
            return None if reading is None else reading.balance_minor
        return -sum(
            line.amount_minor
            for posting in self._tables.postings.values()
            if posting.account_id == recharge.account_id and posting.booked_at <= at
            for line in posting.lines
            if line.code == DELIVERED
        )

    def recharge_of(self, account_id: int, *, provider: str, reference: str) -> UUID | None:
        paid = sorted(
            (payment.posted_at, recharge.recharge_id)
            for payment in self._tables.payments.values()
            if (payment.account_id, payment.provider, payment.reference) == (account_id, provider, reference)
            for recharge in self._tables.recharges.values()
            if _paid(payment, recharge)
        )
        return paid[0][1] if paid else None

    def handed_out(self, account_id: int, recharge_id: UUID) -> HandedOut | None:
        return self._tables.receipts.get((account_id, recharge_id))

    def by_token(self, token: UUID) -> HandedOut | None:
        return next((each for each in self._tables.receipts.values() if each.token == token), None)

    def put(self, receipt: HandedOut) -> None:
        key = receipt.account_id, receipt.recharge_id
        self._tables.take("receipt", *key)
        self._tables.receipts[key] = receipt

    def count_print(self, receipt: HandedOut) -> None:
        self._tables.receipts[receipt.account_id, receipt.recharge_id] = receipt


def _paid(payment: Payment, recharge: Recharge) -> bool:
    return (payment.account_id, payment.payment_id) == (recharge.account_id, recharge.payment_id)
