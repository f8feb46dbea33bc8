"""Advising: what is chosen is explained, what stands is kept where it is good, and curves only fall."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from compuerta.domain import advice_signal
from compuerta.domain.advice import Costing, Signal, Spot, Standing, Target
from compuerta.domain.advice_plan import Plan, PlanUnsound, Problem, plan_minor, problem_of, require_sound
from compuerta.domain.advice_signal import Heard
from compuerta.domain.party import RoadKind
from compuerta.services import advice_told
from compuerta.services.advice_picture import whole_svg
from compuerta.services.advising import Advice, Reason, advise
from compuerta.services.solver_port import Answer, Progress

SPOT = Spot(name="flat 1", x_cm=0, y_cm=0, meters=1, mobile=Signal(rsrp_dbm=-90), nbiot=Signal(rsrp_dbm=-90))


def by_air(problem: Problem, *, limit_ms: int, on_progress: Progress, known: Sequence[Plan] = ()) -> Answer:
    """A solver that knows no cables."""
    wireless, kept, unmet = {}, [], []
    for index, unit in enumerate(problem.units):
        if unit.kept_minor is not None:
            kept.append(index)
        elif unit.wireless_minor:
            wireless[index] = min(unit.wireless_minor, key=lambda road: unit.wireless_minor[road])
        else:
            unmet.append(index)
    plan = Plan(wireless=wireless, lines=(), kept=tuple(kept), unmet=tuple(unmet))
    cost_minor = plan_minor(problem, plan)
    return Answer(plan=plan, cost_minor=cost_minor, least_minor=cost_minor)


def advised(*spots: Spot, target: Target | None = None) -> Advice:
    return advise(spots, costing=Costing(), target=target or Target(), solve=by_air, limit_ms=1_000)


def reasons(advice: Advice) -> dict[RoadKind, Reason]:
    return {option.road: option.reason for option in advice.given[0].options}


def test_a_place_is_told_why_it_got_its_road() -> None:
    advice = advised(SPOT)

    assert advice.given[0].road is RoadKind.NBIOT
    assert reasons(advice) == {
        RoadKind.NBIOT: Reason.CHOSEN,
        RoadKind.MOBILE_4G: Reason.DEARER,
        RoadKind.RS485: Reason.DEARER,
    }
    assert advice_told.why(advice.given[0], currency="CNY").startswith("Cheapest for the site is NB-IoT")


@pytest.mark.parametrize(
    ("spot", "reason"),
    [
        (replace(SPOT, nbiot=None), Reason.UNKNOWN),
        (replace(SPOT, nbiot=Signal(rsrp_dbm=-140)), Reason.UNHEARD),
        (replace(SPOT, nbiot=Signal(rsrp_dbm=-112)), Reason.SLOW),
        (replace(SPOT, nbiot=Signal(rsrp_dbm=-90, snr_db=-20)), Reason.UNHEARD),
    ],
)
def test_a_road_that_is_not_good_enough_is_told_by_what_it_lacks(spot: Spot, reason: Reason) -> None:
    assert reasons(advised(spot))[RoadKind.NBIOT] is reason


def test_a_meter_that_no_road_reaches_well_enough_is_told_of() -> None:
    advice = advised(replace(SPOT, mobile=None, nbiot=None))

    assert advice.given[0].road is None
    assert advice_told.told(advice)["meters_without"] == 1
    assert "no gateway for RS485" in advice_told.why(advice.given[0], currency="CNY")


def test_an_estimated_signal_is_believed_less_than_a_measured_one() -> None:
    edge = replace(SPOT, mobile=Signal(rsrp_dbm=-98))

    measured = advice_signal.wireless(edge, RoadKind.MOBILE_4G)
    estimated = advice_signal.wireless(replace(edge, estimated=True), RoadKind.MOBILE_4G)

    assert measured is not None and measured.heard is Heard.GOOD
    assert estimated is not None and estimated.heard is Heard.FAIR


def test_a_road_that_stands_is_judged_by_what_was_measured_on_it() -> None:
    slow = replace(SPOT, standing=Standing(road=RoadKind.NBIOT, latency_ms=30_000, retries_ppm=400_000))
    good = replace(SPOT, standing=Standing(road=RoadKind.NBIOT, latency_ms=3_000, retries_ppm=1_000))

    left, kept = advised(slow).given[0], advised(good).given[0]

    assert (left.road, left.stays) == (RoadKind.MOBILE_4G, False)
    assert (kept.road, kept.stays) == (RoadKind.NBIOT, True)


def test_what_stands_already_is_not_bought_again() -> None:
    problem = problem_of(
        [SPOT, replace(SPOT, standing=Standing(road=RoadKind.NBIOT))], costing=Costing(), target=Target()
    )

    new, standing = (unit.wireless_minor[RoadKind.NBIOT] for unit in problem.units)

    assert new - standing == problem.costing.prices.module_nb


def test_one_road_for_everybody_tells_who_stays_without() -> None:
    advice = advised(SPOT, replace(SPOT, name="cellar", mobile=None))

    assert advice.alone[RoadKind.MOBILE_4G].unmet_meters == 1
    assert advice.alone[RoadKind.NBIOT].unmet_meters == 0


def test_a_looser_target_never_costs_more() -> None:
    advice = advised(SPOT, replace(SPOT, name="flat 2", nbiot=Signal(rsrp_dbm=-112)))

    for points in (advice.by_latency, advice.by_success):
        costs = [(point.unmet_meters, point.answer.cost_minor) for point in points]
        assert costs == sorted(costs, reverse=True)


def test_a_name_is_written_where_it_covers_no_other_dot_or_name() -> None:
    near, far = (
        replace(SPOT, name="near", x_cm=SPOT.x_cm + 400),
        replace(SPOT, name="far", x_cm=SPOT.x_cm + 9_000),
    )

    drawn = whole_svg(advised(replace(SPOT, name="crowded"), near, far))

    assert [f">{name}</text>" in drawn for name in ("crowded", "near", "far")] == [False, True, True]
    assert "<title>crowded: " in drawn


def test_the_facts_add_up_and_the_picture_names_every_place() -> None:
    advice = advised(SPOT, replace(SPOT, name="<flat> 2", x_cm=5_000))

    facts = advice_told.told(advice)

    assert sum(part.amount_minor for part in advice.bill) == facts["cost_minor"]
    assert "&lt;flat&gt; 2" in whole_svg(advice)
    assert "<flat>" not in whole_svg(advice)


@pytest.mark.parametrize(
    "plan",
    [
        Plan(wireless={}, lines=()),
        Plan(wireless={0: RoadKind.NBIOT}, lines=(), unmet=(0,)),
        Plan(wireless={0: RoadKind.RS485}, lines=()),
        Plan(wireless={}, lines=(), kept=(0,)),
    ],
)
def test_a_plan_that_cannot_be_built_is_broken(plan: Plan) -> None:
    problem = problem_of([SPOT], costing=Costing(), target=Target())

    with pytest.raises(PlanUnsound):
        require_sound(problem, plan)
