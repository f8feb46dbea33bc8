"""The journal in memory, for whoever verifies it."""

from collections.abc import Iterator, Mapping
from datetime import date, datetime

from compuerta.adapters.memory.tables import Tables
from compuerta.domain import sealing
from compuerta.domain.sealing import Anchor
from compuerta.services.freeze_port import DayStep
from compuerta.services.period_port import MonthClose
from compuerta.services.verifying import SealedAccount

PAST_SEALING = (DayStep.REPORTING, DayStep.DONE)


class MemoryJournal:
    """See `verifying.Journal`."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def anchors(self) -> list[Anchor]:
        return sorted(self._tables.anchors.values(), key=lambda each: (each.site_id, each.anchor_no))

    def sealed_days(self) -> dict[int, date]:
        past = [each for each in self._tables.site_days.values() if each.step in PAST_SEALING]
        return {each.site_id: each.day for each in sorted(past, key=lambda each: each.day)}

    def closes(self) -> list[MonthClose]:
        return sorted(self._tables.month_closes.values(), key=lambda each: (each.organisation_id, each.month))

    def accounts(self, *, since: Mapping[int, datetime]) -> Iterator[SealedAccount]:
        for account_id, account in sorted(self._tables.accounts.items()):
            begin = since.get(account.site_id)
            mine = [each for each in self._tables.seals.values() if each.account_id == account_id]
            asked = [each for each in mine if begin is None or each.until > begin]
            yield SealedAccount(
                account_id=account_id,
                site_id=account.site_id,
                seals=tuple(sorted(asked, key=lambda each: each.seal_no)),
            )

    def rows(self, *, since: Mapping[int, datetime]) -> Iterator[bytes]:
        del since  # all are given: those that no seal asks for are passed over
        for posting in sorted(self._tables.postings.values(), key=lambda each: each.account_id):
            yield sealing.canonical(posting)
