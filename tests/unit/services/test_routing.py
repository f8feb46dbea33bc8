"""Which way is taken to a meter: in order, away from what failed, and left to whoever has a better one."""

from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st
from tests.unit.services.town import NOON, SECOND, a_town

from compuerta.adapters.memory import MemoryStore
from compuerta.domain.party import Bearer, RoadKind
from compuerta.domain.road import Way, WayFailure
from compuerta.services import beating, routing
from compuerta.services.beating import Beat
from compuerta.services.records import Endpoint
from compuerta.services.routing import REST, REST_MAX, Known, Routing, rests_until

BUS = Way(endpoint_id="bus", road=RoadKind.RS485)
MODULE = Way(endpoint_id="module", road=RoadKind.MOBILE_4G)
METER_ID = 7


def a_routing(*here: Way, known: Known | None = None) -> Routing:
    made = Routing()
    for way in here:
        made.opened(way.endpoint_id)
    made.follow(known or Known(ways={METER_ID: (BUS, MODULE)}))
    return made


def test_the_first_way_that_lives_is_taken() -> None:
    both, second, none = a_routing(BUS, MODULE), a_routing(MODULE), a_routing()

    assert both.way(METER_ID, now=NOON) == BUS
    assert second.way(METER_ID, now=NOON) == MODULE
    assert none.way(METER_ID, now=NOON) is None
    assert both.way(METER_ID + 1, now=NOON) is None


def test_a_way_that_was_lost_is_taken_no_more() -> None:
    made = a_routing(BUS, MODULE)

    made.lost("bus")

    assert made.way(METER_ID, now=NOON) == MODULE


def test_a_way_that_failed_is_left_until_a_poll_finds_that_it_serves() -> None:
    made = a_routing(BUS, MODULE)
    made.failed(METER_ID, BUS, at=NOON)

    at_once = made.way(METER_ID, now=NOON), made.way(METER_ID, now=NOON, is_poll=True)
    rested = made.way(METER_ID, now=NOON + REST), made.way(METER_ID, now=NOON + REST, is_poll=True)
    made.served(METER_ID, BUS)

    assert at_once == (MODULE, MODULE)
    assert rested == (MODULE, BUS)
    assert made.way(METER_ID, now=NOON) == BUS


def test_where_every_way_has_failed_they_are_taken_in_turn() -> None:
    made = a_routing(BUS, MODULE)
    taken = []
    for number in range(4):
        way = made.way(METER_ID, now=NOON + number * SECOND)
        assert way is not None
        made.failed(METER_ID, way, at=NOON + number * SECOND)
        taken.append(way)

    assert taken == [BUS, MODULE, BUS, MODULE]


def test_the_rest_of_a_way_grows_to_a_bound() -> None:
    rests = [rests_until(WayFailure(failed_at=NOON, times=times)) - NOON for times in (1, 2, 3, 4, 5, 99)]

    assert rests == [REST, 2 * REST, 4 * REST, 8 * REST, 16 * REST, REST_MAX]


def test_a_way_that_fails_again_rests_longer_until_it_serves() -> None:
    made = a_routing(BUS, MODULE)
    for second in (0, 1):
        made.failed(METER_ID, BUS, at=NOON + second * SECOND)
    twice = made.take_unwritten()
    made.served(METER_ID, BUS)
    made.failed(METER_ID, BUS, at=NOON + 2 * SECOND)

    assert twice == {(METER_ID, "bus"): WayFailure(failed_at=NOON + SECOND, times=2)}
    assert made.take_unwritten() == {(METER_ID, "bus"): WayFailure(failed_at=NOON + 2 * SECOND, times=1)}


def test_the_only_way_is_taken_however_often_it_fails() -> None:
    made = a_routing(BUS, known=Known(ways={METER_ID: (BUS,)}))

    made.failed(METER_ID, BUS, at=NOON)

    assert made.way(METER_ID, now=NOON) == BUS
    assert made.take_unwritten() == {}


def test_a_meter_is_left_to_the_gateway_that_has_the_better_way() -> None:
    ways = {METER_ID: (BUS, MODULE)}
    other = Known(ways=ways, elsewhere=frozenset({"bus"}))
    made = a_routing(MODULE, known=other)
    before = made.way(METER_ID, now=NOON)

    failed = {(METER_ID, "bus"): WayFailure(failed_at=NOON, times=1)}
    made.follow(Known(ways=ways, elsewhere=frozenset({"bus"}), failures=failed))

    assert (before, made.way(METER_ID, now=NOON)) == (None, MODULE)


