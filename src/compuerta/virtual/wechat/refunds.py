"""The simulated provider's refunds: asked for once by number, on their way for a while, and then ended."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from random import Random

from compuerta.virtual.providers.notices import PPM
from compuerta.virtual.wechat.notices import Behaviour
from compuerta.virtual.wechat.orders import Orders
from compuerta.virtual.wechat.placed import PAID_STATES, ApiError, PlacedOrder, PlacedRefund
from compuerta.wire.wechat.bodies import TradeState
from compuerta.wire.wechat.refunds import RefundOrder, RefundStatus

REFUNDS_PER_ORDER_MAX = 50
REFUNDS_APART = timedelta(minutes=1)
REFUND_AGE_MAX = timedelta(days=365)


class Refunds:
    """All refunds of one merchant account, by the merchant's number."""

    def __init__(self, orders: Orders, *, random: Random, behaviour: Callable[[], Behaviour]) -> None:
        self._orders = orders
        self._random = random
        self._behaviour = behaviour
        self._refunds: dict[str, PlacedRefund] = {}
        self._open: set[str] = set()

    def all(self) -> list[PlacedRefund]:
        """Return all refunds, the oldest first."""
        return list(self._refunds.values())

    def known(self, out_refund_no: str) -> PlacedRefund:
        """Return a refund by the merchant's number."""
        placed = self._refunds.get(out_refund_no)
        if placed is None:
            raise ApiError(404, "RESOURCE_NOT_EXISTS", "退款单不存在")
        return placed

    def ask(self, wish: RefundOrder, *, now: datetime) -> PlacedRefund:
        """Take a refund, or the same once more, which changes nothing."""
        known = self._refunds.get(wish.out_refund_no)
        if known is not None:
            if known.order != wish:
                raise ApiError(400, "INVALID_REQUEST", "请求重入时，参数与首次请求时不一致")
            return known
        if self._behaviour().balance_short:
            raise ApiError(403, "NOT_ENOUGH", "商户可用余额不足")
        by_transaction = bool(wish.transaction_id)
        paid = (
            self._orders.by_transaction(wish.transaction_id)
            if by_transaction
            else self._orders.known(wish.out_trade_no)
        )
        self._check(paid, wish, now=now)
        return self._placed(paid, wish, now=now, by_hand=False)

    def by_hand(self, paid: PlacedOrder, *, refund_fen: int, now: datetime) -> PlacedRefund:
        """Send money back as a merchant does in the provider's console; 0 = all that is left."""
        left_fen = paid.order.total_fen - paid.refunded_fen
        wish = RefundOrder(
            out_refund_no=f"BYHAND{self._random.randrange(10**12):012d}",
            out_trade_no=paid.order.out_trade_no,
            refund_fen=refund_fen or left_fen,
            total_fen=paid.order.total_fen,
            notify_url=paid.order.notify_url,
        )
        if not 1 <= wish.refund_fen <= left_fen:
            raise ApiError(400, "INVALID_REQUEST", "退款金额大于可退金额")
        return self._placed(paid, wish, now=now, by_hand=True)

    def settle(self, now: datetime) -> list[PlacedRefund]:
        """End the refunds whose time has come, and return them."""
        ended = []
        for number in sorted(self._open):
            placed = self._refunds[number]
            if now >= placed.ends_at:
                placed = replace(placed, status=placed.end, ended_at=placed.ends_at.replace(microsecond=0))
                self._refunds[number] = placed
                self._open.discard(number)
                ended.append(placed)
                if placed.status is RefundStatus.CLOSED:
                    self._count(placed, -placed.order.refund_fen)
        return ended

    def wake_at(self) -> datetime | None:
        """Return when the next refund ends, or None."""
        return min((self._refunds[number].ends_at for number in self._open), default=None)

    def _check(self, paid: PlacedOrder, wish: RefundOrder, *, now: datetime) -> None:
        mine = [each for each in self._refunds.values() if each.out_trade_no == paid.order.out_trade_no]
        if paid.state not in PAID_STATES or paid.paid_at is None:
            raise ApiError(400, "INVALID_REQUEST", "订单未支付")
        if wish.total_fen != paid.order.total_fen:
            raise ApiError(400, "INVALID_REQUEST", "订单金额或退款金额与之前请求不一致")
        if paid.refunded_fen + wish.refund_fen > paid.order.total_fen:
            raise ApiError(400, "INVALID_REQUEST", "退款金额大于可退金额")
        if now > paid.paid_at + REFUND_AGE_MAX or len(mine) >= REFUNDS_PER_ORDER_MAX:
            raise ApiError(400, "INVALID_REQUEST", "订单已超过可退款的最大期限或次数")
        if mine and now < max(each.asked_at for each in mine) + REFUNDS_APART:
            raise ApiError(403, "FREQUENCY_LIMITED", "同一订单退款间隔不得小于1分钟")

    def _placed(self, paid: PlacedOrder, wish: RefundOrder, *, now: datetime, by_hand: bool) -> PlacedRefund:
        behaviour = self._behaviour()
        end = RefundStatus.SUCCESS
        if not by_hand and self._draws(behaviour.refund_abnormal_ppm):
            end = RefundStatus.ABNORMAL
        elif not by_hand and self._draws(behaviour.refund_closed_ppm):
            end = RefundStatus.CLOSED
        assert paid.transaction_id is not None
        placed = PlacedRefund(
            order=wish,
            refund_id=f"503{now:%Y%m%d}{len(self._refunds) + 1:06d}{self._random.randrange(10**10):010d}",
            out_trade_no=paid.order.out_trade_no,
            transaction_id=paid.transaction_id,
            asked_at=now,
            ends_at=now if by_hand else now + timedelta(milliseconds=behaviour.refund_ms),
            end=end,
        )
        self._refunds[wish.out_refund_no] = placed
        self._open.add(wish.out_refund_no)
        self._count(placed, wish.refund_fen)
        return placed

    def _count(self, placed: PlacedRefund, refund_fen: int) -> None:
        order = self._orders.known(placed.out_trade_no)
        refunded_fen = order.refunded_fen + refund_fen
        state = TradeState.REFUND if refunded_fen else TradeState.SUCCESS
        self._orders.put(replace(order, refunded_fen=refunded_fen, state=state))

    def _draws(self, ppm: int) -> bool:
        return ppm > 0 and self._random.randrange(PPM) < ppm
