"""Clearing accounts, in memory."""

from collections import Counter

from compuerta.adapters.memory.tables import Tables
from compuerta.domain.ledger import Posting
from compuerta.domain.payment import Refund
from compuerta.services.clearing_port import Movement, Span
from compuerta.services.records import Payment


class MemoryClearing:
    """See `clearing_port.Clearing`."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def held_minor(self, span: Span) -> dict[str, int]:
        held: Counter[str] = Counter()
        for posting in self._tables.postings.values():
            if posting.booked_at < span.since and self._is_of(posting, span):
                held[posting.currency] += _moved_minor(posting, span.code)
        return dict(held)

    def movements(self, span: Span, *, limit: int) -> list[Movement]:
        found = [
            posting
            for posting in self._tables.postings.values()
            if span.since <= posting.booked_at < span.until and self._is_of(posting, span)
        ]
        ordered = sorted(found, key=lambda each: (each.booked_at, each.account_id, each.posting_id))
        return [self._movement(each, span.code) for each in ordered[:limit]]

    def _is_of(self, posting: Posting, span: Span) -> bool:
        account = self._tables.accounts[posting.account_id]
        named = any(line.code == span.code for line in posting.lines)
        return named and account.organisation_id == span.organisation_id

    def _movement(self, posting: Posting, code: str) -> Movement:
        told = posting if posting.reverses is None else self._tables.postings[posting.reverses]
        refund = self._tables.refunds.get((posting.account_id, told.cause_id))
        payment = self._payment(told, refund)
        payouts = self._tables.payouts.values()
        payout = next((each for each in payouts if each.posting_id == posting.posting_id), None)
        valued_at, transaction_no = posting.booked_at, ""
        if payment is not None:
            transaction_no = payment.transaction_no
            valued_at = payment.paid_at if refund is None else valued_at
        elif payout is not None:
            valued_at, transaction_no = payout.at, payout.payout_no
        return Movement(
            account_id=posting.account_id,
            posting_id=posting.posting_id,
            kind=posting.kind,
            amount_minor=_moved_minor(posting, code),
            currency=posting.currency,
            booked_at=posting.booked_at,
            valued_at=valued_at,
            codes=tuple(line.code for line in posting.lines),
            transaction_no=transaction_no,
            reference="" if payment is None else payment.reference,
            refund_reference="" if refund is None else refund.reference,
        )

    def _payment(self, told: Posting, refund: Refund | None) -> Payment | None:
        """Return the payment that a posting is of: by its cause, or by that of its refund or dispute."""
        dispute = self._tables.disputes.get((told.account_id, told.cause_id))
        of = told.cause_id
        if refund is not None:
            of = refund.payment_id
        elif dispute is not None:
            of = dispute.payment_id
        known = self._tables.payments.values()
        return next(
            (each for each in known if (each.account_id, each.payment_id) == (told.account_id, of)), None
        )


def _moved_minor(posting: Posting, code: str) -> int:
    return sum(line.amount_minor for line in posting.lines if line.code == code)
