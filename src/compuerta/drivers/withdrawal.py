"""Taking credit back out of a DL/T 645-2007 meter: once, and only when the meter itself says that it is out.

It counts as a purchase. Every conversation looks first and last: a meter's "yes" is not the deed, its "no"
may come although it was done, and what is in doubt is never sent a second time. Whoever is refused learns
the count that the meter was left at, so that the number can be given to another.
"""

from dataclasses import replace
from typing import Final

from compuerta.drivers.abilities import Ending, WithdrawalOrder
from compuerta.drivers.mac import purchase_payload
from compuerta.drivers.model import Quantity, Quirk, RechargeLayout
from compuerta.drivers.talk import Asking, Conversation, MeterRefused, MeterSilent, Talk, refusal, whole
from compuerta.wire import dlt645

DI_REFUND: Final = 0x04001006  # DL/T 645-2007 prepayment filing: amount and count, of class 98
LEVEL_SEALED: Final = 0x98
RECORD_COUNT: Final = 10_000  # the lists of purchases and refunds count in four digits
ORDER_DIGITS: Final = 16
USED_MINOR_MAX: Final = 100  # use during the seconds between two balance reads, see `dlt645`
_NO_MAC: Final = bytes(4)


def withdraw(talk: Talk, order: WithdrawalOrder, *, repeated: bool) -> Conversation:
    """Return when the meter's count, list or balance proves the withdrawal; raise what it is otherwise."""
    match talk.model.recharge:
        case None:
            raise MeterRefused(ending=Ending.REFUSED, reason="model_keeps_no_money")
        case RechargeLayout.STANDARD:
            yield from _by_count(talk, order)
        case RechargeLayout.VENDOR if Quirk.PURCHASE_RECORD_MISSING in talk.model.quirks:
            yield from _by_balance(talk, order, repeated=repeated)
        case RechargeLayout.VENDOR:
            yield from _by_record(talk, order)
    # From here on the money is out of the meter, whatever else it tells.
    try:
        yield from talk.balance()
        yield from talk.relay()
    except (MeterSilent, dlt645.ProtocolError):
        pass
    return replace(talk.result(Ending.DONE), credited=True)


def _by_count(talk: Talk, order: WithdrawalOrder) -> Asking[None]:
    """The standard's layout: the purchase count is what it was, then one more."""
    if (yield from _is_counted(talk, order)):
        return
    if (talk.state.balance_minor or 0) < order.amount_minor:
        raise MeterRefused(ending=Ending.REFUSED, reason="credit_used")
    answer = yield from _send_sealed(talk, order)
    if isinstance(answer, dlt645.ErrorAnswer):
        # Once more from the start: a repeated identity request leaves the meter with another challenge.
        answer = yield from _send_sealed(talk, order)
    if (yield from _is_counted(talk, order)):
        return
    if isinstance(answer, dlt645.Acknowledged):
        raise MeterRefused(ending=Ending.ACCEPTED, reason="not_read_back")
    raise MeterRefused(ending=Ending.REFUSED, reason="refused_by_meter")


def _is_counted(talk: Talk, order: WithdrawalOrder) -> Asking[bool]:
    try:
        status = yield from talk.status()
    except MeterRefused as refused:
        # Nobody knows the count: what was sent may be in it, and its number must not be given out again.
        raise MeterRefused(ending=Ending.BUSY, reason=refused.reason) from refused
    if status.customer_no != order.customer_no:
        raise MeterRefused(ending=Ending.REFUSED, reason="customer_number_differs")
    if status.purchase_no > order.purchase_no:
        raise MeterRefused(ending=Ending.REFUSED, reason="purchase_number_ahead")
    if status.purchase_no < order.purchase_no - 1:
        raise MeterRefused(ending=Ending.REFUSED, reason="purchase_number_behind")
    return status.purchase_no == order.purchase_no


