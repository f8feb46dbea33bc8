"""Days of accounts in both stores: they add up, follow each other, and learn what comes late (promise T1)."""

from dataclasses import replace
from datetime import date, datetime, timedelta

import pytest
from tests.contract.conftest import Shelf
from tests.unit.services.town import METER, NOON, PLATFORM, Town, a_posting, a_town, an_id, paid, told

from compuerta.domain.ledger import DELIVERED, UNDELIVERED, PostingKind, transfer
from compuerta.services import rolling
from compuerta.services.day_end import bounds_of
from compuerta.services.day_port import AccountDay, RollDiffers
from compuerta.services.freeze_port import DayKey, DayStep, Freeze, FreezeBasis, SiteDay
from compuerta.services.store_port import Store

FIRST = date(2026, 11, 22)
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)


def a_site_day(store: Store, town: Town, day: date = FIRST) -> SiteDay:
    """Return a day of the town that is begun, and waits to be rolled."""
    starts_at, ends_at = bounds_of(day, zone="Asia/Shanghai")
    site_day = SiteDay(
        site_id=town.site_id,
        day=day,
        organisation_id=town.organisation_id,
        zone="Asia/Shanghai",
        currency="CNY",
        starts_at=starts_at,
        ends_at=ends_at,
        step=DayStep.ROLLING,
        due_at=ends_at,
    )
    with store.transaction() as tx:
        tx.freezes.put_days([site_day])
    return site_day


def rolled(store: Store, town: Town, day: date = FIRST) -> dict[int, AccountDay]:
    """Roll a day, and return its rows by account."""
    site_day = a_site_day(store, town, day)
    rolling.roll_day(store, site_day, site_day.ends_at + HOUR)
    return the_rows(store, site_day.key)


def the_rows(store: Store, key: DayKey) -> dict[int, AccountDay]:
    with store.transaction() as tx:
        return {each.account_id: each for each in tx.days.rolled(key)}


def done(store: Store, day: SiteDay) -> None:
    with store.transaction() as tx:
        tx.freezes.save_day(replace(day, step=DayStep.DONE, due_at=None, done_at=day.ends_at))


def booked(
    store: Store, account_id: int, *, at: datetime, kind: PostingKind = PostingKind.CHARGE,
    credit_minor: int = -100, code: str = DELIVERED, other: str = "revenue:energy", name: str = "more",
) -> None:  # fmt: skip
    lines = transfer(debit=other, credit=code, amount_minor=credit_minor)
    posting = replace(a_posting(account_id, name=name, kind=kind, lines=lines), booked_at=at)
    with store.transaction() as tx:
        tx.book([posting])


def frozen(store: Store, town: Town, day: date, energy_wh: int | None, *, basis: FreezeBasis) -> None:
    home = town.homes[0]
    _, ends_at = bounds_of(day, zone="Asia/Shanghai")
    freeze = Freeze(
        meter_id=home.meter_id,
        day=day,
        version=1,
        site_id=town.site_id,
        account_id=home.account_id,
        at=ends_at,
        basis=basis,
        known_at=ends_at,
        energy_wh=energy_wh,
    )
    with store.transaction() as tx:
        tx.freezes.put_freezes([freeze])


def test_a_day_adds_up_from_what_was_booked_in_it(store: Store) -> None:
    town = a_town(store, authorities=(PLATFORM, METER))
    mine, meters = town.homes
    paid(store, mine, name="1", amount_minor=5_000)
    paid(store, meters, name="2", amount_minor=3_000)
    told(store, mine, at=NOON + HOUR, energy_wh=10_000)

    rows = rolled(store, town)

    row = rows[mine.account_id]
    assert (row.opening_minor, row.recharged_minor, row.charged_minor) == (0, 5_000, 530)
    assert (row.adjusted_minor, row.closing_minor, row.undelivered_minor) == (0, 4_470, 0)
    assert (rows[meters.account_id].closing_minor, rows[meters.account_id].undelivered_minor) == (3_000,) * 2
    assert rows[town.suspense_id].closing_minor == 0


def test_each_closing_is_the_next_opening(store: Store) -> None:
    town = a_town(store, authorities=(PLATFORM,))
    account_id = town.homes[0].account_id
    paid(store, town.homes[0])
    rolled(store, town)
    booked(store, account_id, at=NOON + DAY)

    row = rolled(store, town, FIRST + DAY)[account_id]

    assert (row.opening_minor, row.charged_minor, row.closing_minor) == (5_000, 100, 4_900)


