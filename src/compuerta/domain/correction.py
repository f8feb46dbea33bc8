"""Corrections: putting money right, by two people, and the life of such a wish as one table.

Who proposes does not decide (promise A2). Money goes back only after the credit has come back: what is
`taking_back` has given nobody anything yet, what is `paying` holds the money under `refunding`, and what is
`stuck` waits for a person, with its money where it is.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum
from types import MappingProxyType
from uuid import UUID

from compuerta.domain.errors import Broken, Refused


class CorrectionKind(Enum):
    """What is put right."""

    PLACE = "place"  # money in suspense has found its account
    MOVE = "move"  # credit went to the wrong account
    REFUND = "refund"  # money goes back to its payer
    VOID = "void"  # a sale over the counter is undone before its meter has it
    ADJUST = "adjust"  # credit is given
    OPEN_DEBT = "open_debt"
    WRITE_OFF = "write_off"  # a debt that nobody will pay


# What is put right of a payment; the others are of an account.
OF_PAYMENT = frozenset(
    {CorrectionKind.PLACE, CorrectionKind.MOVE, CorrectionKind.REFUND, CorrectionKind.VOID}
)


class Way(Enum):
    """How a refund goes back."""

    PROVIDER = "provider"
    CASH = "cash"


class CorrectionState(Enum):
    """Where a correction stands."""

    PROPOSED = "proposed"
    REJECTED = "rejected"  # not wanted, or given up: everything is as it was
    TAKING_BACK = "taking_back"  # the credit is asked back from whoever holds it
    PAYING = "paying"  # the credit is back; the money goes where it belongs
    DONE = "done"
    STUCK = "stuck"  # a person has to look: a case says why


class Event(Enum):
    """What happens to a correction."""

    APPROVED = "approved"
    REJECTED = "rejected"
    RETURNED = "returned"  # nothing is, or nothing need be, taken back any more
    SETTLED = "settled"
    HINDERED = "hindered"
    TAKEN_UP = "taken_up"  # tried again, the credit being where it was
    PAID_ANEW = "paid_anew"  # tried again, the credit being back
    GIVEN_UP = "given_up"
    CAME_BACK = "came_back"  # the money did not reach its payer after all


# The whole life; a pair that is not here cannot happen.
LIFE: Mapping[tuple[CorrectionState, Event], CorrectionState] = MappingProxyType(
    {
        (CorrectionState.PROPOSED, Event.APPROVED): CorrectionState.TAKING_BACK,
        (CorrectionState.PROPOSED, Event.REJECTED): CorrectionState.REJECTED,
        (CorrectionState.TAKING_BACK, Event.RETURNED): CorrectionState.PAYING,
        (CorrectionState.TAKING_BACK, Event.HINDERED): CorrectionState.STUCK,
        (CorrectionState.PAYING, Event.SETTLED): CorrectionState.DONE,
        (CorrectionState.PAYING, Event.HINDERED): CorrectionState.STUCK,
        (CorrectionState.STUCK, Event.SETTLED): CorrectionState.DONE,  # the provider was slower than we
        (CorrectionState.STUCK, Event.TAKEN_UP): CorrectionState.TAKING_BACK,
        (CorrectionState.STUCK, Event.PAID_ANEW): CorrectionState.PAYING,
        (CorrectionState.STUCK, Event.GIVEN_UP): CorrectionState.REJECTED,
        (CorrectionState.DONE, Event.CAME_BACK): CorrectionState.STUCK,
    }
)
ENDED = frozenset({CorrectionState.REJECTED, CorrectionState.DONE})


class CorrectionLifeViolated(Broken):
    """Something happened to a correction that cannot happen to one in its state."""

    def __init__(self, state: CorrectionState, event: Event) -> None:
        super().__init__(f"a correction that is {state.value} cannot be {event.value}")
        self.state = state
        self.event = event


class OwnProposal(Refused):
    """Somebody decides on what they have proposed themselves."""

    def __init__(self, who: str) -> None:
        super().__init__(f"{who} has proposed this: somebody else decides")
        self.who = who


@dataclass(frozen=True, slots=True, kw_only=True)
class Correction:
    """One wish to put money right; `account_id` is whose books the money is in."""

    account_id: int
    correction_id: UUID
    organisation_id: int
    kind: CorrectionKind
    amount_minor: int
    currency: str
    why: str
    proposed_by: str
    proposed_at: datetime
    state: CorrectionState = CorrectionState.PROPOSED
    payment_id: UUID | None = None
    to_account_id: int | None = None
    debt_id: UUID | None = None
    way: Way | None = None
    decided_by: str | None = None
    decided_at: datetime | None = None
    note: str = ""
    ended_at: datetime | None = None

    def after(self, event: Event, *, now: datetime, note: str | None = None) -> "Correction":
        """Return the correction after an event; anything that the table does not have is a bug."""
        try:
            state = LIFE[self.state, event]
        except KeyError:
            raise CorrectionLifeViolated(self.state, event) from None
        return replace(
            self,
            state=state,
            note=self.note if note is None else note,
            ended_at=now if state in ENDED else None,
        )

    def decided(self, event: Event, *, by: str, note: str, now: datetime) -> "Correction":
        """Return the correction after a second person's decision; the first one's is refused."""
        # People's names are told apart by case; a person who has both is still one.
        if by.casefold() == self.proposed_by.casefold():
            raise OwnProposal(by)
        return replace(self.after(event, now=now, note=note), decided_by=by, decided_at=now)
