"""What a gateway has in hand: chosen by line, carried out once, and never lost to a database that is away."""

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from random import Random

import pytest
from tests.unit.services.tariffs import FLAT, approved
from tests.unit.services.town import HOUR, METER, NOON, SECOND, Town, a_town, an_id, paid

from compuerta.adapters.memory import MemoryStore
from compuerta.adapters.models import load_models
from compuerta.domain.errors import Unreachable
from compuerta.domain.instruction import Kind
from compuerta.domain.party import RoadKind
from compuerta.domain.road import Way, WayFailure
from compuerta.domain.supply import HoldKind
from compuerta.drivers.abilities import SENT_UNHEARD, Ending, MeterFreeze, MeterState, Relay, Result
from compuerta.drivers.line import Job, Priority
from compuerta.drivers.mac import SoftEsam
from compuerta.services import deliver, dispatching, holding
from compuerta.services.acting import Actor
from compuerta.services.deliver import Concluded
from compuerta.services.dispatching import (
    CLAIMS_PER_LINE_MAX,
    CONVERSATIONS_PER_CELL_MAX,
    FREEZE_AGAIN,
    REPORTS_MAX,
    TRIES_MAX_WITH_ANOTHER,
    Dispatcher,
    Equipment,
    Written,
)
from compuerta.services.freeze_port import WantedFreeze
from compuerta.services.routing import Known, Reached, own_way
from compuerta.virtual.meter import MeterSetup, VirtualMeter

EQUIPMENT = Equipment(
    models=load_models(Path(__file__).parents[3] / "models"), mac=SoftEsam(bytes(32)), chance=bytes
)
SILENT = Result(ending=Ending.SILENT, reason="no_answer")
NOON_MS = int(NOON.timestamp()) * 1_000
CREDITED = Result(
    ending=Ending.DONE, credited=True, state=MeterState(relay=Relay.CLOSED, balance_minor=5_000)
)


def a_paid_town(store: MemoryStore, *, homes: int = 1) -> Town:
    town = a_town(store, authorities=(METER,) * homes)
    for number, home in enumerate(town.homes):
        paid(store, home, name=str(number))
    return town


def the_meters(store: MemoryStore) -> list[Reached]:
    return [Reached(meter=each, way=own_way(each)) for each in store.tables.meters.values()]


def written(store: MemoryStore, dispatcher: Dispatcher) -> Written:
    """Visit the database once, as a gateway does."""
    batch = dispatcher.batch(the_meters(store))
    done = dispatching.write(store, batch, now=NOON, owner="gateway")
    dispatcher.settle(batch, done)
    return done


def test_a_line_has_no_more_claims_than_it_can_carry_out_in_time() -> None:
    store, dispatcher = MemoryStore(), Dispatcher(EQUIPMENT)
    a_paid_town(store, homes=CLAIMS_PER_LINE_MAX + 2)

    first = written(store, dispatcher).claims
    second = written(store, dispatcher).claims

    assert len(first) == CLAIMS_PER_LINE_MAX
    assert second == []


def test_a_tariff_begins_on_an_idle_line_and_leaves_room_for_recharges() -> None:
    store, dispatcher = MemoryStore(), Dispatcher(EQUIPMENT)
    town = a_town(store, authorities=(METER,) * 4, model="dlt645-standard-4g")
    approved(store, town, FLAT)

    (tariff,) = written(store, dispatcher).claims
    paid(store, town.homes[2])
    (recharge,) = written(store, dispatcher).claims

    assert (tariff.instruction.kind, recharge.instruction.kind) == (Kind.TARIFF, Kind.RECHARGE)
    jobs = [dispatcher.job(claim, now=NOON, now_ms=0) for claim in (tariff, recharge)]
    assert [job.priority for job in jobs] == [Priority.POLL, Priority.RECHARGE]


