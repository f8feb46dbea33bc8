"""Putting money right: corrections by two people, refunds, disputes, cases, in memory."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from compuerta.adapters.memory.tables import Tables, require
from compuerta.domain import instruction as life
from compuerta.domain.correction import ENDED, OF_PAYMENT, Correction, CorrectionKind, CorrectionState
from compuerta.domain.instruction import Instruction, State
from compuerta.domain.ledger import Posting, PostingKind
from compuerta.domain.payment import Refund, RefundState
from compuerta.services.correction_port import CaseFile, Dispute
from compuerta.services.records import Payment, Recharge
from compuerta.services.store_port import Conflict

_OPEN_REFUNDS = frozenset({RefundState.WAITING, RefundState.SENT})


class MemoryCorrections:
    """See `correction_port.Corrections`."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def put(self, correction: Correction) -> None:
        self._tables.take("correction_pkey", correction.account_id, correction.correction_id)
        if correction.payment_id is not None and any(
            each.state not in ENDED for each in self.of_payment(correction.account_id, correction.payment_id)
        ):
            raise Conflict(f"correction_of_payment: {correction.payment_id} exists")
        self._write(correction)

    def save(self, correction: Correction) -> None:
        self._write(correction)

    def _write(self, correction: Correction) -> None:
        require(correction.decided_by != correction.proposed_by, "correction_by_two")
        is_open = correction.state is CorrectionState.PROPOSED
        require(is_open == (correction.decided_by is None), "correction_is_decided")
        require(is_open == (correction.decided_at is None), "correction_is_decided")
        of_payment = (correction.payment_id is not None) == (correction.kind in OF_PAYMENT)
        of_debt = (correction.debt_id is not None) == (correction.kind is CorrectionKind.WRITE_OFF)
        require(of_payment and of_debt, "correction_says_of_what")
        require((correction.ended_at is not None) == (correction.state in ENDED), "correction_ends")
        self._tables.corrections[correction.account_id, correction.correction_id] = correction

    def glance(self, account_id: int, correction_id: UUID) -> Correction | None:
        return self.correction(account_id, correction_id)

    def correction(self, account_id: int, correction_id: UUID) -> Correction | None:
        return self._tables.corrections.get((account_id, correction_id))

    def of_payment(self, account_id: int, payment_id: UUID) -> list[Correction]:
        found = [
            each
            for each in self._tables.corrections.values()
            if (each.account_id, each.payment_id) == (account_id, payment_id)
        ]
        return sorted(found, key=lambda each: (each.proposed_at, each.correction_id))

    def taking_back(self, *, after: int, limit: int) -> list[Correction]:
        found = [
            each
            for each in self._tables.corrections.values()
            if each.account_id > after and each.state is CorrectionState.TAKING_BACK
        ]
        return sorted(found, key=lambda each: (each.account_id, each.correction_id))[:limit]

    def payment(self, account_id: int, payment_id: UUID) -> Payment | None:
        key = (account_id, payment_id)
        return next(
            (each for each in self._tables.payments.values() if (each.account_id, each.payment_id) == key),
            None,
        )

    def recharge_of(self, account_id: int, payment_id: UUID) -> Recharge | None:
        key = (account_id, payment_id)
        return next(
            (each for each in self._tables.recharges.values() if (each.account_id, each.payment_id) == key),
            None,
        )

    def posting(self, account_id: int, cause_id: UUID, kind: PostingKind) -> Posting | None:
        key = (account_id, cause_id, kind)
        return next(
            (
                each
                for each in self._tables.postings.values()
                if (each.account_id, each.cause_id, each.kind) == key
            ),
            None,
        )

    def withdrawals(self, correction_id: UUID) -> list[Instruction]:
        found = [each for each in self._tables.instructions.values() if each.correction_id == correction_id]
        return sorted(found, key=lambda each: (each.created_at, each.instruction_id))

    def give_back_number(self, meter_id: int, *, purchase_no: int) -> None:
        tables = self._tables
        tables.taken.discard(("instruction_purchase_no_once", meter_id, purchase_no))
        later = sorted(
            (each.purchase_no, each.instruction_id)
            for each in tables.instructions.values()
            if each.meter_id == meter_id
            and each.state in life.OPEN
            and each.purchase_no is not None
            and each.purchase_no > purchase_no
        )
        for number, instruction_id in later:
            each = tables.instructions[instruction_id]
            require(not each.tries, "instruction_number_was_sent")
            tables.taken.discard(("instruction_purchase_no_once", meter_id, number))
            tables.take("instruction_purchase_no_once", meter_id, number - 1)
            tables.instructions[instruction_id] = replace(each, purchase_no=number - 1)
        snapshot = tables.snapshots[meter_id]
        tables.snapshots[meter_id] = replace(snapshot, purchase_no_last=snapshot.purchase_no_last - 1)

    # refunds

    def put_refund(self, refund: Refund) -> None:
        tables = self._tables
        tables.take("refund_pkey", refund.account_id, refund.refund_id)
        tables.take("refund_reference_once", refund.account_id, refund.provider, refund.reference)
        if (
            refund.correction_id is not None
            and refund.state in _OPEN_REFUNDS
            and any(
                each.correction_id == refund.correction_id and each.state in _OPEN_REFUNDS
                for each in tables.refunds.values()
            )
        ):
            raise Conflict(f"refund_of_correction: {refund.correction_id} exists")
        self.save_refunds([refund])

    def save_refunds(self, refunds: Sequence[Refund]) -> None:
        for refund in refunds:
            require((refund.ended_at is None) == (refund.state in _OPEN_REFUNDS), "refund_ends")
            require(refund.ask_at is None or refund.ended_at is None, "refund_is_asked_about_while_open")
            asked_for = refund.correction_id is not None
            require(asked_for or refund.state is RefundState.DONE, "refund_unasked_is_done")
            if asked_for and refund.state is RefundState.DONE:
                self._require_paid_once(refund)
            self._tables.refunds[refund.account_id, refund.refund_id] = refund

    def _require_paid_once(self, refund: Refund) -> None:
        paid = (each for each in self._tables.refunds.values() if each.state is RefundState.DONE)
        if any(
            each.correction_id == refund.correction_id and each.refund_id != refund.refund_id for each in paid
        ):
            raise Conflict(f"refund_pays_once: {refund.correction_id} exists")

    def claim_refunds(self, *, now: datetime, until: datetime, limit: int) -> list[Refund]:
        due = [
            each for each in self._tables.refunds.values() if each.ask_at is not None and each.ask_at <= now
        ]
        claimed = sorted(due, key=lambda each: (each.ask_at or now, each.refund_id))[:limit]
        claimed = [replace(each, ask_at=until) for each in claimed]
        self.save_refunds(claimed)
        return claimed

    def refund(self, account_id: int, refund_id: UUID) -> Refund | None:
        return self._tables.refunds.get((account_id, refund_id))

    def refunds_of(self, account_id: int, payment_id: UUID) -> list[Refund]:
        found = [
            each
            for each in self._tables.refunds.values()
            if (each.account_id, each.payment_id) == (account_id, payment_id)
        ]
        return sorted(found, key=lambda each: (each.created_at, each.refund_id))

    def refund_by_reference(self, *, provider: str, reference: str) -> Refund | None:
        key = (provider, reference)
        return next(
            (each for each in self._tables.refunds.values() if (each.provider, each.reference) == key), None
        )

    # disputes

    def put_dispute(self, dispute: Dispute) -> None:
        self._tables.take("dispute_pkey", dispute.account_id, dispute.dispute_id)
        self._tables.disputes[dispute.account_id, dispute.dispute_id] = dispute

    def save_dispute(self, dispute: Dispute) -> None:
        self._tables.disputes[dispute.account_id, dispute.dispute_id] = dispute

    def dispute(self, account_id: int, dispute_id: UUID) -> Dispute | None:
        return self._tables.disputes.get((account_id, dispute_id))

    def disputes_of(self, account_id: int, payment_id: UUID) -> list[Dispute]:
        found = [
            each
            for each in self._tables.disputes.values()
            if (each.account_id, each.payment_id) == (account_id, payment_id)
        ]
        return sorted(found, key=lambda each: (each.opened_at, each.dispute_id))

    # cases

    def case(self, account_id: int, case_id: UUID) -> CaseFile | None:
        if (looked_at := self._tables.cases_looked_at.get(case_id)) is not None:
            return looked_at
        case = self._tables.cases.get(case_id)
        if case is None or case.account_id != account_id:
            return None
        return CaseFile(
            account_id=account_id,
            case_id=case_id,
            kind=case.kind,
            detail=case.detail,
            opened_at=case.opened_at,
        )

    def save_case(self, case: CaseFile) -> None:
        require((case.closed_at is None) == (case.outcome is None), "case_ends_with_an_outcome")
        self._tables.cases_looked_at[case.case_id] = case


def require_alone(tables: Tables, each: Instruction) -> None:
    """Refuse a withdrawal beside another of its correction: raises `Conflict`."""
    if any(
        other.correction_id == each.correction_id and other.state not in (State.REFUSED, State.CANCELLED)
        for other in tables.instructions.values()
    ):
        raise Conflict(f"instruction_withdraws_once: {each.correction_id} exists")
