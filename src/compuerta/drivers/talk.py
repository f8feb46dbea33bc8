"""What the conversations with DL/T 645-2007 meters have in common: asking, reading, writing, and refusals."""

from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TypeVar

from compuerta.domain.errors import Refused, Unreachable
from compuerta.drivers.abilities import SENT_UNHEARD, Ending, MeterEvent, MeterState, Relay, Result
from compuerta.drivers.mac import RAND1_BYTES, MacProvider
from compuerta.drivers.model import Model, Quantity
from compuerta.wire import dlt645
from compuerta.wire.dlt645 import SerrBit

Reply = dlt645.Answer | dlt645.Silent
Conversation = Generator[dlt645.Request, Reply, Result]
T = TypeVar("T")
Asking = Generator[dlt645.Request, Reply, T]  # a part of a conversation
Chance = Callable[[int], bytes]  # n -> n random bytes; an argument, so that a run can be repeated

CLOCK_OFF_MAX = timedelta(minutes=1)  # a clock nearer than this counts as set

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

_PHASE_OF = {"status_word_4": "a", "status_word_5": "b", "status_word_6": "c"}


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterIdentity:
    """Which meter is spoken to, and what it wants to hear before it obeys."""

    meter_no: str  # 12 digits, the address on the wire
    password: str = "000000"  # 6 digits, of the model's password level
    operator: bytes = bytes(4)  # opaque: the meter only writes it into its records
    unit_no: int | None = None  # 1 to 247: its address on a Modbus line


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


class Talk:
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

    def ask(self, request: dlt645.Request) -> Asking[dlt645.Answer]:
        """Return the answer; raises `MeterSilent` where none came."""
        reply = yield request
        if isinstance(reply, dlt645.Silent):
            raise MeterSilent(self.meter.meter_no)
        return reply

    def send_unsealed(self, request: dlt645.Request) -> Asking[dlt645.Answer]:
        """Return the answer to an order that a meter may take whenever it comes; silence says so."""
        try:
            return (yield from self.ask(request))
        except MeterSilent as error:
            raise MeterRefused(ending=Ending.SILENT, reason=SENT_UNHEARD) from error

    def read(self, quantity: Quantity) -> Asking[dlt645.Values | None]:
        """Return the values of a register; None where the model or the meter has none."""
        identifier = self.model.registers.get(quantity)
        if identifier is None:
            return None
        answer = yield from self.ask(dlt645.ReadRegister(di=identifier))
        return answer.values() if isinstance(answer, dlt645.RegisterAnswer) else None

    def status(self) -> Asking[dlt645.StatusAnswer]:
        """Return remaining money and purchase count, which need no identity (078102FF); keep both."""
        answer = yield from self.ask(dlt645.StatusQuery(operator=self.meter.operator))
        if not isinstance(answer, dlt645.StatusAnswer):
            raise refusal(answer)
        balance_minor = answer.remaining_minor or None  # nothing remains: there may be an overdraft to read
        self.state = replace(self.state, purchase_no=answer.purchase_no, balance_minor=balance_minor)
        return answer

    def balance(self) -> Asking[int | None]:
        """Return remaining money less overdraft; None where it cannot be read."""
        remaining = yield from self.read(Quantity.BALANCE)
        if remaining is None:
            return None
        balance_minor = whole(remaining, "amount_minor")
        if balance_minor == 0:
            # Money pays the overdraft before it raises the balance: only an empty balance can hide one.
            overdraft = yield from self.read(Quantity.OVERDRAFT)
            balance_minor -= 0 if overdraft is None else whole(overdraft, "amount_minor")
        self.state = replace(self.state, balance_minor=balance_minor)
        return balance_minor

    def relay(self) -> Asking[Relay | None]:
        """Return the relay by status word 3; None where it cannot be read."""
        word = yield from self.word_3()
        return None if word is None else self.state.relay

    def word_3(self) -> Asking[dlt645.StatusWord3 | None]:
        """Return status word 3, and keep the relay and all flags of the status words."""
        values = yield from self.read(Quantity.STATUS_WORDS)
        if values is None:
            return None
        flags: set[str] = set()
        word_3 = None
        for name, word in values.items():
            if isinstance(word, dlt645.StatusWord3):
                word_3 = word
                flags |= word.flags
            elif isinstance(word, frozenset):
                # What is wrong with some phase is told plainly, and once more with the phase.
                flags |= word | {f"{flag}_{_PHASE_OF[name]}" for flag in word if name in _PHASE_OF}
        relay = None if word_3 is None else _relay_of(word_3)
        self.state = replace(self.state, relay=relay, flags=frozenset(flags))
        return word_3

    def count(self, event: MeterEvent, *, at: int) -> Asking[None]:
        """Read one of the meter's counters and keep it; one that the meter does not have is left out."""
        answer = yield from self.ask(dlt645.ReadRegister(di=at))
        if isinstance(answer, dlt645.RegisterAnswer):
            counted = {event.value: whole(answer.values(), "count")}
            self.state = replace(self.state, counts={**self.state.counts, **counted})

    def clock(self) -> Asking[datetime | None]:
        """Return the meter's clock: naive civil time, as it shows it."""
        values = yield from self.read(Quantity.CLOCK)
        clock = None if values is None else values["clock"]
        if not isinstance(clock, datetime):
            return None
        self.state = replace(self.state, clock=clock)
        return clock

    def write(self, di: int, value: bytes) -> Asking[None]:
        """Write a register under the model's password; raises where the meter will not have it."""
        answer = yield from self.ask(
            dlt645.WriteRegister(
                di=di,
                password_level=self.model.password_level,
                password=self.meter.password,
                operator=self.meter.operator,
                value=value,
            )
        )
        if not isinstance(answer, dlt645.Acknowledged):
            raise control_refusal(answer, frozenset())

    def set_clock(self, now: datetime) -> Asking[bool]:
        """Set the clock, and tell whether it then showed the time that was set."""
        identifier = self.model.registers[Quantity.CLOCK]
        yield from self.write(identifier, dlt645.encode_values(identifier, {"clock": now}))
        clock = yield from self.clock()
        return clock is not None and abs(clock - now) <= CLOCK_OFF_MAX

    def identify(self) -> Asking[bytes]:
        """Show the meter who we are, and return its challenge, which codes are made with."""
        rand1 = self.chance(RAND1_BYTES)
        answer = yield from self.ask(
            dlt645.Authenticate(
                operator=self.meter.operator,
                cipher1=self.mac.identity(self.meter.meter_no, rand1=rand1),
                rand1=rand1,
                diversification=dlt645.diversification(self.meter.meter_no),
            )
        )
        if not isinstance(answer, dlt645.AuthenticateAnswer):
            raise refusal(answer)
        return answer.rand2


