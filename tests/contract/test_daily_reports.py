"""Daily reports in both stores: exact figures, totals that tie, versions, and who is told when."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from tests.contract.conftest import Shelf
from tests.unit.services.town import (
    HOUR,
    METER,
    NOON,
    PLATFORM,
    WECHAT,
    Town,
    a_notice,
    a_town,
    an_id,
    paid,
    told,
)

from compuerta.domain.access import Grant, Place
from compuerta.domain.alarms import AlarmKind, Severity
from compuerta.domain.contact import Channel, Language, Topic
from compuerta.domain.division import Debt, DebtKind
from compuerta.drivers.abilities import Relay
from compuerta.services import daily_report, reporting, rolling, vend
from compuerta.services.alarm_port import Feeding, MeterAlarm
from compuerta.services.daily_report import DailyReport
from compuerta.services.day_end import bounds_of
from compuerta.services.freeze_port import DayStep, Freeze, FreezeBasis, SiteDay
from compuerta.services.message_port import Contact
from compuerta.services.payment_ports import StatementKind
from compuerta.services.records import Case
from compuerta.services.reporting import ReportUnknown
from compuerta.services.statement_port import Difference, Statement, StatementState, What
from compuerta.services.store_port import Store

TODAY = date(2026, 11, 22)
DAY = timedelta(days=1)
STARTS, MIDNIGHT = bounds_of(TODAY, zone="Asia/Shanghai")
AFTER = MIDNIGHT + timedelta(minutes=5)
SEVEN = datetime(2026, 11, 22, 23, tzinfo=UTC)  # in Shanghai, on the day after


def a_day(store: Store) -> Town:
    """Return a town after a day: two payments, one use, one freeze told and one supposed."""
    town = a_town(store, authorities=(METER, PLATFORM))
    ours, platforms = town.homes
    paid(store, ours, name="1", amount_minor=5_000)
    paid(store, platforms, name="2", amount_minor=6_000)
    told(store, platforms, at=NOON + HOUR, energy_wh=20_000, relay=Relay.CLOSED)
    frozen(store, town, 0, opens_wh=1_000, closes_wh=3_500, rates=((400, 600), (1_400, 2_100)))
    frozen(store, town, 1, opens_wh=0, closes_wh=20_000, basis=FreezeBasis.PROVISIONAL)
    return town


def frozen(
    store: Store, town: Town, home: int, *, opens_wh: int, closes_wh: int | None,
    basis: FreezeBasis = FreezeBasis.METER, rates: tuple[tuple[int, int], ...] | None = None,
    version: int = 1,
) -> None:  # fmt: skip
    """Freeze a home's meter at both ends of the day."""
    opened = Freeze(
        meter_id=town.homes[home].meter_id,
        day=TODAY - DAY,
        version=1,
        site_id=town.site_id,
        account_id=town.homes[home].account_id,
        at=STARTS,
        basis=FreezeBasis.METER,
        known_at=STARTS,
        energy_wh=opens_wh,
        rates_wh=None if rates is None else rates[0],
    )
    closed = replace(
        opened,
        day=TODAY,
        version=version,
        at=MIDNIGHT,
        basis=basis,
        known_at=AFTER,
        energy_wh=closes_wh,
        rates_wh=None if rates is None else rates[1],
        reason="" if basis is FreezeBasis.METER else "no answer",
    )
    with store.transaction() as tx:
        tx.freezes.put_freezes([opened, closed] if version == 1 else [closed])


def ended(store: Store, town: Town, *, now: datetime = AFTER, valid: int = 1) -> SiteDay:
    """Let the day end up to its report."""
    with store.transaction() as tx:
        tx.freezes.put_days([_site_day(town)])
    with store.transaction() as tx:
        here = tx.freezes.day(_site_day(town).key)
        assert here is not None
        here = replace(here, step=DayStep.ROLLING, meters=2, valid=valid, provisional=2 - valid, due_at=now)
        tx.freezes.save_day(here)
    rolled = replace(rolling.roll_day(store, here, now), step=DayStep.REPORTING)
    with store.transaction() as tx:
        tx.freezes.save_day(rolled)
    return reporting.report_day(store, rolled, now)


