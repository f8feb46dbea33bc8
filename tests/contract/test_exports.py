"""Exports in both stores: a month is told the same way twice, under one number, in a chain that holds."""

import csv
import io
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from tests.contract.conftest import Shelf
from tests.unit.services.town import METER, NOON, PLATFORM, WECHAT, Town, a_posting, a_town, an_id

from compuerta.adapters.books.sheets import Csv
from compuerta.domain.chart import INTERNATIONAL, ChartRow, CodeUnmapped
from compuerta.domain.ledger import (
    DELIVERED,
    FEE,
    REVENUE_ENERGY,
    UNDELIVERED,
    Line,
    Posting,
    PostingKind,
    cash,
    transfer,
)
from compuerta.domain.money import CurrencyUnknown
from compuerta.domain.voucher import KINGDEE
from compuerta.services import acknowledging, bookkeeping, charting, exporting
from compuerta.services.acknowledging import Acknowledgement, AnswerContradicts, AnswerUnfit, MonthElsewhere
from compuerta.services.acting import Actor
from compuerta.services.bookkeeping import Wish
from compuerta.services.export_port import Answer, Form, Part
from compuerta.services.exporting import Made
from compuerta.services.period_port import MonthClose
from compuerta.services.store_port import Store

ANA = Actor(who="ana", why="the month", origin="console")
NOVEMBER = date(2026, 11, 1)
LATER = datetime(2026, 12, 2, tzinfo=UTC)
DAY = timedelta(days=1)


def silent(done: int, of_all: int) -> None:
    """Show no progress."""


def a_wish(town: Town, *, part: Part = Part.JOURNAL) -> Wish:
    return Wish(organisation_id=town.organisation_id, form=Form.CSV, month=NOVEMBER, part=part)


def made(store: Store, town: Town, *, part: Part = Part.JOURNAL, wish: Wish | None = None) -> Made:
    return exporting.make(
        store, wish or a_wish(town, part=part), writer=Csv(), actor=ANA, now=LATER, told=silent
    )


def the_rows(store: Store, town: Town, export_no: int) -> list[dict[str, str]]:
    _, file = exporting.content(store, organisation_id=town.organisation_id, export_no=export_no)
    return list(csv.DictReader(io.StringIO(file.decode("utf-8-sig"))))


def booked(store: Store, *postings: Posting) -> None:
    with store.transaction() as tx:
        tx.book(postings)


def a_sale(
    town: Town, name: str, *, home: int = 0, at: datetime = NOON, amount_minor: int = 5_000
) -> Posting:
    posting = a_posting(town.homes[home].account_id, name=name, amount_minor=amount_minor)
    return replace(posting, booked_at=at)


def a_use(town: Town, name: str, *, home: int = 0, at: datetime = NOON, amount_minor: int = 1_234) -> Posting:
    lines = transfer(debit=DELIVERED, credit=REVENUE_ENERGY, amount_minor=amount_minor)
    posting = a_posting(town.homes[home].account_id, name=name, kind=PostingKind.CHARGE, lines=lines)
    return replace(posting, booked_at=at)


def a_busy_town(store: Store) -> Town:
    town = a_town(store, authorities=(PLATFORM, METER))
    booked(
        store,
        a_sale(town, "october", at=NOON - 30 * DAY),
        a_sale(town, "one"),
        a_sale(town, "two", home=1, amount_minor=1),
        a_use(town, "use"),
        # In Shanghai it is the next day already.
        a_use(town, "late", home=1, at=datetime(2026, 11, 22, 16, tzinfo=UTC), amount_minor=7),
        a_sale(town, "december", at=datetime(2026, 11, 30, 16, tzinfo=UTC)),
    )
    return town


def test_a_day_is_one_voucher_with_a_total_for_each_account(shelf: Shelf) -> None:
    town = a_busy_town(shelf.store)

    made(shelf.store, town)

    told = [
        (row["Date"], row["Voucher"], row["Account"], row["Detail"], row["Debit"], row["Credit"])
        for row in the_rows(shelf.store, town, 1)
    ]
    assert told == [
        ("2026-11-22", "1", "1012.01", "wechat", "50.01", ""),
        ("2026-11-22", "1", "2203.01", "", "", "50.01"),
        ("2026-11-22", "1", "2203.02", "", "12.34", ""),
        ("2026-11-22", "1", "6001.01", "", "", "12.34"),
        ("2026-11-23", "2", "2203.02", "", "0.07", ""),
        ("2026-11-23", "2", "6001.01", "", "", "0.07"),
    ]


