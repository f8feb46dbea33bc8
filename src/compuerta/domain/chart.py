"""The chart of accounts: as which account, by number and name, other books are told each code of the ledger.

The ledger's codes say what happened; the numbers are an accountant's, and each organisation has its own. A
recharge is a liability (the customers' credit), and only use is revenue; money at a payment provider is no
money in the bank. Where the money lies is told apart twice: by the kind of place (a drawer, slips of a till,
a provider), and by its name, which other books keep as a sub-account or an auxiliary item.

A chart is rows; the two here are what an organisation begins with.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType

from compuerta.domain import ledger
from compuerta.domain.errors import Refused

NUMBER_SHAPE = r"[0-9]{1,12}(\.[0-9]{1,6}){0,3}"
NAME_MAX = 60
TILL_KIND = "till"
DRAWER, SLIPS, PROVIDER = "cash/drawer", "cash/slips", "cash/provider"
_CASH = ledger.cash("")
# What each customer has with us, and we with them: one control account each, with a sub-ledger beside it.
CONTROLLED = (
    ledger.UNDELIVERED,
    ledger.DELIVERED,
    ledger.DEBT,
    ledger.DEPOSIT,
    ledger.OWED,
    ledger.REFUNDING,
)


class AccountClass(Enum):
    """What kind of thing an account tells of."""

    ASSET = "asset"
    LIABILITY = "liability"
    EQUITY = "equity"
    INCOME = "income"
    EXPENSE = "expense"


_A, _L, _Q, _I, _X = AccountClass
CLASSES: Mapping[str, AccountClass] = MappingProxyType(
    {
        DRAWER: _A,
        ledger.SAFE: _A,
        ledger.BANK: _A,
        SLIPS: _A,
        PROVIDER: _A,
        ledger.DEBT: _A,
        ledger.OWED: _A,
        ledger.SUBSIDY: _A,
        ledger.UNDELIVERED: _L,
        ledger.DELIVERED: _L,
        ledger.SUSPENSE: _L,
        ledger.REFUNDING: _L,
        ledger.DEPOSIT: _L,
        ledger.MOVED: _L,
        ledger.TAX: _L,
        ledger.LEVY: _L,
        ledger.HOUSE: _Q,
        ledger.REVENUE_ENERGY: _I,
        ledger.REVENUE_FIXED: _I,
        ledger.REVENUE_DEMAND: _I,
        ledger.REVENUE_MINIMUM: _I,
        ledger.FEE: _I,
        ledger.PROVIDER_FEE: _X,
        ledger.OVER_SHORT: _X,
        ledger.WRITTEN_OFF: _X,
        ledger.GOODWILL: _X,
    }
)


class CodeUnmapped(Refused):
    """Money lies under codes that the chart has no account for."""

    def __init__(self, codes: Iterable[str]) -> None:
        self.codes = tuple(sorted(set(codes)))
        super().__init__(
            f"no account in the chart for {', '.join(self.codes)}: give each a number and a name"
        )


class ChartUnfit(Refused):
    """A row of a chart that other books would not take."""

    def __init__(self, key: str, reason: str) -> None:
        super().__init__(f"{key}: {reason}")
        self.key = key
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class ChartRow:
    """An account that a code, or all codes of a kind of place, are told as; without a number it is none."""

    key: str
    number: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class BookAccount:
    """An account as other books know it."""

    number: str
    detail: str = ""  # which drawer, which provider: a sub-account, or an auxiliary item
    name: str
    kind: str  # an AccountClass by its value, so that accounts have an order

    @property
    def account_class(self) -> AccountClass:
        """What kind of thing it tells of."""
        return AccountClass(self.kind)


Chart = Mapping[str, ChartRow]


def account_of(code: str, *, chart: Chart, providers: Mapping[str, str]) -> BookAccount | None:
    """Return the account that a code is told as, None where the chart has none.

    `providers` names the kind of each provider account. A row of a code's own goes before that of its kind.
    """
    keys, detail = _keys(code, providers)
    for key in keys:
        row = chart.get(key)
        if row is not None and row.number:
            kind = class_of(key).value
            return BookAccount(number=row.number, detail=detail, name=row.name, kind=kind)
    return None


def class_of(key: str) -> AccountClass:
    """Return what kind of thing a key of a chart tells of; money in any place is an asset."""
    return CLASSES.get(key, AccountClass.ASSET)


def require_fit(rows: Iterable[ChartRow]) -> None:
    """Refuse numbers and names that other books would not take, and one number for two things."""
    meanings: dict[str, tuple[str, AccountClass]] = {}
    for row in rows:
        if row.key not in CLASSES and not ledger.is_code(row.key):
            raise ChartUnfit(row.key, "the ledger has no such code")
        if not row.number:
            continue
        if not re.fullmatch(NUMBER_SHAPE, row.number, re.ASCII):
            raise ChartUnfit(row.key, f"{row.number!r} is no number: write digits, with dots between groups")
        if not row.name.strip() or len(row.name) > NAME_MAX or not row.name.isprintable():
            raise ChartUnfit(row.key, f"write a name of 1 to {NAME_MAX} characters")
        meaning = (row.name, class_of(row.key))
        if meanings.setdefault(row.number, meaning) != meaning:
            raise ChartUnfit(
                row.key, f"{row.number} has another name, or tells of another kind of thing, above"
            )


def _keys(code: str, providers: Mapping[str, str]) -> tuple[tuple[str, ...], str]:
    if not code.startswith(_CASH):
        return (code,), ""
    name = code.removeprefix(_CASH)
    kind = providers.get(name)
    if kind == TILL_KIND:
        return (code, DRAWER), name
    if kind is not None:
        return (code, PROVIDER), name
    is_slip = providers.get(name.rpartition(":")[0]) == TILL_KIND
    return (code, SLIPS) if is_slip else (code,), name


def _rows(*written: tuple[str, str, str]) -> Chart:
    return MappingProxyType(
        {key: ChartRow(key=key, number=number, name=name) for key, number, name in written}
    )


CHINA = _rows(
    (DRAWER, "1001.01", "库存现金-收银台"),
    (ledger.SAFE, "1001.02", "库存现金-保险柜"),
    (ledger.BANK, "1002", "银行存款"),
    (PROVIDER, "1012.01", "其他货币资金-支付平台"),
    (SLIPS, "1012.02", "其他货币资金-刷卡及支票"),
    (ledger.DEBT, "1122.01", "应收账款-用户欠费"),
    (ledger.OWED, "1122.02", "应收账款-离户欠费"),
    (ledger.SUBSIDY, "1221.01", "其他应收款-补贴"),
    (ledger.UNDELIVERED, "2203.01", "合同负债-待下发电费"),
    (ledger.DELIVERED, "2203.02", "合同负债-用户预存电费"),
    (ledger.TAX, "2221.01", "应交税费-应交增值税"),
    (ledger.SUSPENSE, "2241.01", "其他应付款-待查款项"),
    (ledger.DEPOSIT, "2241.02", "其他应付款-押金"),
    (ledger.REFUNDING, "2241.03", "其他应付款-待退款"),
    (ledger.MOVED, "2241.04", "其他应付款-户间划转"),
    (ledger.LEVY, "2241.05", "其他应付款-代征基金"),
    (ledger.HOUSE, "4001.01", "业主往来"),
    (ledger.REVENUE_ENERGY, "6001.01", "主营业务收入-电量电费"),
    (ledger.REVENUE_FIXED, "6001.02", "主营业务收入-固定电费"),
    (ledger.REVENUE_DEMAND, "6001.03", "主营业务收入-需量电费"),
    (ledger.REVENUE_MINIMUM, "6001.04", "主营业务收入-最低电费"),
    (ledger.FEE, "6051.01", "其他业务收入-服务费"),
    (ledger.GOODWILL, "6601.01", "销售费用-赠送电费"),
    (ledger.PROVIDER_FEE, "6603.01", "财务费用-支付手续费"),
    (ledger.OVER_SHORT, "6711.01", "营业外支出-现金短溢"),
    (ledger.WRITTEN_OFF, "6702.01", "信用减值损失-坏账"),
)
INTERNATIONAL = _rows(
    (DRAWER, "1010", "Cash in drawers"),
    (ledger.SAFE, "1020", "Cash in safe"),
    (ledger.BANK, "1050", "Bank"),
    (PROVIDER, "1100", "Payment providers clearing"),
    (SLIPS, "1110", "Cards transfers and cheques"),
    (ledger.DEBT, "1200", "Customers debts"),
    (ledger.OWED, "1210", "Former customers debts"),
    (ledger.SUBSIDY, "1250", "Subsidies receivable"),
    (ledger.UNDELIVERED, "2100", "Customers credit to be delivered"),
    (ledger.DELIVERED, "2110", "Customers credit"),
    (ledger.SUSPENSE, "2200", "Suspense"),
    (ledger.REFUNDING, "2210", "Refunds to be paid"),
    (ledger.DEPOSIT, "2220", "Security deposits"),
    (ledger.MOVED, "2290", "Credit between accounts"),
    (ledger.TAX, "2300", "Tax collected"),
    (ledger.LEVY, "2310", "Levies collected"),
    (ledger.HOUSE, "3100", "Owner current account"),
    (ledger.REVENUE_ENERGY, "4000", "Energy revenue"),
    (ledger.REVENUE_FIXED, "4010", "Standing charges"),
    (ledger.REVENUE_DEMAND, "4020", "Demand charges"),
    (ledger.REVENUE_MINIMUM, "4030", "Minimum charges"),
    (ledger.FEE, "4100", "Service fees"),
    (ledger.PROVIDER_FEE, "6000", "Payment provider fees"),
    (ledger.OVER_SHORT, "6010", "Cash over and short"),
    (ledger.WRITTEN_OFF, "6020", "Bad debts"),
    (ledger.GOODWILL, "6030", "Credit given"),
)
PRESETS: Mapping[str, Chart] = MappingProxyType({"china": CHINA, "international": INTERNATIONAL})


def usual(currency: str) -> Chart:
    """Return the chart that an organisation begins with, by the money of its first site."""
    return CHINA if currency == "CNY" else INTERNATIONAL
