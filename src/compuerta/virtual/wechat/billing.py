"""Writes the simulated provider's bills, with the faults that are wished, and gives them out for a while."""

import gzip
import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta, timezone
from random import Random
from typing import NamedTuple

from compuerta.virtual.wechat.notices import Behaviour
from compuerta.virtual.wechat.orders import Orders, Terms
from compuerta.virtual.wechat.placed import TRADE_TYPES, ApiError, PlacedOrder, PlacedRefund
from compuerta.virtual.wechat.refunds import Refunds
from compuerta.wire.wechat import bills
from compuerta.wire.wechat.bills import BillGrant

READY_AT = time(10)
ADDRESS_LIFE = timedelta(seconds=30)
GRANTS_MAX = 1_000  # addresses that are given out and not forgotten yet
FEE_MICRO_PER_FEN = 60  # 0.6 % of a fen, in millionths of a yuan
_BEIJING = timezone(timedelta(hours=8))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    """One line of a trade bill, in numbers."""

    at: datetime
    transaction_id: str
    out_trade_no: str
    trade_type: str
    state: str
    name: str
    total_fen: int
    refund_id: str = "0"
    out_refund_no: str = "0"
    refund_fen: int = 0

    @property
    def fee_micro(self) -> int:
        return (self.total_fen - self.refund_fen) * FEE_MICRO_PER_FEN


class _Move(NamedTuple):
    """One line of a fund bill, in numbers."""

    at: datetime
    business_no: str
    what: str
    fen: int
    voucher: str


