"""The rules that public firmware keeps, one test each, through real frames on a virtual meter."""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from random import Random

import pytest

from compuerta.domain.party import CreditAuthority
from compuerta.drivers.abilities import Relay
from compuerta.drivers.mac import SoftEsam, customer_payload, purchase_payload
from compuerta.drivers.model import RechargeLayout
from compuerta.virtual.meter import ConstantLoad, Limits, MeterSetup, VirtualMeter
from compuerta.virtual.meter.clock import DAY_MS, civil_from_ms, ms_from_civil
from compuerta.wire.dlt645 import (
    BROADCAST,
    WILDCARD,
    Acknowledged,
    AddressAnswer,
    Answer,
    Authenticate,
    AuthenticateAnswer,
    BroadcastTime,
    ChangeBaud,
    ChangePassword,
    ClearEvents,
    ClearMeter,
    Deframer,
    EndIdentity,
    EndIdentityAnswer,
    ErrBit,
    ErrorAnswer,
    FollowUpAnswer,
    Freeze,
    OpenAccount,
    ReadAddress,
    ReadFollowUp,
    ReadRegister,
    Recharge,
    RechargeAnswer,
    RegisterAnswer,
    RelayAnswer,
    RelayBit,
    RelayCommand,
    RelayControl,
    RelayControlEncrypted,
    RelayErrorAnswer,
    RelayErrorBit,
    Request,
    SecurityAnswer,
    SecurityErrorAnswer,
    SerrBit,
    SetIdentityValidity,
    StatusAnswer,
    StatusQuery,
    VendorRecharge,
    VendorRefund,
    WriteAddress,
    WriteRegister,
    diversification,
    encode,
    parse_answer,
    security_error,
)
from compuerta.wire.dlt645.fields import bcd_from, bcd_to, moment_to

METER_NO = "558890213594"
VENDOR_NO = "260305510012"
CUSTOMER_NO = "000000123456"
OPERATOR = b"\x44\x33\x22\x11"
NOON = datetime(2026, 11, 22, 12, 0, 0)  # noqa: DTZ001 a meter's clock
MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
ESAM = SoftEsam(b"a key for the tests of the meter")


@dataclass(slots=True)
class Bench:
    """A meter on the bench, and a world clock that the test moves."""

    meter: VirtualMeter
    now_ms: int = 0
    rand2: bytes = field(default=bytes(4))

    def ask(self, request: Request, *, address: str | None = None) -> Answer | None:
        sent = encode(request.to_frame(address or self.meter.meter_no))
        heard = self.meter.receive(sent, now_ms=self.now_ms)
        frames = Deframer().receive(heard, now_ms=self.now_ms)
        assert len(frames) <= 1
        assert all(frame.address == self.meter.meter_no for frame in frames)
        return parse_answer(frames[0]) if frames else None

    def wait(self, *, span_ms: int) -> None:
        self.now_ms += span_ms
        self.meter.advance(to_ms=self.now_ms)

    def read(self, di: int) -> bytes:
        answer = self.ask(ReadRegister(di=di))
        assert isinstance(answer, RegisterAnswer), answer
        return answer.payload

    def identify(self) -> None:
        rand1 = bytes(range(8))
        answer = self.ask(
            Authenticate(
                operator=OPERATOR,
                cipher1=ESAM.identity(self.meter.meter_no, rand1=rand1),
                rand1=rand1,
                diversification=diversification(self.meter.meter_no),
            )
        )
        assert isinstance(answer, AuthenticateAnswer)
        self.rand2 = answer.rand2

    def mac(self, payload: bytes) -> bytes:
        return ESAM.mac(self.meter.meter_no, rand2=self.rand2, payload=payload)

    def a_recharge(
        self, *, amount_minor: int = 10_000, purchase_no: int = 1, customer_no: str = CUSTOMER_NO
    ) -> Recharge:
        purchase = purchase_payload(amount_minor=amount_minor, purchase_no=purchase_no)
        return Recharge(
            operator=OPERATOR,
            amount_minor=amount_minor,
            purchase_no=purchase_no,
            mac1=self.mac(purchase),
            customer_no=customer_no,
            mac2=self.mac(customer_payload(customer_no)),
        )

    def switch(self, command: RelayCommand, *, valid_min: int = 10, **changes: object) -> Answer | None:
        clock = civil_from_ms(self.meter.core.civil_ms).replace(microsecond=0)
        order = RelayControl(
            command=command,
            password_level=0x02,
            password="000000",
            operator=OPERATOR,
            valid_until=clock + timedelta(minutes=valid_min),
        )
        return self.ask(replace(order, **changes))

    def write(self, di: int, value: bytes, *, password: str = "000000") -> Answer | None:
        return self.ask(
            WriteRegister(di=di, password_level=0x02, password=password, operator=OPERATOR, value=value)
        )

    def word_3(self) -> int:
        return int.from_bytes(self.read(0x04000503), "little")


