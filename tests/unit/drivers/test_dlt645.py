"""Conversations with a meter that says what a test wants: every refusal has a name, and none is a credit."""

from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

import pytest

from compuerta.adapters.models import load_models
from compuerta.domain.instruction import Limits
from compuerta.drivers import dlt645 as driver
from compuerta.drivers.abilities import (
    SENT_UNHEARD,
    ClockOrder,
    Ending,
    LimitsOrder,
    Order,
    ReadOrder,
    RechargeOrder,
    Relay,
    Result,
    SwitchOrder,
)
from compuerta.drivers.mac import SoftEsam
from compuerta.drivers.model import Model, Quantity, Quirk, RelayStyle
from compuerta.wire import dlt645
from compuerta.wire.dlt645 import ErrBit, RelayCommand, SerrBit

METER_NO = "558890213594"
CUSTOMER_NO = "000000123456"
NOON = datetime(2026, 11, 22, 12, 0)  # noqa: DTZ001 a meter's clock knows no zone
MODELS = load_models(Path(__file__).parents[3] / "models")
STANDARD, VENDOR = MODELS["dlt645-standard-4g"], MODELS["dlt645-vendor-rs485"]
REMOTE, REMOTE_PRESS = MODELS["dlt645-remote-rs485"], MODELS["dlt645-remote-press-rs485"]
REQUESTS_MAX = 40

RELAY_OPEN = dlt645.StatusWord3(relay_open=True, relay_command_trip=True)
RELAY_PERMITTED = dlt645.StatusWord3(relay_open=True)
RELAY_CLOSED = dlt645.StatusWord3()

_CHANGES: dict[RelayCommand, dict[str, bool]] = {
    RelayCommand.TRIP: {"relay_open": True, "relay_command_trip": True},
    RelayCommand.PERMIT: {"relay_command_trip": False},
    RelayCommand.CLOSE: {"relay_open": False, "relay_command_trip": False},
    RelayCommand.KEEP_POWER: {"keep_power": True},
    RelayCommand.RELEASE_POWER: {"keep_power": False},
}


