"""The promise M2 where money goes back: a payer has the credit or the money, and never both.

What a provider gives back was taken back first: from suspense, or from whoever held the credit. Refunds that
somebody makes in the provider's own console, past this house, become a debt and a case instead.
"""

from collections import defaultdict
from collections.abc import Iterator
from uuid import UUID

from compuerta.domain.correction import OF_PAYMENT, CorrectionState, Way
from compuerta.domain.ledger import REFUNDING, SUSPENSE, PostingKind, cash, liability_minor
from compuerta.domain.naming import derived
from compuerta.domain.payment import RefundState
from compuerta.services.facts import View, grouped, unless


def m2(view: View) -> Iterator[str | None]:
    """M2 Credit that goes back to its payer has come back first; nothing is given back twice."""
    held: dict[int, int] = defaultdict(int)
    for posting in view.books.postings:
        held[posting.account_id] += liability_minor(posting, code=REFUNDING)
    for account_id, minor in held.items():
        yield unless(minor >= 0, f"account {account_id}: {-minor} went back that had not come back")
    yield from _of_each_payment(view)
    yield from _refunded_once(view)
    taken = _taken(view)
    for fact in view.world.provider or ():
        payment = view.payment.get((fact.provider, fact.transaction_no))
        if payment is None or fact.by_hand or not fact.refunded_minor:
            continue
        back_minor = taken[payment.payment_id]
        yield unless(
            fact.refunded_minor <= back_minor,
            f"{fact.transaction_no}: {fact.refunded_minor} went back, {back_minor} had come back",
        )


def _of_each_payment(view: View) -> Iterator[str | None]:
    """M2 Of each payment, no more leaves suspense, is put elsewhere or goes back than it was."""
    causes = _causes(view)
    corrections = grouped(view.books.corrections, lambda each: each.payment_id)
    for payment in view.books.payments:
        name = payment.transaction_no
        suspense_minor = back_minor = 0
        for posting in (each for cause in causes[payment.payment_id] for each in view.postings_of[cause]):
            if posting.account_id == payment.account_id:
                suspense_minor += liability_minor(posting, code=SUSPENSE)
                if posting.kind is PostingKind.REFUND:
                    back_minor += liability_minor(posting, code=cash(payment.provider))
        done = [each for each in corrections[payment.payment_id] if each.state is CorrectionState.DONE]
        done_minor = sum(each.amount_minor for each in done)
        yield unless(suspense_minor >= 0, f"{name}: {-suspense_minor} left suspense that was not there")
        yield unless(back_minor <= payment.amount_minor, f"{name}: {back_minor} of it went back")
        yield unless(done_minor <= payment.amount_minor, f"{name}: {done_minor} of it was put right")


def _causes(view: View) -> dict[UUID, list[UUID]]:
    """Return the causes of all postings that tell of a payment."""
    causes: dict[UUID, list[UUID]] = defaultdict(list)
    for payment in view.books.payments:
        causes[payment.payment_id].append(payment.payment_id)
    for correction in view.books.corrections:
        if correction.payment_id is not None:
            about = correction.correction_id
            causes[correction.payment_id] += [about, derived(about, "placed"), derived(about, "back")]
    for refund in view.books.refunds:
        causes[refund.payment_id] += [refund.refund_id, derived(refund.refund_id, "came_back")]
    for dispute in view.books.disputes:
        causes[dispute.payment_id] += [dispute.dispute_id, derived(dispute.dispute_id, "won")]
    return causes


def _refunded_once(view: View) -> Iterator[str | None]:
    """M2 A correction that its provider pays out is paid once, and one that ended otherwise is not."""
    refunds = grouped(view.books.refunds, lambda each: each.correction_id)
    for each in view.books.corrections:
        if each.kind not in OF_PAYMENT:
            continue
        times = sum(refund.state is RefundState.DONE for refund in refunds[each.correction_id])
        is_paid = each.state is CorrectionState.DONE and each.way is Way.PROVIDER
        yield unless(
            times == is_paid, f"correction {each.correction_id}: {each.state.value}, {times} refunds"
        )


def _taken(view: View) -> dict[UUID, int]:
    """Return how much of each payment came back from whoever had it: the platform at once, a meter later."""
    causes: dict[UUID, list[UUID]] = defaultdict(list)
    for each in view.books.instructions:
        if each.correction_id is not None:
            causes[each.correction_id].append(each.instruction_id)
    taken: dict[UUID, int] = defaultdict(int)
    for correction in view.books.corrections:
        if correction.payment_id is not None:
            for cause in (correction.correction_id, *causes[correction.correction_id]):
                for posting in view.postings_of[cause]:
                    taken[correction.payment_id] += max(liability_minor(posting, code=REFUNDING), 0)
    return taken


def m2_settled(view: View) -> Iterator[str | None]:
    """M2 What the books say that a provider holds for us is what an honest one holds."""
    booked: dict[str, int] = defaultdict(int)
    for posting in view.books.postings:
        for line in posting.lines:
            booked[line.code] += line.amount_minor
    for provider, minor in view.world.holds.items():
        yield unless(
            booked[cash(provider)] == minor,
            f"{provider} holds {minor}, the books say {booked[cash(provider)]}",
        )
