"""M-Pesa's bill of a day: what it listed, as lines of JSON, and a last line that closes it.

Daraja has no file of a day, so the last line counts and adds up what was listed: a bill that was cut off is
refused as a whole. Payers' names and numbers are not in it.
"""

import json
from collections.abc import Iterator, Sequence
from datetime import date, datetime, time, timedelta

from compuerta.services.payment_ports import NotReady, StatementFaulty, StatementLine
from compuerta.wire.mpesa import bodies, fields
from compuerta.wire.mpesa.bodies import Pulled
from compuerta.wire.mpesa.fields import CURRENCY, ZONE, BodyMalformed

SETTLES = timedelta(hours=1)  # the list is behind by minutes
_CLOSING = "compuerta.closing"


def bounds(day: date, *, now: datetime) -> tuple[datetime, datetime]:
    """Return when a day begins and ends; refuses one that is not all listed yet."""
    since = datetime.combine(day, time(), ZONE)
    until = since + timedelta(days=1)
    if now < until + SETTLES:
        raise NotReady(f"{day} ends at {until:%H:%M} in Nairobi, and is listed an hour later")
    return since, until


def written(pulled: Sequence[Pulled]) -> bytes:
    """Return the bill of a day."""
    total_minor = sum(each.amount_minor for each in pulled)
    closing = {"object": _CLOSING, "lines": len(pulled), "total": total_minor}
    return b"".join(map(bodies.write_pulled, pulled)) + json.dumps(closing).encode("ascii") + b"\n"


def lines(bill: bytes) -> Iterator[StatementLine]:
    """Read a bill; refuses one that is cut off, or whose lines do not add up."""
    count, total_minor, is_closed = 0, 0, False
    for number, text in enumerate(bill.splitlines(), start=1):
        if is_closed:
            raise StatementFaulty(number, "comes after the end")
        try:
            found = fields.read_object(text)
            if found.get("object") == _CLOSING:
                is_closed = True
                if (found.get("lines"), found.get("total")) != (count, total_minor):
                    raise StatementFaulty(number, "the lines do not add up")
                continue
            pulled = bodies.read_pulled(text)
        except BodyMalformed as malformed:
            raise StatementFaulty(number, str(malformed)) from malformed
        count += 1
        total_minor += pulled.amount_minor
        yield _line(pulled)
    if not is_closed:
        raise StatementFaulty(count + 1, "the end is missing")


def _line(pulled: Pulled) -> StatementLine:
    return StatementLine(
        transaction_no=pulled.receipt,
        reference=pulled.payee,
        refund_reference="",
        amount_minor=pulled.amount_minor,
        fee_micro=0,  # Daraja lists none
        currency=CURRENCY,
        at=pulled.paid_at,
        state=pulled.kind,
    )
