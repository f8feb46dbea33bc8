"""The port to what an account owes from before, and what each part of a recharge was for."""

from typing import Protocol


class Dues(Protocol):
    """What a use case may ask about orders, debts, and the lines of recharges."""
