"""Why a relay is open, and what it was ordered to do later."""

from dataclasses import dataclass
from enum import Enum

from compuerta.drivers.abilities import Relay


class OpenReason(Enum):
    """Why the relay was told to open."""

    NONE = "none"
    MONEY = "money"
    REMINDER = "reminder"  # alarm 2 of models that trip once to be noticed
    REMOTE = "remote"
    OVERLOAD = "overload"


@dataclass(frozen=True, slots=True, kw_only=True)
class Restore:
    """The end of a trip by itself: at an instant, to CLOSED or PERMITTED."""

    due_ms: int
    relay: Relay
    operator: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Trip:
    """A remote trip that was accepted."""

    due_ms: int
    operator: bytes
    restore_min: int  # 0 = stays open
    restore_to: Relay
