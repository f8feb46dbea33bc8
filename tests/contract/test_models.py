"""Every DL/T 645 model file is played against a virtual meter of that model: by a line, a wire, in frames.

The wire loses what a test tells it to lose, so that "exactly once" is shown and not claimed.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from random import Random

import pytest
from tests.contract.wire import Wire, a_wire

from compuerta.adapters.models import load_models
from compuerta.domain.instruction import Limits
from compuerta.domain.party import CreditAuthority
from compuerta.drivers.abilities import (
    ClockOrder,
    Ending,
    LimitsOrder,
    MeterEvent,
    Order,
    ReadOrder,
    RechargeOrder,
    Relay,
    Result,
    SwitchOrder,
)
from compuerta.drivers.line import Job, Line, Priority
from compuerta.drivers.mac import SoftEsam
from compuerta.drivers.model import Model, RechargeLayout, RelayStyle
from compuerta.drivers.speaking import speak
from compuerta.drivers.talk import MeterIdentity
from compuerta.virtual.meter import DIRECT_CLOSE, ConstantLoad, MeterSetup, VirtualMeter

METER_NO = "558890213594"
CUSTOMER_NO = "000000123456"
ESAM = SoftEsam(b"a key for tests.")
NOON_MS = 1_795_348_800_000  # 2026-11-22 12:00, civil time of the meter
NOON = datetime(2026, 11, 22, 12, 0)  # noqa: DTZ001 a meter's clock knows no zone
STEPS_MAX = 500  # of one conversation: far above its requests, tries and waits

MODELS = load_models(Path(__file__).parents[2] / "models")
EVERY_MODEL = pytest.mark.parametrize(
    "name", sorted(name for name, model in MODELS.items() if model.protocol == "dlt645")
)
MONEY_MODELS = pytest.mark.parametrize(
    "name", sorted(name for name, model in MODELS.items() if model.credit_authority is CreditAuthority.METER)
)


@dataclass
class MeterEnd:
    """The far end of the wire: the meter, on a clock that the test moves."""

    meter: VirtualMeter
    wire: Wire
    now_ms: int = NOON_MS
    answers: int = 0
    lost_answers: frozenset[int] = frozenset()  # which answers, counted from 0, never arrive

    def heard(self, data: bytes) -> None:
        answer = self.meter.receive(data, now_ms=self.now_ms)
        if answer:
            if self.answers not in self.lost_answers:
                self.wire.write(answer)
            self.answers += 1

    def lost(self, reason: str) -> None:
        raise AssertionError(reason)


@dataclass
class Bench:
    """One meter of a model on a wire, and the line that speaks to it."""

    model: Model
    road: str
    far: MeterEnd
    near: Wire
    line: Line = field(default_factory=lambda: Line("bench"))

    def heard(self, data: bytes) -> None:
        self.line.receive(data, now_ms=self.far.now_ms)

    def lost(self, reason: str) -> None:
        raise AssertionError(reason)

    def carry_out(
        self, order: Order, *, repeated: bool = False, losing: frozenset[int] = frozenset()
    ) -> Result:
        """Play one conversation to its end; `losing` counts its answers from 0."""
        self.far.answers, self.far.lost_answers = 0, losing
        identity = MeterIdentity(meter_no=METER_NO)
        chance = Random(52).randbytes
        job = Job(
            key="order",
            meter_no=METER_NO,
            conversation=speak(
                order, model=self.model, meter=identity, mac=ESAM, chance=chance, repeated=repeated
            ),
            priority=Priority.RECHARGE,
            timing=self.model.roads[self.road],
            deadline_ms=self.far.now_ms + 120_000,
        )
        self.line.submit(job, now_ms=self.far.now_ms)
        for _ in range(STEPS_MAX):
            self.near.write(self.line.take_bytes())
            wake_at_ms = self.line.wake_at_ms()
            if wake_at_ms is None:
                break
            self.far.now_ms = max(self.far.now_ms, wake_at_ms)
            self.line.wake(now_ms=self.far.now_ms)
        [(key, result)] = self.line.take_finished()
        assert key == "order"
        return result


def a_bench(name: str, *, balance_minor: int = 5_000, load_w: int = 0) -> Bench:
    model = MODELS[name]
    setup = MeterSetup(
        meter_no=METER_NO,
        credit_authority=model.credit_authority,
        layout=model.recharge or RechargeLayout.STANDARD,
        customer_no=CUSTOMER_NO,
        balance_minor=balance_minor if model.recharge else 0,
        energy_wh=1_234_560,
        load=ConstantLoad(power_w=load_w),
        run_feature_word=DIRECT_CLOSE if model.relay is RelayStyle.DIRECT_CLOSE else 0,
    )
    near, far = a_wire()
    meter = VirtualMeter(setup, now_ms=NOON_MS, esam=ESAM, chance=Random(1))
    bench = Bench(model=model, road=next(iter(model.roads)), far=MeterEnd(meter=meter, wire=far), near=near)
    near.attach(bench)
    far.attach(bench.far)
    return bench


def a_recharge(*, amount_minor: int = 10_000, purchase_no: int = 1) -> RechargeOrder:
    return RechargeOrder(amount_minor=amount_minor, purchase_no=purchase_no, customer_no=CUSTOMER_NO)


def a_switch(relay: Relay) -> SwitchOrder:
    return SwitchOrder(relay=relay, now=NOON)


@EVERY_MODEL
def test_the_state_that_is_read_is_the_meters(name: str) -> None:
    bench = a_bench(name, load_w=1_500)
    core = bench.far.meter.core

    result = bench.carry_out(ReadOrder())

    assert result.ending is Ending.DONE
    state = result.state
    assert state.energy_wh is not None
    assert 1_234_560 <= state.energy_wh <= core.energy_wh
    assert state.relay is Relay.CLOSED
    assert state.power_w == 1_500
    assert state.clock is not None
    assert abs(state.clock - NOON) < timedelta(minutes=1)
    if bench.model.credit_authority is CreditAuthority.METER:
        assert state.balance_minor == core.balance_minor
        assert state.purchase_no == 0
    else:
        assert state.balance_minor is None
        assert state.purchase_no is None


@MONEY_MODELS
def test_a_recharge_is_done_with_the_meters_own_evidence(name: str) -> None:
    bench = a_bench(name)

    result = bench.carry_out(a_recharge())

    assert (result.ending, result.reason, result.credited) == (Ending.DONE, "", True)
    assert result.state.balance_minor == bench.far.meter.core.balance_minor == 15_000
    assert result.state.purchase_no == 1
    assert result.state.relay is Relay.CLOSED


@MONEY_MODELS
@pytest.mark.parametrize("repeated", [True, False])
def test_a_recharge_sent_twice_credits_once(name: str, repeated: bool) -> None:
    bench = a_bench(name)
    bench.carry_out(a_recharge())

    result = bench.carry_out(a_recharge(), repeated=repeated)

    assert (result.ending, result.credited) == (Ending.DONE, True)
    assert bench.far.meter.core.balance_minor == 15_000


@MONEY_MODELS
@pytest.mark.parametrize("first_lost", range(9))
def test_whatever_answer_is_lost_the_recharge_is_in_the_meter_once(name: str, first_lost: int) -> None:
    bench = a_bench(name)

    # From some answer on the meter is not heard any more; later the same order is tried again.
    first = bench.carry_out(a_recharge(), losing=frozenset(range(first_lost, 99)))
    second = bench.carry_out(a_recharge(), repeated=True)

    assert first.credited is (first.ending is Ending.DONE)
    assert first.ending in (Ending.DONE, Ending.SILENT)
    assert (second.ending, second.credited) == (Ending.DONE, True)
    assert bench.far.meter.core.balance_minor == 15_000
    assert bench.far.meter.core.purchase_no == 1


@MONEY_MODELS
@pytest.mark.parametrize("lost", range(9))
def test_a_single_lost_answer_is_asked_for_again(name: str, lost: int) -> None:
    bench = a_bench(name)

    result = bench.carry_out(a_recharge(), losing=frozenset({lost}))
    if not result.credited:  # the vendor's recharge is never repeated unread
        result = bench.carry_out(a_recharge(), repeated=True)

    assert (result.ending, result.credited) == (Ending.DONE, True)
    assert bench.far.meter.core.balance_minor == 15_000


@MONEY_MODELS
def test_a_meter_without_money_has_supply_after_a_recharge(name: str) -> None:
    bench = a_bench(name, balance_minor=0)
    assert not bench.far.meter.core.contact_closed

    result = bench.carry_out(a_recharge())

    assert (result.ending, result.credited, result.state.relay) == (Ending.DONE, True, Relay.CLOSED)
    assert bench.far.meter.core.contact_closed


@MONEY_MODELS
def test_a_recharge_does_not_lift_a_hold(name: str) -> None:
    bench = a_bench(name)
    bench.carry_out(a_switch(Relay.OPEN))

    held = RechargeOrder(amount_minor=10_000, purchase_no=1, customer_no=CUSTOMER_NO, close=False)
    result = bench.carry_out(held)

    assert (result.ending, result.credited, result.reason) == (Ending.DONE, True, "relay_open")
    assert bench.far.meter.core.relay is Relay.OPEN


@MONEY_MODELS
@pytest.mark.parametrize(
    ("purchase_no", "reason"), [(1, "purchase_number_ahead"), (4, "purchase_number_behind")]
)
def test_a_count_that_does_not_follow_credits_nothing(name: str, purchase_no: int, reason: str) -> None:
    bench = a_bench(name)
    for number in (1, 2):
        bench.carry_out(a_recharge(purchase_no=number))

    result = bench.carry_out(a_recharge(purchase_no=purchase_no))

    assert (result.ending, result.reason, result.credited) == (Ending.REFUSED, reason, False)
    assert bench.far.meter.core.balance_minor == 25_000


@EVERY_MODEL
def test_a_cut_and_a_close_are_read_back(name: str) -> None:
    bench = a_bench(name)
    style = bench.model.relay

    cut = bench.carry_out(a_switch(Relay.OPEN))
    cut_relay = bench.far.meter.core.relay
    close = bench.carry_out(a_switch(Relay.CLOSED))

    assert (cut.ending, cut.state.relay, cut_relay) == (Ending.DONE, Relay.OPEN, Relay.OPEN)
    waits = style is RelayStyle.PERMIT_AND_PRESS
    assert close.ending is Ending.DONE
    assert close.reason == ("waits_for_button" if waits else "")
    assert close.state.relay is (Relay.PERMITTED if waits else Relay.CLOSED)
    bench.far.meter.core.press_button()
    assert bench.carry_out(ReadOrder()).state.relay is Relay.CLOSED


@EVERY_MODEL
def test_a_wish_that_is_met_already_sends_no_command(name: str) -> None:
    bench = a_bench(name)

    result = bench.carry_out(a_switch(Relay.CLOSED))

    assert (result.ending, result.state.relay) == (Ending.DONE, Relay.CLOSED)
    assert bench.far.answers == 1  # the status words, and nothing else


@EVERY_MODEL
def test_a_stuck_relay_is_accepted_and_never_done(name: str) -> None:
    bench = a_bench(name)
    bench.far.meter.core.set_stuck(True)

    result = bench.carry_out(a_switch(Relay.OPEN))

    assert result.ending is Ending.ACCEPTED
    assert result.state.relay is Relay.CLOSED


@EVERY_MODEL
def test_a_clock_that_is_wrong_is_set_and_read_back(name: str) -> None:
    bench = a_bench(name)

    result = bench.carry_out(ClockOrder(now=NOON + timedelta(days=3)))

    assert result.ending is Ending.DONE
    assert result.state.clock is not None
    assert abs(result.state.clock - NOON - timedelta(days=3)) < timedelta(minutes=1)


@EVERY_MODEL
def test_a_meter_without_power_is_silent(name: str) -> None:
    bench = a_bench(name)
    bench.far.meter.core.set_power(False)

    result = bench.carry_out(ReadOrder())

    assert (result.ending, result.reason) == (Ending.SILENT, "no_answer")


@MONEY_MODELS
def test_under_a_hold_a_recharge_does_not_light_up_a_meter_that_lacked_money(name: str) -> None:
    bench = a_bench(name, balance_minor=0)
    assert not bench.far.meter.core.contact_closed

    held = RechargeOrder(amount_minor=10_000, purchase_no=1, customer_no=CUSTOMER_NO, close=False)
    result = bench.carry_out(held)

    assert (result.ending, result.credited, result.reason) == (Ending.DONE, True, "relay_open")
    assert bench.far.meter.core.relay is Relay.OPEN
    assert bench.far.meter.core.records.counts[MeterEvent.CLOSE] == 0


@EVERY_MODEL
def test_every_counter_of_a_model_is_there_to_be_read(name: str) -> None:
    bench = a_bench(name)
    bench.far.meter.core.set_cover(True)

    counts = bench.carry_out(ReadOrder()).state.counts

    assert set(counts) == {event.value for event in MODELS[name].events}
    assert counts["cover"] == 1


@EVERY_MODEL
def test_every_limit_of_a_model_is_written_and_reads_back(name: str) -> None:
    bench = a_bench(name)

    limits = Limits(alarm_1_minor=5_000, alarm_2_minor=2_000, power_w_max=4_400)
    result = bench.carry_out(LimitsOrder(limits=limits))

    assert result.ending is Ending.DONE
    assert bench.far.meter.core.limits.power_w_max == 4_400
    holds_money = MODELS[name].credit_authority is CreditAuthority.METER
    assert (bench.far.meter.core.limits.alarm_1_minor == 5_000) is holds_money


@MONEY_MODELS
def test_kept_power_lights_up_a_meter_without_money_until_it_is_released(name: str) -> None:
    bench = a_bench(name, balance_minor=0)

    kept = bench.carry_out(replace(a_switch(Relay.CLOSED), kept=True))
    lit = bench.far.meter.core.relay
    released = bench.carry_out(a_switch(Relay.CLOSED))

    assert (kept.ending, lit) == (Ending.DONE, Relay.CLOSED)
    assert (released.ending, released.reason) == (Ending.DONE, "released")
    assert bench.far.meter.core.relay is Relay.OPEN
