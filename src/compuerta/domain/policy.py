"""Policy: what an organisation, a site or an account has settled about supply and warnings.

Three documents lie over each other, field by field: the account's over the site's over the organisation's.
A document is refused with the field named; what none of them says is as the defaults below.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, time
from enum import Enum
from functools import lru_cache
from types import MappingProxyType
from typing import Final

from compuerta.domain.errors import Refused
from compuerta.domain.money import minor_digits

LEVELS_MAX: Final = 16
HOLIDAYS_MAX: Final = 400
SLOTS_MAX: Final = 8
AMOUNT_MINOR_MAX: Final = 10**12
POWER_W_MAX: Final = 10**6
MINUTES_MAX: Final = 7 * 24 * 60
DAYS_MAX: Final = 365
CLOSINGS_MAX: Final = 60
SILENT_MIN: Final = 5  # polls are lost now and then
CHANNELS: Final = ("sms", "email", "wechat", "webhook")
LEVELS_MAJOR: Final = (50, 20, 10)  # the trade's usual ones, where nobody has settled any
Json = None | bool | int | str | Sequence["Json"] | Mapping[str, "Json"]


class PolicyFaulty(Refused):
    """A policy that cannot be; the field is named."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason


class LevelKind(Enum):
    """What a warning level counts."""

    MONEY = "money"  # minor units left
    ENERGY = "energy"  # watt-hours that the balance still buys
    DAYS = "days"  # hours until the balance is used up, written as days


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """A level that speaks once on the way down: minor units, watt-hours or hours."""

    kind: LevelKind
    value: int

    @property
    def key(self) -> str:
        """The level's name in rows, such as `money:5000`."""
        return f"{self.kind.value}:{self.value}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """A stretch of local civil time, every day; it may pass midnight."""

    start: time
    end: time


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Everything settled; amounts in minor units of the account's currency."""

    # Supply.
    last_chance_min: int = 0  # from zero to the cut
    permits: bool = False  # closing is permitted, and the user presses the button
    emergency_minor: int = 0  # 0 = there is none
    emergency_below_minor: int = 0  # offered at or below this balance
    emergency_automatic: bool = False  # taken at zero without asking
    friendly_slots: tuple[Slot, ...] = ()  # nobody is cut then
    friendly_weekends: bool = False
    holidays: tuple[date, ...] = ()  # the site's named holidays: nobody is cut on these
    overload_closings_max: int = 3  # automatic closings in an hour, then a lock
    overload_rest_min: int = 5
    load_limit_w: int = 0  # 0 = the meter's own
    occupied_idle_days: int = 7  # no use in an occupied unit for so long is looked at
    silent_after_min: int = 45  # a meter not heard for so long is told of; gateways ask every quarter hour
    # Warnings.
    levels: tuple[Level, ...] | None = None  # None = the usual ones
    quiet: Slot | None = None
    channels: tuple[str, ...] = ()  # residents, in this order; () = all that they have
    tells_staff: bool = True
    daily_report_at: time | None = time(7)  # by the site's clock, to staff who want it; None = never
    # Recharges.
    recharge_least_minor: int | None = None  # None = one of the currency's major unit
    recharge_most_minor: int | None = None  # None = ten thousand of it
    hoarding_minor: int = 0  # balance and recharge together are at most this; 0 = as much as they like
    debt_share_ppm: int = 500_000  # of each recharge goes to debts that say nothing else, at most
    debt_leaves_minor: int = 0  # so much of a recharge is credit before any debt is paid
    recharge_fee_minor: int = 0  # on each recharge ...
    recharge_fee_ppm: int = 0  # ... and of each recharge
    recharge_fee_tax_ppm: int = 0  # tax that is added to the fees
    monthly_fee_minor: int = 0  # taken from the first recharge of a month, missed months too ...
    monthly_fee_since: str | None = None  # ... from this one on, such as 2026-11; None = the account's first
    paid_twice: str = "credit"  # of a second payment of one order: "credit" it, or "suspend" it for a refund


DEFAULT: Final = Policy()


def levels_of(policy: Policy, *, currency: str) -> tuple[Level, ...]:
    """Return the levels that warn: those settled, or the usual ones in the currency's major unit."""
    if policy.levels is not None:
        return policy.levels
    unit = 10 ** minor_digits(currency)
    return tuple(Level(kind=LevelKind.MONEY, value=major * unit) for major in LEVELS_MAJOR)


def policy_of(*documents: Mapping[str, Json]) -> Policy:
    """Return the policy of documents that lie over each other, the nearest last; raises `PolicyFaulty`."""
    settled: dict[str, object] = {}
    for document in documents:
        for field, value in document.items():
            if field not in _PARSERS:
                raise PolicyFaulty(field, f"is not one of {', '.join(sorted(_PARSERS))}")
            settled[field] = _PARSERS[field](field, value)
    return replace(DEFAULT, **settled)  # type: ignore[arg-type]  # each by its own parser


@lru_cache(maxsize=10_000)
def policy_of_texts(*texts: str) -> Policy:
    """Return the policy of documents as the database keeps them; the same texts are read once."""
    return policy_of(*(json.loads(text) for text in texts))


_Parser = Callable[[str, Json], object]


def _whole(least: int, most: int) -> _Parser:
    def parse(field: str, value: Json) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise PolicyFaulty(field, f"write a whole number from {least} to {most}")
        return value

    return parse


def _whole_or_none(least: int, most: int) -> _Parser:
    parse_whole = _whole(least, most)
    return lambda field, value: None if value is None else parse_whole(field, value)


def _one_of(*words: str) -> _Parser:
    def parse(field: str, value: Json) -> str:
        if not isinstance(value, str) or value not in words:
            raise PolicyFaulty(field, f"write one of {', '.join(words)}")
        return value

    return parse