def _site_day(town: Town) -> SiteDay:
    return SiteDay(
        site_id=town.site_id,
        day=TODAY,
        organisation_id=town.organisation_id,
        zone="Asia/Shanghai",
        currency="CNY",
        starts_at=STARTS,
        ends_at=MIDNIGHT,
        due_at=MIDNIGHT,
    )


def the_report(store: Store, town: Town) -> DailyReport:
    return reporting.report(store, _site_day(town).key)


def a_listener(store: Store, town: Town, *, role: str = "owner") -> None:
    """Let somebody of a role want daily reports."""
    with store.transaction() as tx:
        tx.messages.put_contact(
            Contact(
                contact_id=an_id(f"contact of {role}"),
                organisation_id=town.organisation_id,
                account_id=None,
                user_name=role,
                channel=Channel.EMAIL,
                address=f"{role}@example.org",
                language=Language.ENGLISH,
                wants=frozenset({Topic.DAILY_REPORT}),
                created_at=NOON,
                confirmed_at=NOON,
            )
        )
        place = Place(organisation_id=town.organisation_id)
        tx.access.put_grant(
            Grant(
                grant_id=an_id(f"grant of {role}"), user_name=role, role=role, place=place,
                granted_by="ana", granted_at=NOON,
            )
        )  # fmt: skip


def a_bill(store: Store, town: Town, state: StatementState, *, differing: int = 0) -> None:
    bill = Statement(
        provider=WECHAT, day=TODAY, kind=StatementKind.TRADE, organisation_id=town.organisation_id,
        currency="CNY",
    )  # fmt: skip
    with store.transaction() as tx:
        tx.statements.put([bill])
    known = replace(
        bill, state=state, version=1, fetched_at=SEVEN, lines=2, matched=2 - differing, differing=differing,
        gross_minor=11_000 + 7 * differing, fee_minor=66,
    )  # fmt: skip
    with store.transaction() as tx:
        tx.statements.save(known)


def said(shelf: Shelf) -> int:
    return shelf.count("message")


def test_a_day_is_reported_to_the_fen(store: Store) -> None:
    town = a_day(store)

    day = ended(store, town)

    report = the_report(store, town)
    facts = report.facts
    assert (day.step, day.due_at, day.done_at) == (DayStep.DONE, None, AFTER)
    assert (facts.energy.used_wh, facts.energy.provisional_wh, facts.energy.unknown) == (22_500, 20_000, 0)
    assert facts.energy.rates_wh == (1_000, 1_500)
    assert (facts.money.opening_minor, facts.money.recharged_minor, facts.money.charged_minor) == (
        0,
        11_000,
        1_060,
    )
    assert (facts.money.closing_minor, facts.money.undelivered_minor) == (9_940, 5_000)
    (channel,) = facts.channels
    assert (channel.provider, channel.payments, channel.paid_minor) == (WECHAT, 2, 11_000)
    assert facts.parts.credit_minor == 11_000
    assert (facts.completeness.meters, facts.completeness.valid) == (2, 1)
    assert [(gap.place, gap.basis, gap.reason) for gap in facts.completeness.gaps] == [
        ("flat 2", "provisional", "no answer")
    ]


def test_the_totals_of_a_report_are_those_of_the_ledger(store: Store) -> None:
    town = a_day(store)

    ended(store, town)

    ties = {
        each.what: (each.ours_minor, each.theirs_minor) for each in daily_report.ties(the_report(store, town))
    }
    assert ties == {
        "received": (11_000, 11_000),
        "divided": (11_000, 11_000),
        "charged": (1_060, 1_060),
        "closing": (9_940, 9_940),
    }


