"""Credit comes back out of a virtual meter: through real bytes, once, in both layouts, whatever is lost."""

from dataclasses import replace
from random import Random

import pytest
from tests.scenario.meter_bench import CUSTOMER_NO, ESAM, Bench, a_bench, a_vendor_bench
from tests.unit.services.town import MODELS, STANDARD, VENDOR

from compuerta.drivers import dlt645 as driver
from compuerta.drivers.abilities import Ending, Order, RechargeOrder, Result, WithdrawalOrder
from compuerta.drivers.model import Model, Quirk
from compuerta.wire import dlt645

WITHOUT_LISTS = replace(VENDOR, quirks=frozenset({Quirk.PURCHASE_RECORD_MISSING}))


def a_withdrawal(*, amount_minor: int = 2_000, purchase_no: int = 2) -> WithdrawalOrder:
    return WithdrawalOrder(amount_minor=amount_minor, purchase_no=purchase_no, customer_no=CUSTOMER_NO)


def a_recharge(*, amount_minor: int = 5_000, purchase_no: int = 1) -> RechargeOrder:
    return RechargeOrder(amount_minor=amount_minor, purchase_no=purchase_no, customer_no=CUSTOMER_NO)


def play(
    order: Order, bench: Bench, model: Model, *, repeated: bool = False, lost_answer_to: tuple[type, ...] = ()
) -> Result:
    """Carry an order out; the meter hears all, and its answers to some requests are lost."""
    conversation = driver.converse(
        order,
        model=model,
        meter=driver.MeterIdentity(meter_no=bench.meter.meter_no),
        mac=ESAM,
        chance=Random(1).randbytes,
        repeated=repeated,
    )
    try:
        request = next(conversation)
        for _ in range(40):
            answer = bench.ask(request)
            lost = answer is None or isinstance(request, lost_answer_to)
            request = conversation.send(dlt645.Silent(request=request) if lost else answer)
    except StopIteration as stop:
        result: Result = stop.value
        return result
    raise AssertionError("the conversation does not end")


@pytest.fixture(params=["standard", "vendor"])
def paid(request: pytest.FixtureRequest) -> tuple[Bench, Model]:
    """A meter of each layout with one recharge of 50.00 in it."""
    standard = request.param == "standard"
    bench = a_bench(balance_minor=0) if standard else a_vendor_bench(balance_minor=0)
    model = STANDARD if standard else VENDOR
    assert play(a_recharge(), bench, model).ending is Ending.DONE
    return bench, model


def test_credit_comes_back_once_and_is_counted(paid: tuple[Bench, Model]) -> None:
    bench, model = paid

    result = play(a_withdrawal(), bench, model)

    assert (result.ending, result.credited, result.state.balance_minor) == (Ending.DONE, True, 3_000)
    assert bench.meter.core.purchase_no == 2


def test_a_withdrawal_whose_answer_was_lost_is_found_done_and_not_sent_again(
    paid: tuple[Bench, Model],
) -> None:
    bench, model = paid
    lost = (dlt645.WriteRegister, dlt645.VendorRefund)
    assert play(a_withdrawal(), bench, model, lost_answer_to=lost).ending is Ending.SILENT

    result = play(a_withdrawal(), bench, model, repeated=True)

    assert (result.ending, result.credited) == (Ending.DONE, True)
    assert bench.meter.core.balance_minor == 3_000


def test_credit_that_is_used_is_not_asked_for(paid: tuple[Bench, Model]) -> None:
    bench, model = paid

    result = play(a_withdrawal(amount_minor=5_001), bench, model)

    assert (result.ending, result.reason, result.credited) == (Ending.REFUSED, "credit_used", False)
    assert result.state.purchase_no == 1, "the number was not used, and can be given out again"
    assert bench.meter.core.balance_minor == 5_000


def test_the_next_recharge_follows_a_withdrawal(paid: tuple[Bench, Model]) -> None:
    bench, model = paid
    play(a_withdrawal(), bench, model)

    result = play(a_recharge(amount_minor=700, purchase_no=3), bench, model)

    assert (result.ending, result.credited) == (Ending.DONE, True)
    assert bench.meter.core.balance_minor == 3_700


def test_withdrawals_follow_each_other(paid: tuple[Bench, Model]) -> None:
    bench, model = paid
    play(a_withdrawal(), bench, model)

    result = play(a_withdrawal(amount_minor=1_000, purchase_no=3), bench, model)

    assert (result.ending, bench.meter.core.balance_minor) == (Ending.DONE, 2_000)


@pytest.mark.parametrize(("number", "reason"), [(1, "purchase_number_ahead"), (3, "purchase_number_behind")])
def test_a_gap_takes_nothing(paid: tuple[Bench, Model], number: int, reason: str) -> None:
    bench, model = paid

    result = play(a_withdrawal(purchase_no=number), bench, model)

    standard_finds_it_done = model is STANDARD and number == 1
    if standard_finds_it_done:
        assert result.credited, "the standard's count alone cannot tell whose number 1 was"
    else:
        assert (result.ending, result.reason) == (Ending.REFUSED, reason)
    assert bench.meter.core.balance_minor == 5_000


def test_a_meter_without_lists_proves_a_withdrawal_by_its_balance_and_never_twice() -> None:
    bench = a_vendor_bench(balance_minor=5_000)

    first = play(a_withdrawal(), bench, WITHOUT_LISTS)
    again = play(a_withdrawal(), bench, WITHOUT_LISTS, repeated=True)

    assert (first.ending, first.credited) == (Ending.DONE, True)
    assert (again.ending, again.reason) == (Ending.REFUSED, "not_provable")
    assert bench.meter.core.balance_minor == 3_000


def test_a_meter_that_keeps_no_money_gives_none_back() -> None:
    result = play(a_withdrawal(), a_bench(), MODELS["dlt645-remote-rs485"])

    assert (result.ending, result.reason) == (Ending.REFUSED, "model_keeps_no_money")


def test_another_customers_meter_is_not_touched() -> None:
    bench = a_bench()
    order = replace(a_withdrawal(purchase_no=1), customer_no="999999999999")

    result = play(order, bench, STANDARD)

    assert (result.ending, result.reason) == (Ending.REFUSED, "customer_number_differs")
    assert bench.meter.core.balance_minor == 5_000


@pytest.mark.parametrize("looks_before", [0, 1])
def test_a_meter_that_does_not_tell_its_count_is_asked_again_and_keeps_its_number(looks_before: int) -> None:
    bench = a_bench(balance_minor=0)
    play(a_recharge(), bench, STANDARD)
    conversation = driver.converse(
        a_withdrawal(),
        model=STANDARD,
        meter=driver.MeterIdentity(meter_no=bench.meter.meter_no),
        mac=ESAM,
        chance=Random(1).randbytes,
    )
    looks, request = 0, next(conversation)
    with pytest.raises(StopIteration) as stop:
        while True:
            answer: dlt645.Answer | None = bench.ask(request)
            if isinstance(request, dlt645.StatusQuery):
                looks += 1
                answer = dlt645.SecurityErrorAnswer(raw=b"\x02") if looks > looks_before else answer
            assert answer is not None
            request = conversation.send(answer)

    again = play(a_withdrawal(), bench, STANDARD, repeated=True)

    result: Result = stop.value.value
    assert (result.ending, result.credited) == (Ending.BUSY, False)
    assert (again.ending, again.state.purchase_no) == (Ending.DONE, 2)
    assert bench.meter.core.purchase_no == 2
