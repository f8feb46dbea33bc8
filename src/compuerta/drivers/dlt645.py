"""Conversations with DL/T 645-2007 meters: what is asked, in which order, and what counts as proof.

A conversation is a generator: it yields requests, is sent what came of them, and returns a `Result`.
The rule of all of them: a meter's "yes" is not the deed. A recharge is credited when the meter's own count or
list of purchases says so, a relay has moved when status word 3 says so, a clock is right when it was read.
"""

from dataclasses import replace

from compuerta.domain.freeze import CLOCK_OFF_MAX
from compuerta.domain.party import CreditAuthority
from compuerta.drivers.abilities import (
    NOT_SENDABLE,
    ClockOrder,
    Ending,
    FreezeOrder,
    LimitsOrder,
    Order,
    ReadOrder,
    RechargeOrder,
    Relay,
    SwitchOrder,
    TariffOrder,
    WithdrawalOrder,
)
from compuerta.drivers.freezing import read_freezes
from compuerta.drivers.loading import load_tariff
from compuerta.drivers.mac import MacProvider, customer_payload, purchase_payload
from compuerta.drivers.model import Limit, Model, Quantity, Quirk, RechargeLayout
from compuerta.drivers.switching import VALID, command, keep, switch
from compuerta.drivers.talk import (
    Asking,
    Chance,
    Conversation,
    MeterIdentity,
    MeterRefused,
    MeterSilent,
    Reply,
    Talk,
    energies,
    refusal,
    whole,
)
from compuerta.drivers.withdrawal import withdraw
from compuerta.wire import dlt645
from compuerta.wire.dlt645 import SerrBit

__all__ = ["Chance", "Conversation", "MeterIdentity", "Reply", "converse"]

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
            case WithdrawalOrder():
                if not _is_sendable(order):
                    return talk.result(Ending.REFUSED, NOT_SENDABLE)
                return (yield from withdraw(talk, order, repeated=repeated))
            case SwitchOrder():
                return (yield from switch(talk, order))
            case ReadOrder():
                return (yield from _read_all(talk, order))
            case ClockOrder():
                return (yield from _set_clock(talk, order))
            case LimitsOrder():
                return (yield from _set_limits(talk, order))
            case TariffOrder():
                return (yield from load_tariff(talk, order))
            case FreezeOrder():
                return (yield from read_freezes(talk, order))
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
        return talk.result(Ending.REFUSED, NOT_SENDABLE)
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
    One that keeps power trips for nobody until it is released.
    """
    yield from talk.relay()
    reason = yield from keep(talk, kept=False, valid=VALID)
    reason = reason or (yield from command(talk, Relay.OPEN, valid=VALID))
    if reason:
        raise MeterRefused(ending=Ending.BUSY, reason=reason)


def _is_sendable(order: RechargeOrder | WithdrawalOrder) -> bool:
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
    answer = yield from talk.send_unsealed(_vendor_recharge(talk, order))
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
    if ahead and (yield from _follows_a_refund(talk, order)):
        return False
    if ahead:
        reason = "purchase_number_ahead" if ahead < RECORD_COUNT // 2 else "purchase_number_behind"
        raise MeterRefused(ending=Ending.REFUSED, reason=reason)
    if amount_minor != order.amount_minor:
        raise MeterRefused(ending=Ending.REFUSED, reason="purchase_record_differs")
    talk.state = replace(talk.state, purchase_no=order.purchase_no)
    return True


def _follows_a_refund(talk: Talk, order: RechargeOrder) -> Asking[bool]:
    """Whether the number before ours went to a withdrawal, which the list of purchases does not show."""
    values = yield from talk.read(Quantity.REFUND_RECORD)
    if values is None or values.get("at") is None:
        return False
    return whole(values, "purchase_no") == (order.purchase_no - 1) % RECORD_COUNT


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
            wanted = Relay.PERMITTED if order.permits else Relay.CLOSED
            reason = yield from command(talk, wanted, valid=VALID)
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


# Reading, setting the clock, and what the meter watches.


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
    reason = yield from _follow_the_clock(talk, order)
    if order.counts:
        yield from _count_events(talk)
    return talk.result(Ending.DONE, reason)


def _follow_the_clock(talk: Talk, order: ReadOrder) -> Asking[str]:
    clock = yield from talk.clock()
    if order.now is None or clock is None or abs(clock - order.now) <= CLOCK_OFF_MAX:
        return ""
    try:
        is_set = yield from talk.set_clock(order.now)
    except MeterRefused:
        is_set = False
    talk.state = replace(talk.state, clock_found=clock)
    return "clock_set" if is_set else "clock_not_set"


def _count_events(talk: Talk) -> Asking[None]:
    """Read the counters that the model lists; one that is silent, or no number, costs only those after it."""
    try:
        for event, identifier in talk.model.events.items():
            yield from talk.count(event, at=identifier)
    except (MeterSilent, dlt645.ProtocolError):
        return


def _read_energy(talk: Talk) -> Asking[None]:
    """Read total and rates in one exchange, where the model has a block of them; else the total."""
    block = yield from talk.read(Quantity.ENERGY_RATES)
    if block is None:
        values = yield from talk.read(Quantity.ENERGY)
        if values is not None:
            talk.state = replace(talk.state, energy_wh=whole(values, "energy_wh"))
        return
    energy_wh, rates_wh = energies(block)
    talk.state = replace(talk.state, energy_wh=energy_wh, rates_wh=rates_wh)


def _set_clock(talk: Talk, order: ClockOrder) -> Conversation:
    if (yield from talk.set_clock(order.now)):
        return talk.result(Ending.DONE)
    return talk.result(Ending.ACCEPTED, "not_read_back")


def _set_limits(talk: Talk, order: LimitsOrder) -> Conversation:
    """Write the limits that this model takes and that are not so yet, and read each of them back."""
    try:
        wanted = _limit_values(talk.model, order)
    except dlt645.ProtocolError:
        return talk.result(Ending.REFUSED, NOT_SENDABLE)  # more than the register has digits
    if not wanted:
        return talk.result(Ending.REFUSED, "model_takes_no_limits")
    for identifier, value in wanted.items():
        if (yield from _holds(talk, identifier, value)):
            continue
        yield from talk.write(identifier, value)
        if not (yield from _holds(talk, identifier, value)):
            return talk.result(Ending.ACCEPTED, "not_read_back")
    return talk.result(Ending.DONE)


def _limit_values(model: Model, order: LimitsOrder) -> dict[int, bytes]:
    """Return what goes where; the alarms of a meter without money are the platform's own matter."""
    limits = order.limits
    wanted = (
        (Limit.ALARM_1, "amount_minor", limits.alarm_1_minor),
        (Limit.ALARM_2, "amount_minor", limits.alarm_2_minor),
        (Limit.POWER, "power_mw", None if limits.power_w_max is None else limits.power_w_max * 1_000),
    )
    return {
        model.limits[limit]: dlt645.encode_values(model.limits[limit], {name: value})
        for limit, name, value in wanted
        if value is not None and limit in model.limits
    }


def _holds(talk: Talk, identifier: int, value: bytes) -> Asking[bool]:
    answer = yield from talk.ask(dlt645.ReadRegister(di=identifier))
    return isinstance(answer, dlt645.RegisterAnswer) and answer.payload == value
