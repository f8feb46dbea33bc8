"""One M-Pesa short code as a payment provider: prompts on phones, and money that payers send by themselves.

Nothing that M-Pesa tells unasked is signed. Its messages are claims: what is booked comes from the list of
transactions that it answers us with, in which each has its receipt, its amount and what it was paid for. A
prompt asks for the order in short (`short_reference`), so that the list names our order and nobody else has
to be believed.
"""

import base64
import hmac
import re
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from ipaddress import ip_address, ip_network

from compuerta.adapters.payments import mpesa_bill
from compuerta.adapters.payments.answering import (
    AnswerUnusable,
    CurrencyNotTaken,
    ProviderBusy,
    RequestRefused,
)
from compuerta.domain.errors import Refused, Unreachable
from compuerta.domain.payment import Attempt, Claim, Flow, PaymentNotice, short_reference
from compuerta.services.payment_ports import (
    Capabilities,
    Chance,
    Check,
    HttpRequest,
    HttpResponse,
    NotOffered,
    OrderAnswer,
    OrderState,
    PayeeQuestion,
    Presentation,
    PresentationKind,
    RefundAnswer,
    RefundWish,
    Refusal,
    Rejected,
    StatementKind,
    StatementLine,
    Verified,
)
from compuerta.wire.mpesa import bodies
from compuerta.wire.mpesa.bodies import PromptState, Pulled, Push, Shop
from compuerta.wire.mpesa.fields import CURRENCY, BodyMalformed

# Where Safaricom's messages come from; only of use where no proxy stands before the door.
SAFARICOM = (
    "196.201.214.200", "196.201.214.206", "196.201.214.207", "196.201.214.208",
    "196.201.213.114", "196.201.213.44",
    "196.201.212.127", "196.201.212.138", "196.201.212.129", "196.201.212.136", "196.201.212.74",
    "196.201.212.69",
)  # fmt: skip
BODY_BYTES_MAX = 16_384
LIST_BYTES_MAX = 4 * 1024 * 1024
PAGES_MAX = 50
# Its list is behind by minutes; what is not in it after this was never paid.
LISTED_WITHIN = timedelta(hours=2)
LISTS_FOR = timedelta(hours=48)
AROUND = timedelta(minutes=30)  # a claim is looked for so long before and after its own time
TOKEN_SPARE = timedelta(seconds=60)
_TOKEN_STALE = "404.001.03"
_STILL_ASKING = "500.001.1001"
_PHONE = re.compile(r"(?:\+?254|0)?(?P<number>[17][0-9]{8})", re.ASCII)
_SECRET = re.compile(r"[A-Za-z0-9_-]{20,128}", re.ASCII)
_REFERENCE = re.compile(r"[0-9A-Za-z_-]{6,32}", re.ASCII)
_WORDS_REFUSED = re.compile(r"m-?pesa|safaricom|exec?|cmd|sql|query", re.IGNORECASE)
_ACCEPTED = b'{"ResultCode":0,"ResultDesc":"Accepted"}'
_NO_SUCH_ACCOUNT = b'{"ResultCode":"C2B00012","ResultDesc":"Invalid Account Number"}'
_JSON = {"content-type": "application/json"}


class PhoneUnusable(Refused):
    """A payer's number that no M-Pesa wallet has."""

    def __init__(self) -> None:
        super().__init__("write a Kenyan mobile number, such as 0712 345 678")


class CentsNotTaken(Refused):
    """An amount with cents: a prompt asks for whole shillings."""

    def __init__(self, amount_minor: int) -> None:
        super().__init__("M-Pesa takes whole shillings; choose an amount without cents")
        self.amount_minor = amount_minor


