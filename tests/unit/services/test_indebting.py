"""What is owed from before: a row and an asset that move together, with who did it and why."""

from dataclasses import replace
from datetime import timedelta

import pytest
from tests.unit.services.town import METER, NOON, Home, a_town, an_id, paid
from tests.unit.services.vending import ANA, in_debt

from compuerta.adapters.memory import MemoryStore
from compuerta.domain.division import Debt, DebtKind
from compuerta.domain.ledger import DEBT, HOUSE, OWED, REVENUE_FIXED, WRITTEN_OFF, cash
from compuerta.services import indebting, moving_out, promises
from compuerta.services.acting import ReasonMissing
from compuerta.services.indebting import (
    DebtFaulty,
    DebtOpening,
    DebtTerms,
    DebtUnknown,
    Lowering,
    NoDebtor,
)
from compuerta.services.moving import Rest, Shown
from compuerta.services.moving_out import MoveOut
from compuerta.sim.looking import books_of

DEBT_ID = an_id("debt")


def an_opening(home: Home, **more: object) -> DebtOpening:
    opening = DebtOpening(
        account_id=home.account_id,
        debt_id=DEBT_ID,
        kind=DebtKind.ARREARS,
        name="Rent of August",
        amount_minor=3_000,
    )
    return replace(opening, **more)  # type: ignore[arg-type]


def opened(store: MemoryStore, home: Home, **more: object) -> Debt:
    return in_debt(store, an_opening(home, **more))


def codes(store: MemoryStore, home: Home) -> dict[str, int]:
    with store.transaction() as tx:
        sums = tx.occupancy.codes_minor(home.account_id, (DEBT, HOUSE, OWED, REVENUE_FIXED, WRITTEN_OFF))
    return {code: minor for code, minor in sums.items() if minor}


def lowered(store: MemoryStore, home: Home, amount_minor: int, *, cause: str = "correction") -> Debt:
    lowering = Lowering(
        account_id=home.account_id, debt_id=DEBT_ID, amount_minor=amount_minor, cause_id=an_id(cause)
    )
    with store.transaction() as tx:
        return indebting.lower(tx, lowering, actor=ANA, now=NOON)


def changed(store: MemoryStore, home: Home, **terms: object) -> Debt:
    wish = replace(DebtTerms(account_id=home.account_id, debt_id=DEBT_ID), **terms)  # type: ignore[arg-type]
    return indebting.change_terms(store, wish, act_id=an_id("act"), actor=ANA, now=NOON)


def acts(store: MemoryStore) -> list[str]:
    return [each.what for each in store.tables.audit if "debt" in each.what]


def holds(store: MemoryStore) -> bool:
    return promises.broken(promises.check(books_of(store, now=NOON), now=NOON)) == []


def test_a_debt_is_a_row_and_an_asset() -> None:
    store = MemoryStore()
    home = a_town(store).homes[0]

    debt = opened(store, home)

    assert (debt.opened_minor, debt.remaining_minor, debt.opened_by, debt.why) == (
        3_000,
        3_000,
        "ana",
        "as agreed",
    )
    assert codes(store, home) == {DEBT: 3_000, HOUSE: -3_000}
    assert indebting.owed(store, home.account_id) == [debt]
    assert acts(store) == ["open debt"]
    assert holds(store)


def test_a_debt_opened_twice_is_one() -> None:
    store = MemoryStore()
    home = a_town(store).homes[0]
    debt = opened(store, home)

    assert opened(store, home) == debt
    assert codes(store, home) == {DEBT: 3_000, HOUSE: -3_000}
    assert acts(store) == ["open debt"]


