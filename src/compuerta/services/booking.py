"""Booking: postings go into the ledger, or the transaction does not happen.

The store judges each posting with a named outcome; here, where the postings are our own, a refusal is a bug.
"""

from collections.abc import Sequence

from compuerta.domain.errors import Broken
from compuerta.domain.ledger import Outcome, Posting
from compuerta.services.store_port import Transaction

_FINE = frozenset({Outcome.CREATED, Outcome.EXISTS})


class PostingRefused(Broken):
    """A posting of our own making was refused by the ledger; nothing of its transaction may stay."""

    def __init__(self, posting: Posting, outcome: Outcome) -> None:
        super().__init__(f"posting {posting.posting_id} ({posting.kind.value}): {outcome.value}")
        self.posting = posting
        self.outcome = outcome


def book(tx: Transaction, postings: Sequence[Posting]) -> None:
    """Write postings; what is there already with the same contents is left as it is."""
    for posting, outcome in zip(postings, tx.book(postings), strict=True):
        if outcome not in _FINE:
            raise PostingRefused(posting, outcome)
