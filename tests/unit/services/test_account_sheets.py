"""Statements and as-of as lines to read: exact figures, three languages, odd names, other zones."""

import io
import re
from collections.abc import Callable, Collection
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import openpyxl  # type: ignore[import-untyped]
import pytest
from tests.unit.domain.tariff.parts import a_tariff, an_energy
from tests.unit.services.town import HOUR, PLATFORM, Home, a_meter_entry, a_posting, an_opening
from tests.unit.services.town import a_tariff as founded

from compuerta.adapters.memory import MemoryStore
from compuerta.adapters.memory.histories import MemoryHistories
from compuerta.adapters.paper import sheet_press, spreadsheet
from compuerta.apps import statement_facts
from compuerta.domain import account_words
from compuerta.domain.contact import Language
from compuerta.domain.ledger import SUSPENSE, Posting, PostingKind, transfer
from compuerta.domain.party import AccountKind, Bearer, RoadKind
from compuerta.domain.tariff.tally import Span
from compuerta.drivers.abilities import MeterState
from compuerta.services import observe
from compuerta.services.alarm_port import Feeding
from compuerta.services.asof import as_of, instant_at
from compuerta.services.asof_sheet import asof_sheet
from compuerta.services.energy_pictures import Stretch, account_picture, shared_out, site_picture
from compuerta.services.energy_sheet import energy_sheet
from compuerta.services.freeze_port import FINAL, NOT_TOLD, Freeze, FreezeBasis
from compuerta.services.history_port import CodeSum
from compuerta.services.owner_sheet import owner_sheet
from compuerta.services.owner_statements import DoesNotRoll, site_statement
from compuerta.services.records import Endpoint
from compuerta.services.resident_sheet import resident_sheet
from compuerta.services.resident_statements import DoesNotAddUp, resident_statement
from compuerta.services.sheet import Cell, Sheet
from compuerta.services.statement_months import Month

# October 2026 in Madrid: 31 days, of which the 25th has 25 hours.
OPENED = datetime(2026, 9, 30, 22, tzinfo=UTC)
OCTOBER = Month(year=2026, number=10)
NOVEMBER_10 = datetime(2026, 11, 10, tzinfo=UTC)
FORMULA = '=HYPERLINK("http://example.com")'
_DAY = timedelta(days=1)
_FIELD = re.compile(r"\{\w+\}")


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def home(store: MemoryStore) -> Home:
    """A flat in Madrid at 0.20 EUR for a kWh, of somebody with an odd name, read every hour: 100 Wh each."""
    with store.transaction() as tx:
        organisation_id = tx.add_organisation("Casa")
        site_id = tx.add_site(
            organisation_id=organisation_id, name="Sur", zone="Europe/Madrid", currency="EUR"
        )
        tx.add_endpoint(
            Endpoint(
                endpoint_id="bus",
                organisation_id=organisation_id,
                road=RoadKind.RS485,
                bearer=Bearer.SERIAL,
                address="/dev/one",
            )
        )
        tariff_id = founded(tx, organisation_id, a_tariff(an_energy(("0.20",))))
        meter_id = tx.add_meter(a_meter_entry(organisation_id, number=1, authority=PLATFORM))
        account_id = tx.add_account(
            an_opening(site_id, name=FORMULA, meter_id=meter_id, tariff_id=tariff_id, opened_at=OPENED)
        )
    return Home(meter_id=meter_id, account_id=account_id)


def read(store: MemoryStore, home: Home, *, since: datetime, hours: int) -> None:
    """Let the meter tell its register at each full hour."""
    start = (since - OPENED) // HOUR
    for hour in range(start, start + hours + 1):
        at = OPENED + hour * HOUR
        state = MeterState(energy_wh=100 * hour)
        report = observe.MeterReport(meter_id=home.meter_id, at=at, state=state)
        observe.take_readings(store, [report], now=at)


def texts(sheet: Sheet) -> list[str]:
    return [cell.text for table in sheet.tables for row in table.rows for cell in row]


def cells(sheet: Sheet, title: str) -> list[tuple[Cell, ...]]:
    (table,) = [each for each in sheet.tables if each.title == title]
    return list(table.rows)


