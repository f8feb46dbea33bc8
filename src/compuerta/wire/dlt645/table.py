"""The data identifiers: DL/T 645-2007 annex A with the filings of 2009 and 2013, and two vendors' blocks.

A pattern is DI3 DI2 DI1 DI0; the small letters of `VARIABLES` stand for a byte that counts something.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from compuerta.wire.dlt645.layouts import Field, Layout


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """A byte of an identifier that counts: which values it takes, and what each is called."""

    octets: range
    name: Callable[[int], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the table."""

    pattern: str
    name: str
    fields: tuple[Field, ...]
    repeated: Field | None = None


VARIABLES: Final[dict[str, Variable]] = {
    "rr": Variable(octets=range(0x40), name=lambda n: f"rate {n}" if n else "total"),
    "ss": Variable(octets=range(0x0D), name=lambda n: f"at settlement day {n} back" if n else ""),
    "pp": Variable(octets=range(1, 4), name=lambda n: f"phase {'-ABC'[n]}"),
    "qq": Variable(octets=range(4), name=lambda n: f"phase {'-ABC'[n]}" if n else "total"),
    "nn": Variable(octets=range(1, 0x0B), name=lambda n: f"record {n}"),
    "kk": Variable(octets=range(1, 0x3F), name=lambda n: f"{n} back"),
    "hh": Variable(octets=range(1, 0xFF), name=lambda n: f"{n} back"),
    "oo": Variable(octets=range(1, 0xFF), name=str),
    "ii": Variable(octets=range(1, 0x40), name=str),
    "tt": Variable(octets=range(1, 9), name=str),
}


def _bcd(name: str, length: int, *, factor: int = 1, unit: str = "", decimals: int = 0) -> Field:
    return Field(name=name, layout=Layout.BCD, length=length, factor=factor, unit=unit, decimals=decimals)


def _signed(field: Field) -> Field:
    return replace(field, layout=Layout.SIGNED_BCD)


def _named(field: Field, name: str) -> Field:
    return replace(field, name=name)


def _digits(name: str, length: int) -> Field:
    return Field(name=name, layout=Layout.DIGITS, length=length)


def _moment(name: str, order: str) -> Field:
    return Field(name=name, layout=Layout.MOMENT, length=len(order), order=order)


def _raw(name: str = "raw", length: int = 0) -> Field:
    return Field(name=name, layout=Layout.RAW, length=length)


def _row(pattern: str, name: str, *fields: Field, repeated: Field | None = None) -> Row:
    return Row(pattern=pattern, name=name, fields=fields, repeated=repeated)


_ENERGY = _bcd("energy_wh", 4, factor=10, unit="kWh", decimals=2)
_REACTIVE = _bcd("energy_varh", 4, factor=10, unit="kvarh", decimals=2)
_AMOUNT = _bcd("amount_minor", 4, unit="yuan", decimals=2)
_PRICE = _bcd("price_e4", 4, unit="yuan/kWh", decimals=4)
_VOLTAGE = _bcd("voltage_mv", 2, factor=100, unit="V", decimals=1)
_CURRENT = _signed(_bcd("current_ma", 3, unit="A", decimals=3))
_POWER = _signed(_bcd("power_mw", 3, factor=100, unit="kW", decimals=4))
_POWER_VAR = _signed(_bcd("power_mvar", 3, factor=100, unit="kvar", decimals=4))
_POWER_VA = _signed(_bcd("power_mva", 3, factor=100, unit="kVA", decimals=4))
_POWER_FACTOR = _signed(_bcd("power_factor_milli", 2, decimals=3))
_COUNT = _bcd("count", 3)
_MINUTE = _moment("at", "mhDMY")
_START = _moment("start", "smhDMY")
_END = _moment("end", "smhDMY")
_OPERATOR = _raw("operator", 4)


def _block(field: Field, what: str) -> Field:
    """The same field for each of several rates, phases, steps ...: rate_1_energy_wh, rate_2_energy_wh ..."""
    return _named(field, f"{what}_{{n}}_{field.name}")


