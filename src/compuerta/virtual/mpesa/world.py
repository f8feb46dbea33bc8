"""The simulated M-Pesa without sockets: a request comes in with the time, and an answer goes out.

It asks phones, and takes what payers send by themselves to whatever account number they type. It tells of
money without a signature and often not at all, and lists it when asked. All chance is drawn from the `Random`
that it is given, so that a run can be repeated.
"""

import base64
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from random import Random

from compuerta.domain.errors import Refused
from compuerta.services.payment_ports import HttpRequest, HttpResponse
from compuerta.virtual.mpesa import payments
from compuerta.virtual.mpesa.payments import Prompt, Receipt
from compuerta.virtual.providers.notices import DueNotice, Manner, Notices, Tally, changed
from compuerta.virtual.providers.worlds import Button, Fact, NotPressed, Shown
from compuerta.wire.mpesa import fields
from compuerta.wire.mpesa.fields import BodyMalformed, JsonObject

PROMPTS_MAX = 100_000  # a simulation or a demonstration stays far below; a runaway caller does not
TOKEN_LIFE_S = 3_599
LIST_LENGTH = 100
LISTS_FOR = timedelta(hours=48)
ANSWER_WITHIN = timedelta(seconds=8)
_WORDS_REFUSED = re.compile(r"m-?pesa|safaricom|exec?|cmd|sql|query", re.IGNORECASE)
_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ0123456789"


class DarajaRefusal(Refused):
    """A refusal as Daraja words it."""

    def __init__(self, status: int, code: str, words: str) -> None:
        super().__init__(f"{status} {code}: {words}")
        self.status = status
        self.told: dict[str, object] = {"requestId": "1", "errorCode": code, "errorMessage": words}


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """The one short code that this provider knows."""

    shortcode: str
    passkey: str
    consumer_key: str
    consumer_secret: str
    registered: Callable[[], str]  # below which address it tells of what payers send; "" = nowhere yet


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """How the provider misbehaves; all zero is a good day."""

    lost_ppm: int = 0  # share of messages that never arrive; none is repeated, as in earnest
    duplicate_ppm: int = 0  # share of messages that arrive twice
    probe_ppm: int = 0  # nothing is signed, so there is nothing to probe; here for all worlds alike
    late_ms_max: int = 0  # each message is late by 0 to this
    listed_late_ms: int = 0  # the list is behind by so much
    refuse_next: int = 0  # so many requests meet the limit of requests
    fail_next: int = 0  # so many requests meet a system that is out of order
    answer_delay_ms: int = 0  # the server waits so long before it answers
    tokens_end: bool = False  # each access token is good for one request
    validates: bool = False  # it asks whether there is such an account before it takes what a payer sends