def test_a_reconnection_is_income_and_a_charge_back_is_against_its_provider() -> None:
    store = MemoryStore()
    home, other = a_town(store, authorities=(METER, METER)).homes
    opened(store, home, kind=DebtKind.RECONNECTION)
    opened(store, other, kind=DebtKind.CHARGE_BACK, debt_id=an_id("back"), against=cash("wechat"))

    assert codes(store, home) == {DEBT: 3_000, REVENUE_FIXED: -3_000}
    with store.transaction() as tx:
        assert tx.occupancy.codes_minor(other.account_id, [cash("wechat")]) == {cash("wechat"): -3_000}


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("amount_minor", {"amount_minor": 0}),
        ("name", {"name": " "}),
        ("name", {"name": "x" * 61}),
        ("least_minor", {"least_minor": -1}),
        ("share_ppm", {"share_ppm": 1_000_001}),
        ("against", {"kind": DebtKind.CHARGE_BACK}),
    ],
)
def test_a_debt_that_cannot_be_is_refused_by_its_field(field: str, wrong: dict[str, object]) -> None:
    store = MemoryStore()
    home = a_town(store).homes[0]

    with pytest.raises(DebtFaulty) as caught:
        opened(store, home, **wrong)

    assert caught.value.field == field
    assert store.tables.debts == {}


def test_only_customers_owe_and_nothing_is_owed_without_a_reason() -> None:
    store = MemoryStore()
    town = a_town(store)
    home = town.homes[0]

    with pytest.raises(NoDebtor):
        opened(store, home, account_id=town.suspense_id)
    with pytest.raises(ReasonMissing):
        in_debt(store, an_opening(home), actor=replace(ANA, why=" "))

    assert store.tables.debts == {}


def test_a_part_of_a_debt_is_written_off_and_the_rest_remains() -> None:
    store = MemoryStore()
    home = a_town(store).homes[0]
    opened(store, home)

    after = lowered(store, home, 1_000)

    assert after.remaining_minor == 2_000
    assert codes(store, home) == {DEBT: 2_000, HOUSE: -3_000, WRITTEN_OFF: 1_000}
    assert acts(store) == ["open debt", "lower debt"]
    assert holds(store)


def test_no_more_is_written_off_than_remains() -> None:
    store = MemoryStore()
    home = a_town(store).homes[0]
    opened(store, home)

    for amount_minor in (0, -1, 3_001):
        with pytest.raises(DebtFaulty, match="from 1 to 3000"):
            lowered(store, home, amount_minor)
    lowered(store, home, 3_000)
    with pytest.raises(DebtUnknown):
        lowered(store, home, 1, cause="again")
    assert holds(store)


def test_a_suspended_debt_is_not_recovered_until_its_day() -> None:
    store = MemoryStore()
    home = a_town(store).homes[0]
    opened(store, home)
    changed(store, home, suspended_until=NOON + timedelta(days=1))

    paid(store, home, name="1", amount_minor=1_000)
    paid(store, home, name="2", amount_minor=1_000, now=NOON + timedelta(days=1))

    assert store.tables.debts[DEBT_ID].remaining_minor == 2_500
    assert acts(store) == ["open debt", "change debt"]


def test_a_share_of_its_own_counts_from_the_next_recharge() -> None:
    store = MemoryStore()
    home = a_town(store).homes[0]
    opened(store, home)

    changed(store, home, share_ppm=100_000)
    paid(store, home, amount_minor=1_000)

    assert store.tables.debts[DEBT_ID].remaining_minor == 2_900
    with pytest.raises(DebtFaulty):
        changed(store, home, share_ppm=-1)
    with pytest.raises(DebtUnknown):
        changed(store, home, debt_id=an_id("nobody's"))


def test_terms_that_stay_the_same_are_no_act() -> None:
    store = MemoryStore()
    home = a_town(store).homes[0]
    opened(store, home)

    changed(store, home)

    assert acts(store) == ["open debt"]


def test_who_moves_out_settles_what_they_owe_from_before() -> None:
    store = MemoryStore()
    home = a_town(store).homes[0]
    opened(store, home)
    leaving = MoveOut(account_id=home.account_id, rest=Rest.BOOKED, shown=Shown(register_wh=0))

    move = moving_out.move_out(store, leaving, actor=ANA, move_id=an_id("move"), now=NOON)

    assert (move.settled["owed_minor"], move.settled["rest_minor"]) == (3_000, -3_000)
    assert store.tables.debts[DEBT_ID].remaining_minor == 0
    assert codes(store, home) == {HOUSE: -3_000, OWED: 3_000}
    assert acts(store) == ["open debt", "call in debts"]
    assert holds(store)