def _total(field: Field) -> Field:
    return _named(field, f"total_{field.name}")


def _energies() -> list[Row]:
    kinds = (
        ("00", "combined active energy", _signed(_ENERGY)),
        ("01", "forward active energy", _ENERGY),
        ("02", "reverse active energy", _ENERGY),
        ("03", "combined reactive energy 1", _signed(_REACTIVE)),
        ("04", "combined reactive energy 2", _signed(_REACTIVE)),
    )
    rows = []
    for kind, name, field in kinds:
        rows.append(_row(f"00{kind}rrss", name, field))
        rows.append(_row(f"00{kind}FFss", f"{name} block", _total(field), repeated=_block(field, "rate")))
    for kind, period in (("0B", "settlement period"), ("0C", "month"), ("0D", "year")):
        rows.append(_row(f"00{kind}0000", f"energy used in this {period}", _ENERGY))
        rows.append(_row(f"00{kind}0001", f"energy used in the previous {period}", _ENERGY))
    return rows


_MONEY = [
    _row("00900100", "remaining energy", _ENERGY),
    _row("00900101", "overdraft energy", _ENERGY),
    _row("00900200", "remaining money", _AMOUNT),
    _row("00900201", "overdraft money", _AMOUNT),
]

_VARIABLES_NOW = [
    _row("0201pp00", "voltage", _VOLTAGE),
    _row("0201FF00", "voltage block", repeated=_block(_VOLTAGE, "phase")),
    _row("0202pp00", "current", _CURRENT),
    _row("0202FF00", "current block", repeated=_block(_CURRENT, "phase")),
    _row("0203qq00", "active power", _POWER),
    _row("0203FF00", "active power block", _total(_POWER), repeated=_block(_POWER, "phase")),
    _row("0204qq00", "reactive power", _POWER_VAR),
    _row("0204FF00", "reactive power block", _total(_POWER_VAR), repeated=_block(_POWER_VAR, "phase")),
    _row("0205qq00", "apparent power", _POWER_VA),
    _row("0205FF00", "apparent power block", _total(_POWER_VA), repeated=_block(_POWER_VA, "phase")),
    _row("0206qq00", "power factor", _POWER_FACTOR),
    _row("0206FF00", "power factor block", _total(_POWER_FACTOR), repeated=_block(_POWER_FACTOR, "phase")),
    _row("02800001", "neutral current", _CURRENT),
    _row("02800002", "frequency", _bcd("frequency_millihertz", 2, factor=10, unit="Hz", decimals=2)),
    _row(
        "02800007",
        "temperature",
        _signed(_bcd("temperature_millidegrees", 2, factor=100, unit="degrees Celsius", decimals=1)),
    ),
    _row("02800008", "clock battery voltage", _bcd("voltage_mv", 2, factor=10, unit="V", decimals=2)),
    _row("0280000A", "battery run time", _bcd("minutes", 4, unit="min")),
    _row("0280000B", "running ladder price", _PRICE),
    _row("02800020", "running price", _PRICE),
    _row("02800021", "running rate price", _PRICE),
    _row("02800022", "identity time left", _raw()),
    _row("02800023", "identity counter", _raw()),
]

_CLOCK = [
    _row("04000101", "date", Field(name="date", layout=Layout.DATE, length=4, order="WDMY")),
    _row("04000102", "time", Field(name="time", layout=Layout.TIME, length=3, order="smh")),
    _row("0400010C", "date and time", _moment("clock", "smhWDMY")),
    _row("04000103", "demand period", _bcd("minutes", 1, unit="min")),
    _row("04000104", "demand sliding time", _bcd("minutes", 1, unit="min")),
    _row("04000105", "pulse width", _bcd("width_ms", 2, unit="ms")),
    _row("04000106", "switch time of zone tables", _MINUTE),
    _row("04000107", "switch time of day tables", _MINUTE),
    _row("04000108", "switch time of rate prices", _MINUTE),
    _row("04000109", "switch time of ladder set", _MINUTE),
    _row("0400010A", "switch time of ladder year", _MINUTE),
]

