"""What readings cost by steps and by the hour, down to ledger lines, warnings and relays, on both stores.

The article's tariff: 1 yuan for the first 100 kWh of a month, 1.5 above.
"""

from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path

import pytest
from tests.contract.conftest import MemoryShelf, PostgresShelf, Shelf
from tests.unit.services.town import METER, PLATFORM, SECOND, Home, a_town, an_id, paid, the_view, told

from compuerta.adapters.postgres import books
from compuerta.adapters.tariffs import load_tariff
from compuerta.domain.ledger import DELIVERED, REVENUE_ENERGY, PostingKind
from compuerta.domain.party import CreditAuthority
from compuerta.domain.supply import Reason
from compuerta.domain.tariff.components import Tariff
from compuerta.domain.tariff.document import tariff_from
from compuerta.drivers.abilities import Relay
from compuerta.services import holding, promises, standing
from compuerta.services.acting import Actor
from compuerta.services.facts import Books
from compuerta.services.records import Basis
from compuerta.services.store_port import Store
from compuerta.sim.looking import books_of

TWO_STEPS = load_tariff(Path("tariffs/monthly-two-steps.yaml"))
PEAK_AND_VALLEY = tariff_from(
    {
        "name": "Peak and valley",
        "currency": "CNY",
        "components": [
            {
                "kind": "energy",
                "name": "Energy",
                "periods": [
                    {"name": "peak", "role": "peak", "prices": ["1.00"]},
                    {"name": "valley", "role": "valley", "prices": ["0.30"]},
                ],
                "day_tables": {"any": ["00:00 valley", "08:00 peak", "22:00 valley"]},
                "seasons": [{"name": "all year", "from": "01-01", "every day": "any"}],
            }
        ],
    }
)
STANDING = tariff_from(
    {
        "name": "Standing charge",
        "currency": "CNY",
        "components": [
            {"kind": "energy", "name": "Energy", "periods": [{"name": "any time", "prices": ["1"]}]},
            {"kind": "fixed", "name": "Standing", "account": "fixed", "amount": "2.00", "per": "day"},
        ],
    }
)
ANA = Actor(who="ana", why="read it on site", origin="console")
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
DECEMBER = datetime(2026, 11, 30, 16, tzinfo=UTC)  # in Shanghai, 00:00
SHOWN_WH = 1_000_000  # what the register shows when December begins


def a_home(
    store: Store,
    *,
    tariff: Tariff = TWO_STEPS,
    paid_minor: int = 50_000,
    authority: CreditAuthority = PLATFORM,
) -> Home:
    """A home that has paid, read when December begins; before, nobody had read it."""
    home = a_town(store, authorities=(authority,), tariff=tariff, register_wh=None).homes[0]
    paid(store, home, amount_minor=paid_minor)
    told(store, home, at=DECEMBER, energy_wh=SHOWN_WH, relay=Relay.CLOSED)
    return home


def read(store: Store, home: Home, *, kwh: int, after: timedelta) -> None:
    told(store, home, at=DECEMBER + after, energy_wh=SHOWN_WH + kwh * 1_000, relay=Relay.CLOSED)


def the_books(shelf: Shelf) -> Books:
    now = DECEMBER + 31 * DAY
    if isinstance(shelf, PostgresShelf):
        return books.load(shelf.url, now=now)
    assert isinstance(shelf, MemoryShelf)
    return books_of(shelf.store, now=now)


def charged_lines(shelf: Shelf) -> list[dict[str, int]]:
    """Return the charges' ledger lines, in the order of use."""
    found = the_books(shelf)
    assert not promises.broken(promises.check(found, now=DECEMBER + 31 * DAY))
    order = {each.charge_id: each.to_wh for each in found.charges}
    charges = [each for each in found.postings if each.kind is PostingKind.CHARGE]
    return [
        {line.code: line.amount_minor for line in posting.lines}
        for posting in sorted(charges, key=lambda each: order[each.cause_id])
    ]


def balance_minor(store: Store, home: Home) -> int:
    return the_view(store, home.account_id).holdings.delivered_minor


def test_ten_kwh_across_a_step_cost_each_what_its_step_says(shelf: Shelf) -> None:
    home = a_home(shelf.store)
    read(shelf.store, home, kwh=95, after=9 * DAY)

    read(shelf.store, home, kwh=105, after=10 * DAY)

    assert charged_lines(shelf) == [
        {DELIVERED: 9_500, REVENUE_ENERGY: -9_500},
        {DELIVERED: 1_250, REVENUE_ENERGY: -1_250},
    ]


