"""The machines' API to the books: what is closed, the journal line by line, exports and invoices.

A bookkeeping program is told by a webhook that a day or month is closed, or an export made; it fetches the
export, or the lines, and says back under which number each voucher stands there. Books are the whole
organisation's: a key of one site reads its site's journal and days, and no more.
"""

from collections.abc import Callable
from datetime import date, datetime, timedelta
from functools import partial
from typing import Annotated, Any, Final, TypeVar
from uuid import UUID, uuid4

from fastapi import APIRouter, Depends, HTTPException, Path, Query, Request, status
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from compuerta.adapters.postgres.store import PostgresStore
from compuerta.apps import wiring
from compuerta.apps.api import reading
from compuerta.apps.api.callers import Caller, acting, needs
from compuerta.apps.api.machines import BIGINT_MAX, PAGE_MAX, Machines
from compuerta.apps.api.supply import REFUSALS
from compuerta.domain.access import Place, Right, covers
from compuerta.services import acknowledging, exporting, invoicing
from compuerta.services.acknowledging import ANSWERS_MAX, TEXT_MAX, Acknowledgement
from compuerta.services.day_end import bounds_of
from compuerta.services.export_port import Answer, BookExport
from compuerta.services.exporting import ExportUnknown
from compuerta.services.invoice_port import Invoice
from compuerta.services.local_instants import YEAR_MAX, YEAR_MIN
from compuerta.services.period_port import MonthClose

Outcome = TypeVar("Outcome")

LINES_MAX: Final = 1_000  # postings of one page of a journal
DAYS_MAX: Final = 400  # of one question: a year, and some
_MONTH: Final = r"^[12][0-9]{3}-(0[1-9]|1[0-2])$"
_INVOICE: Final = r"^([A-Z0-9]{1,10}-[0-9]{1,18})?$"
_CURSOR: Final = r"^[0-9]{1,20}\.[0-9]{1,19}\.[0-9a-f]{32}$"
Accountant = Annotated[Caller, Depends(needs(Right.SEE_MONEY))]
Keeper = Annotated[Caller, Depends(needs(Right.KEEP_BOOKS))]
Number = Annotated[int, Path(ge=1, le=BIGINT_MAX)]
Month = Annotated[str, Query(pattern=_MONTH, examples=["2026-11"])]


class ClosedDay(BaseModel):
    """A site's day whose end was worked through; a later version has learnt something late."""

    site_id: int
    day: date = Field(examples=["2026-11-22"])
    version: int
    done_at: datetime
    currency: str
    meters: int
    provisional: int = Field(description="meters whose midnight was supposed")
    missing: int = Field(description="meters of which nothing is known")


class ClosedMonth(BaseModel):
    """A month that nothing is booked into any more."""

    month: str = Field(examples=["2026-11"])
    closed_at: datetime
    closed_by: str
    digest: str = Field(description="of all that the month came to, and of the close before it")


class Line(BaseModel):
    """One side of a posting; debit is positive."""

    code: str = Field(examples=["cash:wechat"])
    amount_minor: int


class Posting(BaseModel):
    """One event in money; its lines sum to zero."""

    posting_id: UUID
    account_id: int
    kind: str = Field(examples=["recharge"])
    currency: str
    booked_at: datetime
    cause_id: UUID
    reverses: UUID | None
    lines: list[Line]


class JournalPage(BaseModel):
    """Postings of a site's day, in order; `next` is asked for as `after`, until it is null."""

    postings: list[Posting]
    next: str | None = Field(description="null = there is no more")


class Export(BaseModel):
    """A numbered export; each names the one before it by its seal."""

    export_no: int
    month: str
    part: str
    form: str
    site_id: int | None
    currency: str | None
    vouchers: int
    size: int = Field(description="of the file, in bytes")
    digest: str = Field(description="SHA-256 of the file")
    previous: str
    seal: str
    replaces: int | None
    made_at: datetime