class SettingUnusable(Refused):
    """A setting that Daraja, or we, cannot use."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field


@dataclass(frozen=True, slots=True, kw_only=True)
class MpesaSettings:
    """One short code; whoever holds its keys can ask for money in its name, so they are never logged."""

    shortcode: str
    passkey: str
    consumer_key: str
    consumer_secret: str
    notify_url: str  # https://.../notices/<name>
    secret: str  # a part of our address that only Safaricom is told: it stands for the missing signature
    nominated_phone: str  # a number of the business, which listing transactions is registered under
    name: str = "paybill"
    live: bool = True
    addresses: tuple[str, ...] = ()  # whom the door listens to; () = whoever knows the secret

    def __repr__(self) -> str:
        return f"MpesaSettings(name={self.name!r}, shortcode={self.shortcode!r})"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Token:
    value: str
    until: datetime


class MpesaPay:
    """One M-Pesa short code; satisfies `PaymentProvider`, and keeps only its access token."""

    def __init__(self, settings: MpesaSettings) -> None:
        """Refuses addresses and secrets that could not be used."""
        if found := _WORDS_REFUSED.search(settings.notify_url.partition("://")[2]):
            raise SettingUnusable("notify_url", f"Daraja takes no address with {found[0]!r} in it")
        if not _SECRET.fullmatch(settings.secret) or _WORDS_REFUSED.search(settings.secret):
            raise SettingUnusable("secret", "write 20 to 128 of A-Z, a-z, 0-9, _ and -")
        try:
            self._networks = tuple(ip_network(each) for each in settings.addresses)
        except ValueError as error:
            raise SettingUnusable("addresses", str(error)) from error
        self._settings = settings
        self._shop = Shop(shortcode=settings.shortcode, passkey=settings.passkey)
        self._token: _Token | None = None

    @property
    def name(self) -> str:
        return self._settings.name

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(
            currencies=frozenset({CURRENCY}),
            flows=frozenset({Flow.PROMPT}),
            live=self._settings.live,
            notices=True,
            query=True,
            close=False,  # a prompt goes by itself
            immediate=False,
            expiry_min=timedelta(minutes=2),
            expiry_max=timedelta(minutes=10),
            notices_signed=False,
            payees=True,
            # What became of a reversal is told by an unsigned message alone, so it is done by hand.
            refunds=False,
            statements=frozenset({StatementKind.TRADE}),
            statement_ready=time(1),
            statement_zone="Africa/Nairobi",
        )

    def create(
        self, attempt: Attempt, *, now: datetime, chance: Chance
    ) -> Generator[HttpRequest, HttpResponse, Presentation]:
        """Put the question on the payer's phone, once; an attempt that has its prompt is asked about."""
        push = self._push(attempt)
        if attempt.presented:
            asked = yield from self.query(attempt, now=now, chance=chance)
            if asked.paid is not None:
                return Presentation(kind=PresentationKind.PAID, paid=asked.paid)
            return Presentation(kind=PresentationKind.PROMPT, content=attempt.presented)
        body = bodies.build_push(push, self._shop, now=now)
        response = yield from self._ask("/mpesa/stkpush/v1/processrequest", body, now=now)
        try:
            return Presentation(
                kind=PresentationKind.PROMPT, content=bodies.parse_pushed(self._good(response).body)
            )
        except BodyMalformed as malformed:
            raise AnswerUnusable(self.name, str(malformed)) from malformed

    def query(
        self, attempt: Attempt, *, now: datetime, chance: Chance
    ) -> Generator[HttpRequest, HttpResponse, OrderAnswer]:
        """Ask what became of the prompt; where it was paid, find the receipt in the list."""
        if attempt.presented:
            asked = yield from self._prompt(attempt.presented, now=now)
            if asked.state is not OrderState.PAID:
                return asked
        short = short_reference(attempt.reference)
        since = max(attempt.created_at - AROUND, now - LISTS_FOR)
        pulled = yield from self._find(since, now, payee=short, now=now)
        if pulled is None:
            return OrderAnswer(state=OrderState.UNKNOWN, reason="its receipt is not listed yet")
        paid = self._notice(pulled, reference=attempt.reference, payee="", now=now)
        return OrderAnswer(state=OrderState.PAID, paid=paid)

    def close(
        self, attempt: Attempt, *, now: datetime, chance: Chance
    ) -> Generator[HttpRequest, HttpResponse, OrderAnswer]:
        """Ask: a prompt cannot be taken back, and goes by itself."""
        asked = yield from self.query(attempt, now=now, chance=chance)
        # A prompt whose name was lost cannot be asked about; its money would long be listed.
        is_over = not attempt.presented and now >= attempt.expires_at + LISTED_WITHIN
        if is_over and asked.state is OrderState.UNKNOWN:
            return OrderAnswer(state=OrderState.CLOSED)
        return asked

    def refund(
        self, wish: RefundWish, *, now: datetime, chance: Chance
    ) -> Generator[HttpRequest, HttpResponse, RefundAnswer]:
        """Refuse: money goes back by hand, in M-Pesa's own portal."""
        yield from ()
        raise NotOffered(self.name, "refunds")

    def query_refund(
        self, wish: RefundWish, *, now: datetime, chance: Chance
    ) -> Generator[HttpRequest, HttpResponse, RefundAnswer]:
        """Refuse: see `refund`."""
        yield from ()
        raise NotOffered(self.name, "refunds")

    def confirm(
        self, claim: Claim, *, now: datetime, chance: Chance
    ) -> Generator[HttpRequest, HttpResponse, OrderAnswer]:
        """Ask whether a claim is true; CLOSED = it is not, since the list of its hour does not have it.

        Only the receipt and the hour are taken from the claim: amount and payee are what the list says.
        """
        if claim.paid_at > now + AROUND:
            return OrderAnswer(state=OrderState.CLOSED, reason="it claims the future")
        if claim.paid_at < now - LISTS_FOR + AROUND:
            return OrderAnswer(state=OrderState.UNKNOWN, reason="older than what is listed")
        until = min(claim.paid_at + AROUND, now)
        pulled = yield from self._find(claim.paid_at - AROUND, until, receipt=claim.transaction_no, now=now)
        if pulled is not None:
            paid = self._notice(pulled, reference="", payee=pulled.payee, now=now)
            return OrderAnswer(state=OrderState.PAID, paid=paid)
        if now >= claim.paid_at + LISTED_WITHIN:
            return OrderAnswer(state=OrderState.CLOSED, reason="not in the list of its hour")
        return OrderAnswer(state=OrderState.NOT_PAID, reason="not in the list yet")

    def statement(
        self, day: date, kind: StatementKind, *, now: datetime, chance: Chance
    ) -> Generator[HttpRequest, HttpResponse, bytes]:
        """Fetch what was paid on a day of East African time, of the last two days."""
        if kind is not StatementKind.TRADE:
            raise NotOffered(self.name, "bill of funds")
        since, until = mpesa_bill.bounds(day, now=now)
        if since < now - LISTS_FOR:
            raise NotOffered(self.name, "bill of a day that is older than two days")
        pulled = yield from self._pull(since, until, now=now)
        # Whether a list holds its own last second is nowhere said: a day's end is the next day's.
        return mpesa_bill.written([each for each in pulled if since <= each.paid_at < until])

    def lines(self, bill: bytes, kind: StatementKind) -> Iterator[StatementLine]:
        """Read a bill; refuses one that was cut off."""
        return mpesa_bill.lines(bill)

    def self_test(
        self, *, now: datetime, chance: Chance
    ) -> Generator[HttpRequest, HttpResponse, list[Check]]:
        """Try the keys, and whether transactions are listed for us."""
        checks = []
        try:
            yield from self._access(now=now)
            checks.append(Check(name="key", ok=True))
            yield from self._pull(now - AROUND, now, now=now)
            checks.append(Check(name="transactions", ok=True))
        except (Refused, Unreachable) as error:
            checks.append(Check(name="transactions" if checks else "key", ok=False, detail=str(error)))
        return checks

    def register(self, *, now: datetime) -> Generator[HttpRequest, HttpResponse, list[Check]]:
        """Tell Daraja where to tell and ask us, and that we list transactions; in earnest it is done once."""
        url = f"{self._settings.notify_url}/{self._settings.secret}"
        phone = self._settings.nominated_phone
        wishes = (
            ("addresses", "/mpesa/c2b/v2/registerurl", bodies.build_c2b_register(self._shop, url=url)),
            (
                "transactions",
                "/pulltransactions/v1/register",
                bodies.build_pull_register(self._shop, phone=phone, url=url),
            ),
        )
        checks = []
        for name, path, body in wishes:
            response = yield from self._ask(path, body, now=now)
            try:
                field = "ResponseCode" if name == "addresses" else "ResponseStatus"
                code, words = bodies.parse_accepted(self._good(response).body, name=field)
                # 1001: registered already.
                is_good = code.strip("0") == "" or code in ("1000", "1001")
                checks.append(Check(name=name, ok=is_good, detail=words))
            except (Refused, Unreachable) as error:
                checks.append(Check(name=name, ok=False, detail=str(error)))
        return checks

    def hear(self, inbound: HttpRequest, *, now: datetime) -> Verified | Rejected:
        """Take a message as a claim, where it came by the secret address; there is nothing else to verify."""
        if len(inbound.body) > BODY_BYTES_MAX:
            return _rejected(Refusal.TOO_LARGE, f"more than {BODY_BYTES_MAX} bytes", status=413)
        secret, *rest = inbound.path.partition(f"/{self.name}/")[2].split("/")
        if not hmac.compare_digest(secret.encode(), self._settings.secret.encode()):
            return _rejected(Refusal.KEY_UNKNOWN, "not the secret address", status=404)
        if self._networks and not self._is_known(inbound.peer):
            return _rejected(Refusal.KEY_UNKNOWN, f"from {inbound.peer[:64]!r}", status=403)
        try:
            match rest:
                case ["stk", reference]:
                    return self._prompted(inbound.body, reference)
                case ["confirm"]:
                    return self._confirmed(inbound.body)
                case ["validate"]:
                    return self._asked(inbound.body)
                case ["pulled"]:
                    return Verified(notice=None, event="pulled")
        except BodyMalformed as malformed:
            return _rejected(Refusal.BODY_MALFORMED, str(malformed), status=400)
        return _rejected(Refusal.BODY_MALFORMED, "an address that nobody was told", status=404)

    def answer(self, *, accepted: bool) -> HttpResponse:
        """Answer a message once it is kept: 200 and a zero; otherwise 503."""
        return (
            HttpResponse(status=200, headers=_JSON, body=_ACCEPTED) if accepted else HttpResponse(status=503)
        )

    def _prompted(self, body: bytes, reference: str) -> Verified | Rejected:
        told = bodies.parse_prompt_callback(body)
        event = f"stk.{told.code[:16]}"
        if told.paid_at is None:
            # That it was cancelled is unsigned too: the order is closed when Daraja says so, asked by us.
            return Verified(notice=None, event=event)
        claim = Claim(
            provider=self.name,
            transaction_no=told.receipt,
            reference=reference if _REFERENCE.fullmatch(reference) else "",
            amount_minor=told.amount_minor,
            currency=CURRENCY,
            paid_at=told.paid_at,
        )
        return Verified(notice=None, event=event, claim=claim)

    def _confirmed(self, body: bytes) -> Verified | Rejected:
        told = bodies.parse_confirmation(body)
        if told.shortcode != self._settings.shortcode:
            return _rejected(Refusal.MERCHANT_WRONG, f"short code {told.shortcode[:16]}", status=400)
        claim = Claim(
            provider=self.name,
            transaction_no=told.receipt,
            reference="",
            amount_minor=told.amount_minor,
            currency=CURRENCY,
            paid_at=told.paid_at,
            payee=told.payee,
        )
        return Verified(notice=None, event="c2b.confirmation", claim=claim)

    def _asked(self, body: bytes) -> Verified | Rejected:
        told = bodies.parse_confirmation(body)
        if told.shortcode != self._settings.shortcode:
            return _rejected(Refusal.MERCHANT_WRONG, f"short code {told.shortcode[:16]}", status=400)
        question = PayeeQuestion(
            payee=told.payee,
            known=HttpResponse(status=200, headers=_JSON, body=_ACCEPTED),
            unknown=HttpResponse(status=200, headers=_JSON, body=_NO_SUCH_ACCOUNT),
        )
        return Verified(notice=None, event="c2b.validation", question=question)

    def _is_known(self, peer: str) -> bool:
        try:
            address = ip_address(peer)
        except ValueError:
            return False
        return any(address in network for network in self._networks)

    def _push(self, attempt: Attempt) -> Push:
        if attempt.flow is not Flow.PROMPT:
            raise NotOffered(self.name, f"payment by {attempt.flow.value}")
        if attempt.currency != CURRENCY:
            raise CurrencyNotTaken(self.name, attempt.currency)
        if attempt.amount_minor % 100:
            raise CentsNotTaken(attempt.amount_minor)
        phone = _PHONE.fullmatch(re.sub(r"[ ()-]", "", attempt.payer))
        if phone is None:
            raise PhoneUnusable
        settings = self._settings
        return Push(
            phone=f"254{phone['number']}",
            amount_shillings=attempt.amount_minor // 100,
            reference=short_reference(attempt.reference),
            description=re.sub(r"[^A-Za-z0-9 ]", " ", attempt.description).strip() or "electricity",
            callback_url=f"{settings.notify_url}/{settings.secret}/stk/{attempt.reference}",
        )

    def _prompt(
        self, checkout_id: str, *, now: datetime
    ) -> Generator[HttpRequest, HttpResponse, OrderAnswer]:
        body = bodies.build_prompt_query(checkout_id, self._shop, now=now)
        response = yield from self._ask("/mpesa/stkpushquery/v1/query", body, now=now)
        if bodies.parse_refusal(response.body).code == _STILL_ASKING:
            return OrderAnswer(state=OrderState.NOT_PAID, reason="the phone is asking")
        try:
            told = bodies.parse_prompt_answer(self._good(response).body)
        except BodyMalformed as malformed:
            raise AnswerUnusable(self.name, str(malformed)) from malformed
        if told.checkout_id != checkout_id:
            raise AnswerUnusable(self.name, "it is about another prompt")
        return OrderAnswer(state=_ORDER_STATES[told.state], reason=f"{told.code} {told.reason}")

    def _find(
        self, since: datetime, until: datetime, *, payee: str = "", receipt: str = "", now: datetime
    ) -> Generator[HttpRequest, HttpResponse, Pulled | None]:
        for pulled in (yield from self._pull(since, until, now=now)):
            is_meant = pulled.receipt == receipt if receipt else pulled.payee == payee
            if is_meant and pulled.kind.startswith("c2b"):
                return pulled
        return None

    def _pull(
        self, since: datetime, until: datetime, *, now: datetime
    ) -> Generator[HttpRequest, HttpResponse, list[Pulled]]:
        found: dict[str, Pulled] = {}
        offset = 0
        for _ in range(PAGES_MAX):
            body = bodies.build_pull(self._shop, since=since, until=until, offset=offset)
            response = yield from self._ask("/pulltransactions/v1/query", body, now=now)
            try:
                page = bodies.parse_pulled(self._good(response).body)
            except BodyMalformed as malformed:
                raise AnswerUnusable(self.name, str(malformed)) from malformed
            fresh = {each.receipt: each for each in page if each.receipt not in found}
            if not fresh:
                return list(found.values())
            found |= fresh
            offset += len(page)
        raise AnswerUnusable(self.name, f"a list of more than {PAGES_MAX} pages")

    def _ask(
        self, path: str, body: bytes, *, now: datetime
    ) -> Generator[HttpRequest, HttpResponse, HttpResponse]:
        for _ in range(2):  # a token may be withdrawn before its time; a fresh one may not
            token = yield from self._access(now=now)
            response = yield HttpRequest(
                method="POST",
                path=path,
                headers=_JSON | {"authorization": f"Bearer {token}", "user-agent": "compuerta"},
                body=body,
                answer_bytes_max=LIST_BYTES_MAX,
            )
            if response.status != 401 and bodies.parse_refusal(response.body).code != _TOKEN_STALE:
                return response
            self._token = None
        raise ProviderBusy(self.name, response.status, code=_TOKEN_STALE)

    def _access(self, *, now: datetime) -> Generator[HttpRequest, HttpResponse, str]:
        if self._token is not None and now < self._token.until:
            return self._token.value
        pair = f"{self._settings.consumer_key}:{self._settings.consumer_secret}"
        response = yield HttpRequest(
            method="GET",
            path="/oauth/v1/generate?grant_type=client_credentials",
            headers={"authorization": f"Basic {base64.b64encode(pair.encode()).decode('ascii')}"},
        )
        try:
            value, life = bodies.parse_token(self._good(response).body)
        except BodyMalformed as malformed:
            raise AnswerUnusable(self.name, str(malformed)) from malformed
        self._token = _Token(value=value, until=now + life - TOKEN_SPARE)
        return value

    def _good(self, response: HttpResponse) -> HttpResponse:
        """Return a good answer; raise for every other."""
        if 200 <= response.status < 300:
            return response
        refusal = bodies.parse_refusal(response.body)
        if response.status == 429 or not 400 <= response.status < 500:
            raise ProviderBusy(self.name, response.status, code=refusal.code)
        raise RequestRefused(self.name, response.status, code=refusal.code, message=refusal.message)

    def _notice(self, pulled: Pulled, *, reference: str, payee: str, now: datetime) -> PaymentNotice:
        return PaymentNotice(
            provider=self.name,
            transaction_no=pulled.receipt,
            reference=reference,
            amount_minor=pulled.amount_minor,
            currency=CURRENCY,
            paid_at=min(pulled.paid_at, now),
            payee=payee,
        )


_ORDER_STATES = {
    PromptState.WAITING: OrderState.NOT_PAID,
    PromptState.PAID: OrderState.PAID,
    PromptState.OVER: OrderState.CLOSED,
    PromptState.UNLISTED: OrderState.UNKNOWN,
}


def _rejected(refusal: Refusal, detail: str, *, status: int) -> Rejected:
    return Rejected(refusal=refusal, detail=detail, answer=HttpResponse(status=status))
