"""Reads camt.053.001, the ISO 20022 statement of a bank, of versions 02 to 08 and later ones alike.

The file is a stranger's: a document type, and with it every entity, is refused before anything is expanded,
and size, depth and number of elements are bounded. Of the whole vocabulary a few elements are read; their
namespace says which version it is, and nothing of what is read differs between them.
"""

import re
from collections.abc import Iterator
from datetime import date, datetime
from typing import Final
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from compuerta.domain.money import AmountMalformed, CurrencyUnknown, parse_minor
from compuerta.services.bank_sheet import FAULTS_TOLD_MAX, BankSheet, Fault, FileUnreadable, SheetEntry

FILE_BYTES_MAX: Final = 16 * 1024 * 1024  # about twenty thousand entries
ELEMENTS_MAX: Final = 2_000_000
DEPTH_MAX: Final = 40
STATEMENTS_MAX: Final = 400  # a year and more, of days
ENTRIES_MAX: Final = 20_000
TEXT_CHARS_MAX: Final = 500
_NAMESPACE = re.compile(r"urn:iso:std:iso:20022:tech:xsd:camt\.053\.001\.(\d{2})")


def read(file: bytes) -> tuple[BankSheet, ...]:
    """Read a file; raises `FileUnreadable` with every fault, and then nothing of it is to be used."""
    statements = _tree(file).findall("BkToCstmrStmt/Stmt")
    if not 0 < len(statements) <= STATEMENTS_MAX:
        raise FileUnreadable([Fault(0, "Stmt", f"1 to {STATEMENTS_MAX} statements are read")])
    if sum(len(each.findall("Ntry")) for each in statements) > ENTRIES_MAX:
        raise FileUnreadable([Fault(0, "Ntry", f"more than {ENTRIES_MAX} entries")])
    return tuple(_sheet(each) for each in statements)


def _tree(file: bytes) -> Element:
    """Return the document without its namespaces; a type of document, and so any entity, is refused."""
    if len(file) > FILE_BYTES_MAX:
        raise FileUnreadable([Fault(0, "file", f"more than {FILE_BYTES_MAX} bytes")])
    reading = _Reading()
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.StartDoctypeDeclHandler = reading.refuse
    parser.StartElementHandler = reading.start
    parser.EndElementHandler = reading.end
    parser.CharacterDataHandler = reading.builder.data
    try:
        parser.Parse(file, True)
    except expat.ExpatError as error:
        raise FileUnreadable([Fault(error.lineno, "XML", expat.ErrorString(error.code))]) from error
    except (ValueError, LookupError) as error:  # what it says of its encoding, which expat leaves to Python
        raise FileUnreadable([Fault(1, "XML", f"{error}: save it as UTF-8")]) from error
    root: Element = reading.builder.close()
    return root


class _Reading:
    """Builds the tree, within bounds."""

    def __init__(self) -> None:
        self.builder = TreeBuilder()
        self._depth = self._elements = 0

    def refuse(self, *_: object) -> None:
        raise FileUnreadable([Fault(1, "DOCTYPE", "a statement has none; its entities are not read")])

    def start(self, name: str, attributes: dict[str, str]) -> None:
        namespace, _, tag = name.rpartition(" ")
        if not self._elements and (tag != "Document" or not _NAMESPACE.fullmatch(namespace)):
            raise FileUnreadable([Fault(1, tag, "this is no camt.053.001 statement")])
        self._depth += 1
        self._elements += 1
        if self._depth > DEPTH_MAX or self._elements > ELEMENTS_MAX:
            raise FileUnreadable([Fault(0, tag, "too deep, or too long, for a statement")])
        self.builder.start(tag, attributes)

    def end(self, name: str) -> None:
        self._depth -= 1
        self.builder.end(name.rpartition(" ")[2])


def _sheet(statement: Element) -> BankSheet:
    faults: list[Fault] = []
    opening = _balance(statement, ("OPBD", "PRCD"), faults)
    closing = _balance(statement, ("CLBD",), faults)
    entries = list(_entries(statement, faults, currency="" if closing is None else closing[1]))
    since, until = (_told_day(statement, f"FrToDt/{name}", faults) for name in ("FrDtTm", "ToDtTm"))
    if opening is not None and closing is not None and opening[1] != closing[1]:
        faults.append(Fault(0, "Bal", f"it begins in {opening[1]}, and ends in {closing[1]}"))
    if faults or opening is None or closing is None:
        raise FileUnreadable(faults)
    days = [each.booked_on for each in entries]
    starts_on = since or min(days, default=closing[2])
    ends_on = until or closing[2]
    return BankSheet(
        number=_text(statement, "Acct/Id/IBAN") or _text(statement, "Acct/Id/Othr/Id"),
        currency=closing[1],
        starts_on=min([starts_on, *days]),
        ends_on=max([ends_on, *days]),
        opening_minor=opening[0],
        closing_minor=closing[0],
        entries=tuple(entries),
    )


