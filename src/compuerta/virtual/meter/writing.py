"""What can be written into a virtual meter (14H): one table from data identifiers to what they change.

Running prices and steps are not in it: they change by the spare set and the switch time, 5.2.9.
A writer raises `ProtocolError` for bytes that are no value of its register, and `TablesRefused` for tables
that the meter will not have.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from compuerta.virtual.meter import tariff_registers
from compuerta.virtual.meter.clock import DAY_MS, ms_from_civil
from compuerta.virtual.meter.core import MeterCore
from compuerta.virtual.meter.setup import Limits
from compuerta.wire.dlt645.fields import ProtocolError, bcd_from, binary_from, exact, moment_from, take

Writer = Callable[[MeterCore, int, bytes], None]

DI_REFUND: Final = 0x04001006


def writer_of(di: int) -> Writer | None:
    """Return what writes this identifier; None = the meter has none that could be written."""
    for mask, wanted, writer in _WRITERS:
        if di & mask == wanted:
            return writer
    return None


def refund(core: MeterCore, di: int, value: bytes) -> None:
    """Take money back out of the meter (04001006, sealed): amount and the next purchase number."""
    amount, count = (binary_from(part) for part in take(value, 4, 4))
    balance_minor = core.balance_minor
    if balance_minor is None or amount > balance_minor or count != core.purchase_no + 1:
        raise ProtocolError("no such refund", octets=value)
    core.refund(amount_minor=amount, purchase_no=count)


def _limit(changed: Callable[[Limits, int], Limits], *, length: int) -> Writer:
    def write(core: MeterCore, di: int, value: bytes) -> None:
        core.set_limits(changed(core.limits, bcd_from(exact(value, length=length))))

    return write


def _date(core: MeterCore, di: int, value: bytes) -> None:
    day_ms = ms_from_civil(moment_from(value, order="WDMY"))
    core.set_clock(day_ms + core.civil_ms % DAY_MS)


def _time_of_day(core: MeterCore, di: int, value: bytes) -> None:
    second, minute, hour = (bcd_from(part) for part in take(value, 1, 1, 1))
    if second > 59 or minute > 59 or hour > 23:
        raise ProtocolError("no such time of day", octets=value)
    core.set_clock(core.civil_ms // DAY_MS * DAY_MS + ((hour * 60 + minute) * 60 + second) * 1_000)


def _date_and_time(core: MeterCore, di: int, value: bytes) -> None:
    core.set_clock(ms_from_civil(moment_from(value, order="smhWDMY")))


def _run_feature_word(core: MeterCore, di: int, value: bytes) -> None:
    core.run_feature_word = exact(value, length=1)[0]


_WRITERS: Final[tuple[tuple[int, int, Writer], ...]] = (
    # mask, identifier under the mask, writer: the first that fits obeys
    (0xFFFFFFFF, 0x04000101, _date),
    (0xFFFFFFFF, 0x04000102, _time_of_day),
    (0xFFFFFFFF, 0x0400010C, _date_and_time),
    (0xFFFFFFFE, 0x04000106, tariff_registers.write_switch),
    (0xFFFFFFFE, 0x04000108, tariff_registers.write_switch),
    (0xFFFFFFF8, 0x04000200, tariff_registers.write_count),
    (0xFFFFFFFF, 0x04000801, tariff_registers.write_rest_days),
    (0xFFFFFFFF, 0x04000802, tariff_registers.write_rest_days),
    (0xFFFFFFFF, 0x04001001, _limit(lambda limits, value: replace(limits, alarm_1_minor=value), length=4)),
    (0xFFFFFFFF, 0x04001002, _limit(lambda limits, value: replace(limits, alarm_2_minor=value), length=4)),
    (0xFFFFFFFF, 0x04001003, _limit(lambda limits, value: replace(limits, overdraft_minor=value), length=4)),
    (0xFFFFFFFF, 0x04001004, _limit(lambda limits, value: replace(limits, hoarding_minor=value), length=4)),
    (0xFFFFFFFF, 0x04001005, _limit(lambda limits, value: replace(limits, permit_minor=value), length=4)),
    (0xFFFFFFFF, 0x04001101, _run_feature_word),
    (0xFFFFFFFF, 0x04001401, _limit(lambda limits, value: replace(limits, trip_delay_min=value), length=2)),
    (
        0xFFFFFFFF,
        0x04001402,
        _limit(lambda limits, value: replace(limits, protected_current_ma=value), length=3),
    ),
    (0xFFFFFFFF, 0x04001403, _limit(lambda limits, value: replace(limits, protection_min=value), length=2)),
    (0xFFFFFFF0, 0x04010000, tariff_registers.write_calendar),
    (0xFFFFFFF0, 0x04020000, tariff_registers.write_calendar),
    (0xFFFFFF00, 0x04030000, tariff_registers.write_holiday),
    (0xFFFFFF00, 0x04050200, tariff_registers.write_prices),
    (0xFFFFFFFF, 0x040605FF, tariff_registers.write_ladder),
    (
        0xFFFFFFFF,
        0x04090801,
        _limit(lambda limits, value: replace(limits, over_current_ma=value * 100), length=2),
    ),
    (
        0xFFFFFFFF,
        0x04090B01,
        _limit(lambda limits, value: replace(limits, power_w_max=value // 10), length=3),
    ),
    (0xFFFFFFFF, 0x04090B02, _limit(lambda limits, value: replace(limits, overload_min=value), length=1)),
)
