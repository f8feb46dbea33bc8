"""What can be written into a virtual meter (14H): one table from data identifiers to what they change.

The running price set is not in it: prices change by the spare set and the switch time (DL/T 645-2007 5.2.9).
A writer raises `ProtocolError` for bytes that are no value of its register, and returns False for a value
that the meter will not have.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from compuerta.virtual.meter.clock import DAY_MS, ms_from_civil
from compuerta.virtual.meter.core import MeterCore
from compuerta.virtual.meter.purse import FlatTariff
from compuerta.virtual.meter.registers import RATES
from compuerta.virtual.meter.setup import Limits
from compuerta.wire.dlt645.fields import bcd_from, binary_from, exact, moment_from, take

Writer = Callable[[MeterCore, bytes], bool]

DI_REFUND: Final = 0x04001006


def writer_of(di: int) -> Writer | None:
    """Return what writes this identifier; None = the meter has none that could be written."""
    return _WRITERS.get(di)


def refund(core: MeterCore, value: bytes) -> bool:
    """Take money back out of the meter (04001006, sealed): amount and the next purchase number."""
    amount, count = (binary_from(part) for part in take(value, 4, 4))
    balance_minor = core.balance_minor
    if balance_minor is None or amount > balance_minor or count != core.purchase_no + 1:
        return False
    core.refund(amount_minor=amount, purchase_no=count)
    return True


def _limit(changed: Callable[[Limits, int], Limits], *, length: int) -> Writer:
    def write(core: MeterCore, value: bytes) -> bool:
        core.set_limits(changed(core.limits, bcd_from(exact(value, length=length))))
        return True

    return write


def _date(core: MeterCore, value: bytes) -> bool:
    day_ms = ms_from_civil(moment_from(value, order="WDMY"))
    core.set_clock(day_ms + core.civil_ms % DAY_MS)
    return True


def _time_of_day(core: MeterCore, value: bytes) -> bool:
    second, minute, hour = (bcd_from(part) for part in take(value, 1, 1, 1))
    if second > 59 or minute > 59 or hour > 23:
        return False
    core.set_clock(core.civil_ms // DAY_MS * DAY_MS + ((hour * 60 + minute) * 60 + second) * 1_000)
    return True


def _date_and_time(core: MeterCore, value: bytes) -> bool:
    core.set_clock(ms_from_civil(moment_from(value, order="smhWDMY")))
    return True


def _tariff_switch(core: MeterCore, value: bytes) -> bool:
    switch_ms = ms_from_civil(moment_from(value, order="mhDMY"))
    if switch_ms <= core.civil_ms:
        return False
    core.tariff_switch_civil_ms = switch_ms
    return True


def _spare_prices(core: MeterCore, value: bytes) -> bool:
    prices_e4 = {bcd_from(part) for part in take(value, *[4] * RATES)}
    if len(prices_e4) != 1:  # these meters have one price for all hours
        return False
    core.tariff_spare = FlatTariff(price_e4=prices_e4.pop())
    return True


def _run_feature_word(core: MeterCore, value: bytes) -> bool:
    core.run_feature_word = exact(value, length=1)[0]
    return True


_WRITERS: Final[dict[int, Writer]] = {
    0x04000101: _date,
    0x04000102: _time_of_day,
    0x0400010C: _date_and_time,
    0x04000108: _tariff_switch,
    0x04001001: _limit(lambda limits, value: replace(limits, alarm_1_minor=value), length=4),
    0x04001002: _limit(lambda limits, value: replace(limits, alarm_2_minor=value), length=4),
    0x04001003: _limit(lambda limits, value: replace(limits, overdraft_minor=value), length=4),
    0x04001004: _limit(lambda limits, value: replace(limits, hoarding_minor=value), length=4),
    0x04001005: _limit(lambda limits, value: replace(limits, permit_minor=value), length=4),
    0x04001101: _run_feature_word,
    0x04001401: _limit(lambda limits, value: replace(limits, trip_delay_min=value), length=2),
    0x04001402: _limit(lambda limits, value: replace(limits, protected_current_ma=value), length=3),
    0x04001403: _limit(lambda limits, value: replace(limits, protection_min=value), length=2),
    0x040502FF: _spare_prices,
    0x04090B01: _limit(lambda limits, value: replace(limits, power_w_max=value // 10), length=3),
    0x04090B02: _limit(lambda limits, value: replace(limits, overload_min=value), length=1),
}