def test_the_day_on_which_clocks_are_put_back_has_25_hours_of_use(store: MemoryStore, home: Home) -> None:
    read(store, home, since=datetime(2026, 10, 23, 22, tzinfo=UTC), hours=73)

    days = {
        each.day.day: each
        for each in resident_statement(store, home.account_id, month=OCTOBER, now=NOVEMBER_10).days
    }

    assert [days[number].used_wh for number in (25, 26)] == [2_500, 2_400]
    assert [days[number].charged_minor for number in (25, 26)] == [50, 48]
    assert len(days) == 31


def test_use_up_to_midnight_is_of_the_day_that_midnight_ends(store: MemoryStore, home: Home) -> None:
    read(store, home, since=OPENED, hours=24)

    first, second = resident_statement(store, home.account_id, month=OCTOBER, now=NOVEMBER_10).days[:2]

    assert (first.used_wh, second.used_wh) == (2_400, None)
    # Its last hour was booked a moment after midnight: money is by the instant of booking.
    assert (first.charged_minor, second.charged_minor) == (46, 2)


def test_readings_between_two_seconds_lose_nothing_of_an_hour() -> None:
    edges = [OPENED + number * timedelta(minutes=30, milliseconds=300) for number in range(4)]
    spans = [Span(start=start, end=end, energy_wh=100_000) for start, end in pairwise(edges)]

    shares = list(shared_out(spans, anchor=OPENED))

    assert sum(energy_wh for _, energy_wh, _ in shares) == 300_000
    assert sum((each for hour, _, each in shares if hour == OPENED), timedelta()) == timedelta(hours=1)


def test_a_picture_of_a_day_has_as_many_hours_as_the_day(store: MemoryStore, home: Home) -> None:
    read(store, home, since=datetime(2026, 10, 24, 22, tzinfo=UTC), hours=3)

    picture = account_picture(
        store, home.account_id, stretch=Stretch.DAY, day=date(2026, 10, 25), now=NOVEMBER_10
    )

    assert [each.label for each in picture.uses[:4]] == ["00", "01", "02", "02"]
    assert [each.used_wh for each in picture.uses[:4]] == [100, 100, 100, None]
    assert len(picture.uses) == 25 and picture.used_wh == 300


def test_hours_begin_as_the_sites_clock_does(store: MemoryStore) -> None:
    with store.transaction() as tx:
        organisation_id = tx.add_organisation("Ghar")
        site_id = tx.add_site(organisation_id=organisation_id, name="A", zone="Asia/Kolkata", currency="EUR")
        tx.add_endpoint(
            Endpoint(
                endpoint_id="bus",
                organisation_id=organisation_id,
                road=RoadKind.RS485,
                bearer=Bearer.SERIAL,
                address="/dev/one",
            )
        )
        meter_id = tx.add_meter(a_meter_entry(organisation_id, number=1, authority=PLATFORM))
        tariff_id = founded(tx, organisation_id, a_tariff(an_energy(("5",))))
        opened_at = datetime(2026, 9, 30, 18, 30, tzinfo=UTC)
        account_id = tx.add_account(
            an_opening(site_id, name="1", meter_id=meter_id, tariff_id=tariff_id, opened_at=opened_at)
        )
    for half_hours in range(5):
        report = observe.MeterReport(
            meter_id=meter_id,
            at=opened_at + half_hours * HOUR / 2,
            state=MeterState(energy_wh=100 * half_hours),
        )
        observe.take_readings(store, [report], now=report.at)

    picture = account_picture(store, account_id, stretch=Stretch.DAY, day=date(2026, 10, 1), now=NOVEMBER_10)

    told = [(each.used_wh, each.is_supposed) for each in picture.uses[:3]]
    assert told == [(200, False), (100, True), (None, False)]  # of the second hour, half is known


def test_weeks_begin_on_monday_and_a_year_has_twelve_months(store: MemoryStore, home: Home) -> None:
    week, year = (
        site_picture(store, 1, stretch=stretch, day=date(2026, 10, 25), now=NOVEMBER_10)
        for stretch in (Stretch.WEEK, Stretch.YEAR)
    )

    assert (week.first, week.after, len(week.uses)) == (date(2026, 10, 19), date(2026, 10, 26), 7)
    assert [each.label for each in year.uses][-1] == "2026-12" and len(year.uses) == 12
    assert {each.used_wh for each in (*week.uses, *year.uses)} == {None}


