"""The past in both stores: statements that tie to the ledger, and what was believed at an instant."""

from collections.abc import Collection
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from tests.contract.conftest import Shelf
from tests.unit.services.town import (
    HOUR,
    PLATFORM,
    SECOND,
    Town,
    a_hold,
    a_notice,
    a_posting,
    a_recharge,
    a_town,
    an_id,
    an_opening,
    ordered,
    paid,
    told,
)

from compuerta.adapters.postgres.histories import PostgresHistories
from compuerta.adapters.postgres.store import PostgresStore
from compuerta.domain.ledger import (
    BANK,
    DEBT,
    DELIVERED,
    MOVED,
    OWED,
    PROVIDER_FEE,
    PostingKind,
    cash,
    transfer,
)
from compuerta.drivers.abilities import Relay
from compuerta.services import vend
from compuerta.services.asof import AsOf, InstantAhead, Standing, as_of
from compuerta.services.day_end import bounds_of
from compuerta.services.freeze_port import Freeze, FreezeBasis, SiteDay
from compuerta.services.history_port import CodeSum
from compuerta.services.occupancy_port import Adjustment
from compuerta.services.owner_statements import (
    MonthAhead,
    Way,
    organisation_statement,
    site_statement,
)
from compuerta.services.records import Instant, RechargeInstant
from compuerta.services.resident_statements import (
    AccountUnknown,
    Effect,
    MonthOutside,
    ResidentStatement,
    resident_statement,
)
from compuerta.services.statement_months import Month