def test_a_tariff_that_does_not_fit_any_more_is_refused_without_a_word_to_the_meter() -> None:
    store, dispatcher = MemoryStore(), Dispatcher(EQUIPMENT)
    town = a_town(store, model="dlt645-standard-4g")
    approved(store, town, FLAT)
    (claim,) = written(store, dispatcher).claims
    other = replace(claim.meter, model="dlt645-vendor-rs485")

    conversation = dispatcher.job(replace(claim, meter=other), now=NOON, now_ms=0).conversation

    conversation.begin()
    assert conversation.result == Result(ending=Ending.REFUSED, reason="tariff_does_not_fit")


def test_a_meter_is_free_again_when_its_evidence_is_written() -> None:
    store, dispatcher = MemoryStore(), Dispatcher(EQUIPMENT)
    a_paid_town(store)
    (claim,) = written(store, dispatcher).claims
    job = dispatcher.job(claim, now=NOON, now_ms=0)

    dispatcher.finish(job.key, CREDITED, at=NOON + SECOND)
    busy_before = dispatcher.is_busy(claim.meter.meter_id)
    outcomes = written(store, dispatcher).outcomes

    assert job.priority is Priority.RECHARGE
    assert busy_before
    assert outcomes == [Concluded.WRITTEN]
    assert not dispatcher.is_busy(claim.meter.meter_id)


@pytest.mark.parametrize(
    ("hold", "priority"),
    [(HoldKind.SAFETY, Priority.SAFETY), (HoldKind.ADMINISTRATOR, Priority.RECHARGE)],
)
def test_only_danger_goes_before_a_recharge(hold: HoldKind, priority: Priority) -> None:
    store, dispatcher = MemoryStore(), Dispatcher(EQUIPMENT)
    account_id = a_town(store).homes[0].account_id
    actor = Actor(who="ana", why="smoke", origin="console")
    holding.place_hold(store, account_id, kind=hold, actor=actor, hold_id=an_id("hold"), now=NOON)

    (claim,) = written(store, dispatcher).claims

    assert dispatcher.job(claim, now=NOON, now_ms=0).priority is priority


def test_what_the_database_did_not_take_is_written_at_the_next_visit() -> None:
    store, dispatcher = MemoryStore(), Dispatcher(EQUIPMENT)
    town = a_paid_town(store)
    (claim,) = written(store, dispatcher).claims
    (meter,) = the_meters(store)
    poll = dispatcher.poll(meter, now=NOON, now_ms=0)
    dispatcher.finish(poll.key, CREDITED, at=NOON + SECOND)
    dispatcher.give_up(claim, reason="road_lost", at=NOON + SECOND)
    dispatcher.reach([town.homes[0].meter_id])

    lost = dispatcher.batch([meter])
    dispatcher.keep(lost)
    again = dispatcher.batch([meter])

    assert again == lost
    assert (len(again.conclusions), len(again.reports), again.heard) == (1, 1, {town.homes[0].meter_id})


def test_a_conversation_ends_before_its_lease_however_late_it_begins() -> None:
    store, dispatcher = MemoryStore(), Dispatcher(EQUIPMENT)
    a_paid_town(store)
    (claim,) = written(store, dispatcher).claims

    at_once = dispatcher.job(claim, now=NOON, now_ms=0)
    late = dispatcher.job(claim, now=NOON + 20 * SECOND, now_ms=20_000)
    after_a_clock_put_back = dispatcher.job(claim, now=NOON - HOUR, now_ms=0)

    assert [job.deadline_ms for job in (at_once, late, after_a_clock_put_back)] == [25_000] * 3


def test_while_the_database_is_away_the_newest_readings_are_kept() -> None:
    store, dispatcher = MemoryStore(), Dispatcher(EQUIPMENT)
    a_paid_town(store)
    (meter,) = the_meters(store)
    for number in range(REPORTS_MAX + 1):
        job = dispatcher.poll(meter, now=NOON, now_ms=0)
        result = Result(ending=Ending.DONE, state=MeterState(energy_wh=number))
        dispatcher.finish(job.key, result, at=NOON + number * SECOND)

    dispatcher.keep(dispatcher.batch([]))

    kept = [report.state.energy_wh for report in dispatcher.batch([]).reports]
    assert kept == [*range(1, REPORTS_MAX + 1)]


