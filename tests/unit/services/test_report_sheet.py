"""The daily report as document and sheet: it reads back as it was written, and says what it does not know."""

import json
from dataclasses import replace

import pytest

from compuerta.domain.contact import Language
from compuerta.domain.wording import FIELDS, Told
from compuerta.services import daily_report, report_sheet
from compuerta.services.daily_report import (
    AlarmCount,
    Arrears,
    Bill,
    BillDifference,
    Books,
    CaseCount,
    Channel,
    Completeness,
    DailyReport,
    DayFacts,
    DriftLine,
    Energy,
    Feeder,
    Gap,
    InTheRed,
    Money,
    Parts,
    Standing,
)
from compuerta.services.sheet import Sheet, Table, Unit


def a_report(*, day: str = "2026-11-21", version: int = 1, hours: int = 24, name: str = "Ana") -> DailyReport:
    """Return a report in which everything that can be told is told."""
    return DailyReport(
        site_id=1, site="Torre 3", organisation_id=1, organisation="Casa", day=day, zone="Europe/Madrid",
        currency="EUR", day_hours=hours, version=version, made_at="2026-11-21T23:05:00+00:00",
        facts=_facts(hours=hours, name=name), standing=_standing(name=name),
    )  # fmt: skip


def _facts(*, hours: int, name: str) -> DayFacts:
    return DayFacts(
        energy=Energy(
            used_wh=1_234_560, provisional_wh=20_000, accounts=9, unknown=1, rates_wh=(1_000_000, 234_560),
            hours_wh=tuple(range(0, hours * 1_000, 1_000)),
        ),
        money=Money(
            accounts=10, opening_minor=100_000, recharged_minor=11_000, adjusted_minor=-500,
            charged_minor=1_060, closing_minor=109_440, undelivered_minor=5_000,
        ),
        books=Books(received_minor=11_000, charged_minor=1_060, closing_minor=109_440),
        parts=Parts(
            credit_minor=10_500, fixed_minor=0, debt_minor=500, fee_minor=0, tax_minor=0, change_minor=0,
            suspended_minor=0,
        ),
        channels=(
            Channel(
                provider="stripe", kind="stripe", payments=2, paid_minor=11_000, refunds=1,
                refunded_minor=200,
            ),
        ),
        bills=(
            Bill(
                provider="stripe", state="matched", version=1, lines=2, differing=1, gross_minor=11_007,
                refunded_minor=200, fee_minor=66, differs_minor=7,
            ),
        ),
        bill_differences=(
            BillDifference(
                provider="stripe", what="amount", transaction_no="4200000123456789012345",
                theirs_minor=5_007, ours_minor=5_000, is_open=True,
            ),
        ),
        feeders=(
            Feeder(meter_id=9, name="Feeder", fed_wh=1_500_000, used_wh=1_234_560, meters=9, unknown=0),
        ),
        alarms=(AlarmCount(kind="cover_open", severity="danger", raised=2),),
        completeness=Completeness(
            meters=10, valid=8, provisional=1, missing=1,
            gaps=(
                Gap(
                    meter_id=4, meter_no="000000000004", place="304", name=name, basis="missing",
                    reason="silent_answer",
                ),
            ),
        ),
        drifts=(
            DriftLine(account_id=3, meter_id=3, place="303", name=name, cause="clock", differs_minor=-120),
        ),
        drifts_minor=120,
        drifts_number=1,
        anchor="41: 1a2b3c4d 5e6f7081",
    )  # fmt: skip


def _standing(*, name: str) -> Standing:
    return Standing(
        at="2026-11-21T23:05:00+00:00",
        arrears=Arrears(accounts=1, debts=2, owed_minor=900, by_age_minor=(100, 0, 0, 800)),
        red=1, red_minor=-150, off=1,
        reds=(InTheRed(account_id=7, meter_id=7, place="307", name=name, balance_minor=-150, is_off=True),),
        cases=(CaseCount(kind="amount_differs", open=1, oldest_days=3),),
    )  # fmt: skip


def the_sheet(report: DailyReport, *, language: Language = Language.ENGLISH) -> Sheet:
    return report_sheet.sheet_of(report, [], language=language, word=lambda name: name)


def the_table(sheet: Sheet, title: str) -> Table:
    return next(each for each in sheet.tables if each.title == title)


def texts(table: Table) -> list[list[str]]:
    return [[cell.text for cell in row] for row in table.rows]


