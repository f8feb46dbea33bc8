"""The bodies of Daraja: prompts and questions that we send, answers, and what it tells unasked."""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from types import MappingProxyType

from compuerta.wire.mpesa import fields
from compuerta.wire.mpesa.fields import ZONE, BodyMalformed, JsonObject

REFERENCE_CHARS_MAX = 12  # of AccountReference
DESCRIPTION_CHARS_MAX = 13  # of TransactionDesc
RECEIPT_CHARS_MAX = 64
PAYEE_CHARS_MAX = 100
_PULL_FORM = "%Y-%m-%d %H:%M:%S"
_PULLED, _NOTHING_PULLED = "1000", "1001"


class PromptState(Enum):
    """What became of a prompt on the payer's phone."""

    WAITING = "waiting"  # they are asked now
    PAID = "paid"
    OVER = "over"  # they cancelled, did not answer, had not enough, or were not reached
    UNLISTED = "unlisted"  # a code that nobody has explained: it means neither


# A code that is not listed here ends no order: money may still be on its way.
_STATES: Mapping[str, PromptState] = MappingProxyType(
    {
        "0": PromptState.PAID,
        "1": PromptState.OVER,  # not enough money
        "1001": PromptState.OVER,  # the phone is busy with another transaction
        "1019": PromptState.OVER,  # expired
        "1032": PromptState.OVER,  # cancelled by the payer
        "1037": PromptState.OVER,  # no answer from the phone
        "2001": PromptState.OVER,  # the PIN is wrong
        "4999": PromptState.WAITING,  # still under processing
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shop:
    """The short code that is paid, and the passkey that proves who asks; never logged."""

    shortcode: str
    passkey: str

    def __repr__(self) -> str:
        return f"Shop(shortcode={self.shortcode!r})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Push:
    """A prompt to put on a payer's phone."""

    phone: str  # 2547...
    amount_shillings: int
    reference: str
    description: str
    callback_url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderRefusal:
    """What Daraja says when it refuses."""

    code: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptAnswer:
    """The answer to the question what became of a prompt."""

    checkout_id: str
    state: PromptState
    code: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptCallback:
    """What an unsigned message says of a prompt; the receipt is there exactly when it says PAID."""

    checkout_id: str
    code: str
    receipt: str = ""
    amount_minor: int = 0
    paid_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmation:
    """What an unsigned message says of money that a payer sent, or is about to send, by themselves."""

    receipt: str
    shortcode: str
    payee: str  # what they typed as account number
    amount_minor: int
    paid_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulled:
    """A transaction as Daraja lists it when asked: the only evidence with a receipt in the answer itself."""

    receipt: str
    kind: str
    payee: str
    amount_minor: int
    paid_at: datetime


def build_push(push: Push, shop: Shop, *, now: datetime) -> bytes:
    """Write the request for a prompt."""
    return fields.write_object(
        {
            **_signed(shop, now=now),
            "TransactionType": "CustomerPayBillOnline",
            "Amount": push.amount_shillings,
            "PartyA": push.phone,
            "PartyB": shop.shortcode,
            "PhoneNumber": push.phone,
            "CallBackURL": push.callback_url,
            "AccountReference": push.reference[:REFERENCE_CHARS_MAX],
            "TransactionDesc": push.description[:DESCRIPTION_CHARS_MAX],
        }
    )


def build_prompt_query(checkout_id: str, shop: Shop, *, now: datetime) -> bytes:
    """Write the question what became of a prompt."""
    return fields.write_object({**_signed(shop, now=now), "CheckoutRequestID": checkout_id})


def build_pull(shop: Shop, *, since: datetime, until: datetime, offset: int) -> bytes:
    """Write the question what was paid between two instants, from the `offset`-th row on."""
    return fields.write_object(
        {
            "ShortCode": shop.shortcode,
            "StartDate": since.astimezone(ZONE).strftime(_PULL_FORM),
            "EndDate": until.astimezone(ZONE).strftime(_PULL_FORM),
            "OffSetValue": str(offset),
        }
    )


def build_c2b_register(shop: Shop, *, url: str) -> bytes:
    """Write where a payer's own payments are told; where we cannot be asked first, they go through."""
    return fields.write_object(
        {
            "ShortCode": shop.shortcode,
            "ResponseType": "Completed",
            "ConfirmationURL": f"{url}/confirm",
            "ValidationURL": f"{url}/validate",
        }
    )


def build_pull_register(shop: Shop, *, phone: str, url: str) -> bytes:
    """Write the wish to be told transactions when we ask for them."""
    return fields.write_object(
        {
            "ShortCode": shop.shortcode,
            "RequestType": "Pull",
            "NominatedNumber": phone,
            "CallBackURL": f"{url}/pulled",
        }
    )


def parse_token(body: bytes) -> tuple[str, timedelta]:
    """Read an access token, and how long it is good for."""
    found = fields.read_object(body)
    seconds = fields.text(found, "expires_in")
    if not (seconds.isascii() and seconds.isdecimal() and len(seconds) <= 6):
        raise BodyMalformed("expires_in", "must be seconds")
    return fields.text(found, "access_token"), timedelta(seconds=int(seconds))


def parse_refusal(body: bytes) -> ProviderRefusal:
    """Read why Daraja refuses; a body that is none of its own says nothing."""
    try:
        found = fields.read_object(body)
        return ProviderRefusal(
            code=fields.text_or_empty(found, "errorCode"),
            message=fields.text_or_empty(found, "errorMessage"),
        )
    except BodyMalformed:
        return ProviderRefusal(code="", message="")


def parse_accepted(body: bytes, *, name: str = "ResponseCode") -> tuple[str, str]:
    """Read whether a request was accepted; returns its code and words."""
    found = fields.read_object(body)
    words = fields.text_or_empty(found, "ResponseDescription")
    return fields.text(found, name), words


def parse_pushed(body: bytes) -> str:
    """Read the name of the prompt that a phone shows."""
    return fields.text(fields.read_object(body), "CheckoutRequestID")


def parse_prompt_answer(body: bytes) -> PromptAnswer:
    """Read what became of a prompt."""
    found = fields.read_object(body)
    code = fields.text(found, "ResultCode")
    return PromptAnswer(
        checkout_id=fields.text(found, "CheckoutRequestID"),
        state=_STATES.get(code, PromptState.UNLISTED),
        code=code,
        reason=fields.text_or_empty(found, "ResultDesc"),
    )


def parse_prompt_callback(body: bytes) -> PromptCallback:
    """Read what an unsigned message says of a prompt."""
    told = fields.child(fields.child(fields.read_object(body), "Body"), "stkCallback")
    checkout_id, code = fields.text(told, "CheckoutRequestID"), fields.text(told, "ResultCode")
    if _STATES.get(code) is not PromptState.PAID:
        return PromptCallback(checkout_id=checkout_id, code=code)
    items = fields.child(told, "CallbackMetadata").get("Item")
    if not isinstance(items, list):
        raise BodyMalformed("Item", "must be a list")
    told_of = {
        fields.text(item, "Name"): item.get("Value")
        for item in (fields.as_object(each, "Item") for each in items)
    }
    return PromptCallback(
        checkout_id=checkout_id,
        code=code,
        receipt=_short(told_of, "MpesaReceiptNumber", RECEIPT_CHARS_MAX),
        amount_minor=fields.amount_minor(told_of, "Amount"),
        paid_at=fields.instant(told_of, "TransactionDate"),
    )


def parse_confirmation(body: bytes) -> Confirmation:
    """Read what an unsigned message says of money that a payer sent by themselves."""
    told = fields.read_object(body)
    return Confirmation(
        receipt=_short(told, "TransID", RECEIPT_CHARS_MAX),
        shortcode=fields.text(told, "BusinessShortCode"),
        payee=fields.text_or_empty(told, "BillRefNumber")[:PAYEE_CHARS_MAX],
        amount_minor=fields.amount_minor(told, "TransAmount"),
        paid_at=fields.instant(told, "TransTime"),
    )


def parse_pulled(body: bytes) -> list[Pulled]:
    """Read a list of transactions; it is a list in a list, or the text "[[]]" where there are none."""
    found = fields.read_object(body)
    code = fields.text(found, "ResponseCode")
    if code == _NOTHING_PULLED:
        return []
    if code != _PULLED:
        raise BodyMalformed("ResponseCode", f"{code[:16]} is no list")
    outer = found.get("Response")
    if not isinstance(outer, list):
        raise BodyMalformed("Response", "must be a list")
    listed = [row for inner in outer for row in (inner if isinstance(inner, list) else [inner])]
    return [_pulled(fields.as_object(row, "Response")) for row in listed]


def read_pulled(line: bytes) -> Pulled:
    """Read one transaction of a bill that `write_pulled` wrote."""
    return _pulled(fields.read_object(line))


def write_pulled(pulled: Pulled) -> bytes:
    """Write one transaction as a line of a bill: without the payer's name and number."""
    whole, cents = divmod(pulled.amount_minor, 100)
    line = {
        "transactionId": pulled.receipt,
        "trxDate": pulled.paid_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "transactiontype": pulled.kind,
        "billreference": pulled.payee,
        "amount": f"{whole}.{cents:02d}",
    }
    return json.dumps(line, separators=(",", ":")).encode("ascii") + b"\n"


def _pulled(row: JsonObject) -> Pulled:
    told = fields.text(row, "trxDate")
    try:
        paid_at = datetime.fromisoformat(told)
        paid_at = (paid_at if paid_at.tzinfo else paid_at.replace(tzinfo=ZONE)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise BodyMalformed("trxDate", "no such instant") from error
    return Pulled(
        receipt=_short(row, "transactionId", RECEIPT_CHARS_MAX),
        kind=fields.text(row, "transactiontype"),
        payee=fields.text_or_empty(row, "billreference")[:PAYEE_CHARS_MAX],
        amount_minor=fields.amount_minor(row, "amount"),
        paid_at=paid_at,
    )


def _short(found: JsonObject, name: str, chars_max: int) -> str:
    value = fields.text(found, name)
    if len(value) > chars_max:
        raise BodyMalformed(name, f"is longer than {chars_max}")
    return value


def _signed(shop: Shop, *, now: datetime) -> dict[str, object]:
    stamp = fields.stamp(now)
    password = base64.b64encode(f"{shop.shortcode}{shop.passkey}{stamp}".encode()).decode("ascii")
    return {"BusinessShortCode": shop.shortcode, "Password": password, "Timestamp": stamp}