OPENED = datetime(2026, 11, 22, 4, tzinfo=UTC)  # noon in Shanghai, as the town is founded
NOVEMBER, DECEMBER = Month(year=2026, number=11), Month(year=2026, number=12)
NEW_YEAR = datetime(2027, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture
def town(shelf: Shelf) -> Town:
    """A home whose credit the platform holds, at 0.53 for a kWh: 50.00 paid, 10 and 5 kWh used."""
    town = a_town(shelf.store, authorities=(PLATFORM,))
    home = town.homes[0]
    paid(shelf.store, home, amount_minor=5_000, now=OPENED + HOUR)
    told(shelf.store, home, at=OPENED + 2 * HOUR, energy_wh=10_000, relay=Relay.CLOSED)
    told(shelf.store, home, at=OPENED + DAY, energy_wh=15_000)
    return town


def a_month(shelf: Shelf, town: Town, month: Month = NOVEMBER, now: datetime = NEW_YEAR) -> ResidentStatement:
    return resident_statement(shelf.store, town.homes[0].account_id, month=month, now=now)


def at_instant(shelf: Shelf, town: Town, at: datetime, now: datetime = NEW_YEAR) -> AsOf:
    return as_of(shelf.store, town.homes[0].account_id, at=at, now=now)


def rolled(shelf: Shelf, town: Town, *days: date) -> None:
    """End days, with what is frozen of them."""
    for day in days:
        starts_at, ends_at = bounds_of(day, zone="Asia/Shanghai")
        with shelf.store.transaction() as tx:
            tx.days.roll(
                SiteDay(
                    site_id=town.site_id,
                    day=day,
                    organisation_id=town.organisation_id,
                    zone="Asia/Shanghai",
                    currency="CNY",
                    starts_at=starts_at,
                    ends_at=ends_at,
                    due_at=None,
                )
            )


def frozen(
    shelf: Shelf, town: Town, day: date, energy_wh: int | None, *, version: int = 1,
    basis: FreezeBasis = FreezeBasis.METER, known_at: datetime | None = None,
) -> None:  # fmt: skip
    home, at = town.homes[0], bounds_of(day, zone="Asia/Shanghai")[1]
    freeze = Freeze(
        meter_id=home.meter_id,
        day=day,
        version=version,
        site_id=town.site_id,
        account_id=home.account_id,
        at=at,
        basis=basis,
        known_at=known_at or at,
        energy_wh=energy_wh,
    )
    with shelf.store.transaction() as tx:
        tx.freezes.put_freezes([freeze])


# Residents' statements.


def test_a_month_opens_with_nothing_and_closes_with_what_the_ledger_says(shelf: Shelf, town: Town) -> None:
    statement = a_month(shelf, town)

    assert (statement.opening_minor, statement.closing_minor, statement.undelivered_minor) == (0, 4_205, 0)
    assert {each: statement.minor(each) for each in Effect} == {
        Effect.RECHARGED: 5_000,
        Effect.CHARGED: -795,
        Effect.ADJUSTED: 0,
    }
    assert (statement.since, statement.is_over) == (datetime(2026, 10, 31, 16, tzinfo=UTC), True)


def test_each_recharge_has_its_lines_and_each_day_its_use(shelf: Shelf, town: Town) -> None:
    statement = a_month(shelf, town)

    (recharge,) = [each.recharge for each in statement.moved if each.recharge is not None]
    assert (recharge.provider, recharge.reference, recharge.paid_minor) == ("wechat", "order1", 5_000)
    assert [(each.kind.value, each.amount_minor) for each in recharge.lines] == [("energy", 5_000)]
    days = [(each.day.day, each.charged_minor, each.closing_minor, each.used_wh) for each in statement.days]
    assert days[:3] == [(22, 530, 4_470, 10_000), (23, 265, 4_205, 5_000), (24, 0, 4_205, None)]
    assert len(days) == 9  # from the day on which it was opened
    assert statement.used_wh == 15_000 and statement.days_missing == 7


def test_the_next_month_opens_with_what_the_last_one_closed_with(shelf: Shelf, town: Town) -> None:
    now = datetime(2026, 12, 3, 4, tzinfo=UTC)

    statement = a_month(shelf, town, DECEMBER, now)

    assert (statement.opening_minor, statement.closing_minor, statement.moved) == (4_205, 4_205, ())
    assert (statement.until, statement.is_over) == (now, False)
    assert [each.day.day for each in statement.days] == [1, 2, 3]


def test_a_day_is_held_against_the_one_that_was_rolled_forward(shelf: Shelf, town: Town) -> None:
    frozen(shelf, town, date(2026, 11, 21), 0)
    frozen(shelf, town, date(2026, 11, 22), 11_000, basis=FreezeBasis.PROVISIONAL)
    rolled(shelf, town, date(2026, 11, 22), date(2026, 11, 23))

    first, second, third = a_month(shelf, town).days[:3]

    assert (first.agrees, first.is_provisional) == (True, True)
    assert (second.agrees, third.agrees) == (True, None)  # the third was not rolled: nothing is claimed of it
    assert a_month(shelf, town).disagreeing == ()


def test_what_was_booked_into_a_day_after_it_was_rolled_shows(shelf: Shelf, town: Town) -> None:
    rolled(shelf, town, date(2026, 11, 22))

    told(shelf.store, town.homes[0], at=OPENED + DAY + HOUR, energy_wh=16_000)
    paid(shelf.store, town.homes[0], name="2", amount_minor=100, now=OPENED + 3 * HOUR)

    assert a_month(shelf, town).disagreeing == (date(2026, 11, 22),)


def test_a_month_before_the_contract_or_ahead_is_refused(shelf: Shelf, town: Town) -> None:
    for month in (Month(year=2026, number=10), Month(year=2027, number=2)):
        with pytest.raises(MonthOutside) as refusal:
            a_month(shelf, town, month)
        assert (refusal.value.first, refusal.value.month) == (NOVEMBER, month)


def test_an_account_that_buys_nothing_has_no_statement(shelf: Shelf, town: Town) -> None:
    for account_id in (town.suspense_id, 999):
        with pytest.raises(AccountUnknown):
            resident_statement(shelf.store, account_id, month=NOVEMBER, now=NEW_YEAR)


@pytest.mark.postgres
def test_what_is_booked_while_a_statement_is_read_does_not_break_it(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, beside = PostgresStore(postgres_url), PostgresStore(postgres_url)
    town = a_town(store, authorities=(PLATFORM,))
    account_id, looked = town.homes[0].account_id, PostgresHistories.sums
    ends: list[datetime] = []

    def sums(self: PostgresHistories, *ids: Collection[int], **span: datetime) -> list[CodeSum]:
        found = looked(self, *ids, **span)
        ends.append(span["until"])
        if len(ends) == 2:  # the sums of the beginning, and of the end, were read
            with beside.transaction() as tx:
                tx.book([a_posting(account_id, name="1"), a_posting(account_id, name="2", amount_minor=1)])
        return found

    monkeypatch.setattr(PostgresHistories, "sums", sums)
    try:
        stated = site_statement(store, town.site_id, month=NOVEMBER, now=NEW_YEAR)
    finally:
        store.shut()
        beside.shut()

    assert stated.lines[0].closing_minor == 5_001


# Owners' statements.


def test_what_residents_have_and_what_is_held_for_the_owner_roll_forward(shelf: Shelf, town: Town) -> None:
    statement = site_statement(shelf.store, town.site_id, month=NOVEMBER, now=NEW_YEAR)

    (line,) = statement.lines
    assert (line.opening_minor, line.recharged_minor, line.charged_minor, line.closing_minor) == (
        0, 5_000, 795, 4_205,
    )  # fmt: skip
    assert (line.charged_wh, line.adjusted_minor, line.owed_minor) == (15_000, 0, 0)
    (held,) = statement.held
    assert (held.code, held.moves, held.closing_minor) == ("cash:wechat", {Way.RECEIVED: 5_000}, 5_000)
    assert statement.earned == {"revenue:energy": 795}
    assert (statement.opening_minor, statement.closing_minor, statement.suspense_minor) == (0, 5_000, 0)


def test_fees_and_payouts_lower_what_the_owner_is_owed(shelf: Shelf, town: Town) -> None:
    fee = transfer(debit=PROVIDER_FEE, credit=cash("wechat"), amount_minor=30)
    payout = transfer(debit=BANK, credit=cash("wechat"), amount_minor=4_000)
    with shelf.store.transaction() as tx:
        for name, kind, lines in (
            ("fee", PostingKind.PROVIDER_FEE, fee),
            ("payout", PostingKind.PAYOUT, payout),
        ):
            tx.book([a_posting(town.suspense_id, name=name, kind=kind, lines=lines)])

    november = site_statement(shelf.store, town.site_id, month=NOVEMBER, now=NEW_YEAR)
    december = site_statement(shelf.store, town.site_id, month=DECEMBER, now=NEW_YEAR)

    assert (november.moved_minor(Way.FEES), november.moved_minor(Way.PAID_OUT)) == (-30, -4_000)
    assert november.closing_minor == december.opening_minor == december.closing_minor == 970
    assert november.borne == {"provider_fee": 30}


def test_what_residents_owe_from_before_rolls_forward(shelf: Shelf, town: Town) -> None:
    with shelf.store.transaction() as tx:
        tx.book(
            [
                a_posting(
                    town.homes[0].account_id,
                    kind=PostingKind.DEBT,
                    lines=transfer(debit=DEBT, credit=OWED, amount_minor=700),
                )
            ]
        )

    statement = site_statement(shelf.store, town.site_id, month=NOVEMBER, now=NEW_YEAR)

    assert (statement.owed.added_minor, statement.owed.closing_minor) == (700, 700)
    assert statement.lines[0].owed_minor == 700
    assert a_month(shelf, town).owed == statement.owed


def test_an_organisation_is_all_of_its_sites(shelf: Shelf, town: Town) -> None:
    whole = organisation_statement(shelf.store, town.organisation_id, month=NOVEMBER, now=NEW_YEAR)

    assert whole == site_statement(shelf.store, town.site_id, month=NOVEMBER, now=NEW_YEAR)


def test_days_of_a_site_that_nobody_knows_are_not_zero(shelf: Shelf, town: Town) -> None:
    frozen(shelf, town, date(2026, 11, 22), 11_000)
    frozen(shelf, town, date(2026, 11, 23), 15_500, basis=FreezeBasis.PROVISIONAL)
    rolled(shelf, town, *(date(2026, 11, day) for day in (22, 23, 24)))

    energy = site_statement(shelf.store, town.site_id, month=NOVEMBER, now=NEW_YEAR).energy

    by_day = {each.day.day: (each.used_wh, each.is_provisional, each.missing) for each in energy}
    assert by_day[23] == (4_500, True, 0)
    assert by_day[24] == (None, False, 1) == by_day[30]


def test_a_place_without_an_account_is_vacant_by_whole_days(shelf: Shelf, town: Town) -> None:
    with shelf.store.transaction() as tx:
        tx.occupancy.close_account(town.homes[0].account_id, at=OPENED + 4 * DAY)  # noon of the 26th

    (vacant,) = site_statement(shelf.store, town.site_id, month=NOVEMBER, now=NEW_YEAR).vacant

    assert (vacant.place, vacant.days) == ("flat 1", 4)


def test_a_month_that_has_not_begun_is_refused(shelf: Shelf, town: Town) -> None:
    with pytest.raises(MonthAhead):
        site_statement(shelf.store, town.site_id, month=DECEMBER, now=OPENED + 2 * DAY)


# As of.


def test_what_was_believed_rests_on_what_was_booked_by_then(shelf: Shelf, town: Town) -> None:
    noon, paid_for, used = (at_instant(shelf, town, OPENED + hours * HOUR) for hours in (0, 1, 2))

    assert [each.books.balance_minor for each in (noon, paid_for, used)] == [0, 5_000, 4_470]
    assert (used.told.register_wh, used.told.relay) == (10_000, Relay.CLOSED)
    assert paid_for.told.register_wh is None  # nobody had asked it yet
    assert (used.standing, used.occupant) == (Standing.OPEN, used.tenancy)
    assert used.decision is not None and used.decision.reason == "in_credit"


def test_what_was_learnt_later_stands_beside_what_was_believed(shelf: Shelf, town: Town) -> None:
    home = town.homes[0]
    ordered(shelf.store, home, reference="late", now=OPENED + 2 * HOUR)
    notice = replace(a_notice(transaction_no="late", reference="late"), paid_at=OPENED + 2 * HOUR + SECOND)
    vend.accept_payments(shelf.store, [notice], now=OPENED + 2 * DAY)

    books = at_instant(shelf, town, OPENED + 3 * HOUR).books

    assert (books.balance_minor, books.recharged_later_minor, books.known_now_minor) == (4_470, 5_000, 9_470)


def test_the_tariff_the_holds_and_the_freeze_of_an_instant(shelf: Shelf, town: Town) -> None:
    hold = a_hold(town.homes[0], start=OPENED + HOUR, end=OPENED + 3 * HOUR)
    with shelf.store.transaction() as tx:
        tx.put_hold(hold)
    frozen(shelf, town, date(2026, 11, 22), 10_500, basis=FreezeBasis.PROVISIONAL)
    frozen(shelf, town, date(2026, 11, 22), 10_200, version=2, known_at=OPENED + 3 * DAY)

    held, free = (at_instant(shelf, town, OPENED + hours * HOUR) for hours in (2, 20))

    assert held.holds == (hold,) and free.holds == ()
    assert held.priced is not None and [str(each) for each in held.priced.prices] == ["53/100"]
    assert held.frozen_then is None and held.frozen_now is None
    frozen_wh = [each and each.energy_wh for each in (free.frozen_then, free.frozen_now)]
    assert frozen_wh == [10_500, 10_200]


def test_a_recharge_on_its_way_is_in_flight_until_the_meter_has_it(shelf: Shelf) -> None:
    town = a_town(shelf.store)  # the meter holds the credit
    paid(shelf.store, town.homes[0], amount_minor=5_000, now=OPENED + HOUR)

    found = at_instant(shelf, town, OPENED + 2 * HOUR)

    (sent,) = found.pending
    assert (sent.kind, sent.amount_minor, sent.ended_at) == ("recharge", 5_000, None)
    assert (found.books.delivered_minor, found.books.undelivered_minor) == (0, 5_000)


def test_before_an_account_existed_that_is_said(shelf: Shelf, town: Town) -> None:
    found = at_instant(shelf, town, OPENED - HOUR)

    assert (found.standing, found.occupant, found.meter, found.priced) == (Standing.NOT_YET, None, None, None)
    assert found.books.balance_minor == found.books.known_now_minor == 0


def test_who_lived_there_is_told_whoever_is_asked_about(shelf: Shelf, town: Town) -> None:
    first, at = town.homes[0], OPENED + 4 * DAY
    with shelf.store.transaction() as tx:
        tx.occupancy.close_account(first.account_id, at=at)
        next_id = tx.add_account(
            replace(
                an_opening(town.site_id, name="flat 1", meter_id=first.meter_id, tariff_id=town.tariff_id),
                name="the next",
                opened_at=at,
            )
        )

    before, after = (at_instant(shelf, town, when) for when in (at - SECOND, at))

    assert before.occupant is not None and before.occupant.account_id == first.account_id
    assert (after.standing, after.meter) == (Standing.CLOSED, None)
    assert after.occupant is not None and after.occupant.account_id == next_id
    assert after.told.register_wh is None  # what the meter told before is the other's


def test_the_future_is_refused(shelf: Shelf, town: Town) -> None:
    with pytest.raises(InstantAhead):
        at_instant(shelf, town, NEW_YEAR + SECOND)


def test_what_a_meter_had_left_is_carried_over_and_is_no_recharge(shelf: Shelf, town: Town) -> None:
    home, at = town.homes[0], OPENED + 2 * DAY
    carried = replace(
        a_recharge(home, transaction_no="carried", amount_minor=300),
        payment_id=None,
        adjustment_id=an_id("carried"),
    )
    posted = RechargeInstant(
        account_id=home.account_id, recharge_id=carried.recharge_id, instant=Instant.POSTED, at=at
    )
    posting = a_posting(
        home.account_id,
        kind=PostingKind.CARRIED,
        lines=transfer(debit=MOVED, credit=DELIVERED, amount_minor=300),
    )
    with shelf.store.transaction() as tx:
        tx.occupancy.put_adjustments(
            [
                Adjustment(
                    account_id=home.account_id,
                    adjustment_id=an_id("carried"),
                    amount_minor=300,
                    who="ana",
                    why="a new meter",
                    at=at,
                )
            ]
        )
        tx.put_recharges([carried])
        tx.put_instants([posted])
        tx.book([replace(posting, cause_id=an_id("carried"), booked_at=at)])

    statement = a_month(shelf, town)

    assert statement.minor(Effect.ADJUSTED) == 300
    assert statement.minor(Effect.RECHARGED) == 5_000
    with shelf.store.transaction() as tx:
        told = tx.histories.recharged(home.account_id, since=at, until=at + SECOND)
    assert [(each.grant_id, each.paid_at, each.provider) for each in told] == [(an_id("carried"), at, "")]
