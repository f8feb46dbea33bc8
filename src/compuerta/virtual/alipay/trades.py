"""What the simulated Alipay holds: trades as they are scanned, paid, given back and closed."""

from dataclasses import dataclass
from datetime import datetime

from compuerta.virtual.providers.worlds import Button, Fact, Shown, State
from compuerta.wire.alipay.bodies import CURRENCY, Method, Trade, TradeStatus

_PAYERS = (Button.PAY, Button.CANCEL, Button.REFUSE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Back:
    """Money that went back, or will at `at`."""

    out_request_no: str
    amount_fen: int
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedTrade:
    """An order as the gateway holds it; without a status it is a QR that nobody has scanned."""

    out_trade_no: str
    method: Method
    subject: str
    total_fen: int
    notify_url: str
    content: str  # the QR's text, or the address that the payer's browser came by
    placed_at: datetime
    until: datetime
    status: TradeStatus | None = None
    trade_no: str = ""
    paid_at: datetime | None = None
    payer_fen: int = 0
    backs: tuple[Back, ...] = ()

    @property
    def back_fen(self) -> int:
        """What went back, or is on its way."""
        return sum(back.amount_fen for back in self.backs)

    def told(self) -> Trade:
        """Return the trade as it is told; only one that was scanned is."""
        assert self.status is not None
        return Trade(
            trade_no=self.trade_no,
            out_trade_no=self.out_trade_no,
            status=self.status,
            total_fen=self.total_fen,
            paid_at=self.paid_at,
        )

    def shown(self, now: datetime) -> Shown:
        """Return the trade as the payer's page shows it."""
        state = self._state(now)
        buttons: tuple[Button, ...] = ()
        if state is State.WAITING:
            buttons = (Button.SCAN, *_PAYERS)
        elif state is State.SCANNED:
            buttons = _PAYERS
        elif state in (State.EXPIRED, State.CLOSED):
            buttons = (Button.PAY_LATE,)
        return Shown(
            reference=self.out_trade_no,
            description=self.subject,
            amount_minor=self.total_fen,
            currency=CURRENCY,
            content=self.content,
            state=state,
            placed_at=self.placed_at,
            expires_at=self.until,
            paid_at=self.paid_at,
            transaction_no=self.trade_no,
            buttons=buttons,
        )

    def fact(self) -> Fact:
        """Return what is true of the money of a trade that was paid."""
        assert self.paid_at is not None
        return Fact(
            transaction_no=self.trade_no,
            reference=self.out_trade_no,
            amount_minor=self.total_fen,
            refunded_minor=self.back_fen,
            currency=CURRENCY,
            paid_at=self.paid_at,
        )

    def _state(self, now: datetime) -> State:
        if self.backs:
            return State.REFUNDED
        if self.paid_at is not None:
            return State.PAID
        if self.status is TradeStatus.CLOSED:
            return State.CLOSED
        if now >= self.until:
            return State.EXPIRED
        return State.WAITING if self.status is None else State.SCANNED
