"""Vouchers: a day of the books as other accounting programs import it, in columns that each wants otherwise.

A layout says which columns a file has, in which order, under which names. The three here follow what is usual
in plain spreadsheets, in Kingdee's and in Yonyou's import forms; these differ between products and versions,
so an organisation edits its own until its program takes the file.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from enum import Enum
from types import MappingProxyType

from compuerta.domain.errors import Broken, Refused
from compuerta.domain.money import format_minor

COLUMNS_MAX = 40
TITLE_MAX = 40
SUMMARY_MAX = 80


class Field(Enum):
    """What a column tells."""

    DATE = "date"
    WORD = "word"  # the kind of voucher
    VOUCHER_NO = "voucher_no"
    LINE_NO = "line_no"
    ATTACHMENTS = "attachments"
    SUMMARY = "summary"
    ACCOUNT_NUMBER = "account_number"
    ACCOUNT_NAME = "account_name"
    DETAIL = "detail"  # an auxiliary item: which drawer, which provider
    DEBIT = "debit"
    CREDIT = "credit"
    ORIGINAL = "original"  # the amount in the voucher's own currency
    CURRENCY = "currency"
    RATE = "rate"
    SITE = "site"
    MAKER = "maker"
    EMPTY = "empty"  # the other program wants the column, and nothing in it


AMOUNTS = frozenset({Field.DEBIT, Field.CREDIT, Field.ORIGINAL})


class LayoutUnfit(Refused):
    """A layout that makes no vouchers."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"these columns make no vouchers: {reason}")
        self.reason = reason


class VoucherUnbalanced(Broken):
    """A voucher whose two sides differ: it must never leave the house."""

    def __init__(self, voucher_no: int, debit_minor: int, credit_minor: int) -> None:
        super().__init__(f"voucher {voucher_no}: debit {debit_minor}, credit {credit_minor} (minor units)")
        self.voucher_no = voucher_no


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """The columns of a file of vouchers, and what is the same in all of them."""

    name: str
    columns: tuple[tuple[str, Field], ...]  # title, and what stands below it
    summary: str = "Prepaid electricity {site} {day}"  # {site}, {day} and {account} are filled in
    word: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class VoucherLine:
    """One side of a voucher, on one account."""

    account_number: str
    account_name: str
    detail: str
    debit_minor: int = 0
    credit_minor: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Voucher:
    """A day of a site."""

    voucher_no: int
    day: date
    site: str
    currency: str
    lines: tuple[VoucherLine, ...]

    def __post_init__(self) -> None:
        debit = sum(line.debit_minor for line in self.lines)
        credit = sum(line.credit_minor for line in self.lines)
        if debit != credit:
            raise VoucherUnbalanced(self.voucher_no, debit, credit)


# A cell is text, unless it is an amount: a decimal string that is to be a number where cells have kinds.
Cell = tuple[str, bool]


def require_fit(layout: Layout) -> None:
    """Refuse a layout without what a voucher needs, or with titles that are none."""
    fields = [field for _, field in layout.columns]
    needed = {Field.DATE, Field.VOUCHER_NO, Field.ACCOUNT_NUMBER, Field.DEBIT, Field.CREDIT}
    missing = sorted(field.value for field in needed.difference(fields))
    if missing:
        raise LayoutUnfit(f"there is none for {', '.join(missing)}")
    if len(layout.columns) > COLUMNS_MAX:
        raise LayoutUnfit(f"more than {COLUMNS_MAX}")
    for title, _ in layout.columns:
        if not title.strip() or len(title) > TITLE_MAX or not title.isprintable():
            raise LayoutUnfit(f"a title has 1 to {TITLE_MAX} characters")
    if len(layout.summary) > SUMMARY_MAX or not layout.summary.isprintable():
        raise LayoutUnfit(f"a summary has up to {SUMMARY_MAX} characters")


def cells(voucher: Voucher, layout: Layout) -> Iterable[tuple[Cell, ...]]:
    """Yield the rows of a voucher."""
    for line_no, line in enumerate(voucher.lines, start=1):
        yield tuple(_cell(field, voucher, line, line_no, layout) for _, field in layout.columns)