def test_a_reading_says_when_the_meter_was_asked() -> None:
    store, dispatcher = MemoryStore(), Dispatcher(EQUIPMENT)
    a_town(store)
    (meter,) = the_meters(store)
    poll = dispatcher.poll(meter, now=NOON, now_ms=0)

    dispatcher.finish(poll.key, CREDITED, at=NOON + 9 * SECOND)

    (report,) = dispatcher.batch([]).reports
    assert (report.asked_at, report.at) == (NOON, NOON + 9 * SECOND)


def test_a_meter_that_said_nothing_makes_no_report() -> None:
    store, dispatcher = MemoryStore(), Dispatcher(EQUIPMENT)
    a_town(store)
    (meter,) = the_meters(store)

    dispatcher.finish(dispatcher.poll(meter, now=NOON, now_ms=0).key, SILENT, at=NOON)

    assert dispatcher.batch([]).reports == []


def test_only_a_meter_that_had_been_silent_is_worth_another_try() -> None:
    store, dispatcher = MemoryStore(), Dispatcher(EQUIPMENT)
    a_town(store)
    (meter,) = the_meters(store)

    before = dispatcher.hear([meter.meter.meter_id])
    dispatcher.finish(dispatcher.poll(meter, now=NOON, now_ms=0).key, SILENT, at=NOON)
    after = dispatcher.hear([meter.meter.meter_id])
    again = dispatcher.hear([meter.meter.meter_id])

    assert (before, after, again) == (False, True, False)
    assert dispatcher.batch([]).heard == {meter.meter.meter_id}


def test_a_claim_that_no_line_could_take_is_due_again() -> None:
    store, dispatcher = MemoryStore(), Dispatcher(EQUIPMENT)
    a_paid_town(store)
    (claim,) = written(store, dispatcher).claims

    dispatcher.give_up(claim, reason="road_lost", at=NOON)
    written(store, dispatcher)

    (instruction,) = store.tables.instructions.values()
    assert (instruction.last_answer, instruction.lease_until) == ("road_lost", None)
    assert instruction.due_at > NOON


def test_a_visit_that_fails_claims_nothing() -> None:
    store, dispatcher = MemoryStore(), Dispatcher(EQUIPMENT)
    a_paid_town(store)
    batch = dispatcher.batch(the_meters(store))

    with pytest.raises(Unreachable):
        dispatching.write(_Away(), batch, now=NOON, owner="gateway")
    dispatcher.keep(batch)

    assert len(written(store, dispatcher).claims) == 1


class _Away:
    """A database that does not answer."""

    def transaction(self) -> object:
        raise Unreachable("connection refused")


def a_wanted(reached: Reached, *, day: date = date(2026, 11, 21)) -> WantedFreeze:
    at = datetime.combine(day, time(16), tzinfo=UTC)
    return WantedFreeze(meter_id=reached.meter.meter_id, day=day, at=at, zone="Asia/Shanghai")


def a_following(store: MemoryStore) -> tuple[Dispatcher, Reached]:
    dispatcher = Dispatcher(EQUIPMENT)
    with store.transaction() as tx:
        dispatcher.follow(tx.zones())
    return dispatcher, the_meters(store)[0]


def test_what_a_meter_tells_of_its_midnights_is_written_and_a_clock_alone_is_no_reading() -> None:
    store = MemoryStore()
    a_town(store)
    dispatcher, meter = a_following(store)
    wanted = [a_wanted(meter), a_wanted(meter, day=date(2026, 11, 20))]
    job = dispatcher.freezes(meter, wanted, now=NOON, now_ms=0)
    told = MeterFreeze(midnight=datetime(2026, 11, 22), energy_wh=1_230)  # noqa: DTZ001 a meter's clock
    clock = datetime(2026, 11, 22, 12, 0, 50)  # noqa: DTZ001

    result = Result(ending=Ending.SILENT, state=MeterState(clock=clock), freezes=(told,))
    dispatcher.finish(job.key, result, at=NOON + 20 * SECOND)
    batch = dispatcher.batch([meter])
    dispatcher.keep(batch)

    (report,) = dispatcher.batch([meter]).freezes
    assert (report.wanted, report.told, report.clock_off_s) == (wanted[0], told, 30)
    assert batch.reports == []


