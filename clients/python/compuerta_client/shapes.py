"""What the door answers, as frozen values; amounts are whole minor units, instants are aware.

A field that a newer door adds is passed over, so that an older client goes on working.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """A way to pay."""

    provider: str
    kind: str
    flows: Sequence[str]
    currencies: Sequence[str]
    live: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Owed:
    """What a recharge would pay before it buys energy."""

    kind: str
    name: str
    amount_minor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Payable:
    """A meter that can be recharged; `ways` is empty for billers, who are a way themselves."""

    meter_no: str
    name: str
    place: str
    currency: str
    owed: Sequence[Owed]
    least_minor: int
    most_minor: int
    room_minor: int | None
    ways: Sequence[Way]


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One part of a recharge."""

    kind: str
    name: str
    amount_minor: int
    remaining_minor: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """What an amount comes to; the lines add up to it."""

    meter_no: str
    currency: str
    amount_minor: int
    lines: Sequence[Line]
    credit_minor: int
    energy_wh: int | None
    balance_minor: int
    balance_after_minor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One way to pay an order; `presented` is what the payer is shown, as `shown_as` says."""

    attempt_id: str
    provider: str
    flow: str
    state: str
    shown_as: str
    presented: str | None
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """An order with its four instants; `state` is one word for where it stands."""

    order_id: str
    reference: str
    amount_minor: int
    currency: str
    state: str
    ordered_at: datetime
    paid_at: datetime | None
    posted_at: datetime | None
    credited_at: datetime | None
    power_at: datetime | None
    attempts: Sequence[Attempt]


@dataclass(frozen=True, slots=True, kw_only=True)
class Collected:
    """A biller's payment as it stands."""

    reference: str
    state: str
    meter_no: str | None
    amount_minor: int | None
    currency: str | None
    said_at: datetime
    credited_at: datetime | None
    reversed_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """What a biller owes for a day."""

    day: date
    zone: str
    currency: str
    paid: int
    paid_minor: int
    reversed: int
    reversed_minor: int
    net_minor: int


def payable(told: Json) -> Payable:
    """Read a meter that can be recharged."""
    owed = [Owed(**_of(Owed, each)) for each in told["owed"]]
    ways = [Way(**_of(Way, each)) for each in told.get("ways", ())]
    return Payable(**{**_of(Payable, told), "owed": owed, "ways": ways})


def quote(told: Json) -> Quote:
    """Read a quote."""
    return Quote(**{**_of(Quote, told), "lines": [Line(**_of(Line, each)) for each in told["lines"]]})


def order(told: Json) -> Order:
    """Read an order."""
    return Order(**{**_of(Order, told), "attempts": [_attempt(each) for each in told["attempts"]]})


def collected(told: Json) -> Collected:
    """Read a biller's payment."""
    return Collected(**_of(Collected, told))


def day(told: Json) -> Day:
    """Read a biller's day."""
    return Day(**{**_of(Day, told), "day": date.fromisoformat(told["day"])})


def instant(text: str) -> datetime:
    """Read an instant; it always says its zone."""
    return datetime.fromisoformat(text)


def _attempt(told: Json) -> Attempt:
    return Attempt(**_of(Attempt, told))


def _of(shape: type, told: Json) -> dict[str, Any]:
    """Return the fields that a shape knows, instants read."""
    names: tuple[str, ...] = shape.__slots__  # type: ignore[attr-defined]
    return {name: _read(name, told[name]) for name in names if name in told}


def _read(name: str, value: Any) -> Any:
    return instant(value) if name.endswith("_at") and value is not None else value
