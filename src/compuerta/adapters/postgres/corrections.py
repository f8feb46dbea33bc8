"""Putting money right: corrections by two people, refunds, disputes, cases, in PostgreSQL."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from compuerta.adapters.postgres import rows
from compuerta.adapters.postgres.rows import Asked, Row
from compuerta.domain.correction import Correction, CorrectionKind, CorrectionState, Way
from compuerta.domain.instruction import Instruction
from compuerta.domain.ledger import Posting, PostingKind
from compuerta.domain.payment import DisputeState, Refund, RefundState
from compuerta.services.correction_port import CaseFile, Dispute
from compuerta.services.records import Payment, Recharge

_KEY = ("account_id", "correction_id")


class PostgresCorrections:
    """See `correction_port.Corrections`."""

    def __init__(self, tx: Asked) -> None:
        self._tx = tx

    def put(self, correction: Correction) -> None:
        self._tx.insert("correction", [_columns(correction)])

    def save(self, correction: Correction) -> None:
        changed = ("state", "decided_by", "decided_at", "note", "ended_at")
        self._tx.update("correction", [_columns(correction)], key=_KEY, changed=changed)

    def glance(self, account_id: int, correction_id: UUID) -> Correction | None:
        found = self._tx.query(
            "select * from correction where account_id = %(account)s and correction_id = %(id)s",
            {"account": account_id, "id": correction_id},
        )
        return to_correction(found[0]) if found else None

    def correction(self, account_id: int, correction_id: UUID) -> Correction | None:
        found = self._tx.query(
            """select * from correction
            where account_id = %(account)s and correction_id = %(id)s for update""",
            {"account": account_id, "id": correction_id},
        )
        return to_correction(found[0]) if found else None

    def of_payment(self, account_id: int, payment_id: UUID) -> list[Correction]:
        found = self._tx.query(
            """select * from correction where account_id = %(account)s and payment_id = %(payment)s
            order by proposed_at, correction_id""",
            {"account": account_id, "payment": payment_id},
        )
        return [to_correction(row) for row in found]

    def taking_back(self, *, after: int, limit: int) -> list[Correction]:
        found = self._tx.query(
            """select * from correction
            where state = 'taking_back' and account_id > %(after)s
            order by account_id, correction_id limit %(limit)s""",
            {"after": after, "limit": limit},
        )
        return [to_correction(row) for row in found]

    def payment(self, account_id: int, payment_id: UUID) -> Payment | None:
        found = self._tx.query(
            "select * from payment where account_id = %(account)s and payment_id = %(payment)s",
            {"account": account_id, "payment": payment_id},
        )
        return rows.to_payment(found[0]) if found else None

    def recharge_of(self, account_id: int, payment_id: UUID) -> Recharge | None:
        found = self._tx.query(
            "select * from recharge where account_id = %(account)s and payment_id = %(payment)s",
            {"account": account_id, "payment": payment_id},
        )
        return Recharge(**found[0]) if found else None

    def posting(self, account_id: int, cause_id: UUID, kind: PostingKind) -> Posting | None:
        found = self._tx.query(
            """select * from posting
            where account_id = %(account)s and cause_id = %(cause)s and kind = %(kind)s limit 1""",
            {"account": account_id, "cause": cause_id, "kind": kind.value},
        )
        return rows.to_posting(found[0]) if found else None

    def withdrawals(self, correction_id: UUID) -> list[Instruction]:
        found = self._tx.query(
            """select * from instruction where correction_id = %(id)s
            order by created_at, instruction_id for update""",
            {"id": correction_id},
        )
        return [rows.to_instruction(row) for row in found]

    def give_back_number(self, meter_id: int, *, purchase_no: int) -> None:
        later = self._tx.query(
            """select instruction_id, purchase_no from instruction
            where meter_id = %(meter)s and ended_at is null and purchase_no > %(number)s
            order by purchase_no for update""",
            {"meter": meter_id, "number": purchase_no},
        )
        # One by one, from below: no two may have one number at any moment.
        for row in later:
            self._tx.run(
                """update instruction set purchase_no = purchase_no - 1
                where meter_id = %(meter)s and instruction_id = %(id)s""",
                {"meter": meter_id, "id": row["instruction_id"]},
            )
        self._tx.run(
            "update meter_state set purchase_no_last = purchase_no_last - 1 where meter_id = %(meter)s",
            {"meter": meter_id},
        )

    # refunds

    def put_refund(self, refund: Refund) -> None:
        self._tx.insert("refund", [rows.columns(refund)])

    def save_refunds(self, refunds: Sequence[Refund]) -> None:
        self._tx.update(
            "refund",
            [rows.columns(each) for each in refunds],
            key=("account_id", "refund_id"),
            changed=("correction_id", "state", "asks", "ask_at", "provider_no", "last_answer", "ended_at"),
        )

    def claim_refunds(self, *, now: datetime, until: datetime, limit: int) -> list[Refund]:
        found = self._tx.query(
            """with due as (
                select account_id, refund_id from refund where ask_at <= %(now)s
                order by ask_at, refund_id limit %(limit)s for update skip locked
            )
            update refund r set ask_at = %(until)s from due
            where r.account_id = due.account_id and r.refund_id = due.refund_id
            returning r.*""",
            {"now": now, "until": until, "limit": limit},
        )
        return sorted((to_refund(row) for row in found), key=lambda each: each.refund_id)

    def refund(self, account_id: int, refund_id: UUID) -> Refund | None:
        found = self._tx.query(
            "select * from refund where account_id = %(account)s and refund_id = %(id)s for update",
            {"account": account_id, "id": refund_id},
        )
        return to_refund(found[0]) if found else None

    def refunds_of(self, account_id: int, payment_id: UUID) -> list[Refund]:
        found = self._tx.query(
            """select * from refund where account_id = %(account)s and payment_id = %(payment)s
            order by created_at, refund_id""",
            {"account": account_id, "payment": payment_id},
        )
        return [to_refund(row) for row in found]

    def refund_by_reference(self, *, provider: str, reference: str) -> Refund | None:
        found = self._tx.query(
            "select * from refund where provider = %(provider)s and reference = %(reference)s limit 1",
            {"provider": provider, "reference": reference},
        )
        return to_refund(found[0]) if found else None

    # disputes

    def put_dispute(self, dispute: Dispute) -> None:
        self._tx.insert("dispute", [rows.columns(dispute)])

    def save_dispute(self, dispute: Dispute) -> None:
        key, changed = ("account_id", "dispute_id"), ("state", "debt_id", "ended_at")
        self._tx.update("dispute", [rows.columns(dispute)], key=key, changed=changed)

    def dispute(self, account_id: int, dispute_id: UUID) -> Dispute | None:
        found = self._tx.query(
            "select * from dispute where account_id = %(account)s and dispute_id = %(id)s for update",
            {"account": account_id, "id": dispute_id},
        )
        return to_dispute(found[0]) if found else None

    def disputes_of(self, account_id: int, payment_id: UUID) -> list[Dispute]:
        found = self._tx.query(
            """select * from dispute where account_id = %(account)s and payment_id = %(payment)s
            order by opened_at, dispute_id""",
            {"account": account_id, "payment": payment_id},
        )
        return [to_dispute(row) for row in found]

    # cases

    def case(self, account_id: int, case_id: UUID) -> CaseFile | None:
        found = self._tx.query(
            "select * from case_file where account_id = %(account)s and case_id = %(id)s for update",
            {"account": account_id, "id": case_id},
        )
        return CaseFile(**found[0]) if found else None

    def save_case(self, case: CaseFile) -> None:
        key, changed = ("account_id", "case_id"), ("owner", "outcome", "closed_at")
        self._tx.update("case_file", [rows.columns(case)], key=key, changed=changed)


def _columns(correction: Correction) -> Row:
    return {**rows.columns(correction), "way": "" if correction.way is None else correction.way}


def to_correction(row: Row) -> Correction:
    return Correction(
        **{
            **row,
            "kind": CorrectionKind(row["kind"]),
            "state": CorrectionState(row["state"]),
            "way": Way(row["way"]) if row["way"] else None,
        }
    )


def to_refund(row: Row) -> Refund:
    return Refund(**{**row, "state": RefundState(row["state"])})


def to_dispute(row: Row) -> Dispute:
    return Dispute(**{**row, "state": DisputeState(row["state"])})
