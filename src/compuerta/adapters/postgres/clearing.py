"""Clearing accounts, in PostgreSQL."""

from dataclasses import asdict

from compuerta.adapters.postgres.rows import Asked, Row
from compuerta.domain.ledger import PostingKind
from compuerta.services.clearing_port import Movement, Span

_HELD = """
select p.currency, sum(l.amount_minor)::bigint as held_minor
from posting p
join account a on a.account_id = p.account_id and a.organisation_id = %(organisation_id)s
cross join lateral unnest(p.codes, p.amounts_minor) as l (code, amount_minor)
where p.booked_at < %(since)s and p.codes @> array[%(code)s] and l.code = %(code)s
group by p.currency order by p.currency
"""
# The payment is the cause itself, or that of the refund or dispute that caused it; of a reversal, all the
# same of the posting that it undoes.
_MOVED = """
select p.account_id, p.posting_id, p.kind, p.currency, p.booked_at, p.codes,
    (select sum(l.amount_minor)::bigint from unnest(p.codes, p.amounts_minor) as l (code, amount_minor)
        where l.code = %(code)s) as amount_minor,
    coalesce(case when f.refund_id is null then coalesce(y.paid_at, w.at) end, p.booked_at) as valued_at,
    coalesce(y.transaction_no, w.payout_no, '') as transaction_no, coalesce(y.reference, '') as reference,
    coalesce(f.reference, '') as refund_reference
from posting p
join account a on a.account_id = p.account_id and a.organisation_id = %(organisation_id)s
left join posting o on o.account_id = p.account_id and o.posting_id = p.reverses
left join payout w on w.organisation_id = a.organisation_id and w.posting_id = p.posting_id
left join refund f on f.account_id = p.account_id and f.refund_id = coalesce(o.cause_id, p.cause_id)
left join dispute d on d.account_id = p.account_id and d.dispute_id = coalesce(o.cause_id, p.cause_id)
left join payment y on y.account_id = p.account_id
    and y.payment_id = coalesce(f.payment_id, d.payment_id, o.cause_id, p.cause_id)
where p.booked_at >= %(since)s and p.booked_at < %(until)s and p.codes @> array[%(code)s]
order by p.booked_at, p.account_id, p.posting_id
limit %(limit)s
"""


class PostgresClearing:
    """See `clearing_port.Clearing`."""

    def __init__(self, tx: Asked) -> None:
        self._tx = tx

    def held_minor(self, span: Span) -> dict[str, int]:
        return {row["currency"]: row["held_minor"] for row in self._tx.query(_HELD, asdict(span))}

    def movements(self, span: Span, *, limit: int) -> list[Movement]:
        return [_movement(row) for row in self._tx.query(_MOVED, {**asdict(span), "limit": limit})]


def _movement(row: Row) -> Movement:
    return Movement(**{**row, "kind": PostingKind(row["kind"]), "codes": tuple(row["codes"])})