def test_customers_add_up_to_their_control_account_each_day(shelf: Shelf) -> None:
    town = a_busy_town(shelf.store)

    made(shelf.store, town, part=Part.CUSTOMERS)

    told = [
        (
            row["Date"],
            row["Account"],
            row["Control account"],
            row["Debit"],
            row["Credit"],
            row["Control balance"],
        )
        for row in the_rows(shelf.store, town, 1)
        if row["Date"] in ("2026-11-01", "2026-11-22", "2026-11-23")
    ]
    first, second = (str(home.account_id) for home in town.homes)
    assert told == [
        ("2026-11-01", first, "2203.01", "", "50.00", ""),
        ("2026-11-01", "", "2203.01", "", "", "-50.00"),
        ("2026-11-01", "", "2203.01", "", "", "-50.00"),
        ("2026-11-22", first, "2203.02", "12.34", "", ""),
        ("2026-11-22", first, "2203.01", "", "50.00", ""),
        ("2026-11-22", second, "2203.01", "", "0.01", ""),
        ("2026-11-22", "", "2203.01", "", "", "-100.01"),
        ("2026-11-22", "", "2203.02", "", "", "12.34"),
        ("2026-11-23", second, "2203.02", "0.07", "", ""),
        ("2026-11-23", "", "2203.01", "", "", "-100.01"),
        ("2026-11-23", "", "2203.02", "", "", "12.41"),
    ]


@pytest.mark.parametrize("part", Part)
def test_the_same_books_are_the_same_number_and_the_same_bytes(shelf: Shelf, part: Part) -> None:
    town = a_busy_town(shelf.store)
    first = made(shelf.store, town, part=part)

    again = made(shelf.store, town, part=part)

    assert (first.is_new, again.is_new) == (True, False)
    assert again.export == first.export
    assert shelf.count("book_export") == shelf.count("audit") == 1


def test_books_that_went_on_are_a_new_number_that_names_the_old_one(shelf: Shelf) -> None:
    town = a_busy_town(shelf.store)
    first = made(shelf.store, town).export
    before = the_rows(shelf.store, town, 1)
    booked(shelf.store, a_use(town, "more"))

    second = made(shelf.store, town).export

    assert (second.export_no, second.replaces, second.previous) == (2, 1, first.seal)
    assert the_rows(shelf.store, town, 1) == before != the_rows(shelf.store, town, 2)


def test_the_chain_of_seals_tells_where_it_was_broken(shelf: Shelf) -> None:
    town = a_busy_town(shelf.store)
    made(shelf.store, town)
    made(shelf.store, town, part=Part.CUSTOMERS)

    exports = exporting.kept(shelf.store, organisation_id=town.organisation_id)

    assert exporting.broken_at(exports) is None
    assert exporting.broken_at([replace(exports[0], digest="0" * 64), exports[1]]) == 1
    assert exporting.broken_at(exports[1:]) == 1
    assert exporting.broken_at([exports[0], replace(exports[1], made_by="eve")]) == 2


def test_a_code_without_an_account_is_refused_by_name(shelf: Shelf) -> None:
    town = a_busy_town(shelf.store)
    lines = transfer(debit=cash("nobody"), credit=FEE, amount_minor=1)
    booked(shelf.store, a_posting(town.homes[0].account_id, name="stranger", lines=lines))

    with pytest.raises(CodeUnmapped) as refusal:
        made(shelf.store, town)

    assert refusal.value.codes == ("cash:nobody",)
    assert shelf.count("book_export") == 0


