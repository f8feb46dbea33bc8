"""Unsigned words about money, until the provider was asked, in memory."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from compuerta.adapters.memory.tables import Tables
from compuerta.domain.payment import short_reference
from compuerta.services.claim_port import ClaimState, KeptClaim
from compuerta.services.records import Key


class MemoryClaims:
    """See `claim_port.Claims`."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def waiting(self, provider: str) -> int:
        return sum(
            kept.claim.provider == provider and kept.state is ClaimState.WAITING
            for kept in self._tables.payment_claims.values()
        )

    def put(self, claims: Sequence[KeptClaim]) -> None:
        for kept in claims:
            self._tables.payment_claims.setdefault(kept.key, kept)

    def known(self, keys: Iterable[Key]) -> dict[Key, KeptClaim]:
        there = self._tables.payment_claims
        return {key: there[key] for key in keys if key in there}

    def due(self, *, now: datetime, until: datetime, limit: int) -> list[KeptClaim]:
        ready = [
            kept
            for kept in self._tables.payment_claims.values()
            if kept.ask_at is not None and kept.ask_at <= now
        ]
        taken = sorted(ready, key=lambda kept: (kept.ask_at or now, kept.key))[:limit]
        self.save([replace(kept, ask_at=until) for kept in taken])
        return taken

    def save(self, claims: Sequence[KeptClaim]) -> None:
        for kept in claims:
            self._tables.payment_claims[kept.key] = kept

    def order_named(self, provider: str, short: str) -> str:
        found = [
            reference
            for of_provider, reference in self._tables.orders
            if of_provider == provider and short_reference(reference) == short
        ]
        return found[0] if len(found) == 1 else ""
