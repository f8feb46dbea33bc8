"""Conversations with DL/T 645-2007 meters: what is asked, in which order, and what counts as proof.

A conversation is a generator: it yields requests, is sent what came of them, and returns a `Result`.
The rule of all of them: a meter's "yes" is not the deed. A recharge is credited when the meter's own count or
list of purchases says so, a relay has moved when status word 3 says so, a clock is right when it was read.
"""

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import TypeVar

from compuerta.domain.errors import Refused, Unreachable
from compuerta.domain.party import CreditAuthority
from compuerta.drivers.abilities import (
    ClockOrder,
    Ending,
    MeterState,
    Order,
    ReadOrder,
    RechargeOrder,
    Relay,
    Result,
    SwitchOrder,
)
from compuerta.drivers.mac import RAND1_BYTES, MacProvider, customer_payload, purchase_payload
from compuerta.drivers.model import Model, Quantity, Quirk, RechargeLayout, RelayStyle
from compuerta.wire import dlt645
from compuerta.wire.dlt645 import SerrBit

Reply = dlt645.Answer | dlt645.Silent
Conversation = Generator[dlt645.Request, Reply, Result]
T = TypeVar("T")
_Asking = Generator[dlt645.Request, Reply, T]  # a part of a conversation
Chance = Callable[[int], bytes]  # n -> n random bytes; an argument, so that a run can be repeated

VERIFY_READS_MAX = 3  # a relay moves within a tenth of a second; three reads last longer on any road
VALID = timedelta(minutes=10)  # of a relay command, when the order does not say
CLOCK_OFF_MAX = timedelta(minutes=1)  # a clock nearer than this counts as set
AMOUNT_MINOR_MAX = 2**32 - 1  # four bytes on the wire
PURCHASE_NO_MAX = 2**32 - 1
RECORD_COUNT = 10_000  # the purchase list counts in four digits
ORDER_DIGITS = 16
CUSTOMER_DIGITS = 12
# Use during the seconds between two balance reads: 100 kW for 30 s is below 1 yuan.
USED_MINOR_MAX = 100
_NO_MAC = bytes(4)  # the vendor's layout carries its MACs as zeros

# What a refusal of the security module means for the order, DL/T 645-2007 prepayment filing, SERR.
# The first bit found decides; MAC_WRONG and IDENTITY_INVALID come here only when a new identity did not help.
_SECURITY_REFUSALS: tuple[tuple[SerrBit, Ending, str], ...] = (
    (SerrBit.SUSPENDED, Ending.BUSY, "suspended"),
    (SerrBit.CUSTOMER_NUMBER, Ending.REFUSED, "customer_number_differs"),
    (SerrBit.HOARDING_LIMIT, Ending.REFUSED, "hoarding_limit"),
    (SerrBit.MAC_WRONG, Ending.REFUSED, "mac_wrong"),
    (SerrBit.IDENTITY_INVALID, Ending.REFUSED, "identity_refused"),
    (SerrBit.PASSWORD_SET, Ending.REFUSED, "test_keys"),
    (SerrBit.ADDRESS, Ending.REFUSED, "refused_by_meter"),
    (SerrBit.OTHER, Ending.REFUSED, "refused_by_meter"),
)
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


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterIdentity:
    """Which meter is spoken to, and what it wants to hear before it obeys."""

    meter_no: str  # 12 digits, the address on the wire
    password: str = "000000"  # 6 digits, of the model's password level
    operator: bytes = bytes(4)  # opaque: the meter only writes it into its records


class MeterSilent(Unreachable):
    """The meter did not answer; what was asked may, or may not, have been done."""

    def __init__(self, meter_no: str) -> None:
        super().__init__(f"meter {meter_no} does not answer")
        self.meter_no = meter_no