def test_a_meter_is_asked_for_midnights_again_in_a_minute_and_not_while_it_is_silent() -> None:
    store = MemoryStore()
    a_town(store)
    dispatcher, meter = a_following(store)

    job = dispatcher.freezes(meter, [a_wanted(meter)], now=NOON, now_ms=0)

    assert dispatcher.askable([meter], now=NOON + FREEZE_AGAIN - SECOND) == []
    assert dispatcher.askable([meter], now=NOON + FREEZE_AGAIN) == [meter]
    dispatcher.finish(job.key, SILENT, at=NOON + SECOND)
    assert dispatcher.askable([meter], now=NOON + HOUR) == []
    dispatcher.hear([meter.meter.meter_id])
    assert dispatcher.askable([meter], now=NOON + HOUR) == [meter]


def test_a_meter_that_keeps_no_midnights_is_read_instead() -> None:
    store = MemoryStore()
    a_town(store)
    models = {name: replace(model, freezes=None) for name, model in EQUIPMENT.models.items()}
    dispatcher = Dispatcher(replace(EQUIPMENT, models=models))
    with store.transaction() as tx:
        dispatcher.follow(tx.zones())
    (meter,) = the_meters(store)

    job = dispatcher.freezes(meter, [a_wanted(meter)], now=NOON, now_ms=0)
    dispatcher.finish(job.key, Result(ending=Ending.DONE, state=MeterState(energy_wh=5)), at=NOON)

    batch = dispatcher.batch([meter])
    assert [report.state.energy_wh for report in batch.reports] == [5]
    assert batch.freezes == []


@pytest.mark.parametrize(
    ("shown", "off_s"),
    [(timedelta(0), 0), (timedelta(seconds=20), 0), (timedelta(seconds=25), 5), (timedelta(seconds=-7), -7)],
)
def test_a_clock_is_off_by_what_lies_outside_the_time_in_which_it_was_read(
    shown: timedelta, off_s: int
) -> None:
    store = MemoryStore()
    a_town(store)
    dispatcher, meter = a_following(store)
    job = dispatcher.poll(meter, now=NOON, now_ms=0)
    clock = datetime(2026, 11, 22, 12) + shown  # noqa: DTZ001 a meter's clock

    state = MeterState(clock=clock + HOUR, clock_found=clock)  # it was put right, or set wrong
    dispatcher.finish(job.key, Result(ending=Ending.DONE, state=state), at=NOON + 20 * SECOND)

    assert [report.clock_off_s for report in dispatcher.batch([meter]).reports] == [off_s]


MODULE = Way(endpoint_id="module", road=RoadKind.MOBILE_4G)


def with_a_module(store: MemoryStore, dispatcher: Dispatcher) -> Reached:
    """Let the first meter be reached by its own end, and by a module beside it."""
    own = the_meters(store)[0]
    dispatcher.routing.follow(Known(ways={own.meter.meter_id: (own.way, MODULE)}))
    for way in (own.way, MODULE):
        dispatcher.routing.opened(way.endpoint_id)
    return own


def visited(store: MemoryStore, dispatcher: Dispatcher) -> Written:
    """Visit the database once, for the ways that are taken now."""
    batch = dispatcher.batch(dispatcher.routing.reached(store.tables.meters.values(), now=NOON))
    done = dispatching.write(store, batch, now=NOON, owner="gateway")
    dispatcher.settle(batch, done)
    return done