class Billing:
    """The desk where bills are asked for and fetched."""

    def __init__(
        self,
        terms: Terms,
        *,
        orders: Orders,
        refunds: Refunds,
        random: Random,
        behaviour: Callable[[], Behaviour],
    ) -> None:
        self._terms = terms
        self._orders = orders
        self._refunds = refunds
        self._random = random
        self._behaviour = behaviour
        self._granted: dict[str, tuple[datetime, bytes]] = {}
        self._withdrawn: list[_Move] = []

    def withdraw(self, amount_fen: int | None = None, *, now: datetime) -> tuple[str, int]:
        """Send money to the merchant's bank, all there is unless said; returns its number, and how much."""
        held_fen = sum(each.fen for each in self._moves(_day(now)) if each.at <= now)
        sent_fen = held_fen if amount_fen is None else amount_fen
        if not 0 < sent_fen <= held_fen:
            raise ApiError(400, "NOT_ENOUGH", "账户余额不足")
        number = f"1{self._terms.mchid}{now:%Y%m%d}{len(self._withdrawn) + 1:06d}"
        self._withdrawn.append(_Move(now, number, "提现", -sent_fen, number))
        return number, sent_fen

    def grant(self, kind: str, wish: dict[str, list[str]], *, now: datetime) -> BillGrant:
        """Make a bill and give out its address, which lives for half a minute."""
        try:
            day = date.fromisoformat(wish.get("bill_date", [""])[0])
        except ValueError as error:
            raise ApiError(400, "PARAM_ERROR", "bill_date must be yyyy-MM-dd") from error
        local = now.astimezone(_BEIJING)
        if day >= local.date():
            raise ApiError(400, "PARAM_ERROR", "bill_date must be before today")
        is_early = day == local.date() - timedelta(days=1) and local.time() < READY_AT
        if is_early or self._behaviour().bill_late:
            raise ApiError(400, "STATEMENT_CREATING", "账单生成中")
        bill = self._trade(day) if kind == "tradebill" else self._fund(day)
        if not bill:
            raise ApiError(400, "NO_STATEMENT_EXIST", "账单文件不存在")
        packed = gzip.compress(bill, mtime=0) if wish.get("tar_type") == ["GZIP"] else bill
        for token in [token for token, (until, _) in self._granted.items() if now >= until]:
            del self._granted[token]
        if len(self._granted) >= GRANTS_MAX:
            raise ApiError(429, "FREQUENCY_LIMITED", "频率超限")
        token = self._random.randbytes(16).hex()
        self._granted[token] = (now + ADDRESS_LIFE, packed)
        return BillGrant(
            sha1_hex=hashlib.sha1(bill, usedforsecurity=False).hexdigest(),
            download_url=f"{self._terms.public_url}/v3/billdownload/file?token={token}",
        )

    def fetch(self, token: str, *, now: datetime) -> bytes:
        """Return the file behind an address that lives."""
        until, packed = self._granted.get(token, (now, b""))
        if now >= until:
            raise ApiError(404, "RESOURCE_NOT_EXISTS", "下载链接已失效")
        return packed

    def _behaved(self, day: date) -> Behaviour:
        """Return how the bill of a day is made."""
        behaviour = self._behaviour()
        return behaviour if behaviour.bill_day in ("", day.isoformat()) else Behaviour()

    def _trade(self, day: date) -> bytes:
        behaviour = self._behaved(day)
        rows = _faulty(self._rows(day), behaviour)
        if not rows:
            return b""
        settled = sum(row.total_fen for row in rows)
        refunded = sum(row.refund_fen for row in rows)
        off = 1 if behaviour.bill_sums_wrong else 0
        sums = (
            str(len(rows)), _yuan(settled + off), _yuan(refunded), "0.00",
            _micro(sum(row.fee_micro for row in rows)), _yuan(settled + off), _yuan(refunded),
        )  # fmt: skip
        lines = [",".join(bills.TRADE_COLUMNS), *(self._trade_line(row) for row in rows)]
        lines += [",".join(bills.TRADE_SUMS), _line(sums)]
        return b"\xef\xbb\xbf" + _joined(lines, behaviour)

    def _rows(self, day: date) -> list[_Row]:
        return [row for row in self._all_rows() if _day(row.at) == day]

    def _all_rows(self) -> list[_Row]:
        rows: list[_Row] = []
        by_number: dict[str, PlacedOrder] = {}
        for placed in self._orders.all():
            if placed.paid_at is None or placed.transaction_id is None:
                continue
            by_number[placed.order.out_trade_no] = placed
            rows.append(_row(placed, at=placed.paid_at, state="SUCCESS"))
            if placed.ended_at is not None:
                rows.append(_row(placed, at=placed.ended_at, state="REVOKED", back=placed.order.total_fen))
        for refund in self._refunds.all():
            paid = by_number[refund.out_trade_no]
            back_fen = refund.order.refund_fen
            rows.append(_row(paid, at=refund.asked_at, state="REFUND", back=back_fen, refund=refund))
        return sorted(rows, key=lambda row: (row.at, row.transaction_id, row.out_refund_no))

    def _trade_line(self, row: _Row) -> str:
        back, is_back = _yuan(row.refund_fen), row.state != "SUCCESS"
        return _line(
            (
                _local(row.at), self._terms.appid, self._terms.mchid, "0", "", row.transaction_id,
                row.out_trade_no, "oSimulatedPayer", row.trade_type, row.state, "OTHERS", "CNY",
                _yuan(row.total_fen), "0.00", row.refund_id, row.out_refund_no, back, "0.00",
                "ORIGINAL" if is_back else "", "PROCESSING" if is_back else "", row.name, "",
                _micro(row.fee_micro), "0.60%", _yuan(row.total_fen), back, "",
            )
        )  # fmt: skip

    def _fund(self, day: date) -> bytes:
        behaviour = self._behaved(day)
        moves = _fund_faults(list(self._moves(day)), behaviour)
        balance_fen, lines = sum(each.fen for each in moves if _day(each.at) < day), []
        moves = [each for each in moves if _day(each.at) == day]
        if not moves:
            return b""
        for number, each in enumerate(moves, start=1):
            balance_fen += each.fen
            lines.append(
                _line(
                    (
                        _local(each.at), each.business_no, f"{self._terms.mchid}{day:%Y%m%d}{number:06d}",
                        each.what, each.what, "收入" if each.fen >= 0 else "支出", _yuan(abs(each.fen)),
                        _yuan(balance_fen), "system", "", each.voucher,
                    )
                )
            )  # fmt: skip
        came = [each.fen for each in moves if each.fen >= 0]
        went = [-each.fen for each in moves if each.fen < 0]
        counts = (f"{len(moves)}.0", f"{len(came)}.0", _yuan(sum(came)), f"{len(went)}.0", _yuan(sum(went)))
        ends = [",".join(bills.FUND_SUMS), _line(counts)]
        return _joined([",".join(bills.FUND_COLUMNS), *lines, *ends], behaviour)

    def _moves(self, day: date) -> Iterator[_Move]:
        """Return what moved in the account until the end of a day, in order."""
        moves: list[_Move] = []
        for row in self._all_rows():
            if row.state == "SUCCESS":
                moves.append(_Move(row.at, row.transaction_id, "交易", row.total_fen, row.out_trade_no))
                if _fee_fen(row):
                    fee_fen = -_fee_fen(row)
                    moves.append(
                        _Move(row.at, row.transaction_id, "扣除交易手续费", fee_fen, row.out_trade_no)
                    )
            else:
                business_no = row.transaction_id if row.refund_id == "0" else row.refund_id
                back_fen = -row.refund_fen - _fee_fen(row)
                moves.append(_Move(row.at, business_no, "退款", back_fen, row.out_refund_no))
        ordered = sorted([*moves, *self._withdrawn], key=lambda each: each.at)
        return (each for each in ordered if _day(each.at) <= day)


