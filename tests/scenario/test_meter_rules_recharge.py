"""What public firmware does with money, one rule per test, through real frames."""

from dataclasses import replace

import pytest
from tests.scenario.meter_bench import (
    CUSTOMER_NO,
    ESAM,
    HOUR_MS,
    METER_NO,
    MINUTE_MS,
    NOON,
    OPERATOR,
    VENDOR_NO,
    a_bench,
    a_vendor_bench,
    err,
    refused,
)

from compuerta.domain.party import CreditAuthority
from compuerta.drivers.abilities import Relay
from compuerta.virtual.meter import Limits
from compuerta.wire.dlt645 import (
    Authenticate,
    EndIdentity,
    EndIdentityAnswer,
    ErrBit,
    OpenAccount,
    ReadRegister,
    RechargeAnswer,
    SecurityAnswer,
    SecurityErrorAnswer,
    SerrBit,
    SetIdentityValidity,
    StatusAnswer,
    StatusQuery,
    VendorRecharge,
    VendorRefund,
    diversification,
)
from compuerta.wire.dlt645.fields import bcd_from, bcd_to, moment_to

# Recharge, 1.7.


def test_a_recharge_after_identity_is_credited_and_recorded() -> None:
    bench = a_bench(balance_minor=1_230)
    bench.identify()

    answer = bench.ask(bench.a_recharge(amount_minor=10_000, purchase_no=1))

    assert answer == RechargeAnswer(di=0x070102FF)
    assert bench.read(0x00900200) == bcd_to(11_230, length=4)
    record = bench.read(0x0333FF01)
    assert record == (
        moment_to(NOON, order="mhDMY")
        + bcd_to(1, length=2)
        + bcd_to(10_000, length=4)
        + bcd_to(1_230, length=4)
        + bcd_to(11_230, length=4)
        + bcd_to(10_000, length=4)
    )


def test_without_identity_a_recharge_is_refused_and_nothing_is_credited() -> None:
    bench = a_bench()

    assert bench.ask(bench.a_recharge()) == refused(SerrBit.IDENTITY_INVALID)
    assert bench.meter.core.balance_minor == 5_000


def test_an_identity_ends_after_five_minutes() -> None:
    bench = a_bench(power_w=0)
    bench.identify()
    recharge = bench.a_recharge()
    bench.wait(span_ms=5 * MINUTE_MS)

    assert bench.ask(recharge) == refused(SerrBit.IDENTITY_INVALID)


def test_a_wrong_cryptogram_gives_no_identity() -> None:
    bench = a_bench()
    own = diversification(METER_NO)

    answer = bench.ask(Authenticate(operator=OPERATOR, cipher1=bytes(8), rand1=bytes(8), diversification=own))

    assert answer == refused(SerrBit.IDENTITY_INVALID)
    assert not bench.word_3() & 1 << 13


def test_the_validity_of_an_identity_can_be_set() -> None:
    bench = a_bench(power_w=0)
    bench.identify()
    minutes = SetIdentityValidity(operator=OPERATOR, minutes=30, mac=bench.mac(bcd_to(30, length=2)))

    assert bench.ask(minutes) == SecurityAnswer(di=0x070001FF)
    bench.wait(span_ms=29 * MINUTE_MS)

    assert bench.word_3() & 1 << 13
    assert isinstance(bench.ask(bench.a_recharge()), RechargeAnswer)


def test_an_ended_identity_is_over_and_its_answer_tells_the_state() -> None:
    bench = a_bench()
    bench.identify()

    answer = bench.ask(EndIdentity(operator=OPERATOR))

    assert isinstance(answer, EndIdentityAnswer)
    assert (answer.customer_no, answer.remaining_minor) == (CUSTOMER_NO, 5_000)
    assert bench.ask(bench.a_recharge()) == refused(SerrBit.IDENTITY_INVALID)


def test_another_customers_recharge_is_refused() -> None:
    bench = a_bench()
    bench.identify()

    answer = bench.ask(bench.a_recharge(customer_no="000000999999"))

    assert answer == refused(SerrBit.CUSTOMER_NUMBER)
    assert bench.meter.core.balance_minor == 5_000