def test_a_hundred_kwh_after_ten_silent_days_fill_the_steps_in_order(shelf: Shelf) -> None:
    home = a_home(shelf.store)
    read(shelf.store, home, kwh=40, after=4 * DAY)

    read(shelf.store, home, kwh=140, after=14 * DAY)

    assert charged_lines(shelf) == [
        {DELIVERED: 4_000, REVENUE_ENERGY: -4_000},
        {DELIVERED: 12_000, REVENUE_ENERGY: -12_000},
    ]
    assert balance_minor(shelf.store, home) == 50_000 - 16_000


def test_a_month_ends_its_bill_and_begins_the_steps_anew(shelf: Shelf) -> None:
    home = a_home(shelf.store)
    read(shelf.store, home, kwh=110, after=30 * DAY)

    read(shelf.store, home, kwh=130, after=32 * DAY)

    found = the_books(shelf)
    assert [each.bill_start for each in found.bills[-2:]] == [DECEMBER, DECEMBER + 31 * DAY]
    assert [lines[DELIVERED] for lines in charged_lines(shelf)] == [11_500, 1_500, 1_000]


# Supply and warnings follow the charges.


def test_the_step_that_a_balance_meets_decides_when_supply_ends(shelf: Shelf) -> None:
    home = a_home(shelf.store, paid_minor=11_400)
    read(shelf.store, home, kwh=109, after=9 * DAY)
    by_the_cheap_step = the_view(shelf.store, home.account_id).snapshot

    read(shelf.store, home, kwh=110, after=9 * DAY + HOUR)

    assert by_the_cheap_step is not None and by_the_cheap_step.wanted_closed
    after = the_view(shelf.store, home.account_id).snapshot
    assert after is not None
    assert (after.wanted_closed, after.wanted_reason) == (False, Reason.OUT_OF_CREDIT.value)


@pytest.mark.parametrize(("hour", "left_minor"), [(9, 1_000), (23, 1_700)])
def test_the_hour_decides_what_the_same_use_costs(shelf: Shelf, hour: int, left_minor: int) -> None:
    home = a_home(shelf.store, tariff=PEAK_AND_VALLEY, paid_minor=2_000)
    read(shelf.store, home, kwh=0, after=hour * HOUR)

    read(shelf.store, home, kwh=10, after=(hour + 1) * HOUR)

    assert balance_minor(shelf.store, home) == left_minor
    warned = 1 if left_minor <= 1_000 else 0
    assert shelf.count("warning") == warned


def test_energy_of_unknown_hours_is_spread_and_says_so(shelf: Shelf) -> None:
    home = a_home(shelf.store, tariff=PEAK_AND_VALLEY)

    read(shelf.store, home, kwh=24, after=DAY)

    (charge,) = the_books(shelf).charges
    assert charge.basis is Basis.SPREAD
    assert charge.bill_after_minor == 14 * 100 + 10 * 30


# Silence.


def silent_days(store: Store, *, days: int) -> None:
    assert standing.charge_silent(store, after=0, now=DECEMBER + days * DAY + HOUR) is None


def test_days_without_a_reading_are_charged_and_energy_is_not_supposed(shelf: Shelf) -> None:
    home = a_home(shelf.store, tariff=STANDING, paid_minor=10_000)
    read(shelf.store, home, kwh=1, after=HOUR)
    before = balance_minor(shelf.store, home)

    silent_days(shelf.store, days=3)
    silent_days(shelf.store, days=3)

    assert balance_minor(shelf.store, home) == before - 3 * 200
    assert [each.basis for each in the_books(shelf).charges][-1] is Basis.DAYS
    assert not promises.broken(promises.check(the_books(shelf), now=DECEMBER + 31 * DAY))


def test_a_reading_after_silent_days_charges_no_day_twice(shelf: Shelf) -> None:
    home = a_home(shelf.store, tariff=STANDING, paid_minor=10_000)
    read(shelf.store, home, kwh=1, after=HOUR)
    silent_days(shelf.store, days=3)

    read(shelf.store, home, kwh=2, after=4 * DAY + HOUR)

    days_since_november_22 = 14
    assert balance_minor(shelf.store, home) == 10_000 - 200 - days_since_november_22 * 200
    assert not promises.broken(promises.check(the_books(shelf), now=DECEMBER + 31 * DAY))


