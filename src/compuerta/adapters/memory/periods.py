"""Months of the books, in memory."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import date

from compuerta.adapters.memory.tables import Tables, require
from compuerta.domain.ledger import SUSPENSE, Posting
from compuerta.domain.party import zone_of
from compuerta.services.freeze_port import DayStep, SiteDay
from compuerta.services.period_port import Check, LastAnchor, MonthClose, PeriodClosed, Reach, Total
from compuerta.services.statement_port import StatementState


class MemoryPeriods:
    """See `period_port.Periods`."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def closes(self, organisation_id: int) -> list[MonthClose]:
        mine = [
            each for each in self._tables.month_closes.values() if each.organisation_id == organisation_id
        ]
        return sorted(mine, key=lambda each: each.month, reverse=True)

    def hold(self, organisation_id: int) -> None:
        """Transactions in memory come one after another."""

    def put(self, close: MonthClose) -> None:
        require(close.month.day == 1, "month_close_month_check")
        self._tables.take("month_close_pkey", close.organisation_id, close.month)
        self._tables.month_closes[close.organisation_id, close.month] = close

    def days_done(self, reach: Reach) -> int:
        return sum(each.step is DayStep.DONE for each in self._days(reach))

    def standing(self, reach: Reach) -> dict[Check, int]:
        days = list(self._days(reach))
        anchored = {each.site_id for each in self._tables.anchors.values() if each.day >= reach.last_day}
        return {
            Check.DAYS_UNSEALED: len(reach.ends.keys() - anchored),
            Check.SHIFTS_OPEN: sum(
                (each.organisation_id, each.closed_at) == (reach.organisation_id, None)
                and each.opened_at < reach.until
                for each in self._tables.shifts.values()
            ),
            **self._bills(reach),
            Check.FREEZES_MISSING: sum(each.missing for each in days),
            Check.FREEZES_PROVISIONAL: sum(each.provisional for each in days),
            Check.SUSPENSE: self._suspense(reach),
            Check.CASES_OPEN: self._cases(reach),
        }

    def _bills(self, reach: Reach) -> dict[Check, int]:
        states = [
            each.state
            for each in self._tables.statements.values()
            if each.organisation_id == reach.organisation_id and reach.month <= each.day <= reach.last_day
        ]
        return {
            Check.BILLS_WAITING: states.count(StatementState.WAITING) + states.count(StatementState.FAULTY),
            Check.BILLS_MISSING: states.count(StatementState.MISSING),
            Check.DIFFERENCES_OPEN: sum(
                (each.organisation_id, each.ended_at) == (reach.organisation_id, None)
                and reach.month <= each.day <= reach.last_day
                for each in self._tables.statement_differences.values()
            ),
        }

    def _suspense(self, reach: Reach) -> int:
        held: dict[tuple[int, str], int] = defaultdict(int)
        for posting in self._tables.postings.values():
            account = self._tables.accounts[posting.account_id]
            if account.organisation_id == reach.organisation_id and posting.booked_at < reach.until:
                for line in posting.lines:
                    held[account.account_id, posting.currency] += (line.code == SUSPENSE) * line.amount_minor
        return len({account_id for (account_id, _), minor in held.items() if minor})

    def _cases(self, reach: Reach) -> int:
        looked_at = self._tables.cases_looked_at
        return sum(
            each.opened_at < reach.until
            and (each.case_id not in looked_at or looked_at[each.case_id].closed_at is None)
            and self._tables.accounts[each.account_id].organisation_id == reach.organisation_id
            for each in self._tables.cases.values()
        )

    def totals(self, reach: Reach) -> list[Total]:
        sums: dict[tuple[str, str], int] = defaultdict(int)
        for posting in self._tables.postings.values():
            site_id = self._tables.accounts[posting.account_id].site_id
            if site_id in reach.ends and reach.begins[site_id] <= posting.booked_at < reach.ends[site_id]:
                for line in posting.lines:
                    sums[posting.currency, line.code] += line.amount_minor
        return [Total(currency, code, minor) for (currency, code), minor in sorted(sums.items())]

    def anchors(self, reach: Reach) -> list[LastAnchor]:
        last: dict[int, LastAnchor] = {}
        for each in sorted(self._tables.anchors.values(), key=lambda each: each.anchor_no):
            if each.site_id in reach.ends and each.day <= reach.last_day:
                last[each.site_id] = LastAnchor(each.site_id, each.anchor_no, each.digest.hex())
        return [last[site_id] for site_id in sorted(last)]

    def _days(self, reach: Reach) -> Iterable[SiteDay]:
        return (
            each
            for each in self._tables.site_days.values()
            if each.organisation_id == reach.organisation_id and reach.month <= each.day <= reach.last_day
        )


def require_open(tables: Tables, posting: Posting) -> None:
    """Refuse to book before the end of a closed month, by the clock of the account's site."""
    if not tables.month_closes:
        return
    account = tables.accounts[posting.account_id]
    here = posting.booked_at.astimezone(zone_of(account.zone)).date()
    shut: list[date] = [
        month
        for organisation_id, month in tables.month_closes
        if organisation_id == account.organisation_id and month >= here.replace(day=1)
    ]
    if shut:
        raise PeriodClosed(f"the books are closed up to {max(shut):%Y-%m}")
