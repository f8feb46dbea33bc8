"""Bills of WeChat Pay v3: where one is fetched, and the names that its columns and sums have.

Its amounts are yuan with decimals, though every other amount here is fen; its times are Beijing's.
Each field after the names begins with a grave accent, and nothing is quoted: a name may hold commas.
"""

import re
from dataclasses import dataclass

from compuerta.wire.wechat import fields
from compuerta.wire.wechat.fields import BodyMalformed

URL_CHARS_MAX = 2048
_SHA1 = re.compile(r"[0-9a-fA-F]{40}", re.ASCII)

TRADE_COLUMNS = (
    "交易时间", "公众账号ID", "商户号", "特约商户号", "设备号", "微信订单号", "商户订单号", "用户标识",
    "交易类型", "交易状态", "付款银行", "货币种类", "应结订单金额", "代金券金额", "微信退款单号",
    "商户退款单号", "退款金额", "充值券退款金额", "退款类型", "退款状态", "商品名称", "商户数据包",
    "手续费", "费率", "订单金额", "申请退款金额", "费率备注",
)  # fmt: skip
TRADE_SUMS = (
    "总交易单数", "应结订单总金额", "退款总金额", "充值券退款总金额", "手续费总金额", "订单总金额",
    "申请退款总金额",
)  # fmt: skip
FUND_COLUMNS = (
    "记账时间", "微信支付业务单号", "资金流水单号", "业务名称", "业务类型", "收支类型", "收支金额(元)",
    "账户结余(元)", "资金变更提交申请人", "备注", "业务凭证号",
)  # fmt: skip
FUND_SUMS = (
    "资金流水总笔数", "收入笔数", "收入金额", "支出笔数", "支出金额",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class BillGrant:
    """Leave to fetch a bill; the address lives for half a minute."""

    sha1_hex: str  # of the file as it is after unpacking
    download_url: str


def build_grant(grant: BillGrant) -> bytes:
    """Write the answer to the question for a bill."""
    return fields.write_object(
        {"hash_type": "SHA1", "hash_value": grant.sha1_hex, "download_url": grant.download_url}
    )


def parse_grant(body: bytes) -> BillGrant:
    """Read the answer to the question for a bill."""
    grant = fields.read_object(body)
    if fields.text(grant, "hash_type", chars_max=16) != "SHA1":
        raise BodyMalformed("hash_type", "must be SHA1")
    sha1_hex = fields.text(grant, "hash_value", chars_max=64)
    if not _SHA1.fullmatch(sha1_hex):
        raise BodyMalformed("hash_value", "must be 40 hexadecimal digits")
    return BillGrant(
        sha1_hex=sha1_hex.lower(), download_url=fields.text(grant, "download_url", chars_max=URL_CHARS_MAX)
    )