def test_a_day_whose_yesterday_was_never_rolled_opens_with_all_that_was_booked_before(store: Store) -> None:
    town = a_town(store, authorities=(PLATFORM,))
    account_id = town.homes[0].account_id
    paid(store, town.homes[0])

    row = rolled(store, town, FIRST + 2 * DAY)[account_id]

    assert (row.opening_minor, row.closing_minor, row.postings) == (5_000, 5_000, 0)


@pytest.mark.parametrize(
    ("kind", "recharged", "adjusted", "charged"),
    [
        (PostingKind.RECHARGE, 70, 0, 0),
        (PostingKind.PLACEMENT, 70, 0, 0),
        (PostingKind.SETTLEMENT, 0, 70, 0),
        (PostingKind.CHARGE, 0, 0, -70),
    ],
)
def test_each_kind_of_posting_has_its_column(
    store: Store, kind: PostingKind, recharged: int, adjusted: int, charged: int
) -> None:
    town = a_town(store, authorities=(PLATFORM,))
    account_id = town.homes[0].account_id
    booked(store, account_id, at=NOON, kind=kind, credit_minor=70, other="moved")

    row = rolled(store, town)[account_id]

    assert (row.recharged_minor, row.adjusted_minor, row.charged_minor) == (recharged, adjusted, charged)
    assert row.closing_minor == 70


def test_a_day_is_of_the_instants_of_its_site(store: Store) -> None:
    town = a_town(store, authorities=(PLATFORM,))
    account_id = town.homes[0].account_id
    starts_at, ends_at = bounds_of(FIRST, zone="Asia/Shanghai")
    booked(store, account_id, at=starts_at, credit_minor=-1, name="first")
    booked(store, account_id, at=ends_at, credit_minor=-10, name="tomorrow")

    assert rolled(store, town)[account_id].charged_minor == 1


def test_a_day_that_is_rolled_again_has_no_other_version(shelf: Shelf) -> None:
    town = a_town(shelf.store, authorities=(PLATFORM,))
    paid(shelf.store, town.homes[0])
    rolled(shelf.store, town)
    rows = shelf.count("account_day")

    again = rolled(shelf.store, town)

    assert {each.version for each in again.values()} == {1}
    assert shelf.count("account_day") == rows


def test_what_is_booked_late_makes_the_next_version_of_its_day_and_of_those_after_it(shelf: Shelf) -> None:
    store = shelf.store
    town = a_town(store, authorities=(PLATFORM, PLATFORM))
    account_id, other_id = (home.account_id for home in town.homes)
    paid(store, town.homes[0])
    for number in range(2):
        rolled(store, town, FIRST + number * DAY)
        done(store, a_site_day(store, town, FIRST + number * DAY))
    booked(store, account_id, at=NOON + HOUR)

    third = rolled(store, town, FIRST + 2 * DAY)

    rows = [the_rows(store, DayKey(town.site_id, FIRST + number * DAY)) for number in range(2)]
    assert [(each[account_id].version, each[account_id].closing_minor) for each in rows] == [(2, 4_900)] * 2
    assert (third[account_id].opening_minor, third[account_id].closing_minor) == (4_900, 4_900)
    assert [each[other_id].version for each in rows] == [1, 1]
    assert shelf.count("case_file") == 0


def test_a_day_that_learned_something_is_told_again(store: Store) -> None:
    town = a_town(store, authorities=(PLATFORM,))
    rolled(store, town)
    done(store, a_site_day(store, town))
    booked(store, town.homes[0].account_id, at=NOON + HOUR)

    rolled(store, town, FIRST + DAY)

    with store.transaction() as tx:
        first = tx.freezes.day(DayKey(town.site_id, FIRST))
        second = tx.freezes.day(DayKey(town.site_id, FIRST + DAY))
    assert first is not None and second is not None
    assert (first.step, first.version, first.done_at) == (DayStep.WEIGHING, 2, None)
    assert (second.step, second.version) == (DayStep.WEIGHING, 1)


