"""Invoices in both stores: valid by EN 16931, as much as the books have earned, and numbered without gaps."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date, timedelta

import pytest
from lxml import etree
from tests.contract.conftest import Shelf
from tests.contract.documents import ubl_faults
from tests.unit.services.town import (
    HOUR,
    NOON,
    PLATFORM,
    Home,
    Town,
    a_posting,
    a_reversal,
    a_town,
    an_id,
    paid,
    told,
)

from compuerta.adapters.memory import MemoryStore
from compuerta.adapters.postgres.store import PostgresStore
from compuerta.adapters.tariffs import LIBRARY, load_tariffs
from compuerta.apps.desk import tried
from compuerta.domain.ledger import DELIVERED, FEE, INCOME, REVENUE_ENERGY, TAX, Line, PostingKind
from compuerta.domain.tariff.components import Tariff
from compuerta.domain.tariff.document import tariff_from
from compuerta.drivers.abilities import Relay
from compuerta.services import invoicing
from compuerta.services.acting import Actor, ReasonMissing
from compuerta.services.invoice_port import Buyer, Invoice, Seller
from compuerta.services.invoicing import (
    AccountNotInvoiced,
    DocumentDiffers,
    InvoiceTakenBack,
    InvoiceUnknown,
    MonthNotOver,
    PartyFaulty,
    SellerMissing,
    Taking,
)
from compuerta.services.store_port import Store
from compuerta.wire.ubl.writing import Kind, Party

ANA = Actor(who="ana", why="the name was wrong", origin="console")
NOVEMBER, DECEMBER = date(2026, 11, 1), date(2026, 12, 1)
IN_FEBRUARY = NOON + timedelta(days=80)
CASA = Party(name="Casa", country="ES", tax_id="ESB12345674", street="Calle 1", city="León", postcode="24001")
TAXED = tariff_from(
    {
        "name": "Taxed",
        "currency": "CNY",
        "components": [
            {
                "kind": "energy",
                "name": "Energy",
                "periods": [{"name": "any time", "prices": ["0.50", "0.80"]}],
                "steps": {"window": "month", "bounds_kwh": ["100"]},
            },
            {"kind": "percent", "name": "VAT", "account": "tax", "percent": "13"},
        ],
    }
)
TAXED_WITHIN = replace(
    TAXED,
    components=(TAXED.components[0], replace(TAXED.components[1], included=True)),  # type: ignore[call-arg]
)


def a_used_town(store: Store, *, tariff: Tariff | None = TAXED, homes: int = 1, seller: bool = True) -> Town:
    """Return a town whose homes used 120 kWh in November and 30 kWh in December."""
    town = a_town(store, authorities=(PLATFORM,) * homes, tariff=tariff)
    for number, home in enumerate(town.homes, start=1):
        paid(store, home, name=str(number), amount_minor=50_000)
        told(store, home, at=NOON + HOUR, energy_wh=20_000, relay=Relay.CLOSED)
        told(store, home, at=NOON + 50 * HOUR, energy_wh=120_000, relay=Relay.CLOSED)
        told(store, home, at=NOON + timedelta(days=12), energy_wh=150_000, relay=Relay.CLOSED)
    if seller:
        sells(store, town)
    return town


def sells(store: Store, town: Town, party: Party = CASA, *, series: str = "A") -> None:
    seller = Seller(organisation_id=town.organisation_id, party=party, series=series)
    invoicing.set_seller(store, seller, actor=ANA, act_id=an_id(f"{party} {series}"), now=NOON)


def issued(store: Store, home: Home, month: date = NOVEMBER) -> Invoice:
    made = invoicing.issue(store, home.account_id, month, actor=ANA, now=IN_FEBRUARY)
    assert made is not None
    return made


def taken_back(store: Store, town: Town, invoice: Invoice, *, actor: Actor = ANA) -> Invoice:
    taking = Taking(
        organisation_id=town.organisation_id,
        account_id=invoice.account_id,
        invoice_id=invoice.invoice_id,
        act_id=an_id(f"back {invoice.name}"),
    )
    return invoicing.take_back(store, taking, actor=actor, now=IN_FEBRUARY + HOUR)


def texts(document: bytes, name: str) -> list[str]:
    return [each.text or "" for each in etree.fromstring(document).iter(f"{{*}}{name}")]


def spoilt(document: bytes, name: str, text: str) -> bytes:
    """Return a document with another text in the first element of a name."""
    tree = etree.fromstring(document)
    next(tree.iter(f"{{*}}{name}")).text = text
    return etree.tostring(tree)


@pytest.mark.slow
def test_an_invoice_tells_each_step_its_tax_and_that_all_is_paid(store: Store) -> None:
    town = a_used_town(store)

    document = invoicing.document_of(issued(store, town.homes[0]))

    assert ubl_faults(document) == []
    assert texts(document, "InvoicedQuantity") == ["100", "20"]
    assert texts(document, "LineExtensionAmount") == ["66.00", "50.00", "16.00"]
    assert texts(document, "TaxAmount") == ["8.58", "8.58"]
    assert texts(document, "TaxInclusiveAmount") == texts(document, "PrepaidAmount") == ["74.58"]
    assert texts(document, "PayableAmount") == ["0.00"]


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(load_tariffs(LIBRARY)))
def test_what_every_tariff_of_the_library_charges_is_a_valid_invoice(name: str) -> None:
    store = MemoryStore()
    town = a_used_town(store, tariff=load_tariffs(LIBRARY)[name])

    made = issued(store, town.homes[0])

    assert ubl_faults(invoicing.document_of(made)) == []
    assert made.total_minor == earned_minor(store, town.homes[0])[NOVEMBER]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("element", "text", "rule"),
    [
        ("TaxInclusiveAmount", "74.59", "BR-CO-15"),
        ("PayableAmount", "0.01", "BR-CO-16"),
        ("TaxExclusiveAmount", "66.01", "BR-CO-13"),
        ("CompanyID", "B12345674", "BR-CO-09"),
        ("RegistrationName", " ", "BR-06"),
    ],
)
def test_the_rules_refuse_what_is_wrong(element: str, text: str, rule: str) -> None:
    store = MemoryStore()
    document = invoicing.document_of(issued(store, a_used_town(store).homes[0]))

    assert rule in ubl_faults(spoilt(document, element, text))


def test_the_schema_refuses_an_amount_without_its_currency() -> None:
    store = MemoryStore()
    tree = etree.fromstring(invoicing.document_of(issued(store, a_used_town(store).homes[0])))
    del next(tree.iter("{*}PayableAmount")).attrib["currencyID"]

    assert any("currencyID" in fault for fault in ubl_faults(etree.tostring(tree)))


@pytest.mark.slow
def test_a_tax_within_the_price_is_told_apart_from_it() -> None:
    store = MemoryStore()
    town = a_used_town(store, tariff=TAXED_WITHIN)

    made = issued(store, town.homes[0])

    document = invoicing.document_of(made)
    assert ubl_faults(document) == []
    assert (made.net_minor, made.tax_minor, made.total_minor) == (5_841, 759, 6_600)
    assert texts(document, "PriceAmount") == ["0.44247788", "0.7079646"]


@pytest.mark.slow
def test_what_was_earned_beside_use_and_what_was_undone_is_told_too(store: Store) -> None:
    town = a_used_town(store)
    home = town.homes[0]
    fee = a_posting(
        home.account_id,
        name="fee",
        lines=(Line(code=DELIVERED, amount_minor=300), Line(code=FEE, amount_minor=-300)),
    )
    undone = a_posting(
        home.account_id,
        kind=PostingKind.CHARGE,
        lines=(Line(code=DELIVERED, amount_minor=100), Line(code=REVENUE_ENERGY, amount_minor=-100)),
    )
    with store.transaction() as tx:
        tx.book([fee, replace(undone, booked_at=NOON - timedelta(days=60)), a_reversal(undone)])

    made = issued(store, home)

    document = invoicing.document_of(made)
    assert ubl_faults(document) == []
    assert made.total_minor == 7_458 + 300 - 100
    assert texts(document, "InvoicedQuantity")[2:] == ["1", "-1"]


@pytest.mark.slow
def test_a_month_that_comes_to_less_than_nothing_is_a_credit_note(store: Store) -> None:
    town = a_used_town(store)
    lines = (Line(code=REVENUE_ENERGY, amount_minor=90_000), Line(code=DELIVERED, amount_minor=-90_000))
    back = a_posting(town.homes[0].account_id, kind=PostingKind.SETTLEMENT, lines=lines)
    with store.transaction() as tx:
        tx.book([back])

    made = issued(store, town.homes[0])

    assert made.kind is Kind.CREDIT_NOTE
    assert made.total_minor == 90_000 - 7_458
    assert ubl_faults(invoicing.document_of(made)) == []


def test_the_invoices_of_all_months_come_to_what_the_books_have_earned() -> None:
    store = MemoryStore()
    town = a_used_town(store, homes=3)

    for home in town.homes:
        by_month = earned_minor(store, home)
        assert {month: issued(store, home, month).total_minor for month in by_month} == by_month
        assert sorted(by_month) == [NOVEMBER, DECEMBER]


def earned_minor(store: MemoryStore, home: Home) -> dict[date, int]:
    """Return what the ledger has earned of a home, by month of Shanghai."""
    sums: dict[date, int] = {}
    for posting in store.tables.postings.values():
        if posting.account_id == home.account_id:
            month = (posting.booked_at + 8 * HOUR).date().replace(day=1)
            earned = -sum(line.amount_minor for line in posting.lines if line.code in INCOME)
            sums[month] = sums.get(month, 0) + earned
    return {month: minor for month, minor in sums.items() if minor}


def test_an_invoice_asked_for_again_is_the_same_one(shelf: Shelf) -> None:
    town = a_used_town(shelf.store)

    first = issued(shelf.store, town.homes[0])
    again = invoicing.issue(
        shelf.store, town.homes[0].account_id, NOVEMBER, actor=ANA, now=IN_FEBRUARY + HOUR
    )

    assert again == first
    assert shelf.count("invoice") == 1
    assert invoicing.document_of(first) == invoicing.document_of(again)


def test_an_invoice_stays_as_it_was_issued_whatever_is_said_of_its_parties_later(store: Store) -> None:
    town = a_used_town(store)
    before = invoicing.document_of(issued(store, town.homes[0]))

    sells(store, town, replace(CASA, name="Other"), series="B")

    assert invoicing.document_of(issued(store, town.homes[0])) == before
    assert issued(store, town.homes[0], DECEMBER).name == "B-000001"


def test_a_sheet_that_somebody_has_changed_is_found_out(store: Store) -> None:
    made = issued(store, a_used_town(store).homes[0])

    with pytest.raises(DocumentDiffers):
        invoicing.document_of(replace(made, sheet=made.sheet.replace("Calle 1", "Calle 2")))


@pytest.mark.slow
def test_a_credit_note_takes_an_invoice_back_and_the_month_is_invoiced_once_more(store: Store) -> None:
    town = a_used_town(store)
    home = town.homes[0]
    wrong = issued(store, home)

    note = taken_back(store, town, wrong)
    with store.transaction() as tx:
        assert tx.invoices.standing(town.organisation_id, month=NOVEMBER) == set()
    buyer = Party(name="Ana & <Co>", country="ES", tax_id="ESX1234567L")
    invoicing.set_buyer(
        store, Buyer(account_id=home.account_id, party=buyer), actor=ANA, act_id=an_id("b"), now=NOON
    )
    right = issued(store, home)

    document = invoicing.document_of(note)
    assert (wrong.name, note.name, right.name) == ("A-000001", "A-000002", "A-000003")
    assert ubl_faults(document) == ubl_faults(invoicing.document_of(right)) == []
    assert texts(document, "CreditNoteTypeCode") == ["381"]
    assert wrong.name in texts(document, "ID")
    assert texts(invoicing.document_of(right), "RegistrationName") == ["Casa", "Ana & <Co>"]
    assert (note.total_minor, right.total_minor) == (wrong.total_minor, wrong.total_minor)


def test_an_invoice_is_taken_back_once_and_with_a_reason(store: Store) -> None:
    town = a_used_town(store)
    made = issued(store, town.homes[0])

    with pytest.raises(ReasonMissing):
        taken_back(store, town, made, actor=replace(ANA, why=" "))
    note = taken_back(store, town, made)

    for each in (made, note):
        with pytest.raises(InvoiceTakenBack):
            taken_back(store, town, each)


def test_an_invoice_of_another_organisation_is_not_there(store: Store) -> None:
    town = a_used_town(store)
    made = issued(store, town.homes[0])

    with pytest.raises(InvoiceUnknown):
        taken_back(store, replace(town, organisation_id=town.organisation_id + 1), made)


@pytest.mark.postgres
@pytest.mark.slow
def test_many_at_once_leave_no_gap_and_no_number_twice(postgres_url: str) -> None:
    def asked(home: Home) -> Invoice:
        store = PostgresStore(postgres_url)
        try:
            return tried(store, lambda each: issued(each, home))
        finally:
            store.shut()

    store = PostgresStore(postgres_url)
    town = a_used_town(store, homes=8)
    store.shut()

    with ThreadPoolExecutor(4) as crew:
        made = list(crew.map(asked, [*town.homes, *town.homes]))

    assert {each.number for each in made} == set(range(1, 9))


def test_a_number_that_was_not_used_is_given_again(store: Store) -> None:
    town = a_used_town(store)

    with pytest.raises(ZeroDivisionError), store.transaction() as tx:
        tx.invoices.next_number(town.organisation_id, "A")
        raise ZeroDivisionError

    assert issued(store, town.homes[0]).number == 1


def test_nothing_used_is_no_invoice_and_takes_no_number(store: Store) -> None:
    town = a_used_town(store)

    nothing = invoicing.issue(store, town.homes[0].account_id, date(2026, 10, 1), actor=ANA, now=IN_FEBRUARY)

    assert nothing is None
    assert issued(store, town.homes[0]).number == 1


def test_accounts_of_a_month_are_those_that_something_was_earned_of(store: Store) -> None:
    town = a_used_town(store, homes=2)

    accounts = [home.account_id for home in town.homes]
    assert invoicing.to_invoice(store, town.organisation_id, NOVEMBER) == accounts
    assert invoicing.to_invoice(store, town.organisation_id, date(2026, 9, 1)) == []
    assert invoicing.to_invoice(store, town.organisation_id + 1, NOVEMBER) == []


def test_invoices_are_listed_by_month_and_number(store: Store) -> None:
    town = a_used_town(store, homes=2)
    made = [issued(store, home, month) for month in (NOVEMBER, DECEMBER) for home in reversed(town.homes)]

    with store.transaction() as tx:
        first, second = made[:2]
        assert tx.invoices.invoices(town.organisation_id, month=NOVEMBER, after=("", 0), limit=1) == [first]
        assert tx.invoices.invoices(town.organisation_id, month=NOVEMBER, after=("A", 1), limit=9) == [second]
        assert tx.invoices.invoice(made[0].account_id, made[0].invoice_id) == made[0]
        assert tx.invoices.invoice(made[1].account_id, made[0].invoice_id) is None


def test_a_month_that_goes_on_is_not_invoiced(store: Store) -> None:
    town = a_used_town(store)

    with pytest.raises(MonthNotOver):
        invoicing.issue(store, town.homes[0].account_id, DECEMBER, actor=ANA, now=NOON + timedelta(days=20))


def test_without_a_seller_nothing_is_invoiced_and_the_reason_says_what_to_do(store: Store) -> None:
    town = a_used_town(store, seller=False)

    with pytest.raises(SellerMissing, match="compuerta export seller"):
        issued(store, town.homes[0])


def test_an_account_that_buys_nothing_is_not_invoiced(store: Store) -> None:
    town = a_used_town(store)

    with pytest.raises(AccountNotInvoiced):
        invoicing.issue(store, town.suspense_id, NOVEMBER, actor=ANA, now=IN_FEBRUARY)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": " "}, "name"),
        ({"name": "\x7f\x01"}, "name"),
        ({"country": "Spain"}, "country"),
        ({"tax_id": "B12345674"}, "tax_id"),
        ({"tax_id": ""}, "tax_id"),
        ({"city": "x" * 201}, "city"),
    ],
)
def test_a_seller_that_no_invoice_could_name_is_refused(change: dict[str, str], field: str) -> None:
    store = MemoryStore()
    town = a_used_town(store, seller=False)

    with pytest.raises(PartyFaulty) as refused:
        sells(store, town, replace(CASA, **change))

    assert refused.value.field == field


def test_who_sells_is_kept_with_who_said_so(store: Store) -> None:
    town = a_used_town(store)

    with store.transaction() as tx:
        known = tx.invoices.seller(town.organisation_id)

    assert known == Seller(organisation_id=town.organisation_id, party=CASA)


@pytest.mark.slow
def test_a_fee_on_recharges_carries_its_tax() -> None:
    store = MemoryStore()
    town = a_used_town(store, tariff=TAXED)
    home = town.homes[0]
    with store.transaction() as tx:
        tx.put_policy(scope="account", scope_id=home.account_id, document='{"recharge_fee_tax_ppm": 60000}')
        tx.book([
            a_posting(
                home.account_id,
                lines=(
                    Line(code=DELIVERED, amount_minor=530),
                    Line(code=FEE, amount_minor=-500),
                    Line(code=TAX, amount_minor=-30),
                ),
            )
        ])  # fmt: skip

    made = issued(store, home)

    document = invoicing.document_of(made)
    assert ubl_faults(document) == []
    assert sorted(set(texts(document, "Percent"))) == ["13", "6"]
    assert made.total_minor == 7_458 + 530