class Said(BaseModel):
    """What the other books say of one voucher."""

    model_config = ConfigDict(extra="forbid")

    voucher_no: int = Field(strict=True, ge=1, le=BIGINT_MAX)
    ok: bool
    their_no: str = Field(default="", max_length=TEXT_MAX, description="its number there")
    note: str = Field(default="", max_length=TEXT_MAX, description="why it was not taken")
    booked_on: date | None = None


class SaidOfAll(BaseModel):
    """What the other books say of an export's vouchers: all of it is taken, or nothing."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"answers": [{"voucher_no": 1, "ok": True, "their_no": "R-17"}]}]},
    )

    answers: list[Said] = Field(min_length=1, max_length=ANSWERS_MAX)


class Taken(BaseModel):
    """How many of the answers were new."""

    new: int


class InvoiceRow(BaseModel):
    """An invoice, or a credit note, of an account's month."""

    number: str = Field(examples=["A-000001"])
    account_id: int
    invoice_id: UUID
    kind: str = Field(description="380 = invoice, 381 = credit note")
    month: str
    issued_on: date
    corrects: UUID | None
    currency: str
    net_minor: int
    tax_minor: int
    total_minor: int
    digest: str = Field(description="SHA-256 of the document")


_DAYS = """
select site_id, day, version, done_at, currency, meters, provisional, missing from site_day
where organisation_id = %(organisation_id)s and step = 'done' and done_at is not null
    and day between %(since)s and %(until)s and (%(site_id)s::bigint is null or site_id = %(site_id)s)
order by day, site_id limit %(limit)s
"""
_SITE = "select site_id, zone from site where organisation_id = %(organisation_id)s and site_id = %(site_id)s"
_JOURNAL = """
select p.posting_id, p.account_id, p.kind, p.currency, p.booked_at, p.cause_id, p.reverses, p.codes,
    p.amounts_minor, (extract(epoch from p.booked_at) * 1000000)::bigint as booked_us
from posting p join account a using (account_id) join site z on z.site_id = a.site_id
where z.organisation_id = %(organisation_id)s and z.site_id = %(site_id)s
    and p.booked_at >= %(starts_at)s and p.booked_at < %(ends_at)s
    and (%(posting_id)s::uuid is null or (p.booked_at, p.account_id, p.posting_id) > (
        timestamptz 'epoch' + %(booked_us)s * interval '1 microsecond', %(account_id)s, %(posting_id)s::uuid))
order by p.booked_at, p.account_id, p.posting_id limit %(limit)s
"""
_XML: Final[dict[int | str, dict[str, Any]]] = {
    200: {"content": {"application/xml": {}}, "description": "UBL 2.1, to the byte as it was issued"}
}
_FILE: Final[dict[int | str, dict[str, Any]]] = {
    200: {"content": {"application/octet-stream": {}}, "description": "the file, to the byte as it left"}
}


def router_for(machines: Machines) -> APIRouter:
    """Return the routes to the books."""
    router = APIRouter(prefix="/api/v1", tags=["books"], responses=REFUSALS)
    _add_closed(router, machines)
    _add_journal(router, machines)
    _add_exports(router, machines)
    _add_invoices(router, machines)
    return router


def _add_closed(router: APIRouter, machines: Machines) -> None:
    @router.get("/closed-days", response_model=list[ClosedDay])
    async def list_closed_days(
        asker: Accountant,
        since: Annotated[date, Query()],
        until: Annotated[date, Query(description="the last day")],
        site_id: Annotated[int | None, Query(ge=1, le=BIGINT_MAX)] = None,
    ) -> list[reading.Row]:
        """List the days of sites that are done, by day and site."""
        if not timedelta() <= until - since <= timedelta(days=DAYS_MAX):
            raise HTTPException(
                status.HTTP_422_UNPROCESSABLE_CONTENT, f"until: from since on, at most {DAYS_MAX} days"
            )
        return await machines.ask(
            _DAYS,
            organisation_id=asker.organisation_id,
            since=since,
            until=until,
            site_id=site_id,
            limit=DAYS_MAX * PAGE_MAX,
        )

    @router.get("/closed-months", response_model=list[ClosedMonth])
    async def list_closed_months(asker: Accountant) -> list[dict[str, object]]:
        """List the months that are closed for good, the last first."""
        _require_all(asker)
        closes = await machines.desk.run(partial(_closes, organisation_id=asker.organisation_id))
        return [
            {
                "month": f"{each.month:%Y-%m}",
                "closed_at": each.closed_at,
                "closed_by": each.closed_by,
                "digest": each.digest.hex(),
            }
            for each in closes
        ]


