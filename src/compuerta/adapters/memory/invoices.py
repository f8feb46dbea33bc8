"""Invoices, in memory."""

from collections import Counter
from collections.abc import Iterator
from datetime import date, datetime
from uuid import UUID

from compuerta.adapters.memory.tables import Tables, require
from compuerta.domain.ledger import INCOME, Posting, PostingKind
from compuerta.services.invoice_port import BilledUse, Buyer, Earned, Invoice, Seller


class MemoryInvoices:
    """See `invoice_port.Invoices`."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def seller(self, organisation_id: int) -> Seller | None:
        return self._tables.sellers.get(organisation_id)

    def put_seller(self, seller: Seller) -> None:
        self._tables.sellers[seller.organisation_id] = seller

    def buyer(self, account_id: int) -> Buyer | None:
        return self._tables.buyers.get(account_id)

    def put_buyer(self, buyer: Buyer) -> None:
        self._tables.buyers[buyer.account_id] = buyer

    def next_number(self, organisation_id: int, series: str) -> int:
        key = organisation_id, series
        number = self._tables.invoice_numbers.get(key, 0) + 1
        self._tables.invoice_numbers[key] = number
        return number

    def put(self, invoice: Invoice) -> None:
        require(invoice.net_minor + invoice.tax_minor == invoice.total_minor, "invoice_adds_up")
        self._tables.take("invoice_number_pkey", invoice.organisation_id, invoice.series, invoice.number)
        if invoice.corrects is None:
            self._tables.take("invoice_of_month", invoice.account_id, invoice.month, invoice.issue)
        else:
            self._tables.take("invoice_corrected_once", invoice.account_id, invoice.corrects)
        self._tables.invoices[invoice.account_id, invoice.invoice_id] = invoice

    def invoice(self, account_id: int, invoice_id: UUID) -> Invoice | None:
        return self._tables.invoices.get((account_id, invoice_id))

    def of_month(self, account_id: int, month: date) -> list[Invoice]:
        return [each for each in self._sorted() if (each.account_id, each.month) == (account_id, month)]

    def invoices(
        self, organisation_id: int, *, month: date, after: tuple[str, int], limit: int
    ) -> list[Invoice]:
        asked = organisation_id, month
        found = [each for each in self._sorted() if (each.organisation_id, each.month) == asked]
        return [each for each in found if (each.series, each.number) > after][:limit]

    def standing(self, organisation_id: int, *, month: date) -> set[int]:
        back = {each.corrects for each in self._tables.invoices.values()}
        return {
            each.account_id
            for each in self._tables.invoices.values()
            if (each.organisation_id, each.month, each.corrects) == (organisation_id, month, None)
            and each.invoice_id not in back
        }

    def earning(self, organisation_id: int, *, since: datetime, until: datetime) -> list[int]:
        accounts = self._tables.accounts
        found = {
            each.account_id
            for each in self._earning_postings(since, until)
            if accounts[each.account_id].organisation_id == organisation_id
        }
        return sorted(found)

    def earned(self, account_id: int, *, since: datetime, until: datetime) -> Earned:
        own = [each for each in self._earning_postings(since, until) if each.account_id == account_id]
        by_code: Counter[str] = Counter()
        for posting in own:
            for line in posting.lines:
                if line.code in INCOME:
                    by_code[line.code] -= line.amount_minor
        causes = {each.cause_id for each in own if each.kind is PostingKind.CHARGE}
        starts = {charge.bill_start for charge in self._tables.charges.values() if charge.charge_id in causes}
        uses = [self._use(account_id, start) for start in sorted(starts)]
        return Earned(by_code=dict(sorted(by_code.items())), uses=uses)

    def _use(self, account_id: int, bill_start: datetime) -> BilledUse:
        booked = {
            each.cause_id: each.booked_at
            for each in self._tables.postings.values()
            if each.account_id == account_id and each.kind is PostingKind.CHARGE
        }
        charges = sorted(
            (
                each
                for each in self._tables.charges.values()
                if (each.account_id, each.bill_start) == (account_id, bill_start)
            ),
            key=lambda each: (each.to_wh, each.read_at),
        )
        return BilledUse(
            opening=self._tables.bills[account_id, bill_start],
            charges=charges,
            booked_at=[booked.get(each.charge_id) for each in charges],
        )

    def _earning_postings(self, since: datetime, until: datetime) -> Iterator[Posting]:
        for posting in self._tables.postings.values():
            if since <= posting.booked_at < until and any(line.code in INCOME for line in posting.lines):
                yield posting

    def _sorted(self) -> list[Invoice]:
        return sorted(self._tables.invoices.values(), key=lambda each: (each.series, each.number))