@dataclass
class Meter:
    """A meter that keeps a count and a balance, and says what a test tells it to."""

    purchase_no: int = 1
    balance_minor: int = 5_000
    customer_no: str = CUSTOMER_NO
    word_3: dlt645.StatusWord3 = RELAY_CLOSED
    clock: datetime | None = NOON
    record_minor: int = 5_000
    rates_wh: tuple[int, ...] | None = (0, 1_000, 230, 0)  # None = it has no block of them
    to_recharge: list[dlt645.Answer | None] = field(default_factory=list)  # instead of crediting, in turn
    to_identity: list[dlt645.Answer] = field(default_factory=list)
    to_relay: dlt645.Answer = field(default_factory=dlt645.RelayAnswer)
    silent_to: tuple[type, ...] = ()
    is_stuck: bool = False
    counts: dict[int, int] = field(default_factory=dict)  # of its events, by register
    limits: dict[int, bytes] = field(default_factory=dict)  # what it watches, by register
    requests: list[dlt645.Request] = field(default_factory=list)

    def hear(self, request: dlt645.Request) -> driver.Reply:
        self.requests.append(request)
        if isinstance(request, self.silent_to):
            return dlt645.Silent(request=request)
        match request:
            case dlt645.Authenticate():
                good = dlt645.AuthenticateAnswer(rand2=b"abcd", esam_no=bytes(8))
                return self.to_identity.pop(0) if self.to_identity else good
            case dlt645.Recharge() | dlt645.VendorRecharge():
                return self._recharge(request)
            case dlt645.StatusQuery():
                return dlt645.StatusAnswer(
                    remaining_minor=max(self.balance_minor, 0),
                    purchase_no=self.purchase_no,
                    customer_no=self.customer_no,
                    key_info=bytes(4),
                    macs=(bytes(4), bytes(4)),
                )
            case dlt645.RelayControl():
                if isinstance(self.to_relay, dlt645.RelayAnswer) and not self.is_stuck:
                    self.word_3 = replace(self.word_3, **_CHANGES[request.command])
                return self.to_relay
            case dlt645.WriteRegister():
                if self.clock is not None and request.di == 0x0400010C and not self.is_stuck:
                    self.clock = dlt645.decode_values(request.di, request.value)["clock"]
                if request.di in self.limits and not self.is_stuck:
                    self.limits[request.di] = request.value
                return dlt645.Acknowledged(function=dlt645.Function.WRITE)
            case dlt645.ReadRegister():
                return self._register(request.di)
            case _:
                raise AssertionError(f"nobody should ask {request}")

    def _recharge(self, request: dlt645.Recharge | dlt645.VendorRecharge) -> driver.Reply:
        if self.to_recharge:
            answer = self.to_recharge.pop(0)
            if answer is not None:
                return answer
        self.purchase_no += 1
        self.balance_minor += request.amount_minor
        self.record_minor = request.amount_minor
        return dlt645.RechargeAnswer(di=0x070102FF)

    def _register(self, di: int) -> dlt645.Answer:
        words: dict[str, dlt645.Value] = {
            f"status_word_{word}": frozenset[str]() for word in (1, 2, 4, 5, 6, 7)
        }
        values: dict[int, dict[str, dlt645.Value]] = {
            0x00010000: {"energy_wh": 1_230},
            0x00900200: {"amount_minor": max(self.balance_minor, 0)},
            0x00900201: {"amount_minor": max(-self.balance_minor, 0)},
            0x02030000: {"power_mw": -1_500},
            0x040005FF: words | {"status_word_3": self.word_3, "status_word_7": frozenset({"cover_open"})},
            0x0333FF01: {
                "at": NOON,
                "purchase_no": self.purchase_no % 10_000,
                "amount_minor": self.record_minor,
                "before_amount_minor": 0,
                "after_amount_minor": 0,
                "cumulative_amount_minor": 0,
            },
        }
        if self.rates_wh is not None:
            rates = {f"rate_{rate}_energy_wh": wh for rate, wh in enumerate(self.rates_wh, start=1)}
            values[0x0001FF00] = {"total_energy_wh": 1_230} | rates
        if self.clock is not None:
            values[0x0400010C] = {"clock": self.clock}
        values |= {one: {"count": count} for one, count in self.counts.items()}
        if di in self.limits:
            return dlt645.RegisterAnswer(di=di, payload=self.limits[di])
        if di not in values:
            return dlt645.ErrorAnswer(function=dlt645.Function.READ, err=frozenset({ErrBit.NO_SUCH_REGISTER}))
        return dlt645.RegisterAnswer(di=di, payload=dlt645.encode_values(di, values[di]))


def play(
    order: Order, meter: Meter, *, model: Model = STANDARD, repeated: bool = False, password: str = "000000"
) -> Result:
    conversation = driver.converse(
        order,
        model=model,
        meter=driver.MeterIdentity(meter_no=METER_NO, password=password),
        mac=SoftEsam(b"a key for tests."),
        chance=bytes,
        repeated=repeated,
    )
    try:
        request = next(conversation)
        for _ in range(REQUESTS_MAX):
            request = conversation.send(meter.hear(request))
    except StopIteration as stop:
        result: Result = stop.value
        return result
    raise AssertionError("the conversation does not end")


def a_recharge(*, amount_minor: int = 10_000, purchase_no: int = 2) -> RechargeOrder:
    return RechargeOrder(amount_minor=amount_minor, purchase_no=purchase_no, customer_no=CUSTOMER_NO)


def refusing(*bits: SerrBit) -> dlt645.Answer:
    return dlt645.security_error(*bits)


@pytest.mark.parametrize(
    ("bit", "ending", "reason"),
    [
        (SerrBit.OTHER, Ending.REFUSED, "refused_by_meter"),
        (SerrBit.MAC_WRONG, Ending.REFUSED, "mac_wrong"),
        (SerrBit.IDENTITY_INVALID, Ending.REFUSED, "identity_refused"),
        (SerrBit.CUSTOMER_NUMBER, Ending.REFUSED, "customer_number_differs"),
        (SerrBit.HOARDING_LIMIT, Ending.REFUSED, "hoarding_limit"),
        (SerrBit.ADDRESS, Ending.REFUSED, "refused_by_meter"),
        (SerrBit.SUSPENDED, Ending.BUSY, "suspended"),
        (SerrBit.PASSWORD_SET, Ending.REFUSED, "test_keys"),
        (SerrBit.REPEATED_RECHARGE, Ending.REFUSED, "purchase_number_behind"),
        (SerrBit.PURCHASE_NUMBER, Ending.REFUSED, "purchase_number_behind"),
    ],
)
def test_a_refused_recharge_is_named_and_not_credited(bit: SerrBit, ending: Ending, reason: str) -> None:
    meter = Meter(to_recharge=[refusing(bit), refusing(bit)])

    result = play(a_recharge(), meter)

    assert (result.ending, result.reason, result.credited) == (ending, reason, False)