def a_bench(*, balance_minor: int = 5_000, power_w: int = 1_000, **changes: object) -> Bench:
    setup = MeterSetup(
        meter_no=METER_NO,
        customer_no=CUSTOMER_NO,
        balance_minor=balance_minor,
        load=ConstantLoad(power_w=power_w),
        civil_offset_ms=ms_from_civil(NOON),
    )
    return Bench(VirtualMeter(replace(setup, **changes), now_ms=0, esam=ESAM, chance=Random(1)))


def a_vendor_bench(**changes: object) -> Bench:
    return a_bench(meter_no=VENDOR_NO, layout=RechargeLayout.VENDOR, **changes)


def refused(*bits: SerrBit) -> SecurityErrorAnswer:
    return security_error(*bits)


def err(function: int, bit: ErrBit) -> ErrorAnswer:
    return ErrorAnswer(function=function, err=frozenset({bit}))


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


# Relay, 1.5.


def test_a_trip_opens_and_word_three_says_so() -> None:
    bench = a_bench()

    assert bench.switch(RelayCommand.TRIP) == RelayAnswer()

    assert bench.word_3() & 0b0101_0000 == 0b0101_0000
    assert bench.read(0x02030000) == bytes(3)
    assert bench.read(0x1D000001) == bcd_to(1, length=3)
    assert bench.read(0x1D00FF01)[:10] == moment_to(NOON, order="smhDMY") + OPERATOR


def test_an_order_whose_validity_is_over_is_refused() -> None:
    bench = a_bench()

    assert bench.switch(RelayCommand.TRIP, valid_min=-1) == err(0x1C, ErrBit.OTHER)
    assert bench.meter.core.relay is Relay.CLOSED


def test_a_close_permitted_waits_for_the_button() -> None:
    bench = a_bench()
    bench.switch(RelayCommand.TRIP)

    bench.switch(RelayCommand.PERMIT)
    assert bench.word_3() & 0b0101_0000 == 0b0001_0000
    bench.meter.core.press_button()

    assert bench.word_3() & 0b0101_0000 == 0


@pytest.mark.parametrize("command", [RelayCommand.CLOSE, RelayCommand.PERMIT])
def test_closing_is_refused_while_the_overdraft_is_exhausted(command: RelayCommand) -> None:
    bench = a_bench(balance_minor=0)

    assert bench.switch(command) == err(0x1C, ErrBit.OTHER)
    assert bench.meter.core.relay is Relay.OPEN


def test_under_power_keeping_every_trip_is_refused_until_it_is_released() -> None:
    bench = a_bench()
    assert bench.switch(RelayCommand.KEEP_POWER) == RelayAnswer()
    assert bench.word_3() & 1 << 12

    assert bench.switch(RelayCommand.TRIP) == err(0x1C, ErrBit.OTHER)
    bench.switch(RelayCommand.RELEASE_POWER)

    assert bench.switch(RelayCommand.TRIP) == RelayAnswer()
    assert bench.meter.core.relay is Relay.OPEN


def test_an_alarm_order_does_not_trip() -> None:
    bench = a_bench()

    assert bench.switch(RelayCommand.ALARM) == RelayAnswer()
    assert bench.meter.core.alarm_ordered
    bench.switch(RelayCommand.ALARM_OFF)

    assert not bench.meter.core.alarm_ordered
    assert bench.meter.core.relay is Relay.CLOSED


