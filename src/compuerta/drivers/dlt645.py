"""Conversations with DL/T 645-2007 meters: what is asked, in which order, and what counts as proof.

A conversation is a generator: it yields requests, is sent what came of them, and returns a `Result`.
The rule of all of them: a meter's "yes" is not the deed. A recharge is credited when the meter's own count or
list of purchases says so, a relay has moved when status word 3 says so, a clock is right when it was read.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from types import MappingProxyType

from compuerta.domain.party import CreditAuthority
from compuerta.drivers.abilities import (
    ClockOrder,
    Ending,
    LimitsOrder,
    Order,
    ReadOrder,
    RechargeOrder,
    Relay,
    SwitchOrder,
    TariffOrder,
)
from compuerta.drivers.loading import load_tariff
from compuerta.drivers.mac import MacProvider, customer_payload, purchase_payload
from compuerta.drivers.model import Model, Quantity, Quirk, RechargeLayout, RelayStyle
from compuerta.drivers.talk import (
    Asking,
    Chance,
    Conversation,
    MeterIdentity,
    MeterRefused,
    MeterSilent,
    Reply,
    Talk,
    control_refusal,
    refusal,
    whole,
)
from compuerta.wire import dlt645
from compuerta.wire.dlt645 import SerrBit

__all__ = ["Chance", "Conversation", "MeterIdentity", "Reply", "converse"]

VERIFY_READS_MAX = 3  # a relay moves within a tenth of a second; three reads last longer on any road
VALID = timedelta(minutes=10)  # of a relay command, when the order does not say
# A poll waits up to a minute for its turn while its `now` grows old: a right clock must not be put back.
CLOCK_LEFT_MAX = timedelta(minutes=2)
AMOUNT_MINOR_MAX = 2**32 - 1  # four bytes on the wire
PURCHASE_NO_MAX = 2**32 - 1
RECORD_COUNT = 10_000  # the purchase list counts in four digits
ORDER_DIGITS = 16
CUSTOMER_DIGITS = 12
# Use during the seconds between two balance reads: 100 kW for 30 s is below 1 yuan.
USED_MINOR_MAX = 100
_NO_MAC = bytes(4)  # the vendor's layout carries its MACs as zeros

_CURABLE = frozenset({SerrBit.IDENTITY_INVALID, SerrBit.MAC_WRONG})
_COUNTED = frozenset({SerrBit.REPEATED_RECHARGE, SerrBit.PURCHASE_NUMBER})

_COMMANDS: Mapping[tuple[Relay, RelayStyle], dlt645.RelayCommand] = MappingProxyType(
    {
        (Relay.OPEN, RelayStyle.DIRECT_CLOSE): dlt645.RelayCommand.TRIP,
        (Relay.OPEN, RelayStyle.PERMIT_AND_PRESS): dlt645.RelayCommand.TRIP,
        (Relay.PERMITTED, RelayStyle.DIRECT_CLOSE): dlt645.RelayCommand.PERMIT,
        (Relay.PERMITTED, RelayStyle.PERMIT_AND_PRESS): dlt645.RelayCommand.PERMIT,
        (Relay.CLOSED, RelayStyle.DIRECT_CLOSE): dlt645.RelayCommand.CLOSE,
        (Relay.CLOSED, RelayStyle.PERMIT_AND_PRESS): dlt645.RelayCommand.PERMIT,
    }
)


def converse(
    order: Order,
    *,
    model: Model,
    meter: MeterIdentity,
    mac: MacProvider,
    chance: Chance,
    repeated: bool = False,
) -> Conversation:
    """Return the conversation that carries out `order`.

    `repeated` says that the same order was sent before and its end is not known: a recharge then looks first.
    The conversation never raises: silence, refusals and answers that make no sense are endings of the result.
    """
    talk = Talk(model=model, meter=meter, mac=mac, chance=chance)
    try:
        match order:
            case RechargeOrder():
                return (yield from _recharge(talk, order, repeated=repeated))
            case SwitchOrder():
                return (yield from _switch(talk, order))
            case ReadOrder():
                return (yield from _read_all(talk, order))
            case ClockOrder():
                return (yield from _set_clock(talk, order))
            case LimitsOrder():
                return talk.result(Ending.REFUSED, "model_takes_no_limits")
            case TariffOrder():
                return (yield from load_tariff(talk, order))
    except MeterSilent:
        return talk.result(Ending.SILENT, "no_answer")
    except MeterRefused as refused:
        return talk.result(refused.ending, refused.reason)
    except dlt645.ProtocolError:
        # An answer, or a request made from one, is no DL/T 645: nobody knows what was done, so look again.
        return talk.result(Ending.SILENT, "answer_malformed")


# Recharging: only the meter's own count, or its own list of purchases, is proof.


def _recharge(talk: Talk, order: RechargeOrder, *, repeated: bool) -> Conversation:
    if not _is_sendable(order):
        return talk.result(Ending.REFUSED, "order_not_sendable")
    if talk.model.recharge is not None and not order.close:
        yield from _keep_dark(talk)
    match talk.model.recharge:
        case None:
            return talk.result(Ending.REFUSED, "model_keeps_no_money")
        case RechargeLayout.STANDARD:
            yield from _recharge_standard(talk, order, repeated=repeated)
        case RechargeLayout.VENDOR if Quirk.PURCHASE_RECORD_MISSING in talk.model.quirks:
            yield from _recharge_by_balance(talk, order, repeated=repeated)
        case RechargeLayout.VENDOR:
            yield from _recharge_by_record(talk, order)
    # From here on the money is in the meter, whatever becomes of the relay.
    return (yield from _supply_after_recharge(talk, order))


def _keep_dark(talk: Talk) -> Asking[None]:
    """Trip a meter that is held; raises where it cannot be read back, and then no money is sent (promise S3).

    A meter that is dark for want of money lights up by itself when it is paid; told to trip, it stays dark.
    """
    reason = yield from _command(talk, Relay.OPEN, valid=VALID)
    if reason:
        raise MeterRefused(ending=Ending.BUSY, reason=reason)


def _is_sendable(order: RechargeOrder) -> bool:
    return (
        0 < order.amount_minor <= AMOUNT_MINOR_MAX
        and 0 < order.purchase_no <= PURCHASE_NO_MAX
        and len(order.customer_no) == CUSTOMER_DIGITS
        and order.customer_no.isascii()
        and order.customer_no.isdecimal()
    )


def _recharge_standard(talk: Talk, order: RechargeOrder, *, repeated: bool) -> Asking[None]:
    """Return when the meter's purchase count proves the recharge; raise what it is otherwise."""
    if repeated:
        count = yield from _purchase_count(talk, order)
        if count == order.purchase_no:
            return
        _refuse_gap(count, order.purchase_no - 1, ending=Ending.REFUSED)
    answer = yield from _recharge_authenticated(talk, order)
    if isinstance(answer, dlt645.SecurityErrorAnswer) and not answer.serr & _COUNTED:
        raise refusal(answer)
    count = yield from _purchase_count(talk, order)
    accepted = isinstance(answer, dlt645.RechargeAnswer)
    _refuse_gap(count, order.purchase_no, ending=Ending.ACCEPTED if accepted else Ending.REFUSED)