def test_a_repeated_recharge_is_refused_as_repeated_and_credits_once() -> None:
    bench = a_bench()
    bench.identify()
    recharge = bench.a_recharge()

    first, second = bench.ask(recharge), bench.ask(recharge)

    assert first == RechargeAnswer(di=0x070102FF)
    assert second == refused(SerrBit.REPEATED_RECHARGE)
    assert bench.meter.core.balance_minor == 15_000


@pytest.mark.parametrize("purchase_no", [0, 6, 9])
def test_a_purchase_number_out_of_turn_is_refused(purchase_no: int) -> None:
    bench = a_bench(purchase_no=7)
    bench.identify()

    assert bench.ask(bench.a_recharge(purchase_no=purchase_no)) == refused(SerrBit.PURCHASE_NUMBER)


def test_a_recharge_beyond_the_hoarding_limit_is_refused_and_one_up_to_it_is_not() -> None:
    bench = a_bench(limits=Limits(hoarding_minor=10_000))
    bench.identify()

    assert bench.ask(bench.a_recharge(amount_minor=5_001)) == refused(SerrBit.HOARDING_LIMIT)
    assert isinstance(bench.ask(bench.a_recharge(amount_minor=5_000)), RechargeAnswer)


def test_an_amount_that_no_register_could_show_is_refused() -> None:
    bench = a_bench(balance_minor=5_000)
    bench.identify()

    assert bench.ask(bench.a_recharge(amount_minor=99_995_000)) == refused(SerrBit.HOARDING_LIMIT)
    assert bench.meter.core.balance_minor == 5_000


@pytest.mark.parametrize("field_name", ["mac1", "mac2"])
def test_a_wrong_mac_is_refused_and_nothing_is_credited(field_name: str) -> None:
    bench = a_bench()
    bench.identify()
    forged = replace(bench.a_recharge(), **{field_name: bytes(4)})

    assert bench.ask(forged) == refused(SerrBit.MAC_WRONG)
    assert bench.meter.core.balance_minor == 5_000
    assert bench.meter.core.purchase_no == 0


def test_every_third_wrong_mac_ends_the_identity() -> None:
    bench = a_bench()
    bench.identify()
    forged = replace(bench.a_recharge(), mac1=bytes(4))

    answers = [bench.ask(forged) for _ in range(4)]

    assert answers == [refused(SerrBit.MAC_WRONG)] * 3 + [refused(SerrBit.IDENTITY_INVALID)]


def test_fifteen_wrong_macs_suspend_the_module_until_the_day_changes() -> None:
    bench = a_bench(power_w=0)
    for _ in range(5):
        bench.identify()
        forged = replace(bench.a_recharge(), mac1=bytes(4))
        answers = [bench.ask(forged) for _ in range(3)]
    assert answers[-1] == refused(SerrBit.SUSPENDED)

    own = diversification(METER_NO)
    right = Authenticate(
        operator=OPERATOR,
        cipher1=ESAM.identity(METER_NO, rand1=bytes(8)),
        rand1=bytes(8),
        diversification=own,
    )
    assert bench.ask(right) == refused(SerrBit.SUSPENDED)
    bench.wait(span_ms=12 * HOUR_MS)
    bench.identify()

    assert isinstance(bench.ask(bench.a_recharge()), RechargeAnswer)


def test_without_an_account_a_recharge_is_refused_and_opening_one_credits() -> None:
    bench = a_bench(customer_no=None, balance_minor=0)
    bench.identify()
    recharge = bench.a_recharge()
    assert bench.word_3() & 0xC000 == 0xC000
    assert bench.ask(recharge) == refused(SerrBit.OTHER)

    opening = OpenAccount(
        operator=OPERATOR,
        amount_minor=recharge.amount_minor,
        purchase_no=1,
        mac1=recharge.mac1,
        customer_no=CUSTOMER_NO,
        mac2=recharge.mac2,
    )

    assert bench.ask(opening) == RechargeAnswer(di=0x070101FF)
    assert bench.meter.core.balance_minor == 10_000
    assert bench.word_3() & 0xC000 == 0