def test_a_report_reads_back_as_it_was_written() -> None:
    report = a_report()

    assert daily_report.report_of(daily_report.text_of(report)) == report


def test_the_same_report_is_the_same_text() -> None:
    assert daily_report.text_of(a_report()) == daily_report.text_of(a_report())


def test_a_report_holds_no_number_that_is_not_whole() -> None:
    def refused(text: str) -> object:
        raise AssertionError(text)

    json.loads(daily_report.text_of(a_report()), parse_float=refused)


def test_a_report_in_which_nothing_changed_is_no_version() -> None:
    report = a_report()
    later = replace(report, made_at="2026-11-22T23:05:00+00:00", standing=_standing(name="Bea"))

    assert daily_report.renewed(later, last=report) is None


def test_totals_that_differ_are_said_in_front() -> None:
    report = a_report()
    wrong = replace(
        report, facts=replace(report.facts, books=replace(report.facts.books, received_minor=10_900))
    )

    sheet = the_sheet(wrong)

    assert "Totals differ: see “Do the totals agree?”." in sheet.notes
    assert ["Payments – ledger", "€110.00", "€109.00", "-€1.00"] in texts(
        the_table(sheet, "Do the totals agree?")
    )


def test_the_money_of_a_sheet_adds_up_as_it_stands_there() -> None:
    table = the_table(the_sheet(a_report()), "From midnight to midnight")

    amounts = [row[1].amount or 0 for row in table.rows]
    assert sum(amounts[:-1]) == amounts[-1] == 109_440


def test_use_of_which_nothing_is_known_is_not_zero() -> None:
    report = a_report()
    unknown = replace(report.facts.energy, used_wh=0, accounts=0, unknown=10)

    sheet = the_sheet(replace(report, facts=replace(report.facts, energy=unknown)))

    assert (sheet.figures[0].cell.text, sheet.figures[0].cell.amount) == ("–", None)
    assert sheet.charts[0].points[-1].amount is None


@pytest.mark.parametrize(("day", "hours"), [("2026-03-29", 23), ("2026-10-25", 25)])
def test_a_day_of_the_changed_clock_has_its_hours_and_says_so(day: str, hours: int) -> None:
    sheet = the_sheet(a_report(day=day, hours=hours))

    drawn = next(each for each in sheet.charts if each.title.startswith("Energy by hour"))
    clocks = [point.text.split(": ")[0] for point in drawn.points]
    assert f"This day had {hours} hours: the clock was changed." in sheet.notes
    assert (len(clocks), clocks.count("02:00")) == (hours, 0 if hours == 23 else 2)


@pytest.mark.parametrize(
    ("language", "energy", "money"),
    [
        (Language.ENGLISH, "1,234.56 kWh", "€1,094.40"),
        (Language.SPANISH, "1.234,56 kWh", "1.094,40 €"),
        (Language.CHINESE, "1,234.56 kWh", "€1,094.40"),
    ],
)
def test_figures_are_written_as_their_reader_writes_them(language: Language, energy: str, money: str) -> None:
    sheet = the_sheet(a_report(), language=language)

    assert (sheet.figures[0].cell.text, sheet.figures[3].cell.text) == (energy, money)
    assert (sheet.figures[0].cell.amount, sheet.figures[3].cell.amount) == (1_234_560, 109_440)


@pytest.mark.parametrize("language", list(Language))
def test_every_table_is_told_in_every_language(language: Language) -> None:
    report = a_report()
    late = replace(report, facts=replace(report.facts, energy=replace(report.facts.energy, used_wh=1)))
    renewed = daily_report.renewed(replace(late, version=2), last=report)
    assert renewed is not None

    sheet = the_sheet(renewed, language=language)

    assert len(sheet.tables) == 16
    assert len({each.title for each in sheet.tables}) == 16


def test_what_leads_on_names_the_page_of_the_meter() -> None:
    row = the_table(the_sheet(a_report()), "Meters that did not tell").rows[0]

    assert (row[0].path, row[2].unit, row[2].text) == ("/meters/4/", Unit.TEXT, "000000000004")


@pytest.mark.parametrize("language", list(Language))
def test_the_message_has_every_field_that_its_words_may_have(language: Language) -> None:
    fields = report_sheet.fields_of(a_report(), language=language)

    assert fields.keys() == set(FIELDS[Told.DAILY_REPORT])
    assert (fields["missing"], fields["alarms"], fields["note"]) == ("1/10", "2", "")
    assert fields["report_link"] == "{address}/reports/1/2026-11-21/"