def _recharge_authenticated(talk: Talk, order: RechargeOrder) -> Asking[dlt645.Answer]:
    """Identity, then the recharge; once more from the start where the identity was what failed.

    A repeated identity request leaves the meter with another challenge than the one that we heard first, so a
    wrong MAC is cured the same way; only once, since meters count wrong MACs and lock up at fifteen.
    """
    answer = yield from _recharge_once(talk, order)
    if isinstance(answer, dlt645.SecurityErrorAnswer) and answer.serr & _CURABLE:
        answer = yield from _recharge_once(talk, order)
    return answer


def _recharge_once(talk: Talk, order: RechargeOrder) -> Asking[dlt645.Answer]:
    meter_no = talk.meter.meter_no
    rand2 = yield from talk.identify()
    payload = purchase_payload(amount_minor=order.amount_minor, purchase_no=order.purchase_no)
    customer = customer_payload(order.customer_no)
    return (
        yield from talk.ask(
            dlt645.Recharge(
                operator=talk.meter.operator,
                amount_minor=order.amount_minor,
                purchase_no=order.purchase_no,
                mac1=talk.mac.mac(meter_no, rand2=rand2, payload=payload),
                customer_no=order.customer_no,
                mac2=talk.mac.mac(meter_no, rand2=rand2, payload=customer),
            )
        )
    )


def _purchase_count(talk: Talk, order: RechargeOrder) -> Asking[int]:
    status = yield from talk.status()
    if status.customer_no != order.customer_no:
        raise MeterRefused(ending=Ending.REFUSED, reason="customer_number_differs")
    return status.purchase_no


def _refuse_gap(count: int, wanted: int, *, ending: Ending) -> None:
    if count > wanted:
        # Somebody else recharged this meter, or it is another meter: never a proof, whatever the balance.
        raise MeterRefused(ending=Ending.REFUSED, reason="purchase_number_ahead")
    if count < wanted:
        raise MeterRefused(ending=ending, reason="purchase_number_behind")