def test_every_refusal_of_the_security_module_has_a_name() -> None:
    for bit in SerrBit:
        result = play(a_recharge(), Meter(to_recharge=[refusing(bit), refusing(bit)]))

        assert result.reason, bit


@pytest.mark.parametrize("bit", [SerrBit.IDENTITY_INVALID, SerrBit.MAC_WRONG])
def test_an_identity_that_ran_out_is_shown_again_once(bit: SerrBit) -> None:
    meter = Meter(to_recharge=[refusing(bit)])

    result = play(a_recharge(), meter)

    assert (result.ending, result.credited) == (Ending.DONE, True)
    assert sum(isinstance(request, dlt645.Authenticate) for request in meter.requests) == 2
    assert meter.balance_minor == 15_000


def test_an_identity_that_is_refused_ends_it_before_money_is_sent() -> None:
    meter = Meter(to_identity=[refusing(SerrBit.IDENTITY_INVALID)])

    result = play(a_recharge(), meter)

    assert (result.ending, result.reason) == (Ending.REFUSED, "identity_refused")
    assert not any(isinstance(request, dlt645.Recharge) for request in meter.requests)


def test_a_repeated_recharge_is_credited_only_where_the_count_is_ours() -> None:
    was_done = Meter(purchase_no=2, to_recharge=[refusing(SerrBit.REPEATED_RECHARGE)])
    foreign = Meter(purchase_no=3, to_recharge=[refusing(SerrBit.REPEATED_RECHARGE)])

    ours, theirs = play(a_recharge(), was_done), play(a_recharge(), foreign)

    assert (ours.ending, ours.credited) == (Ending.DONE, True)
    assert (theirs.ending, theirs.reason, theirs.credited) == (
        Ending.REFUSED,
        "purchase_number_ahead",
        False,
    )


def test_an_accepted_recharge_that_the_count_does_not_show_is_not_credited() -> None:
    meter = Meter(to_recharge=[dlt645.RechargeAnswer(di=0x070102FF)])

    result = play(a_recharge(), meter)

    assert (result.ending, result.reason, result.credited) == (
        Ending.ACCEPTED,
        "purchase_number_behind",
        False,
    )


@pytest.mark.parametrize("request_kind", [dlt645.Authenticate, dlt645.Recharge, dlt645.StatusQuery])
def test_silence_is_never_a_credit(request_kind: type) -> None:
    meter = Meter(silent_to=(request_kind,))

    result = play(a_recharge(), meter)

    assert (result.ending, result.reason, result.credited) == (Ending.SILENT, "no_answer", False)


def test_silence_after_the_proof_leaves_the_proof() -> None:
    meter = Meter(silent_to=(dlt645.ReadRegister,))

    result = play(a_recharge(), meter)

    assert (result.ending, result.reason, result.credited) == (Ending.DONE, "relay_unknown", True)


def test_a_meter_of_another_customer_gets_nothing() -> None:
    meter = Meter(customer_no="000000999999")

    result = play(a_recharge(), meter, repeated=True)

    assert (result.ending, result.reason) == (Ending.REFUSED, "customer_number_differs")
    assert not any(isinstance(request, dlt645.Recharge) for request in meter.requests)


def test_a_repeat_looks_before_it_sends() -> None:
    meter = Meter(purchase_no=2)

    result = play(a_recharge(), meter, repeated=True)

    assert (result.ending, result.credited) == (Ending.DONE, True)
    assert isinstance(meter.requests[0], dlt645.StatusQuery)
    assert not any(isinstance(request, dlt645.Recharge) for request in meter.requests)


@pytest.mark.parametrize(
    "order",
    [
        a_recharge(amount_minor=0),
        a_recharge(amount_minor=2**32),
        a_recharge(purchase_no=0),
        replace(a_recharge(), customer_no="12"),
        replace(a_recharge(), customer_no="00000012345x"),
    ],
)
def test_an_order_that_no_frame_can_carry_is_refused_unsent(order: RechargeOrder) -> None:
    meter = Meter()

    result = play(order, meter)

    assert (result.ending, result.reason) == (Ending.REFUSED, "order_not_sendable")
    assert meter.requests == []