@pytest.mark.parametrize(
    ("command", "relay"),
    [(RelayCommand.TRIP_RESTORE_D, Relay.CLOSED), (RelayCommand.TRIP_RESTORE_E, Relay.PERMITTED)],
)
def test_a_trip_with_automatic_restore_ends_by_itself(command: RelayCommand, relay: Relay) -> None:
    bench = a_bench()

    bench.switch(command, auto_restore=2)
    bench.wait(span_ms=10 * MINUTE_MS - 1)
    assert bench.meter.core.relay is Relay.OPEN
    bench.wait(span_ms=1)

    assert bench.meter.core.relay is relay


def test_a_wrong_password_is_refused_and_three_lock_the_day() -> None:
    bench = a_bench(power_w=0)
    wrong = err(0x1C, ErrBit.NOT_AUTHORISED)

    assert [bench.switch(RelayCommand.TRIP, password="123456") for _ in range(3)] == [wrong] * 3
    assert bench.switch(RelayCommand.TRIP) == wrong
    assert bench.write(0x04001001, bytes(4)) == err(0x14, ErrBit.NOT_AUTHORISED)
    bench.wait(span_ms=12 * HOUR_MS)

    assert bench.switch(RelayCommand.TRIP) == RelayAnswer()


def test_a_level_that_may_not_switch_is_refused() -> None:
    bench = a_bench(relay_levels=frozenset({0x02}))

    assert bench.switch(RelayCommand.TRIP, password_level=0x04) == err(0x1C, ErrBit.NOT_AUTHORISED)


def a_sealed_trip(bench: Bench, *, extended_answer: bool) -> RelayControlEncrypted:
    until = moment_to(NOON + timedelta(minutes=10), order="smhDMY")
    ciphertext = bytes((RelayCommand.TRIP, 0)) + until + bytes(8)
    return RelayControlEncrypted(
        operator=OPERATOR, ciphertext=ciphertext, mac=bench.mac(ciphertext), extended_answer=extended_answer
    )


def test_a_sealed_trip_needs_an_identity_and_says_more_if_asked() -> None:
    bench = a_bench()
    without = bench.ask(a_sealed_trip(bench, extended_answer=True))
    assert without == RelayErrorAnswer(err=frozenset({RelayErrorBit.IDENTITY_EXPIRED}))
    assert bench.ask(a_sealed_trip(bench, extended_answer=False)) == err(0x1C, ErrBit.NOT_AUTHORISED)
    bench.identify()

    answer = bench.ask(a_sealed_trip(bench, extended_answer=True))

    assert answer == RelayAnswer(extended=frozenset({RelayBit.TRIPPED}))
    assert bench.meter.core.relay is Relay.OPEN


def test_a_forged_sealed_trip_is_refused() -> None:
    bench = a_bench()
    bench.identify()
    forged = replace(a_sealed_trip(bench, extended_answer=True), mac=bytes(4))

    assert bench.ask(forged) == RelayErrorAnswer(err=frozenset({RelayErrorBit.MAC_WRONG}))
    assert bench.meter.core.relay is Relay.CLOSED


# Addresses and broadcasts, 1.1.


def test_other_meters_frames_are_not_heard() -> None:
    assert a_bench().ask(ReadRegister(di=0x00010000), address="111111111111") is None


def test_a_wildcard_reads_and_the_answer_carries_the_full_address() -> None:
    bench = a_bench(energy_wh=2_260)

    assert bench.ask(ReadAddress(), address=WILDCARD) == AddressAnswer(meter_no=METER_NO)
    answer = bench.ask(ReadRegister(di=0x00010000), address="AAAAAAAA3594")
    assert answer == RegisterAnswer(di=0x00010000, payload=bcd_to(226, length=4))


def test_a_wildcard_never_writes_switches_or_recharges() -> None:
    bench = a_bench()
    bench.identify()
    order = RelayControl(
        command=RelayCommand.TRIP, password_level=2, password="000000", valid_until=NOON + timedelta(days=1)
    )
    write = WriteRegister(di=0x04001001, password_level=2, password="000000", value=bytes(4))

    assert bench.ask(order, address=WILDCARD) == err(0x1C, ErrBit.OTHER)
    assert bench.ask(write, address="AAAAAAAA3594") == err(0x14, ErrBit.OTHER)
    assert bench.ask(ChangeBaud(baud=9600), address=WILDCARD) == err(0x17, ErrBit.OTHER)
    assert bench.ask(bench.a_recharge(), address=WILDCARD) == refused(SerrBit.OTHER)
    assert isinstance(bench.ask(StatusQuery(operator=OPERATOR), address=WILDCARD), StatusAnswer)

    assert bench.meter.core.relay is Relay.CLOSED
    assert bench.meter.core.balance_minor == 5_000


