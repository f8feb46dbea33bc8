"""The promise M2 where money goes back: a payer has the credit or the money, and never both.

What a provider gives back was taken back first: from suspense, or from whoever held the credit. Refunds that
somebody makes in the provider's own console, past this house, become a debt and a case instead.
"""

from collections import defaultdict
from collections.abc import Iterator
from uuid import UUID

from compuerta.domain.ledger import REFUNDING, cash, liability_minor
from compuerta.services.facts import View, unless


def m2(view: View) -> Iterator[str | None]:
    """M2 Credit that goes back to its payer has come back first; nothing is given back twice."""
    held: dict[int, int] = defaultdict(int)
    for posting in view.books.postings:
        held[posting.account_id] += liability_minor(posting, code=REFUNDING)
    for account_id, minor in held.items():
        yield unless(minor >= 0, f"account {account_id}: {-minor} went back that had not come back")
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