def test_what_met_silence_goes_by_the_next_way_at_once_and_looks_first() -> None:
    store, dispatcher = MemoryStore(), Dispatcher(EQUIPMENT)
    a_paid_town(store)
    own = with_a_module(store, dispatcher)
    (claim,) = visited(store, dispatcher).claims
    first = dispatcher.way(claim)

    dispatcher.finish(dispatcher.job(claim, now=NOON, now_ms=0).key, SILENT, at=NOON)
    visited(store, dispatcher)
    (again,) = visited(store, dispatcher).claims

    assert (first, dispatcher.way(again)) == (own.way, MODULE)
    assert again.instruction.instruction_id == claim.instruction.instruction_id
    assert again.instruction.tries == 2  # so that the driver asks whether the meter has it already


def sent_unheard(store: MemoryStore, dispatcher: Dispatcher) -> Reached:
    """Let money without seal or date meet silence on its meter's own end; returns that end."""
    a_paid_town(store)
    own = with_a_module(store, dispatcher)
    (claim,) = visited(store, dispatcher).claims
    unheard = Result(ending=Ending.SILENT, reason=SENT_UNHEARD)
    dispatcher.finish(dispatcher.job(claim, now=NOON, now_ms=0).key, unheard, at=NOON)
    visited(store, dispatcher)
    return own


def test_money_without_seal_or_date_waits_until_it_can_no_longer_come_by_the_first_way() -> None:
    store, dispatcher = MemoryStore(), Dispatcher(EQUIPMENT)
    own = sent_unheard(store, dispatcher)

    (again,) = visited(store, dispatcher).claims
    early = dispatcher.job(again, now=NOON + 29 * SECOND, now_ms=0)
    early.conversation.begin()
    put_off = early.conversation.result
    in_time = dispatcher.job(again, now=NOON + 30 * SECOND, now_ms=0).conversation
    in_time.begin()

    assert dispatcher.way(again) == MODULE
    assert put_off == Result(ending=Ending.BUSY, reason=SENT_UNHEARD)
    assert in_time.result is None
    # That nothing was sent by the second way is remembered as well.
    dispatcher.finish(early.key, put_off, at=NOON)
    visited(store, dispatcher)
    (instruction,) = store.tables.instructions.values()
    assert (instruction.endpoint_id, instruction.last_answer) == (own.way.endpoint_id, SENT_UNHEARD)


def test_money_that_was_not_heard_goes_by_the_same_way_again_at_once() -> None:
    store, dispatcher = MemoryStore(), Dispatcher(EQUIPMENT)
    own = sent_unheard(store, dispatcher)
    dispatcher.routing.lost(MODULE.endpoint_id)
    deliver.wake(store, [own.meter.meter_id], now=NOON)

    (again,) = visited(store, dispatcher).claims
    conversation = dispatcher.job(again, now=NOON + SECOND, now_ms=0).conversation
    conversation.begin()

    assert dispatcher.way(again) == own.way
    assert conversation.result is None


def test_what_was_not_heard_comes_no_more_once_its_way_has_answered() -> None:
    store, dispatcher = MemoryStore(), Dispatcher(EQUIPMENT)
    own = sent_unheard(store, dispatcher)
    dispatcher.finish(dispatcher.poll(own, now=NOON, now_ms=0).key, CREDITED, at=NOON + SECOND)
    dispatcher.routing.lost(own.way.endpoint_id)
    deliver.wake(store, [own.meter.meter_id], now=NOON)

    (again,) = visited(store, dispatcher).claims
    conversation = dispatcher.job(again, now=NOON + 2 * SECOND, now_ms=0).conversation
    conversation.begin()

    assert dispatcher.way(again) == MODULE
    assert conversation.result is None