def test_a_meter_that_keeps_no_money_is_not_recharged() -> None:
    meter = Meter()

    result = play(a_recharge(), meter, model=REMOTE)

    assert (result.ending, result.reason) == (Ending.REFUSED, "model_keeps_no_money")
    assert meter.requests == []


def test_an_open_relay_is_closed_after_a_recharge_by_the_meters_own_clock() -> None:
    clock = datetime(2020, 1, 1, 3, 4, 5)  # noqa: DTZ001 years wrong, and the only clock that counts
    meter = Meter(word_3=RELAY_OPEN, clock=clock)

    result = play(a_recharge(), meter)

    [command] = [request for request in meter.requests if isinstance(request, dlt645.RelayControl)]
    assert command.command is RelayCommand.CLOSE
    assert command.valid_until == clock + driver.VALID
    assert (result.ending, result.state.relay, result.reason) == (Ending.DONE, Relay.CLOSED, "")


def test_where_a_button_closes_a_recharge_only_permits() -> None:
    meter = Meter(word_3=RELAY_OPEN)

    result = play(a_recharge(), meter, model=replace(STANDARD, relay=RelayStyle.PERMIT_AND_PRESS))

    assert [request.command for request in meter.requests if isinstance(request, dlt645.RelayControl)] == [
        RelayCommand.PERMIT
    ]
    assert (result.ending, result.state.relay, result.reason) == (
        Ending.DONE,
        Relay.PERMITTED,
        "waits_for_button",
    )


def test_a_relay_that_stays_open_does_not_undo_the_credit() -> None:
    refused = dlt645.ErrorAnswer(function=dlt645.Function.RELAY, err=frozenset({ErrBit.OTHER}))
    meter = Meter(word_3=RELAY_OPEN, to_relay=refused)

    result = play(a_recharge(), meter)

    assert (result.ending, result.reason, result.credited) == (Ending.DONE, "relay_open", True)


# The vendor's layout.


def test_the_vendors_order_number_is_the_purchase_number() -> None:
    meter = Meter()

    result = play(a_recharge(), meter, model=VENDOR)

    [recharge] = [request for request in meter.requests if isinstance(request, dlt645.VendorRecharge)]
    assert recharge.order_no == "0000000000000002"
    assert recharge.meter_no == METER_NO
    assert (result.ending, result.credited, result.state.purchase_no) == (Ending.DONE, True, 2)


def test_a_vendor_meter_that_said_no_but_took_it_is_credited_by_its_list() -> None:
    @dataclass
    class Contrary(Meter):
        def hear(self, request: dlt645.Request) -> driver.Reply:
            reply = Meter.hear(self, request)
            is_recharge = isinstance(request, dlt645.VendorRecharge)
            return dlt645.SecurityErrorAnswer(raw=b"\x01") if is_recharge else reply

    result = play(a_recharge(), Contrary(), model=VENDOR)

    assert (result.ending, result.credited) == (Ending.DONE, True)


@pytest.mark.parametrize(
    ("answer", "ending", "reason"),
    [
        (dlt645.SecurityErrorAnswer(raw=b"\x02"), Ending.REFUSED, "refused_by_meter"),
        (dlt645.RechargeAnswer(di=0x070102FF), Ending.ACCEPTED, "not_read_back"),
    ],
)
def test_a_vendor_recharge_that_the_list_does_not_show_is_not_credited(
    answer: dlt645.Answer, ending: Ending, reason: str
) -> None:
    result = play(a_recharge(), Meter(to_recharge=[answer]), model=VENDOR)

    assert (result.ending, result.reason, result.credited) == (ending, reason, False)


def test_a_vendor_recharge_that_nobody_answers_may_still_arrive() -> None:
    sent = play(a_recharge(), Meter(silent_to=(dlt645.VendorRecharge,)), model=VENDOR)
    unsent = play(a_recharge(), Meter(silent_to=(dlt645.ReadRegister,)), model=VENDOR)

    assert (sent.ending, sent.reason) == (Ending.SILENT, SENT_UNHEARD)
    assert (unsent.ending, unsent.reason) == (Ending.SILENT, "no_answer")