def _balance(statement: Element, codes: tuple[str, ...], faults: list[Fault]) -> tuple[int, str, date] | None:
    for code in codes:
        for each in statement.findall("Bal"):
            if each.findtext("Tp/CdOrPrtry/Cd") != code:
                continue
            try:
                amount_minor, currency = _amount(each)
                day = _day(each.findtext("Dt/Dt") or each.findtext("Dt/DtTm"))
            except (ValueError, AmountMalformed, CurrencyUnknown) as error:
                faults.append(Fault(0, f"Bal {code}", str(error)))
                return None
            if day is not None:
                return amount_minor, currency, day
    faults.append(Fault(0, "Bal", f"there is no balance {' or '.join(codes)} with its day"))
    return None


def _entries(statement: Element, faults: list[Fault], *, currency: str) -> Iterator[SheetEntry]:
    """Return what is booked, in the account's currency; what is announced alone is no money yet."""
    for row_no, each in enumerate(statement.findall("Ntry"), start=1):
        state = _text(each, "Sts/Cd") or _text(each, "Sts")
        if state not in ("BOOK", ""):
            continue
        try:
            amount_minor, own = _amount(each)
            if currency and own != currency:
                raise ValueError(f"it is in {own}, and the account in {currency}")
            day = _day(each.findtext("BookgDt/Dt") or each.findtext("BookgDt/DtTm"))
            if day is None:
                raise ValueError("it has no day of booking")
            if not amount_minor:
                continue  # a bank's own remark; no money moved
        except (ValueError, AmountMalformed, CurrencyUnknown) as error:
            faults.append(Fault(row_no, "Ntry", str(error)))
            if len(faults) >= FAULTS_TOLD_MAX:
                return
            continue
        yield SheetEntry(day, amount_minor, _reference(each), _told(each))


def _told_day(statement: Element, path: str, faults: list[Fault]) -> date | None:
    try:
        return _day(statement.findtext(path))
    except ValueError as error:
        faults.append(Fault(0, path, str(error)))
        return None


def _amount(element: Element) -> tuple[int, str]:
    amount, side = element.find("Amt"), element.findtext("CdtDbtInd")
    if amount is None or side not in ("CRDT", "DBIT"):
        raise ValueError("it has no amount, or no side")
    currency = amount.get("Ccy", "")
    # xs:decimal may begin with a plus, or the point.
    text = (amount.text or "").strip().removeprefix("+")
    amount_minor = parse_minor(f"0{text}" if text.startswith(".") else text, currency=currency)
    if amount_minor < 0:
        raise ValueError("its amount is below zero: the side says which way")
    return amount_minor if side == "CRDT" else -amount_minor, currency


def _reference(entry: Element) -> str:
    """Return the names by which the entry may be found again, the payer's own first."""
    paths = ("NtryDtls/TxDtls/Refs/EndToEndId", "NtryDtls/TxDtls/Refs/TxId", "NtryRef", "AcctSvcrRef")
    told = [_text(entry, path) for path in paths]
    return " ".join(dict.fromkeys(each for each in told if each and each != "NOTPROVIDED"))[:TEXT_CHARS_MAX]


def _told(entry: Element) -> str:
    free = [each.text or "" for each in entry.findall("NtryDtls/TxDtls/RmtInf/Ustrd")]
    free += [_text(entry, "NtryDtls/TxDtls/RltdPties/Dbtr/Nm"), _text(entry, "AddtlNtryInf")]
    return " ".join(each.strip() for each in free if each.strip())[:TEXT_CHARS_MAX]


def _text(element: Element, path: str) -> str:
    return (element.findtext(path) or "").strip()


def _day(text: str | None) -> date | None:
    if not text or not text.strip():
        return None
    return (
        date.fromisoformat(text.strip()) if "T" not in text else datetime.fromisoformat(text.strip()).date()
    )