def test_where_another_way_lives_the_first_is_not_waited_for_long() -> None:
    store, dispatcher = MemoryStore(), Dispatcher(EQUIPMENT)
    a_paid_town(store)
    with_a_module(store, dispatcher)
    (claim,) = visited(store, dispatcher).claims

    two = dispatcher.job(claim, now=NOON, now_ms=0).timing.tries_max
    dispatcher.routing.lost(MODULE.endpoint_id)
    alone = dispatcher.job(claim, now=NOON, now_ms=0).timing.tries_max

    assert (two, alone) == (TRIES_MAX_WITH_ANOTHER, 3)


def test_a_claim_is_carried_out_by_the_patience_of_its_way() -> None:
    store, dispatcher = MemoryStore(), Dispatcher(EQUIPMENT)
    a_paid_town(store)
    with_a_module(store, dispatcher)
    dispatcher.routing.lost("bus")

    (claim,) = visited(store, dispatcher).claims

    roads = EQUIPMENT.models[claim.meter.model].roads
    assert dispatcher.job(claim, now=NOON, now_ms=0).timing == roads["4g"]


SLEEPER = Way(endpoint_id="nb", road=RoadKind.NBIOT)


def test_a_slow_road_has_a_longer_lease_and_a_conversation_that_ends_before_it() -> None:
    store, dispatcher = MemoryStore(), Dispatcher(EQUIPMENT)
    town = a_town(store, model="dlt645-standard-4g", authorities=(METER, METER))
    for number, home in enumerate(town.homes):
        paid(store, home, name=str(number))
    cable, slow = the_meters(store)
    batch = dispatcher.batch([cable, replace(slow, way=SLEEPER)])

    done = dispatching.write(store, batch, now=NOON, owner="gateway")
    dispatcher.settle(batch, done)

    found = {
        dispatcher.way(claim).road: (claim.instruction.lease_until, dispatcher.job(claim, now=NOON, now_ms=0))
        for claim in done.claims
    }
    told = {road: (until, job.deadline_ms) for road, (until, job) in found.items()}
    assert told == {
        RoadKind.RS485: (NOON + 30 * SECOND, 25_000),
        RoadKind.NBIOT: (NOON + 180 * SECOND, 175_000),
    }


def test_a_reading_has_a_minute_and_on_a_slow_road_as_long_as_a_lease_there() -> None:
    store, dispatcher = MemoryStore(), Dispatcher(EQUIPMENT)
    a_town(store, model="dlt645-standard-4g")
    (meter,) = the_meters(store)

    jobs = [dispatcher.poll(each, now=NOON, now_ms=0) for each in (meter, replace(meter, way=SLEEPER))]

    assert [job.deadline_ms for job in jobs] == [60_000, 180_000]


def test_readings_give_way_and_what_was_paid_does_not() -> None:
    store = MemoryStore()
    a_paid_town(store)
    dispatcher, meter = a_following(store)
    (claim,) = written(store, dispatcher).claims

    readings = [
        dispatcher.poll(meter, now=NOON, now_ms=0),
        dispatcher.freezes(meter, [a_wanted(meter)], now=NOON, now_ms=0),
    ]

    assert EQUIPMENT.models[meter.meter.model].freezes is not None
    assert [job.gives_way for job in readings] == [True, True]
    assert not dispatcher.job(claim, now=NOON, now_ms=0).gives_way


def test_a_meter_of_two_ways_that_was_read_in_vain_is_told_once_to_be_read_by_the_other() -> None:
    store, dispatcher = MemoryStore(), Dispatcher(EQUIPMENT)
    a_town(store)
    own = with_a_module(store, dispatcher)
    meter_id = own.meter.meter_id

    dispatcher.finish(dispatcher.poll(own, now=NOON, now_ms=0).key, CREDITED, at=NOON)
    read = dispatcher.take_unread()
    dispatcher.finish(dispatcher.poll(own, now=NOON, now_ms=0).key, SILENT, at=NOON)
    in_vain = [dispatcher.take_unread() for _ in range(2)]
    dispatcher.routing.follow(Known(ways={meter_id: (own.way,)}))
    dispatcher.finish(dispatcher.poll(own, now=NOON, now_ms=0).key, SILENT, at=NOON)

    assert read == set()
    assert in_vain == [{meter_id}, set()]
    assert dispatcher.take_unread() == set()  # where there is no other way, its turn comes round