def test_money_that_waits_for_its_account_is_received_and_not_placed(store: Store) -> None:
    town = a_day(store)
    vend.accept_payments(
        store, [a_notice(transaction_no="t9", reference="nobody", amount_minor=300)], now=NOON
    )

    ended(store, town)

    report = the_report(store, town)
    assert (report.received_minor, report.facts.parts.suspended_minor) == (11_300, 300)
    assert not any(each.differs_minor for each in daily_report.ties(report))


def test_what_is_booked_after_midnight_is_of_the_next_day(store: Store) -> None:
    town = a_day(store)
    paid(store, town.homes[1], name="3", amount_minor=700, now=MIDNIGHT)
    told(store, town.homes[1], at=MIDNIGHT + HOUR, energy_wh=30_000, relay=Relay.CLOSED)

    ended(store, town, now=MIDNIGHT + 2 * HOUR)

    report = the_report(store, town)
    assert (report.received_minor, report.facts.money.closing_minor) == (11_000, 9_940)
    assert not any(each.differs_minor for each in daily_report.ties(report))


def test_the_hours_of_a_report_are_those_of_the_site(store: Store) -> None:
    town = a_day(store)
    told(store, town.homes[1], at=NOON + 2 * HOUR, energy_wh=23_000, relay=Relay.CLOSED)

    ended(store, town)

    hours = the_report(store, town).facts.energy.hours_wh
    assert (len(hours), hours[13], sum(hours)) == (24, 3_000, 3_000)


def test_a_missing_freeze_is_not_zero(store: Store) -> None:
    town = a_town(store, authorities=(METER,))
    frozen(store, town, 0, opens_wh=1_000, closes_wh=None, basis=FreezeBasis.MISSING)

    ended(store, town, valid=0)

    facts = the_report(store, town).facts
    assert (facts.energy.used_wh, facts.energy.accounts, facts.energy.unknown) == (0, 0, 1)
    assert [gap.basis for gap in facts.completeness.gaps] == ["missing"]


def test_a_loss_is_what_the_feeder_measures_and_nobody_behind_it(store: Store) -> None:
    town = a_town(store, authorities=(PLATFORM, PLATFORM))
    feeder, behind = town.homes
    with store.transaction() as tx:
        tx.alarms.put_feedings(
            [Feeding(feeder_meter_id=feeder.meter_id, meter_id=behind.meter_id, started_at=STARTS)]
        )
    frozen(store, town, 0, opens_wh=0, closes_wh=10_000)
    frozen(store, town, 1, opens_wh=0, closes_wh=7_500)

    ended(store, town, valid=2)

    (loss,) = the_report(store, town).facts.feeders
    assert (loss.fed_wh, loss.used_wh, loss.lost_wh, loss.is_too_much) == (10_000, 7_500, 2_500, True)


def test_a_held_freeze_says_nothing_of_a_loss(store: Store) -> None:
    town = a_town(store, authorities=(PLATFORM, PLATFORM))
    feeder, behind = town.homes
    with store.transaction() as tx:
        tx.alarms.put_feedings(
            [Feeding(feeder_meter_id=feeder.meter_id, meter_id=behind.meter_id, started_at=STARTS)]
        )
    frozen(store, town, 0, opens_wh=0, closes_wh=10_000)
    frozen(store, town, 1, opens_wh=500, closes_wh=20, basis=FreezeBasis.HELD)

    ended(store, town)

    (loss,) = the_report(store, town).facts.feeders
    assert (loss.unknown, loss.lost_wh) == (1, None)