_PARAMETERS = [
    *(
        _row(f"0400020{n}", f"number of {what}", _bcd("count", 1))
        for n, what in ((1, "year zones"), (2, "day tables"), (3, "day periods"), (4, "rates"))
    ),
    _row("04000205", "number of holidays", _bcd("count", 2)),
    _row("04000207", "number of ladder bounds", _bcd("count", 1)),
    _row("04000306", "current transformer ratio", _bcd("ratio", 3)),
    _row("04000307", "voltage transformer ratio", _bcd("ratio", 3)),
    _row("04000401", "address", _digits("meter_no", 6)),
    _row("04000402", "meter number", _digits("meter_no", 6)),
    _row("0400040E", "customer number", _digits("customer_no", 6)),
    _row("04000409", "active constant", _bcd("pulses", 3, unit="imp/kWh")),
    _row("0400040A", "reactive constant", _bcd("pulses", 3, unit="imp/kvarh")),
    _row("04000801", "weekend word", Field(name="weekday_bits", layout=Layout.BINARY, length=1)),
    _row("04000802", "day table of days of rest", _bcd("table_no", 1)),
    _row("04000F01", "alarm energy 1", _ENERGY),
    _row("04000F02", "alarm energy 2", _ENERGY),
    _row("04000F03", "hoarding energy limit", _ENERGY),
    _row("04000F04", "overdraft energy limit", _ENERGY),
    _row("04001001", "alarm amount 1", _AMOUNT),
    _row("04001002", "alarm amount 2", _AMOUNT),
    _row("04001003", "overdraft limit", _AMOUNT),
    _row("04001004", "hoarding limit", _AMOUNT),
    _row("04001005", "amount that permits closing", _AMOUNT),
    _row("04001006", "refund", _raw()),
    _row("04001101", "run feature word", Field(name="bits", layout=Layout.BINARY, length=1)),
    _row("04001201", "hourly freeze start", _MINUTE),
    _row("04001202", "hourly freeze interval", _bcd("minutes", 1, unit="min")),
    _row("04001203", "daily freeze time", Field(name="time", layout=Layout.TIME, length=2, order="mh")),
    _row("04001401", "trip delay", _bcd("minutes", 2, unit="min")),
    _row("04001402", "trip current threshold", _bcd("current_ma", 3, unit="A", decimals=3)),
    _row("04001403", "longest trip protection delay", _bcd("minutes", 2, unit="min")),
    _row("04090801", "over-current limit", _bcd("current_ma", 2, factor=100, unit="A", decimals=1)),
    _row(
        "04090A01", "reverse power limit", _named(_bcd("x", 3, factor=100, unit="kW", decimals=4), "power_mw")
    ),
    _row("04090B01", "overload limit", _named(_bcd("x", 3, factor=100, unit="kW", decimals=4), "power_mw")),
]


def _word(word: int) -> Field:
    layout = Layout.WORD_3 if word == 3 else Layout.WORD
    return Field(name=f"status_word_{word}", layout=layout, length=2, word=word)


_STATUS = [
    *(_row(f"0400050{word}", f"status word {word}", _word(word)) for word in range(1, 8)),
    _row("040005FF", "status words", *(_word(word) for word in range(1, 8))),
]


def _ladder_block(pattern: str, name: str, *, dates: int) -> Row:
    steps = (_named(_ENERGY, f"step_{n}_energy_wh") for n in range(1, 7))
    prices = (_named(_PRICE, f"step_{n}_price_e4") for n in range(1, 8))
    settlements = (_digits(f"settlement_{n}_mmddhh", 3) for n in range(1, dates + 1))
    return _row(pattern, name, *steps, *prices, *settlements)