def test_a_way_that_failed_is_told_to_the_other_gateways_and_one_that_serves_again_too() -> None:
    store, dispatcher = MemoryStore(), Dispatcher(EQUIPMENT)
    a_paid_town(store)
    own = with_a_module(store, dispatcher)

    dispatcher.finish(dispatcher.poll(own, now=NOON, now_ms=0).key, SILENT, at=NOON)
    visited(store, dispatcher)
    failed = dict(store.tables.way_failures)
    dispatcher.finish(dispatcher.poll(own, now=NOON, now_ms=0).key, CREDITED, at=NOON)
    visited(store, dispatcher)

    assert failed == {(own.meter.meter_id, "bus"): WayFailure(failed_at=NOON, times=1)}
    assert store.tables.way_failures == {}


def test_a_cell_carries_but_so_many_conversations_at_once_and_others_go_on() -> None:
    store, dispatcher = MemoryStore(), Dispatcher(EQUIPMENT)
    town = a_paid_town(store, homes=CONVERSATIONS_PER_CELL_MAX + 3)
    ends = [Way(endpoint_id=f"module{each.meter_id}", road=RoadKind.MOBILE_4G) for each in town.homes]
    reached = [replace(each, way=way) for each, way in zip(the_meters(store), ends, strict=True)]
    in_cell = {way.endpoint_id: "460-00-1" for way in ends[:-1]}
    with store.transaction() as tx:
        dispatcher.follow(tx.zones(), cells=in_cell)
    dispatcher.poll(reached[0], now=NOON, now_ms=0)

    batch = dispatcher.batch(reached)
    claims = dispatching.write(store, batch, now=NOON, owner="gateway").claims

    assert len(claims) == CONVERSATIONS_PER_CELL_MAX - 1 + 1  # one is being read, and one is elsewhere
    assert {claim.meter.meter_id for claim in claims} >= {town.homes[-1].meter_id}


def exchanges(job: Job) -> int:
    """Return how many questions a reading asks of a meter that answers each of them."""
    setup = MeterSetup(meter_no=job.meter_no, customer_no=job.meter_no)
    meter = VirtualMeter(setup, now_ms=NOON_MS, esam=SoftEsam(bytes(32)), chance=Random(1))
    speech, asked = job.conversation, 0
    speech.begin()
    while speech.result is None:
        asked += 1
        octets = speech.send(timing=job.timing, now_ms=asked)
        assert speech.receive(meter.receive(octets, now_ms=NOON_MS + asked), now_ms=asked), "it answers"
    return asked


def test_on_nbiot_the_events_are_asked_for_again_a_quarter_of_an_hour_after_they_were_told() -> None:
    store, dispatcher = MemoryStore(), Dispatcher(EQUIPMENT)
    a_town(store, model="dlt645-standard-4g", authorities=(METER,))
    (meter,) = store.tables.meters.values()
    sleeper = Reached(meter=meter, way=SLEEPER)
    told = Result(ending=Ending.DONE, state=MeterState(energy_wh=7, counts={"cover": 0}))
    brief = Result(ending=Ending.DONE, state=MeterState(energy_wh=7))

    def asked(*, minutes: int, result: Result, by: Reached = sleeper) -> int:
        at = NOON + timedelta(minutes=minutes)
        job = dispatcher.poll(by, now=at, now_ms=0)
        dispatcher.finish(job.key, result, at=at)
        return exchanges(job)

    unheard, heard = asked(minutes=0, result=SILENT), asked(minutes=1, result=told)
    short, whole = asked(minutes=10, result=brief), asked(minutes=16, result=told)
    by_cable = asked(minutes=17, result=told, by=Reached(meter=meter, way=own_way(meter)))

    events = EQUIPMENT.models["dlt645-standard-4g"].events
    assert unheard == heard == whole == by_cable == short + len(events)