def test_the_gateway_whose_way_failed_leaves_the_meter_to_the_other() -> None:
    known = Known(ways={METER_ID: (BUS, MODULE)}, elsewhere=frozenset({"module"}))
    made = a_routing(BUS, known=known)
    before = made.way(METER_ID, now=NOON)

    made.failed(METER_ID, BUS, at=NOON)

    assert (before, made.way(METER_ID, now=NOON)) == (BUS, None)


def test_an_end_that_comes_anew_may_serve_again() -> None:
    made = a_routing(BUS, MODULE)
    made.failed(METER_ID, BUS, at=NOON)
    made.take_unwritten()

    made.opened("bus")

    assert made.way(METER_ID, now=NOON) == BUS
    assert made.take_unwritten() == {(METER_ID, "bus"): None}


def test_what_was_seen_here_and_is_not_written_yet_outlives_what_the_rows_tell() -> None:
    known = Known(ways={METER_ID: (BUS, MODULE)})
    made = a_routing(BUS, MODULE, known=known)
    made.failed(METER_ID, BUS, at=NOON)

    made.keep(made.take_unwritten())
    made.follow(known)

    assert made.way(METER_ID, now=NOON) == MODULE


def test_what_one_gateway_writes_another_learns() -> None:
    store = MemoryStore()
    home = a_town(store).homes[0]
    module = Endpoint(
        endpoint_id="module",
        organisation_id=1,
        road=RoadKind.MOBILE_4G,
        bearer=Bearer.DIAL_IN,
        address="860000000000001",
    )
    with store.transaction() as tx:
        tx.add_endpoint(module)
        tx.roads.put_ways({home.meter_id: ["module"]})
    failures = {(home.meter_id, "bus"): WayFailure(failed_at=NOON, times=2)}
    sign = Beat(role="gateway", instance="one", started_at=NOON, at=NOON)

    beating.beat(store, sign, ends={"bus": True}, alarms=[])
    routing.put_failures(store, failures)
    known = routing.learn(store, gateway="two")

    assert known == Known(
        ways={home.meter_id: (BUS, MODULE)}, failures=failures, elsewhere=frozenset({"bus"})
    )
    assert routing.learn(store, gateway="one").elsewhere == frozenset()


WAYS = {1: (BUS, MODULE), 2: (MODULE, BUS), 3: (BUS,), 4: ()}
events: st.SearchStrategy[Callable[[Routing], None]] = st.one_of(
    st.sampled_from([lambda made, end=end: made.opened(end) for end in ("bus", "module", "unknown")]),
    st.sampled_from([lambda made, end=end: made.lost(end) for end in ("bus", "module", "unknown")]),
    st.sampled_from(
        [
            lambda made, meter_id=meter_id, way=way: made.failed(meter_id, way, at=NOON)
            for meter_id in WAYS
            for way in (BUS, MODULE)
        ]
    ),
    st.sampled_from(
        [
            lambda made, meter_id=meter_id, way=way: made.served(meter_id, way)
            for meter_id in WAYS
            for way in (BUS, MODULE)
        ]
    ),
    st.builds(
        lambda elsewhere, failed, ways: (
            lambda made: made.follow(
                Known(
                    ways=ways,
                    elsewhere=elsewhere,
                    failures={key: WayFailure(failed_at=NOON, times=1) for key in failed},
                )
            )
        ),
        st.frozensets(st.sampled_from(["bus", "module"])),
        st.sets(st.tuples(st.sampled_from(sorted(WAYS)), st.sampled_from(["bus", "module"]))),
        st.sampled_from([WAYS, {2: (BUS,), 5: (MODULE,)}, {}]),
    ),
)


@given(st.lists(events, max_size=12))
def test_only_meters_that_are_told_have_another_way(happened: list[Callable[[Routing], None]]) -> None:
    made = a_routing(known=Known(ways=WAYS))
    made.take_changed()

    for event in happened:
        before = {meter_id: made.way(meter_id, now=NOON) for meter_id in range(6)}
        event(made)
        others = before.keys() - made.take_changed()

        assert {each: made.way(each, now=NOON) for each in others} == {each: before[each] for each in others}


def test_a_way_that_fails_and_one_that_serves_again_change_the_way_of_their_meter() -> None:
    made = a_routing(BUS, MODULE, known=Known(ways=WAYS))
    made.take_changed()

    made.failed(1, BUS, at=NOON)
    after_failure = made.take_changed()
    made.served(1, BUS)

    assert (after_failure, made.take_changed()) == ({1}, {1})


def test_an_end_that_comes_changes_the_ways_of_its_own_meters_once() -> None:
    made = a_routing(known=Known(ways=WAYS | {6: (Way(endpoint_id="else", road=RoadKind.RS485),)}))
    made.take_changed()

    made.opened("else")

    assert made.take_changed() == {6}
    assert made.take_changed() == set()
