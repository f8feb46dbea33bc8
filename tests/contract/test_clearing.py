"""Clearing accounts as camt.053, in both stores: valid by ISO's schema, exact, and the same every time."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from lxml import etree
from pycamt.parser import Camt053Parser
from tests.contract.documents import camt053_faults
from tests.unit.services.town import (
    HOUR,
    NOON,
    PLATFORM,
    WECHAT,
    Town,
    a_notice,
    a_posting,
    a_reversal,
    a_town,
    an_id,
    paid,
)

from compuerta.domain.ledger import BANK, PROVIDER_FEE, Line, PostingKind, cash
from compuerta.services import clearing, vend
from compuerta.services.bank_port import Payout
from compuerta.services.clearing import DaysNotOver, ProviderUnknown, TooMuchForOneFile
from compuerta.services.store_port import Store

NAMESPACE = {"c": "urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"}
DAY = date(2026, 11, 22)  # the day of noon, in Shanghai
AFTER = NOON + timedelta(days=3)


def a_traded_town(store: Store) -> Town:
    """Return a town whose provider took 50.00 the day before, and 20.00, 30.00 and its fee on the day."""
    town = a_town(store, authorities=(PLATFORM, PLATFORM))
    first, second = town.homes
    paid(store, first, name="0", amount_minor=5_000, now=NOON - timedelta(days=1))
    paid(store, first, name="1", amount_minor=2_000)
    paid(store, second, name="2", amount_minor=3_000, now=NOON + HOUR)
    booked(store, town.suspense_id, {PROVIDER_FEE: 18, cash(WECHAT): -18}, kind=PostingKind.PROVIDER_FEE)
    return town


def booked(
    store: Store, account_id: int, amounts: dict[str, int], *, kind: PostingKind, name: str = "x"
) -> None:
    lines = tuple(Line(code=code, amount_minor=amount_minor) for code, amount_minor in amounts.items())
    posting = replace(a_posting(account_id, name=name, kind=kind, lines=lines), booked_at=NOON + 2 * HOUR)
    with store.transaction() as tx:
        tx.book([posting])


def told(store: Store, *, first: date = DAY, last: date = DAY, provider: str = WECHAT) -> bytes:
    return clearing.camt053(store, provider, first_day=first, last_day=last, now=AFTER)


def found(document: bytes, path: str) -> list[str]:
    return [each.text or "" for each in etree.fromstring(document).iterfind(path, NAMESPACE)]


def test_a_day_of_a_provider_is_a_statement_that_the_schema_takes(store: Store) -> None:
    a_traded_town(store)

    document = told(store)

    assert camt053_faults(document) == []
    assert found(document, ".//c:Bal/c:Amt") == ["50.00", "99.82"]
    assert found(document, ".//c:Ntry/c:Amt") == ["20.00", "30.00", "0.18"]
    assert found(document, ".//c:Ntry/c:AcctSvcrRef") == ["t1", "t2"]
    assert found(document, ".//c:Ntry//c:EndToEndId") == ["order1", "order2", "NOTPROVIDED"]
    assert found(document, ".//c:TtlNtries/c:Sum") == ["50.18"]
    assert found(document, ".//c:TtlNetNtry/c:Amt") == ["49.82"]


def test_another_reader_finds_the_same_sums(store: Store) -> None:
    a_traded_town(store)

    parser = Camt053Parser(told(store))

    entries = parser.get_transactions()
    signs = {"CRDT": 1, "DBIT": -1}
    moved = sum(signs[each["CreditDebitIndicator"]] * Decimal(str(each["Amount"])) for each in entries)
    assert moved == Decimal("49.82")


def test_statements_of_days_that_follow_each_other_meet(store: Store) -> None:
    a_traded_town(store)

    before, after = told(store, first=DAY - timedelta(days=1), last=DAY - timedelta(days=1)), told(store)

    assert found(before, ".//c:Bal/c:Amt")[1] == found(after, ".//c:Bal/c:Amt")[0] == "50.00"


def test_a_statement_made_again_is_the_same_to_the_byte(store: Store) -> None:
    a_traded_town(store)

    first = told(store)

    assert clearing.camt053(store, WECHAT, first_day=DAY, last_day=DAY, now=AFTER + 9 * HOUR) == first


def test_a_day_without_anything_has_balances_alone(store: Store) -> None:
    a_traded_town(store)
    last = DAY + timedelta(days=1)

    document = told(store, first=last, last=last)

    assert camt053_faults(document) == []
    assert found(document, ".//c:Bal/c:Amt") == ["99.82", "99.82"]
    assert found(document, ".//c:Ntry") == []


def test_an_account_below_zero_is_told_as_a_debit(store: Store) -> None:
    town = a_town(store)
    booked(store, town.suspense_id, {PROVIDER_FEE: 18, cash(WECHAT): -18}, kind=PostingKind.PROVIDER_FEE)

    document = told(store)

    assert camt053_faults(document) == []
    assert found(document, ".//c:Bal/c:CdtDbtInd") == ["CRDT", "DBIT"]


def test_the_day_is_of_the_site_and_not_of_greenwich(store: Store) -> None:
    town = a_town(store, authorities=(PLATFORM,))
    midnight = datetime(2026, 11, 21, 16, tzinfo=UTC)  # in Shanghai
    paid(store, town.homes[0], name="1", amount_minor=1_000, now=midnight - timedelta(seconds=1))
    paid(store, town.homes[0], name="2", amount_minor=2_000, now=midnight)

    assert found(told(store), ".//c:Ntry/c:Amt") == ["20.00"]


def test_what_undoes_a_payment_names_it_and_says_that_it_undoes(store: Store) -> None:
    town = a_town(store, authorities=(PLATFORM,))
    known = a_posting(town.homes[0].account_id)
    with store.transaction() as tx:
        tx.book([known, replace(a_reversal(known), booked_at=NOON + HOUR)])

    document = told(store)

    assert camt053_faults(document) == []
    assert found(document, ".//c:Ntry/c:RvslInd") == ["true"]


def test_signs_of_markup_and_control_in_numbers_do_no_harm(store: Store) -> None:
    a_town(store, authorities=(PLATFORM,))
    notice = replace(a_notice(), transaction_no="<t>&\x01" + "9" * 60, reference='"o" ]]>')
    vend.accept_payments(store, [notice], now=NOON)

    document = told(store)

    assert camt053_faults(document) == []
    assert found(document, ".//c:Ntry/c:AcctSvcrRef") == [("<t>&" + "9" * 60)[:35]]
    assert "<t>&" + "9" * 60 in found(document, ".//c:Ustrd")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"<BkTxCd>", b"<BkTxCx>"),
        (b"<Cd>OPBD</Cd>", b"<Cd></Cd>"),
        (b'<Amt Ccy="CNY">20.00</Amt>', b"<Amt>20.00</Amt>"),
        (b'<Amt Ccy="CNY">20.00</Amt>', b'<Amt Ccy="CNY">20,00</Amt>'),
        (b"<CdtDbtInd>CRDT</CdtDbtInd>", b"<CdtDbtInd>IN</CdtDbtInd>"),
    ],
)  # fmt: skip
def test_the_schema_refuses_what_is_wrong(store: Store, old: bytes, new: bytes) -> None:
    a_traded_town(store)
    document = told(store)
    assert old in document

    spoilt = document.replace(old, new).replace(old.replace(b"<", b"</"), new.replace(b"<", b"</"))

    assert camt053_faults(spoilt)


def test_a_statement_without_the_sort_of_its_entries_is_refused(store: Store) -> None:
    a_traded_town(store)
    tree = etree.fromstring(told(store))
    for entry in tree.iterfind(".//c:Ntry", NAMESPACE):
        entry.remove(entry.find("c:BkTxCd", NAMESPACE))

    assert any("BkTxCd" in fault for fault in camt053_faults(etree.tostring(tree)))


def test_days_that_go_on_have_no_statement(store: Store) -> None:
    a_traded_town(store)

    with pytest.raises(DaysNotOver):
        clearing.camt053(store, WECHAT, first_day=DAY, last_day=DAY, now=NOON + HOUR)


def test_a_provider_that_nobody_knows_is_refused(store: Store) -> None:
    a_traded_town(store)

    with pytest.raises(ProviderUnknown):
        told(store, provider="alipay")


def test_more_than_a_file_holds_is_refused(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    a_traded_town(store)
    monkeypatch.setattr(clearing, "MOVEMENTS_MAX", 2)

    with pytest.raises(TooMuchForOneFile):
        told(store)


def test_money_of_others_under_the_same_code_is_not_in_it(store: Store) -> None:
    town = a_traded_town(store)
    with store.transaction() as tx:
        span = clearing.Span(
            organisation_id=town.organisation_id + 1, code=cash(WECHAT), since=NOON, until=AFTER
        )

        assert tx.clearing.movements(span, limit=9) == []
        assert tx.clearing.held_minor(span) == {}


def test_a_payout_is_swept_under_the_number_of_the_provider(store: Store) -> None:
    town = a_traded_town(store)
    at = NOON + HOUR
    payout = Payout(
        provider=WECHAT,
        payout_no="w1",
        organisation_id=town.organisation_id,
        day=DAY,
        amount_minor=4_000,
        currency="CNY",
        at=at,
        posting_id=an_id("posting swept"),
    )
    kind = PostingKind.PAYOUT
    booked(store, town.suspense_id, {BANK: 4_000, cash(WECHAT): -4_000}, kind=kind, name="swept")
    with store.transaction() as tx:
        tx.bank.put_payouts([payout])

    document = told(store)

    assert camt053_faults(document) == []
    assert found(document, ".//c:SubFmlyCd")[-1] == "SWEP"
    assert found(document, ".//c:Ntry/c:AcctSvcrRef")[-1] == "w1"
    assert found(document, ".//c:ValDt/c:DtTm")[-1] == "2026-11-22T05:00:00.000Z"