_TARIFF = [
    *(
        row
        for n, which in ((1, "first"), (2, "second"))
        for row in (
            _row(f"040{n}0000", f"{which} set of year zones", repeated=_digits("zone_{n}_mmddnn", 3)),
            _row(f"040{n}00tt", f"{which} set of day tables", repeated=_digits("slot_{n}_hhmmnn", 3)),
        )
    ),
    _row("040300oo", "public holiday", _digits("holiday_yymmddnn", 4)),
    *(
        row
        for kind, which in (("01", "running"), ("02", "spare"))
        for row in (
            _row(f"0405{kind}ii", f"{which} price of rate", _PRICE),
            _row(f"0405{kind}FF", f"{which} prices of rates", repeated=_block(_PRICE, "rate")),
        )
    ),
    *(
        row
        for kind, name, field in (
            ("00", "running ladder bound", _ENERGY),
            ("01", "running ladder price", _PRICE),
            ("02", "spare ladder bound", _ENERGY),
            ("03", "spare ladder price", _PRICE),
        )
        for row in (
            _row(f"0406{kind}ii", name, field),
            _row(f"0406{kind}FF", f"{name}s", repeated=_block(field, "step")),
        )
    ),
    _ladder_block("040604FF", "running ladder block", dates=4),
    _ladder_block("040605FF", "spare ladder block", dates=4),
    _ladder_block("04060AFF", "ladder block of the Southern Grid", dates=6),
    _row("04070001", "ladder zones", _raw()),
]


def _freezes() -> list[Row]:
    families = (
        ("00", "timed freeze", "kk"),
        ("01", "immediate freeze", "kk"),
        ("02", "freeze at the switch of zone tables", "kk"),
        ("03", "freeze at the switch of day tables", "kk"),
        ("04", "hourly freeze", "hh"),
        ("05", "freeze at the switch of prices", "kk"),
        ("06", "daily freeze", "kk"),
        ("07", "freeze at the switch of ladders", "kk"),
    )
    rates = _block(_ENERGY, "rate")
    powers = [_total(_POWER), *(_named(_POWER, f"phase_{n}_power_mw") for n in (1, 2, 3))]
    reactive = [_total(_POWER_VAR), *(_named(_POWER_VAR, f"phase_{n}_power_mvar") for n in (1, 2, 3))]
    rows = []
    for kind, name, back in families:
        rows.append(_row(f"05{kind}00{back}", f"{name}: time", _MINUTE))
        rows.append(
            _row(f"05{kind}01{back}", f"{name}: forward active energy", _total(_ENERGY), repeated=rates)
        )
        rows.append(
            _row(f"05{kind}02{back}", f"{name}: reverse active energy", _total(_ENERGY), repeated=rates)
        )
        rows.append(_row(f"05{kind}10{back}", f"{name}: powers", *powers, *reactive))
        rows.append(_row(f"05{kind}FF{back}", f"{name}: block", _raw()))
    # No filing says where the money of a midnight lies; vendors put it here.
    rows.append(_row("05060Bkk", "daily freeze: remaining money", _AMOUNT))
    return rows


def _events() -> list[Row]:
    spans = (("0D", "cover open"), ("0E", "terminal cover open"))
    rows = []
    for kind, name in spans:
        energies = (_named(_ENERGY, f"energy_{n}_wh") for n in range(1, 13))
        rows.append(_row(f"0330{kind}00", f"{name} count", _COUNT))
        rows.append(_row(f"0330{kind}nn", name, _START, _END, *energies))
    rows += [
        _row("03300000", "programming count", _COUNT),
        _row("033000nn", "programming", _raw()),
        _row("03300400", "clock set count", _COUNT),
        _row("033004nn", "clock set", _moment("before", "smhDMY"), _moment("after", "smhDMY"), _OPERATOR),
        _row("03301400", "illegal card count", _COUNT),
        _row("033014nn", "illegal card", _raw()),
        _row("03110000", "power down count", _COUNT),
        _row("031100nn", "power down", _START, _END),
        _row("03350000", "strong magnet count", _COUNT),
        _row("033500nn", "strong magnet", _raw()),
        _row("03360000", "load switch failure count", _COUNT),
        _row("033600nn", "load switch failure", _raw()),
        _row("03370000", "abnormal power count", _COUNT),
        _row("033700nn", "abnormal power", _raw()),
    ]
    for old, new, name in (
        ("0C", "19", "over-current"),
        ("0E", "1B", "reverse flow"),
        ("0F", "1C", "overload"),
    ):
        rows.append(_row(f"03{old}pp00", f"{name} count and time", _raw()))
        rows.append(_row(f"03{old}ppnn", name, _raw()))
        rows.append(_row(f"{new}pp0001", f"{name} count", _COUNT))
        rows.append(_row(f"{new}000001", f"{name} count", _COUNT))
        rows.append(_row(f"{new}ppFFnn", name, _raw()))
        rows.append(_row(f"{new}00FFnn", name, _raw()))
    for kind, name in (("1D", "trip"), ("1E", "close")):
        energies = (_named(_ENERGY, f"energy_{n}_wh") for n in range(1, 7))
        rows.append(_row(f"{kind}000001", f"relay {name} count", _COUNT))
        rows.append(_row(f"{kind}00FFnn", f"relay {name}", _moment("at", "smhDMY"), _OPERATOR, *energies))
    return rows


