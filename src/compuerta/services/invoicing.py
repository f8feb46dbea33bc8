"""Invoicing: one invoice for what an account has used in a month, under a number without gaps.

Use is invoiced, and recharges never are: the same money is not invoiced twice. An invoice is of the postings
that were booked in the month by the site's clock, so that all invoices of a month come to what its books have
earned. It is kept as it was issued: its document is made anew from what was kept, the same to the byte. One
that is wrong is taken back by a credit note that names it, and the month may be invoiced once more.
"""

import hashlib
import re
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Final
from uuid import UUID

from compuerta.domain.errors import Broken, Refused
from compuerta.domain.naming import derived, named
from compuerta.domain.party import BUYING, zone_of
from compuerta.domain.xml_text import plain
from compuerta.services import charging, invoice_sheets
from compuerta.services.acting import Act, Actor, entry_about, require_reason
from compuerta.services.invoice_lines import Told, lines_of
from compuerta.services.invoice_port import Buyer, Earned, Invoice, Seller, name_of
from compuerta.services.records import AccountView, Basis, LoadDay
from compuerta.services.statement_months import month_of
from compuerta.services.store_port import Store, Transaction
from compuerta.wire.ubl.writing import Kind, Party, Sheet, invoice_document

TEXT_MAX: Final = 200  # characters of a name, or of a line of an address
_SERIES = re.compile(r"[A-Z0-9]{1,10}", re.ASCII)
_COUNTRY = re.compile(r"[A-Z]{2}", re.ASCII)
# EN 16931, BR-CO-09: two letters of the country in front; Greece's are EL.
_TAX_ID = re.compile(r"[A-Z]{2}[A-Z0-9.+*-]{2,30}", re.ASCII)
_GREECE: Final = {"GR": "EL"}


class SellerMissing(Refused):
    """Nobody has said who the organisation is by law."""

    def __init__(self) -> None:
        super().__init__(
            "nobody has said who sells: set the organisation's name, country, tax number and address with "
            "`compuerta export seller`, or on the page of invoices"
        )


class PartyFaulty(Refused):
    """Who sells or buys cannot be told so."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason


class MonthNotOver(Refused):
    """A month that goes on is not invoiced yet."""

    def __init__(self, month: date, *, ends_at: datetime) -> None:
        ends = ends_at.astimezone(UTC).isoformat(timespec="minutes")
        super().__init__(f"{month:%Y-%m} ends at {ends}: invoice it after that")
        self.month = month


class InvoiceUnknown(Refused):
    """There is no such invoice."""

    def __init__(self) -> None:
        super().__init__("there is no such invoice in your organisation")


class InvoiceTakenBack(Refused):
    """An invoice that was taken back already, or a credit note, which is not taken back."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} is taken back already, or is a credit note itself")
        self.name = name


class AccountNotInvoiced(Refused):
    """An account that buys nothing, or is not there."""

    def __init__(self, account_id: int) -> None:
        super().__init__(f"account {account_id} is not there, or buys nothing: there is nothing to invoice")
        self.account_id = account_id


class DocumentDiffers(Broken):
    """What was kept of an invoice does not make the document that was issued."""

    def __init__(self, name: str) -> None:
        super().__init__(f"invoice {name} is not as it was issued")
        self.name = name


@dataclass(frozen=True, slots=True, kw_only=True)
class Taking:
    """Which invoice somebody takes back; the id is the caller's."""

    organisation_id: int
    account_id: int
    invoice_id: UUID
    act_id: UUID


def set_seller(store: Store, seller: Seller, *, actor: Actor, act_id: UUID, now: datetime) -> None:
    """Write who an organisation is by law; invoices that were issued stay as they are."""
    if not _SERIES.fullmatch(seller.series):
        raise PartyFaulty("series", "1 to 10 capital letters and digits")
    _require(seller.party)
    if not seller.party.tax_id:
        raise PartyFaulty("tax_id", "an invoice names the seller's tax number")
    with store.transaction() as tx:
        known = tx.invoices.seller(seller.organisation_id)
        tx.invoices.put_seller(seller)
        before = "" if known is None else f"{known.series} {known.party}"
        after = f"{seller.series} {seller.party}"
        act = Act(act_id=act_id, what="set seller", before=before, after=after)
        _audit(tx, "invoices", actor, act, organisation_id=seller.organisation_id, now=now)