def _add_journal(router: APIRouter, machines: Machines) -> None:
    @router.get("/sites/{site_id}/journal/{day}", response_model=JournalPage)
    async def read_journal(
        asker: Accountant,
        site_id: Number,
        day: date,
        after: Annotated[str | None, Query(pattern=_CURSOR, description="`next` of the page before")] = None,
        limit: Annotated[int, Query(ge=1, le=LINES_MAX)] = PAGE_MAX,
    ) -> dict[str, object]:
        """Read what was booked at a site on a day, by the site's clock, in order and in pages."""
        named = {"organisation_id": asker.organisation_id, "site_id": site_id}
        if not YEAR_MIN <= day.year <= YEAR_MAX:
            raise HTTPException(status.HTTP_422_UNPROCESSABLE_CONTENT, f"day: {YEAR_MIN} to {YEAR_MAX}")
        site = await machines.one(_SITE, **named)
        # As the day was ended: where midnight comes twice, PostgreSQL would begin it with the second.
        starts_at, ends_at = bounds_of(day, zone=site["zone"])
        booked_us, account_id, posting_id = (after or "0.0.").split(".")
        found = await machines.ask(
            _JOURNAL,
            **named,
            starts_at=starts_at,
            ends_at=ends_at,
            booked_us=int(booked_us),
            account_id=int(account_id),
            posting_id=posting_id or None,
            limit=limit + 1,
        )
        last = found[limit - 1] if len(found) > limit else None
        return {
            "postings": [_posting(row) for row in found[:limit]],
            "next": last and f"{last['booked_us']}.{last['account_id']}.{last['posting_id'].hex}",
        }


def _add_exports(router: APIRouter, machines: Machines) -> None:
    @router.get("/exports", response_model=list[Export])
    async def list_exports(
        asker: Accountant,
        after: Annotated[int, Query(ge=0, le=BIGINT_MAX, description="numbers above this one")] = 0,
    ) -> list[dict[str, object]]:
        """List the exports by number."""
        _require_all(asker)
        kept = await machines.desk.run(partial(exporting.kept, organisation_id=asker.organisation_id))
        return [_export(each) for each in kept if each.export_no > after][:PAGE_MAX]

    @router.get("/exports/{export_no}/content", response_class=Response, responses=_FILE)
    async def fetch_export(asker: Accountant, export_no: Number) -> Response:
        """Fetch the file of an export, to the byte as it left."""
        _require_all(asker)
        export, file = await _found(
            machines, partial(exporting.content, organisation_id=asker.organisation_id, export_no=export_no)
        )
        headers = {"content-disposition": f'attachment; filename="{exporting.name_of(export)}"'}
        return Response(file, media_type="application/octet-stream", headers=headers)

    @router.post("/exports/{export_no}/acknowledgements", response_model=Taken)
    async def acknowledge_export(
        asker: Keeper, export_no: Number, said: SaidOfAll, request: Request
    ) -> dict[str, int]:
        """Say what became of vouchers there; the same again changes nothing."""
        _require_all(asker)
        told = Acknowledgement(
            organisation_id=asker.organisation_id,
            export_no=export_no,
            answers=tuple(Answer(**each.model_dump()) for each in said.answers),
        )
        actor = acting(asker, request, why="acknowledged by the other books")
        took = partial(acknowledging.acknowledge, said=told, actor=actor, act_id=uuid4(), now=wiring.now())
        return {"new": await _found(machines, took)}


