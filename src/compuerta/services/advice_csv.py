"""Sites and prices as tables: one place in each row, and every field that cannot be used is told at once."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from enum import Enum
from typing import TypeVar

from compuerta.domain import money, rs485
from compuerta.domain.advice import PPM, Costing, Practice, Prices, Signal, Spot, Standing
from compuerta.domain.errors import Refused
from compuerta.domain.party import RoadKind

ROWS_MAX = 5_000
METERS_MAX = 20_000  # of a site
Kind = TypeVar("Kind")
_TOLD_MAX = 10  # complaints in a message; all are in the error
_FIELD_MAX = 120  # characters
_FACT_MAX = 400  # characters of what is told about a field
_NEEDED = ("place", "x_m", "y_m", "meters")
_COLUMNS = (
    *_NEEDED,
    "building",
    "floor",
    "rsrp_4g_dbm",
    "snr_4g_db",
    "rsrp_nb_dbm",
    "snr_nb_db",
    "signal",
    "lan",
    "road",
    "line",
    "retries_percent",
    "latency_ms",
)
# What modems report at all: from the lowest of NB-IoT (3GPP TS 36.133 9.1.22) to the highest of any (38.133
# 10.1.6).
_RSRP_DBM_MIN, _RSRP_DBM_MAX = -156, -31
_ROADS = {road.value: road for road in RoadKind}
_AMOUNTS = frozenset(field.name for field in fields(Prices) if field.name != "currency")
# What a practice may be: above these it is a slip of the pen, or a site that a line cannot carry.
_PRACTICE_MAX: Mapping[str, int] = {
    "years": 30,
    "meters_per_line": rs485.METERS_MAX,
    "lines_per_gateway": 32,
    "line_m_max": rs485.CABLE_M_MAX,
    "floor_height_cm": 1_000,
}


class Wrong(Enum):
    """Why a field cannot be used, as it is told in English; the console has its own words."""

    NO_TABLE = "this is no table: %(error)s"
    COLUMN_MISSING = "there is no column %(name)s"
    COLUMN_FOREIGN = "'%(name)s' is no column of ours"
    COLUMN_TWICE = "a column is there twice"
    TOO_MANY_ROWS = "more than %(most)s rows"
    NO_PLACE = "a site has at least one place"
    TOO_MANY_METERS = "more than %(most)s in all"
    FIELDS = "%(found)s fields under %(wanted)s columns"
    TWICE = "'%(text)s' is there twice"
    NAME = "a name of 1 to %(most)s characters"
    TOO_LONG = "at most %(most)s characters"
    NOT_WHOLE = "'%(text)s' is no whole number from %(least)s to %(most)s"
    NOT_DECIMAL = "'%(text)s' is no number with at most two decimals"
    OUTSIDE = "%(text)s does not lie between %(least)s and %(most)s"
    NONE_OF = "'%(text)s' is none of %(known)s"
    NEEDED_BESIDE = "is needed beside %(other)s"
    NO_ROAD = "tells of a road, and there is none in the column road"
    NO_AMOUNT = "'%(text)s' is no amount of %(currency)s"
    NEGATIVE = "a price is not negative"


@dataclass(frozen=True, slots=True, kw_only=True)
class Complaint:
    """A field that cannot be used; row 1 is the heading."""

    row: int
    column: str
    wrong: Wrong
    facts: Mapping[str, str] = field(default_factory=dict)

    @property
    def reason(self) -> str:
        """What is wrong, in English."""
        return self.wrong.value % self.facts


class TableRefused(Refused):
    """A table that cannot be used, with everything that is wrong with it."""

    def __init__(self, complaints: Sequence[Complaint]) -> None:
        self.complaints = tuple(complaints)
        told = [f"row {each.row}, {each.column}: {each.reason}" for each in self.complaints[:_TOLD_MAX]]
        if len(self.complaints) > _TOLD_MAX:
            told.append(f"and {len(self.complaints) - _TOLD_MAX} more")
        super().__init__("; ".join(told))


class _Bad(Exception):
    def __init__(self, column: str, wrong: Wrong, **facts: object) -> None:
        super().__init__(column, wrong)
        self.column = column
        self.wrong = wrong
        self.facts = {name: str(fact)[:_FACT_MAX] for name, fact in facts.items()}

    def at(self, row: int) -> Complaint:
        return Complaint(row=row, column=self.column, wrong=self.wrong, facts=self.facts)


def read_site(text: str) -> tuple[Spot, ...]:
    """Read the places of a site; refuses the whole table with every field that is wrong."""
    complaints: list[Complaint] = []
    spots: dict[str, Spot] = {}
    for number, row in _rows(text, needed=_NEEDED, known=_COLUMNS):
        try:
            spot = _spot(row)
            if spot.name in spots:
                raise _Bad("place", Wrong.TWICE, text=spot.name)
            spots[spot.name] = spot
        except _Bad as bad:
            complaints.append(bad.at(number))
    if not complaints and not spots:
        complaints.append(Complaint(row=2, column="place", wrong=Wrong.NO_PLACE))
    if sum(spot.meters for spot in spots.values()) > METERS_MAX:
        complaints.append(_Bad("meters", Wrong.TOO_MANY_METERS, most=METERS_MAX).at(1))
    if complaints:
        raise TableRefused(complaints)
    return tuple(spots.values())


def read_prices(text: str) -> Costing:
    """Read prices and practice, as rows of `what,value`; what is not named is as usual."""
    told = {row["what"]: (number, row["value"]) for number, row in _rows(text, needed=("what", "value"))}
    at, currency = told.pop("currency", (0, Prices().currency))
    if currency not in money.MINOR_DIGITS:
        known = ", ".join(sorted(money.MINOR_DIGITS))
        raise TableRefused([_Bad("value", Wrong.NONE_OF, text=currency, known=known).at(at)])
    amounts: dict[str, int] = {}
    practice: dict[str, int] = {}
    complaints = []
    for what, (number, value) in told.items():
        try:
            if what in _AMOUNTS:
                amounts[what] = _amount(value, currency=currency)
            elif what in _PRACTICE_MAX:
                practice[what] = _whole({what: value}, what, least=1, most=_PRACTICE_MAX[what])
            else:
                known = ", ".join(sorted((*_AMOUNTS, *_PRACTICE_MAX)))
                raise _Bad("what", Wrong.NONE_OF, text=what, known=known)
        except _Bad as bad:
            complaints.append(bad.at(number))
    if complaints:
        raise TableRefused(complaints)
    return Costing(prices=Prices(currency=currency, **amounts), practice=Practice(**practice))


def write_site(spots: Sequence[Spot]) -> Iterator[Sequence[str]]:
    """Return the rows of a site's table, its heading first."""
    yield _COLUMNS
    for spot in spots:
        standing = spot.standing
        mobile, nbiot = spot.mobile, spot.nbiot
        yield (
            spot.name,
            _metres(spot.x_cm),
            _metres(spot.y_cm),
            str(spot.meters),
            spot.building,
            str(spot.floor),
            *(_told(mobile.rsrp_dbm if mobile else None), _told(mobile.snr_db if mobile else None)),
            *(_told(nbiot.rsrp_dbm if nbiot else None), _told(nbiot.snr_db if nbiot else None)),
            "estimated" if spot.estimated else "measured",
            "yes" if spot.lan else "no",
            standing.road.value if standing else "",
            standing.line if standing else "",
            _percent(standing.retries_ppm if standing else None),
            _told(standing.latency_ms if standing else None),
        )