def _send_sealed(talk: Talk, order: WithdrawalOrder) -> Asking[dlt645.Answer]:
    meter_no = talk.meter.meter_no
    rand2 = yield from talk.identify()
    payload = purchase_payload(amount_minor=order.amount_minor, purchase_no=order.purchase_no)
    return (
        yield from talk.ask(
            dlt645.WriteRegister(
                di=DI_REFUND,
                password_level=LEVEL_SEALED,
                password=talk.meter.password,
                operator=talk.meter.operator,
                value=payload + talk.mac.mac(meter_no, rand2=rand2, payload=payload),
            )
        )
    )


def _by_record(talk: Talk, order: WithdrawalOrder) -> Asking[None]:
    """The vendor's layout: the list of refunds has our number and our amount."""
    if (yield from _is_recorded(talk, order)):
        return
    yield from _refuse_used(talk, order)
    answer = yield from talk.send_unsealed(_vendor_refund(talk, order))
    if (yield from _is_recorded(talk, order)):
        return
    raise _unproved(answer)


def _is_recorded(talk: Talk, order: WithdrawalOrder) -> Asking[bool]:
    """Whether the latest refund is this one; raises where the lists say that it can never be."""
    refunds = yield from talk.read(Quantity.REFUND_RECORD)
    purchases = yield from talk.read(Quantity.PURCHASE_RECORD)
    if refunds is None or purchases is None:
        raise MeterRefused(ending=Ending.REFUSED, reason="refund_record_missing")
    refunded = whole(refunds, "purchase_no")
    if refunds.get("at") is not None and refunded == order.purchase_no % RECORD_COUNT:
        if whole(refunds, "amount_minor") != order.amount_minor:
            raise MeterRefused(ending=Ending.REFUSED, reason="refund_record_differs")
        talk.state = replace(talk.state, purchase_no=order.purchase_no)
        return True
    behind = (order.purchase_no - whole(purchases, "purchase_no")) % RECORD_COUNT
    if not behind or behind > RECORD_COUNT // 2:
        raise MeterRefused(ending=Ending.REFUSED, reason="purchase_number_ahead")
    if behind > 1 and refunded != (order.purchase_no - 1) % RECORD_COUNT:
        raise MeterRefused(ending=Ending.REFUSED, reason="purchase_number_behind")
    talk.state = replace(talk.state, purchase_no=order.purchase_no - 1)
    return False


def _by_balance(talk: Talk, order: WithdrawalOrder, *, repeated: bool) -> Asking[None]:
    """No list can be read: a balance that fell is the only proof, within one conversation alone."""
    if repeated or order.amount_minor <= USED_MINOR_MAX:
        raise MeterRefused(ending=Ending.REFUSED, reason="not_provable")
    yield from _refuse_used(talk, order)
    before_minor = talk.state.balance_minor
    answer = yield from talk.ask(_vendor_refund(talk, order))
    after_minor = yield from talk.balance()
    if before_minor is not None and after_minor is not None:
        fall_minor = before_minor - after_minor
        if order.amount_minor <= fall_minor <= order.amount_minor + USED_MINOR_MAX:
            return
    raise _unproved(answer)


def _refuse_used(talk: Talk, order: WithdrawalOrder) -> Asking[None]:
    balance_minor = yield from talk.balance()
    if balance_minor is not None and balance_minor < order.amount_minor:
        raise MeterRefused(ending=Ending.REFUSED, reason="credit_used")


def _unproved(answer: dlt645.Answer) -> MeterRefused:
    if isinstance(answer, dlt645.SecurityErrorAnswer):
        return refusal(answer)
    return MeterRefused(ending=Ending.ACCEPTED, reason="not_read_back")


def _vendor_refund(talk: Talk, order: WithdrawalOrder) -> dlt645.VendorRefund:
    return dlt645.VendorRefund(
        operator=talk.meter.operator,
        amount_minor=order.amount_minor,
        order_no=f"{order.purchase_no:0{ORDER_DIGITS}d}",
        mac1=_NO_MAC,
        meter_no=talk.meter.meter_no,
        mac2=_NO_MAC,
    )
