"""Reads bills of WeChat Pay line by line: a day of a million payments, in seconds and in little memory.

Everything stays bytes until it is kept, amounts become integers without a Decimal between, and the sums at
the end are compared with what was read: a line that is missing, doubled or changed is found there.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta, timezone
from operator import itemgetter
from typing import Protocol

from compuerta.adapters.payments.wechat_bills import BillUnpackable, unpacked
from compuerta.services.payment_ports import Move, StatementFaulty, StatementKind, StatementLine
from compuerta.wire.wechat.bodies import CURRENCY

LINE_BYTES_MAX = 16_384  # 27 fields, of which the longest is a name of 127 characters
_AMOUNT_CHARS_MAX = 18
_MINUTES_MAX = 3_000  # a day has 1,440; more is a bill of several days, whose minutes are then read anew
_BEIJING = timezone(timedelta(hours=8))
_SECONDS = {b"%02d" % second: timedelta(seconds=second) for second in range(60)}
_FEN, _MICRO = 2, 6
_MERCHANT = "商户号"
# The kinds of business that are known; a word that is none of these is for a person to look at.
_MOVES = {
    "交易": Move.PAYMENT, "退款": Move.REFUND, "扣除交易手续费": Move.FEE, "交易手续费退回": Move.FEE,
    "提现": Move.PAYOUT, "提现手续费": Move.FEE, "提现退票": Move.PAYOUT, "自动提现": Move.PAYOUT,
}  # fmt: skip


def lines(bill: bytes, kind: StatementKind, *, mchid: str) -> Iterator[StatementLine]:
    """Read a bill, b"" being an empty one; raises `StatementFaulty`, at the end too."""
    if not bill:
        return
    raw = _raw_lines(bill)
    try:
        names = _names(next(raw, b""))
        reading: _Reading = _Trade(names, mchid) if kind is StatementKind.TRADE else _Fund(names)
    except ValueError as error:
        raise StatementFaulty(1, str(error)) from error
    width, line_no, read = len(names), 1, reading.read
    sums = b""
    for line_no, line in enumerate(raw, start=2):
        if not line.startswith(b"`"):
            sums = line
            break
        cells = line[1:].split(b",`")
        if len(cells) != width:
            raise StatementFaulty(line_no, f"{len(cells)} fields and not {width}")
        try:
            row = read(cells)
        except ValueError as error:
            raise StatementFaulty(line_no, str(error)) from error
        yield row
    _check_end(sums, raw, reading, line_no=line_no)


class _Reading(Protocol):
    def read(self, cells: list[bytes]) -> StatementLine: ...

    def sums(self) -> dict[str, int]: ...


class _Trade:
    """Payments and refunds; refunds are told with positive amounts, and are negative here."""

    COLUMNS = (
        "交易时间", "微信订单号", "商户订单号", "交易状态", "货币种类", "应结订单金额", "商户退款单号",
        "退款金额", "充值券退款金额", "手续费", "订单金额", "申请退款金额", _MERCHANT,
    )  # fmt: skip

    def __init__(self, names: Sequence[str], mchid: str) -> None:
        self._pick = _picker(names, self.COLUMNS)
        self._mchid = mchid.encode()
        self._at = _instants()
        self._count = self._settled = self._refunded = self._coupons = 0
        self._fees = self._total = self._applied = 0

    def read(self, cells: list[bytes]) -> StatementLine:
        (
            at, transaction_no, reference, state, currency, settled, refund_reference, refunded,
            coupons, fee, total, applied, mchid,
        ) = self._pick(cells)  # fmt: skip
        if mchid != self._mchid:
            raise ValueError("it is another merchant's")
        if currency != b"CNY":
            raise ValueError(f"its currency is not {CURRENCY}")
        fee_micro, total_fen, applied_fen = _micro(fee), _fen(total), _fen(applied)
        self._count += 1
        self._settled += _fen(settled)
        self._refunded += _fen(refunded)
        self._coupons += _fen(coupons)
        self._fees += fee_micro
        self._total += total_fen
        self._applied += applied_fen
        if state == b"SUCCESS":
            refund_no, amount_fen, word = "", total_fen, "SUCCESS"
        elif state in (b"REFUND", b"REVOKED"):
            refund_no = "" if refund_reference == b"0" else refund_reference.decode()
            amount_fen, word = -applied_fen, state.decode()
        else:
            raise ValueError(f"its state {state[:32]!r} is not known")
        return StatementLine(
            transaction_no.decode(), reference.decode(), refund_no, amount_fen, fee_micro, CURRENCY,
            self._at(at), word,
        )  # fmt: skip

    def sums(self) -> dict[str, int]:
        return {
            "总交易单数": self._count * 10**_MICRO,
            "应结订单总金额": self._settled * 10**4,
            "退款总金额": self._refunded * 10**4,
            "充值券退款总金额": self._coupons * 10**4,
            "手续费总金额": self._fees,
            "订单总金额": self._total * 10**4,
            "申请退款总金额": self._applied * 10**4,
        }


class _Fund:
    """What moved in the account; a fee is a line of its own, so no line has one beside it."""

    COLUMNS = (
        "记账时间", "微信支付业务单号", "业务类型", "收支类型", "收支金额(元)", "账户结余(元)", "业务凭证号",
    )  # fmt: skip

    def __init__(self, names: Sequence[str]) -> None:
        self._pick = _picker(names, self.COLUMNS)
        self._at = _instants()
        self._came = self._came_fen = self._went = self._went_fen = 0

    def read(self, cells: list[bytes]) -> StatementLine:
        at, transaction_no, what, way, amount, balance, voucher = self._pick(cells)
        amount_fen, word, reference = _fen(amount), what.decode(), voucher.decode()
        match way.decode():
            case "收入":
                self._came += 1
                self._came_fen += amount_fen
            case "支出":
                self._went += 1
                self._went_fen += amount_fen
                amount_fen = -amount_fen
            case _:
                raise ValueError("it neither came in nor went out")
        move = _MOVES.get(word, Move.OTHER)
        is_refund = move is Move.REFUND
        reference = "" if reference == "0" else reference
        return StatementLine(
            transaction_no.decode(),
            "" if is_refund else reference,
            reference if is_refund else "",
            amount_fen, 0, CURRENCY, self._at(at), word, move, _fen(balance),
        )  # fmt: skip

    def sums(self) -> dict[str, int]:
        return {
            "资金流水总笔数": (self._came + self._went) * 10**_MICRO,
            "收入笔数": self._came * 10**_MICRO,
            "收入金额": self._came_fen * 10**4,
            "支出笔数": self._went * 10**_MICRO,
            "支出金额": self._went_fen * 10**4,
        }


def _raw_lines(bill: bytes) -> Iterator[bytes]:
    rest, line_no = b"", 0
    try:
        for chunk in unpacked(bill):
            whole = (rest + chunk).replace(b"\r\n", b"\n").split(b"\n")
            rest = whole.pop()
            line_no += len(whole)
            if len(rest) > LINE_BYTES_MAX:
                raise StatementFaulty(line_no + 1, f"more than {LINE_BYTES_MAX} bytes")
            yield from whole
    except BillUnpackable as error:
        raise StatementFaulty(line_no + 1, str(error)) from error
    if rest:
        yield rest


def _names(line: bytes) -> list[str]:
    text = line.removeprefix(b"\xef\xbb\xbf").decode()
    # Column names have had both kinds of brackets.
    return [name.strip("`\r ").replace("（", "(").replace("）", ")") for name in text.split(",")]


def _picker(names: Sequence[str], wanted: tuple[str, ...]) -> Callable[[list[bytes]], tuple[bytes, ...]]:
    for name in wanted:
        if names.count(name) != 1:
            raise ValueError(f"the column {name} is not there once")
    return itemgetter(*(names.index(name) for name in wanted))


def _check_end(sums: bytes, raw: Iterator[bytes], reading: _Reading, *, line_no: int) -> None:
    if not sums:
        raise StatementFaulty(line_no, "the sums are missing")
    try:
        names = _names(sums)
        told = dict(zip(names, next(raw, b"").rstrip(b"\r").removeprefix(b"`").split(b",`"), strict=True))
        for name, counted in reading.sums().items():
            if name not in told:
                raise ValueError(f"the sum {name} is missing")
            if _scaled(told[name], _MICRO) != counted:
                raise ValueError(f"{name} is not the sum of the lines")
    except ValueError as error:
        raise StatementFaulty(line_no + 1, str(error)) from error
    for line in raw:
        if line.strip():
            raise StatementFaulty(line_no + 2, "something comes after the sums")


def _instants() -> Callable[[bytes], datetime]:
    """Return a reader of Beijing times that reads each minute once."""
    minutes: dict[bytes, datetime] = {}

    def read(text: bytes) -> datetime:
        minute = minutes.get(text[:17])
        if minute is None:
            # Some texts are another spelling of a time; this layout has one.
            if len(text) != 19 or text[10:11] != b" ":
                raise ValueError("its time is none")
            if len(minutes) >= _MINUTES_MAX:
                minutes.clear()
            local = datetime.fromisoformat(text[:16].decode()).replace(tzinfo=_BEIJING)
            minute = minutes[text[:17]] = local.astimezone(UTC)
        try:
            return minute + _SECONDS[text[17:]]
        except KeyError as error:
            raise ValueError("its time is none") from error

    return read


def _fen(text: bytes) -> int:
    # The usual spelling, "50.00", by one comparison and one int; every other goes the long way.
    digits = text[:-3] + text[-2:]
    if text[-3:-2] == b"." and digits.isdigit() and 2 < len(digits) < _AMOUNT_CHARS_MAX:
        return int(digits)
    return _scaled(text, _FEN)


def _micro(text: bytes) -> int:
    digits = text[:-6] + text[-5:]
    if text[-6:-5] == b"." and digits.isdigit() and 5 < len(digits) < _AMOUNT_CHARS_MAX:
        return int(digits) * 10
    return _scaled(text, _MICRO)


def _scaled(text: bytes, places: int) -> int:
    """Return a decimal as an integer of so many places, exactly; finer ones are refused."""
    whole, _, part = text.removeprefix(b"-").partition(b".")
    part = part.rstrip(b"0")
    if len(part) > places or len(text) > _AMOUNT_CHARS_MAX or not (whole + part).isdigit() or not whole:
        raise ValueError(f"{text[:24]!r} is no amount, or finer than it may be")
    value = int(whole + part.ljust(places, b"0"))
    return -value if text.startswith(b"-") else value