def test_debts_cases_alarms_and_who_is_without_credit_are_told(store: Store) -> None:
    town = a_day(store)
    home = town.homes[0]
    debt = Debt(
        account_id=home.account_id, debt_id=an_id("debt"), kind=DebtKind.ARREARS, name="from before",
        opened_minor=900, remaining_minor=800, opened_at=AFTER - timedelta(days=45), opened_by="ana",
        why="old room", cause_id=an_id("debt"),
    )  # fmt: skip
    alarm = MeterAlarm(
        meter_id=home.meter_id, alarm_id=an_id("alarm"), organisation_id=town.organisation_id,
        account_id=home.account_id, kind=AlarmKind.COVER_OPEN, severity=Severity.DANGER, detail="open",
        raised_at=NOON, last_at=NOON,
    )  # fmt: skip
    case = Case(
        account_id=home.account_id, case_id=an_id("case"), kind="amount_differs", detail="5 or 6",
        opened_at=AFTER - timedelta(days=3),
    )  # fmt: skip
    with store.transaction() as tx:
        tx.dues.put_debts([debt])
        tx.alarms.put([alarm])
        tx.put_cases([case])

    ended(store, town)

    report = the_report(store, town)
    arrears = report.standing.arrears
    assert (arrears.accounts, arrears.debts, arrears.by_age_minor) == (1, 1, (0, 800, 0, 0))
    assert [(each.kind, each.severity, each.raised) for each in report.facts.alarms] == [
        ("cover_open", "danger", 1)
    ]
    assert ("amount_differs", 1, 3) in [
        (each.kind, each.open, each.oldest_days) for each in report.standing.cases
    ]
    assert [(each.place, each.balance_minor) for each in report.standing.reds] == [("flat 1", 0)]


def test_the_same_day_again_is_no_new_version(shelf: Shelf) -> None:
    town = a_day(shelf.store)
    ended(shelf.store, town)

    ended(shelf.store, town, now=AFTER + HOUR)

    assert shelf.count("daily_report") == 1


def test_a_late_freeze_makes_a_version_that_says_what_it_changed(store: Store) -> None:
    town = a_day(store)
    ended(store, town)
    frozen(store, town, 1, opens_wh=0, closes_wh=21_000, version=2)

    ended(store, town, now=AFTER + HOUR, valid=2)

    report = the_report(store, town)
    changes = {each.figure: (each.was, each.now) for each in report.changes}
    assert report.version == 2
    assert changes == {
        "energy.used_wh": (22_500, 23_500),
        "energy.provisional_wh": (20_000, 0),
        "completeness.valid": (1, 2),
        "completeness.provisional": (1, 0),
    }
    assert reporting.report(store, _site_day(town).key, version=1).facts.energy.used_wh == 22_500


def test_what_stood_at_first_stays_as_it_stood(store: Store) -> None:
    town = a_day(store)
    ended(store, town)
    first = the_report(store, town).standing
    paid(store, town.homes[0], name="late", amount_minor=100, now=AFTER)
    frozen(store, town, 1, opens_wh=0, closes_wh=21_000, version=2)

    ended(store, town, now=AFTER + 30 * DAY, valid=2)

    assert the_report(store, town).standing == first


def test_a_bill_that_comes_makes_the_report_again(store: Store) -> None:
    town = a_day(store)
    ended(store, town)
    a_bill(store, town, StatementState.MATCHED)

    reporting.sweep(store, now=SEVEN)
    reporting.sweep(store, now=SEVEN)

    report = the_report(store, town)
    ties = {each.what: (each.ours_minor, each.theirs_minor) for each in daily_report.ties(report)}
    assert report.version == 2
    assert ties["bills"] == (11_000, 11_000)
    assert [(each.state, each.fee_minor) for each in report.facts.bills] == [("matched", 66)]