def set_buyer(store: Store, buyer: Buyer, *, actor: Actor, act_id: UUID, now: datetime) -> None:
    """Write who an account is by law; without it, an invoice names the account as it is called."""
    _require(buyer.party)
    with store.transaction() as tx:
        view = _view(tx, buyer.account_id, now=now)
        known = tx.invoices.buyer(buyer.account_id)
        tx.invoices.put_buyer(buyer)
        before = "" if known is None else f"{known.party}"
        act = Act(act_id=act_id, what="set buyer", before=before, after=f"{buyer.party}")
        subject = f"account {buyer.account_id}"
        _audit(tx, subject, actor, act, organisation_id=view.account.organisation_id, now=now)


def to_invoice(store: Store, organisation_id: int, month: date) -> list[int]:
    """Return the accounts of which something was earned in a month, in whatever zone their site is."""
    day = timedelta(days=1)
    starts_at, ends_at = month_of(month).bounds(zone="UTC")
    since, until = starts_at - day, ends_at + day
    with store.transaction() as tx:
        return tx.invoices.earning(organisation_id, since=since, until=until)


def issue(store: Store, account_id: int, month: date, *, actor: Actor, now: datetime) -> Invoice | None:
    """Return an account's invoice of a month, issued now if it was not yet; None where nothing was used.

    Refuses a month that goes on, and an organisation of which nobody has said who it is by law.
    """
    month = month.replace(day=1)
    with store.transaction() as tx:
        view = tx.lock_accounts([account_id], now=now).get(account_id)
        if view is None or view.account.kind not in BUYING:
            raise AccountNotInvoiced(account_id)
        known = tx.invoices.of_month(account_id, month)
        back = {each.corrects for each in known}
        standing = [each for each in known if each.corrects is None and each.invoice_id not in back]
        if standing:
            return standing[-1]
        since, until = month_of(month).bounds(zone=view.account.zone)
        if until > now:
            raise MonthNotOver(month, ends_at=until)
        earned = tx.invoices.earned(account_id, since=since, until=until)
        told = lines_of(view, earned, since=since, until=until, days=_load_days(tx, earned))
        if not told.lines and not told.taxes:
            return None
        seller = tx.invoices.seller(view.account.organisation_id)
        if seller is None:
            raise SellerMissing
        count = 1 + sum(each.corrects is None for each in known)
        sheet = _sheet(view, seller, _buyer(tx, view, seller), told, month=month, now=now)
        wish = _Wish(
            invoice_id=named("invoice", account_id, month.isoformat(), count), month=month, issue=count
        )
        return _put(tx, view, seller, sheet, wish, actor=actor, now=now)


def take_back(store: Store, taking: Taking, *, actor: Actor, now: datetime) -> Invoice:
    """Take an invoice back by a credit note that names it; the month may be invoiced once more."""
    require_reason(actor)
    with store.transaction() as tx:
        view = tx.lock_accounts([taking.account_id], now=now).get(taking.account_id)
        known = tx.invoices.invoice(taking.account_id, taking.invoice_id)
        if view is None or known is None or known.organisation_id != taking.organisation_id:
            raise InvoiceUnknown
        of_month = tx.invoices.of_month(known.account_id, known.month)
        if known.corrects is not None or any(each.corrects == known.invoice_id for each in of_month):
            raise InvoiceTakenBack(known.name)
        seller = tx.invoices.seller(known.organisation_id)
        if seller is None:
            raise SellerMissing
        sheet = _taking_back(invoice_sheets.sheet_of(known.sheet), view, note=actor.why, now=now)
        wish = _Wish(
            invoice_id=derived(known.invoice_id, "taken back"),
            month=known.month,
            issue=known.issue,
            corrects=known.invoice_id,
        )
        note = _put(tx, view, seller, sheet, wish, actor=actor, now=now)
        act = Act(act_id=taking.act_id, what="take invoice back", before=known.name, after=note.name)
        subject = f"account {known.account_id}"
        _audit(tx, subject, actor, act, organisation_id=known.organisation_id, now=now)
        return note


def document_of(invoice: Invoice) -> bytes:
    """Return the document of an invoice, as it was issued; raises `DocumentDiffers` where it is not."""
    made = invoice_document(invoice_sheets.sheet_of(invoice.sheet))
    if hashlib.sha256(made).hexdigest() != invoice.digest:
        raise DocumentDiffers(invoice.name)
    return made


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wish:
    invoice_id: UUID
    month: date
    issue: int
    corrects: UUID | None = None