class MeterRefused(Refused):
    """The meter said no; `reason` is the stable name that the result carries."""

    def __init__(self, *, ending: Ending, reason: str) -> None:
        super().__init__(f"the meter refused: {reason}")
        self.ending = ending
        self.reason = reason


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
    talk = _Talk(model=model, meter=meter, mac=mac, chance=chance)
    try:
        match order:
            case RechargeOrder():
                return (yield from _recharge(talk, order, repeated=repeated))
            case SwitchOrder():
                return (yield from _switch(talk, order))
            case ReadOrder():
                return (yield from _read_all(talk))
            case ClockOrder():
                return (yield from _set_clock(talk, order))
    except MeterSilent:
        return talk.result(Ending.SILENT, "no_answer")
    except MeterRefused as refused:
        return talk.result(refused.ending, refused.reason)
    except dlt645.ProtocolError:
        # An answer, or a request made from one, is no DL/T 645: nobody knows what was done, so look again.
        return talk.result(Ending.SILENT, "answer_malformed")


# Recharging: only the meter's own count, or its own list of purchases, is proof.


def _recharge(talk: "_Talk", order: RechargeOrder, *, repeated: bool) -> Conversation:
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


def _keep_dark(talk: "_Talk") -> _Asking[None]:
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


def _recharge_standard(talk: "_Talk", order: RechargeOrder, *, repeated: bool) -> _Asking[None]:
    """Return when the meter's purchase count proves the recharge; raise what it is otherwise."""
    if repeated:
        count = yield from _purchase_count(talk, order)
        if count == order.purchase_no:
            return
        _refuse_gap(count, order.purchase_no - 1, ending=Ending.REFUSED)
    answer = yield from _recharge_authenticated(talk, order)
    if isinstance(answer, dlt645.SecurityErrorAnswer) and not answer.serr & _COUNTED:
        raise _refusal(answer)
    count = yield from _purchase_count(talk, order)
    accepted = isinstance(answer, dlt645.RechargeAnswer)
    _refuse_gap(count, order.purchase_no, ending=Ending.ACCEPTED if accepted else Ending.REFUSED)


def _recharge_authenticated(talk: "_Talk", order: RechargeOrder) -> _Asking[dlt645.Answer]:
    """Identity, then the recharge; once more from the start where the identity was what failed.

    A repeated identity request leaves the meter with another challenge than the one that we heard first, so a
    wrong MAC is cured the same way; only once, since meters count wrong MACs and lock up at fifteen.
    """
    answer = yield from _recharge_once(talk, order)
    if isinstance(answer, dlt645.SecurityErrorAnswer) and answer.serr & _CURABLE:
        answer = yield from _recharge_once(talk, order)
    return answer


def _recharge_once(talk: "_Talk", order: RechargeOrder) -> _Asking[dlt645.Answer]:
    meter_no = talk.meter.meter_no
    rand1 = talk.chance(RAND1_BYTES)
    identity = yield from talk.ask(
        dlt645.Authenticate(
            operator=talk.meter.operator,
            cipher1=talk.mac.identity(meter_no, rand1=rand1),
            rand1=rand1,
            diversification=dlt645.diversification(meter_no),
        )
    )
    if not isinstance(identity, dlt645.AuthenticateAnswer):
        raise _refusal(identity)
    payload = purchase_payload(amount_minor=order.amount_minor, purchase_no=order.purchase_no)
    customer = customer_payload(order.customer_no)
    return (
        yield from talk.ask(
            dlt645.Recharge(
                operator=talk.meter.operator,
                amount_minor=order.amount_minor,
                purchase_no=order.purchase_no,
                mac1=talk.mac.mac(meter_no, rand2=identity.rand2, payload=payload),
                customer_no=order.customer_no,
                mac2=talk.mac.mac(meter_no, rand2=identity.rand2, payload=customer),
            )
        )
    )


def _purchase_count(talk: "_Talk", order: RechargeOrder) -> _Asking[int]:
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


def _recharge_by_record(talk: "_Talk", order: RechargeOrder) -> _Asking[None]:
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
        raise _refusal(answer)
    raise MeterRefused(ending=Ending.ACCEPTED, reason="not_read_back")


def _is_recorded(talk: "_Talk", order: RechargeOrder) -> _Asking[bool]:
    """Whether the latest purchase is this one; raises where the list says that it can never be."""
    values = yield from talk.read(Quantity.PURCHASE_RECORD)
    if values is None:
        raise MeterRefused(ending=Ending.REFUSED, reason="purchase_record_missing")
    count, amount_minor = _whole(values, "purchase_no"), _whole(values, "amount_minor")
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