def test_silent_days_warn_and_end_supply_when_the_credit_is_gone(shelf: Shelf) -> None:
    home = a_home(shelf.store, tariff=STANDING, paid_minor=3_500)
    read(shelf.store, home, kwh=1, after=HOUR)
    warned_by_readings = shelf.count("warning")

    silent_days(shelf.store, days=5)
    snapshot = the_view(shelf.store, home.account_id).snapshot
    silent_days(shelf.store, days=8)

    assert snapshot is not None and snapshot.wanted_closed
    assert (warned_by_readings, shelf.count("warning")) == (1, 2)
    asked = the_view(shelf.store, home.account_id).snapshot
    assert asked is not None and asked.wanted_reason == Reason.LOOK_FIRST.value
    assert asked.decide_at is not None
    holding.sweep(shelf.store, now=asked.decide_at)  # the meter stayed silent
    snapshot = the_view(shelf.store, home.account_id).snapshot
    assert snapshot is not None and snapshot.wanted_closed is False


def test_nobody_is_charged_days_while_billing_is_held(shelf: Shelf) -> None:
    home = a_home(shelf.store, tariff=STANDING, paid_minor=10_000)
    read(shelf.store, home, kwh=1, after=HOUR)
    told(shelf.store, home, at=DECEMBER + 2 * HOUR, energy_wh=0)
    before = balance_minor(shelf.store, home)

    silent_days(shelf.store, days=3)

    assert balance_minor(shelf.store, home) == before


def test_a_use_without_standing_charges_waits_for_its_reading(shelf: Shelf) -> None:
    home = a_home(shelf.store)
    read(shelf.store, home, kwh=1, after=HOUR)
    before = the_view(shelf.store, home.account_id).holdings

    silent_days(shelf.store, days=3)

    assert the_view(shelf.store, home.account_id).holdings == before


def test_a_meter_that_holds_the_money_is_not_switched_for_silent_days(shelf: Shelf) -> None:
    home = a_home(shelf.store, tariff=STANDING, paid_minor=100, authority=METER)
    read(shelf.store, home, kwh=1, after=HOUR)

    silent_days(shelf.store, days=3)

    assert shelf.count("warning") == 0
    assert the_view(shelf.store, home.account_id).holdings.delivered_minor < 0


# A register in doubt.


def test_billing_goes_on_from_what_somebody_read_on_site(shelf: Shelf) -> None:
    home = a_home(shelf.store)
    read(shelf.store, home, kwh=50, after=DAY)
    read(shelf.store, home, kwh=20, after=2 * DAY)  # backwards: held
    read(shelf.store, home, kwh=21, after=3 * DAY)
    held = the_view(shelf.store, home.account_id).holdings

    holding.release_billing(
        shelf.store,
        home.account_id,
        actor=ANA,
        audit_id=an_id("release"),
        now=DECEMBER + 3 * DAY + SECOND,
        register_wh=SHOWN_WH + 20_500,
    )
    read(shelf.store, home, kwh=30, after=4 * DAY)

    assert (held.billing_held, held.billed_wh) == (True, 50_000)
    assert balance_minor(shelf.store, home) == 50_000 - 5_000 - 950
    assert not promises.broken(promises.check(the_books(shelf), now=DECEMBER + 31 * DAY))


@pytest.mark.parametrize("register_wh", [-1])
def test_billing_does_not_go_on_from_nowhere(shelf: Shelf, register_wh: int) -> None:
    home = a_home(shelf.store)

    with pytest.raises(holding.RegisterUnknown):
        holding.release_billing(
            shelf.store,
            home.account_id,
            actor=ANA,
            audit_id=an_id("release"),
            now=DECEMBER + HOUR,
            register_wh=register_wh,
        )

    assert shelf.count("audit") == 0


def test_what_a_bill_hands_on_can_be_kept_whatever_the_decimals_are(shelf: Shelf) -> None:
    tariff = tariff_from(
        {
            "name": "Many decimals",
            "currency": "CNY",
            "components": [
                {"kind": "energy", "name": "Energy", "periods": [{"name": "any", "prices": ["0.123456789"]}]},
                {"kind": "percent", "name": "Tax", "account": "tax", "percent": "5.112696321"},
                {"kind": "percent", "name": "Levy", "account": "levy", "percent": "7.123456789"},
                {"kind": "minimum", "name": "Least", "amount": "0.01", "per": "year"},
            ],
        }
    )
    home = a_home(shelf.store, tariff=tariff)

    read(shelf.store, home, kwh=101, after=30 * DAY)
    read(shelf.store, home, kwh=251, after=70 * DAY)

    paid_for = Fraction("0.123456789") * Fraction("1.05112696321") * Fraction("1.07123456789") * 251
    assert sum(lines[DELIVERED] for lines in charged_lines(shelf)) == round(paid_for * 100)
