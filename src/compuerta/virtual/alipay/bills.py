"""Bills as Alipay makes them: a zip of two CSV files, names and content in GBK, and no flag says so."""

import io
import zipfile
from collections.abc import Iterable
from datetime import date, datetime
from typing import NamedTuple

from compuerta.virtual.alipay.telling import Behaviour
from compuerta.virtual.alipay.trades import PlacedTrade
from compuerta.wire.alipay.fields import BEIJING, write_instant, yuan

FEE_PPM = 6_000  # 0.6 %
_TRADE_HEADINGS = (
    "支付宝交易号,商户订单号,业务类型,商品名称,创建时间,完成时间,门店编号,门店名称,操作员,终端号,对方账户,"
    "订单金额（元）,商家实收（元）,支付宝红包（元）,集分宝（元）,支付宝优惠（元）,商家优惠（元）,券核销金额（元）,券名称,"
    "商家红包消费金额（元）,卡消费金额（元）,退款批次号/请求号,服务费（元）,分润（元）,备注"
)
_FUND_HEADINGS = (
    "账务流水号,业务流水号,商户订单号,商品名称,发生时间,对方账号,收入金额（+元）,支出金额（-元）,账户余额（元）,"
    "交易渠道,业务类型,备注"
)


class Row(NamedTuple):
    """Money that moved on the day of a bill; what went back is negative."""

    at: datetime
    trade_no: str
    out_trade_no: str
    out_request_no: str
    amount_fen: int
    subject: str

    @property
    def fee_fen(self) -> int:
        """What Alipay keeps, as its bill writes it: negative, and positive for what it gives back."""
        return -round(self.amount_fen * FEE_PPM / 1_000_000)


def rows_of(trades: Iterable[PlacedTrade], day: date, *, behaviour: Behaviour) -> list[Row]:
    """Return what moved on a day in Beijing, with and without what the behaviour wishes."""
    rows: list[Row] = []
    for trade in trades:
        if trade.paid_at is not None:
            name = (trade.trade_no, trade.out_trade_no)
            rows.append(Row(trade.paid_at, *name, "", trade.total_fen, trade.subject))
            rows += [
                Row(back.at, *name, back.out_request_no, -back.amount_fen, trade.subject)
                for back in trade.backs
            ]
    rows = sorted(row for row in rows if row.at.astimezone(BEIJING).date() == day)
    noon = datetime(day.year, day.month, day.day, 12, tzinfo=BEIJING)
    extra = [
        Row(noon, f"{day:%Y%m%d}2200149999{number:010d}", f"X{number}", "", 100, "谁的")
        for number in range(behaviour.bill_extra)
    ]
    return rows[behaviour.bill_missing :] + extra


def zipped(detail: str, *, day: date) -> bytes:
    """Return a bill with its detail and a summary."""
    packed, names = io.BytesIO(), {}
    contents = {"业务明细": detail, "业务明细(汇总)": "#支付宝业务汇总查询\r\n"}
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for letter, (name, content) in zip("ab", contents.items(), strict=True):
            gbk = f"20880000000000010156_{day:%Y%m%d}_{name}.csv".encode("gbk")
            # The library would write it in UTF-8, and say so; a stand-in of the same length holds the place.
            names[(letter * len(gbk)).encode()] = gbk
            archive.writestr(letter * len(gbk), content.encode("gb18030"))
    bill = packed.getvalue()
    for stand_in, gbk in names.items():
        bill = bill.replace(stand_in, gbk)
    return bill


def trade_detail(rows: list[Row], *, day: date, cut: bool) -> str:
    """Write the detail of a trade bill."""
    lines = [
        "#支付宝业务明细查询",
        "#账号：[20880000000000010156]",
        f"#起始日期：[{day:%Y年%m月%d日} 00:00:00]",
        "#-----------------------------------------业务明细列表----------------------------------------",
        _TRADE_HEADINGS,
    ]
    for row in rows:
        kind, at, amount = (
            "退款" if row.amount_fen < 0 else "交易",
            write_instant(row.at),
            yuan(row.amount_fen),
        )
        lines.append(
            f"{row.trade_no}\t,{row.out_trade_no}\t,{kind}\t,{row.subject},{at},{at},\t,\t,\t,\t,"
            f"*三(138****0000)\t,{amount},{amount},0.00,0.00,0.00,0.00,0.00,,0.00\t,0.00,"
            f"{row.out_request_no}\t,{yuan(row.fee_fen)},0.00,"
        )
    came = [row.amount_fen for row in rows if row.amount_fen > 0]
    went = [row.amount_fen for row in rows if row.amount_fen < 0]
    totals = [
        "#-----------------------------------------业务明细列表结束------------------------------------",
        f"#交易合计：{len(came)}笔，商家实收共{yuan(sum(came))}元，商家优惠共0.00元",
        f"#退款合计：{len(went)}笔，商家实收退款共{yuan(sum(went))}元，商家优惠退款共0.00元",
    ]
    return "\r\n".join([*lines, *([] if cut else totals), ""])


def fund_detail(rows: list[Row], *, cut: bool) -> str:
    """Write the detail of a fund bill: what came, what went, and the fee of each."""
    lines, balance_fen, came, went = ["#支付宝账务明细查询", _FUND_HEADINGS], 0, [0], [0]
    moves = [(row, amount) for row in rows for amount in (row.amount_fen, row.fee_fen) if amount]
    for number, (row, amount) in enumerate(moves, start=1):
        balance_fen += amount
        kind = "在线支付" if amount == row.amount_fen > 0 else "退款" if amount == row.amount_fen else "收费"
        columns = f"{yuan(amount)},0.00" if amount > 0 else f"0.00,{yuan(amount)}"
        lines.append(
            f"{number:016d}\t,{row.trade_no}\t,{row.out_trade_no}\t,{row.subject},{write_instant(row.at)},"
            f"\t,{columns},{yuan(balance_fen)},支付宝,{kind},"
        )
        (came if amount > 0 else went).append(amount)
    totals = [
        f"#支出合计：{len(went) - 1}笔，共{yuan(sum(went))}元",
        f"#收入合计：{len(came) - 1}笔，共{yuan(sum(came))}元",
    ]
    return "\r\n".join([*lines, *([] if cut else totals), ""])