def _recharge_by_balance(talk: "_Talk", order: RechargeOrder, *, repeated: bool) -> _Asking[None]:
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
        raise _refusal(answer)
    raise MeterRefused(ending=Ending.ACCEPTED, reason="not_read_back")


def _vendor_recharge(talk: "_Talk", order: RechargeOrder) -> dlt645.VendorRecharge:
    return dlt645.VendorRecharge(
        operator=talk.meter.operator,
        amount_minor=order.amount_minor,
        order_no=f"{order.purchase_no:0{ORDER_DIGITS}d}",
        mac1=_NO_MAC,
        meter_no=talk.meter.meter_no,
        mac2=_NO_MAC,
    )


def _supply_after_recharge(talk: "_Talk", order: RechargeOrder) -> Conversation:
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


def _switch(talk: "_Talk", order: SwitchOrder) -> Conversation:
    relay = yield from talk.relay()
    if _is_met(relay, order.relay, talk.model.relay):
        return talk.result(Ending.DONE, _after_switch(talk))
    reason = yield from _command(talk, order.relay, valid=timedelta(seconds=order.valid_s), now=order.now)
    if _is_met(talk.state.relay, order.relay, talk.model.relay):
        return talk.result(Ending.DONE, _after_switch(talk))
    return talk.result(Ending.ACCEPTED, reason)


def _command(talk: "_Talk", wanted: Relay, *, valid: timedelta, now: datetime | None = None) -> _Asking[str]:
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
        raise _control_refusal(answer, talk.state.flags)
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


def _after_switch(talk: "_Talk") -> str:
    return "waits_for_button" if talk.state.relay is Relay.PERMITTED else ""


# Reading, and setting the clock.