def test_a_code_that_was_refused_gets_an_account_and_goes_out(shelf: Shelf) -> None:
    town = a_busy_town(shelf.store)
    lines = transfer(debit=cash("nobody"), credit=FEE, amount_minor=1)
    booked(shelf.store, a_posting(town.homes[0].account_id, name="stranger", lines=lines))
    rechartered(shelf.store, town, ChartRow(key="cash:nobody", number="1999", name="Nobody"))

    made(shelf.store, town)

    assert "1999" in {row["Account"] for row in the_rows(shelf.store, town, 1)}


def test_an_own_chart_is_told_from_then_on(shelf: Shelf) -> None:
    town = a_busy_town(shelf.store)
    own = {**INTERNATIONAL, "cash:wechat": ChartRow(key="cash:wechat", number="1101", name="WeChat")}
    act = {"organisation_id": town.organisation_id, "actor": ANA, "act_id": an_id("chart"), "now": NOON}

    changed = charting.save_chart(shelf.store, list(own.values()), **act)  # type: ignore[arg-type]
    again = charting.save_chart(shelf.store, list(own.values()), **act)  # type: ignore[arg-type]
    made(shelf.store, town)

    assert (changed, again) == (len(own), 0)
    assert {row["Account"] for row in the_rows(shelf.store, town, 1)} == {"1101", "2100", "2110", "4000"}


def test_own_columns_are_kept_and_used(shelf: Shelf) -> None:
    town = a_busy_town(shelf.store)
    own = replace(KINGDEE, name=charting.OWN, columns=KINGDEE.columns[:-1], summary="=evil {site}")
    charting.save_layout(
        shelf.store, own, organisation_id=town.organisation_id, actor=ANA, act_id=an_id("own"), now=NOON
    )

    export = made(shelf.store, town).export

    first = the_rows(shelf.store, town, 1)[0]
    assert export.layout == charting.OWN
    assert list(first) == [title for title, _ in own.columns]
    assert (first["摘要"], first["汇率"], first["凭证字"]) == ("'=evil North", "1", "记")


def closed(store: Store, town: Town, *, at: datetime) -> None:
    """Close November, whatever stands open in it."""
    with store.transaction() as tx:
        tx.periods.put(
            MonthClose(
                organisation_id=town.organisation_id,
                month=NOVEMBER,
                closed_at=at,
                closed_by="bea",
                why="the month",
                named={},
                totals=(),
                anchors=(),
                previous=bytes(32),
                digest=bytes(range(32)),
            )
        )


def rechartered(store: Store, town: Town, *more: ChartRow) -> None:
    """Let an accountant choose the other chart."""
    charting.save_chart(
        store,
        [*INTERNATIONAL.values(), *more],
        organisation_id=town.organisation_id,
        actor=ANA,
        act_id=an_id("chart"),
        now=NOON,
    )


def test_what_was_told_of_a_closed_month_stays_whatever_the_chart_says(shelf: Shelf) -> None:
    town = a_busy_town(shelf.store)
    closed(shelf.store, town, at=LATER - DAY)
    told = made(shelf.store, town)
    rechartered(shelf.store, town)

    again = made(shelf.store, town)

    assert (told.is_new, again.is_new, again.export) == (True, False, told.export)


def test_what_was_told_before_a_month_was_closed_is_told_anew_and_whole(shelf: Shelf) -> None:
    town = a_busy_town(shelf.store)
    early = made(shelf.store, town).export
    booked(shelf.store, a_use(town, "the last one"))
    closed(shelf.store, town, at=LATER + DAY)

    whole = made(shelf.store, town).export

    assert (whole.export_no, whole.replaces) == (2, early.export_no)


def answered(store: Store, town: Town, *answers: Answer) -> int:
    said = Acknowledgement(organisation_id=town.organisation_id, export_no=1, answers=answers)
    act_id = an_id(f"answers {answers}")
    return acknowledging.acknowledge(store, said, actor=ANA, act_id=act_id, now=LATER)


TAKEN = Answer(voucher_no=1, their_no="记-17", ok=True, booked_on=date(2026, 11, 30))


