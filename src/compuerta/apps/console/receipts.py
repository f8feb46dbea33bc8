"""Receipts on screens and as files: whose they are decides what they say."""

from uuid import UUID, uuid4

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.http import content_disposition_header

from compuerta.adapters.paper import press
from compuerta.adapters.paper.press import Paper
from compuerta.apps import wiring
from compuerta.apps.console import drawing, use_reads, work
from compuerta.apps.console.reads import rows
from compuerta.domain.access import Place
from compuerta.services import receipting
from compuerta.services.receipt_sheet import sheet_of
from compuerta.services.receipting import Receipt


def place_of(organisation_id: int, account_id: int) -> Place | None:
    """Return where an account is; None where its organisation, or its reader, has no such account."""
    found = rows(
        Place,
        """select a.organisation_id, a.site_id, p.building
        from account a join supply_point p using (supply_point_id)
        where a.account_id = %(account_id)s and a.organisation_id = %(organisation_id)s""",
        {"account_id": account_id, "organisation_id": organisation_id},
    )
    return found[0] if found else None


def handed_out(account_id: int, recharge_id: UUID) -> Receipt:
    """Hand a receipt out on a screen; raises `ReceiptUnknown`."""
    return work.run(
        lambda store: receipting.hand_out(
            store, account_id=account_id, recharge_id=recharge_id, token=uuid4(), now=wiring.now()
        )
    )


def printed(account_id: int, recharge_id: UUID) -> Receipt:
    """Hand a receipt out on paper, and count it; raises `ReceiptUnknown`."""
    return work.run(
        lambda store: receipting.print_out(
            store, account_id=account_id, recharge_id=recharge_id, token=uuid4(), now=wiring.now()
        )
    )


def of_order(account_id: int, *, provider: str, reference: str) -> UUID | None:
    """Return the recharge that an order led to."""
    return work.run(
        lambda store: receipting.recharge_of(
            store, account_id=account_id, provider=provider, reference=reference
        )
    )


def shown(request: HttpRequest, receipt: Receipt, *, masked: bool) -> dict[str, object]:
    """Return what `_receipt.html` shows of a receipt."""
    return {
        "receipt": receipt,
        "sheet": sheet_of(receipt, language=use_reads.reader(), masked=masked),
        "proof_qr": drawing.qr(_proof_url(request, receipt)),
    }


def file(request: HttpRequest, receipt: Receipt, *, paper: Paper, masked: bool) -> HttpResponse:
    """Return a receipt as a PDF."""
    sheet = sheet_of(receipt, language=use_reads.reader(), masked=masked)
    pdf = press.pdf(sheet, paper=paper, proof_url=_proof_url(request, receipt))
    answer = HttpResponse(pdf, content_type="application/pdf")
    # A till is named by people, who may put quotes or a line's end into it.
    shown = content_disposition_header(as_attachment=False, filename=f"{receipt.number}.pdf")
    answer["Content-Disposition"] = shown or "inline"
    return answer


def _proof_url(request: HttpRequest, receipt: Receipt) -> str:
    assert receipt.handed_out is not None, "what is shown was handed out"
    base = settings.PUBLIC_ADDRESS or request.build_absolute_uri("/").rstrip("/")
    return f"{base}{reverse('genuine', args=[receipt.handed_out.token])}"