def _read_all(talk: "_Talk") -> Conversation:
    values = yield from talk.read(Quantity.ENERGY)
    if values is not None:
        talk.state = replace(talk.state, energy_wh=_whole(values, "energy_wh"))
    # Before the balance: a trip between the two then looks like "on, and used up", which nobody acts on; the
    # other way round it would look like "off, with credit left".
    yield from talk.relay()
    if talk.model.credit_authority is CreditAuthority.METER:
        if Quantity.PURCHASE_NO in talk.model.registers:
            yield from talk.status()
        elif Quantity.PURCHASE_RECORD in talk.model.registers:
            record = yield from talk.read(Quantity.PURCHASE_RECORD)
            talk.state = replace(
                talk.state, purchase_no=None if record is None else _whole(record, "purchase_no")
            )
        if talk.state.balance_minor is None:
            yield from talk.balance()
    values = yield from talk.read(Quantity.POWER)
    if values is not None:
        # Rounded half away from zero; the register is finer than a watt.
        power_mw = _whole(values, "power_mw")
        talk.state = replace(talk.state, power_w=(abs(power_mw) + 500) // 1_000 * (-1 if power_mw < 0 else 1))
    yield from talk.clock()
    return talk.result(Ending.DONE)


def _set_clock(talk: "_Talk", order: ClockOrder) -> Conversation:
    identifier = talk.model.registers[Quantity.CLOCK]
    answer = yield from talk.ask(
        dlt645.WriteRegister(
            di=identifier,
            password_level=talk.model.password_level,
            password=talk.meter.password,
            operator=talk.meter.operator,
            value=dlt645.encode_values(identifier, {"clock": order.now}),
        )
    )
    if not isinstance(answer, dlt645.Acknowledged):
        raise _control_refusal(answer, frozenset())
    clock = yield from talk.clock()
    if clock is not None and abs(clock - order.now) <= CLOCK_OFF_MAX:
        return talk.result(Ending.DONE)
    return talk.result(Ending.ACCEPTED, "not_read_back")


# What the conversations have in common.


class _Talk:
    """One conversation's facts, and what it has learned so far."""

    __slots__ = ("chance", "mac", "meter", "model", "state")

    def __init__(self, *, model: Model, meter: MeterIdentity, mac: MacProvider, chance: Chance) -> None:
        self.model = model
        self.meter = meter
        self.mac = mac
        self.chance = chance
        self.state = MeterState()

    def result(self, ending: Ending, reason: str = "") -> Result:
        """Return an end with all that was learned."""
        return Result(ending=ending, state=self.state, reason=reason)

    def ask(self, request: dlt645.Request) -> _Asking[dlt645.Answer]:
        """Return the answer; raises `MeterSilent` where none came."""
        reply = yield request
        if isinstance(reply, dlt645.Silent):
            raise MeterSilent(self.meter.meter_no)
        return reply

    def read(self, quantity: Quantity) -> _Asking[dlt645.Values | None]:
        """Return the values of a register; None where the model or the meter has none."""
        identifier = self.model.registers.get(quantity)
        if identifier is None:
            return None
        answer = yield from self.ask(dlt645.ReadRegister(di=identifier))
        return answer.values() if isinstance(answer, dlt645.RegisterAnswer) else None

    def status(self) -> _Asking[dlt645.StatusAnswer]:
        """Return remaining money and purchase count, which need no identity (078102FF); keep both."""
        answer = yield from self.ask(dlt645.StatusQuery(operator=self.meter.operator))
        if not isinstance(answer, dlt645.StatusAnswer):
            raise _refusal(answer)
        balance_minor = answer.remaining_minor or None  # nothing remains: there may be an overdraft to read
        self.state = replace(self.state, purchase_no=answer.purchase_no, balance_minor=balance_minor)
        return answer

    def balance(self) -> _Asking[int | None]:
        """Return remaining money less overdraft; None where it cannot be read."""
        remaining = yield from self.read(Quantity.BALANCE)
        if remaining is None:
            return None
        balance_minor = _whole(remaining, "amount_minor")
        if balance_minor == 0:
            # Money pays the overdraft before it raises the balance: only an empty balance can hide one.
            overdraft = yield from self.read(Quantity.OVERDRAFT)
            balance_minor -= 0 if overdraft is None else _whole(overdraft, "amount_minor")
        self.state = replace(self.state, balance_minor=balance_minor)
        return balance_minor

    def relay(self) -> _Asking[Relay | None]:
        """Return the relay by status word 3, and keep all flags of the status words."""
        values = yield from self.read(Quantity.STATUS_WORDS)
        if values is None:
            return None
        flags: set[str] = set()
        relay = None
        for word in values.values():
            if isinstance(word, dlt645.StatusWord3):
                relay = _relay_of(word)
                flags |= word.flags
            elif isinstance(word, frozenset):
                flags |= word
        self.state = replace(self.state, relay=relay, flags=frozenset(flags))
        return relay

    def clock(self) -> _Asking[datetime | None]:
        """Return the meter's clock: naive civil time, as it shows it."""
        values = yield from self.read(Quantity.CLOCK)
        clock = None if values is None else values["clock"]
        if not isinstance(clock, datetime):
            return None
        self.state = replace(self.state, clock=clock)
        return clock


def _relay_of(word: dlt645.StatusWord3) -> Relay:
    """Bit 4 is the contact, bit 6 what it was told: told to close and still open waits for the button."""
    if not word.relay_open:
        return Relay.CLOSED
    return Relay.OPEN if word.relay_command_trip else Relay.PERMITTED


def _refusal(answer: dlt645.Answer) -> MeterRefused:
    if isinstance(answer, dlt645.SecurityErrorAnswer):
        for bit, ending, reason in _SECURITY_REFUSALS:
            if bit in answer.serr:
                return MeterRefused(ending=ending, reason=reason)
    return MeterRefused(ending=Ending.REFUSED, reason="refused_by_meter")


def _control_refusal(answer: dlt645.Answer, flags: frozenset[str]) -> MeterRefused:
    if isinstance(answer, dlt645.ErrorAnswer) and dlt645.ErrBit.NOT_AUTHORISED in answer.err:
        return MeterRefused(ending=Ending.REFUSED, reason="password_refused")
    if "keep_power" in flags:
        return MeterRefused(ending=Ending.BUSY, reason="keep_power")
    return MeterRefused(ending=Ending.REFUSED, reason="refused_by_meter")


def _whole(values: dlt645.Values, name: str) -> int:
    value = values.get(name)
    if not isinstance(value, int):
        raise dlt645.ProtocolError(f"the register has no number {name}")
    return value
