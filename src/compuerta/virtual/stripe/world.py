"""The simulated Stripe without sockets: a request comes in with the time, and an answer goes out.

It keeps pages through their states, remembers idempotency keys for a day, and gives what falls due as
requests to send. All chance is drawn from the `Random` that it is given, so that a run can be repeated.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from random import Random
from urllib.parse import parse_qsl, quote

from compuerta.domain.errors import Refused
from compuerta.services.payment_ports import HttpRequest, HttpResponse
from compuerta.virtual.providers.notices import DueNotice, NoticeKind, Notices, Tally, changed
from compuerta.virtual.providers.worlds import Button, Fact, NotPressed, Shown
from compuerta.virtual.stripe import sessions, telling
from compuerta.virtual.stripe.sessions import Given, PlacedSession, Told
from compuerta.virtual.stripe.telling import Behaviour
from compuerta.wire.stripe import amounts, requests

SESSIONS_MAX = 100_000  # a simulation or a demonstration stays far below; a runaway caller does not
KEYS_KEPT_FOR = timedelta(hours=24)
EXPIRY_MIN, EXPIRY_MAX = timedelta(minutes=30), timedelta(hours=24)
PAGE_LENGTH_MAX = 100
_FEE_PPM, _FEE_FIXED_UNITS = 29_000, 30
_DISPUTE_FEE_UNITS = 1_500


class ApiRefusal(Refused):
    """A refusal as Stripe words it."""

    def __init__(self, status: int, code: str, words: str, *, kind: str = "invalid_request_error") -> None:
        super().__init__(f"{status} {code}: {words}")
        self.status = status
        self.told: Told = {"error": {"type": kind, "code": code, "message": words}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """The one account that this provider knows, and the pace of its clockwork."""

    key: str
    secret: bytes
    endpoint: Callable[[], str]  # where notices are sent; "" = nobody has registered an address
    public_url: str  # where it is reached: the addresses of pages begin with it
    is_live: bool = False
    old_secret: bytes = b"whsec_of_last_year"
    repeat_speedup: int = 1
    page_url: str = "/pay/"  # where a payer's browser is sent


class StripeWorld:
    """One simulated Stripe with one account; satisfies `World`, and is the one owner of its pages."""

    def __init__(self, *, terms: Terms, random: Random) -> None:
        self._terms = terms
        self._random = random
        self._sessions: dict[str, PlacedSession] = {}
        self._by_reference: dict[str, str] = {}
        self._answered: dict[str, tuple[datetime, bytes, int, Told]] = {}  # by idempotency key
        self._moves: list[Told] = []  # balance transactions, oldest first
        self._said: dict[str, tuple[str, bytes]] = {}  # of each page, its last words about money
        self._events = 0
        self._notices = Notices(manner=telling.manner(speedup=terms.repeat_speedup), random=random)
        self.behaviour = Behaviour()

    @property
    def name(self) -> str:
        return "stripe"

    @property
    def answer_delay_ms(self) -> int:
        return self.behaviour.answer_delay_ms

    @property
    def tally(self) -> Tally:
        return self._notices.tally

    def answer(self, request: HttpRequest, now: datetime) -> HttpResponse:
        """Answer a merchant's request, or a payer's browser."""
        if request.path.startswith("/c/pay/"):
            return self._browsed(request.path.removeprefix("/c/pay/"))
        try:
            self._limit()
            self._authenticate(request)
            status, told = self._once(request, now=now)
            if self.behaviour.fail_next > 0:
                self.behaviour = replace(self.behaviour, fail_next=self.behaviour.fail_next - 1)
                raise ApiRefusal(500, "", "something went wrong on Stripe's end", kind="api_error")
        except ApiRefusal as refusal:
            status, told = refusal.status, refusal.told
        headers = {"content-type": "application/json", "request-id": f"req_{self._events}"}
        return HttpResponse(status=status, headers=headers, body=json.dumps(told).encode("utf-8"))

    def due(self, now: datetime) -> list[DueNotice]:
        """Return the notices to send now; tell `answered` what became of each."""
        self._age(now)
        return self._notices.due(now, behaviour=self.behaviour)

    def answered(self, notice: DueNotice, status: int, now: datetime, *, body: bytes = b"") -> None:
        """Take the merchant's answer to a notice; the status 0 says that none came."""
        self._notices.answered(notice, status, body=body, now=now)

    def wake_at(self) -> datetime | None:
        """Return when `due` will have something to do next, or None."""
        ends = [each.expires_at for each in self._sessions.values() if each.status == "open"]
        return min((at for at in [self._notices.wake_at(), *ends] if at is not None), default=None)

    def shown(self, now: datetime, *, limit: int) -> list[Shown]:
        """Return the newest orders, the newest first."""
        self._age(now)
        return [each.shown() for each in list(reversed(self._sessions.values()))[:limit]]

    def facts(self) -> list[Fact]:
        """Return all money that it has or had, oldest first."""
        return [each.fact() for each in self._sessions.values() if each.paid_at is not None]

    def behave(self, wishes: Mapping[str, object]) -> dict[str, object]:
        """Change how it misbehaves, and return all of it; refuses what does not exist."""
        self.behaviour = changed(self.behaviour, wishes)
        return asdict(self.behaviour)

    def press(self, button: Button, reference: str, now: datetime, *, amount_minor: int = 0) -> None:
        """Do what a button does with one order, or refuse with `NotPressed`; 0 = the order's amount."""
        self._age(now)
        session_id = self._by_reference.get(reference, reference.rpartition("/")[2])
        placed = self._sessions.get(session_id)
        if placed is None:
            raise NotPressed(reference, "there is no such page")
        if button not in placed.shown().buttons:
            raise NotPressed(reference, f"{button.value} is not possible now")
        units = amounts.to_units(amount_minor, currency=placed.currency)
        match button:
            case Button.PAY:
                self._pay(placed, now=now)
            case Button.REFUND:
                given = self._given(units or placed.units - placed.refunded_units, {}, now=now)
                self._give(placed, given, now=now)
            case Button.DISPUTE | Button.DISPUTE_WON | Button.DISPUTE_LOST:
                self._dispute(placed, button, now=now)
            case Button.REPEAT | Button.STRANGER | Button.PROBE:
                self._say_again(placed, button, now=now)
            case Button.FORGE:
                forged = replace(placed, units=units or placed.units * 10)
                self._tell("payment_intent.succeeded", sessions.intent_told(forged), placed, now=now)
            case _:
                pass  # the payer looked, or their bank said no: nothing changes, and nothing is told

    # Requests

    def _limit(self) -> None:
        if self.behaviour.refuse_next > 0:
            self.behaviour = replace(self.behaviour, refuse_next=self.behaviour.refuse_next - 1)
            raise ApiRefusal(429, "rate_limit", "Too many requests")

    def _authenticate(self, request: HttpRequest) -> None:
        if request.headers.get("authorization") != f"Bearer {self._terms.key}":
            raise ApiRefusal(401, "", "Invalid API Key provided")

    def _once(self, request: HttpRequest, *, now: datetime) -> tuple[int, Told]:
        """Answer what was answered before to the same key; the key with another form is refused."""
        key = request.headers.get("idempotency-key", "")
        if request.method != "POST" or not key:
            return 200, self._route(request, now=now)
        for old in [each for each, kept in self._answered.items() if now >= kept[0] + KEYS_KEPT_FOR]:
            del self._answered[old]
        asked = request.path.encode() + b"?" + request.body
        if key in self._answered:
            _, before, status, told = self._answered[key]
            if before != asked:
                words = "Keys for idempotent requests can only be used with the same parameters"
                raise ApiRefusal(400, "", words, kind="idempotency_error")
            return status, told
        try:
            status, told = 200, self._route(request, now=now)
        except ApiRefusal as refusal:
            status, told = refusal.status, refusal.told
        self._answered[key] = (now, asked, status, told)
        return status, told

    def _route(self, request: HttpRequest, *, now: datetime) -> Told:
        self._age(now)
        path, _, query = request.path.partition("?")
        asked = dict(parse_qsl(query, keep_blank_values=True))
        form = requests.read_form(request.body)
        match request.method, path.removeprefix("/v1/").split("/"):
            case "POST", ["checkout", "sessions"]:
                return sessions.session_told(self._place(form, now=now))
            case "GET", ["checkout", "sessions"]:
                told = [sessions.session_told(each, expand=True) for each in self._sessions.values()]
                return _page(path, told, asked)
            case "GET", ["checkout", "sessions", session_id]:
                expand = "latest_charge" in asked.get("expand[]", asked.get("expand[0]", ""))
                return sessions.session_told(self._known(session_id), expand=expand)
            case "POST", ["checkout", "sessions", session_id, "expire"]:
                return sessions.session_told(self._expire(self._known(session_id), now=now))
            case "POST", ["refunds"]:
                return self._refund(form, now=now)
            case "GET", ["refunds"]:
                placed = self._paid(asked.get("payment_intent", ""))
                return _page(path, [sessions.refund_told(placed, each) for each in placed.refunds], asked)
            case "GET", ["balance_transactions"]:
                return _page(path, self._moves, asked)
            case "GET", ["balance"]:
                return {"object": "balance", "available": [], "livemode": self._terms.is_live}
            case "GET", ["webhook_endpoints"]:
                return sessions.list_told(path, self._endpoints(), has_more=False)
        raise ApiRefusal(404, "", f"Unrecognized request URL ({request.method}: {path})")

    def _browsed(self, session_id: str) -> HttpResponse:
        placed = self._sessions.get(session_id)
        if placed is None:
            return HttpResponse(status=404)
        page = f"{self._terms.page_url}?{self.name}={quote(placed.reference, safe='')}"
        return HttpResponse(status=302, headers={"location": page})

    def _place(self, form: Mapping[str, str], *, now: datetime) -> PlacedSession:
        if len(self._sessions) >= SESSIONS_MAX:
            raise ApiRefusal(429, "rate_limit", "Too many requests")
        price = "line_items[0][price_data]"
        currency = form.get(f"{price}[currency]", "").upper()
        units, until = form.get(f"{price}[unit_amount]", ""), form.get("expires_at", "")
        if form.get("mode") != "payment" or not currency or not units.isdecimal() or not int(units):
            raise ApiRefusal(400, "parameter_missing", "mode, currency and unit_amount are needed")
        if currency == "UGX" and int(units) % 100:
            raise ApiRefusal(400, "invalid_currency_amount", "UGX must be evenly divisible by 100")
        expires_at = datetime.fromtimestamp(int(until), UTC) if until.isdecimal() else now + EXPIRY_MAX
        if not now + EXPIRY_MIN <= expires_at <= now + EXPIRY_MAX:
            words = "The `expires_at` timestamp must be at least 30 minutes and at most 24 hours from now"
            raise ApiRefusal(400, "", words)
        number = len(self._sessions) + 1
        mode = "live" if self._terms.is_live else "test"
        session_id = f"cs_{mode}_{number:06d}{self._random.randbytes(12).hex()}"
        placed = PlacedSession(
            session_id=session_id,
            number=number,
            reference=form.get("client_reference_id", session_id),
            description=form.get(f"{price}[product_data][name]", ""),
            units=int(units),
            currency=currency,
            url=f"{self._terms.public_url}/c/pay/{session_id}",
            success_url=form.get("success_url", ""),
            metadata=_metadata(form, "metadata"),
            intent_metadata=_metadata(form, "payment_intent_data[metadata]"),
            created_at=now,
            expires_at=expires_at,
            is_live=self._terms.is_live,
        )
        self._put(placed)
        self._by_reference[placed.reference] = session_id
        return placed

    def _expire(self, placed: PlacedSession, *, now: datetime) -> PlacedSession:
        if self.behaviour.race_on_close and placed.status == "open":
            placed = self._pay(placed, now=now)
        if placed.status != "open":
            words = f"Only Checkout Sessions with a status in [open] can be expired; it is {placed.status}"
            raise ApiRefusal(400, "", words)
        return self._end(replace(placed, status="expired", is_closed=True), now=now)

    def _refund(self, form: Mapping[str, str], *, now: datetime) -> Told:
        placed = self._paid(form.get("payment_intent", ""))
        left = placed.units - placed.refunded_units
        wanted = int(form.get("amount", left))
        if placed.dispute and placed.dispute != "won":
            raise ApiRefusal(400, "charge_disputed", "This charge has been charged back")
        if left == 0:
            raise ApiRefusal(400, "charge_already_refunded", "This charge has already been refunded")
        if not 0 < wanted <= left:
            raise ApiRefusal(400, "", f"Refund amount is greater than unrefunded amount ({left})")
        given = self._given(wanted, _metadata(form, "metadata"), now=now)
        return sessions.refund_told(self._give(placed, given, now=now), given)

    # What happens

    def _pay(self, placed: PlacedSession, *, now: datetime) -> PlacedSession:
        paid = self._put(replace(placed, status="complete", paid_at=now.replace(microsecond=0)))
        fee = paid.units * _FEE_PPM // 1_000_000 + _FEE_FIXED_UNITS
        self._move("charge", paid.units, fee=fee, source=sessions.charge_told(paid), now=now)
        # Unordered, as the real one's: whoever counts on an order is wrong sooner or later.
        told = [
            ("payment_intent.succeeded", sessions.intent_told(paid)),
            ("charge.succeeded", sessions.charge_told(paid)),
            ("checkout.session.completed", sessions.session_told(paid)),
        ]
        self._random.shuffle(told)
        for kind, about in told:
            self._tell(kind, about, paid, now=now)
        return paid

    def _given(self, units: int, metadata: Mapping[str, str], *, now: datetime) -> Given:
        return Given(
            refund_id=f"re_{self._random.randbytes(12).hex()}",
            units=units,
            status="succeeded",
            created_at=now,
            metadata=metadata,
        )

    def _give(self, placed: PlacedSession, given: Given, *, now: datetime) -> PlacedSession:
        refunded = self._put(replace(placed, refunds=(*placed.refunds, given)))
        source = sessions.refund_told(refunded, given)
        self._move("refund", -given.units, fee=0, source=source, now=now)
        self._tell("charge.refunded", sessions.charge_told(refunded), refunded, now=now)
        self._tell("refund.updated", source, refunded, now=now)
        if not self.behaviour.refunds_fail:
            return refunded
        failed = replace(given, status="failed")
        refunded = self._put(replace(placed, refunds=(*placed.refunds, failed)))
        source = sessions.refund_told(refunded, failed)
        self._move("refund_failure", given.units, fee=0, source=source, now=now)
        self._tell("refund.failed", source, refunded, now=now)
        return refunded

    def _dispute(self, placed: PlacedSession, button: Button, *, now: datetime) -> None:
        status = {Button.DISPUTE_WON: "won", Button.DISPUTE_LOST: "lost"}.get(button, "needs_response")
        disputed = self._put(replace(placed, dispute=status))
        about = sessions.dispute_told(disputed)
        if status == "needs_response":
            self._move("adjustment", -placed.units, fee=_DISPUTE_FEE_UNITS, source=about, now=now)
            self._tell("charge.dispute.created", about, disputed, now=now)
            return
        if status == "won":
            self._move("adjustment", placed.units, fee=-_DISPUTE_FEE_UNITS, source=about, now=now)
        self._tell("charge.dispute.closed", about, disputed, now=now)

    def _end(self, placed: PlacedSession, *, now: datetime) -> PlacedSession:
        self._put(placed)
        self._tell("checkout.session.expired", sessions.session_told(placed), placed, now=now)
        return placed

    def _age(self, now: datetime) -> None:
        for placed in list(self._sessions.values()):
            if placed.at(now) is not placed:
                self._end(placed.at(now), now=placed.expires_at)

    def _move(self, kind: str, units: int, *, fee: int, source: Told, now: datetime) -> None:
        self._moves.append(
            {
                "id": f"txn_{len(self._moves) + 1:024d}",
                "object": "balance_transaction",
                "amount": units,
                "created": int(now.timestamp()),
                "currency": source["currency"],
                "fee": fee,
                "net": units - fee,
                "source": source,
                "type": kind,
            }
        )

    # Notices

    def _tell(self, kind: str, about: Told, placed: PlacedSession, *, now: datetime) -> None:
        self._events += 1
        is_live = self._terms.is_live is not self.behaviour.other_mode
        body = telling.event_body(kind, about, number=self._events, at=now, is_live=is_live)
        if placed.paid_at is not None:
            self._said[placed.session_id] = (kind, body)
        late_ms = self._random.randrange(self.behaviour.late_ms_max + 1) if self.behaviour.late_ms_max else 0
        self._send(body, due_at=now + timedelta(milliseconds=late_ms))

    def _say_again(self, placed: PlacedSession, button: Button, *, now: datetime) -> None:
        _, body = self._said[placed.session_id]
        kind = NoticeKind.EVENT if button is Button.REPEAT else NoticeKind.PROBE
        self._send(body, due_at=now, kind=kind)

    def _send(self, body: bytes, *, due_at: datetime, kind: NoticeKind = NoticeKind.EVENT) -> None:
        url = self._terms.endpoint()
        if not url:
            return
        old = (self._terms.old_secret,) if self.behaviour.changing_secret else ()
        secrets = (*old, self._terms.secret)
        self._notices.add(url=url, written=telling.signed(body, secrets=secrets), due_at=due_at, kind=kind)

    def _endpoints(self) -> list[Told]:
        url = self._terms.endpoint()
        told: Told = {"id": "we_1", "object": "webhook_endpoint", "url": url, "status": "enabled"}
        return [told | {"enabled_events": ["*"]}] if url else []

    # Pages

    def _put(self, placed: PlacedSession) -> PlacedSession:
        self._sessions[placed.session_id] = placed
        return placed

    def _known(self, session_id: str) -> PlacedSession:
        placed = self._sessions.get(session_id)
        if placed is None:
            raise ApiRefusal(404, "resource_missing", f"No such checkout.session: '{session_id}'")
        return placed

    def _paid(self, intent_id: str) -> PlacedSession:
        for placed in self._sessions.values():
            if placed.intent_id == intent_id and placed.paid_at is not None:
                return placed
        raise ApiRefusal(404, "resource_missing", f"No such payment_intent: '{intent_id}'")


def _page(path: str, oldest_first: list[Told], asked: Mapping[str, str]) -> Told:
    """Return one page of a list, the newest first, between the instants that were asked for."""
    since, until = int(asked.get("created[gte]", 0)), asked.get("created[lt]")
    last = asked.get("created[lte]")
    listed = [
        each
        for each in reversed(oldest_first)
        if since <= _created(each)
        and (until is None or _created(each) < int(until))
        and (last is None or _created(each) <= int(last))
    ]
    after = asked.get("starting_after")
    if after is not None:
        ids = [each["id"] for each in listed]
        if after not in ids:
            raise ApiRefusal(404, "resource_missing", f"No such object: '{after}'")
        listed = listed[ids.index(after) + 1 :]
    length = min(int(asked.get("limit", 10)), PAGE_LENGTH_MAX)
    return sessions.list_told(path, listed[:length], has_more=len(listed) > length)


def _created(told: Told) -> int:
    created = told["created"]
    assert isinstance(created, int)
    return created


def _metadata(form: Mapping[str, str], name: str) -> dict[str, str]:
    start = f"{name}["
    return {key[len(start) : -1]: value for key, value in form.items() if key.startswith(start)}
