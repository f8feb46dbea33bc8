"""Stripe's bill of a day: all balance transactions, as lines of JSON, and a last line that closes it.

Stripe has no file of a day with totals of its own, so the last line counts and adds up what was fetched: a
bill that was cut off on its way to the disk, or on it, is then refused as a whole.
"""

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta

from compuerta.domain.money import minor_digits
from compuerta.services.payment_ports import Move, NotReady, StatementFaulty, StatementKind, StatementLine
from compuerta.wire.stripe import amounts, fields
from compuerta.wire.stripe.fields import BodyMalformed, JsonObject
from compuerta.wire.stripe.objects import ORDER_KEY, REFUND_KEY
from compuerta.wire.stripe.requests import Form

PAGE_LENGTH = 100
PAGES_MAX = 500  # 50,000 movements of an account in a day; who has more asks Stripe for its reports
# A movement of the last second of a day is listed a little later.
SETTLES = timedelta(hours=1)
_CLOSING = "compuerta.closing"
# What a bill of payments and refunds holds; everything else moves the balance only.
_TRADE = frozenset(
    {"charge", "payment", "refund", "payment_refund", "refund_failure", "payment_failure_refund"}
)
_PAYOUTS = frozenset({"payout", "payout_cancel", "payout_failure"})
_MICRO = 1_000_000


class Bill:
    """A bill while it is fetched: newest first, as Stripe lists it."""

    def __init__(self, day: date, *, now: datetime) -> None:
        """Refuses a day whose movements are not all there yet."""
        start = datetime.combine(day, time(), UTC)
        end = start + timedelta(days=1)
        if now < end + SETTLES:
            raise NotReady(f"{day} ends at {end:%Y-%m-%d %H:%M} UTC, and settles for an hour")
        self._between: Form = (
            ("created[gte]", str(int(start.timestamp()))),
            ("created[lt]", str(int(end.timestamp()))),
            ("limit", str(PAGE_LENGTH)),
            ("expand[]", "data.source"),
        )
        self._found: list[JsonObject] = []
        self._pages = 0
        self.wants_more = True

    def question(self) -> Form:
        """Return what to ask for next."""
        if not self._found:
            return self._between
        return (*self._between, ("starting_after", fields.text(self._found[-1], "id")))

    def take(self, page: list[JsonObject], has_more: bool) -> None:
        """Take one page of it."""
        self._found += page
        self._pages += 1
        self.wants_more = has_more and bool(page)
        if self.wants_more and self._pages >= PAGES_MAX:
            raise StatementFaulty(len(self._found), f"more than {PAGES_MAX} pages")

    def written(self) -> bytes:
        """Return the bill."""
        net = sum(fields.whole(each, "net", least=-fields.UNITS_MAX) for each in self._found)
        closing = {"object": _CLOSING, "lines": len(self._found), "net": net}
        return b"".join(_line(each) for each in [*self._found, closing])


def lines(bill: bytes, kind: StatementKind) -> Iterator[StatementLine]:
    """Read a bill; refuses one that is cut off, or whose lines do not add up."""
    count, net, is_closed = 0, 0, False
    for number, text in enumerate(bill.splitlines(), start=1):
        if is_closed:
            raise StatementFaulty(number, "comes after the end")
        try:
            found = fields.read_object(text)
            if found.get("object") == _CLOSING:
                is_closed = True
                if (found.get("lines"), found.get("net")) != (count, net):
                    raise StatementFaulty(number, "the lines do not add up")
                continue
            count += 1
            net += fields.whole(found, "net", least=-fields.UNITS_MAX)
            if kind is StatementKind.FUND:
                yield _fund(found)
            elif found.get("type") in _TRADE:
                yield _trade(found)
        except (BodyMalformed, amounts.AmountImpossible) as malformed:
            raise StatementFaulty(number, str(malformed)) from malformed
    if not is_closed:
        raise StatementFaulty(count + 1, "the end is missing")


def _fund(found: JsonObject) -> StatementLine:
    currency, word = fields.currency(found), fields.text(found, "type")
    source = fields.expanded(found, "source") or {}
    amount_minor = _minor(found, currency)
    return StatementLine(
        transaction_no=fields.id_of(source, "payment_intent") or fields.text(found, "id"),
        reference=_metadata(source, ORDER_KEY),
        refund_reference=_metadata(source, REFUND_KEY),
        amount_minor=amount_minor,
        fee_micro=_fee_micro(found, currency),
        currency=currency,
        at=fields.instant(found, "created"),
        state=word,
        move=_move(word, amount_minor),
    )


def _move(word: str, amount_minor: int) -> Move:
    if word in _TRADE:
        return Move.REFUND if amount_minor < 0 else Move.PAYMENT
    if word in _PAYOUTS:
        return Move.PAYOUT
    return Move.FEE if word == "stripe_fee" else Move.OTHER


def _trade(found: JsonObject) -> StatementLine:
    """Return a payment or refund in the currency that was paid, which may not be that of the balance."""
    source = fields.child(found, "source")
    paid, kept = fields.currency(source), fields.currency(found)
    line = _fund(found)
    if paid == kept:
        return line
    sign = -1 if line.amount_minor < 0 else 1
    # Fees are kept in the currency of the balance, where the bill of funds shows them.
    return line._replace(amount_minor=sign * _minor(source, paid), currency=paid, fee_micro=0)


def _minor(found: JsonObject, currency: str) -> int:
    units = fields.whole(found, "amount", least=-fields.UNITS_MAX)
    return amounts.from_units(units, currency=currency)


def _fee_micro(found: JsonObject, currency: str) -> int:
    fee = fields.whole(found, "fee", least=-fields.UNITS_MAX)
    fee_minor = amounts.from_units(fee, currency=currency)
    return int(fee_minor * _MICRO // 10 ** minor_digits(currency))


def _metadata(source: JsonObject, key: str) -> str:
    metadata = source.get("metadata")
    return fields.text_or_empty(metadata, key) if isinstance(metadata, dict) else ""


def _line(found: JsonObject) -> bytes:
    return json.dumps(found, ensure_ascii=True, separators=(",", ":")).encode("ascii") + b"\n"
