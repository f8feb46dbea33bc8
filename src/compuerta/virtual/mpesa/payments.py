"""A prompt and a receipt as the simulated M-Pesa holds them, and how it tells of them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from compuerta.virtual.providers.notices import NoticeKind, Written
from compuerta.virtual.providers.worlds import Button, Fact, Shown, State
from compuerta.wire.mpesa import fields
from compuerta.wire.mpesa.fields import CURRENCY, ZONE

PROMPT_LIFE = timedelta(seconds=60)  # a phone asks no longer
WORDS = {
    "0": "The service request is processed successfully.",
    "1": "The balance is insufficient for the transaction.",
    "1032": "Request cancelled by user",
    "1037": "DS timeout user cannot be reached",
}
_OVER = {"1": State.REFUSED, "1032": State.CLOSED, "1037": State.EXPIRED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """Money that has moved."""

    number: str
    payee: str  # what was typed, or what the prompt asked for
    amount_minor: int
    phone: str
    paid_at: datetime
    listed_at: datetime
    reference: str = ""  # of the merchant's order, where a prompt brought it


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """A question on a payer's phone."""

    checkout_id: str
    number: int
    reference: str  # the merchant's order
    short: str  # what the phone shows it is for
    description: str
    amount_minor: int
    phone: str
    callback_url: str
    placed_at: datetime
    code: str = ""  # "" = the phone asks
    receipt: str = ""
    paid_at: datetime | None = None

    @property
    def until(self) -> datetime:
        return self.placed_at + PROMPT_LIFE

    def shown(self) -> Shown:
        """Return it as the payer's page shows it."""
        return Shown(
            reference=self.reference,
            description=f"{self.short} {self.description}",
            amount_minor=self.amount_minor,
            currency=CURRENCY,
            content=f"+{self.phone}",
            state=State.PAID if self.receipt else _OVER.get(self.code, State.WAITING),
            placed_at=self.placed_at,
            expires_at=self.until,
            paid_at=self.paid_at,
            transaction_no=self.receipt,
            buttons=self._buttons(),
        )

    def _buttons(self) -> tuple[Button, ...]:
        if self.receipt:
            return (Button.REPEAT, Button.FORGE, Button.STRANGER)
        if self.code:
            return (Button.PAY_LATE, Button.FORGE)
        return (Button.SCAN, Button.PAY, Button.CANCEL, Button.REFUSE, Button.FORGE, Button.STRANGER)


def fact(receipt: Receipt) -> Fact:
    """Return money as it truly is."""
    return Fact(
        transaction_no=receipt.number,
        reference=receipt.reference,
        amount_minor=receipt.amount_minor,
        refunded_minor=0,
        currency=CURRENCY,
        paid_at=receipt.paid_at,
    )


def callback_body(prompt: Prompt, *, receipt: str, amount_minor: int, paid_at: datetime) -> bytes:
    """Return what a prompt's address is told; only a payment has particulars."""
    code = prompt.code or "0"
    told: dict[str, object] = {
        "MerchantRequestID": f"29115-34620561-{prompt.number}",
        "CheckoutRequestID": prompt.checkout_id,
        "ResultCode": int(code),
        "ResultDesc": WORDS.get(code, "failed"),
    }
    if code == "0":
        items = {
            "Amount": amount_minor / 100,  # a float, as in earnest
            "MpesaReceiptNumber": receipt,
            "TransactionDate": int(fields.stamp(paid_at)),
            "PhoneNumber": int(prompt.phone),
        }
        told["CallbackMetadata"] = {"Item": [{"Name": key, "Value": value} for key, value in items.items()]}
    return json.dumps({"Body": {"stkCallback": told}}).encode("utf-8")


def confirmation_body(receipt: Receipt, *, shortcode: str) -> bytes:
    """Return what the registered addresses are asked, and told, of money that a payer sends."""
    told = {
        "TransactionType": "Pay Bill",
        "TransID": receipt.number,
        "TransTime": fields.stamp(receipt.paid_at),
        "TransAmount": _shillings(receipt.amount_minor),
        "BusinessShortCode": shortcode,
        "BillRefNumber": receipt.payee,
        "InvoiceNumber": "",
        "OrgAccountBalance": "",
        "ThirdPartyTransID": "",
        "MSISDN": f"{receipt.phone[:4]}*****{receipt.phone[-3:]}",
        "FirstName": "JOHN",
    }
    return json.dumps(told).encode("utf-8")


def listed(receipt: Receipt) -> dict[str, object]:
    """Return a transaction as the list tells it."""
    return {
        "transactionId": receipt.number,
        "trxDate": receipt.paid_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "msisdn": int(receipt.phone),
        "sender": "MPESA",
        "transactiontype": "c2b-pay-bill-debit",
        "billreference": receipt.payee,
        "amount": _shillings(receipt.amount_minor),
        "organizationname": "Simulated",
    }


def local(text: str) -> datetime:
    """Read an instant of the question for the list."""
    return datetime.strptime(text, "%Y-%m-%d %H:%M:%S").replace(tzinfo=ZONE)


def plain(body: bytes) -> Written:
    """Return what writes a message: nothing of it is signed."""

    def written(now: datetime, kind: NoticeKind) -> tuple[Mapping[str, str], bytes]:
        return {"content-type": "application/json"}, body

    return written


def _shillings(amount_minor: int) -> str:
    return f"{amount_minor // 100}.{amount_minor % 100:02d}"
