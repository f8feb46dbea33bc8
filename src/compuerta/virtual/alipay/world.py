"""The simulated Alipay without sockets: a request comes in with the time, and an answer goes out.

It verifies what the real gateway verifies, keeps trades through their states, and gives what falls due as
requests to send. All chance is drawn from the `Random` that it is given, so that a run can be repeated.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime, time, timedelta
from random import Random
from urllib.parse import parse_qsl

from compuerta.domain.errors import Refused
from compuerta.services.payment_ports import HttpRequest, HttpResponse
from compuerta.virtual.alipay import bills, telling
from compuerta.virtual.alipay.keys import GatewayKeys
from compuerta.virtual.alipay.telling import Behaviour, Stranger
from compuerta.virtual.alipay.trades import Back, PlacedTrade
from compuerta.virtual.providers.notices import DueNotice, Notices, Tally, changed
from compuerta.virtual.providers.worlds import Button, Fact, NotPressed, Shown
from compuerta.wire.alipay import bodies, fields, signing
from compuerta.wire.alipay.bodies import Method, TradeNotice, TradeStatus
from compuerta.wire.alipay.fields import BEIJING, BodyMalformed, JsonObject
from compuerta.wire.alipay.keys import Signer
from compuerta.wire.alipay.signing import Unbelieved

ORDERS_MAX = 100_000  # a simulation or a demonstration stays far below; a runaway caller does not
QR_LIFE = timedelta(hours=2)  # where the order does not say
TRADE_LIFE = timedelta(days=15)
BILL_LIFE = timedelta(seconds=30)
BILLS_MAX = 100  # addresses of bills that are kept; the oldest go
REFUNDS_APART = timedelta(seconds=3)
BILL_READY = time(10)
_QR_METHODS = frozenset({Method.PRECREATE})
_BY_BROWSER = frozenset({Method.WAP_PAY, Method.PAGE_PAY, Method.APP_PAY})
_PAID = (TradeStatus.SUCCESS, TradeStatus.FINISHED)


class GatewayRefusal(Refused):
    """A refusal as the gateway words it."""

    def __init__(self, code: str, sub_code: str, words: str) -> None:
        super().__init__(f"{code} {sub_code}: {words}")
        self.code = code
        self.sub_code = sub_code
        self.words = words


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """The one app that this gateway knows, and the pace of its clockwork."""

    app_id: str
    seller_id: str
    public_url: str  # where it is reached: the addresses of bills begin with it
    repeat_speedup: int = 1  # the documented waits between repeats are divided by this
    qr_prefix: str = "https://qr.alipay.com/bax"
    page_url: str = "/pay/"  # where a payer's browser is sent


class AlipayWorld:
    """One simulated gateway with one app; satisfies `World`, and is the one owner of its trades."""

    def __init__(self, *, keys: GatewayKeys, terms: Terms, random: Random) -> None:
        self._keys = keys
        self._terms = terms
        self._random = random
        self._trades: dict[str, PlacedTrade] = {}
        self._by_content: dict[str, str] = {}
        self._by_trade_no: dict[str, str] = {}
        self._waiting: set[str] = set()  # scanned and not paid: their time may run out
        self._bills: dict[str, tuple[datetime, bytes]] = {}
        self._notices = Notices(manner=telling.manner(speedup=terms.repeat_speedup), random=random)
        self.behaviour = Behaviour()

    @property
    def name(self) -> str:
        return "alipay"

    @property
    def answer_delay_ms(self) -> int:
        return self.behaviour.answer_delay_ms

    @property
    def tally(self) -> Tally:
        return self._notices.tally

    # The merchant's side, and the payer's browser

    def answer(self, request: HttpRequest, now: datetime) -> HttpResponse:
        """Answer a merchant's request, a payer's browser, or somebody who fetches a bill."""
        self._age(now)
        path, _, query = request.path.partition("?")
        if path.startswith("/bills/"):
            return self._bill_at(path.removeprefix("/bills/"), now=now)
        if path != "/gateway.do":
            return HttpResponse(status=404)
        try:
            params = dict(parse_qsl(query) + parse_qsl(request.body.decode("ascii")))
            method = Method(params.get("method", ""))
        except ValueError:
            words = '{"code":"40002","msg":"Invalid Arguments","sub_code":"isv.invalid-method"}'
            return _json(signing.answer_body("error_response", words, signer=None))
        try:
            self._authenticate(params)
        except GatewayRefusal as refusal:
            return self._answered(method, _refused(refusal), signer=None)
        if method in _BY_BROWSER:
            return self._browsed(method, params, now=now)
        try:
            self._misbehave()
            told = {"code": bodies.SUCCESS, "msg": "Success"} | self._told(method, params, now=now)
        except GatewayRefusal as refusal:
            told = _refused(refusal)
        except BodyMalformed as malformed:
            told = _refused(GatewayRefusal(bodies.REFUSED, "ACQ.INVALID_PARAMETER", str(malformed)))
        signer = None if self.behaviour.unsigned_answers else self._keys.signer
        return self._answered(method, told, signer=signer, by_certificate="app_cert_sn" in params)

    def due(self, now: datetime) -> list[DueNotice]:
        """Return the notices to send now; tell `answered` what became of each."""
        self._age(now)
        return self._notices.due(now, behaviour=self.behaviour)

    def answered(self, notice: DueNotice, status: int, now: datetime, *, body: bytes = b"") -> None:
        """Take the merchant's answer to a notice; the status 0 says that none came."""
        self._notices.answered(notice, status, body=body, now=now)

    def wake_at(self) -> datetime | None:
        """Return when `due` will have something to do next, or None."""
        ends = [self._trades[number].until for number in self._waiting]
        return min((at for at in [self._notices.wake_at(), *ends] if at is not None), default=None)

    # The payer's side, the provider's console, and a tester's

    def shown(self, now: datetime, *, limit: int) -> list[Shown]:
        """Return the newest orders, the newest first."""
        newest = list(reversed(self._trades.values()))[:limit]
        return [trade.shown(now) for trade in newest]

    def facts(self) -> list[Fact]:
        """Return all money that it has or had, oldest first."""
        return [trade.fact() for trade in self._trades.values() if trade.paid_at is not None]

    def behave(self, wishes: Mapping[str, object]) -> dict[str, object]:
        """Change how it misbehaves, and return all of it; refuses what does not exist."""
        self.behaviour = changed(self.behaviour, wishes)
        return asdict(self.behaviour)

    def press(self, button: Button, reference: str, now: datetime, *, amount_minor: int = 0) -> None:
        """Do what a button does with one order, or refuse with `NotPressed`."""
        self._age(now)
        trade = self._trades.get(self._by_content.get(reference, reference))
        if trade is None:
            raise NotPressed(reference, "order_unknown")
        match button:
            case Button.SCAN | Button.CANCEL:
                self._scan(self._payable(trade, now=now), now=now)
            case Button.PAY:
                self._pay(self._payable(trade, now=now), now=now)
            case Button.PAY_LATE if trade.paid_at is None:
                self._pay(trade, now=now)
            case Button.REFUSE:
                scanned = self._scan(self._payable(trade, now=now), now=now)
                if trade.method is Method.PAY:
                    self._close(scanned, now=now)
            case Button.REFUND:
                number = f"HAND{self._random.randbytes(8).hex()}"
                try:
                    self._give_back(self._paid(trade), number, amount_minor, now=now)
                except GatewayRefusal as refused:
                    raise NotPressed(reference, refused.sub_code) from refused
            case Button.REPEAT:
                self._tell(self._paid(trade), now=now)
            case Button.FORGE:
                self._tell(replace(self._paid(trade), total_fen=amount_minor or 1), now=now)
            case Button.STRANGER:
                self._tell(self._paid(trade), now=now, signer=Stranger(self._keys.signer))
            case Button.FINISH:
                self._tell(self._put(replace(self._paid(trade), status=TradeStatus.FINISHED)), now=now)
            case _:
                raise NotPressed(reference, f"no {button.value} here")

    # Requests

    def _authenticate(self, params: Mapping[str, str]) -> None:
        if params.get("app_id") != self._terms.app_id:
            raise GatewayRefusal("40002", "isv.invalid-app-id", "无效的AppID参数")
        if "app_cert_sn" in params and (
            params["app_cert_sn"] != self._keys.app_cert_sn
            or params.get("alipay_root_cert_sn") != self._keys.root_cert_sn
        ):
            raise GatewayRefusal("40002", "isv.invalid-cert-sn", "无效的证书序列号")
        try:
            signing.verify_request(params, verifier=self._keys.merchant)
        except Unbelieved as unbelieved:
            raise GatewayRefusal("40002", "isv.invalid-signature", "无效签名") from unbelieved

    def _misbehave(self) -> None:
        behaviour = self.behaviour
        if behaviour.refuse_next > 0:
            self.behaviour = replace(behaviour, refuse_next=behaviour.refuse_next - 1)
            raise GatewayRefusal("40005", "isv.app-call-limited", "调用频次超限")
        if behaviour.fail_next > 0:
            self.behaviour = replace(behaviour, fail_next=behaviour.fail_next - 1)
            raise GatewayRefusal("20000", "isp.unknow-error", "系统繁忙")

    def _told(self, method: Method, params: Mapping[str, str], *, now: datetime) -> dict[str, object]:
        content = fields.read_object(params.get("biz_content", ""))
        verbs: dict[Method, Callable[[], dict[str, object]]] = {
            Method.PRECREATE: lambda: self._precreate(content, params, now=now),
            Method.PAY: lambda: self._pay_by_code(content, params, now=now),
            Method.QUERY: lambda: self._asked(content),
            Method.CLOSE: lambda: self._close_asked(content, now=now),
            Method.CANCEL: lambda: self._cancel_asked(content, now=now),
            Method.REFUND: lambda: self._refund_asked(content, now=now),
            Method.REFUND_QUERY: lambda: self._refund_told(content, now=now),
            Method.BILL: lambda: self._bill_asked(content, now=now),
        }
        return verbs[method]()

    def _precreate(
        self, content: JsonObject, params: Mapping[str, str], *, now: datetime
    ) -> dict[str, object]:
        trade = self._placed(Method.PRECREATE, content, params, now=now)
        return {"out_trade_no": trade.out_trade_no, "qr_code": trade.content}

    def _pay_by_code(
        self, content: JsonObject, params: Mapping[str, str], *, now: datetime
    ) -> dict[str, object]:
        fields.text(content, "auth_code", chars_max=32)
        trade = self._scan(self._placed(Method.PAY, content, params, now=now), now=now)
        if self.behaviour.password:
            return {"code": bodies.PAYING, "msg": "order success pay inprocess", **_names(trade)}
        paid = self._pay(trade, now=now)
        if self.behaviour.code_fails:
            raise GatewayRefusal("20000", "ACQ.SYSTEM_ERROR", "系统错误")
        return {**_amounts(paid), "gmt_payment": fields.write_instant(now)}

    def _browsed(self, method: Method, params: Mapping[str, str], *, now: datetime) -> HttpResponse:
        """Send a browser or an app, which came with what the merchant has signed, to the payer's page."""
        try:
            content = fields.read_object(params.get("biz_content", ""))
            trade = self._placed(method, content, params, now=now)
        except (GatewayRefusal, BodyMalformed) as refused:
            words = str(refused).encode()
            return HttpResponse(status=400, headers={"content-type": "text/plain"}, body=words)
        page = f"{self._terms.page_url}?{self.name}={trade.content}"
        return HttpResponse(status=302, headers={"location": page})

    def _placed(
        self, method: Method, content: JsonObject, params: Mapping[str, str], *, now: datetime
    ) -> PlacedTrade:
        number = fields.text(content, "out_trade_no", chars_max=64)
        total_fen = fields.fen(content, "total_amount")
        known = self._trades.get(number)
        if known is not None:
            if known.total_fen != total_fen:
                raise GatewayRefusal(bodies.REFUSED, "ACQ.CONTEXT_INCONSISTENT", "交易信息被篡改")
            if known.paid_at is not None:
                raise GatewayRefusal(bodies.REFUSED, "ACQ.TRADE_HAS_SUCCESS", "交易已被支付")
            if known.status is TradeStatus.CLOSED:
                raise GatewayRefusal(bodies.REFUSED, "ACQ.TRADE_HAS_CLOSE", "交易已经关闭")
            return known
        if len(self._trades) >= ORDERS_MAX:
            raise GatewayRefusal("40005", "isv.app-call-limited", "调用频次超限")
        is_qr = method in _QR_METHODS
        mark = self._random.randbytes(8).hex()
        life = QR_LIFE if is_qr else TRADE_LIFE
        return self._put(
            PlacedTrade(
                out_trade_no=number,
                method=method,
                subject=fields.text(content, "subject"),
                total_fen=total_fen,
                notify_url=params.get("notify_url", ""),
                content=f"{self._terms.qr_prefix}{mark}" if is_qr else mark,
                placed_at=now,
                until=fields.instant(content, "time_expire") if content.get("time_expire") else now + life,
            )
        )

    def _asked(self, content: JsonObject) -> dict[str, object]:
        trade = self._known(content)
        told = {**_amounts(trade), "trade_status": trade.told().status.value}
        return told | ({"send_pay_date": fields.write_instant(trade.paid_at)} if trade.paid_at else {})

    def _close_asked(self, content: JsonObject, *, now: datetime) -> dict[str, object]:
        trade = self._known(content)
        if trade.status is TradeStatus.WAIT_BUYER_PAY and self.behaviour.race_on_close:
            trade = self._pay(trade, now=now)
        if trade.status is not TradeStatus.WAIT_BUYER_PAY:
            raise GatewayRefusal(bodies.REFUSED, "ACQ.TRADE_STATUS_ERROR", "交易状态不合法")
        return _names(self._close(trade, now=now))

    def _cancel_asked(self, content: JsonObject, *, now: datetime) -> dict[str, object]:
        trade = self._known(content)
        if trade.status is TradeStatus.SUCCESS:
            self._give_back(trade, f"CANCEL{trade.out_trade_no}", 0, now=now)
            return {**_names(trade), "retry_flag": "N", "action": "refund"}
        return {**_names(self._close(trade, now=now)), "retry_flag": "N", "action": "close"}

    def _refund_asked(self, content: JsonObject, *, now: datetime) -> dict[str, object]:
        trade = self._known(content)
        number = fields.text(content, "out_request_no", chars_max=64)
        amount_fen = fields.fen(content, "refund_amount")
        if trade.status is TradeStatus.FINISHED:
            raise GatewayRefusal(bodies.REFUSED, "ACQ.TRADE_HAS_FINISHED", "交易已完结")
        if trade.paid_at is None:
            raise GatewayRefusal(bodies.REFUSED, "ACQ.TRADE_STATUS_ERROR", "交易状态不合法")
        earlier = next((back for back in trade.backs if back.out_request_no == number), None)
        if earlier is not None and earlier.amount_fen != amount_fen:
            raise GatewayRefusal(bodies.REFUSED, "ACQ.DISCORDANT_REPEAT_REQUEST", "请求信息不一致")
        if earlier is not None:
            return {**_names(trade), "fund_change": "N", "refund_fee": fields.yuan(trade.back_fen)}
        if self.behaviour.balance_short:
            raise GatewayRefusal(bodies.REFUSED, "ACQ.SELLER_BALANCE_NOT_ENOUGH", "卖家余额不足")
        if trade.backs and now < trade.backs[-1].at + REFUNDS_APART:
            raise GatewayRefusal(bodies.REFUSED, "ACQ.SYSTEM_ERROR", "退款过于频繁")
        trade = self._give_back(trade, number, amount_fen, now=now)
        told = {**_names(trade), "refund_fee": fields.yuan(trade.back_fen)}
        return told if self.behaviour.refund_ms else {**told, "fund_change": "Y"}

    def _refund_told(self, content: JsonObject, *, now: datetime) -> dict[str, object]:
        trade = self._known(content)
        number = fields.text(content, "out_request_no", chars_max=64)
        back = next((back for back in trade.backs if back.out_request_no == number and back.at <= now), None)
        if back is None:
            return {}
        return {
            **_names(trade),
            "out_request_no": number,
            "refund_amount": fields.yuan(back.amount_fen),
            "total_amount": fields.yuan(trade.total_fen),
            "refund_status": "REFUND_SUCCESS",
        }

    def _bill_asked(self, content: JsonObject, *, now: datetime) -> dict[str, object]:
        try:
            day = date.fromisoformat(fields.text(content, "bill_date", chars_max=10))
        except ValueError as error:
            raise BodyMalformed("bill_date", "must be a day") from error
        ready_at = datetime.combine(day + timedelta(days=1), BILL_READY, tzinfo=BEIJING)
        if now < ready_at and not self.behaviour.bill_at_once:
            raise GatewayRefusal(bodies.REFUSED, "isp.bill_not_exist", "账单不存在")
        rows, cut = (
            bills.rows_of(self._trades.values(), day, behaviour=self.behaviour),
            self.behaviour.bill_cut,
        )
        match fields.text(content, "bill_type", chars_max=16):
            case "trade":
                detail = bills.trade_detail(rows, day=day, cut=cut)
            case "signcustomer":
                detail = bills.fund_detail(rows, cut=cut)
            case _:
                raise BodyMalformed("bill_type", "must be trade or signcustomer")
        token = self._random.randbytes(16).hex()
        while len(self._bills) >= BILLS_MAX:
            self._bills.pop(next(iter(self._bills)))
        self._bills[token] = (now + BILL_LIFE, bills.zipped(detail, day=day))
        return {"bill_download_url": f"{self._terms.public_url}/bills/{token}.csv.zip?bizType=trade"}

    def _bill_at(self, name: str, *, now: datetime) -> HttpResponse:
        until, bill = self._bills.get(name.removesuffix(".csv.zip"), (now, b""))
        if now >= until:
            return HttpResponse(status=404)
        return HttpResponse(status=200, headers={"content-type": "application/zip"}, body=bill)

    def _answered(
        self, method: Method, told: JsonObject, *, signer: Signer | None, by_certificate: bool = False
    ) -> HttpResponse:
        sn = self._keys.alipay_cert_sn if by_certificate and signer is not None else ""
        inner = fields.write_object(told)
        return _json(signing.answer_body(method.answer_name, inner, signer=signer, certificate_sn=sn))

    def _known(self, content: JsonObject) -> PlacedTrade:
        number = fields.text_or_empty(content, "out_trade_no")
        trade_no = fields.text_or_empty(content, "trade_no")
        trade = self._trades.get(self._by_trade_no.get(trade_no, number))
        if trade is None or trade.status is None:
            raise GatewayRefusal(bodies.REFUSED, bodies.TRADE_NOT_EXIST, "交易不存在")
        return trade

    # Trades

    def _payable(self, trade: PlacedTrade, *, now: datetime) -> PlacedTrade:
        if trade.paid_at is not None:
            raise NotPressed(trade.out_trade_no, "paid_already")
        if trade.status is TradeStatus.CLOSED:
            raise NotPressed(trade.out_trade_no, "closed")
        if now >= trade.until:
            raise NotPressed(trade.out_trade_no, "expired")
        return trade

    def _paid(self, trade: PlacedTrade) -> PlacedTrade:
        if trade.paid_at is None:
            raise NotPressed(trade.out_trade_no, "not_paid")
        return trade

    def _scan(self, trade: PlacedTrade, *, now: datetime) -> PlacedTrade:
        if trade.status is not None:
            return trade
        sequence = len(self._by_trade_no) + 1
        day = now.astimezone(BEIJING)
        trade_no = f"{day:%Y%m%d}22001{sequence:06d}{self._random.randrange(10**9):09d}"
        return self._put(replace(trade, status=TradeStatus.WAIT_BUYER_PAY, trade_no=trade_no))

    def _pay(self, trade: PlacedTrade, *, now: datetime) -> PlacedTrade:
        paid = self._put(
            replace(
                self._scan(trade, now=now),
                status=TradeStatus.SUCCESS,
                paid_at=now.replace(microsecond=0),
                payer_fen=max(trade.total_fen - self.behaviour.discount_fen, 0),
            )
        )
        late_ms = self._random.randrange(self.behaviour.late_ms_max + 1) if self.behaviour.late_ms_max else 0
        self._tell(paid, now=now, due_at=now + timedelta(milliseconds=late_ms))
        return paid

    def _close(self, trade: PlacedTrade, *, now: datetime) -> PlacedTrade:
        closed = self._put(replace(trade, status=TradeStatus.CLOSED))
        self._tell(closed, now=now)
        return closed

    def _give_back(self, trade: PlacedTrade, number: str, amount_fen: int, *, now: datetime) -> PlacedTrade:
        """Give back some of a trade, or with 0 all that is left."""
        left_fen = trade.total_fen - trade.back_fen
        amount_fen = amount_fen or left_fen
        if not 0 < amount_fen <= left_fen:
            raise GatewayRefusal(bodies.REFUSED, "ACQ.REFUND_AMT_NOT_EQUAL_TOTAL", "退款金额超限")
        at = (now + timedelta(milliseconds=self.behaviour.refund_ms)).replace(microsecond=0)
        back = Back(out_request_no=number, amount_fen=amount_fen, at=at)
        status = TradeStatus.CLOSED if amount_fen == left_fen else trade.status
        after = self._put(replace(trade, backs=(*trade.backs, back), status=status))
        self._tell(after, now=now, due_at=max(at, now), back=back)
        return after

    def _age(self, now: datetime) -> None:
        for number in sorted(self._waiting):
            if now >= self._trades[number].until:
                self._close(self._trades[number], now=now)

    def _put(self, trade: PlacedTrade) -> PlacedTrade:
        number = trade.out_trade_no
        self._trades[number] = trade
        self._by_content[trade.content] = number
        if trade.trade_no:
            self._by_trade_no[trade.trade_no] = number
        if trade.status is TradeStatus.WAIT_BUYER_PAY:
            self._waiting.add(number)
        else:
            self._waiting.discard(number)
        return trade

    def _tell(
        self,
        trade: PlacedTrade,
        *,
        now: datetime,
        due_at: datetime | None = None,
        back: Back | None = None,
        signer: Signer | None = None,
    ) -> None:
        """Queue a notice of a trade at its own address, with a name that all its repeats keep."""
        if not trade.notify_url:
            return
        notice = TradeNotice(
            notify_id=f"{now.astimezone(BEIJING):%Y%m%d}{self._random.randbytes(10).hex()}",
            app_id=self._terms.app_id,
            seller_id=self._terms.seller_id,
            trade=trade.told(),
            refunded_fen=trade.back_fen if back is not None else 0,
            refunded_at=back.at if back is not None else None,
            out_request_no=back.out_request_no if back is not None else "",
        )
        written = telling.written(
            notice, signer=signer or self._keys.signer, behaviour=self.behaviour, random=self._random
        )
        self._notices.add(url=trade.notify_url, written=written, due_at=due_at or now)


def _names(trade: PlacedTrade) -> dict[str, object]:
    return {"out_trade_no": trade.out_trade_no, "trade_no": trade.trade_no}


def _amounts(trade: PlacedTrade) -> dict[str, object]:
    total = fields.yuan(trade.total_fen)
    payer = fields.yuan(trade.payer_fen)
    return {**_names(trade), "total_amount": total, "receipt_amount": total, "buyer_pay_amount": payer}


def _refused(refusal: GatewayRefusal) -> dict[str, object]:
    return {
        "code": refusal.code,
        "msg": "Business Failed",
        "sub_code": refusal.sub_code,
        "sub_msg": refusal.words,
    }


def _json(body: bytes) -> HttpResponse:
    return HttpResponse(status=200, headers={"content-type": "text/html;charset=utf-8"}, body=body)