def test_use_is_the_difference_of_two_freezes(store: Store) -> None:
    town = a_town(store, authorities=(PLATFORM,))
    frozen(store, town, FIRST - DAY, 1_000, basis=FreezeBasis.METER)
    frozen(store, town, FIRST, 4_500, basis=FreezeBasis.PROVISIONAL)

    row = rolled(store, town)[town.homes[0].account_id]

    assert (row.opening_wh, row.closing_wh, row.used_wh) == (1_000, 4_500, 3_500)
    assert row.is_provisional


@pytest.mark.parametrize("basis", [FreezeBasis.MISSING, FreezeBasis.HELD])
def test_use_that_is_not_known_is_not_zero(store: Store, basis: FreezeBasis) -> None:
    town = a_town(store, authorities=(PLATFORM,))
    frozen(store, town, FIRST - DAY, 1_000, basis=FreezeBasis.METER)
    frozen(store, town, FIRST, None if basis is FreezeBasis.MISSING else 10, basis=basis)

    row = rolled(store, town)[town.homes[0].account_id]

    assert (row.opening_wh, row.closing_wh, row.used_wh) == (1_000, None, None)


def test_an_account_whose_holdings_say_otherwise_is_named(store: Store) -> None:
    town = a_town(store, authorities=(METER,))
    account_id = town.homes[0].account_id
    paid(store, town.homes[0])
    day = a_site_day(store, town)
    with store.transaction() as tx:
        tx.days.roll(day)
    booked(
        store, account_id, at=NOON, kind=PostingKind.DELIVERY, credit_minor=500, other=UNDELIVERED
    )  # rolled before it was there

    with store.transaction() as tx:
        differing = tx.days.differing(day, limit=10)

    assert differing == [
        RollDiffers(
            account_id=account_id,
            closing_minor=5_000,
            undelivered_minor=5_000,
            held_minor=5_000,
            held_undelivered_minor=4_500,
        )
    ]


def test_an_account_whose_days_do_not_add_up_is_a_case_and_is_not_adjusted(shelf: Shelf) -> None:
    town = a_town(shelf.store, authorities=(METER,))
    account_id = town.homes[0].account_id
    day = a_site_day(shelf.store, town)
    differing = RollDiffers(
        account_id=account_id, closing_minor=1, undelivered_minor=0, held_minor=2, held_undelivered_minor=0
    )

    for _ in range(2):
        with shelf.store.transaction() as tx:
            rolling.tell_differing(tx, day, [differing], now=NOON)

    assert shelf.count("case_file") == 1
    assert shelf.count("posting") == 0


def test_the_last_versions_of_accounts_are_found_by_day(store: Store) -> None:
    town = a_town(store, authorities=(PLATFORM, PLATFORM))
    account_id = town.homes[0].account_id
    for number in range(3):
        rolled(store, town, FIRST + number * DAY)

    with store.transaction() as tx:
        found = tx.days.of_accounts([account_id], since=FIRST + DAY, until=FIRST + 3 * DAY)

    assert [(each.account_id, each.day) for each in found] == [
        (account_id, FIRST + DAY),
        (account_id, FIRST + 2 * DAY),
    ]


def test_charges_are_summed_from_an_energy_on(store: Store) -> None:
    town = a_town(store, authorities=(PLATFORM, PLATFORM))
    home, other = town.homes
    paid(store, home)
    for number in range(1, 4):
        told(store, home, at=NOON + number * HOUR, energy_wh=10_000 * number)

    with store.transaction() as tx:
        after = {home.account_id: 10_000, other.account_id: 7}
        found = tx.days.charged(after, before=NOON + 3 * HOUR)

    charged = found[home.account_id]
    assert (charged.to_wh, charged.amount_minor, charged.read_at) == (20_000, 530, NOON + 2 * HOUR)
    assert (found[other.account_id].to_wh, found[other.account_id].read_at) == (7, None)


def test_what_a_meter_was_given_is_found_open_or_ended_since(store: Store) -> None:
    town = a_town(store, authorities=(METER, METER))
    for number, home in enumerate(town.homes):
        paid(store, home, name=str(number))

    with store.transaction() as tx:
        found = tx.days.deliveries([town.homes[0].meter_id], since=NOON + DAY)

    assert [(each.account_id, each.amount_minor) for each in found] == [(town.homes[0].account_id, 5_000)]
    assert found[0].recharge_id != an_id("another")
