"""What the till's screens read: tills and shifts, whom a cashier looks for, and sales by their numbers."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from compuerta.apps.console import reads
from compuerta.apps.console.reads import MeterRow, rows

SHIFTS_SHOWN_MAX = 60
PHONE_DIGITS_MIN = 5  # fewer are a room, or part of a meter's number
FOUND_MAX = 13


@dataclass(frozen=True, slots=True, kw_only=True)
class TillRow:
    """A till, and whose shift is open at it."""

    provider: str
    site_id: int | None
    site: str | None
    currency: str
    drawer_max_minor: int | None
    receipt_no_last: int
    cashier: str | None


def tills(organisation_id: int) -> list[TillRow]:
    """Return an organisation's tills by name."""
    return rows(
        TillRow,
        """select t.provider, t.site_id, z.name as site, t.currency, t.drawer_max_minor, t.receipt_no_last,
            s.cashier
        from till t
        left join site z using (site_id)
        left join shift s on s.provider = t.provider and s.counted_at is null
        where t.organisation_id = %(organisation_id)s order by t.provider""",
        {"organisation_id": organisation_id},
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ShiftRow:
    """A shift in the list."""

    shift_id: UUID
    provider: str
    site_id: int | None
    currency: str
    zone: str
    shift_no: int
    cashier: str
    opened_at: datetime
    counted_at: datetime | None
    closed_at: datetime | None
    accepted_by: str | None
    reason: str
    counted_minor: int | None
    expected_minor: int | None

    @property
    def over_minor(self) -> int:
        """What was counted beyond what should be there."""
        return (self.counted_minor or 0) - (self.expected_minor or 0)


_SHIFTS = """
select s.shift_id, s.provider, t.site_id, t.currency, z.zone, s.shift_no, s.cashier, s.opened_at,
    s.counted_at, s.closed_at, s.accepted_by, s.reason, s.counted_minor, s.expected_minor
from shift s
join till t using (provider)
join provider_account p using (provider)
join account a on a.account_id = p.suspense_account_id
join site z on z.site_id = a.site_id
where s.organisation_id = %(organisation_id)s
"""


def shifts(organisation_id: int, *, cashier: str | None) -> list[ShiftRow]:
    """Return the last shifts, of one cashier or of all; those that wait for somebody come first."""
    return rows(
        ShiftRow,
        f"""{_SHIFTS} and (%(cashier)s::text is null or s.cashier = %(cashier)s)
        order by s.closed_at is not null, s.opened_at desc limit %(limit)s""",
        {"organisation_id": organisation_id, "cashier": cashier, "limit": SHIFTS_SHOWN_MAX},
    )


def shift(organisation_id: int, shift_id: UUID) -> ShiftRow | None:
    """Return one shift."""
    found = rows(
        ShiftRow,
        f"{_SHIFTS} and s.shift_id = %(shift_id)s",
        {"organisation_id": organisation_id, "shift_id": shift_id},
    )
    return found[0] if found else None


@dataclass(frozen=True, slots=True, kw_only=True)
class SaleRow:
    """A sale in a shift's list, and on its receipt."""

    account_id: int
    attempt_id: UUID
    meter_id: int | None
    provider: str
    shift_id: UUID
    receipt_no: int | None
    ways: list[str]  # what was paid with
    change_minor: int
    note: str
    sold_by: str
    sold_at: datetime
    voided_at: datetime | None
    voided_by: str | None
    void_why: str | None
    void_receipt_no: int | None
    amount_minor: int
    currency: str
    place: str
    attempt_state: str
    counted_at: datetime | None


_SALES = """
select l.account_id, l.attempt_id, i.meter_id, l.provider, l.shift_id, l.receipt_no,
    array(select jsonb_object_keys(l.tenders) order by 1) as ways,
    l.change_minor, l.note, l.sold_by, l.sold_at, l.voided_at, l.voided_by, l.void_why, l.void_receipt_no,
    a.amount_minor, a.currency, p.name as place, a.state as attempt_state, s.counted_at
from till_sale l
join attempt a using (account_id, attempt_id)
join account c using (account_id)
join supply_point p using (supply_point_id)
join shift s on s.provider = l.provider and s.shift_id = l.shift_id
left join installation i on i.account_id = l.account_id and i.ended_at is null
where l.organisation_id = %(organisation_id)s
"""


def sales(organisation_id: int, shift_id: UUID) -> list[SaleRow]:
    """Return a shift's sales, the last first."""
    return rows(
        SaleRow,
        f"{_SALES} and l.shift_id = %(shift_id)s order by l.receipt_no desc nulls first, l.sold_at desc",
        {"organisation_id": organisation_id, "shift_id": shift_id},
    )


def sale(organisation_id: int, account_id: int, attempt_id: UUID) -> SaleRow | None:
    """Return one sale."""
    found = rows(
        SaleRow,
        f"{_SALES} and l.account_id = %(account_id)s and l.attempt_id = %(attempt_id)s",
        {"organisation_id": organisation_id, "account_id": account_id, "attempt_id": attempt_id},
    )
    return found[0] if found else None


def sale_of(organisation_id: int, till: str, receipt_no: int) -> SaleRow | None:
    """Return the sale of a receipt's number, or of the number that undid it."""
    found = rows(
        SaleRow,
        f"{_SALES} and l.provider = %(till)s and %(receipt_no)s in (l.receipt_no, l.void_receipt_no)",
        {"organisation_id": organisation_id, "till": till, "receipt_no": receipt_no},
    )
    return found[0] if found else None


def customers(organisation_id: int, words: str, *, now: datetime) -> list[MeterRow]:
    """Return whom a cashier may mean: by room, name, meter, phone number, or a sticker's address."""
    token = _token(words)
    if token is not None:
        return _meters(organisation_id, "p.pay_token = %(sought)s", token, now=now)
    found = reads.meters(organisation_id, now=now, words=words)
    digits = "".join(letter for letter in words if letter.isdigit())
    if found or len(digits) < PHONE_DIGITS_MIN:
        return found
    reached = """exists (select from contact k where k.account_id = a.account_id
        and k.opted_out_at is null and regexp_replace(k.address, '[^0-9]', '', 'g') like %(sought)s)"""
    return _meters(organisation_id, reached, f"%{digits}", now=now)


def _meters(organisation_id: int, clause: str, sought: object, *, now: datetime) -> list[MeterRow]:
    found = rows(
        _Meter,
        f"""select i.meter_id from account a
        join supply_point p using (supply_point_id)
        join installation i on i.account_id = a.account_id and i.ended_at is null
        where a.organisation_id = %(organisation_id)s and a.closed_at is null and {clause}
        order by p.name limit %(limit)s""",
        {"organisation_id": organisation_id, "sought": sought, "limit": FOUND_MAX},
    )
    meters = (reads.meter(organisation_id, each.meter_id, now=now) for each in found)
    return [each for each in meters if each is not None]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Meter:
    meter_id: int


def _token(words: str) -> UUID | None:
    """Read the address of a sticker, as a scanner types it."""
    last = words.strip().rstrip("/").rpartition("/")[2]
    try:
        return UUID(last)
    except ValueError:
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteRow:
    """A site that a till's books may be with."""

    site_id: int
    name: str
    currency: str
    live: bool


def sites(organisation_id: int) -> list[SiteRow]:
    """Return an organisation's sites by name."""
    return rows(
        SiteRow,
        """select z.site_id, z.name, z.currency, o.live from site z
        join organisation o using (organisation_id)
        where z.organisation_id = %(organisation_id)s order by z.name""",
        {"organisation_id": organisation_id},
    )
