"""The chart of accounts, and exports, in PostgreSQL."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

from compuerta.adapters.postgres import rows
from compuerta.adapters.postgres.rows import Asked, Row
from compuerta.domain.chart import ChartRow
from compuerta.domain.party import Site
from compuerta.domain.voucher import Field, Layout
from compuerta.services.export_port import Answer, BookExport, Form, Part, SiteMonth, Total

# The connection's plans are for a few rows by their keys; a month of a site may be a million.
_FOR_MANY = "set local enable_hashjoin = on; set local plan_cache_mode = force_custom_plan"
_SUMS = """
    coalesce(sum(line.amount_minor) filter (where line.amount_minor > 0), 0)::bigint as debit_minor,
    coalesce(-sum(line.amount_minor) filter (where line.amount_minor < 0), 0)::bigint as credit_minor
from posting p, unnest(p.codes, p.amounts_minor) as line (code, amount_minor)
where p.account_id in (select account_id from account where site_id = %(site_id)s)
"""
_BEFORE = f"""
select p.currency, line.code, {_SUMS} and p.booked_at < %(starts_at)s
group by p.currency, line.code order by p.currency, line.code collate "C"
"""
_DAYS = f"""
select (p.booked_at at time zone %(zone)s)::date as day, p.currency, line.code, {_SUMS}
    and p.booked_at >= %(starts_at)s and p.booked_at < %(ends_at)s
group by 1, p.currency, line.code order by 1, p.currency, line.code collate "C"
"""
_CUSTOMERS = f"""
select p.account_id, p.currency, line.code, {_SUMS}
    and (%(since)s::timestamptz is null or p.booked_at >= %(since)s::timestamptz)
    and p.booked_at < %(until)s and line.code = any (%(codes)s)
