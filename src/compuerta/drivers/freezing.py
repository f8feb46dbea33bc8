"""Reading what a meter froze by itself at its midnights (DL/T 645-2007 0506, entries 01 to 3E).

Entries count back from the newest. A clock that was set makes them one too many or one too few: so an entry
is taken by the moment that it carries, and only its neighbourhood is looked through.
"""

from dataclasses import replace
from datetime import datetime, timedelta

from compuerta.domain.freeze import CLOCK_OFF_MAX
from compuerta.drivers.abilities import (
    FROZEN_AT_ANOTHER_TIME,
    NOT_FROZEN,
    NOT_YET_FROZEN,
    Ending,
    FreezeOrder,
    MeterFreeze,
)
from compuerta.drivers.model import FreezeProfile, Quantity
from compuerta.drivers.talk import Asking, Conversation, MeterSilent, Talk, energies, whole
from compuerta.wire import dlt645

LOOKS_MAX = 3  # entries looked at for one midnight: a clock is not set over many midnights at once
_DAILY = 0x05060000
_MOMENT, _ENERGY, _MONEY = 0x00, 0x01, 0x0B
_DAY = timedelta(days=1)


def read_freezes(talk: Talk, order: FreezeOrder) -> Conversation:
    """Read the freezes of some midnights, in the order in which they are asked for."""
    profile = talk.model.freezes
    if profile is None:
        return talk.result(Ending.REFUSED, "model_keeps_no_midnights")
    told: list[MeterFreeze] = []
    try:
        clock = (yield from talk.clock()) or order.now
        for midnight in order.midnights:
            told.append((yield from _frozen(talk, profile, midnight, clock=clock)))
    except (MeterSilent, dlt645.ProtocolError) as error:
        # What came before the silence is told all the same.
        reason = "no_answer" if isinstance(error, MeterSilent) else "answer_malformed"
        return replace(talk.result(Ending.SILENT, reason), freezes=tuple(told))
    return replace(talk.result(Ending.DONE), freezes=tuple(told))


def _frozen(
    talk: Talk, profile: FreezeProfile, midnight: datetime, *, clock: datetime
) -> Asking[MeterFreeze]:
    """Find the entry of a midnight by its moment, and read it; a moment that differs is no freeze of it."""
    if clock < midnight:
        return MeterFreeze(midnight=midnight, reason=NOT_YET_FROZEN)
    entry = (clock.date() - midnight.date()).days + 1
    for _ in range(LOOKS_MAX):
        at = (yield from _moment(talk, entry)) if 1 <= entry <= profile.days_max else None
        if at is None:
            entry -= 1  # it has fewer than its clock makes believe: midnights were jumped over
            continue
        newer_days = (at - midnight + _DAY / 2) // _DAY
        if not newer_days:
            # A clock that was set over midnight froze when it was past it.
            if abs(at - midnight) > CLOCK_OFF_MAX:
                return MeterFreeze(midnight=midnight, reason=FROZEN_AT_ANOTHER_TIME)
            return (yield from _entry(talk, profile, midnight, entry))
        entry += newer_days
    return MeterFreeze(midnight=midnight, reason=NOT_FROZEN)


def _moment(talk: Talk, entry: int) -> Asking[datetime | None]:
    values = yield from _read(talk, _MOMENT, entry)
    at = None if values is None else values["at"]
    return at if isinstance(at, datetime) else None  # zeros: the entry was never written


def _entry(talk: Talk, profile: FreezeProfile, midnight: datetime, entry: int) -> Asking[MeterFreeze]:
    block = yield from _read(talk, _ENERGY, entry)
    if block is None:
        return MeterFreeze(midnight=midnight, reason=NOT_FROZEN)
    energy_wh, rates_wh = energies(block)
    balance_minor = None
    if profile.has_balance:
        money = yield from _read(talk, _MONEY, entry)
        # Behind nothing that remains an overdraft may hide, which no freeze tells.
        owes = Quantity.OVERDRAFT in talk.model.registers
        balance_minor = None if money is None else whole(money, "amount_minor")
        balance_minor = None if owes and balance_minor == 0 else balance_minor
    return MeterFreeze(midnight=midnight, energy_wh=energy_wh, rates_wh=rates_wh, balance_minor=balance_minor)


def _read(talk: Talk, what: int, entry: int) -> Asking[dlt645.Values | None]:
    answer = yield from talk.ask(dlt645.ReadRegister(di=_DAILY | what << 8 | entry))
    return answer.values() if isinstance(answer, dlt645.RegisterAnswer) else None
