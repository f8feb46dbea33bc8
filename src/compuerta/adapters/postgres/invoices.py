"""Invoices, in PostgreSQL."""

from collections import defaultdict
from datetime import date, datetime
from typing import Any
from uuid import UUID

from compuerta.adapters.postgres import rows, tariffs
from compuerta.adapters.postgres.rows import Asked, Row
from compuerta.domain.ledger import INCOME
from compuerta.services.invoice_port import BilledUse, Buyer, Earned, Invoice, Seller
from compuerta.services.records import BillOpening, Charge
from compuerta.wire.ubl.writing import Kind, Party

_PARTY = ("name", "country", "tax_id", "company_no", "street", "city", "postcode")
_NEXT = """
insert into invoice_series (organisation_id, series, number_last) values (%(id)s, %(series)s, 1)
on conflict (organisation_id, series) do update set number_last = invoice_series.number_last + 1
returning number_last
"""
_EARNING = """
select distinct p.account_id from posting p join account a using (account_id)
where a.organisation_id = %(id)s and p.booked_at >= %(since)s and p.booked_at < %(until)s
    and p.codes && %(codes)s
order by p.account_id
"""
_EARNED = """
select code, -sum(amount_minor)::bigint as earned_minor from posting_line
where account_id = %(account_id)s and booked_at >= %(since)s and booked_at < %(until)s
    and code = any(%(codes)s)
group by code order by code
"""
# All charges of the bills that the time reaches into: a bill is made again from its beginning.
_USES = """
with reached as (
    select distinct c.bill_start from posting p
    join charge c on c.account_id = p.account_id and c.charge_id = p.cause_id
    where p.account_id = %(account_id)s and p.kind = 'charge' and c.bill_start is not null
        and p.booked_at >= %(since)s and p.booked_at < %(until)s
)
select c.account_id, c.charge_id, c.meter_id, c.read_at, c.from_wh, c.to_wh, c.bill_before_minor,
    c.bill_after_minor, c.bill_start, c.from_at, c.tariff_id, c.version_no, c.basis, c.rates_wh,
    p.booked_at, b.opening
from charge c
join reached using (bill_start)
join bill b on b.account_id = c.account_id and b.bill_start = c.bill_start
left join posting p on p.account_id = c.account_id and p.cause_id = c.charge_id and p.kind = 'charge'
where c.account_id = %(account_id)s
order by c.bill_start, c.to_wh, c.read_at
"""


class PostgresInvoices:
    """See `invoice_port.Invoices`."""

    def __init__(self, tx: Asked) -> None:
        self._tx = tx

    def seller(self, organisation_id: int) -> Seller | None:
        found = self._tx.query("select * from seller where organisation_id = %(id)s", {"id": organisation_id})
        if not found:
            return None
        return Seller(organisation_id=organisation_id, party=_party(found[0]), series=found[0]["series"])

    def put_seller(self, seller: Seller) -> None:
        columns = {"organisation_id": seller.organisation_id, "series": seller.series}
        self._put("seller", "organisation_id", columns, seller.party)

    def buyer(self, account_id: int) -> Buyer | None:
        found = self._tx.query("select * from buyer where account_id = %(id)s", {"id": account_id})
        return Buyer(account_id=account_id, party=_party(found[0])) if found else None

    def put_buyer(self, buyer: Buyer) -> None:
        self._put("buyer", "account_id", {"account_id": buyer.account_id}, buyer.party)

    def _put(self, table: str, key: str, columns: Row, party: Party) -> None:
        record = {**columns, **rows.columns(party)}
        sets = ", ".join(f"{name} = excluded.{name}" for name in record if name != key)
        self._tx.insert(table, [record], on_conflict=f"({key}) do update set {sets}")

    def next_number(self, organisation_id: int, series: str) -> int:
        (row,) = self._tx.query(_NEXT, {"id": organisation_id, "series": series})
        return int(row["number_last"])

    def put(self, invoice: Invoice) -> None:
        self._tx.insert("invoice", [rows.columns(invoice)])
        names = ("organisation_id", "series", "number", "account_id", "invoice_id")
        self._tx.insert("invoice_number", [{name: getattr(invoice, name) for name in names}])

    def invoice(self, account_id: int, invoice_id: UUID) -> Invoice | None:
        found = self._tx.query(
            "select * from invoice where account_id = %(account_id)s and invoice_id = %(invoice_id)s",
            {"account_id": account_id, "invoice_id": invoice_id},
        )
        return to_invoice(found[0]) if found else None

    def of_month(self, account_id: int, month: date) -> list[Invoice]:
        found = self._tx.query(
            """select * from invoice where account_id = %(account_id)s and month = %(month)s
            order by series, number""",
            {"account_id": account_id, "month": month},
        )
        return [to_invoice(row) for row in found]

    def invoices(
        self, organisation_id: int, *, month: date, after: tuple[str, int], limit: int
    ) -> list[Invoice]:
        series, number = after
        found = self._tx.query(
            """select * from invoice where organisation_id = %(id)s and month = %(month)s
                and (series, number) > (%(series)s, %(number)s)
            order by series, number limit %(limit)s""",
            {"id": organisation_id, "month": month, "series": series, "number": number, "limit": limit},
        )
        return [to_invoice(row) for row in found]

    def standing(self, organisation_id: int, *, month: date) -> set[int]:
        found = self._tx.query(
            """select account_id from invoice i
            where organisation_id = %(id)s and month = %(month)s and corrects is null and not exists (
                select from invoice b where b.account_id = i.account_id and b.corrects = i.invoice_id)
            order by account_id""",
            {"id": organisation_id, "month": month},
        )
        return {row["account_id"] for row in found}

    def earning(self, organisation_id: int, *, since: datetime, until: datetime) -> list[int]:
        values = {"id": organisation_id, "since": since, "until": until, "codes": sorted(INCOME)}
        return [row["account_id"] for row in self._tx.query(_EARNING, values)]

    def earned(self, account_id: int, *, since: datetime, until: datetime) -> Earned:
        values = {"account_id": account_id, "since": since, "until": until, "codes": sorted(INCOME)}
        by_code = {row["code"]: row["earned_minor"] for row in self._tx.query(_EARNED, values)}
        return Earned(by_code=by_code, uses=_uses(self._tx.query(_USES, values)))


def to_invoice(row: Row) -> Invoice:
    """Build an invoice from its row."""
    return Invoice(**{**row, "kind": Kind(row["kind"])})


def _party(row: Row) -> Party:
    return Party(**{name: row[name] for name in _PARTY})


def _uses(found: list[dict[str, Any]]) -> list[BilledUse]:
    openings: dict[datetime, BillOpening] = {}
    charges: dict[datetime, list[Charge]] = defaultdict(list)
    booked: dict[datetime, list[datetime | None]] = defaultdict(list)
    for row in found:
        booked_at, opening = row.pop("booked_at"), row.pop("opening")
        charge = tariffs.to_charge(row)
        start = charge.bill_start
        openings[start] = BillOpening(account_id=charge.account_id, bill_start=start, tally=tuple(opening))
        charges[start].append(charge)
        booked[start].append(booked_at)
    return [
        BilledUse(opening=openings[start], charges=charges[start], booked_at=booked[start])
        for start in openings
    ]
