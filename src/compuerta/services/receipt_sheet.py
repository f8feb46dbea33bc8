"""A receipt as lines to read, in a language: what paper and screens show, and nothing that they lay out."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from compuerta.domain import receipt_words, wording
from compuerta.domain.contact import Language
from compuerta.domain.energy import format_kwh
from compuerta.domain.party import zone_of
from compuerta.services.dues_port import RechargeLine
from compuerta.services.receipting import Receipt, Standing
from compuerta.services.records import Instant
from compuerta.services.shift_port import receipt_number


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A line of a receipt."""

    label: str
    value: str
    note: str = ""
    strong: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """A receipt in a language, from top to bottom."""

    language: Language
    owner: str
    title: str
    stamps: tuple[str, ...]  # what nobody may overlook: a copy, void, refunded
    sections: tuple[tuple[Row, ...], ...]
    proof: str  # what stands beside the QR


def sheet_of(receipt: Receipt, *, language: Language, masked: bool) -> Sheet:
    """Write a receipt in a language; `masked` hides whose it is, for pages that anybody may open."""
    told = _Told(receipt, language)
    sections = (
        told.heading(masked=masked),
        told.parts(),
        told.tenders(),
        told.balance(),
        told.instants(),
        told.way(),
    )
    return Sheet(
        language=language,
        owner=receipt.sold.organisation,
        title=told.word("title"),
        stamps=told.stamps(),
        sections=tuple(section for section in sections if section),
        proof=told.word("proof"),
    )


def mask(name: str) -> str:
    """Return the first letter of each word of a name: enough for its owner, and for nobody else."""
    return " ".join(f"{part[0]}…" for part in name.split())


def clock(at: datetime, *, zone: ZoneInfo) -> str:
    """Return an instant to the second by a site's clock, with its distance from universal time."""
    local = at.astimezone(zone)
    offset = local.strftime("%z")
    return f"{local:%Y-%m-%d %H:%M:%S} UTC{offset[:3]}:{offset[3:5]}"


class _Told:
    """A receipt's sections, in one language."""

    def __init__(self, receipt: Receipt, language: Language) -> None:
        self._receipt = receipt
        self._sold = receipt.sold
        self._language = language
        self._zone = zone_of(receipt.account.zone)

    def word(self, name: str) -> str:
        return receipt_words.word(name, language=self._language)

    def stamps(self) -> tuple[str, ...]:
        stamps = []
        if self._receipt.standing in (Standing.VOIDED, Standing.REFUNDED):
            stamps.append(self.word(self._receipt.standing.value))
        if self._receipt.copy_no:
            stamps.append(self.word("copy").format(number=self._receipt.copy_no))
        return tuple(stamps)

    def heading(self, *, masked: bool) -> tuple[Row, ...]:
        account = self._receipt.account
        places = (self._sold.site, account.building, account.supply_point)
        return self._rows(
            ("number", self._receipt.number),
            ("date", clock(self._receipt.at, zone=self._zone)),
            ("place", " · ".join(dict.fromkeys(each for each in places if each))),
            ("customer", mask(account.name) if masked else account.name),
            ("meter", self._sold.meter_no),
            ("tariff", self._receipt.tariff),
        )

    def parts(self) -> tuple[Row, ...]:
        total = Row(label=self.word("total"), value=self._money(self._sold.recharge.paid_minor), strong=True)
        return (*(self._part(each) for each in self._receipt.lines), total)

    def tenders(self) -> tuple[Row, ...]:
        sale = self._receipt.sale
        if sale is None:
            return ()
        handed = [(kind, self._money(minor)) for kind, minor in sorted(sale.tenders.items())]
        back = [("given_back", self._money(sale.change_minor))] if sale.change_minor else []
        return self._rows(*handed, *back)

    def balance(self) -> tuple[Row, ...]:
        handed_out, after_minor = self._receipt.handed_out, self._sold.balance_after_minor
        rows = []
        if handed_out is not None and handed_out.bought_wh is not None:
            rows.append(Row(label=self.word("bought"), value=self._kwh(handed_out.bought_wh), strong=True))
        if after_minor is not None:
            before = self._money(after_minor - self._sold.recharge.credit_minor)
            rows += self._rows(("before", before), ("after", self._money(after_minor)))
        return tuple(rows)

    def instants(self) -> tuple[Row, ...]:
        def told(instant: Instant) -> str:
            at = self._sold.instants.get(instant)
            if at is not None:
                return f"{at.astimezone(self._zone):%m-%d %H:%M:%S}"
            return self.word("on_its_way") if is_alive else ""

        is_alive = self._receipt.standing in (Standing.ON_ITS_WAY, Standing.CREDITED)

        return self._rows(*((each.value, told(each)) for each in Instant))

    def way(self) -> tuple[Row, ...]:
        sale, kind = self._receipt.sale, self._sold.provider.partition("-")[0]
        refunded_minor = self._sold.refunded_minor
        return self._rows(
            ("way", self.word(kind) if kind and sale is None else ""),
            ("transaction", self._sold.transaction_no if sale is None else ""),
            ("till", "" if sale is None else sale.provider),
            ("cashier", "" if sale is None else sale.sold_by),
            ("counter_receipt", self._counter_receipt()),
            ("refunded_amount", self._money(refunded_minor) if refunded_minor else ""),
        )

    def _counter_receipt(self) -> str:
        sale = self._receipt.sale
        if sale is None or sale.void_receipt_no is None:
            return ""
        return receipt_number(sale.provider, sale.void_receipt_no)

    def _rows(self, *told: tuple[str, str]) -> tuple[Row, ...]:
        return tuple(Row(label=self.word(name), value=value) for name, value in told if value)

    def _part(self, line: RechargeLine) -> Row:
        label = " · ".join(_told_once((self.word(line.kind.value), line.name, line.period)))
        note = ""
        if line.remaining_minor is not None:
            note = self.word("remaining").format(amount=self._money(line.remaining_minor))
        return Row(label=label, value=self._money(line.amount_minor), note=note)

    def _money(self, amount_minor: int) -> str:
        return wording.amount(amount_minor, currency=self._sold.currency, language=self._language)

    def _kwh(self, energy_wh: int) -> str:
        figure = format_kwh(energy_wh)
        return f"{figure.replace('.', ',') if self._language is Language.SPANISH else figure} kWh"


def _told_once(words: Iterable[str]) -> list[str]:
    """Return words without what is empty, or said already."""
    said: list[str] = []
    for each in words:
        if each and each.casefold() not in {other.casefold() for other in said}:
            said.append(each)
    return said