def _purchases() -> list[Row]:
    rows = []
    for kind, name, unit in (("32", "purchase of energy", _ENERGY), ("33", "purchase", _AMOUNT)):
        suffix = unit.name
        parts = (
            _MINUTE,
            _bcd("purchase_no", 2),
            unit,
            _named(unit, f"before_{suffix}"),
            _named(unit, f"after_{suffix}"),
            _named(unit, f"cumulative_{suffix}"),
        )
        for n, part in enumerate(parts, start=1):
            rows.append(_row(f"03{kind}{n:02X}nn", f"{name}: {part.name}", part))
        rows.append(_row(f"03{kind}FFnn", name, *parts))
        refund = parts[:5]
        if kind == "33":
            for n, part in enumerate(refund, start=1):
                rows.append(_row(f"0334{n:02X}nn", f"refund: {part.name}", part))
            rows.append(_row("0334FFnn", "refund", *refund))
    return rows


def _vendors() -> list[Row]:
    # Layout found from two captures whose values fit each other (U x I x power factor = power): no document.
    # The two leading words are zero in both; the last four energies are parts of the first.
    phases = (1, 2, 3)
    bulk = (
        _named(_AMOUNT, "remaining_minor"),
        _named(_AMOUNT, "overdraft_minor"),
        *(_named(_VOLTAGE, f"phase_{n}_voltage_mv") for n in phases),
        *(_named(_CURRENT, f"phase_{n}_current_ma") for n in phases),
        _total(_POWER),
        *(_named(_POWER, f"phase_{n}_power_mw") for n in phases),
        _total(_POWER_FACTOR),
        *(_named(_POWER_FACTOR, f"phase_{n}_power_factor_milli") for n in phases),
        _total(_ENERGY),
        *(_named(_ENERGY, f"part_{n}_energy_wh") for n in (1, 2, 3, 4)),
        Field(name="status_bits", layout=Layout.BINARY, length=2),
    )
    joymeter = (
        Field(name="clock_unix_s", layout=Layout.BINARY, length=4),
        _named(_ENERGY, "remaining_energy_wh"),
        _named(_ENERGY, "history_energy_wh"),
        _bcd("current_ma", 4, unit="A", decimals=3),
        _bcd("voltage_mv", 4, factor=10, unit="V", decimals=2),
        _bcd("power_mw", 4, factor=10, unit="W", decimals=2),
        _bcd("power_factor_milli", 2, decimals=3),
        _bcd("switch", 1),
    )
    return [
        _row("028011FF", "vendor's bulk block", *bulk),
        _row("001D0000", "JoyMeter's bulk block", *joymeter),
        _row("070104FF", "vendor's parameter block", _raw()),
        _row("0400050A", "JoyMeter's relay", _bcd("relay_open", 1)),
    ]


ROWS: Final[tuple[Row, ...]] = (
    *_energies(),
    *_MONEY,
    *_VARIABLES_NOW,
    *_CLOCK,
    *_PARAMETERS,
    *_STATUS,
    *_TARIFF,
    *_freezes(),
    *_events(),
    *_purchases(),
    *_vendors(),
)