def _put(
    tx: Transaction,
    view: AccountView,
    seller: Seller,
    sheet: Sheet,
    wish: _Wish,
    *,
    actor: Actor,
    now: datetime,
) -> Invoice:
    """Number a sheet, late, since the series is locked from here on; and keep it."""
    number = tx.invoices.next_number(seller.organisation_id, seller.series)
    sheet = replace(sheet, number=name_of(seller.series, number))
    made = Invoice(
        account_id=view.account.account_id,
        invoice_id=wish.invoice_id,
        organisation_id=seller.organisation_id,
        series=seller.series,
        number=number,
        kind=sheet.kind,
        month=wish.month,
        issue=wish.issue,
        corrects=wish.corrects,
        currency=sheet.currency,
        net_minor=sheet.net_minor,
        tax_minor=sheet.tax_minor,
        total_minor=sheet.total_minor,
        sheet=invoice_sheets.text_of(sheet),
        digest=hashlib.sha256(invoice_document(sheet)).hexdigest(),
        issued_on=sheet.issued_on,
        made_at=now,
        made_by=actor.who,
    )
    tx.invoices.put(made)
    return made


def _sheet(
    view: AccountView, seller: Seller, buyer: Party, told: Told, *, month: date, now: datetime
) -> Sheet:
    """Return the sheet of a month; one that comes to less than nothing is a credit note."""
    account = view.account
    sheet = Sheet(
        kind=Kind.INVOICE,
        number="",
        issued_on=now.astimezone(zone_of(account.zone)).date(),
        first_day=month,
        last_day=month_of(month).after.first - timedelta(days=1),
        currency=account.currency,
        buyer_reference=" ".join(part for part in (account.building, account.supply_point) if part),
        seller=seller.party,
        buyer=buyer,
        lines=told.lines,
        taxes=told.taxes,
    )
    return sheet if sheet.total_minor >= 0 else invoice_sheets.turned(sheet)


def _taking_back(sheet: Sheet, view: AccountView, *, note: str, now: datetime) -> Sheet:
    """Return what takes a sheet back: a credit note of the same lines, or of a credit note, an invoice."""
    other = Kind.CREDIT_NOTE if sheet.kind is Kind.INVOICE else Kind.INVOICE
    return replace(
        sheet,
        kind=other,
        number="",
        issued_on=now.astimezone(zone_of(view.account.zone)).date(),
        note=note,
        corrects=sheet.number,
        corrects_of=sheet.issued_on,
    )


def _buyer(tx: Transaction, view: AccountView, seller: Seller) -> Party:
    known = tx.invoices.buyer(view.account.account_id)
    if known is not None:
        return known.party
    account = view.account
    return Party(name=plain(account.name) or account.supply_point, country=seller.party.country)


def _load_days(tx: Transaction, earned: Earned) -> list[LoadDay]:
    """Return the days that charges by intervals rest on."""
    charges = [each for use in earned.uses for each in use.charges if each.basis is Basis.INTERVALS]
    if not charges:
        return []
    since = min(each.from_at for each in charges) - charging.LONGEST_DAY
    return tx.load_days(
        {each.meter_id for each in charges}, since=since, until=max(each.read_at for each in charges)
    )


def _view(tx: Transaction, account_id: int, *, now: datetime) -> AccountView:
    view = tx.look_at([account_id], now=now).get(account_id)
    if view is None or view.account.kind not in BUYING:
        raise AccountNotInvoiced(account_id)
    return view


def _require(party: Party) -> None:
    """Refuse a party that an invoice cannot name."""
    for field in Party.__slots__:
        if len(getattr(party, field)) > TEXT_MAX:
            raise PartyFaulty(field, f"at most {TEXT_MAX} characters")
    if not plain(party.name):
        raise PartyFaulty("name", "an invoice names the party")
    if not _COUNTRY.fullmatch(party.country):
        raise PartyFaulty("country", "two capital letters, such as MX")
    ahead = _GREECE.get(party.country, party.country)
    if party.tax_id and not (_TAX_ID.fullmatch(party.tax_id) and party.tax_id.startswith(ahead)):
        raise PartyFaulty("tax_id", f"capital letters and digits, with {ahead} in front")


def _audit(
    tx: Transaction, subject: str, actor: Actor, act: Act, *, organisation_id: int, now: datetime
) -> None:
    tx.put_audit([entry_about(subject, actor, act, organisation_id=organisation_id, now=now)])