def test_a_name_that_looks_like_a_formula_stays_text(store: MemoryStore, home: Home) -> None:
    statement = resident_statement(store, home.account_id, month=OCTOBER, now=NOVEMBER_10)
    owners = site_statement(store, 1, month=OCTOBER, now=NOVEMBER_10)

    for sheet in (
        resident_sheet(statement, language=Language.ENGLISH),
        owner_sheet(owners, language=Language.ENGLISH),
    ):
        book = openpyxl.load_workbook(io.BytesIO(spreadsheet.xlsx(sheet)))
        found = [cell for tab in book for row in tab.iter_rows() for cell in row if cell.value is not None]
        assert all(cell.data_type != "f" and cell.hyperlink is None for cell in found)
        assert any(FORMULA in str(cell.value) for cell in found)


def test_a_masked_statement_hides_whose_it_is(store: MemoryStore, home: Home) -> None:
    statement = resident_statement(store, home.account_id, month=OCTOBER, now=NOVEMBER_10)

    masked = resident_sheet(statement, language=Language.ENGLISH, masked=True)

    assert masked.subtitle.endswith("=…")


@pytest.mark.slow
@pytest.mark.parametrize("language", list(Language))
def test_every_statement_can_be_printed_in_every_language(
    store: MemoryStore, home: Home, language: Language
) -> None:
    read(store, home, since=OPENED, hours=30)
    found = as_of(store, home.account_id, at=OPENED + _DAY, now=NOVEMBER_10)
    picture = account_picture(
        store, home.account_id, stretch=Stretch.DAY, day=date(2026, 10, 1), now=NOVEMBER_10
    )
    made: list[Callable[[], Sheet]] = [
        lambda: resident_sheet(
            resident_statement(store, home.account_id, month=OCTOBER, now=NOVEMBER_10), language=language
        ),
        lambda: owner_sheet(site_statement(store, 1, month=OCTOBER, now=NOVEMBER_10), language=language),
        lambda: asof_sheet(found, language=language),
        lambda: energy_sheet(picture, language=language),
    ]

    for make in made:
        assert sheet_press.pdf(make()).startswith(b"%PDF")
        assert not any("_" in text for text in texts(make()))  # no name of ours is left over


def test_prices_and_registers_are_told_exactly(store: MemoryStore, home: Home) -> None:
    read(store, home, since=OPENED, hours=2)

    sheet = asof_sheet(
        as_of(store, home.account_id, at=OPENED + 2 * HOUR, now=NOVEMBER_10), language=Language.SPANISH
    )

    assert "0.2" in texts(sheet)
    assert "2026-10-01 02:00:00 UTC+02:00" in sheet.title
    assert [each.cell.text for each in sheet.figures][:3] == ["-0,04 €", "-0,04 €", "0,20 kWh"]


def test_the_instant_of_an_account_is_by_its_sites_clock(store: MemoryStore, home: Home) -> None:
    assert instant_at(store, home.account_id, "2026-10-01T00:00") == OPENED


def test_facts_for_machines_are_whole_numbers_and_names(store: MemoryStore, home: Home) -> None:
    read(store, home, since=OPENED, hours=2)

    facts = statement_facts.asof_facts(as_of(store, home.account_id, at=OPENED + HOUR, now=NOVEMBER_10))
    month = statement_facts.resident_facts(
        resident_statement(store, home.account_id, month=OCTOBER, now=NOVEMBER_10)
    )
    site = statement_facts.owner_facts(site_statement(store, 1, month=OCTOBER, now=NOVEMBER_10))

    assert isinstance(facts["books"], dict) and facts["books"]["balance_minor"] == -2
    assert facts["standing"] == "open" and facts["at"] == "2026-09-30T23:00:00+00:00"
    assert (month["month"], month["charged_minor"], month["closing_minor"]) == ("2026-10", -4, -4)
    assert site["closing_minor"] == 0 and site["earned"] == {"revenue:energy": 4}


