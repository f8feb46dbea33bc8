"""Bills of Alipay: a zip of two CSV files, names and content in GBK; the detail is read, line by line.

Columns are found by their headings, for their number changed over the years. Amounts are yuan; a refund's
are negative, and a fee that Alipay keeps is negative too. The totals at the end are checked: a bill that does
not add up is not used at all.
"""

import csv
import io
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import NamedTuple

from compuerta.domain.errors import Refused

UNZIPPED_BYTES_MAX = 1 << 30  # two million lines; a bomb is far more
LINE_CHARS_MAX = 8_192
MEMBERS_MAX = 16  # two are there
CELLS_KEPT = 1 << 16  # a day has 86,400 seconds, and far fewer different amounts

_BRACKETS = re.compile(r"[（(][^）)]*[）)]")
_MONEY = re.compile(r"[+-]?[0-9]{1,12}(\.[0-9]{1,6})?", re.ASCII)
_TOTAL = re.compile(r"#(\S+?)合计：([0-9]{1,9})笔，\D*?共(-?[0-9]{1,12}(?:\.[0-9]{1,6})?)元")
_NAME = "商品名称"
# What the library raises for archives that are damaged, cut, locked, packed in a way of their own, or no GBK.
_UNREADABLE = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    NotImplementedError,
    OSError,
    RuntimeError,
    UnicodeDecodeError,
    ValueError,
)


class BillFaulty(Refused):
    """A bill that cannot be read, or does not agree with its own totals."""

    def __init__(self, line_no: int, reason: str) -> None:
        super().__init__(f"line {line_no} of the bill: {reason}")
        self.line_no = line_no
        self.reason = reason


