"""The relay control 1CH: what a meter accepts, and what it refuses although the password is right."""

from typing import assert_never

from compuerta.drivers.abilities import Relay
from compuerta.virtual.meter.clock import ms_from_civil
from compuerta.virtual.meter.core import MeterCore
from compuerta.wire.dlt645 import (
    WILDCARD,
    Frame,
    Function,
    RelayBit,
    RelayCommand,
    RelayControl,
    RelayControlEncrypted,
    RelayErrorBit,
    parse_request,
)

RESTORE_STEP_MIN = 5  # N2 counts steps of five minutes

Refused = frozenset[RelayErrorBit]


def control(core: MeterCore, request: RelayControl) -> RelayBit | Refused:
    """Do what an authorised order says; the bits are those of the extended answer, none = "other"."""
    # DL/T 645-2007: N3..N8 is the end of validity by the meter's own clock.
    if ms_from_civil(request.valid_until) < core.civil_ms:
        return frozenset({RelayErrorBit.TIME_INVALID})
    match request.command:
        case RelayCommand.TRIP | RelayCommand.TRIP_RESTORE_D | RelayCommand.TRIP_RESTORE_E:
            return _trip(core, request)
        case RelayCommand.PERMIT | RelayCommand.CLOSE:
            return _close(core, request)
        case RelayCommand.ALARM | RelayCommand.ALARM_OFF:
            core.alarm_ordered = request.command is RelayCommand.ALARM
            return RelayBit.ALARM if core.alarm_ordered else RelayBit.ALARM_OFF
        case RelayCommand.KEEP_POWER | RelayCommand.RELEASE_POWER:
            core.keep(request.command is RelayCommand.KEEP_POWER)
            return RelayBit.KEEP_POWER if core.keep_power else RelayBit.KEEP_POWER_OFF
        case _:
            assert_never(request.command)


def unsealed(request: RelayControlEncrypted) -> RelayControl | None:
    """Return the order inside a sealed one; None = it is none.

    The cipher of a real ESAM is not published. The soft one seals by its MAC alone: the sixteen bytes are
    N1..N8 in the clear, then zeros.
    """
    order, padding = request.ciphertext[:8], request.ciphertext[8:]
    if any(padding):
        return None
    plain = Frame(address=WILDCARD, control=Function.RELAY, data=bytes(4) + request.operator + order)
    parsed = parse_request(plain)
    return parsed if isinstance(parsed, RelayControl) else None


def _trip(core: MeterCore, request: RelayControl) -> RelayBit | Refused:
    restores = request.command is not RelayCommand.TRIP
    if core.keep_power:
        return frozenset({RelayErrorBit.KEEP_POWER})
    if restores and request.auto_restore == 0:
        return frozenset({RelayErrorBit.BAD_AUTO_RESTORE})
    core.order_trip(
        operator=request.operator,
        restore_min=request.auto_restore * RESTORE_STEP_MIN if restores else 0,
        restore_to=Relay.PERMITTED if request.command is RelayCommand.TRIP_RESTORE_E else Relay.CLOSED,
    )
    if core.trip_is_delayed:
        return RelayBit.DELAYED
    return RelayBit.AUTO_RESTORE if restores else RelayBit.TRIPPED


def _close(core: MeterCore, request: RelayControl) -> RelayBit | Refused:
    # A meter that holds the money does not give it away on anybody's order, but that to keep power (3A).
    if not core.may_close:
        return frozenset()
    if request.command is RelayCommand.PERMIT:
        core.permit(operator=request.operator)
        return RelayBit.PERMITTED
    core.close(operator=request.operator)
    return RelayBit.CLOSED
