"""The adviser's search: the known optimum on small sites, sound plans and honest bounds on larger ones."""

from dataclasses import replace

import pytest
from tests.unit.solver.sites import a_problem, a_spot, cheapest_by_trying_all, random_problem

from compuerta.adapters.solver import search, start
from compuerta.adapters.solver.bound import least_minor
from compuerta.adapters.solver.distances import clusters_of, distances_of, shortest_tree
from compuerta.domain.advice import Item
from compuerta.domain.advice_plan import Problem, bill_of, plan_minor, require_sound
from compuerta.domain.party import RoadKind
from compuerta.services.solver_port import Answer


def solved(problem: Problem, *, limit_ms: int = 20_000) -> Answer:
    return search.solve(problem, limit_ms=limit_ms, on_progress=lambda cost, least: None)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(20))
def test_a_small_site_gets_the_cheapest_plan_that_there_is(seed: int) -> None:
    problem = random_problem(seed, places=4)

    answer = solved(problem)

    unmet, cost_minor = cheapest_by_trying_all(problem)
    require_sound(problem, answer.plan)
    assert (len(answer.plan.unmet), answer.cost_minor) == (unmet, cost_minor)
    assert answer.proven


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(20))
def test_the_bound_of_large_sites_lies_below_the_optimum(seed: int) -> None:
    problem = random_problem(seed, places=4)
    distances = distances_of(problem)
    clusters = clusters_of(4, shortest_tree(distances.cable_minor))

    least = least_minor(problem, clusters, unmet_minor=10**7, limit_ms=5_000)

    unmet, cost_minor = cheapest_by_trying_all(problem)
    assert least.minor <= unmet * 10**7 + cost_minor


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_windows_find_what_the_whole_proves(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    problem = random_problem(seed, places=8)
    proven = solved(problem)
    assert proven.proven

    monkeypatch.setattr(search, "WHOLE_UNITS_MAX", 0)
    found = solved(problem)

    assert found.least_minor <= proven.cost_minor <= found.cost_minor
    assert found.cost_minor <= proven.cost_minor * 103 // 100


def test_a_gate_far_away_goes_by_the_cheapest_network() -> None:
    problem = a_problem([a_spot(x_m=600)])

    answer = solved(problem)

    assert answer.plan.wireless == {0: RoadKind.NBIOT}
    assert answer.proven


def test_a_full_cabinet_is_worth_a_line() -> None:
    problem = a_problem([a_spot("a", meters=30), a_spot("b", x_m=5, meters=30)])

    answer = solved(problem)

    assert [len(line.cables) for line in answer.plan.lines] == [1, 1]
    assert answer.plan.gateways(lines_per_gateway=4) in ({0: 1}, {1: 1})


def test_a_far_house_begins_with_a_gateway_of_its_own_and_not_with_a_trench() -> None:
    far = [replace(a_spot(f"far {n}", x_m=400 + 8 * n), building="far") for n in range(8)]
    near = [replace(a_spot(f"near {n}", x_m=8 * n), building="near") for n in range(8)]
    problem = a_problem([*near, *far])

    plan = start.wired(problem, distances_of(problem), range(16))

    assert {problem.units[line.gateway].spot.building for line in plan.lines} == {"near", "far"}
    assert Item.BURIED not in {part.item for part in bill_of(problem, plan)}


def test_a_cellar_that_hears_nothing_hangs_on_its_neighbours_gateway() -> None:
    problem = a_problem([a_spot("ground"), a_spot("cellar", floor=-1, rsrp_dbm=-140)])

    answer = solved(problem)

    assert not answer.plan.unmet
    assert 1 in answer.plan.lines[0].members
    assert answer.plan.lines[0].gateway == 0


def test_where_nothing_is_heard_the_plan_says_so() -> None:
    problem = a_problem([a_spot(rsrp_dbm=None)])

    answer = solved(problem)

    assert answer.plan.unmet == (0,)
    assert answer.cost_minor == 0


def test_more_meters_than_a_line_may_have_are_told_in_units() -> None:
    problem = a_problem([a_spot(meters=70)], meters_per_line=32)

    assert [unit.meters for unit in problem.units] == [32, 32, 6]
    assert sum(unit.meters for unit in problem.units) == 70


def test_a_plan_costs_what_its_bill_says() -> None:
    problem = a_problem([a_spot("a", meters=30), a_spot("b", x_m=5, meters=30), a_spot("gate", x_m=900)])

    answer = solved(problem)

    assert sum(part.amount_minor for part in bill_of(problem, answer.plan)) == answer.cost_minor
    assert plan_minor(problem, answer.plan) == answer.cost_minor


def test_cables_measured_at_once_are_those_measured_one_by_one() -> None:
    problem = random_problem(1, places=9)

    distances = distances_of(problem)

    for source in range(9):
        for target in range(9):
            assert distances.cable_minor[source, target] == problem.cable_minor(source, target)
            assert distances.length_m[source, target] == problem.length_m(source, target)
