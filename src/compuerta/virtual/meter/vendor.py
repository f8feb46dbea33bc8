"""The 03H of the family of meter 260305510012: an order number instead of a purchase count, and no MAC.

Its refusals are one byte without published meaning: 01 came for what it would not do, 02 for what it does
not know (captures R34 and R36). What it says to an order number already taken was never captured; here that
is refused with 01, like anything else, and credits nothing. So a platform cannot tell "was done" from "was
refused" by the answer, and has to read back the balance or the purchase record: as with the real meter.
"""

from collections import deque
from typing import Final

from compuerta.virtual.meter.core import MeterCore
from compuerta.wire.dlt645 import (
    Answer,
    RechargeAnswer,
    SecurityErrorAnswer,
    StatusQuery,
    VendorRecharge,
    VendorRefund,
)
from compuerta.wire.dlt645.security import DI_RECHARGE, DI_VENDOR_REFUND, SecurityRequest

ORDERS_KEPT_MAX: Final = 1_000  # far more than anybody repeats; a meter's memory is small

REFUSED: Final = SecurityErrorAnswer(raw=b"\x01")
UNKNOWN: Final = SecurityErrorAnswer(raw=b"\x02")


class VendorDesk:
    """Will take each order number once, for a recharge or a refund."""

    def __init__(self, core: MeterCore) -> None:
        self._core = core
        self._orders: deque[str] = deque(maxlen=ORDERS_KEPT_MAX)

    def answer(self, request: SecurityRequest) -> Answer:
        """Obey or refuse one security request."""
        match request:
            case VendorRecharge():
                return self._recharge(request)
            case VendorRefund():
                return self._refund(request)
            case StatusQuery():
                return UNKNOWN
            case _:
                return REFUSED

    def _recharge(self, request: VendorRecharge) -> Answer:
        core = self._core
        if core.purse is None or self._is_not_for_us(request) or core.would_hoard(request.amount_minor):
            return REFUSED
        self._orders.append(request.order_no)
        core.recharge(amount_minor=request.amount_minor, purchase_no=core.purchase_no + 1)
        return RechargeAnswer(di=DI_RECHARGE)

    def _refund(self, request: VendorRefund) -> Answer:
        core = self._core
        balance_minor = core.balance_minor
        if balance_minor is None or self._is_not_for_us(request) or request.amount_minor > balance_minor:
            return REFUSED
        self._orders.append(request.order_no)
        core.refund(amount_minor=request.amount_minor, purchase_no=core.purchase_no + 1)
        return RechargeAnswer(di=DI_VENDOR_REFUND)

    def _is_not_for_us(self, request: VendorRecharge | VendorRefund) -> bool:
        return request.meter_no != self._core.meter_no or request.order_no in self._orders