def _row(
    placed: PlacedOrder, *, at: datetime, state: str, back: int = 0, refund: PlacedRefund | None = None
) -> _Row:
    return _Row(
        at=at,
        transaction_id=placed.transaction_id or "",
        out_trade_no=placed.order.out_trade_no,
        trade_type=TRADE_TYPES[placed.order.kind],
        state=state,
        name=placed.order.description,
        total_fen=0 if back else placed.order.total_fen,
        refund_id="0" if refund is None else refund.refund_id,
        out_refund_no="0" if refund is None else refund.order.out_refund_no,
        refund_fen=back,
    )


def _faulty(rows: Sequence[_Row], behaviour: Behaviour) -> list[_Row]:
    """Return the lines with the faults that are wished, at the front, where a test finds them."""
    kept = list(rows[behaviour.bill_missing :])
    altered = [replace(row, total_fen=row.total_fen + 1) for row in kept[: behaviour.bill_altered]]
    kept = altered + kept[behaviour.bill_altered :]
    extra = [
        _Row(
            at=rows[0].at, transaction_id=f"42009999{number:020d}", out_trade_no=f"NOBODY{number:06d}",
            trade_type="NATIVE", state="SUCCESS", name="?", total_fen=100,
        )
        for number in range(behaviour.bill_extra if rows else 0)
    ]  # fmt: skip
    return kept[: behaviour.bill_doubled] + kept + extra


def _fund_faults(moves: Sequence[_Move], behaviour: Behaviour) -> list[_Move]:
    """Return what moved with the faults that are wished."""
    paid = [each.business_no for each in moves if each.what == "交易"][: behaviour.fund_missing]
    kept = [each for each in moves if each.business_no not in paid or each.what == "退款"]
    fees = [each for each in kept if each.what == "扣除交易手续费"][: behaviour.fund_fee_more]
    charged = [each._replace(fen=each.fen - 100) if each in fees else each for each in kept]
    others = [
        _Move(moves[-1].at, f"X{number:06d}", "其他", -100, f"X{number:06d}")
        for number in range(behaviour.fund_other if moves else 0)
    ]
    return charged + others


def _fee_fen(row: _Row) -> int:
    """Return the fee of a line as the account is charged: whole fen, halves up."""
    sign = -1 if row.fee_micro < 0 else 1
    return sign * ((abs(row.fee_micro) + 5_000) // 10_000)


def _joined(lines: Iterable[str], behaviour: Behaviour) -> bytes:
    end = "\r\n" if behaviour.bill_crlf else "\n"
    return "".join(f"{line}{end}" for line in lines).encode()


def _line(cells: Sequence[str]) -> str:
    return ",".join(f"`{cell}" for cell in cells)


def _day(at: datetime) -> date:
    return at.astimezone(_BEIJING).date()


def _local(at: datetime) -> str:
    return f"{at.astimezone(_BEIJING):%Y-%m-%d %H:%M:%S}"


def _yuan(fen: int) -> str:
    sign, fen = ("-", -fen) if fen < 0 else ("", fen)
    return f"{sign}{fen // 100}.{fen % 100:02d}"


def _micro(micro: int) -> str:
    sign, micro = ("-", -micro) if micro < 0 else ("", micro)
    return f"{sign}{micro // 10**6}.{micro % 10**6 // 10:05d}"