group by grouping sets ((p.currency, line.code, p.account_id), (p.currency, line.code))
order by p.currency, line.code collate "C", p.account_id nulls last
"""


class PostgresExports:
    """See `export_port.Exports`."""

    def __init__(self, tx: Asked) -> None:
        self._tx = tx

    def organisation_name(self, organisation_id: int) -> str:
        found = self._tx.query(
            "select name from organisation where organisation_id = %(id)s", {"id": organisation_id}
        )
        return str(found[0]["name"]) if found else ""

    def sites(self, organisation_id: int) -> list[Site]:
        found = self._tx.query(
            """select site_id, organisation_id, name, zone, currency from site
            where organisation_id = %(id)s order by site_id""",
            {"id": organisation_id},
        )
        return [Site(**row) for row in found]

    def providers(self, organisation_id: int) -> dict[str, str]:
        found = self._tx.query(
            "select provider, kind from provider_account where organisation_id = %(id)s order by provider",
            {"id": organisation_id},
        )
        return {row["provider"]: row["kind"] for row in found}

    def chart(self, organisation_id: int) -> list[ChartRow]:
        found = self._tx.query(
            """select code as key, number, name from chart_account
            where organisation_id = %(id)s order by code collate "C" """,
            {"id": organisation_id},
        )
        return [ChartRow(**row) for row in found]

    def save_chart(self, organisation_id: int, rows_: Sequence[ChartRow]) -> None:
        self._tx.insert(
            "chart_account",
            [{"organisation_id": organisation_id, **rows.columns(each, key="code")} for each in rows_],
            on_conflict="""(organisation_id, code) do update
                set number = excluded.number, name = excluded.name""",
        )

    def layout(self, organisation_id: int) -> Layout | None:
        found = self._tx.query(
            "select document from voucher_layout where organisation_id = %(id)s", {"id": organisation_id}
        )
        return _to_layout(found[0]["document"]) if found else None

    def save_layout(self, organisation_id: int, layout: Layout) -> None:
        document = {
            **rows.columns(layout),
            "columns": [[title, field.value] for title, field in layout.columns],
        }
        self._tx.insert(
            "voucher_layout",
            [{"organisation_id": organisation_id, "document": document}],
            on_conflict="(organisation_id) do update set document = excluded.document",
        )

    def before(self, month: SiteMonth) -> list[Total]:
        return [Total(**row) for row in self._many(_BEFORE, month, {})]

    def days(self, month: SiteMonth) -> list[tuple[date, Total]]:
        return [(row.pop("day"), Total(**row)) for row in self._many(_DAYS, month, {})]

    def customers(
        self, month: SiteMonth, codes: Sequence[str], *, since: datetime | None, until: datetime
    ) -> list[Total]:
        values = {"codes": list(codes), "since": since, "until": until}
        return [Total(**row) for row in self._many(_CUSTOMERS, month, values)]

    def account_names(self, account_ids: Sequence[int]) -> dict[int, str]:
        found = self._tx.query(
            "select account_id, name from account where account_id = any (%(ids)s)",
            {"ids": list(account_ids)},
        )
        return {row["account_id"]: row["name"] for row in found}

    def last(self, organisation_id: int) -> BookExport | None:
        found = self._tx.query(
            """select * from book_export where organisation_id = %(id)s
            order by export_no desc limit 1""",
            {"id": organisation_id},
        )
        return _to_export(found[0]) if found else None

    def put(self, export: BookExport, packed: bytes) -> None:
        self._tx.insert("book_export", [rows.columns(export)])
        # By itself: a file is no value for a batch in JSON.
        values = {"id": export.organisation_id, "no": export.export_no, "packed": packed}
        self._tx.run("insert into book_export_file values (%(id)s, %(no)s, %(packed)s)", values)

    def export(self, organisation_id: int, export_no: int) -> BookExport | None:
        found = self._tx.query(
            "select * from book_export where organisation_id = %(id)s and export_no = %(no)s",
            {"id": organisation_id, "no": export_no},
        )
        return _to_export(found[0]) if found else None

    def exports(self, organisation_id: int) -> list[BookExport]:
        found = self._tx.query(
            "select * from book_export where organisation_id = %(id)s order by export_no",
            {"id": organisation_id},
        )
        return [_to_export(row) for row in found]

    def packed(self, organisation_id: int, export_no: int) -> bytes:
        found = self._tx.query(
            """select packed from book_export_file
            where organisation_id = %(id)s and export_no = %(no)s""",
            {"id": organisation_id, "no": export_no},
        )
        return bytes(found[0]["packed"])

    def answers(self, organisation_id: int, export_no: int) -> dict[int, Answer]:
        found = self._tx.query(
            """select distinct on (voucher_no) voucher_no, their_no, ok, note,
                booked_on from book_answer
            where organisation_id = %(id)s and export_no = %(no)s order by voucher_no, answer_no desc""",
            {"id": organisation_id, "no": export_no},
        )
        return {row["voucher_no"]: Answer(**row) for row in found}

    def put_answers(self, export: BookExport, answers: Sequence[Answer], *, by: str, at: datetime) -> None:
        key = {"organisation_id": export.organisation_id, "export_no": export.export_no}
        found = self._tx.query(
            """select voucher_no, max(answer_no) as answer_no from book_answer
            where organisation_id = %(organisation_id)s and export_no = %(export_no)s group by voucher_no""",
            key,
        )
        numbers = {row["voucher_no"]: row["answer_no"] for row in found}
        self._tx.insert(
            "book_answer",
            [
                {
                    **key,
                    **rows.columns(each),
                    "answer_no": numbers.get(each.voucher_no, 0) + 1,
                    "answered_by": by,
                    "answered_at": at,
                }
                for each in answers
            ],
        )

    def answered(self, organisation_id: int) -> Mapping[int, tuple[int, int]]:
        found = self._tx.query(
            """select export_no, count(*) filter (where ok) as taken,
                count(*) filter (where not ok) as refused
            from (
                select distinct on (export_no, voucher_no) export_no, ok from book_answer
                where organisation_id = %(id)s order by export_no, voucher_no, answer_no desc
            ) as last group by export_no""",
            {"id": organisation_id},
        )
        return {row["export_no"]: (row["taken"], row["refused"]) for row in found}

    def _many(self, statement: str, month: SiteMonth, values: Mapping[str, object]) -> list[dict[str, Any]]:
        for setting in _FOR_MANY.split("; "):
            self._tx.run(setting, {})
        window = {
            "site_id": month.site.site_id,
            "zone": month.site.zone,
            "starts_at": month.starts_at,
            "ends_at": month.ends_at,
        }
        return self._tx.query(statement, {**window, **values})


def _to_export(row: Row) -> BookExport:
    return BookExport(**{**row, "form": Form(row["form"]), "part": Part(row["part"])})


def _to_layout(document: Row) -> Layout:
    columns = tuple((str(title), Field(field)) for title, field in document["columns"])
    return Layout(**{**document, "columns": columns})