def test_what_the_other_books_say_is_kept_once_and_what_they_took_stays(shelf: Shelf) -> None:
    town = a_busy_town(shelf.store)
    made(shelf.store, town)
    refused = Answer(voucher_no=2, their_no="", ok=False, note="period not open")

    new = [answered(shelf.store, town, TAKEN, refused), answered(shelf.store, town, TAKEN)]
    mended = answered(shelf.store, town, replace(refused, their_no="18", ok=True, note=""))

    with shelf.store.transaction() as tx:
        counted = tx.exports.answered(town.organisation_id)
    assert (new, mended) == ([2, 0], 1)
    assert counted == {1: (2, 0)}


@pytest.mark.parametrize(
    ("answers", "refusal"),
    [
        ([replace(TAKEN, voucher_no=3)], AnswerUnfit),
        ([replace(TAKEN, their_no=" ")], AnswerUnfit),
        ([Answer(voucher_no=1, their_no="", ok=False)], AnswerUnfit),
        ([TAKEN, replace(TAKEN, their_no="18")], AnswerContradicts),
        ([replace(TAKEN, booked_on=date(2026, 10, 31))], MonthElsewhere),
    ],
)
def test_an_answer_that_cannot_be_is_refused_whole(
    shelf: Shelf, answers: Sequence[Answer], refusal: type[Exception]
) -> None:
    town = a_busy_town(shelf.store)
    made(shelf.store, town)

    with pytest.raises(refusal):
        answered(shelf.store, town, Answer(voucher_no=2, their_no="16", ok=True), *answers)

    with shelf.store.transaction() as tx:
        assert tx.exports.answers(town.organisation_id, 1) == {}


def test_a_site_or_a_month_that_is_not_there_is_refused(shelf: Shelf) -> None:
    town = a_busy_town(shelf.store)
    wish = a_wish(town)

    with pytest.raises(bookkeeping.SiteUnknown):
        made(shelf.store, town, wish=replace(wish, site_id=99))
    with pytest.raises(bookkeeping.MonthAhead):
        made(shelf.store, town, wish=replace(wish, month=date(2027, 1, 1)))
    with pytest.raises(CurrencyUnknown):
        made(shelf.store, town, wish=replace(wish, currency="cny\x00"))
    with pytest.raises(exporting.ExportUnknown):
        exporting.content(shelf.store, organisation_id=town.organisation_id, export_no=7)


def test_vouchers_tell_one_currency_and_say_so(shelf: Shelf) -> None:
    town = a_busy_town(shelf.store)
    wish = a_wish(town)
    booked(shelf.store, replace(a_use(town, "peso"), currency="USD"))

    with pytest.raises(bookkeeping.CurrenciesMany) as refusal:
        made(shelf.store, town)
    export = made(shelf.store, town, wish=replace(wish, currency="USD")).export

    assert refusal.value.currencies == ("CNY", "USD")
    assert export.vouchers == 1


def test_accounts_that_do_not_add_up_stop_the_export(shelf: Shelf) -> None:
    town = a_busy_town(shelf.store)
    with shelf.store.transaction() as tx:
        month = bookkeeping.site_month(tx.exports.sites(town.organisation_id)[0], NOVEMBER)
        totals = tx.exports.customers(month, (UNDELIVERED,), since=None, until=LATER)
    wrong = [replace(totals[0], debit_minor=totals[0].debit_minor + 1), *totals[1:]]

    with pytest.raises(bookkeeping.ControlDiffers):
        bookkeeping._require_tied(month.site, wrong)

    bookkeeping._require_tied(month.site, totals)
    assert [each.account_id for each in totals] == [*(home.account_id for home in town.homes), None]


def test_lines_of_a_posting_keep_both_sides(shelf: Shelf) -> None:
    town = a_town(shelf.store)
    lines = (
        Line(code=cash(WECHAT), amount_minor=100),
        Line(code=cash(WECHAT), amount_minor=-40),
        Line(code=DELIVERED, amount_minor=-60),
    )
    booked(shelf.store, a_posting(town.homes[0].account_id, lines=lines))

    made(shelf.store, town)

    sides = [(row["Account"], row["Debit"], row["Credit"]) for row in the_rows(shelf.store, town, 1)]
    assert sides == [("1012.01", "1.00", ""), ("1012.01", "", "0.40"), ("2203.02", "", "0.60")]