def _add_invoices(router: APIRouter, machines: Machines) -> None:
    @router.get("/invoices", response_model=list[InvoiceRow])
    async def list_invoices(
        asker: Accountant,
        month: Month,
        after: Annotated[str, Query(pattern=_INVOICE, description="numbers after this one")] = "",
        limit: Annotated[int, Query(ge=1, le=LINES_MAX)] = PAGE_MAX,
    ) -> list[dict[str, object]]:
        """List the invoices and credit notes of a month, by number and in pages."""
        _require_all(asker)
        first = date.fromisoformat(f"{month}-01")
        series, _, number = after.partition("-")
        found = partial(
            _invoices,
            organisation_id=asker.organisation_id,
            month=first,
            after=(series, int(number or 0)),
            limit=limit,
        )
        return [_invoice(each) for each in await machines.desk.run(found)]

    @router.get("/accounts/{account_id}/invoices/{invoice_id}", response_class=Response, responses=_XML)
    async def fetch_invoice(asker: Accountant, account_id: Number, invoice_id: UUID) -> Response:
        """Fetch an invoice, or a credit note, as UBL 2.1."""
        await machines.one(reading.ONE_ACCOUNT, organisation_id=asker.organisation_id, account_id=account_id)
        found = await machines.desk.run(partial(_one_invoice, account_id=account_id, invoice_id=invoice_id))
        if found is None:
            raise HTTPException(status.HTTP_404_NOT_FOUND, "there is no such invoice in your organisation")
        headers = {"content-disposition": f'attachment; filename="{found.name}.xml"'}
        return Response(invoicing.document_of(found), media_type="application/xml", headers=headers)


def _require_all(asker: Caller) -> None:
    """Answer 403 to a key of one site where something is of the whole organisation."""
    if not covers(asker.scope, Place(organisation_id=asker.organisation_id)):
        raise HTTPException(
            status.HTTP_403_FORBIDDEN, "this API key is of one site, and the books are the organisation's"
        )


async def _found(machines: Machines, work: Callable[[PostgresStore], Outcome]) -> Outcome:
    """Run a use case on an export; answer 404 where there is none of this number."""
    try:
        return await machines.desk.run(work)
    except ExportUnknown as error:
        raise HTTPException(status.HTTP_404_NOT_FOUND, str(error)) from error


def _closes(store: PostgresStore, *, organisation_id: int) -> list[MonthClose]:
    with store.transaction() as tx:
        return tx.periods.closes(organisation_id)


def _invoices(
    store: PostgresStore, *, organisation_id: int, month: date, after: tuple[str, int], limit: int
) -> list[Invoice]:
    with store.transaction() as tx:
        return tx.invoices.invoices(organisation_id, month=month, after=after, limit=limit)


def _one_invoice(store: PostgresStore, *, account_id: int, invoice_id: UUID) -> Invoice | None:
    with store.transaction() as tx:
        return tx.invoices.invoice(account_id, invoice_id)


def _posting(row: reading.Row) -> dict[str, object]:
    names = ("posting_id", "account_id", "kind", "currency", "booked_at", "cause_id", "reverses")
    sides = zip(row["codes"], row["amounts_minor"], strict=True)
    lines = [{"code": code, "amount_minor": amount_minor} for code, amount_minor in sides]
    return {**{name: row[name] for name in names}, "lines": lines}


def _export(export: BookExport) -> dict[str, object]:
    names = (
        "export_no", "site_id", "currency", "vouchers", "size", "digest", "previous", "seal", "replaces",
        "made_at",
    )  # fmt: skip
    told = {name: getattr(export, name) for name in names}
    return {**told, "month": f"{export.month:%Y-%m}", "part": export.part.value, "form": export.form.value}


def _invoice(invoice: Invoice) -> dict[str, object]:
    names = (
        "account_id", "invoice_id", "issued_on", "corrects", "currency", "net_minor", "tax_minor",
        "total_minor", "digest",
    )  # fmt: skip
    told = {name: getattr(invoice, name) for name in names}
    return {
        **told,
        "number": invoice.name,
        "kind": invoice.kind.value,
        "month": f"{invoice.month:%Y-%m}",
    }
