"""Bills of Alipay: columns by their headings, commas in names, and totals that have to agree."""

import io
import zipfile
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compuerta.wire.alipay import bills
from compuerta.wire.alipay.bills import FUND, TRADE, BillFaulty, BillLine, Layout

HEADINGS = (
    "支付宝交易号,商户订单号,业务类型,商品名称,创建时间,完成时间,订单金额(元),商家实收（元）,"
    "退款批次号/请求号,服务费（元）,备注"
)
PAID = "2026112122001\t,A1\t,交易\t,电费,2026-11-21 09:59:50,2026-11-21 10:00:05,100.00,97.50,\t,-0.12345,"
BACK = "2026112122001\t,A1\t,退款\t,电费,2026-11-21 09:59:50,2026-11-21 23:59:59,-10.00,-9.75,RF1\t,0.06,"
TOTALS = ("#交易合计：1笔，商家实收共97.50元，商家优惠共0.00元", "#退款合计：1笔，商家实收退款共-9.75元")


def a_bill(*lines: str, others: tuple[str, ...] = ("明细(汇总).csv",), end: str = "\r\n") -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("明细.csv", (end.join(lines) + end).encode("gb18030"))
        for name in others:
            archive.writestr(name, b"#")
    return packed.getvalue()


def read(bill: bytes, layout: Layout = TRADE) -> list[BillLine]:
    return list(bills.lines_of(bill, layout))


@pytest.mark.parametrize("end", ["\r\n", "\n"])
def test_a_payment_and_a_refund_are_read_with_five_decimals_of_fee(end: str) -> None:
    paid, back = read(a_bill("#head", HEADINGS, PAID, BACK, "#end", *TOTALS, end=end))

    at = datetime(2026, 11, 21, 2, 0, 5, tzinfo=UTC)
    assert paid == BillLine("2026112122001", "A1", "", 100_000_000, 123_450, at, "交易")
    assert (back.amount_micro, back.kept_micro, back.out_request_no) == (-10_000_000, -60_000, "RF1")


def test_columns_may_come_in_another_order_and_number() -> None:
    headings = ",".join(["旧列", *reversed(HEADINGS.split(","))])
    paid = ",".join(["", *reversed(PAID.split(","))])

    (found,) = read(a_bill(headings, paid, TOTALS[0]))

    assert (found.trade_no, found.amount_micro) == ("2026112122001", 100_000_000)


@pytest.mark.parametrize("name", ["电费,水费", '"电费,水费"', "a,b,c,d"])
def test_a_comma_in_what_is_sold_moves_no_column(name: str) -> None:
    (found,) = read(a_bill(HEADINGS, PAID.replace("电费", name), TOTALS[0]))

    assert (found.amount_micro, found.kept_micro) == (100_000_000, 123_450)


def test_a_fund_bill_has_what_came_and_what_went() -> None:
    headings = (
        "账务流水号,业务流水号,商户订单号,商品名称,发生时间,对方账号,收入金额（+元）,支出金额（-元）,"
        "账户余额（元）,业务类型"
    )
    came = "1\t,T1\t,A1\t,电费,2026-11-21 10:00:05,,100.00,,100.00,在线支付"
    went = "2\t,T1\t,A1\t,电费,2026-11-21 10:00:05,,0.00,-0.60,99.40,收费"

    found = read(
        a_bill(headings, came, went, "#支出合计：1笔，共-0.60元", "#收入合计：1笔，共100.00元"), FUND
    )

    assert [(line.amount_micro, line.kind) for line in found] == [
        (100_000_000, "在线支付"),
        (-600_000, "收费"),
    ]


def test_a_day_without_trades_has_no_lines() -> None:
    assert read(a_bill(HEADINGS, "#交易合计：0笔，商家实收共0.00元")) == []


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        ((HEADINGS, PAID, BACK), "totals"),
        ((HEADINGS, PAID, BACK, TOTALS[0]), "退款"),
        ((HEADINGS, PAID, *TOTALS), "退款"),
        ((HEADINGS, PAID, PAID, TOTALS[0]), "交易"),
        ((HEADINGS, PAID.replace("97.50", "97.51"), TOTALS[0]), "交易"),
        ((HEADINGS, PAID.replace("100.00", "1o0.00"), TOTALS[0]), "no amount"),
        ((HEADINGS, PAID.replace("10:00:05", "25:00:05"), TOTALS[0]), "hour"),
        ((HEADINGS, PAID.rpartition(",")[0], TOTALS[0]), "columns"),
        ((HEADINGS.replace("订单金额(元)", "别的"), PAID, TOTALS[0]), "订单金额"),
        (("#only",), "headings"),
        ((HEADINGS, "x" * 10_000), "characters"),
    ],
)
def test_a_bill_that_does_not_agree_with_itself_is_faulty(lines: tuple[str, ...], reason: str) -> None:
    with pytest.raises(BillFaulty, match=reason):
        read(a_bill(*lines))


def test_what_is_no_bill_is_faulty() -> None:
    good = a_bill(HEADINGS, PAID, TOTALS[0])

    for bill in (b"", b"PK\x03\x04", good[:100], good[:-30], a_bill(HEADINGS, others=("a.csv", "b.csv"))):
        with pytest.raises(BillFaulty):
            read(bill)


@given(st.integers(min_value=0), st.integers(min_value=1, max_value=255))
def test_a_damaged_archive_is_read_right_or_not_at_all(place: int, bits: int) -> None:
    good = a_bill(HEADINGS, *[PAID] * 20, "#交易合计：20笔，商家实收共1950.00元")
    damaged = bytearray(good)
    damaged[place % len(damaged)] ^= bits

    try:
        found = read(bytes(damaged))
    except BillFaulty:
        return
    assert found == read(good)


def test_totals_of_thousands_of_digits_are_faulty() -> None:
    with pytest.raises(bills.BillFaulty):
        read(a_bill(HEADINGS, f"#交易合计：{'9' * 5_000}笔，商家实收共0.00元"))