class MpesaWorld:
    """One simulated M-Pesa with one short code; satisfies `World`, and is the one owner of its money."""

    def __init__(self, *, terms: Terms, random: Random) -> None:
        self._terms = terms
        self._random = random
        self._prompts: dict[str, Prompt] = {}
        self._by_reference: dict[str, str] = {}
        self._receipts: dict[str, Receipt] = {}
        self._asked: dict[str, Receipt] = {}  # what a payer is about to send, by its receipt
        self._tokens: dict[str, datetime] = {}
        self._is_listing = False
        self._registered = ""
        manner = Manner(
            answer_within=ANSWER_WITHIN, repeats_s=(), is_accepted=lambda status, body: status == 200
        )
        self._notices = Notices(manner=manner, random=random)
        self.behaviour = Behaviour()

    @property
    def name(self) -> str:
        return "mpesa"

    @property
    def answer_delay_ms(self) -> int:
        return self.behaviour.answer_delay_ms

    @property
    def tally(self) -> Tally:
        return self._notices.tally

    def answer(self, request: HttpRequest, now: datetime) -> HttpResponse:
        """Answer a merchant's request."""
        self._age(now)
        try:
            self._misbehave()
            status, told = 200, self._route(request, now=now)
        except DarajaRefusal as refusal:
            status, told = refusal.status, refusal.told
        except BodyMalformed as malformed:
            status, told = 400, DarajaRefusal(400, "400.002.02", f"Bad Request - {malformed}").told
        headers = {"content-type": "application/json"}
        return HttpResponse(status=status, headers=headers, body=json.dumps(told).encode("utf-8"))

    def due(self, now: datetime) -> list[DueNotice]:
        """Return the messages to send now; tell `answered` what became of each."""
        self._age(now)
        return self._notices.due(now, behaviour=self.behaviour)

    def answered(self, notice: DueNotice, status: int, now: datetime, *, body: bytes = b"") -> None:
        """Take the merchant's answer to a message; the status 0 says that none came."""
        self._notices.answered(notice, status, body=body, now=now)
        if notice.url.endswith("/validate"):
            self._validated(notice.request.body, status, body, now=now)

    def wake_at(self) -> datetime | None:
        """Return when `due` will have something to do next, or None."""
        ends = [each.until for each in self._prompts.values() if not each.code]
        return min((at for at in [self._notices.wake_at(), *ends] if at is not None), default=None)

    def shown(self, now: datetime, *, limit: int) -> list[Shown]:
        """Return the newest prompts, the newest first."""
        self._age(now)
        return [each.shown() for each in list(reversed(self._prompts.values()))[:limit]]

    def facts(self) -> list[Fact]:
        """Return all money that it has or had, oldest first."""
        return [payments.fact(receipt) for receipt in self._receipts.values()]

    def behave(self, wishes: Mapping[str, object]) -> dict[str, object]:
        """Change how it misbehaves, and return all of it; refuses what does not exist."""
        self.behaviour = changed(self.behaviour, wishes)
        return asdict(self.behaviour)

    def press(self, button: Button, reference: str, now: datetime, *, amount_minor: int = 0) -> None:
        """Do what a button does with one order, or refuse with `NotPressed`; 0 = the order's amount."""
        self._age(now)
        if button is Button.SEND:
            return self._send(reference, amount_minor, now=now)
        prompt = self._prompts.get(self._by_reference.get(reference, reference))
        if prompt is None:
            raise NotPressed(reference, "no phone asks for it")
        if button not in prompt.shown().buttons:
            raise NotPressed(reference, f"{button.value} is not possible now")
        match button:
            case Button.SCAN:
                pass  # they look at their phone
            case Button.PAY | Button.PAY_LATE:
                self._pay(prompt, now=now)
            case Button.CANCEL:
                self._end(prompt, "1032", now=now)
            case Button.REFUSE:
                self._end(prompt, "1", now=now)
            case Button.REPEAT:
                self._call_back(prompt, self._receipts[prompt.receipt], now=now)
            case Button.FORGE:
                self._call_back(replace(prompt, code="0"), self._forged(prompt, amount_minor, now), now=now)
            case _:
                url = re.sub(r"/[^/]+/stk/", "/a-guess-of-somebodys/stk/", prompt.callback_url)
                forged = replace(prompt, code="0", callback_url=url)
                self._call_back(forged, self._forged(prompt, amount_minor, now), now=now)
        return None

    # Requests

    def _misbehave(self) -> None:
        behaviour = self.behaviour
        if behaviour.refuse_next > 0:
            self.behaviour = replace(behaviour, refuse_next=behaviour.refuse_next - 1)
            raise DarajaRefusal(429, "500.003.02", "Error Occurred: Spike Arrest Violation")
        if behaviour.fail_next > 0:
            self.behaviour = replace(behaviour, fail_next=behaviour.fail_next - 1)
            raise DarajaRefusal(503, "500.003.1001", "Internal Server Error")

    def _route(self, request: HttpRequest, *, now: datetime) -> dict[str, object]:
        path, _, _ = request.path.partition("?")
        if (request.method, path) == ("GET", "/oauth/v1/generate"):
            return self._token(request, now=now)
        self._authenticate(request, now=now)
        asked = fields.read_object(request.body)
        if fields.text_or_empty(asked, "ShortCode") not in ("", self._terms.shortcode):
            raise DarajaRefusal(400, "400.002.02", "Bad Request - Invalid ShortCode")
        match path:
            case "/mpesa/stkpush/v1/processrequest":
                return self._prompt(asked, now=now)
            case "/mpesa/stkpushquery/v1/query":
                return self._prompt_state(asked)
            case "/pulltransactions/v1/query":
                return self._list(asked, now=now)
            case "/pulltransactions/v1/register":
                code = "1001" if self._is_listing else "1000"
                self._is_listing = True
                return {"ResponseStatus": code, "ResponseDescription": "Success"}
            case "/mpesa/c2b/v2/registerurl":
                return self._register(asked)
        raise DarajaRefusal(404, "404.001.01", "Resource not found")

    def _token(self, request: HttpRequest, *, now: datetime) -> dict[str, object]:
        pair = f"{self._terms.consumer_key}:{self._terms.consumer_secret}"
        if request.headers.get("authorization") != f"Basic {base64.b64encode(pair.encode()).decode()}":
            raise DarajaRefusal(400, "400.008.01", "Invalid Authentication passed")
        token = self._random.randbytes(14).hex()
        self._tokens[token] = now + timedelta(seconds=TOKEN_LIFE_S)
        return {"access_token": token, "expires_in": str(TOKEN_LIFE_S)}

    def _authenticate(self, request: HttpRequest, *, now: datetime) -> None:
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        if now >= self._tokens.get(token, now):
            raise DarajaRefusal(404, "404.001.03", "Invalid Access Token")
        if self.behaviour.tokens_end:
            del self._tokens[token]

    def _password(self, asked: JsonObject) -> None:
        stamp = fields.text(asked, "Timestamp")
        fields.instant(asked, "Timestamp")
        expected = base64.b64encode(f"{self._terms.shortcode}{self._terms.passkey}{stamp}".encode()).decode()
        if fields.text(asked, "Password") != expected:
            raise DarajaRefusal(500, "500.001.1001", "Wrong credentials")

    def _prompt(self, asked: JsonObject, *, now: datetime) -> dict[str, object]:
        self._password(asked)
        amount = asked.get("Amount")
        if not isinstance(amount, int) or amount < 1:
            raise DarajaRefusal(400, "400.002.02", "Bad Request - Invalid Amount")
        url, short = fields.text(asked, "CallBackURL"), fields.text(asked, "AccountReference")
        if _WORDS_REFUSED.search(url.partition("://")[2]) or len(short) > 12:
            raise DarajaRefusal(400, "400.002.02", "Bad Request - Invalid CallBackURL or AccountReference")
        phone = fields.text(asked, "PhoneNumber")
        if not re.fullmatch(r"254[17][0-9]{8}", phone, re.ASCII):
            raise DarajaRefusal(400, "400.002.02", "Bad Request - Invalid PhoneNumber")
        if any(each.phone == phone and not each.code for each in self._prompts.values()):
            words = "Unable to lock subscriber, a transaction is already in process"
            raise DarajaRefusal(500, "500.001.1001", words)
        if len(self._prompts) >= PROMPTS_MAX:
            raise DarajaRefusal(429, "500.003.02", "Error Occurred: Spike Arrest Violation")
        number = len(self._prompts) + 1
        checkout_id = f"ws_CO_{fields.stamp(now)}{number:06d}"
        prompt = Prompt(
            checkout_id=checkout_id,
            number=number,
            reference=url.rpartition("/")[2],
            short=short,
            description=fields.text(asked, "TransactionDesc"),
            amount_minor=amount * 100,
            phone=phone,
            callback_url=url,
            placed_at=now,
        )
        self._put(prompt)
        self._by_reference[prompt.reference] = checkout_id
        return {
            "MerchantRequestID": f"29115-34620561-{number}",
            "CheckoutRequestID": checkout_id,
            "ResponseCode": "0",
            "ResponseDescription": "Success. Request accepted for processing",
            "CustomerMessage": "Success. Request accepted for processing",
        }

    def _prompt_state(self, asked: JsonObject) -> dict[str, object]:
        self._password(asked)
        prompt = self._prompts.get(fields.text(asked, "CheckoutRequestID"))
        if prompt is None:
            raise DarajaRefusal(400, "400.002.02", "Bad Request - Invalid CheckoutRequestID")
        if not prompt.code:
            raise DarajaRefusal(500, "500.001.1001", "The transaction is being processed")
        return {
            "ResponseCode": "0",
            "ResponseDescription": "The service request has been accepted successsfully",
            "CheckoutRequestID": prompt.checkout_id,
            "ResultCode": prompt.code,
            "ResultDesc": payments.WORDS[prompt.code],
        }

    def _list(self, asked: JsonObject, *, now: datetime) -> dict[str, object]:
        since = payments.local(fields.text(asked, "StartDate"))
        until = payments.local(fields.text(asked, "EndDate"))
        offset = int(fields.text(asked, "OffSetValue"))
        found = [
            payments.listed(each)
            for each in self._receipts.values()
            if each.listed_at <= now
            and max(since, now - LISTS_FOR) <= each.paid_at <= until + timedelta(seconds=1)
        ][offset : offset + LIST_LENGTH]
        if not found:
            return {"ResponseCode": "1001", "ResponseMessage": "Null", "Response": "[[]]"}
        return {"ResponseCode": "1000", "ResponseMessage": "Success", "Response": [found]}

    def _register(self, asked: JsonObject) -> dict[str, object]:
        if self._registered:
            raise DarajaRefusal(500, "500.003.1001", "Urls are already registered")
        url = fields.text(asked, "ConfirmationURL")
        if _WORDS_REFUSED.search(url.partition("://")[2]):
            raise DarajaRefusal(400, "400.003.02", "Invalid ConfirmationURL")
        self._registered = url.removesuffix("/confirm")
        return {"OriginatorCoversationID": "1", "ResponseCode": "0", "ResponseDescription": "Success"}

    # What happens

    def _pay(self, prompt: Prompt, *, now: datetime) -> None:
        receipt = self._receipt(prompt.short, prompt.amount_minor, prompt.phone, now=now)
        self._take(replace(receipt, reference=prompt.reference))
        paid = replace(prompt, code="0", receipt=receipt.number, paid_at=receipt.paid_at)
        self._put(paid)
        self._call_back(paid, receipt, now=now)
        self._confirm(receipt, now=now)  # both are told, where both addresses are known

    def _end(self, prompt: Prompt, code: str, *, now: datetime) -> None:
        ended = replace(prompt, code=code)
        self._put(ended)
        nothing = self._receipt(prompt.short, prompt.amount_minor, prompt.phone, now=now)
        self._call_back(ended, nothing, now=now)

    def _send(self, payee: str, amount_minor: int, *, now: datetime) -> None:
        if amount_minor <= 0:
            raise NotPressed(payee, "say how much is sent")
        receipt = self._receipt(payee, amount_minor, "254712345678", now=now)
        if not self.behaviour.validates:
            self._take(receipt)
            return self._confirm(receipt, now=now)
        self._asked[receipt.number] = receipt
        return self._tell("validate", receipt, now=now)

    def _validated(self, asked: bytes, status: int, answer: bytes, *, now: datetime) -> None:
        receipt = self._asked.pop(fields.text(fields.read_object(asked), "TransID"), None)
        if receipt is None:
            return
        try:
            code = fields.text(fields.read_object(answer), "ResultCode") if status == 200 else "0"
        except BodyMalformed:
            code = "0"
        if code == "0":  # whoever cannot be asked has agreed: it is registered as "Completed"
            self._take(receipt)
            self._confirm(receipt, now=now)

    def _receipt(self, payee: str, amount_minor: int, phone: str, *, now: datetime) -> Receipt:
        letters = "".join(self._random.choice(_LETTERS) for _ in range(7))
        return Receipt(
            number=f"SIM{letters}",
            payee=payee,
            amount_minor=amount_minor,
            phone=phone,
            paid_at=now.replace(microsecond=0),
            listed_at=now + timedelta(milliseconds=self.behaviour.listed_late_ms),
        )

    def _forged(self, prompt: Prompt, amount_minor: int, now: datetime) -> Receipt:
        return self._receipt(prompt.short, amount_minor or prompt.amount_minor, prompt.phone, now=now)

    def _take(self, receipt: Receipt) -> None:
        self._receipts[receipt.number] = receipt

    def _age(self, now: datetime) -> None:
        for prompt in [each for each in self._prompts.values() if not each.code and now >= each.until]:
            self._end(prompt, "1037", now=prompt.until)

    def _put(self, prompt: Prompt) -> None:
        self._prompts[prompt.checkout_id] = prompt

    # Messages

    def _call_back(self, prompt: Prompt, receipt: Receipt, *, now: datetime) -> None:
        body = payments.callback_body(
            prompt, receipt=receipt.number, amount_minor=receipt.amount_minor, paid_at=receipt.paid_at
        )
        self._add(prompt.callback_url, body, now=now)

    def _confirm(self, receipt: Receipt, *, now: datetime) -> None:
        self._tell("confirm", receipt, now=now)

    def _tell(self, what: str, receipt: Receipt, *, now: datetime) -> None:
        url = self._registered or self._terms.registered()
        if url:
            body = payments.confirmation_body(receipt, shortcode=self._terms.shortcode)
            self._add(f"{url}/{what}", body, now=now)

    def _add(self, url: str, body: bytes, *, now: datetime) -> None:
        late_ms = self._random.randrange(self.behaviour.late_ms_max + 1) if self.behaviour.late_ms_max else 0
        due_at = now + timedelta(milliseconds=late_ms)
        self._notices.add(url=url, written=payments.plain(body), due_at=due_at)
