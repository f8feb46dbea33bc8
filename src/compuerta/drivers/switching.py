"""Switching a DL/T 645-2007 meter: the relay has moved, and power is kept, when status word 3 says so."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from types import MappingProxyType

from compuerta.drivers.abilities import KEEP_POWER, SWITCH_VALID_S, Ending, Relay, SwitchOrder
from compuerta.drivers.model import RelayStyle
from compuerta.drivers.talk import Asking, Conversation, MeterRefused, Talk, control_refusal
from compuerta.wire import dlt645
from compuerta.wire.dlt645 import RelayCommand

VERIFY_READS_MAX = 3  # a relay moves within a tenth of a second; three reads last longer on any road
VALID = timedelta(seconds=SWITCH_VALID_S)  # of a relay command, when the order does not say

_COMMANDS: Mapping[tuple[Relay, RelayStyle], RelayCommand] = MappingProxyType(
    {
        (Relay.OPEN, RelayStyle.DIRECT_CLOSE): RelayCommand.TRIP,
        (Relay.OPEN, RelayStyle.PERMIT_AND_PRESS): RelayCommand.TRIP,
        (Relay.PERMITTED, RelayStyle.DIRECT_CLOSE): RelayCommand.PERMIT,
        (Relay.PERMITTED, RelayStyle.PERMIT_AND_PRESS): RelayCommand.PERMIT,
        (Relay.CLOSED, RelayStyle.DIRECT_CLOSE): RelayCommand.CLOSE,
        (Relay.CLOSED, RelayStyle.PERMIT_AND_PRESS): RelayCommand.PERMIT,
    }
)


def switch(talk: Talk, order: SwitchOrder) -> Conversation:
    """Keep or release power as ordered, and then move the relay; what holds already is not sent again.

    A release without an order to open is all: the meter may then trip by itself, for its own money, and
    whether it is to close again is another order's matter.
    """
    closes = order.relay is Relay.CLOSED
    wanted = Relay.PERMITTED if closes and order.permits else order.relay
    valid = timedelta(seconds=order.valid_s)
    yield from talk.relay()
    was_kept = KEEP_POWER in talk.state.flags
    reason = yield from keep(talk, kept=closes and order.kept, valid=valid, now=order.now)
    if not reason and closes and was_kept and not order.kept:
        return talk.result(Ending.DONE, "released")
    if not reason and not _is_met(talk.state.relay, wanted, talk.model.relay):
        reason = yield from command(talk, wanted, valid=valid, now=order.now)
    if reason:
        return talk.result(Ending.ACCEPTED, reason)
    waits = talk.state.relay is Relay.PERMITTED
    return talk.result(Ending.DONE, "waits_for_button" if waits else "")


def keep(talk: Talk, *, kept: bool, valid: timedelta, now: datetime | None = None) -> Asking[str]:
    """Start (3A) or end (3B) power keeping, unless bit 12 of word 3, read before, says that it is so.

    A meter that keeps power refuses to trip, and is the only one that closes with its money used up: so this
    comes first. Returns "" when it reads back so, or why it does not yet.
    """
    if (KEEP_POWER in talk.state.flags) is kept:
        return ""
    yield from _send(talk, RelayCommand.KEEP_POWER if kept else RelayCommand.RELEASE_POWER, valid, now)
    for _ in range(VERIFY_READS_MAX):
        yield from talk.relay()
        if (KEEP_POWER in talk.state.flags) is kept:
            return ""
    return "keep_not_read_back" if kept else "keep_power"


def command(talk: Talk, wanted: Relay, *, valid: timedelta, now: datetime | None = None) -> Asking[str]:
    """Send the relay command and read until it shows; returns "", or why it does not show yet."""
    yield from _send(talk, _COMMANDS[wanted, talk.model.relay], valid, now)
    for _ in range(VERIFY_READS_MAX):
        relay = yield from talk.relay()
        if _is_met(relay, wanted, talk.model.relay):
            return ""
    # DL/T 645-2007 04001401 to 04001403: a trip may be delayed by minutes, or by a high current.
    return "trip_delayed" if "relay_command_trip" in talk.state.flags else "not_read_back"


def _send(talk: Talk, order: RelayCommand, valid: timedelta, now: datetime | None) -> Asking[None]:
    """Send one command of 1CH; raises where the meter will not have it.

    "Valid until" is reckoned on the meter's own clock, since that is the clock which judges it; `now`
    stands in where it cannot be read.
    """
    clock = yield from talk.clock()
    at = clock or now
    if at is None:
        raise MeterRefused(ending=Ending.BUSY, reason="clock_unknown")
    answer = yield from talk.ask(
        dlt645.RelayControl(
            command=order,
            password_level=talk.model.password_level,
            password=talk.meter.password,
            operator=talk.meter.operator,
            valid_until=at + valid,
        )
    )
    if not isinstance(answer, dlt645.RelayAnswer):
        # Whoever closes is not refused for the sake of kept power.
        opens = order in (RelayCommand.TRIP, RelayCommand.RELEASE_POWER)
        raise control_refusal(answer, talk.state.flags if opens else frozenset())


def _is_met(relay: Relay | None, wanted: Relay, style: RelayStyle) -> bool:
    """Whether the platform's part is done; with a button, closing is permitted and the rest is the user's."""
    if wanted is Relay.PERMITTED or (wanted is Relay.CLOSED and style is RelayStyle.PERMIT_AND_PRESS):
        return relay in (Relay.CLOSED, Relay.PERMITTED)
    return relay is wanted
