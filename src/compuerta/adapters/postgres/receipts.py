"""What was handed out for recharges, in PostgreSQL."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from compuerta.adapters.postgres import rows
from compuerta.adapters.postgres.rows import Asked
from compuerta.domain.ledger import DELIVERED
from compuerta.services.receipt_port import HandedOut, Sold
from compuerta.services.records import Instant, Recharge

_SOLD = """
select to_jsonb(r) as recharge, m.credit_authority, m.meter_no, o.name as organisation, z.name as site,
    z.currency, coalesce(p.provider, '') as provider, coalesce(p.transaction_no, '') as transaction_no,
    (select t.attempt_id from attempt t
        where t.account_id = p.account_id and t.provider = p.provider and t.reference = p.reference),
    (select jsonb_object_agg(i.instant, i.at) from recharge_instant i
        where i.account_id = r.account_id and i.recharge_id = r.recharge_id) as instants,
    exists (select from correction c
        where c.account_id = p.account_id and c.payment_id = p.payment_id and c.kind in ('move', 'void')
            and c.state = 'done') as undone,
    (select coalesce(sum(f.amount_minor), 0)::bigint from refund f
        where f.account_id = p.account_id and f.payment_id = p.payment_id and f.state = 'done')
    + (select coalesce(sum(d.amount_minor), 0)::bigint from dispute d
        where d.account_id = p.account_id and d.payment_id = p.payment_id and d.state = 'lost')
        as refunded_minor
from recharge r
join account a using (account_id)
join organisation o on o.organisation_id = a.organisation_id
join site z on z.site_id = a.site_id
join meter m on m.meter_id = r.meter_id
left join payment p on p.account_id = r.account_id and p.payment_id = r.payment_id
where r.account_id = %(account_id)s and r.recharge_id = %(recharge_id)s
"""
_UUIDS = ("recharge_id", "payment_id", "adjustment_id")


class PostgresReceipts:
    """See `receipt_port.Receipts`."""

    def __init__(self, tx: Asked) -> None:
        self._tx = tx

    def sold(self, account_id: int, recharge_id: UUID) -> Sold | None:
        found = self._tx.query(_SOLD, {"account_id": account_id, "recharge_id": recharge_id})
        if not found:
            return None
        row = found[0]
        recharge = _recharge(row["recharge"])
        instants = {Instant(what): datetime.fromisoformat(at) for what, at in row["instants"].items()}
        names = (
            "organisation", "site", "meter_no", "currency", "provider", "transaction_no", "attempt_id",
            "undone", "refunded_minor",
        )  # fmt: skip
        in_meter = row["credit_authority"] == "meter"
        return Sold(
            **{name: row[name] for name in names},
            recharge=recharge,
            instants=instants,
            balance_after_minor=self._balance_after(
                recharge, at=instants.get(Instant.CREDITED), in_meter=in_meter
            ),
        )

    def _balance_after(self, recharge: Recharge, *, at: datetime | None, in_meter: bool) -> int | None:
        """Return what the meter told when it had the credit; where the platform holds it, our books."""
        if at is None:
            return None
        values = {
            "account_id": recharge.account_id, "meter_id": recharge.meter_id, "at": at, "code": DELIVERED,
        }  # fmt: skip
        if in_meter:
            statement = "select balance_minor from reading where meter_id = %(meter_id)s and at = %(at)s"
        else:
            statement = """select coalesce(-sum(amount_minor), 0)::bigint as balance_minor from posting_line
                where account_id = %(account_id)s and code = %(code)s and booked_at <= %(at)s"""
        found = self._tx.query(statement, values)
        balance_minor: int | None = found[0]["balance_minor"] if found else None
        return balance_minor

    def recharge_of(self, account_id: int, *, provider: str, reference: str) -> UUID | None:
        found = self._tx.query(
            """select r.recharge_id from payment p join recharge r using (account_id, payment_id)
            where p.account_id = %(account_id)s and p.provider = %(provider)s and p.reference = %(reference)s
            order by p.posted_at, r.recharge_id limit 1""",
            {"account_id": account_id, "provider": provider, "reference": reference},
        )
        recharge_id: UUID | None = found[0]["recharge_id"] if found else None
        return recharge_id

    def handed_out(self, account_id: int, recharge_id: UUID) -> HandedOut | None:
        found = self._tx.query(
            """select * from receipt where account_id = %(account_id)s and recharge_id = %(recharge_id)s
            for update""",
            {"account_id": account_id, "recharge_id": recharge_id},
        )
        return HandedOut(**found[0]) if found else None

    def by_token(self, token: UUID) -> HandedOut | None:
        found = self._tx.query(
            "select * from receipt where token = %(token)s order by account_id limit 1", {"token": token}
        )
        return HandedOut(**found[0]) if found else None

    def put(self, receipt: HandedOut) -> None:
        self._tx.insert("receipt", [rows.columns(receipt)])

    def count_print(self, receipt: HandedOut) -> None:
        key = ("account_id", "recharge_id")
        self._tx.update("receipt", [rows.columns(receipt)], key=key, changed=("prints",))


def _recharge(row: Mapping[str, Any]) -> Recharge:
    ids = {name: None if row[name] is None else UUID(row[name]) for name in _UUIDS}
    return Recharge(**{**row, **ids})