def test_a_recharge_first_pays_the_overdraft() -> None:
    bench = a_bench(balance_minor=0, limits=Limits(overdraft_minor=300))
    bench.wait(span_ms=100 * HOUR_MS)
    assert (bcd_from(bench.read(0x00900200)), bcd_from(bench.read(0x00900201))) == (0, 300)
    bench.identify()

    bench.ask(bench.a_recharge(amount_minor=1_000))

    assert (bcd_from(bench.read(0x00900200)), bcd_from(bench.read(0x00900201))) == (700, 0)


def test_a_status_query_needs_no_identity_and_tells_money_and_count() -> None:
    bench = a_bench(balance_minor=1_230, purchase_no=2)

    answer = bench.ask(StatusQuery(operator=OPERATOR))

    assert isinstance(answer, StatusAnswer)
    assert (answer.remaining_minor, answer.purchase_no, answer.customer_no) == (1_230, 2, CUSTOMER_NO)


def test_a_recharge_after_a_trip_for_money_closes_at_once_or_waits_for_the_button() -> None:
    for run_feature_word, relay in ((1, Relay.CLOSED), (0, Relay.PERMITTED)):
        bench = a_bench(balance_minor=0, run_feature_word=run_feature_word)
        assert bench.word_3() & 0b1101_0000 == 0b1101_0000  # open, told to open, alarm
        bench.identify()
        bench.ask(bench.a_recharge())

        assert bench.meter.core.relay is relay
        assert bool(bench.word_3() & 1 << 4) is (relay is Relay.PERMITTED)
        assert not bench.word_3() & 1 << 6


def test_a_meter_of_the_platform_has_no_money_and_takes_no_recharge() -> None:
    bench = a_bench(credit_authority=CreditAuthority.PLATFORM)
    bench.identify()

    assert bench.ask(ReadRegister(di=0x00900200)) == err(0x11, ErrBit.NO_SUCH_REGISTER)
    assert bench.ask(StatusQuery(operator=OPERATOR)) == refused(SerrBit.OTHER)
    assert bench.ask(bench.a_recharge()) == refused(SerrBit.OTHER)
    assert bench.word_3() & 0x0300 == 0


# The vendor's layout.


def a_vendor_recharge(*, amount_minor: int = 10_000, order_no: str = "1240826202124138") -> VendorRecharge:
    return VendorRecharge(
        operator=OPERATOR,
        amount_minor=amount_minor,
        order_no=order_no,
        mac1=bytes(4),
        meter_no=VENDOR_NO,
        mac2=bytes(4),
    )


def test_a_vendors_order_number_credits_once() -> None:
    bench = a_vendor_bench(balance_minor=0)

    first, second = bench.ask(a_vendor_recharge()), bench.ask(a_vendor_recharge())

    assert first == RechargeAnswer(di=0x070102FF)
    assert second == SecurityErrorAnswer(raw=b"\x01")
    assert bcd_from(bench.read(0x028011FF)[:4]) == 10_000
    assert bcd_from(bench.read(0x03330201)) == 1


def test_a_vendors_recharge_for_another_meter_is_refused() -> None:
    bench = a_vendor_bench(balance_minor=0)

    assert bench.ask(replace(a_vendor_recharge(), meter_no=METER_NO)) == SecurityErrorAnswer(raw=b"\x01")
    assert bench.meter.core.balance_minor == 0


def test_a_vendors_refund_takes_money_out_once_and_never_more_than_there_is() -> None:
    bench = a_vendor_bench(balance_minor=1_500)
    refund = VendorRefund(
        operator=OPERATOR,
        amount_minor=1_000,
        order_no="1240826202124138",
        mac1=bytes(4),
        meter_no=VENDOR_NO,
        mac2=bytes(4),
    )

    assert bench.ask(refund) == RechargeAnswer(di=0x070108FF)
    assert bench.ask(refund) == SecurityErrorAnswer(raw=b"\x01")
    assert bench.ask(replace(refund, order_no="0" * 16)) == SecurityErrorAnswer(raw=b"\x01")

    assert bench.meter.core.balance_minor == 500


def test_a_standard_meter_refuses_the_vendors_recharge() -> None:
    bench = a_bench()

    assert bench.ask(a_vendor_recharge()) == refused(SerrBit.OTHER)
    assert bench.meter.core.balance_minor == 5_000
