"""Sabotage of the ends of days: what freezes them, rolls them forward and seals them; see `sabotage`."""

from collections.abc import Sequence
from datetime import datetime

from compuerta.adapters.memory import days, seals
from compuerta.domain.ledger import Posting, PostingKind
from compuerta.services import freezing
from compuerta.services.freeze_port import SiteDay
from compuerta.services.store_port import Transaction

Change = tuple[object, str, object]


def no_late_midnights() -> Sequence[Change]:
    """Write what came late, and leave its day closed as it was."""

    def closed(tx: Transaction, day: SiteDay, *, now: datetime) -> None:
        pass

    return [(freezing, "_open_again", closed)]


def no_asking() -> Sequence[Change]:
    """Wait for meters to tell their midnights by themselves."""
    return [(freezing, "wanted", lambda store, meter_ids, *, now: {})]


def no_adjustments() -> Sequence[Change]:
    """Roll only recharges and charges forward."""
    add = days._Moved.add

    def known_only(self: days._Moved, posting: Posting) -> None:
        if posting.kind in (PostingKind.RECHARGE, PostingKind.CHARGE):
            add(self, posting)

    return [(days._Moved, "add", known_only)]


def no_last_seal() -> Sequence[Change]:
    """Leave the last posting of each account's day out of its seal."""
    unsealed = seals.MemorySeals._unsealed

    def but_the_last(
        self: seals.MemorySeals, account_ids: set[int], *, until: datetime
    ) -> dict[int, list[Posting]]:
        found = unsealed(self, account_ids, until=until)
        return {account_id: some[:-1] for account_id, some in found.items() if len(some) > 1}

    return [(seals.MemorySeals, "_unsealed", but_the_last)]