def _recharge_by_record(talk: Talk, order: RechargeOrder) -> Asking[None]:
    """The vendor's layout: look at the latest purchase, send, look again. It always looks first.

    Proof is an entry with our number and our amount. The meter's answer is none: "refused" has come although
    the amount was taken.
    """
    if (yield from _is_recorded(talk, order)):
        return
    answer = yield from talk.ask(_vendor_recharge(talk, order))
    if (yield from _is_recorded(talk, order)):
        return
    if isinstance(answer, dlt645.SecurityErrorAnswer):
        raise refusal(answer)
    raise MeterRefused(ending=Ending.ACCEPTED, reason="not_read_back")


def _is_recorded(talk: Talk, order: RechargeOrder) -> Asking[bool]:
    """Whether the latest purchase is this one; raises where the list says that it can never be."""
    values = yield from talk.read(Quantity.PURCHASE_RECORD)
    if values is None:
        raise MeterRefused(ending=Ending.REFUSED, reason="purchase_record_missing")
    count, amount_minor = whole(values, "purchase_no"), whole(values, "amount_minor")
    # The list counts to 9,999 and begins again; only the distance to our number can be told.
    ahead = (count - order.purchase_no) % RECORD_COUNT
    if ahead == RECORD_COUNT - 1:
        return False
    if ahead:
        reason = "purchase_number_ahead" if ahead < RECORD_COUNT // 2 else "purchase_number_behind"
        raise MeterRefused(ending=Ending.REFUSED, reason=reason)
    if amount_minor != order.amount_minor:
        raise MeterRefused(ending=Ending.REFUSED, reason="purchase_record_differs")
    talk.state = replace(talk.state, purchase_no=order.purchase_no)
    return True


def _recharge_by_balance(talk: Talk, order: RechargeOrder, *, repeated: bool) -> Asking[None]:
    """The vendor's layout where no list of purchases can be read: a balance that rose is the only proof.

    It proves only within one conversation, and only amounts that stand out from use. Whatever else happened
    has to be looked at: the same order is not sent a second time.
    """
    if repeated or order.amount_minor <= USED_MINOR_MAX:
        raise MeterRefused(ending=Ending.REFUSED, reason="not_provable")
    before_minor = yield from talk.balance()
    answer = yield from talk.ask(_vendor_recharge(talk, order))
    after_minor = yield from talk.balance()
    if before_minor is not None and after_minor is not None:
        rise_minor = after_minor - before_minor
        if order.amount_minor - USED_MINOR_MAX <= rise_minor <= order.amount_minor:
            return
    if isinstance(answer, dlt645.SecurityErrorAnswer):
        raise refusal(answer)
    raise MeterRefused(ending=Ending.ACCEPTED, reason="not_read_back")


def _vendor_recharge(talk: Talk, order: RechargeOrder) -> dlt645.VendorRecharge:
    return dlt645.VendorRecharge(
        operator=talk.meter.operator,
        amount_minor=order.amount_minor,
        order_no=f"{order.purchase_no:0{ORDER_DIGITS}d}",
        mac1=_NO_MAC,
        meter_no=talk.meter.meter_no,
        mac2=_NO_MAC,
    )


def _supply_after_recharge(talk: Talk, order: RechargeOrder) -> Conversation:
    """Look at balance and relay, and close what the meter has left open. The recharge is proved already.

    Whatever fails here is told as the reason and does not undo the proof.
    """
    reason = ""
    try:
        if talk.state.balance_minor is None:
            yield from talk.balance()
        relay = yield from talk.relay()
        if relay is Relay.OPEN and order.close:
            reason = yield from _command(talk, Relay.CLOSED, valid=VALID)
            relay = talk.state.relay
        if relay is Relay.PERMITTED:
            reason = "waits_for_button"
        elif relay is Relay.OPEN:
            reason = reason or "relay_open"
    except MeterSilent:
        reason = "relay_unknown"
    except (MeterRefused, dlt645.ProtocolError):
        reason = "relay_open" if talk.state.relay is Relay.OPEN else "relay_unknown"
    return replace(talk.result(Ending.DONE, reason), credited=True)


# Switching.


