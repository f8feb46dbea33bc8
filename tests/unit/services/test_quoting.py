"""What an amount comes to is said before money is taken, and refused while the payer still has it."""

from datetime import timedelta

import pytest
from tests.unit.domain.debts import a_debt
from tests.unit.services.town import HOUR, METER, NOON, PLATFORM, Home, a_town, ordered, paid, told
from tests.unit.services.vending import settled

from compuerta.adapters.memory import MemoryStore
from compuerta.domain.division import PartKind
from compuerta.drivers.abilities import Relay
from compuerta.services import quoting
from compuerta.services.quoting import AccountNotRechargeable, AmountOutOfBounds, Quote, TooMuchHeld


def quote(store: MemoryStore, home: Home, amount_minor: int = 5_000) -> Quote:
    return quoting.quote(store, home.account_id, amount_minor, now=NOON)


def owing(store: MemoryStore, home: Home, *, remaining_minor: int = 2_000) -> None:
    with store.transaction() as tx:
        tx.dues.put_debts([a_debt(account_id=home.account_id, remaining_minor=remaining_minor)])


def lines(quoted: Quote) -> list[tuple[str, int]]:
    return [(part.kind.value, part.amount_minor) for part in quoted.division.parts]


def months(quoted: Quote) -> list[str]:
    return [part.period for part in quoted.division.parts if part.kind is PartKind.FIXED]


def test_a_quote_says_what_an_amount_buys() -> None:
    store = MemoryStore()
    home = a_town(store).homes[0]

    quoted = quote(store, home)

    assert lines(quoted) == [("energy", 5_000)]
    assert quoted.energy_wh == 94_339  # 50.00 at 0.53 per kWh
    assert (quoted.balance_minor, quoted.balance_after_minor) == (0, 5_000)
    assert (quoted.currency, quoted.tariff, quoted.period, quoted.debts) == ("CNY", "Flat 0.5300", "", ())


def test_a_quote_says_every_line_and_what_is_owed_after_it() -> None:
    store = MemoryStore()
    home = a_town(store, authorities=(PLATFORM,)).homes[0]
    told(store, home, at=NOON, energy_wh=0, relay=Relay.CLOSED)
    told(store, home, at=NOON + HOUR / 2, energy_wh=2_000, relay=Relay.CLOSED)  # 1.06 on credit
    owing(store, home)
    settled(store, home, recharge_fee_minor=100, recharge_fee_tax_ppm=160_000, monthly_fee_minor=300)

    quoted = quote(store, home)

    assert lines(quoted) == [
        ("fee", 100), ("tax", 16), ("fixed", 300), ("emergency", 106), ("debt", 2_000), ("energy", 2_478),
    ]  # fmt: skip
    assert quoted.energy_minor == 2_478
    assert (quoted.balance_minor, quoted.balance_after_minor) == (-106, 2_478)
    assert quoted.debts == ()
    assert quote(store, home, 1_000).debts[0].remaining_minor == 2_000 - 239


def test_what_was_quoted_is_what_is_credited() -> None:
    store = MemoryStore()
    home = a_town(store).homes[0]
    owing(store, home)
    settled(store, home, recharge_fee_ppm=15_000, monthly_fee_minor=300)
    quoted = quote(store, home)

    paid(store, home)

    (kept,) = store.tables.recharge_lines.values()
    assert [(line.kind.value, line.amount_minor) for line in kept] == lines(quoted)


@pytest.mark.parametrize("amount_minor", [-1, 0, 99, 1_000_001])
def test_an_amount_out_of_the_usual_bounds_is_refused(amount_minor: int) -> None:
    store = MemoryStore()
    home = a_town(store).homes[0]

    with pytest.raises(AmountOutOfBounds) as caught:
        quote(store, home, amount_minor)

    assert (caught.value.least_minor, caught.value.most_minor) == (100, 1_000_000)


def test_the_policys_bounds_count_instead_of_the_usual_ones() -> None:
    store = MemoryStore()
    home = a_town(store).homes[0]
    settled(store, home, recharge_least_minor=2_000, recharge_most_minor=3_000)

    for amount_minor in (1_999, 3_001):
        with pytest.raises(AmountOutOfBounds, match=r"between 20\.00 and 30\.00 CNY"):
            quote(store, home, amount_minor)
    assert quote(store, home, 2_000).limits.least_minor == 2_000
    assert quote(store, home, 3_000).limits.most_minor == 3_000


def test_more_than_an_account_may_hold_is_refused_and_what_is_on_its_way_counts() -> None:
    store = MemoryStore()
    home = a_town(store, authorities=(METER,)).homes[0]
    told(store, home, at=NOON, balance_minor=1_000)
    paid(store, home, amount_minor=4_000)  # not delivered yet
    settled(store, home, hoarding_minor=6_000)

    with pytest.raises(TooMuchHeld, match=r"10\.00 CNY more") as caught:
        quote(store, home, 1_001)

    assert caught.value.room_minor == 1_000
    assert quote(store, home, 1_000).balance_after_minor == 6_000


def test_what_goes_to_debts_is_not_hoarded() -> None:
    store = MemoryStore()
    home = a_town(store).homes[0]
    owing(store, home, remaining_minor=500)
    settled(store, home, hoarding_minor=600)

    assert quote(store, home, 1_000).division.of(PartKind.ENERGY) == 500


def test_who_cannot_be_recharged_is_not_quoted() -> None:
    store = MemoryStore()
    town = a_town(store)
    home = town.homes[0]
    with store.transaction() as tx:
        tx.occupancy.close_account(home.account_id, at=NOON)

    for account_id in (home.account_id, town.suspense_id, 999):
        with pytest.raises(AccountNotRechargeable):
            quoting.quote(store, account_id, 5_000, now=NOON)


def test_an_order_is_refused_where_its_quote_is() -> None:
    store = MemoryStore()
    home = a_town(store).homes[0]
    settled(store, home, hoarding_minor=4_999)

    with pytest.raises(TooMuchHeld):
        ordered(store, home)

    assert store.tables.attempts == {}
    assert store.tables.payment_orders == {}


def test_an_order_that_was_paid_is_found_again_though_it_would_be_refused_now() -> None:
    store = MemoryStore()
    home = a_town(store).homes[0]
    settled(store, home, hoarding_minor=5_000)
    paid(store, home, name="1")

    again = ordered(store, home, reference="order1")

    assert again.state.value == "paid"
    with pytest.raises(TooMuchHeld):
        ordered(store, home, reference="order2")


def test_a_monthly_fee_is_asked_for_since_the_month_that_the_policy_says() -> None:
    store = MemoryStore()
    home = a_town(store).homes[0]
    later = NOON + timedelta(days=60)  # two months after the account began
    settled(store, home, monthly_fee_minor=100)
    since_it_began = quoting.quote(store, home.account_id, 5_000, now=later)
    settled(store, home, monthly_fee_minor=100, monthly_fee_since="2027-01")

    since_the_policy = quoting.quote(store, home.account_id, 5_000, now=later)

    months = [
        [part.period for part in each.division.parts if part.period]
        for each in (since_it_began, since_the_policy)
    ]
    assert months == [["2026-11", "2026-12", "2027-01"], ["2027-01"]]
