"""camt.053: what banks send is read, and what strangers send is refused before it is expanded."""

from datetime import date

import pytest

from compuerta.adapters.bank import camt053
from compuerta.services.bank_sheet import BankSheet, FileUnreadable, SheetEntry

ENTRY = """<Ntry><NtryRef>1</NtryRef><Amt Ccy="CNY">49.70</Amt><CdtDbtInd>CRDT</CdtDbtInd>
<Sts>{sts}</Sts><BookgDt><Dt>2026-11-23</Dt></BookgDt><AcctSvcrRef>B77</AcctSvcrRef>
<NtryDtls><TxDtls><Refs><EndToEndId>p00001</EndToEndId></Refs>
<RmtInf><Ustrd>WeChat Pay &amp; co</Ustrd></RmtInf></TxDtls></NtryDtls></Ntry>"""
DEBIT = """<Ntry><Amt Ccy="CNY">9.70</Amt><CdtDbtInd>DBIT</CdtDbtInd><Sts>{sts}</Sts>
<BookgDt><DtTm>2026-11-24T10:00:00+08:00</DtTm></BookgDt><NtryDtls/></Ntry>"""
BALANCE = """<Bal><Tp><CdOrPrtry><Cd>{code}</Cd></CdOrPrtry></Tp><Amt Ccy="CNY">{amount}</Amt>
<CdtDbtInd>CRDT</CdtDbtInd><Dt><Dt>{day}</Dt></Dt></Bal>"""


def a_file(
    *entries: str, version: str = "08", opening: str = "100.00", closing: str = "140.00",
    head: str = "", sts: str = "<Cd>BOOK</Cd>",
) -> bytes:  # fmt: skip
    told = entries or (ENTRY.format(sts=sts), DEBIT.format(sts=sts))
    balances = BALANCE.format(code="OPBD", amount=opening, day="2026-11-23") + BALANCE.format(
        code="CLBD", amount=closing, day="2026-11-24"
    )
    return f"""<?xml version="1.0" encoding="UTF-8"?>{head}
<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.{version}"><BkToCstmrStmt><GrpHdr/>
<Stmt><Id>1</Id><Acct><Id><IBAN>GB33 BUKB 2020</IBAN></Id><Ccy>CNY</Ccy></Acct>{balances}{"".join(told)}
</Stmt></BkToCstmrStmt></Document>""".encode()


def faults_of(file: bytes) -> FileUnreadable:
    with pytest.raises(FileUnreadable) as unreadable:
        camt053.read(file)
    return unreadable.value


@pytest.mark.parametrize(
    ("version", "sts"), [("02", "BOOK"), ("08", "<Cd>BOOK</Cd>"), ("13", "<Cd>BOOK</Cd>")]
)
def test_a_statement_reads_alike_in_every_version(version: str, sts: str) -> None:
    (sheet,) = camt053.read(a_file(version=version, sts=sts))

    assert sheet == BankSheet(
        number="GB33 BUKB 2020",
        currency="CNY",
        starts_on=date(2026, 11, 23),
        ends_on=date(2026, 11, 24),
        opening_minor=10_000,
        closing_minor=14_000,
        entries=(
            SheetEntry(date(2026, 11, 23), 4_970, "p00001 1 B77", "WeChat Pay & co"),
            SheetEntry(date(2026, 11, 24), -970, "", ""),
        ),
    )


def test_what_is_only_announced_is_no_money_yet() -> None:
    (sheet,) = camt053.read(a_file(ENTRY.format(sts="<Cd>PDNG</Cd>"), DEBIT.format(sts="<Cd>BOOK</Cd>")))

    assert [each.amount_minor for each in sheet.entries] == [-970]


@pytest.mark.parametrize(
    "head",
    [
        '<!DOCTYPE Document [<!ENTITY a "b">]>',
        '<!DOCTYPE Document [<!ENTITY a SYSTEM "file:///etc/passwd">]>',
        '<!DOCTYPE Document SYSTEM "http://example.org/a.dtd">',
    ],
)
def test_a_type_of_document_is_refused_with_its_entities(head: str) -> None:
    assert faults_of(a_file(head=head)).faults[0].what == "DOCTYPE"


@pytest.mark.parametrize("encoding", ["GB18030", "no-such", "rot13"])
def test_an_encoding_that_cannot_be_read_is_said(encoding: str) -> None:
    file = a_file().replace(b"UTF-8", encoding.encode())

    assert faults_of(file).faults[0].what == "XML"


def test_a_period_that_is_no_day_is_said() -> None:
    file = a_file().replace(b"</Acct>", b"</Acct><FrToDt><FrDtTm>yesterday</FrDtTm></FrToDt>")

    assert faults_of(file).faults[0].what == "FrToDt/FrDtTm"


def test_an_entry_in_another_currency_is_not_taken_for_money_of_the_account() -> None:
    entry, debit = (each.format(sts="<Cd>BOOK</Cd>") for each in (ENTRY, DEBIT))

    refused = faults_of(a_file(entry.replace("CNY", "EUR"), debit))

    assert refused.faults[0].reason == "it is in EUR, and the account in CNY"
    assert faults_of(a_file().replace(b'"CNY">100.00', b'"EUR">100.00')).faults[0].what == "Bal"


def test_every_faulty_entry_is_told_and_nothing_is_read() -> None:
    bad = ENTRY.format(sts="<Cd>BOOK</Cd>")

    faults = faults_of(a_file(bad.replace("49.70", "49.705"), bad.replace("CRDT", "X"), bad)).faults

    assert [fault.row_no for fault in faults] == [1, 2]


@pytest.mark.parametrize(
    "file",
    [
        b"", b"<html>", a_file()[:-40], a_file(version="08").replace(b"camt.053", b"camt.054"),
        a_file().replace(b"CLBD", b"ITBD"), a_file().replace(b"100.00", b"1e9"),
        b"<Document xmlns='urn:iso:std:iso:20022:tech:xsd:camt.053.001.08'>" + b"<a>" * 50,
    ],
)  # fmt: skip
def test_what_is_no_whole_statement_is_refused(file: bytes) -> None:
    assert faults_of(file).faults
