"""Telling: what happened becomes messages to whoever wants to know, in their language, once.

Called inside the transaction of what happened, so that nothing is told that was undone, and nothing that
happened stays untold. Sending is elsewhere (outbox). Residents are told by their contacts in the order of
channels that the policy names; staff by theirs.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from compuerta.services.records import AccountView, SupplyChange, Warned
from compuerta.services.store_port import Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentArrived:
    """Credit that is in force."""

    account_id: int
    payment_id: UUID
    amount_minor: int
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmRaised:
    """An alarm that staff should hear of."""

    organisation_id: int
    alarm_id: UUID  # one for each time that it is to be told
    kind: str
    severity: str
    place: str  # as people call it: the building, the room, the meter's number
    at: datetime
    zone: str
    account_id: int | None = None
    urgent: bool = False  # whatever the hour


def supply_changed(
    tx: Transaction, changes: Sequence[SupplyChange], views: Mapping[int, AccountView], *, now: datetime
) -> None:
    """Tell residents what became of their supply; a cut and a last chance are told at any hour."""


def payment_arrived(tx: Transaction, payments: Sequence[PaymentArrived], *, now: datetime) -> None:
    """Tell residents that their money is in force."""


def alarm_raised(tx: Transaction, alarms: Sequence[AlarmRaised], *, now: datetime) -> None:
    """Tell staff who want alarms."""


def warned(tx: Transaction, warnings: Sequence[Warned], *, now: datetime) -> None:
    """Tell residents, and staff where the policy says so, that a balance fell through a level."""


def welcome(tx: Transaction, account_ids: Iterable[int], *, now: datetime) -> None:
    """Tell residents who moved in where to pay."""