def _relay_of(word: dlt645.StatusWord3) -> Relay:
    """Bit 4 is the contact, bit 6 what it was told: told to close and still open waits for the button."""
    if not word.relay_open:
        return Relay.CLOSED
    return Relay.OPEN if word.relay_command_trip else Relay.PERMITTED


def refusal(answer: dlt645.Answer) -> MeterRefused:
    """Return what a refusal of the security module means."""
    if isinstance(answer, dlt645.SecurityErrorAnswer):
        for bit, ending, reason in _SECURITY_REFUSALS:
            if bit in answer.serr:
                return MeterRefused(ending=ending, reason=reason)
    return MeterRefused(ending=Ending.REFUSED, reason="refused_by_meter")


def control_refusal(answer: dlt645.Answer, flags: frozenset[str]) -> MeterRefused:
    """Return what a refusal of a command or a write means; `flags` are of the status words."""
    if isinstance(answer, dlt645.ErrorAnswer) and dlt645.ErrBit.NOT_AUTHORISED in answer.err:
        return MeterRefused(ending=Ending.REFUSED, reason="password_refused")
    if "keep_power" in flags:
        return MeterRefused(ending=Ending.BUSY, reason="keep_power")
    return MeterRefused(ending=Ending.REFUSED, reason="refused_by_meter")


def energies(block: dlt645.Values) -> tuple[int, tuple[int, ...] | None]:
    """Return the total of a block and its rates, where they add up to it.

    Registers that are cut off one by one, or a rate that is not shown: then only the total is a fact.
    """
    energy_wh = whole(block, "total_energy_wh")
    rates_wh = tuple(whole(block, f"rate_{rate}_energy_wh") for rate in range(1, len(block)))
    return energy_wh, rates_wh if sum(rates_wh) == energy_wh else None


def whole(values: dlt645.Values, name: str) -> int:
    """Return a number that a register must have."""
    value = values.get(name)
    if not isinstance(value, int):
        raise dlt645.ProtocolError(f"the register has no number {name}")
    return value
