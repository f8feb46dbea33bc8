"""Two ways to one meter: what one does not bring goes by the other, and nothing is ever done twice."""

import pytest
from tests.scenario.two_roads import BUS, MODULE, STEP_MS, World, a_world
from tests.unit.services.town import NOON, PLATFORM, paid, told

from compuerta.domain.instruction import Kind, State
from compuerta.drivers.abilities import SWITCH_VALID_S, Relay

PAID_MINOR = 5_000


def a_recharge(world: World) -> tuple[State, str | None]:
    (found,) = (each for each in world.store.tables.instructions.values() if each.kind is Kind.RECHARGE)
    return found.state, found.endpoint_id


def pay(world: World) -> None:
    paid(world.store, world.home, amount_minor=PAID_MINOR, now=world.now)


def bought(world: World) -> tuple[int, int | None]:
    return world.meter.core.purchase_no, world.meter.core.balance_minor


def test_where_all_is_well_the_first_way_is_taken() -> None:
    world = a_world()
    pay(world)

    world.run(seconds=6)

    assert a_recharge(world) == (State.DONE, BUS)
    assert bought(world) == (1, PAID_MINOR)


def test_what_the_first_road_swallows_goes_by_the_second_within_the_ten_seconds() -> None:
    world = a_world()
    world.carriers[BUS].swallows_out = True
    pay(world)

    world.run(seconds=10)

    assert a_recharge(world) == (State.DONE, MODULE)
    assert bought(world) == (1, PAID_MINOR)


@pytest.mark.parametrize("steps", range(16))
def test_wherever_answers_begin_to_be_lost_the_other_road_finds_what_was_done(steps: int) -> None:
    world = a_world()
    pay(world)
    world.run(seconds=steps * STEP_MS / 1_000)
    world.carriers[BUS].swallows_in = True

    # What was sent without a seal, and was not answered, may come for so long: it is not sent twice before.
    world.run(seconds=12 + SWITCH_VALID_S)

    assert a_recharge(world)[0] is State.DONE
    assert bought(world) == (1, PAID_MINOR)


@pytest.mark.parametrize("steps", range(16))
def test_whatever_the_first_road_keeps_and_brings_late_credits_nothing_more(steps: int) -> None:
    world = a_world()
    pay(world)
    world.run(seconds=steps * STEP_MS / 1_000)
    world.carriers[BUS].keeps_ms = 15_000

    world.run(seconds=40)

    assert a_recharge(world)[0] is State.DONE
    assert bought(world) == (1, PAID_MINOR)


def test_there_are_moments_at_which_the_meter_has_it_and_we_do_not_know() -> None:
    by_steps = []
    for steps in range(16):
        world = a_world()
        pay(world)
        world.run(seconds=steps * STEP_MS / 1_000)
        has_it_before = world.meter.core.purchase_no == 1
        world.carriers[BUS].swallows_in = True
        world.run(seconds=12)
        by_steps.append((has_it_before, a_recharge(world)[1]))

    assert (True, MODULE) in by_steps
    assert by_steps[0] == (False, MODULE)
    assert by_steps[-1] == (True, BUS)


def test_a_second_recharge_does_not_wait_for_the_road_that_failed_the_first() -> None:
    world = a_world()
    world.carriers[BUS].swallows_out = True
    pay(world)
    world.run(seconds=10)
    begun_ms = world.now_ms

    paid(world.store, world.home, name="2", amount_minor=PAID_MINOR, now=world.now)
    while world.meter.core.purchase_no < 2:
        world.run(seconds=0.1)

    assert world.now_ms - begun_ms < 3_000


def test_the_gateway_that_holds_the_other_way_takes_over() -> None:
    world = a_world(gateways=2)
    world.carriers[BUS].swallows_out = True
    pay(world)

    world.run(seconds=12)

    assert a_recharge(world) == (State.DONE, MODULE)
    assert bought(world) == (1, PAID_MINOR)


def a_cut_kept(*, steps: int, kept_s: int) -> World:
    """Let the bus keep what it is given from some step of a cut on, and somebody pay then."""
    world = a_world(authority=PLATFORM)
    told(world.store, world.home, at=NOON, relay=Relay.CLOSED, energy_wh=0)  # with no credit: a cut is due
    world.run(seconds=steps * STEP_MS / 1_000)
    world.carriers[BUS].keeps_ms = 1_000 * kept_s
    world.run(seconds=0.5)
    pay(world)
    world.was_open = world.meter.core.relay is Relay.OPEN
    world.run(seconds=SWITCH_VALID_S + 60)
    return world


def test_a_cut_that_one_road_kept_is_put_right_when_it_comes_after_the_recharge() -> None:
    worlds = [a_cut_kept(steps=steps, kept_s=12) for steps in range(20)]

    assert any(world.was_open for world in worlds)  # a cut did come late
    assert {world.meter.core.relay for world in worlds} == {Relay.CLOSED}
    left = [world.store.tables.instructions.values() for world in worlds]
    assert all(each.ended_at is not None for some in left for each in some)


def test_a_cut_that_one_road_kept_for_longer_than_it_is_valid_cuts_nobody() -> None:
    before = [a_cut_kept(steps=steps, kept_s=SWITCH_VALID_S + 10) for steps in range(8)]

    assert not any(world.was_open for world in before)
    assert {world.meter.core.relay for world in before} == {Relay.CLOSED}
