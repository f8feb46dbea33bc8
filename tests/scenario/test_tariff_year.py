"""A year of twenty homes: ledger, meter and a pocket calculator agree to the minor unit, month by month.

Two versions take over, one at the beginning of a month and one in the middle of it; the clocks are changed
twice; half of the meters hold the money and deduct by the tables that they were sent over the wire, the other
half are switches of the platform.
"""

from datetime import datetime, timedelta

import pytest
from tests.scenario.year_oracle import END, SECOND, START, THIRD, VERSIONS, ZONE, hours, owed_cent, period_at
from tests.scenario.year_town import PAID_MINOR, Town

from compuerta.domain.party import CreditAuthority
from compuerta.services import promises
from compuerta.sim.looking import books_of

APPROVED_AHEAD = timedelta(days=9)


@pytest.mark.slow
def test_a_year_of_two_changes_and_two_clock_changes_agrees_to_the_minor_unit() -> None:
    town = Town()
    for house in town.houses:
        town.pay(house)
        town.assign(house)
    oracles = {house.number: dict(owed_cent(house.load_wh)) for house in town.houses}
    for hours_ahead in (24, 12, 1, 0):
        town.go_to(START - timedelta(hours=hours_ahead))
        town.read()
    changes = {prices.since - APPROVED_AHEAD: prices for prices in VERSIONS[1:]}
    compared = set()

    for number, (instant, civil) in enumerate(hours()):
        if civil in changes:
            town.change(changes[civil])
        town.use(number)
        town.go_to(instant + timedelta(hours=1))
        if _is_edge(instant):
            town.read()
        if town.now.astimezone(ZONE).day == 1 and town.now.astimezone(ZONE).hour == 0:
            compared.add(town.now)
            _compare(town, oracles)

    assert len(compared) == 12
    assert town.now == END
    verdicts = promises.check(books_of(town.store, now=END), now=END, settled=True)
    assert promises.broken({"M4": verdicts["M4"], "M1": verdicts["M1"]}) == []


def _is_edge(instant: datetime) -> bool:
    """Whether at the end of this hour something changes on the wall clock: a period, a day, the clock."""
    here, after = (each.astimezone(ZONE) for each in (instant, instant + timedelta(hours=1)))
    shifted = here.utcoffset() != after.utcoffset()
    other_period = period_at(here.replace(tzinfo=None)) != period_at(after.replace(tzinfo=None))
    return shifted or other_period or here.date() != after.date()


def _compare(town: Town, oracles: dict[int, dict[datetime, int]]) -> None:
    with town.store.transaction() as tx:
        views = tx.lock_accounts([house.home.account_id for house in town.houses], now=town.now)
    for house in town.houses:
        view = views[house.home.account_id]
        left_minor = PAID_MINOR - oracles[house.number][town.now]
        assert view.meter is not None
        assert view.holdings.delivered_minor == left_minor, f"ledger of {house.number} at {town.now}"
        if view.meter.credit_authority is CreditAuthority.METER:
            assert house.meter.core.balance_minor == left_minor, f"meter {house.number} at {town.now}"


def test_readings_at_odd_instants_follow_the_meters_own_rates() -> None:
    town = Town()
    for house in town.houses:
        town.pay(house)
        town.assign(house)
    for hours_ahead in (24, 12, 1, 0):
        town.go_to(START - timedelta(hours=hours_ahead))
        town.read()
    town.go_to(START + timedelta(minutes=7))
    town.read()  # the tables are seen to run

    for number, (instant, _) in enumerate(hours()[:120]):
        town.use(number)
        town.go_to(max(town.now, instant + timedelta(minutes=41)))
        if number % 7 == 0:
            town.read()
        town.go_to(instant + timedelta(hours=1))
    town.read()

    in_meters = [house for house in town.houses if house.meter.core.balance_minor is not None]
    with town.store.transaction() as tx:
        views = tx.lock_accounts([house.home.account_id for house in in_meters], now=town.now)
    assert [house.meter.core.balance_minor for house in in_meters] == [
        views[house.home.account_id].holdings.delivered_minor for house in in_meters
    ]
    assert any(charge.rates_wh for charge in town.store.tables.charges.values())


def test_the_year_has_both_clock_changes_and_both_takeovers() -> None:
    days = [instant.astimezone(ZONE).date() for instant, _ in hours()]
    lengths = {days.count(day) for day in set(days)}

    assert lengths == {23, 24, 25}
    assert START < SECOND.replace(tzinfo=ZONE) < THIRD.replace(tzinfo=ZONE) < END