@pytest.mark.parametrize("address", [BROADCAST])
def test_a_broadcast_is_obeyed_and_never_answered(address: str) -> None:
    bench = a_bench()

    assert bench.ask(Freeze(), address=address) is None
    assert bench.ask(ReadRegister(di=0x00010000), address=address) is None

    assert bench.read(0x05010001) == moment_to(NOON, order="mhDMY")


@pytest.mark.parametrize(("error_s", "corrected"), [(300, True), (-300, True), (301, False), (-3_600, False)])
def test_broadcast_time_corrects_only_small_errors(error_s: int, corrected: bool) -> None:
    bench = a_bench()
    wanted = NOON + timedelta(seconds=error_s)

    assert bench.ask(BroadcastTime(at=wanted), address=BROADCAST) is None

    assert bench.read(0x04000102) == moment_to(wanted if corrected else NOON, order="smh")


def test_broadcast_time_corrects_once_a_day_and_never_near_midnight() -> None:
    bench = a_bench(power_w=0)
    bench.ask(BroadcastTime(at=NOON + timedelta(seconds=60)), address=BROADCAST)
    bench.ask(BroadcastTime(at=NOON), address=BROADCAST)
    assert bench.read(0x04000102) == moment_to(NOON + timedelta(seconds=60), order="smh")

    bench.wait(span_ms=12 * HOUR_MS)  # 00:01 of the next day
    bench.ask(BroadcastTime(at=NOON + timedelta(hours=12)), address=BROADCAST)

    assert bench.read(0x04000102) == bytes((0x00, 0x01, 0x00))


def test_an_address_is_written_only_with_the_programming_key() -> None:
    bench = a_bench()
    assert bench.ask(WriteAddress(meter_no="000000000007"), address=WILDCARD) is None

    bench.meter.core.programming_key = True
    answer = bench.ask(WriteAddress(meter_no="000000000007"), address=WILDCARD)

    assert answer == Acknowledged(function=0x15)
    assert bench.meter.meter_no == "000000000007"
    assert bench.ask(ReadRegister(di=0x04000401)) is not None


# Reads, writes, the clock.


def test_an_unknown_register_is_refused() -> None:
    assert a_bench().ask(ReadRegister(di=0x0BADBEEF)) == err(0x11, ErrBit.NO_SUCH_REGISTER)


def test_a_long_block_comes_in_parts_and_a_part_can_be_asked_again() -> None:
    bench = a_bench(energy_wh=12_340)

    first = bench.ask(ReadRegister(di=0x0001FFFF))
    second = bench.ask(ReadFollowUp(di=0x0001FFFF, sequence=1))

    assert isinstance(first, RegisterAnswer) and first.more
    assert isinstance(second, FollowUpAnswer) and not second.more
    assert len(first.payload + second.payload) == 13 * 5 * 4
    assert first.payload[:4] == bcd_to(1_234, length=4)
    assert bench.ask(ReadFollowUp(di=0x0001FFFF, sequence=1)) == second
    assert bench.ask(ReadFollowUp(di=0x0001FFFF, sequence=2)) == err(0x12, ErrBit.NO_SUCH_REGISTER)


def test_alarm_amounts_are_written_and_move_the_alarm() -> None:
    bench = a_bench(balance_minor=5_000)
    assert not bench.word_3() & 1 << 7

    assert bench.write(0x04001001, bcd_to(5_000, length=4)) == Acknowledged(function=0x14)

    assert bench.read(0x04001001) == bcd_to(5_000, length=4)
    assert bench.word_3() & 1 << 7


def test_a_value_that_is_no_number_is_refused() -> None:
    assert a_bench().write(0x04001001, b"\xff\xff\xff\xff") == err(0x14, ErrBit.OTHER)


