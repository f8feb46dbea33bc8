"""Bills of WeChat: fetched in two steps, read in a stream, and believed only where their sums agree."""

import gzip
import hashlib
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

import pytest
from tests.unit.payments.wechat_side import NOON, a_chance, a_cheap_pair, a_wish, an_attempt

from compuerta.adapters.payments import wechat_bills
from compuerta.adapters.payments.http import converse_with
from compuerta.adapters.payments.wechat_account import AnswerForged, OrderRefused
from compuerta.services.payment_ports import (
    HttpRequest,
    HttpResponse,
    NotReady,
    StatementFaulty,
    StatementKind,
    StatementLine,
)
from compuerta.virtual.wechat.notices import Behaviour
from compuerta.wire.wechat import bills, signature

TODAY = date(2026, 11, 22)
TOMORROW_NOON = NOON + timedelta(days=1)


class Desk:
    """A world with a day behind it, and the desk where its bill is fetched the next day."""

    def __init__(self, *amounts: int) -> None:
        self.world, self.provider = a_cheap_pair()
        self.now = NOON
        self.sent: list[HttpRequest] = []
        for number, amount_minor in enumerate(amounts, start=1):
            attempt = an_attempt(reference=f"R2026112200{number:04d}", amount_minor=amount_minor)
            converse_with(self.provider.create(attempt, now=NOON, chance=a_chance()), self.answer)
            self.world.pay(attempt.reference, NOON, discount_fen=100)
        self.now = TOMORROW_NOON

    def answer(self, request: HttpRequest) -> HttpResponse:
        self.sent.append(request)
        return self.world.answer(request, self.now)

    def fetch(
        self,
        kind: StatementKind = StatementKind.TRADE,
        *,
        day: date = TODAY,
        answer: Callable[[HttpRequest], HttpResponse] | None = None,
    ) -> bytes:
        steps = self.provider.statement(day, kind, now=self.now, chance=a_chance())
        return converse_with(steps, answer or self.answer)

    def lines(self, kind: StatementKind = StatementKind.TRADE) -> list[StatementLine]:
        return list(self.provider.lines(self.fetch(kind), kind))


def read(bill: bytes, kind: StatementKind = StatementKind.TRADE) -> list[StatementLine]:
    return list(a_cheap_pair()[1].lines(bill, kind))


def fault_of(bill: bytes, kind: StatementKind = StatementKind.TRADE) -> StatementFaulty:
    with pytest.raises(StatementFaulty) as faulty:
        read(bill, kind)
    return faulty.value


def a_row(**changes: str) -> str:
    cells = dict.fromkeys(bills.TRADE_COLUMNS, "") | {
        "交易时间": "2026-11-21 10:00:05", "商户号": "1900000001", "微信订单号": "42001", "商户订单号": "R1",
        "交易状态": "SUCCESS", "货币种类": "CNY", "应结订单金额": "50.00", "商户退款单号": "0",
        "退款金额": "0.00", "充值券退款金额": "0.00", "商品名称": "电费充值,3栋502", "手续费": "0.30000",
        "订单金额": "50.00", "申请退款金额": "0.00",
    }  # fmt: skip
    return ",".join(f"`{cell}" for cell in (cells | changes).values())


SUMS = "`1,`50.00,`0.00,`0.00,`0.30000,`50.00,`0.00"


def a_bill(*rows: str, sums: str = SUMS, end: str = "\n") -> bytes:
    lines = (",".join(bills.TRADE_COLUMNS), *rows, ",".join(bills.TRADE_SUMS), sums)
    return "".join(f"{line}{end}" for line in lines).encode()


# Reading


def test_a_line_tells_amount_fee_instant_and_both_numbers() -> None:
    assert read(a_bill(a_row())) == [
        StatementLine(
            transaction_no="42001",
            reference="R1",
            refund_reference="",
            amount_minor=5000,
            fee_micro=300_000,
            currency="CNY",
            at=datetime(2026, 11, 21, 2, 0, 5, tzinfo=UTC),
            state="SUCCESS",
        )
    ]


@pytest.mark.parametrize("state", ["REFUND", "REVOKED"])
def test_money_that_went_back_is_negative_and_so_is_its_fee(state: str) -> None:
    row = a_row(
        交易状态=state, 应结订单金额="0.00", 订单金额="0.00", 商户退款单号="RF1", 退款金额="10.00",
        申请退款金额="10.00", 手续费="-0.06000",
    )  # fmt: skip

    (line,) = read(a_bill(row, sums="`1,`0.00,`10.00,`0.00,`-0.06000,`0.00,`10.00"))

    assert (line.amount_minor, line.fee_micro, line.refund_reference) == (-1000, -60_000, "RF1")