def _cell(field: Field, voucher: Voucher, line: VoucherLine, line_no: int, layout: Layout) -> Cell:
    if field in AMOUNTS:
        amounts = {
            Field.DEBIT: line.debit_minor,
            Field.CREDIT: line.credit_minor,
            Field.ORIGINAL: line.debit_minor or line.credit_minor,
        }
        amount_minor = amounts[field]
        return (format_minor(amount_minor, currency=voucher.currency) if amount_minor else "", True)
    told: Mapping[Field, str] = {
        Field.DATE: voucher.day.isoformat(),
        Field.WORD: layout.word,
        Field.VOUCHER_NO: str(voucher.voucher_no),
        Field.LINE_NO: str(line_no),
        Field.ATTACHMENTS: "0",
        Field.SUMMARY: _summary(voucher, line, layout),
        Field.ACCOUNT_NUMBER: line.account_number,
        Field.ACCOUNT_NAME: line.account_name,
        Field.DETAIL: line.detail,
        Field.CURRENCY: voucher.currency,
        Field.RATE: "1",  # a file holds one currency, and is told in it
        Field.SITE: voucher.site,
        Field.MAKER: "Compuerta",
        Field.EMPTY: "",
    }
    return told[field], False


def _summary(voucher: Voucher, line: VoucherLine, layout: Layout) -> str:
    # By replacing, and not by a format: whoever writes a summary reaches nothing but these three words.
    told = layout.summary.replace("{day}", voucher.day.isoformat()).replace("{account}", line.account_name)
    return told.replace("{site}", voucher.site)


_CHINESE = "预付电费日汇总 {site} {day}"
PLAIN = Layout(
    name="plain",
    columns=(
        ("Date", Field.DATE),
        ("Voucher", Field.VOUCHER_NO),
        ("Line", Field.LINE_NO),
        ("Site", Field.SITE),
        ("Text", Field.SUMMARY),
        ("Account", Field.ACCOUNT_NUMBER),
        ("Account name", Field.ACCOUNT_NAME),
        ("Detail", Field.DETAIL),
        ("Debit", Field.DEBIT),
        ("Credit", Field.CREDIT),
        ("Currency", Field.CURRENCY),
    ),
)
KINGDEE = Layout(
    name="kingdee",
    columns=(
        ("日期", Field.DATE),
        ("凭证字", Field.WORD),
        ("凭证号", Field.VOUCHER_NO),
        ("附件数", Field.ATTACHMENTS),
        ("分录序号", Field.LINE_NO),
        ("摘要", Field.SUMMARY),
        ("科目编码", Field.ACCOUNT_NUMBER),
        ("科目名称", Field.ACCOUNT_NAME),
        ("核算维度", Field.DETAIL),
        ("币别", Field.CURRENCY),
        ("汇率", Field.RATE),
        ("原币金额", Field.ORIGINAL),
        ("借方金额", Field.DEBIT),
        ("贷方金额", Field.CREDIT),
        ("制单人", Field.MAKER),
    ),
    summary=_CHINESE,
    word="记",
)
YONYOU = Layout(
    name="yonyou",
    columns=(
        ("制单日期", Field.DATE),
        ("凭证类别", Field.WORD),
        ("凭证编号", Field.VOUCHER_NO),
        ("附单据数", Field.ATTACHMENTS),
        ("摘要", Field.SUMMARY),
        ("科目编码", Field.ACCOUNT_NUMBER),
        ("科目名称", Field.ACCOUNT_NAME),
        ("币种", Field.CURRENCY),
        ("汇率", Field.RATE),
        ("借方金额", Field.DEBIT),
        ("贷方金额", Field.CREDIT),
        ("辅助核算", Field.DETAIL),
        ("制单人", Field.MAKER),
    ),
    summary=_CHINESE,
    word="记",
)
LAYOUTS: Mapping[str, Layout] = MappingProxyType({each.name: each for each in (PLAIN, KINGDEE, YONYOU)})
