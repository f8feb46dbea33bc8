"""The words on receipts, in English, Spanish and Chinese: on paper and on screens alike."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from compuerta.domain.contact import Language

_EN, _ES, _ZH = Language.ENGLISH, Language.SPANISH, Language.CHINESE

# What the word is for: in English, Spanish and Chinese.
_WORDS: Final[Mapping[str, tuple[str, str, str]]] = MappingProxyType(
    {
        "title": ("Electricity receipt", "Recibo de electricidad", "电费收据"),
        "number": ("Receipt no.", "Recibo n.º", "收据号"),
        "date": ("Date", "Fecha", "日期"),
        "place": ("Place", "Lugar", "地址"),
        "customer": ("Customer", "Cliente", "用户"),
        "meter": ("Meter", "Contador", "电表号"),
        "tariff": ("Tariff", "Tarifa", "电价"),
        "emergency": ("Emergency credit repaid", "Crédito de emergencia devuelto", "归还应急电费"),
        "energy": ("Energy", "Energía", "购电"),
        "debt": ("Debt", "Deuda", "欠费"),
        "fixed": ("Standing charge", "Cargo fijo", "固定费用"),
        "fee": ("Service fee", "Comisión de servicio", "手续费"),
        "tax": ("Tax", "Impuesto", "税费"),
        "change": ("Kept for you", "A su favor", "留存"),
        "remaining": ("still owed: {amount}", "queda por pagar: {amount}", "尚欠：{amount}"),
        "total": ("Total paid", "Total pagado", "实付合计"),
        "cash": ("Cash", "Efectivo", "现金"),
        "card": ("Card", "Tarjeta", "银行卡"),
        "transfer": ("Transfer", "Transferencia", "转账"),
        "cheque": ("Cheque", "Cheque", "支票"),
        "code": ("Pay code", "Código de pago", "付款码"),
        "other": ("Other", "Otro", "其他"),
        "given_back": ("Change", "Cambio", "找零"),
        "bought": ("Buys about", "Compra aprox.", "约购电量"),
        "before": ("Balance before", "Saldo anterior", "充值前余额"),
        "after": ("Balance after", "Saldo posterior", "充值后余额"),
        "paid": ("Paid", "Pagado", "已付款"),
        "posted": ("In our books", "En nuestros libros", "已入账"),
        "credited": ("Credited", "Acreditado", "已到账"),
        "closed": ("Power on", "Con suministro", "已通电"),
        "on_its_way": ("on its way", "en camino", "处理中"),
        "voided": ("VOID", "ANULADO", "已作废"),
        "refunded": ("REFUNDED", "REEMBOLSADO", "已退款"),
        "counter_receipt": ("Counter-receipt", "Contrarrecibo", "作废单号"),
        "refunded_amount": ("Given back", "Devuelto", "退款金额"),
        "way": ("Paid by", "Forma de pago", "支付方式"),
        "transaction": ("Transaction", "Operación", "交易号"),
        "cashier": ("Cashier", "Cajero", "收银员"),
        "till": ("Till", "Caja", "收款机"),
        "wechat": ("WeChat Pay", "WeChat Pay", "微信支付"),
        "alipay": ("Alipay", "Alipay", "支付宝"),
        "paybill": ("M-Pesa", "M-Pesa", "M-Pesa"),
        "biller": ("Collected by a partner", "Cobrado por un tercero", "代收"),
        "copy": ("COPY {number}", "COPIA {number}", "副本 {number}"),
        "proof": ("Genuine? Scan and see.", "¿Es auténtico? Escanee y vea.", "扫码验真伪"),
    }
)  # fmt: skip
WORDS: Final[Mapping[Language, Mapping[str, str]]] = MappingProxyType(
    {
        language: MappingProxyType({name: words[at] for name, words in _WORDS.items()})
        for at, language in enumerate((_EN, _ES, _ZH))
    }
)


def word(name: str, *, language: Language) -> str:
    """Return a word of receipts; a name that has none is said as it is."""
    return WORDS[language].get(name, name.replace("_", " "))
