"""Joining: use cases that each are one transaction, as parts of a greater one.

Whoever needs both or neither of two use cases opens a transaction and gives them this in a store's place.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from compuerta.services.store_port import Transaction


class Joined:
    """This will lend a transaction that is under way; satisfies `Store`.

    What leaves by an exception undoes the whole: the one who opened the transaction must not catch it inside.
    """

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Give the transaction that is under way; it ends with whoever began it."""
        yield self._tx