@pytest.mark.parametrize(
    "spelled",
    [
        a_bill(a_row(), end="\r\n"),
        b"\xef\xbb\xbf" + a_bill(a_row()),
        a_bill(a_row()).rstrip(b"\n"),
        gzip.compress(a_bill(a_row())),
        a_bill(a_row(), sums="`1.0,`50,`0,`0,`0.3,`50.0,`0.00"),
    ],
)
def test_bom_line_ends_packing_and_short_decimals_do_not_matter(spelled: bytes) -> None:
    assert read(spelled) == read(a_bill(a_row()))


def test_columns_are_found_by_their_names() -> None:
    names = list(reversed(bills.TRADE_COLUMNS))
    row = ",".join(reversed(a_row().replace("充值,3", "充值 3").split(",")))
    lines = [",".join(names), row, ",".join(bills.TRADE_SUMS), SUMS, ""]

    assert read("\n".join(lines).encode()) == read(a_bill(a_row()))


def test_an_empty_bill_has_no_lines() -> None:
    assert read(b"") == []
    assert read(b"", StatementKind.FUND) == []


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"订单金额": "50.001"}, "no amount"),
        ({"应结订单金额": "0.005"}, "no amount"),
        ({"退款金额": ""}, "no amount"),
        ({"订单金额": "５０.00"}, "no amount"),
        ({"订单金额": "5_0.00"}, "no amount"),
        ({"订单金额": " 50.00"}, "no amount"),
        ({"订单金额": "+50.00"}, "no amount"),
        ({"订单金额": ".50"}, "no amount"),
        ({"订单金额": "1e3"}, "no amount"),
        ({"订单金额": "9" * 30}, "no amount"),
        ({"手续费": "0.3000001"}, "no amount"),
        ({"交易时间": "2026-11-21T10:00:05"}, "time"),
        ({"交易时间": "2026-13-21 10:00:05"}, "month"),
        ({"交易时间": "2026-11-21 10:00:60"}, "time"),
        ({"交易时间": "2026-11-21 10:00"}, "time"),
        ({"交易状态": "ACCEPT"}, "state"),
        ({"货币种类": "USD"}, "currency"),
        ({"商户号": "1900000002"}, "merchant"),
        ({"商品名称": "a,`b"}, "28 fields"),
    ],
)
def test_a_line_that_cannot_be_read_stops_the_bill_by_its_number(changes: dict[str, str], says: str) -> None:
    fault = fault_of(a_bill(a_row(), a_row(**changes)))

    assert (fault.line_no, says in fault.reason) == (3, True), fault.reason


@pytest.mark.parametrize("place", range(7))
def test_each_sum_is_compared(place: int) -> None:
    sums = SUMS.split(",")
    sums[place] = "`7"

    assert fault_of(a_bill(a_row(), sums=",".join(sums))).line_no == 4


@pytest.mark.parametrize(
    "damaged",
    [
        a_bill(a_row(), a_row()),  # doubled
        a_bill(),  # missing
        a_bill(a_row(订单金额="50.01")),
        a_bill(a_row(手续费="0.30001")),
        a_bill(a_row()).replace(b"`1,`50.00,`0.00,`0.00,`0.30000,`50.00,`0.00\n", b""),
        b"\n".join(a_bill(a_row()).split(b"\n")[:2]),
        a_bill(a_row()) + a_row().encode(),
        a_bill(a_row()).replace("总交易单数".encode(), b"?"),
        a_bill(a_row()).replace("订单金额,申请".encode(), "订单金额元,申请".encode()),
        b"<html>not found</html>",
        b"\xff\xfe",
        gzip.compress(a_bill(a_row()))[:-20],
        gzip.compress(a_bill(a_row())) + b"more",
        b"\x1f\x8bnothing",
        b"`" * 40_000,
    ],
)
def test_a_bill_that_is_not_whole_is_refused(damaged: bytes) -> None:
    fault_of(damaged)


def test_a_bill_that_unpacks_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wechat_bills, "BILL_BYTES_MAX", 3_000_000)
    rows = (a_row() for _ in range(20_000))

    assert "more than" in fault_of(gzip.compress(a_bill(*rows))).reason


# Fetching