def test_prices_change_by_the_spare_set_at_the_switch_time_and_never_directly() -> None:
    bench = a_bench(balance_minor=100_000, power_w=1_000)
    new_price = bcd_to(8_000, length=4)
    assert bench.write(0x040501FF, new_price * 4) == err(0x14, ErrBit.OTHER)

    bench.write(0x040502FF, new_price * 4)
    bench.write(0x04000108, moment_to(NOON + timedelta(hours=1), order="mhDMY"))
    bench.wait(span_ms=3 * HOUR_MS)

    assert bench.read(0x04050101) == new_price
    assert bench.meter.core.balance_minor == 100_000 - 50 - 2 * 80


def test_the_clock_is_set_in_one_piece_or_two() -> None:
    bench = a_bench()
    at = datetime(2027, 1, 2, 3, 4, 5)  # noqa: DTZ001 a meter's clock

    assert bench.write(0x0400010C, moment_to(at, order="smhWDMY")) == Acknowledged(function=0x14)
    assert bench.read(0x0400010C) == moment_to(at, order="smhWDMY")
    bench.write(0x04000101, moment_to(NOON, order="WDMY"))
    bench.write(0x04000102, moment_to(NOON, order="smh"))

    assert bench.read(0x0400010C) == moment_to(NOON, order="smhWDMY")


def test_a_changed_password_is_the_only_one_from_then_on() -> None:
    bench = a_bench()
    change = ChangePassword(
        di=0x04000C03, old_level=0x02, old_password="000000", new_level=0x02, new_password="654321"
    )

    bench.ask(change)

    assert bench.write(0x04001001, bytes(4)) == err(0x14, ErrBit.NOT_AUTHORISED)
    assert bench.write(0x04001001, bytes(4), password="654321") == Acknowledged(function=0x14)


def test_a_sealed_refund_takes_money_out_once_and_records_it() -> None:
    bench = a_bench(balance_minor=5_000)
    bench.identify()
    value = purchase_payload(amount_minor=2_000, purchase_no=1)
    refund = WriteRegister(
        di=0x04001006, password_level=0x98, password="000000", value=value + bench.mac(value)
    )

    first, second = bench.ask(refund), bench.ask(refund)

    assert (first, second) == (Acknowledged(function=0x14), err(0x14, ErrBit.OTHER))
    assert bench.meter.core.balance_minor == 3_000
    assert bench.read(0x03340301) == bcd_to(2_000, length=4)


def test_clearing_the_meter_needs_the_password_and_leaves_the_money() -> None:
    bench = a_bench(energy_wh=9_990)
    wrong = ClearMeter(password_level=2, password="123456")
    assert bench.ask(wrong) == err(0x1A, ErrBit.NOT_AUTHORISED)

    assert bench.ask(ClearMeter(password_level=2, password="000000")) == Acknowledged(function=0x1A)

    assert bench.read(0x00010000) == bytes(4)
    assert bcd_from(bench.read(0x00900200)) == 5_000


def test_an_open_cover_shows_in_word_seven_and_stays_in_the_events() -> None:
    bench = a_bench()
    bench.meter.core.set_cover(True)
    assert bench.read(0x04000507) == b"\x00\x02"

    bench.meter.core.set_cover(False)

    assert bench.read(0x04000507) == bytes(2)
    assert bcd_from(bench.read(0x03300D00)) == 1
    assert len(bench.read(0x03300D01)) == 60
    bench.ask(ClearEvents(password_level=2, password="000000"))
    assert bcd_from(bench.read(0x03300D00)) == 0


def test_the_daily_freeze_is_read_with_its_energy() -> None:
    bench = a_bench(balance_minor=100_000)
    bench.wait(span_ms=DAY_MS)

    assert bench.read(0x05060001) == moment_to(NOON + timedelta(hours=12), order="mhDMY")
    assert bench.read(0x05060101)[:4] == bcd_to(1_200, length=4)
    assert bench.ask(ReadRegister(di=0x05060002)) == err(0x11, ErrBit.NO_SUCH_REGISTER)


def test_a_meter_without_power_is_silent_and_remembers() -> None:
    bench = a_bench()
    bench.meter.core.set_power(False)
    assert bench.ask(ReadRegister(di=0x00900200)) is None

    bench.wait(span_ms=HOUR_MS)
    bench.meter.core.set_power(True)

    assert bcd_from(bench.read(0x00900200)) == 5_000


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