def test_a_recorded_purchase_of_another_amount_is_not_ours() -> None:
    meter = Meter(purchase_no=2, record_minor=777)

    result = play(a_recharge(), meter, model=VENDOR)

    assert (result.ending, result.reason, result.credited) == (
        Ending.REFUSED,
        "purchase_record_differs",
        False,
    )
    assert not any(isinstance(request, dlt645.VendorRecharge) for request in meter.requests)


def test_the_list_of_purchases_counts_to_9999_and_begins_again() -> None:
    meter = Meter(purchase_no=19_999)

    result = play(a_recharge(purchase_no=20_000), meter, model=VENDOR)

    assert (result.ending, result.credited) == (Ending.DONE, True)


def test_without_a_list_a_balance_that_rose_is_the_proof() -> None:
    model = replace(VENDOR, quirks=frozenset({Quirk.PURCHASE_RECORD_MISSING}))

    credited = play(a_recharge(), Meter(), model=model)
    unmoved = play(a_recharge(), Meter(to_recharge=[dlt645.SecurityErrorAnswer(raw=b"\x01")]), model=model)
    again = play(a_recharge(), Meter(), model=model, repeated=True)
    small = play(a_recharge(amount_minor=driver.USED_MINOR_MAX), Meter(), model=model)

    assert (credited.ending, credited.credited) == (Ending.DONE, True)
    assert (unmoved.ending, unmoved.credited) == (Ending.REFUSED, False)
    assert (again.reason, again.credited) == ("not_provable", False)
    assert (small.reason, small.credited) == ("not_provable", False)


# Switching, reading, the clock.


@pytest.mark.parametrize("model", [REMOTE, REMOTE_PRESS])
@pytest.mark.parametrize("wanted", [Relay.OPEN, Relay.CLOSED])
@pytest.mark.parametrize("word_3", [RELAY_OPEN, RELAY_PERMITTED, RELAY_CLOSED])
def test_every_wish_from_every_state_ends_met(
    model: Model, wanted: Relay, word_3: dlt645.StatusWord3
) -> None:
    meter = Meter(word_3=word_3)

    result = play(SwitchOrder(relay=wanted, now=NOON), meter, model=model)

    waits = wanted is Relay.CLOSED and model is REMOTE_PRESS and word_3 != RELAY_CLOSED
    assert result.ending is Ending.DONE
    assert result.state.relay is (Relay.PERMITTED if waits else wanted)


@pytest.mark.parametrize(
    ("bit", "word_3", "ending", "reason"),
    [
        (ErrBit.NOT_AUTHORISED, RELAY_CLOSED, Ending.REFUSED, "password_refused"),
        (ErrBit.OTHER, RELAY_CLOSED, Ending.REFUSED, "refused_by_meter"),
        (ErrBit.OTHER, dlt645.StatusWord3(keep_power=True), Ending.BUSY, "keep_power"),
    ],
)
def test_a_refused_command_is_named(
    bit: ErrBit, word_3: dlt645.StatusWord3, ending: Ending, reason: str
) -> None:
    refused = dlt645.ErrorAnswer(function=dlt645.Function.RELAY, err=frozenset({bit}))
    meter = Meter(word_3=word_3, to_relay=refused)

    result = play(SwitchOrder(relay=Relay.OPEN, now=NOON), meter, model=REMOTE)

    assert (result.ending, result.reason) == (ending, reason)


def test_an_accepted_command_that_does_not_show_is_accepted_only() -> None:
    meter = Meter(is_stuck=True)

    result = play(SwitchOrder(relay=Relay.OPEN, now=NOON), meter, model=REMOTE)

    assert (result.ending, result.reason) == (Ending.ACCEPTED, "not_read_back")
    assert result.state.relay is Relay.CLOSED


def test_a_relay_that_takes_its_time_is_read_again() -> None:
    @dataclass
    class Slow(Meter):
        def hear(self, request: dlt645.Request) -> driver.Reply:
            reply = Meter.hear(self, request)
            commands = sum(isinstance(asked, dlt645.RelayControl) for asked in self.requests)
            reads = sum(isinstance(asked, dlt645.ReadRegister) for asked in self.requests)
            if commands and reads == 4:  # words, clock, and two looks in vain
                self.word_3 = RELAY_OPEN
            return reply

    result = play(SwitchOrder(relay=Relay.OPEN, now=NOON), Slow(is_stuck=True), model=REMOTE)

    assert (result.ending, result.state.relay) == (Ending.DONE, Relay.OPEN)


