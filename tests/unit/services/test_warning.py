"""Levels in money, energy and days speak once, by what the tariff and the account's habits say."""

from datetime import timedelta

from tests.unit.services.town import HOUR, METER, NOON, PLATFORM, Home, a_town, paid, told

from compuerta.adapters.memory import MemoryStore
from compuerta.services import observe
from compuerta.services.records import Warned

MINUTES = timedelta(minutes=15)


def a_home(store: MemoryStore, levels: str, *, paid_minor: int) -> Home:
    """A home with levels of its own and credit; a kWh costs 53 fen."""
    (home,) = a_town(store, authorities=[PLATFORM]).homes
    with store.transaction() as tx:
        tx.put_policy(scope="account", scope_id=home.account_id, document=f'{{"levels": [{levels}]}}')
    paid(store, home, amount_minor=paid_minor)
    return home


def used(store: MemoryStore, home: Home, *, hours: range, wh_per_hour: int) -> list[Warned]:
    """Let a home use evenly, read at each full hour; returns all warnings."""
    for hour in hours:
        told(store, home, at=NOON + hour * HOUR, energy_wh=hour * wh_per_hour)
    return list(store.tables.warnings)


def test_a_level_of_energy_speaks_when_the_balance_buys_no_more_than_it() -> None:
    store = MemoryStore()
    home = a_home(store, '{"kind": "energy", "value": 10000}', paid_minor=1_060)  # 20 kWh

    (warned,) = used(store, home, hours=range(1, 20), wh_per_hour=1_000)

    assert (warned.level, warned.value, warned.balance_minor) == ("energy:10000", 10_000, 530)
    assert warned.at == NOON + 10 * HOUR


def test_a_level_in_days_speaks_once_by_the_accounts_habits() -> None:
    store = MemoryStore()
    home = a_home(store, '{"kind": "days", "value": 24}', paid_minor=3_180)  # 60 hours of a kWh

    (warned,) = used(store, home, hours=range(1, 50), wh_per_hour=1_000)

    assert warned.level == "days:24"
    assert 22 <= warned.value <= 24
    assert warned.at == NOON + 36 * HOUR
    assert warned.zero_at is not None
    assert abs(warned.zero_at - (NOON + 60 * HOUR)) < HOUR


def test_a_recharge_arms_a_level_in_days_again() -> None:
    store = MemoryStore()
    home = a_home(store, '{"kind": "days", "value": 24}', paid_minor=2_120)  # 40 hours
    used(store, home, hours=range(1, 30), wh_per_hour=1_000)
    paid(store, home, name="2", amount_minor=1_590, now=NOON + 29 * HOUR)

    warnings = used(store, home, hours=range(30, 65), wh_per_hour=1_000)

    assert [each.level for each in warnings] == ["days:24", "days:24"]
    assert warnings[1].at > NOON + 40 * HOUR


def test_days_are_looked_at_once_an_hour_however_often_a_meter_is_read() -> None:
    store = MemoryStore()
    home = a_home(store, '{"kind": "days", "value": 24}', paid_minor=3_180)
    for quarter in range(1, 200):
        told(store, home, at=NOON + quarter * MINUTES, energy_wh=quarter * 250)

    (warned,) = store.tables.warnings
    assert warned.at == NOON + 36 * HOUR


def test_a_meter_that_is_recharged_to_just_above_a_level_warns_when_it_falls_through_it() -> None:
    store = MemoryStore()
    (home,) = a_town(store, authorities=[METER]).homes
    balances_minor = (0, 5_400, 5_300, 4_900, 4_800)

    for hour, balance_minor in enumerate(balances_minor, start=1):
        told(store, home, at=NOON + hour * HOUR, balance_minor=balance_minor)

    (warned,) = store.tables.warnings
    assert (warned.level, warned.balance_minor) == ("money:5000", 4_900)


def test_levels_that_somebody_sets_below_which_the_balance_lies_already_are_silent() -> None:
    store = MemoryStore()
    home = a_home(store, '{"kind": "money", "value": 500}', paid_minor=1_060)
    used(store, home, hours=range(1, 5), wh_per_hour=1_000)
    with store.transaction() as tx:
        tx.put_policy(
            scope="account",
            scope_id=home.account_id,
            document='{"levels": [{"kind": "money", "value": 900}, {"kind": "money", "value": 400}]}',
        )

    warnings = used(store, home, hours=range(5, 15), wh_per_hour=1_000)

    assert [each.level for each in warnings] == ["money:400"]


def test_a_register_of_the_past_says_nothing() -> None:
    store = MemoryStore()
    home = a_home(store, '{"kind": "money", "value": 500}', paid_minor=1_060)
    before = used(store, home, hours=range(1, 15), wh_per_hour=1_000)

    observe.take_readings(store, [], now=NOON + 15 * HOUR)
    told(store, home, at=NOON + 2 * HOUR, energy_wh=2_000)

    assert store.tables.warnings == before
