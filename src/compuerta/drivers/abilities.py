"""What a meter can be asked, and what comes of it, in words that no protocol owns.

An order goes into a driver; the driver answers with a conversation, a generator that yields protocol
requests and is sent protocol replies, and returns one `Result`. Whoever drives it owns the road and the time.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Final

from compuerta.domain.instruction import Limits
from compuerta.domain.tariff.fitting import MeterTables

NOT_SENDABLE: Final = "order_not_sendable"  # why an order was refused of which nothing was sent
# Why nobody knows what became of an order that bears neither seal nor date: it may still arrive.
SENT_UNHEARD: Final = "sent_unheard"
KEEP_POWER: Final = "keep_power"  # the flag of a meter that stays on although its money is used up


class Relay(Enum):
    """The state of the load switch; PERMITTED is open, and closes when the user presses the button."""

    OPEN = "open"
    PERMITTED = "permitted"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True, kw_only=True)
class RechargeOrder:
    """Put an amount into the meter, once: the purchase number is what makes it once."""

    amount_minor: int
    purchase_no: int  # 1, 2, 3, ... per meter; never reused with another amount
    customer_no: str  # 12 digits
    close: bool = True  # close the relay afterwards if need be; False under a hold (promise S3)
    permits: bool = False  # closing is permitted only: the user presses the button


@dataclass(frozen=True, slots=True, kw_only=True)
class WithdrawalOrder:
    """Take an amount out of the meter, once: it counts as a purchase. Refused where less is there."""

    amount_minor: int
    purchase_no: int
    customer_no: str


# A relay command that comes later than this is refused by the meter. Nobody waits longer for its answer, and
# what was delayed on one road must not undo what has gone by another meanwhile.
SWITCH_VALID_S = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class SwitchOrder:
    """Open or close the relay; `now` and `valid_s` give the command its "valid until".

    `kept` makes a meter with credit stay on, or come back, although its money is used up; a switch without it
    ends that first.
    """

    relay: Relay  # OPEN, or CLOSED; how closing is done is the model's matter
    now: datetime  # the site's local civil time, naive: what the meter's clock shows
    valid_s: int = SWITCH_VALID_S
    kept: bool = False
    permits: bool = False  # CLOSED is permitted only: the user presses the button


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitsOrder:
    """Write the levels and the power that the meter watches by itself, and read them back."""

    limits: Limits


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadOrder:
    """Read the whole state: energy, balance, purchase number, relay, power, clock, status words, events.

    With `now` given, a clock that is off by more than two minutes is set: a meter knows no zone, and follows
    the changes of its site's civil time only so.
    """

    now: datetime | None = None  # the site's local civil time, naive
    counts: bool = True  # the events too, which are most of the exchanges


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockOrder:
    """Set the meter's clock to the site's local civil time."""

    now: datetime


class TariffPart(Enum):
    """What of a tariff is loaded, where all of it takes longer than a road's patience."""

    SETS = "sets"  # zones, day tables, rest days, prices, steps, and the times at which they take over
    HOLIDAYS = "holidays"  # one exchange each; to be loaded first


@dataclass(frozen=True, slots=True, kw_only=True)
class TariffOrder:
    """Load tables into the set that does not run, to take over at a moment; after it, see that they have.

    Sent before `switch_at`, it is done when everything reads back as written, with the reason
    "waits_for_switch"; sent after it, when the meter runs by these tables. It may be sent again at will.
    """

    tables: MeterTables
    switch_at: datetime  # naive local civil time, on a whole minute
    now: datetime  # the site's local civil time, naive
    parts: frozenset[TariffPart] = frozenset(TariffPart)


@dataclass(frozen=True, slots=True, kw_only=True)
class FreezeOrder:
    """Read what the meter froze by itself at these midnights; of one that it does not keep it says why."""

    midnights: tuple[datetime, ...]  # naive local civil time, 00:00
    now: datetime  # the site's local civil time, naive


Order = (
    RechargeOrder
    | WithdrawalOrder
    | SwitchOrder
    | ReadOrder
    | ClockOrder
    | TariffOrder
    | LimitsOrder
    | FreezeOrder
)


class MeterEvent(Enum):
    """What a meter counts by itself, so that nothing that happened between two looks is lost."""

    COVER = "cover"  # opened
    TERMINAL_COVER = "terminal_cover"
    REVERSE_FLOW = "reverse_flow"
    OVER_CURRENT = "over_current"
    OVERLOAD = "overload"  # for as long as makes it trip
    MAGNET = "magnet"
    SWITCH_FAILURE = "switch_failure"  # told to open, and current flows
    TRIP = "trip"  # for whatever reason
    CLOSE = "close"
    POWER_DOWN = "power_down"


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterState:
    """What the meter said of itself; None = it was not asked, or the model cannot tell."""

    energy_wh: int | None = None  # total forward active energy register
    rates_wh: tuple[int, ...] | None = (
        None  # forward active energy by rate; None also where it does not add up
    )
    balance_minor: int | None = None  # remaining money minus overdraft: negative = owed
    purchase_no: int | None = None
    relay: Relay | None = None
    power_w: int | None = None
    clock: datetime | None = None  # naive local civil time as the meter shows it
    clock_found: datetime | None = None  # ... and as it showed it before it was set; None = it was not set
    flags: frozenset[str] = field(
        default_factory=frozenset
    )  # "pre_trip_alarm", "cover_open", "keep_power" ...
    counts: Mapping[str, int] = field(default_factory=dict)  # by the values of `MeterEvent`; those read


NOT_YET_FROZEN: Final = "not_yet_frozen"  # by the meter's clock that midnight is still to come
NOT_FROZEN: Final = "not_frozen"  # the meter keeps nothing of that midnight
FROZEN_AT_ANOTHER_TIME: Final = "frozen_at_another_time"  # ... or of another instant of the day


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterFreeze:
    """What a meter froze by itself at a midnight, or why it has nothing of it."""

    midnight: datetime  # naive local civil time, as it was asked for
    energy_wh: int | None = None
    rates_wh: tuple[int, ...] | None = None  # None also where they do not add up
    balance_minor: int | None = (
        None  # remaining money; None = the model cannot tell, or an overdraft may hide
    )
    reason: str = ""  # one of the three above; "" where the energy is told


class Ending(Enum):
    """How a conversation ended."""

    DONE = "done"  # read back and found so
    ACCEPTED = "accepted"  # the meter said yes; the read-back is still owed
    REFUSED = "refused"  # the meter said no, and will say no again: somebody has to look
    BUSY = "busy"  # the meter said "not now" (locked, protected, delayed): try later
    SILENT = "silent"  # no answer: it may or may not have been done


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """The outcome of one conversation, with the evidence that it gathered on the way."""

    ending: Ending
    state: MeterState = field(default_factory=MeterState)
    reason: str = ""  # a stable name, such as "customer_number_differs" or "no_answer"
    credited: bool = False  # ... the evidence that the recharge is in the meter, or the withdrawal out
    freezes: tuple[MeterFreeze, ...] = ()  # those that were asked for, as far as the conversation came
