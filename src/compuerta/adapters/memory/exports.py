"""The chart of accounts, and exports, in memory."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, datetime
from zoneinfo import ZoneInfo

from compuerta.adapters.memory.tables import Tables
from compuerta.domain.chart import ChartRow
from compuerta.domain.ledger import Line, Posting
from compuerta.domain.party import Site
from compuerta.domain.voucher import Layout
from compuerta.services.export_port import Answer, BookExport, SiteMonth, Total

_Sums = dict[tuple[date | None, str, str, int | None], tuple[int, int]]  # day, currency, code, account


class MemoryExports:
    """See `export_port.Exports`."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def organisation_name(self, organisation_id: int) -> str:
        return self._tables.organisations.get(organisation_id, "")

    def sites(self, organisation_id: int) -> list[Site]:
        return [
            each for _, each in sorted(self._tables.sites.items()) if each.organisation_id == organisation_id
        ]

    def providers(self, organisation_id: int) -> dict[str, str]:
        accounts = sorted(self._tables.provider_accounts.items())
        return {name: each.kind for name, each in accounts if each.organisation_id == organisation_id}

    def chart(self, organisation_id: int) -> list[ChartRow]:
        return [
            row for (house, _), row in sorted(self._tables.chart_accounts.items()) if house == organisation_id
        ]

    def save_chart(self, organisation_id: int, rows: Sequence[ChartRow]) -> None:
        self._tables.chart_accounts.update({(organisation_id, row.key): row for row in rows})

    def layout(self, organisation_id: int) -> Layout | None:
        return self._tables.voucher_layouts.get(organisation_id)

    def save_layout(self, organisation_id: int, layout: Layout) -> None:
        self._tables.voucher_layouts[organisation_id] = layout

    def before(self, month: SiteMonth) -> list[Total]:
        lines = self._lines(month.site, lambda each: each < month.starts_at)
        return [total for _, total in _totals(_summed(lines))]

    def days(self, month: SiteMonth) -> list[tuple[date, Total]]:
        lines = self._lines(month.site, lambda each: month.starts_at <= each < month.ends_at)
        totals = _totals(_summed(lines, zone=ZoneInfo(month.site.zone)))
        return [(day, total) for day, total in totals if day is not None]

    def customers(
        self, month: SiteMonth, codes: Sequence[str], *, since: datetime | None, until: datetime
    ) -> list[Total]:
        found = self._lines(month.site, lambda each: (since is None or since <= each) and each < until)
        lines = [(posting, line) for posting, line in found if line.code in codes]
        return [total for _, total in _totals({**_summed(lines, by_account=True), **_summed(lines)})]

    def account_names(self, account_ids: Sequence[int]) -> dict[int, str]:
        return {each: self._tables.accounts[each].name for each in account_ids}

    def last(self, organisation_id: int) -> BookExport | None:
        return max(self.exports(organisation_id), key=lambda each: each.export_no, default=None)

    def put(self, export: BookExport, packed: bytes) -> None:
        key = (export.organisation_id, export.export_no)
        self._tables.take("book_export_pkey", *key)
        self._tables.book_exports[key] = export
        self._tables.book_export_files[key] = packed

    def export(self, organisation_id: int, export_no: int) -> BookExport | None:
        return self._tables.book_exports.get((organisation_id, export_no))

    def exports(self, organisation_id: int) -> list[BookExport]:
        return [
            each for (house, _), each in sorted(self._tables.book_exports.items()) if house == organisation_id
        ]

    def packed(self, organisation_id: int, export_no: int) -> bytes:
        return self._tables.book_export_files[organisation_id, export_no]

    def answers(self, organisation_id: int, export_no: int) -> dict[int, Answer]:
        said = self._tables.book_answers.get((organisation_id, export_no), ())
        return {each.voucher_no: each for each in sorted(said, key=lambda each: each.voucher_no)}

    def put_answers(self, export: BookExport, answers: Sequence[Answer], *, by: str, at: datetime) -> None:
        key = (export.organisation_id, export.export_no)
        self._tables.book_answers[key] = (*self._tables.book_answers.get(key, ()), *answers)

    def answered(self, organisation_id: int) -> Mapping[int, tuple[int, int]]:
        houses = sorted(key for key in self._tables.book_answers if key[0] == organisation_id)
        counted = {}
        for key in houses:
            ok = [each.ok for each in self.answers(*key).values()]
            counted[key[1]] = (sum(ok), len(ok) - sum(ok))
        return counted

    def _lines(self, site: Site, wanted: Callable[[datetime], bool]) -> list[tuple[Posting, Line]]:
        def found() -> Iterator[tuple[Posting, Line]]:
            for posting in self._tables.postings.values():
                is_here = self._tables.accounts[posting.account_id].site_id == site.site_id
                if is_here and wanted(posting.booked_at):
                    yield from ((posting, line) for line in posting.lines)

        return list(found())


def _summed(
    lines: Sequence[tuple[Posting, Line]], *, zone: ZoneInfo | None = None, by_account: bool = False
) -> _Sums:
    sums: _Sums = {}
    for posting, line in lines:
        day = None if zone is None else posting.booked_at.astimezone(zone).date()
        key = (day, posting.currency, line.code, posting.account_id if by_account else None)
        debit, credit = sums.get(key, (0, 0))
        sums[key] = (debit + max(line.amount_minor, 0), credit + max(-line.amount_minor, 0))
    return sums


def _totals(sums: _Sums) -> list[tuple[date | None, Total]]:
    # By day, currency, code and account; what is of all accounts comes after them, as it does in PostgreSQL.
    ordered = sorted(
        sums.items(),
        key=lambda item: (item[0][0] or date.min, *item[0][1:3], item[0][3] is None, item[0][3] or 0),
    )
    return [
        (
            day,
            Total(
                account_id=account_id, currency=currency, code=code, debit_minor=debit, credit_minor=credit
            ),
        )
        for (day, currency, code, account_id), (debit, credit) in ordered
    ]
