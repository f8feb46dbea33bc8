"""Sabotage of the butler's guards: reasons, stages, warnings, alarms, words and moves."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from compuerta.adapters.memory.alarms import MemoryAlarms
from compuerta.domain import alert
from compuerta.domain.naming import named
from compuerta.services import (
    alarming,
    converging,
    moving,
    overloading,
    sending,
    staging,
    swapping,
    warning,
)
from compuerta.services.moving import Steps
from compuerta.services.records import AccountView, Holdings

Change = tuple[object, str, object]


def no_release() -> Sequence[Change]:
    order = converging._order

    def forgetful(view: AccountView, decision: Any, switches: Any) -> Any:
        return order(view, decision, switches) if decision.platform_switches else None

    return [(converging, "_order", forgetful)]


def no_look() -> Sequence[Change]:
    return [(staging, "_look_until", lambda view, known, *, out_since, now: now)]


def no_last_chance() -> Sequence[Change]:
    stages = staging._stages

    def hasty(view: AccountView, *args: Any, **named: Any) -> Any:
        return stages(replace(view, policy=replace(view.policy, last_chance_min=0)), *args, **named)

    return [(staging, "_stages", hasty)]


def no_friendly_hours() -> Sequence[Change]:
    return [(staging, "is_friendly", lambda policy, zone, now: False)]


def no_end_of_emergency() -> Sequence[Change]:
    def endless(emergency: Any) -> int:
        return 0 if emergency is None else int(emergency.limit_minor)

    return [(staging, "_left_minor", endless)]


def no_end_of_energy() -> Sequence[Change]:
    def generous(tx: Any, account_ids: Any, *, now: datetime) -> Any:
        return converging._metered(tx.lock_accounts(account_ids, now=now))

    return [(converging, "_switchable", generous)]


def no_rest() -> Sequence[Change]:
    return [(overloading, "_tripped", lambda change: False)]


def no_one_alarm() -> Sequence[Change]:
    after, told = alarming._after, iter(range(10**9))

    def repeating(known: Any, raising: Any, windows: Any) -> Any:
        made = after(None, raising, windows)
        if made is None:
            return after(known, raising, windows)
        return replace(made, alarm_id=named("alarm again", made.alarm_id, next(told)))

    def written(self: MemoryAlarms, alarm: Any) -> None:
        self._tables.meter_alarms[alarm.alarm_id] = (
            alarm  # past the index that holds one open alarm of a kind
        )

    return [(alarming, "_after", repeating), (MemoryAlarms, "_write", written)]


def no_doubt() -> Sequence[Change]:
    def hopeful(tx: Any, message: Any, carrier: Any, detail: str, *, now: datetime) -> None:
        sending._try_later(tx, message, detail, now=now)

    return [(sending, "_doubt", hopeful)]


def no_armed_levels() -> Sequence[Change]:
    decided = warning.decided

    def forgetful(view: Any, holdings: Holdings, change: Any, **shape: Any) -> Any:
        after, told = decided(view, holdings, change, **shape)
        return replace(after, warned=0), told

    return [(warning, "decided", forgetful)]


def no_arming_again() -> Sequence[Change]:
    def tired(levels: Any, values: Any, warned: int, *, recharged: bool) -> int:
        return warned

    return [(alert, "rearmed", tired)]


def no_steps_of_the_meter() -> Sequence[Change]:
    return [(moving, "steps_at", lambda closed: Steps.RESET)]


def no_end_of_instructions() -> Sequence[Change]:
    ended = swapping._end_instructions

    def careless(tx: Any, closed: Any, swap: Any, *, now: datetime) -> Any:
        found = ended(tx, closed, swap, now=now)
        return replace(found, cancelled_minor=0)

    return [(swapping, "_end_instructions", careless)]