def _rows(
    text: str, *, needed: Sequence[str], known: Sequence[str] = ()
) -> Iterator[tuple[int, Mapping[str, str]]]:
    """Return each row with its number in the table; an empty row is none."""
    lines = text.removeprefix("\ufeff").splitlines()
    # Where numbers have a decimal comma, spreadsheets part fields by semicolons.
    delimiter = ";" if lines and ";" in lines[0] and "," not in lines[0] else ","
    try:
        table = list(csv.reader(lines, strict=True, delimiter=delimiter))
    except csv.Error as error:
        raise TableRefused([_Bad("table", Wrong.NO_TABLE, error=error).at(1)]) from error
    heading = [name.strip().lower() for name in table[0]] if table else []
    wrong = [_Bad("heading", Wrong.COLUMN_MISSING, name=name) for name in needed if name not in heading]
    if known:
        foreign = [name for name in heading if name not in known]
        wrong += [_Bad("heading", Wrong.COLUMN_FOREIGN, name=name) for name in foreign]
    if len(set(heading)) < len(heading):
        wrong.append(_Bad("heading", Wrong.COLUMN_TWICE))
    if len(table) > ROWS_MAX + 1:
        wrong.append(_Bad("heading", Wrong.TOO_MANY_ROWS, most=ROWS_MAX))
    if wrong:
        raise TableRefused([bad.at(1) for bad in wrong])
    for number, row in enumerate(table[1:], start=2):
        if not any(value.strip() for value in row):
            continue
        if len(row) != len(heading):
            raise TableRefused([_Bad("row", Wrong.FIELDS, found=len(row), wanted=len(heading)).at(number)])
        yield number, dict(zip(heading, (value.strip() for value in row), strict=True))