class BillLine(NamedTuple):
    """One line; amounts in millionths of a yuan, since a fee may have five decimals."""

    trade_no: str
    out_trade_no: str
    out_request_no: str
    amount_micro: int
    kept_micro: int  # what Alipay keeps; negative where it gives back
    at: datetime
    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Where one kind of bill keeps what; a heading is without its brackets."""

    trade_no: str
    out_trade_no: str
    at: str
    kind: str
    amounts: tuple[str, ...]  # together they are the line's amount
    out_request_no: str = ""
    fee: str = ""
    total: str = ""  # the column that the totals at the end add up; "" = the amounts


TRADE = Layout(
    trade_no="支付宝交易号",
    out_trade_no="商户订单号",
    at="完成时间",
    kind="业务类型",
    amounts=("订单金额",),
    out_request_no="退款批次号/请求号",
    fee="服务费",
    total="商家实收",
)
FUND = Layout(
    trade_no="业务流水号",
    out_trade_no="商户订单号",
    at="发生时间",
    kind="业务类型",
    amounts=("收入金额", "支出金额"),
)


@dataclass(slots=True)
class _Totals:
    """What was added up so far, and what the bill says at its end: number of lines and millionths."""

    found: dict[str, tuple[int, int]] = field(default_factory=dict)
    told: dict[str, tuple[int, int]] = field(default_factory=dict)

    def add(self, name: str, amount_micro: int) -> None:
        lines, total_micro = self.found.get(name, (0, 0))
        self.found[name] = (lines + 1, total_micro + amount_micro)

    def check(self, line_no: int) -> None:
        if not self.told:
            raise BillFaulty(line_no, "the totals at the end are missing: it was cut off")
        for name in self.told.keys() | self.found.keys():
            told, found = self.told.get(name), self.found.get(name, (0, 0))
            if told != found:
                raise BillFaulty(line_no, f"the total of {name} is {found}, and the bill says {told}")


def lines_of(bill: bytes, layout: Layout) -> Iterator[BillLine]:
    """Yield the lines of a bill; raises `BillFaulty`, at the end too, where its totals do not agree."""
    totals, line_no = _Totals(), 0
    read: _Reader | None = None
    for line_no, line in enumerate(_detail(bill), start=1):
        if line.startswith("#"):
            if total := _TOTAL.match(line):
                totals.told[total[1]] = (int(total[2]), _micro(total[3]))
        elif read is None:
            read = _reader(line, layout)
        elif line:
            found, counted = read.line(line, line_no)
            totals.add(*counted)
            yield found
    if read is None:
        raise BillFaulty(line_no, "no headings")
    totals.check(line_no)


def _detail(bill: bytes) -> Iterator[str]:
    """Yield the lines of the detail without their ends; nothing is unpacked whole."""
    try:
        with zipfile.ZipFile(io.BytesIO(bill), metadata_encoding="gbk") as archive:
            members = archive.infolist()
            details = [member for member in members if "汇总" not in member.filename]
            if len(members) > MEMBERS_MAX or len(details) != 1:
                raise BillFaulty(0, "not one file of details in the archive")
            if details[0].file_size > UNZIPPED_BYTES_MAX:
                raise BillFaulty(0, f"more than {UNZIPPED_BYTES_MAX} bytes")
            with archive.open(details[0]) as raw, io.TextIOWrapper(raw, "gb18030", newline="\n") as text:
                while line := text.readline(LINE_CHARS_MAX):
                    if len(line) == LINE_CHARS_MAX:
                        raise BillFaulty(0, f"a line of more than {LINE_CHARS_MAX} characters")
                    yield line.rstrip("\r\n")
    except _UNREADABLE as error:
        raise BillFaulty(0, "no zip of CSV files in GBK") from error


@lru_cache(maxsize=CELLS_KEPT)
def _micro(cell: str) -> int:
    text = cell.strip() or "0"
    if not _MONEY.fullmatch(text):
        raise ValueError(f"{text[:24]!r} is no amount")
    whole, _, part = text.partition(".")
    return int(whole + part.ljust(6, "0"))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reader:
    """Reads lines under known headings."""

    width: int
    name: int  # the column of free text
    columns: tuple[int, int, int, int]
    amounts: tuple[int, ...]
    out_request_no: int | None
    fee: int | None
    total: int | None

    def line(self, line: str, line_no: int) -> tuple[BillLine, tuple[str, int]]:
        """Read a line; returns it, and what it adds to which total."""
        cells = self._cells(line, line_no)
        trade_no, out_trade_no, at, kind = self.columns
        try:
            amount = sum([_micro(cells[column]) for column in self.amounts])
            kept = 0 if self.fee is None else -_micro(cells[self.fee])
            total = amount if self.total is None else _micro(cells[self.total])
            instant = _instant(cells[at])
        except (ValueError, OverflowError) as error:
            raise BillFaulty(line_no, str(error)) from error
        request_no = "" if self.out_request_no is None else cells[self.out_request_no].strip()
        word = cells[kind].strip()
        found = BillLine(
            cells[trade_no].strip(), cells[out_trade_no].strip(), request_no, amount, kept, instant, word
        )
        if self.total is None:
            word = "支出" if amount < 0 else "收入"
        return found, (word, total)

    def _cells(self, line: str, line_no: int) -> list[str]:
        cells = next(csv.reader([line])) if '"' in line else line.split(",")
        surplus = len(cells) - self.width
        if surplus > 0:  # a comma in what the merchant sells
            name = slice(self.name, self.name + surplus + 1)
            cells[name] = [",".join(cells[name])]
        if len(cells) != self.width:
            raise BillFaulty(line_no, f"{len(cells)} columns, and {self.width} headings")
        return cells


def _reader(headings: str, layout: Layout) -> _Reader:
    names = [_BRACKETS.sub("", heading).strip() for heading in headings.split(",")]
    places: Mapping[str, int] = {name: place for place, name in enumerate(names)}
    needed: Sequence[str] = (layout.trade_no, layout.out_trade_no, layout.at, layout.kind, *layout.amounts)
    for name in (*needed, _NAME, *(each for each in (layout.total,) if each)):
        if name not in places:
            raise BillFaulty(0, f"no column {name}")
    return _Reader(
        width=len(names),
        name=places[_NAME],
        columns=(
            places[layout.trade_no],
            places[layout.out_trade_no],
            places[layout.at],
            places[layout.kind],
        ),
        amounts=tuple(places[name] for name in layout.amounts),
        out_request_no=places.get(layout.out_request_no),
        fee=places.get(layout.fee),
        total=places.get(layout.total),
    )


@lru_cache(maxsize=CELLS_KEPT)
def _instant(cell: str) -> datetime:
    return datetime.fromisoformat(f"{cell.strip()}+08:00").astimezone(UTC)