def _truth(field: str, value: Json) -> bool:
    if not isinstance(value, bool):
        raise PolicyFaulty(field, "write true or false")
    return value


def _list(field: str, value: Json, *, items_max: int) -> Sequence[Json]:
    if isinstance(value, str) or not isinstance(value, Sequence) or len(value) > items_max:
        raise PolicyFaulty(field, f"write a list of at most {items_max}")
    return value


def _slot(field: str, value: Json) -> Slot:
    text = value if isinstance(value, str) else ""
    start, dash, end = text.partition("-")
    try:
        slot = Slot(start=time.fromisoformat(start.strip()), end=time.fromisoformat(end.strip()))
    except ValueError:
        raise PolicyFaulty(field, f"{value!r}: write hours such as 22:00-07:00") from None
    if not dash or slot.start == slot.end or slot.start.tzinfo or slot.end.tzinfo or not text.isprintable():
        raise PolicyFaulty(field, f"{value!r}: write two different hours such as 22:00-07:00")
    return slot


def _slots(field: str, value: Json) -> tuple[Slot, ...]:
    return tuple(_slot(field, each) for each in _list(field, value, items_max=SLOTS_MAX))


def _slot_or_none(field: str, value: Json) -> Slot | None:
    return None if value is None else _slot(field, value)


def _clock_or_none(field: str, value: Json) -> time | None:
    if value is None:
        return None
    try:
        clock = time.fromisoformat(value if isinstance(value, str) else "-")
    except ValueError:
        raise PolicyFaulty(field, f"{value!r}: write an hour such as 07:00") from None
    if clock.tzinfo is not None or clock.second or clock.microsecond:
        raise PolicyFaulty(field, f"{value!r}: write an hour such as 07:00")
    return clock


def _dates(field: str, value: Json) -> tuple[date, ...]:
    days = set()
    for each in _list(field, value, items_max=HOLIDAYS_MAX):
        try:
            days.add(date.fromisoformat(each if isinstance(each, str) else ""))
        except ValueError:
            raise PolicyFaulty(field, f"{each!r}: write days such as 2026-12-25") from None
    return tuple(sorted(days))


def _month_or_none(field: str, value: Json) -> str | None:
    if value is None:
        return None
    try:
        month = date.fromisoformat(f"{value if isinstance(value, str) else ''}-01")
    except ValueError:
        raise PolicyFaulty(field, f"{value!r}: write a month such as 2026-11") from None
    return month.isoformat()[:7]


def _levels(field: str, value: Json) -> tuple[Level, ...] | None:
    if value is None:
        return None
    levels = []
    for each in _list(field, value, items_max=LEVELS_MAX):
        kind = each.get("kind") if isinstance(each, Mapping) else None
        amount = each.get("value") if isinstance(each, Mapping) else None
        if not isinstance(kind, str) or kind not in {known.value for known in LevelKind}:
            raise PolicyFaulty(field, f"{kind!r} is not one of money, energy, days")
        if len(each) != 2:  # type: ignore[arg-type]  # a mapping, since it has a kind
            raise PolicyFaulty(field, "a level has a kind and a value, and nothing else")
        if not isinstance(amount, int) or isinstance(amount, bool) or not 0 < amount <= AMOUNT_MINOR_MAX:
            raise PolicyFaulty(field, f"{amount!r}: write a whole number above 0")
        levels.append(Level(kind=LevelKind(kind), value=amount))
    if len(set(levels)) != len(levels):
        raise PolicyFaulty(field, "a level comes twice")
    return tuple(levels)


def _channels(field: str, value: Json) -> tuple[str, ...]:
    listed = _list(field, value, items_max=len(CHANNELS))
    named = tuple(each for each in listed if isinstance(each, str) and each in CHANNELS)
    if len(set(named)) != len(listed):
        raise PolicyFaulty(field, f"write each of {', '.join(CHANNELS)} once at most")
    return named


_PARSERS: Mapping[str, _Parser] = MappingProxyType(
    {
        "last_chance_min": _whole(0, MINUTES_MAX),
        "permits": _truth,
        "emergency_minor": _whole(0, AMOUNT_MINOR_MAX),
        "emergency_below_minor": _whole(0, AMOUNT_MINOR_MAX),
        "emergency_automatic": _truth,
        "friendly_slots": _slots,
        "friendly_weekends": _truth,
        "holidays": _dates,
        "overload_closings_max": _whole(1, CLOSINGS_MAX),
        "overload_rest_min": _whole(1, 60),
        "load_limit_w": _whole(0, POWER_W_MAX),
        "occupied_idle_days": _whole(1, DAYS_MAX),
        "silent_after_min": _whole(SILENT_MIN, MINUTES_MAX),
        "levels": _levels,
        "quiet": _slot_or_none,
        "channels": _channels,
        "tells_staff": _truth,
        "daily_report_at": _clock_or_none,
        "recharge_least_minor": _whole_or_none(1, AMOUNT_MINOR_MAX),
        "recharge_most_minor": _whole_or_none(1, AMOUNT_MINOR_MAX),
        "hoarding_minor": _whole(0, AMOUNT_MINOR_MAX),
        "debt_share_ppm": _whole(0, 1_000_000),
        "debt_leaves_minor": _whole(0, AMOUNT_MINOR_MAX),
        "recharge_fee_minor": _whole(0, AMOUNT_MINOR_MAX),
        "recharge_fee_ppm": _whole(0, 500_000),
        "recharge_fee_tax_ppm": _whole(0, 1_000_000),
        "monthly_fee_minor": _whole(0, AMOUNT_MINOR_MAX),
        "monthly_fee_since": _month_or_none,
        "paid_twice": _one_of("credit", "suspend"),
    }
)
