"""Unsigned words about money, until the provider was asked, in PostgreSQL."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from compuerta.adapters.postgres import rows
from compuerta.adapters.postgres.rows import Asked, Row
from compuerta.domain.payment import SHORT_LETTER, SHORT_TAIL_CHARS, Claim
from compuerta.services.claim_port import ClaimState, KeptClaim
from compuerta.services.records import Key

_KNOWN = """
select c.* from unnest(%(providers)s::text[], %(numbers)s::text[]) as k (provider, transaction_no)
join payment_claim c using (provider, transaction_no)
order by c.provider, c.transaction_no for update of c
"""
_DUE = """
with due as (
    select provider, transaction_no, ask_at as was from payment_claim
    where ask_at <= %(now)s
    order by ask_at, provider, transaction_no limit %(limit)s for update skip locked
)
update payment_claim c set ask_at = %(until)s from due
where c.provider = due.provider and c.transaction_no = due.transaction_no
returning c.*, due.was
"""
# `right` with a fixed length is what the index holds.
_ORDER_NAMED = f"""
select reference from payment_reference
where provider = %(provider)s and kind = 'order' and right(reference, {SHORT_TAIL_CHARS}) = %(tail)s
limit 2
"""
_CLAIM = Claim.__slots__
_KEY = ("provider", "transaction_no")
_CHANGED = (*(each for each in _CLAIM if each not in _KEY), "state", "asks", "ask_at", "last_answer")


class PostgresClaims:
    """See `claim_port.Claims`."""

    def __init__(self, tx: Asked) -> None:
        self._tx = tx

    def waiting(self, provider: str) -> int:
        found = self._tx.query(
            "select count(*) as there from payment_claim where provider = %(p)s and state = 'waiting'",
            {"p": provider},
        )
        return int(found[0]["there"])

    def put(self, claims: Sequence[KeptClaim]) -> None:
        self._tx.insert(
            "payment_claim",
            [_columns(kept) for kept in claims],
            on_conflict="(provider, transaction_no) do nothing",
        )

    def known(self, keys: Iterable[Key]) -> dict[Key, KeptClaim]:
        wanted = sorted(set(keys))
        values = {"providers": [each for each, _ in wanted], "numbers": [each for _, each in wanted]}
        return {kept.key: kept for kept in map(_to_kept, self._tx.query(_KNOWN, values))}

    def due(self, *, now: datetime, until: datetime, limit: int) -> list[KeptClaim]:
        found = self._tx.query(_DUE, {"now": now, "until": until, "limit": limit})
        taken = [(row.pop("was"), _to_kept(row)) for row in found]
        return [kept for _, kept in sorted(taken, key=lambda each: (each[0], each[1].key))]

    def save(self, claims: Sequence[KeptClaim]) -> None:
        self._tx.update(
            "payment_claim",
            [_columns(kept) for kept in claims],
            key=_KEY,
            changed=_CHANGED,
        )

    def order_named(self, provider: str, short: str) -> str:
        if not short.startswith(SHORT_LETTER) or len(short) != SHORT_TAIL_CHARS + 1:
            return ""
        found = self._tx.query(_ORDER_NAMED, {"provider": provider, "tail": short[1:]})
        return str(found[0]["reference"]) if len(found) == 1 else ""


def _columns(kept: KeptClaim) -> dict[str, Any]:
    row = rows.columns(kept)
    row["state"] = kept.state.value
    return rows.columns(row.pop("claim")) | row


def _to_kept(row: Row) -> KeptClaim:
    claim = Claim(**{name: row[name] for name in _CLAIM})
    rest = {name: row[name] for name in KeptClaim.__slots__ if name != "claim"}
    return KeptClaim(claim=claim, **{**rest, "state": ClaimState(row["state"])})