def test_what_a_feeder_lost_is_told_where_all_registers_are_known(store: MemoryStore, home: Home) -> None:
    with store.transaction() as tx:
        feeder_id = tx.add_meter(a_meter_entry(1, number=9, authority=PLATFORM))
        tx.add_account(
            an_opening(1, name="main", meter_id=feeder_id, kind=AccountKind.FEEDER, opened_at=OPENED)
        )
        tx.alarms.put_feedings(
            [Feeding(feeder_meter_id=feeder_id, meter_id=home.meter_id, started_at=OPENED)]
        )

    def frozen(meter_id: int, day: date, energy_wh: int) -> None:
        freeze = Freeze(
            meter_id=meter_id,
            day=day,
            version=1,
            site_id=1,
            account_id=home.account_id,
            at=datetime(2026, 10, 1, tzinfo=UTC),
            basis=FreezeBasis.METER,
            known_at=NOVEMBER_10,
            energy_wh=energy_wh,
        )
        with store.transaction() as tx:
            tx.freezes.put_freezes([freeze])

    for day, fed_wh, used_wh in ((date(2026, 9, 30), 10_000, 0), (date(2026, 10, 31), 99_000, 80_000)):
        (before,) = site_statement(store, 1, month=OCTOBER, now=NOVEMBER_10).feeders
        assert before.loss_wh is None  # until the last register is known
        frozen(feeder_id, day, fed_wh)
        frozen(home.meter_id, day, used_wh)

    (after,) = site_statement(store, 1, month=OCTOBER, now=NOVEMBER_10).feeders
    assert (after.fed_wh, after.used_wh, after.loss_wh) == (89_000, 80_000, 9_000)


def test_money_that_could_not_be_placed_is_told_beside_what_is_held(store: MemoryStore, home: Home) -> None:
    with store.transaction() as tx:
        lines = transfer(debit="cash:wechat", credit=SUSPENSE, amount_minor=900)
        posting = a_posting(home.account_id, kind=PostingKind.SUSPENSE, lines=lines)
        tx.book([posting])

    now = datetime(2026, 12, 5, tzinfo=UTC)
    statement = site_statement(store, 1, month=OCTOBER.after, now=now)

    assert (statement.suspense_minor, statement.closing_minor) == (900, 900)


def test_who_came_later_is_not_in_the_month_before(store: MemoryStore, home: Home) -> None:
    before = site_statement(store, 1, month=OCTOBER.before, now=NOVEMBER_10)
    first = site_statement(store, 1, month=OCTOBER, now=NOVEMBER_10)

    assert before.lines == ()
    assert [each.tenancy.account_id for each in first.lines] == [home.account_id]


def test_every_word_is_said_in_every_language() -> None:
    for language, words in account_words.WORDS.items():
        assert all(words.values()), language
    fields = [
        {
            name: sorted(part for part in text.split("{")[1:]) and text.count("{")
            for name, text in words.items()
        }
        for words in account_words.WORDS.values()
    ]
    assert fields[0] == fields[1] == fields[2]


def test_what_a_freeze_rests_on_is_said_in_words() -> None:
    names = {f"basis_{each.value}" for each in FreezeBasis} | {NOT_TOLD} | FINAL

    for words in account_words.WORDS.values():
        assert names <= words.keys()


def test_a_month_of_which_nothing_is_known_is_not_zero(store: MemoryStore, home: Home) -> None:
    statement = resident_statement(store, home.account_id, month=OCTOBER, now=NOVEMBER_10)
    picture = account_picture(
        store, home.account_id, stretch=Stretch.MONTH, day=OCTOBER.first, now=NOVEMBER_10
    )

    assert (statement.used_wh, picture.used_wh, statement.days_missing) == (None, None, 31)
    assert energy_sheet(picture, language=Language.ENGLISH).figures[0].cell.text == "–"


def test_a_line_that_the_ledger_does_not_have_makes_no_statement(
    store: MemoryStore, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    read(store, home, since=OPENED, hours=2)
    real = MemoryHistories.postings

    def short(self: MemoryHistories, account_id: int, *, since: datetime, until: datetime) -> list[Posting]:
        return real(self, account_id, since=since, until=until)[1:]

    monkeypatch.setattr(MemoryHistories, "postings", short)

    with pytest.raises(DoesNotAddUp):
        resident_statement(store, home.account_id, month=OCTOBER, now=NOVEMBER_10)


def test_a_move_that_the_ledger_does_not_have_makes_no_statement(
    store: MemoryStore, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    read(store, home, since=OPENED, hours=2)
    real = MemoryHistories.sums

    def short(
        self: MemoryHistories, account_ids: Collection[int], *, since: datetime | None = None, until: datetime
    ) -> list[CodeSum]:
        found = real(self, account_ids, since=since, until=until)
        return found if since is None else found[1:]

    monkeypatch.setattr(MemoryHistories, "sums", short)

    with pytest.raises(DoesNotRoll):
        site_statement(store, 1, month=OCTOBER, now=NOVEMBER_10)