def test_a_command_is_valid_by_the_meters_own_clock_however_wrong() -> None:
    clock = datetime(2020, 1, 1, 3, 4, 5)  # noqa: DTZ001
    meter = Meter(clock=clock)

    play(SwitchOrder(relay=Relay.OPEN, now=NOON, valid_s=60), meter, model=REMOTE)

    [command] = [request for request in meter.requests if isinstance(request, dlt645.RelayControl)]
    assert command.valid_until == datetime(2020, 1, 1, 3, 5, 5)  # noqa: DTZ001


def test_a_delayed_trip_is_told_as_such() -> None:
    @dataclass
    class Delaying(Meter):
        def hear(self, request: dlt645.Request) -> driver.Reply:
            if isinstance(request, dlt645.RelayControl):
                self.word_3 = dlt645.StatusWord3(relay_command_trip=True)
            return Meter.hear(self, request)

    result = play(SwitchOrder(relay=Relay.OPEN, now=NOON), Delaying(is_stuck=True), model=REMOTE)

    assert (result.ending, result.reason) == (Ending.ACCEPTED, "trip_delayed")


def test_where_the_clock_cannot_be_read_ours_stands_in() -> None:
    meter = Meter(clock=None)

    result = play(SwitchOrder(relay=Relay.OPEN, now=NOON, valid_s=60), meter, model=REMOTE)

    [command] = [request for request in meter.requests if isinstance(request, dlt645.RelayControl)]
    assert command.valid_until == datetime(2026, 11, 22, 12, 1)  # noqa: DTZ001
    assert result.ending is Ending.DONE


def test_what_a_meter_does_not_have_stays_unknown() -> None:
    model = replace(
        STANDARD, registers={**STANDARD.registers, Quantity.POWER: 0x02040000, Quantity.ENERGY: 0x00020000}
    )

    result = play(ReadOrder(), Meter(rates_wh=None), model=model)

    assert result.ending is Ending.DONE
    assert (result.state.energy_wh, result.state.power_w) == (None, None)


def test_a_read_tells_debt_as_a_negative_balance_and_keeps_the_flags() -> None:
    result = play(ReadOrder(), Meter(balance_minor=-250))

    assert result.state.balance_minor == -250
    assert result.state.energy_wh == 1_230
    assert result.state.power_w == -2
    assert "cover_open" in result.state.flags


def test_a_meter_without_money_is_not_asked_for_any() -> None:
    meter = Meter()

    play(ReadOrder(), meter, model=replace(REMOTE, events={}))

    asked = {request.di for request in meter.requests if isinstance(request, dlt645.ReadRegister)}
    assert asked == {0x0001FF00, 0x040005FF, 0x02030000, 0x0400010C}
    assert not any(isinstance(request, dlt645.StatusQuery) for request in meter.requests)


def test_an_answer_that_makes_no_sense_is_as_good_as_silence() -> None:
    @dataclass
    class Babbling(Meter):
        def hear(self, request: dlt645.Request) -> driver.Reply:
            reply = Meter.hear(self, request)
            return replace(reply, payload=b"\xff") if isinstance(reply, dlt645.RegisterAnswer) else reply

    result = play(ReadOrder(), Babbling())

    assert (result.ending, result.reason) == (Ending.SILENT, "answer_malformed")


@pytest.mark.parametrize(("shown", "ending"), [(NOON, Ending.DONE), (None, Ending.ACCEPTED)])
def test_a_clock_is_set_when_it_was_read(shown: datetime | None, ending: Ending) -> None:
    result = play(ClockOrder(now=NOON), Meter(clock=shown), model=REMOTE)

    assert result.ending is ending


def test_a_silent_meter_is_silent_to_every_order() -> None:
    orders: list[Order] = [
        a_recharge(),
        SwitchOrder(relay=Relay.OPEN, now=NOON),
        ReadOrder(),
        ClockOrder(now=NOON),
        LimitsOrder(limits=Limits(power_w_max=5_000)),
    ]

    results = [play(order, Meter(silent_to=(object,))) for order in orders]

    assert {(result.ending, result.reason) for result in results} == {(Ending.SILENT, "no_answer")}