def test_a_day_is_fetched_packed_from_the_address_that_was_given() -> None:
    desk = Desk(5000, 2000)

    bill = desk.fetch()

    asked, fetched = desk.sent[-2:]
    assert asked.path == "/v3/bill/tradebill?bill_date=2026-11-22&bill_type=ALL&tar_type=GZIP"
    assert (fetched.base_url, fetched.path.partition("=")[0]) == (
        "https://api.mch.weixin.qq.com",
        "/v3/billdownload/file?token",
    )
    assert fetched.answer_bytes_max > 100_000_000
    assert bill.startswith(b"\x1f\x8b")


def test_a_day_reads_to_what_the_provider_has() -> None:
    desk = Desk(5000, 2001)
    wish = a_wish(transaction_no=desk.world.facts()[0].transaction_no)
    desk.now = NOON
    converse_with(desk.provider.refund(wish, now=NOON, chance=a_chance()), desk.answer)
    desk.now = TOMORROW_NOON

    trade, fund = desk.lines(), desk.lines(StatementKind.FUND)

    assert sorted(line.amount_minor for line in trade) == [-1000, 2001, 5000]
    assert sum(line.fee_micro for line in trade) == 6001 * 60
    assert sum(line.amount_minor for line in fund) == 6001 - 30 - 12 + 6
    assert {line.state for line in fund} == {"交易", "扣除交易手续费", "退款"}


def test_a_bill_before_ten_in_beijing_is_not_ready() -> None:
    desk = Desk(5000)
    desk.now = datetime(2026, 11, 23, 1, 59, tzinfo=UTC)

    with pytest.raises(NotReady):
        desk.fetch()

    desk.now += timedelta(minutes=1)
    assert len(desk.lines()) == 1


def test_a_day_without_movement_is_an_empty_bill() -> None:
    assert Desk(5000).fetch(day=date(2026, 11, 20)) == b""


@pytest.mark.parametrize(
    "behaviour",
    [{"bill_missing": 1}, {"bill_extra": 2}, {"bill_doubled": 1}, {"bill_altered": 1}, {"bill_crlf": True}],
)
def test_a_bill_that_agrees_with_itself_is_read_whatever_it_says(behaviour: dict[str, object]) -> None:
    desk = Desk(5000, 2000)
    desk.world.behave(behaviour)
    good = Behaviour()

    lines = desk.lines()

    told = desk.world.behaviour
    assert len(lines) == 2 - told.bill_missing + told.bill_extra + told.bill_doubled
    assert (sum(line.amount_minor for line in lines) == 7000) == (told.bill_crlf != good.bill_crlf)


def test_a_bill_whose_sums_are_not_its_lines_is_refused() -> None:
    desk = Desk(5000)
    desk.world.behave({"bill_sums_wrong": True})

    with pytest.raises(StatementFaulty):
        desk.lines()


def test_a_bill_of_another_hash_is_refused() -> None:
    desk = Desk(5000)

    def changed(request: HttpRequest) -> HttpResponse:
        answer = desk.answer(request)
        if request.base_url:
            packed = gzip.compress(gzip.decompress(answer.body).replace(b"50.00", b"60.00"))
            return HttpResponse(status=200, body=packed)
        return answer

    with pytest.raises(StatementFaulty) as faulty:
        desk.fetch(answer=changed)

    assert "hash" in faulty.value.reason


def test_an_address_that_nobody_signed_is_not_followed() -> None:
    desk = Desk(5000)
    desk.world.behave({"unsigned_answers": True})

    with pytest.raises(AnswerForged):
        desk.fetch()

    assert not desk.sent[-1].base_url


def test_an_address_lives_half_a_minute() -> None:
    desk = Desk(5000)

    def slowly(request: HttpRequest) -> HttpResponse:
        if request.base_url:
            desk.now += timedelta(seconds=30)
        return desk.answer(request)

    with pytest.raises(OrderRefused) as refused:
        desk.fetch(answer=slowly)

    assert refused.value.status == 404


def test_the_announced_hash_is_of_the_file_inside() -> None:
    desk = Desk(5000)

    bill = desk.fetch()

    grants = [bills.parse_grant(desk.world.answer(request, desk.now).body) for request in desk.sent[-2:-1]]
    assert grants[0].sha1_hex == hashlib.sha1(gzip.decompress(bill)).hexdigest()
    assert signature.SIGNATURE not in desk.world.answer(desk.sent[-1], desk.now).headers
