"""The machines' API to the books: the journal in pages, exports and answers, invoices, what is closed."""

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from tests.contract.door import Place, bearer, closing_store
from tests.contract.test_invoices import CASA
from tests.unit.payments.wechat_side import NOON
from tests.unit.services.town import a_posting, an_id, an_opening

from compuerta.adapters.books.writers import writer_of
from compuerta.adapters.postgres.store import PostgresStore
from compuerta.apps.api.keys import make_key
from compuerta.domain.access import Right
from compuerta.domain.ledger import DELIVERED, REVENUE_ENERGY, Posting, PostingKind, transfer
from compuerta.domain.party import AccountKind
from compuerta.services import exporting, invoicing
from compuerta.services.acting import Actor
from compuerta.services.bookkeeping import Wish
from compuerta.services.export_port import Form, Part
from compuerta.services.invoice_port import Invoice, Seller

pytestmark = pytest.mark.postgres
ANA = Actor(who="ana", why="the month", origin="console")
NOVEMBER = date(2026, 11, 1)
IN_FEBRUARY = NOON + timedelta(days=80)
TODAY = "2026-11-21"


@pytest.fixture(scope="module")
def store(place: Place) -> Iterator[PostgresStore]:
    """The door's database, with five uses of a home on one day."""
    with closing_store(place.url) as store:
        lines = transfer(debit=DELIVERED, credit=REVENUE_ENERGY, amount_minor=10)
        uses = [
            Posting(
                account_id=place.home.account_id,
                posting_id=an_id(f"use {number}"),
                kind=PostingKind.CHARGE,
                currency="CNY",
                lines=lines,
                booked_at=NOON + timedelta(seconds=number // 2),
                cause_id=an_id(f"cause {number}"),
            )
            for number in range(5)
        ]
        with store.transaction() as tx:
            tx.book(uses)
        yield store


@pytest.fixture(scope="module")
def key(place: Place) -> str:
    scopes = [Right.SEE_MONEY.value, Right.KEEP_BOOKS.value]
    return make_key(place.url, name="erp", organisation_id=place.organisation_id, scopes=scopes)


@pytest.fixture(scope="module")
def export_no(place: Place, store: PostgresStore) -> int:
    wish = Wish(organisation_id=place.organisation_id, form=Form.CSV, month=NOVEMBER, part=Part.JOURNAL)
    made = exporting.make(
        store, wish, writer=writer_of(Form.CSV), actor=ANA, now=IN_FEBRUARY, told=lambda done, of_all: None
    )
    return made.export.export_no


@pytest.fixture(scope="module")
def invoice(place: Place, store: PostgresStore) -> Invoice:
    seller = Seller(organisation_id=place.organisation_id, party=CASA)
    invoicing.set_seller(store, seller, actor=ANA, act_id=an_id("seller"), now=NOON)
    made = invoicing.issue(store, place.home.account_id, NOVEMBER, actor=ANA, now=IN_FEBRUARY)
    assert made is not None
    return made


def day_of(place: Place) -> str:
    site = place.rows("select zone from site where site_id = 1")[0]
    (row,) = place.rows("select (%s at time zone %s)::date::text as day", NOON, site["zone"])
    return str(row["day"])


def pages(place: Place, key: str, *, limit: int) -> list[list[dict[str, Any]]]:
    found, after = [], ""
    while after is not None:
        asked = f"&after={after}" if after else ""
        page = place.ask(f"/sites/1/journal/{day_of(place)}?limit={limit}{asked}", key=key).json()
        found.append(page["postings"])
        after = page["next"]
    return found


def test_the_pages_of_a_journal_are_the_whole_day_once_and_in_order(
    place: Place, store: PostgresStore, key: str
) -> None:
    (whole,) = pages(place, key, limit=1_000)
    parts = pages(place, key, limit=2)

    assert [each for page in parts for each in page] == whole
    assert {str(an_id(f"use {number}")) for number in range(5)} <= {each["posting_id"] for each in whole}
    assert all(one["booked_at"] <= other["booked_at"] for one, other in pairwise(whole))
    assert {sum(line["amount_minor"] for line in each["lines"]) for each in whole} == {0}


def test_where_midnight_comes_twice_a_day_begins_with_the_first(
    place: Place, store: PostgresStore, key: str
) -> None:
    """Havana puts its clocks back from one o'clock to midnight."""
    first = datetime(2026, 11, 1, 4, 30, tzinfo=UTC)
    with store.transaction() as tx:
        site_id = tx.add_site(
            organisation_id=place.organisation_id, name="Habana", zone="America/Havana", currency="CNY"
        )
        account_id = tx.add_account(
            an_opening(site_id, name="flat", meter_id=None, kind=AccountKind.SUSPENSE, opened_at=NOON)
        )
        lines = transfer(debit=DELIVERED, credit=REVENUE_ENERGY, amount_minor=10)
        tx.book([replace(a_posting(account_id, name="twice", lines=lines), booked_at=first)])

    def booked_on(day: str) -> int:
        return len(place.ask(f"/sites/{site_id}/journal/{day}", key=key).json()["postings"])

    assert (booked_on("2026-10-31"), booked_on("2026-11-01")) == (0, 1)
    assert place.ask(f"/sites/{site_id}/journal/9999-12-31", key=key).status_code == 422


@pytest.mark.parametrize("after", ["x", "1.2", "1.2.3'; drop table posting"])
def test_a_mark_that_is_none_of_ours_is_refused(place: Place, key: str, after: str) -> None:
    answer = place.client.get(
        f"/api/v1/sites/1/journal/{TODAY}", headers=bearer(key), params={"after": after}
    )

    assert answer.status_code == 422


def test_the_journal_of_a_site_next_door_is_not_there(place: Place, key: str) -> None:
    (theirs,) = place.rows(
        "select site_id from site where organisation_id <> %s limit 1", place.organisation_id
    )

    assert place.ask(f"/sites/{theirs['site_id']}/journal/{TODAY}", key=key).status_code == 404


def test_an_export_is_listed_and_fetched_to_the_byte(place: Place, key: str, export_no: int) -> None:
    listed = {each["export_no"]: each for each in place.ask("/exports", key=key).json()}

    fetched = place.ask(f"/exports/{export_no}/content", key=key)

    assert hashlib.sha256(fetched.content).hexdigest() == listed[export_no]["digest"]
    assert len(fetched.content) == listed[export_no]["size"]
    assert place.ask(f"/exports?after={export_no}", key=key).json() == []


def test_an_answer_of_the_other_books_is_taken_once(place: Place, key: str, export_no: int) -> None:
    said = {"answers": [{"voucher_no": 1, "ok": True, "their_no": "R-17"}]}
    path = f"/api/v1/exports/{export_no}/acknowledgements"

    answers = [place.client.post(path, headers=bearer(key), json=said) for _ in range(2)]

    assert [each.json() for each in answers] == [{"new": 1}, {"new": 0}]


def test_an_answer_that_contradicts_is_refused_and_changes_nothing(
    place: Place, key: str, export_no: int
) -> None:
    said = {"answers": [{"voucher_no": 10_000, "ok": True, "their_no": "R-18"}]}

    answer = place.client.post(
        f"/api/v1/exports/{export_no}/acknowledgements", headers=bearer(key), json=said
    )

    assert answer.status_code == 422


def test_an_export_that_was_never_made_is_not_there(place: Place, key: str) -> None:
    assert place.ask("/exports/999/content", key=key).status_code == 404


def test_an_invoice_is_listed_and_fetched_as_it_was_issued(place: Place, key: str, invoice: Invoice) -> None:
    (listed,) = place.ask("/invoices?month=2026-11", key=key).json()
    fetched = place.ask(f"/accounts/{invoice.account_id}/invoices/{invoice.invoice_id}", key=key)

    assert (listed["number"], listed["total_minor"]) == (invoice.name, invoice.total_minor)
    assert fetched.content == invoicing.document_of(invoice)
    assert fetched.headers["content-type"].startswith("application/xml")


def test_an_invoice_of_next_door_is_not_there(place: Place, key: str, invoice: Invoice) -> None:
    theirs = place.rows(
        "select account_id from account where organisation_id <> %s limit 1", place.organisation_id
    )

    path = f"/accounts/{theirs[0]['account_id']}/invoices/{invoice.invoice_id}"
    assert place.ask(path, key=key).status_code == 404


def test_closed_days_are_listed_between_two_days(place: Place, store: PostgresStore, key: str) -> None:
    with store.transaction() as tx:
        tx.run(
            """insert into site_day
            (site_id, day, organisation_id, zone, currency, starts_at, ends_at, step, done_at)
        values (1, '2026-11-20', 1, 'Asia/Shanghai', 'CNY', now() - interval '1 day', now(), 'done', now()),
            (1, '2026-11-21', 1, 'Asia/Shanghai', 'CNY', now() - interval '1 day', now(), 'rolling', null)
        on conflict do nothing""",
            {},
        )

    found = place.ask("/closed-days?since=2026-11-01&until=2026-11-30", key=key).json()

    assert [each["day"] for each in found] == ["2026-11-20"]
    assert place.ask("/closed-days?since=2026-11-01&until=2028-11-30", key=key).status_code == 422
    assert place.ask("/closed-days?since=9999-12-31&until=9999-12-31", key=key).json() == []
    assert place.ask("/closed-months", key=key).json() == []


def test_a_key_of_one_site_fetches_no_books_of_the_organisation(
    place: Place, store: PostgresStore, export_no: int
) -> None:
    key = make_key(
        place.url,
        name="of a site",
        organisation_id=place.organisation_id,
        scopes=[Right.SEE_MONEY.value, Right.KEEP_BOOKS.value],
        site_id=1,
    )

    for path in ("/exports", f"/exports/{export_no}/content", "/invoices?month=2026-11", "/closed-months"):
        assert place.ask(path, key=key).status_code == 403
    assert place.ask(f"/sites/1/journal/{TODAY}", key=key).status_code == 200