def test_what_of_a_bill_differs_is_listed_and_is_the_difference(store: Store) -> None:
    town = a_day(store)
    ended(store, town)
    a_bill(store, town, StatementState.MATCHED, differing=1)
    difference = Difference(
        provider=WECHAT, day=TODAY, kind=StatementKind.TRADE, difference_no=1,
        organisation_id=town.organisation_id, what=What.AMOUNT, transaction_no="t1", reference="order1",
        refund_reference="", theirs_minor=5_007, ours_minor=5_000, currency="CNY", at=NOON,
    )  # fmt: skip
    with store.transaction() as tx:
        tx.statements.put_differences([difference])

    reporting.sweep(store, now=SEVEN)

    report = the_report(store, town)
    tie = next(each for each in daily_report.ties(report) if each.what == "bills")
    assert (tie.ours_minor, tie.theirs_minor, tie.differs_minor) == (11_000, 11_007, 7)
    assert [(each.transaction_no, each.theirs_minor) for each in report.facts.bill_differences] == [
        ("t1", 5_007)
    ]


def test_people_are_told_once_at_the_hour_of_the_site(shelf: Shelf) -> None:
    town = a_day(shelf.store)
    a_listener(shelf.store, town)
    ended(shelf.store, town)

    reporting.sweep(shelf.store, now=SEVEN - timedelta(minutes=1))
    early = said(shelf)
    reporting.sweep(shelf.store, now=SEVEN)
    reporting.sweep(shelf.store, now=SEVEN + HOUR)

    assert (early, said(shelf)) == (0, 1)


def test_a_site_settles_its_own_hour_or_none(shelf: Shelf) -> None:
    town = a_day(shelf.store)
    a_listener(shelf.store, town)
    with shelf.store.transaction() as tx:
        tx.put_policy(
            scope="organisation", scope_id=town.organisation_id, document='{"daily_report_at": "06:00"}'
        )
        tx.put_policy(scope="site", scope_id=town.site_id, document='{"daily_report_at": null}')
    ended(shelf.store, town)

    reporting.sweep(shelf.store, now=SEVEN + DAY)

    assert said(shelf) == 0


def test_who_may_not_see_money_is_not_told_of_it(shelf: Shelf) -> None:
    town = a_day(shelf.store)
    a_listener(shelf.store, town, role="technician")
    ended(shelf.store, town)

    reporting.sweep(shelf.store, now=SEVEN)

    assert said(shelf) == 0


def test_a_bill_alone_tells_nobody_again(shelf: Shelf) -> None:
    town = a_day(shelf.store)
    a_listener(shelf.store, town)
    ended(shelf.store, town)
    reporting.sweep(shelf.store, now=SEVEN)
    a_bill(shelf.store, town, StatementState.MATCHED)

    reporting.sweep(shelf.store, now=SEVEN + HOUR)
    reporting.sweep(shelf.store, now=SEVEN + 2 * DAY)

    assert said(shelf) == 1


def test_money_that_changed_is_told_at_the_next_hour(shelf: Shelf) -> None:
    town = a_day(shelf.store)
    a_listener(shelf.store, town)
    ended(shelf.store, town)
    reporting.sweep(shelf.store, now=SEVEN)
    paid(shelf.store, town.homes[1], name="late", amount_minor=100, now=NOON)

    ended(shelf.store, town, now=SEVEN + HOUR)
    reporting.sweep(shelf.store, now=SEVEN + 2 * HOUR)
    before = said(shelf)
    reporting.sweep(shelf.store, now=SEVEN + DAY)

    assert (before, said(shelf)) == (1, 2)


def test_a_day_that_is_reported_days_late_is_no_news(shelf: Shelf) -> None:
    town = a_day(shelf.store)
    a_listener(shelf.store, town)

    ended(shelf.store, town, now=SEVEN + 3 * DAY)
    reporting.sweep(shelf.store, now=SEVEN + 4 * DAY)

    assert said(shelf) == 0


def test_a_day_without_a_report_is_refused_with_those_that_there_are(store: Store) -> None:
    town = a_day(store)
    ended(store, town)

    with pytest.raises(ReportUnknown) as refused:
        reporting.report(store, replace(_site_day(town), day=TODAY + DAY).key)

    assert refused.value.known == (TODAY, TODAY)
    assert len(reporting.days_before(store, _site_day(town).key, days=30)) == 1
