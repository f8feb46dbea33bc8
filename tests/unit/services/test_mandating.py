"""Mandating: whom an outpost may open, by which holds, and for how long its orders are good."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from tests.unit.services.outpost_yard import Yard, a_yard
from tests.unit.services.town import HOUR, NOON, SECOND, a_hold

from compuerta.domain.party import AccountKind
from compuerta.domain.supply import HoldKind
from compuerta.services.mandating import Mandate


def a_mandate(yard: Yard, *, register_wh: int = 0) -> Mandate:
    mandate = yard.orders().mandates[yard.homes[0].meter_id]
    return replace(
        mandate,
        view=replace(mandate.view, holdings=replace(mandate.view.holdings, register_wh=register_wh)),
    )


def test_a_hold_counts_from_its_start_to_its_end() -> None:
    yard = a_yard()
    hold = replace(a_hold(yard.homes[0]), start=NOON + HOUR, end=NOON + 2 * HOUR)
    mandate = replace(a_mandate(yard), holds=(hold,))

    found = [mandate.at(NOON + minutes * 60 * SECOND) for minutes in (0, 59, 60, 119, 120)]

    ours = frozenset({HoldKind.ADMINISTRATOR})
    assert [each.holds for each in found] == [frozenset(), frozenset(), ours, ours, frozenset()]
    assert [each.hold_edge for each in found] == [hold.start, hold.start, hold.end, hold.end, None]


@pytest.mark.parametrize(("register_wh", "is_lent"), [(1_499, True), (1_500, False)])
def test_what_is_lent_by_energy_ends_at_its_register(register_wh: int, is_lent: bool) -> None:
    yard = a_yard()
    lent = replace(a_hold(yard.homes[0], kind=HoldKind.TEMPORARY), until_wh=1_500)
    mandate = replace(a_mandate(yard, register_wh=register_wh), holds=(lent,))

    assert (HoldKind.TEMPORARY in mandate.at(NOON).holds) is is_lent


def _billed_by_intervals(yard: Yard) -> None:
    yard.store.tables.by_intervals.add(yard.homes[0].account_id)


def _buying_nothing(yard: Yard) -> None:
    account_id = yard.homes[0].account_id
    account = yard.store.tables.accounts[account_id]
    yard.store.tables.accounts[account_id] = replace(account, tariff_id=None)


def _a_feeder(yard: Yard) -> None:
    account_id = yard.homes[0].account_id
    account = yard.store.tables.accounts[account_id]
    yard.store.tables.accounts[account_id] = replace(account, kind=AccountKind.FEEDER)


def _measured_by_another(yard: Yard) -> None:
    """Let the account have gone over to another meter since its meters were looked up."""
    account_id, other = (home.account_id for home in yard.homes)
    account = yard.store.tables.accounts[account_id]
    meter_id = yard.store.tables.accounts[other].meter_id
    yard.store.tables.accounts[account_id] = replace(account, meter_id=meter_id)


@pytest.mark.parametrize("change", [_billed_by_intervals, _buying_nothing, _a_feeder, _measured_by_another])
def test_only_who_runs_out_by_the_readings_of_its_meter_may_be_cut(change: Callable[[Yard], None]) -> None:
    yard = a_yard(powers_w=(2_000, 1_000))
    first, second = (home.meter_id for home in yard.homes)
    before = yard.orders().mandates.keys()

    change(yard)

    assert before == {first, second}
    assert first not in yard.orders().mandates


def test_orders_are_good_from_the_instant_of_the_platforms_word_for_their_hours() -> None:
    orders = a_yard().orders()
    over = orders.issued_at + orders.mandate_h * HOUR

    assert [orders.are_good(at) for at in (orders.issued_at, over)] == [True, True]
    assert [orders.are_good(at) for at in (orders.issued_at - SECOND, over + SECOND)] == [False, False]
    assert not replace(orders, cuts=False).are_good(orders.issued_at)
