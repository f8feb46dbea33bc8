"""What we write as camt.053 of a provider's account, we read as a bank's."""

from datetime import UTC, date, datetime

from compuerta.adapters.bank import camt053
from compuerta.wire.camt053.writing import Entry, Sort, Statement, statement_document

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def test_a_statement_of_ours_reads_back_to_the_same_money() -> None:
    entry = Entry(
        reference="P1",
        amount_minor=-4_970,
        booked_at=NOON,
        valued_at=NOON,
        sort=Sort(domain="CAMT", family="ACCB", sub_family="SWEP"),
        own_sort="payout",
        servicer_reference="p00001",
    )
    written = Statement(
        statement_id="S1",
        account="wechat",
        owner="Casa",
        currency="CNY",
        since=NOON,
        until=NOON,
        first_day=date(2026, 11, 23),
        last_day=date(2026, 11, 23),
        opening_minor=4_970,
        closing_minor=0,
        entries=[entry],
    )

    (sheet,) = camt053.read(statement_document("M1", [written], made_at=NOON))

    assert (sheet.number, sheet.currency) == ("wechat", "CNY")
    assert (sheet.opening_minor, sheet.closing_minor) == (4_970, 0)
    assert [each.amount_minor for each in sheet.entries] == [-4_970]
    assert "p00001" in sheet.entries[0].reference