def _switch(talk: Talk, order: SwitchOrder) -> Conversation:
    relay = yield from talk.relay()
    if _is_met(relay, order.relay, talk.model.relay):
        return talk.result(Ending.DONE, _after_switch(talk))
    reason = yield from _command(talk, order.relay, valid=timedelta(seconds=order.valid_s), now=order.now)
    if _is_met(talk.state.relay, order.relay, talk.model.relay):
        return talk.result(Ending.DONE, _after_switch(talk))
    return talk.result(Ending.ACCEPTED, reason)


def _command(talk: Talk, wanted: Relay, *, valid: timedelta, now: datetime | None = None) -> Asking[str]:
    """Send the relay command and read until it shows, or say why it does not show yet.

    "Valid until" is reckoned on the meter's own clock, since that is the clock which judges it; `now`
    stands in where it cannot be read.
    """
    clock = yield from talk.clock()
    at = clock or now
    if at is None:
        raise MeterRefused(ending=Ending.BUSY, reason="clock_unknown")
    answer = yield from talk.ask(
        dlt645.RelayControl(
            command=_COMMANDS[wanted, talk.model.relay],
            password_level=talk.model.password_level,
            password=talk.meter.password,
            operator=talk.meter.operator,
            valid_until=at + valid,
        )
    )
    if not isinstance(answer, dlt645.RelayAnswer):
        raise control_refusal(answer, talk.state.flags)
    for _ in range(VERIFY_READS_MAX):
        relay = yield from talk.relay()
        if _is_met(relay, wanted, talk.model.relay):
            return ""
    # DL/T 645-2007 04001401 to 04001403: a trip may be delayed by minutes, or by a high current.
    return "trip_delayed" if "relay_command_trip" in talk.state.flags else "not_read_back"


def _is_met(relay: Relay | None, wanted: Relay, style: RelayStyle) -> bool:
    """Whether the platform's part is done; with a button, closing is permitted and the rest is the user's."""
    if wanted is Relay.CLOSED and style is RelayStyle.PERMIT_AND_PRESS:
        return relay in (Relay.CLOSED, Relay.PERMITTED)
    return relay is wanted


def _after_switch(talk: Talk) -> str:
    return "waits_for_button" if talk.state.relay is Relay.PERMITTED else ""


# Reading, and setting the clock.


def _read_all(talk: Talk, order: ReadOrder) -> Conversation:
    yield from _read_energy(talk)
    # Before the balance: a trip between the two then looks like "on, and used up", which nobody acts on; the
    # other way round it would look like "off, with credit left".
    yield from talk.relay()
    if talk.model.credit_authority is CreditAuthority.METER:
        if Quantity.PURCHASE_NO in talk.model.registers:
            yield from talk.status()
        elif Quantity.PURCHASE_RECORD in talk.model.registers:
            record = yield from talk.read(Quantity.PURCHASE_RECORD)
            talk.state = replace(
                talk.state, purchase_no=None if record is None else whole(record, "purchase_no")
            )
        if talk.state.balance_minor is None:
            yield from talk.balance()
    values = yield from talk.read(Quantity.POWER)
    if values is not None:
        # Rounded half away from zero; the register is finer than a watt.
        power_mw = whole(values, "power_mw")
        talk.state = replace(talk.state, power_w=(abs(power_mw) + 500) // 1_000 * (-1 if power_mw < 0 else 1))
    clock = yield from talk.clock()
    if order.now is None or clock is None or abs(clock - order.now) <= CLOCK_LEFT_MAX:
        return talk.result(Ending.DONE)
    try:
        is_set = yield from talk.set_clock(order.now)
    except MeterRefused:
        is_set = False
    return talk.result(Ending.DONE, "clock_set" if is_set else "clock_not_set")


def _read_energy(talk: Talk) -> Asking[None]:
    """Read total and rates in one exchange, where the model has a block of them; else the total."""
    block = yield from talk.read(Quantity.ENERGY_RATES)
    if block is None:
        values = yield from talk.read(Quantity.ENERGY)
        if values is not None:
            talk.state = replace(talk.state, energy_wh=whole(values, "energy_wh"))
        return
    energy_wh = whole(block, "total_energy_wh")
    rates_wh = tuple(whole(block, f"rate_{rate}_energy_wh") for rate in range(1, len(block)))
    # Registers that are cut off one by one, or a rate that is not shown: then only the total is a fact.
    adds_up = sum(rates_wh) == energy_wh
    talk.state = replace(talk.state, energy_wh=energy_wh, rates_wh=rates_wh if adds_up else None)


def _set_clock(talk: Talk, order: ClockOrder) -> Conversation:
    if (yield from talk.set_clock(order.now)):
        return talk.result(Ending.DONE)
    return talk.result(Ending.ACCEPTED, "not_read_back")
