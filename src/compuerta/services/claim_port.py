"""The port to unsigned words about money, until the provider was asked."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Protocol

from compuerta.domain.payment import Claim
from compuerta.services.records import Key


class ClaimState(Enum):
    """What became of an unsigned word."""

    WAITING = "waiting"  # the provider has not said yet whether it is true
    CONFIRMED = "confirmed"  # it is, and the money is booked
    DENIED = "denied"  # the provider does not have that money
    GIVEN_UP = "given_up"  # the provider never said; a person asks


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptClaim:
    """An unsigned word with what became of it so far."""

    claim: Claim
    heard_at: datetime
    state: ClaimState = ClaimState.WAITING
    asks: int = 0
    ask_at: datetime | None = None  # when the provider is asked next; None = never again
    last_answer: str = ""

    @property
    def key(self) -> Key:
        """The provider, and its number of the transaction that is claimed."""
        return self.claim.provider, self.claim.transaction_no


class Claims(Protocol):
    """What a use case may ask about unsigned words about money, until the provider was asked."""

    def waiting(self, provider: str) -> int:
        """Return how many claims on a provider wait for its answer."""
        ...

    def put(self, claims: Sequence[KeptClaim]) -> None:
        """Keep claims; of a transaction that is known, the first word stays and nothing changes."""
        ...

    def known(self, keys: Iterable[Key]) -> dict[Key, KeptClaim]:
        """Return what is kept of these transactions, locked until the transaction ends."""
        ...

    def due(self, *, now: datetime, until: datetime, limit: int) -> list[KeptClaim]:
        """Take claims whose provider is to be asked now; nobody else takes them before `until`."""
        ...

    def save(self, claims: Sequence[KeptClaim]) -> None:
        """Write claims that are kept anew: what is said, its state, the questions asked, the last answer."""
        ...

    def order_named(self, provider: str, short: str) -> str:
        """Return the one order whose `short_reference` this is; "" where there is none, or more."""
        ...