def _spot(row: Mapping[str, str]) -> Spot:
    name = row["place"]
    if not name or len(name) > _FIELD_MAX:
        raise _Bad("place", Wrong.NAME, most=_FIELD_MAX)
    if len(row.get("building", "")) > _FIELD_MAX:
        raise _Bad("building", Wrong.TOO_LONG, most=_FIELD_MAX)
    return Spot(
        name=name,
        building=row.get("building", ""),
        floor=_whole_or(row, "floor", least=-20, most=200) or 0,
        x_cm=_centimetres(row, "x_m"),
        y_cm=_centimetres(row, "y_m"),
        meters=_whole(row, "meters", least=1, most=METERS_MAX),
        mobile=_signal(row, "rsrp_4g_dbm", "snr_4g_db"),
        nbiot=_signal(row, "rsrp_nb_dbm", "snr_nb_db"),
        estimated=_one_of(row, "signal", {"": False, "measured": False, "estimated": True}),
        lan=_one_of(row, "lan", {"": False, "no": False, "yes": True}),
        standing=_standing(row),
    )


def _signal(row: Mapping[str, str], rsrp: str, snr: str) -> Signal | None:
    rsrp_dbm = _whole_or(row, rsrp, least=_RSRP_DBM_MIN, most=_RSRP_DBM_MAX)
    snr_db = _whole_or(row, snr, least=-30, most=50)
    if rsrp_dbm is None:
        if snr_db is not None:
            raise _Bad(rsrp, Wrong.NEEDED_BESIDE, other=snr)
        return None
    return Signal(rsrp_dbm=rsrp_dbm, snr_db=snr_db)


def _standing(row: Mapping[str, str]) -> Standing | None:
    road = _one_of(row, "road", {"": None, **_ROADS})
    retries = row.get("retries_percent", "")
    latency_ms = _whole_or(row, "latency_ms", least=1, most=86_400_000)
    if road is None:
        for column in ("line", "retries_percent", "latency_ms"):
            if row.get(column):
                raise _Bad(column, Wrong.NO_ROAD)
        return None
    return Standing(
        road=road,
        line=row.get("line", "")[:_FIELD_MAX],
        retries_ppm=_hundredths("retries_percent", retries, most=10_000) * (PPM // 10_000)
        if retries
        else None,
        latency_ms=latency_ms,
    )


def _whole_or(row: Mapping[str, str], column: str, *, least: int, most: int) -> int | None:
    return _whole(row, column, least=least, most=most) if row.get(column) else None


def _whole(row: Mapping[str, str], column: str, *, least: int, most: int) -> int:
    text = row[column]
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdecimal() and len(digits) <= 9 and least <= int(text) <= most):
        raise _Bad(column, Wrong.NOT_WHOLE, text=text, least=least, most=most)
    return int(text)


def _centimetres(row: Mapping[str, str], column: str) -> int:
    return _hundredths(column, row[column], least=-1_000_000, most=1_000_000)


def _hundredths(column: str, text: str, *, least: int = 0, most: int) -> int:
    major, _, minor = text.removeprefix("-").replace(",", ".").partition(".")
    good = (major + minor).isascii() and major.isdecimal() and (not minor or minor.isdecimal())
    if not good or len(major) > 9 or len(minor) > 2 or text.endswith((".", ",")):
        raise _Bad(column, Wrong.NOT_DECIMAL, text=text)
    found = (int(major) * 100 + int(f"{minor:0<2}")) * (-1 if text.startswith("-") else 1)
    if not least <= found <= most:
        raise _Bad(column, Wrong.OUTSIDE, text=text, least=least // 100, most=most // 100)
    return found


def _one_of(row: Mapping[str, str], column: str, known: Mapping[str, Kind]) -> Kind:
    text = row.get(column, "").lower()
    if text not in known:
        raise _Bad(column, Wrong.NONE_OF, text=text, known=", ".join(filter(None, known)))
    return known[text]


def _amount(text: str, *, currency: str) -> int:
    try:
        found = money.parse_minor(text.replace(",", "."), currency=currency)
    except money.AmountMalformed as error:
        raise _Bad("value", Wrong.NO_AMOUNT, text=text, currency=currency) from error
    if found < 0:
        raise _Bad("value", Wrong.NEGATIVE)
    return found


def _metres(length_cm: int) -> str:
    major, minor = divmod(abs(length_cm), 100)
    return f"{'-' if length_cm < 0 else ''}{major}.{minor:02}"


def _percent(share_ppm: int | None) -> str:
    return "" if share_ppm is None else f"{share_ppm // 10_000}.{share_ppm // 100 % 100:02}"


def _told(number: int | None) -> str:
    return "" if number is None else str(number)
