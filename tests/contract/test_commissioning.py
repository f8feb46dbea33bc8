"""Commissioning: found, claimed, tried and handed over; each step once, by somebody, with what shows it."""

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest
from tests.contract.conftest import Shelf
from tests.contract.test_founding import ANA, a_row
from tests.unit.services.town import (
    HOUR,
    MODELS,
    NOON,
    PLATFORM,
    SECOND,
    Home,
    a_town,
    an_id,
    concluded,
    the_view,
    told,
)

from compuerta.domain.party import Bearer, MeterNoMalformed, RoadKind
from compuerta.domain.supply import HoldKind
from compuerta.drivers.abilities import Ending, MeterState, Relay
from compuerta.drivers.searching import FoundMeter
from compuerta.services import commissioning, deliver, founding, holding, surveying
from compuerta.services.commission_port import FoundBy, Step, StepDone, StepOutcome, SurveyState
from compuerta.services.commissioning import (
    CommissionOver,
    CommissionUnknown,
    NoTest,
    RelayNotThere,
    RelayTest,
    StepsMissing,
)
from compuerta.services.founding import PlacesWish, RowsFaulty
from compuerta.services.records import Endpoint
from compuerta.services.store_port import Store
from compuerta.services.surveying import (
    EndUnknown,
    LineBusy,
    NotAlone,
    NumberTaken,
    Progress,
    Renumber,
    SurveyWish,
)

METER_NO = "000777000101"


def a_claim(store: Store, *, numbers: tuple[int, ...] = (101,)) -> PlacesWish:
    town = a_town(store, authorities=(PLATFORM,))
    rows = [a_row(number, tariff_id=town.tariff_id) for number in numbers]
    return PlacesWish(
        founding_id=an_id("claim"), organisation_id=town.organisation_id, site_id=town.site_id, rows=rows
    )


def claimed(store: Store) -> tuple[Home, UUID]:
    """Claim one meter; returns its place and its commission."""
    wish = a_claim(store)
    founded = commissioning.claim(store, wish, found_by=FoundBy.LABEL, models=MODELS, actor=ANA, now=NOON)
    (account_id,) = founded.account_ids
    view = the_view(store, account_id)
    assert view.meter is not None
    home = Home(meter_id=view.meter.meter_id, account_id=account_id)
    return home, commissioning.commission_id_of(wish.founding_id, view.meter.meter_no)


def standing(store: Store, commission_id: UUID) -> dict[Step, StepOutcome]:
    with store.transaction() as tx:
        return commissioning.standings(tx.commissions.steps([commission_id])[commission_id])


def obeyed(store: Store, home: Home) -> None:
    """Let the meter do all that was ordered when it was claimed."""
    state = MeterState(energy_wh=5_000, relay=Relay.OPEN)
    for second in range(1, 5):
        at = NOON + second * SECOND
        for claim in deliver.claim(store, [home.meter_id], now=at, owner="gateway"):
            concluded(store, claim, ending=Ending.DONE, at=at, state=state)


def tried(
    store: Store, home: Home, commission_id: UUID, step: Step, *, minute: int, seen: bool = True
) -> StepOutcome:
    """Try the relay, with a meter that follows."""
    at = NOON + timedelta(minutes=minute)
    relay = Relay.OPEN if step is Step.DARK else Relay.CLOSED
    test = RelayTest(commission_id=commission_id, step=step)
    commissioning.begin_test(store, test, actor=ANA, now=at)
    told(store, home, at=at + SECOND, energy_wh=5_000, relay=relay)
    return commissioning.confirm(store, test, seen=seen, actor=ANA, now=at + 2 * SECOND)


def test_a_meter_is_claimed_tried_and_handed_over(store: Store) -> None:
    home, commission_id = claimed(store)
    told(store, home, at=NOON + SECOND, energy_wh=5_000, relay=Relay.CLOSED)
    obeyed(store, home)

    assert commissioning.follow(store, now=NOON + 2 * SECOND) == 4
    assert tried(store, home, commission_id, Step.DARK, minute=1) is StepOutcome.DONE
    assert tried(store, home, commission_id, Step.LIGHT, minute=2) is StepOutcome.DONE
    for _ in range(2):
        commissioning.hand_over(store, commission_id, actor=ANA, now=NOON + HOUR)

    stands = standing(store, commission_id)
    assert stands.keys() == {*commissioning.NEEDED, Step.HANDED_OVER}
    assert set(stands.values()) == {StepOutcome.DONE}
    with store.transaction() as tx:
        steps = tx.commissions.steps([commission_id])[commission_id]
        assert {each.who for each in steps if each.step in commissioning.BY_ITSELF} == {"the meter"}
        assert all(each.evidence for each in steps)
        assert not tx.holds_of([home.meter_id], at=NOON + HOUR)
        assert tx.commissions.under_way(limit=9) == []


def test_what_the_meter_showed_is_noted_once(store: Store) -> None:
    home, _commission_id = claimed(store)
    told(store, home, at=NOON + SECOND, energy_wh=5_000)

    noted = [commissioning.follow(store, now=NOON + HOUR) for _ in range(2)]
    obeyed(store, home)
    noted += [commissioning.follow(store, now=NOON + HOUR) for _ in range(2)]

    assert noted == [3, 0, 1, 0]  # its limits come when they were written and read back


def test_nothing_is_handed_over_before_everything_is_shown(store: Store) -> None:
    _home, commission_id = claimed(store)

    with pytest.raises(StepsMissing) as refused:
        commissioning.hand_over(store, commission_id, actor=ANA, now=NOON + HOUR)

    assert refused.value.steps == (*commissioning.BY_ITSELF, *commissioning.TESTS)
    assert Step.HANDED_OVER not in standing(store, commission_id)


def test_nobodys_word_counts_before_the_relay_has_told(store: Store) -> None:
    home, commission_id = claimed(store)
    test = RelayTest(commission_id=commission_id, step=Step.DARK)
    told(store, home, at=NOON, energy_wh=5_000, relay=Relay.OPEN)

    with pytest.raises(NoTest):
        commissioning.confirm(store, test, seen=True, actor=ANA, now=NOON + SECOND)
    commissioning.begin_test(store, test, actor=ANA, now=NOON + SECOND)
    with pytest.raises(RelayNotThere):  # what it told before is no answer to this test
        commissioning.confirm(store, test, seen=True, actor=ANA, now=NOON + 2 * SECOND)
    told(store, home, at=NOON + 3 * SECOND, energy_wh=5_000, relay=Relay.CLOSED)
    with pytest.raises(RelayNotThere):
        commissioning.confirm(store, test, seen=True, actor=ANA, now=NOON + 4 * SECOND)

    assert standing(store, commission_id)[Step.DARK] is StepOutcome.BEGUN


def test_light_where_it_should_be_dark_is_another_meters_place(store: Store) -> None:
    home, commission_id = claimed(store)

    outcome = tried(store, home, commission_id, Step.DARK, minute=1, seen=False)

    assert outcome is StepOutcome.FAILED
    assert Step.DARK in commissioning.missing(_steps(store, commission_id))
    with store.transaction() as tx:
        # Nobody is left in the dark for it.
        assert not tx.holds_of([home.meter_id], at=NOON + timedelta(minutes=1, seconds=2))


def test_the_last_word_of_a_test_counts(store: Store) -> None:
    home, commission_id = claimed(store)

    tried(store, home, commission_id, Step.DARK, minute=1)
    was_left = commissioning.missing(_steps(store, commission_id))
    tried(store, home, commission_id, Step.DARK, minute=2, seen=False)

    assert Step.DARK not in was_left
    assert Step.DARK in commissioning.missing(_steps(store, commission_id))


def test_a_test_that_nobody_ends_ends_by_itself(store: Store) -> None:
    home, commission_id = claimed(store)

    commissioning.begin_test(
        store, RelayTest(commission_id=commission_id, step=Step.DARK), actor=ANA, now=NOON
    )

    with store.transaction() as tx:
        (hold,) = tx.holds_of([home.meter_id], at=NOON)
        assert not tx.holds_of([home.meter_id], at=NOON + commissioning.TEST_MAX)
    assert hold.kind is HoldKind.SAFETY


def test_a_test_takes_the_place_of_the_one_before(store: Store) -> None:
    home, commission_id = claimed(store)
    tests = [RelayTest(commission_id=commission_id, step=step) for step in (Step.DARK, Step.LIGHT)]

    for second, test in enumerate(tests):
        commissioning.begin_test(store, test, actor=ANA, now=NOON + second * SECOND)

    with store.transaction() as tx:
        assert [each.kind for each in tx.holds_of([home.meter_id], at=NOON + SECOND)] == [HoldKind.TEMPORARY]


def test_a_test_ends_with_its_commission(store: Store) -> None:
    home, commission_id = claimed(store)
    test = RelayTest(commission_id=commission_id, step=Step.DARK)
    commissioning.begin_test(store, test, actor=ANA, now=NOON)

    commissioning.give_up(store, commission_id, actor=ANA, now=NOON + SECOND)

    with store.transaction() as tx:
        assert not tx.holds_of([home.meter_id], at=NOON + SECOND)


def test_a_test_lifts_nobody_elses_hold(store: Store) -> None:
    home, commission_id = claimed(store)
    holding.place_hold(
        store, home.account_id, kind=HoldKind.SAFETY, actor=ANA, hold_id=an_id("fire"), now=NOON
    )

    tried(store, home, commission_id, Step.DARK, minute=1)
    with pytest.raises(holding.HoldsContradict):
        commissioning.begin_test(
            store,
            RelayTest(commission_id=commission_id, step=Step.LIGHT),
            actor=ANA,
            now=NOON + HOUR,
        )

    with store.transaction() as tx:
        assert [each.hold_id for each in tx.holds_of([home.meter_id], at=NOON + HOUR)] == [an_id("fire")]


def test_what_is_given_up_is_over(store: Store) -> None:
    _home, commission_id = claimed(store)

    commissioning.give_up(store, commission_id, actor=ANA, now=NOON + HOUR)

    with pytest.raises(CommissionOver):
        commissioning.hand_over(store, commission_id, actor=ANA, now=NOON + HOUR)
    with pytest.raises(CommissionUnknown):
        commissioning.give_up(store, an_id("nobody's"), actor=ANA, now=NOON + HOUR)


def test_a_table_is_claimed_whole_or_not_at_all(shelf: Shelf) -> None:
    store = shelf.store
    wish = a_claim(store, numbers=(101, 102))
    theirs = founding.found_organisation(store, "Mercado")
    with store.transaction() as tx:
        tx.add_endpoint(_an_end("theirs", theirs))
    first, second = wish.rows
    rows = [replace(first, meter_no="1"), replace(second, endpoint_id="new", address="theirs")]

    with pytest.raises(RowsFaulty) as refused:
        commissioning.claim(
            store, replace(wish, rows=rows), found_by=FoundBy.TABLE, models=MODELS, actor=ANA, now=NOON
        )

    assert {(each.row, each.field) for each in refused.value.faults} == {(1, "meter_no"), (2, "endpoint_id")}
    assert shelf.count("commission") == 0


def test_a_dry_run_tells_who_was_heard_and_leaves_nothing(shelf: Shelf) -> None:
    store = shelf.store
    wish = a_claim(store, numbers=(101, 102))
    bus = replace(wish, rows=[replace(each, endpoint_id="bus", road=RoadKind.RS485) for each in wish.rows])
    _surveyed(store, wish.organisation_id, METER_NO)

    sure = commissioning.rehearse(store, bus, models=MODELS, actor=ANA, now=NOON + HOUR)

    assert sure == {1: "heard", 2: "not_heard_yet"}
    assert shelf.count("commission") == 0


# Surveys.


def test_a_line_is_looked_at_by_the_gateway_that_holds_it(store: Store) -> None:
    organisation_id = a_town(store).organisation_id
    wish = SurveyWish(survey_id=an_id("survey"), organisation_id=organisation_id, endpoint_id="bus")

    for _ in range(2):
        surveying.ask(store, wish, actor=ANA, now=NOON)
    nobodys = surveying.claim(store, {"elsewhere"}, gateway="g1", now=NOON)
    first = surveying.claim(store, {"bus"}, gateway="g1", now=NOON)
    second = surveying.claim(store, {"bus"}, gateway="g2", now=NOON)

    assert ([each.survey_id for each in first], nobodys, second) == ([wish.survey_id], [], [])
    with pytest.raises(LineBusy):
        surveying.ask(store, replace(wish, survey_id=an_id("another")), actor=ANA, now=NOON)


def test_a_survey_whose_gateway_died_is_taken_by_another(store: Store) -> None:
    organisation_id = a_town(store).organisation_id
    wish = SurveyWish(survey_id=an_id("survey"), organisation_id=organisation_id, endpoint_id="bus")
    surveying.ask(store, wish, actor=ANA, now=NOON)
    surveying.claim(store, {"bus"}, gateway="g1", now=NOON)

    (taken,) = surveying.claim(store, {"bus"}, gateway="g2", now=NOON + surveying.LEASE)
    late = Progress(survey_id=wish.survey_id, gateway="g1", probes=9, found=[], ended=SurveyState.DONE)

    assert taken.gateway == "g2"
    assert not surveying.tell(store, late, models=MODELS, now=NOON + HOUR)
    with store.transaction() as tx:
        survey = tx.commissions.survey(wish.survey_id)
    assert survey is not None and survey.state is SurveyState.RUNNING


def test_a_survey_is_kept_by_telling_how_far_it_is(store: Store) -> None:
    organisation_id = a_town(store).organisation_id
    wish = SurveyWish(survey_id=an_id("survey"), organisation_id=organisation_id, endpoint_id="bus")
    surveying.ask(store, wish, actor=ANA, now=NOON)
    surveying.claim(store, {"bus"}, gateway="g1", now=NOON)
    told_at = NOON + surveying.LEASE - SECOND
    progress = Progress(survey_id=wish.survey_id, gateway="g1", probes=9, found=[])
    assert surveying.tell(store, progress, models=MODELS, now=told_at)

    kept = surveying.claim(store, {"bus"}, gateway="g2", now=NOON + surveying.LEASE)
    (taken,) = surveying.claim(store, {"bus"}, gateway="g2", now=told_at + surveying.LEASE)

    assert kept == []
    assert taken.gateway == "g2"


def test_nothing_is_told_of_a_survey_that_is_over_or_was_never_asked(store: Store) -> None:
    survey_id = _surveyed(store, a_town(store).organisation_id, METER_NO)
    late = Progress(survey_id=survey_id, gateway="g1", probes=99, found=[FoundMeter(meter_no="000777000999")])

    assert not surveying.tell(store, late, models=MODELS, now=NOON + HOUR)
    assert not surveying.tell(
        store, replace(late, survey_id=an_id("nobody's")), models=MODELS, now=NOON + HOUR
    )

    with store.transaction() as tx:
        survey = tx.commissions.survey(survey_id)
        assert [each.address for each in tx.commissions.findings(survey_id)] == [METER_NO]
    assert survey is not None and (survey.state, survey.probes) == (SurveyState.DONE, 12)


def test_what_a_survey_finds_out_later_is_told_of_the_same_meter(store: Store) -> None:
    organisation_id = a_town(store).organisation_id
    survey_id = _surveyed(store, organisation_id, METER_NO)
    with store.transaction() as tx:
        (found,) = tx.commissions.findings(survey_id)
        survey = tx.commissions.survey(survey_id)

    assert (found.address, found.shows) == (METER_NO, 7_000)
    assert found.models and "dlt645-standard-4g" not in found.models  # it has no money
    assert survey is not None and (survey.state, survey.probes) == (SurveyState.DONE, 12)


def test_nobody_searches_another_ones_line(store: Store) -> None:
    a_town(store)
    theirs = founding.found_organisation(store, "Mercado")
    wish = SurveyWish(survey_id=an_id("survey"), organisation_id=theirs, endpoint_id="bus")

    with pytest.raises(EndUnknown):
        surveying.ask(store, wish, actor=ANA, now=NOON)


def test_a_number_is_written_only_where_nobody_else_would_take_it(store: Store) -> None:
    town = a_town(store)
    with store.transaction() as tx:
        tx.add_endpoint(_an_end("bench", town.organisation_id))
    wish = SurveyWish(
        survey_id=an_id("renumber"),
        organisation_id=town.organisation_id,
        endpoint_id="bus",
        renumber=Renumber(meter_no="777000000001", new_no=METER_NO),
    )

    with pytest.raises(NotAlone):
        surveying.ask(store, wish, actor=ANA, now=NOON)
    # Who is reached by a line in the second place hears a new number as well.
    with store.transaction() as tx:
        tx.add_endpoint(_an_end("second", town.organisation_id))
        tx.roads.put_ways({tx.meters()[0].meter_id: ["second"]})
    with pytest.raises(NotAlone):
        surveying.ask(store, replace(wish, endpoint_id="second"), actor=ANA, now=NOON)
    alone = replace(wish, endpoint_id="bench")
    with pytest.raises(NumberTaken):
        taken = Renumber(meter_no="777000000001", new_no=f"{1:012d}")
        surveying.ask(store, replace(alone, renumber=taken), actor=ANA, now=NOON)
    for numbers in (("1", METER_NO), ("777000000001", "1")):
        malformed = Renumber(meter_no=numbers[0], new_no=numbers[1])
        with pytest.raises(MeterNoMalformed):
            surveying.ask(store, replace(alone, renumber=malformed), actor=ANA, now=NOON)
    surveying.ask(store, alone, actor=ANA, now=NOON)

    (survey,) = surveying.claim(store, {"bench"}, gateway="g1", now=NOON)
    assert (survey.meter_no, survey.new_no) == ("777000000001", METER_NO)


def _steps(store: Store, commission_id: UUID) -> list[StepDone]:
    with store.transaction() as tx:
        return list(tx.commissions.steps([commission_id])[commission_id])


def _an_end(name: str, organisation_id: int) -> Endpoint:
    return Endpoint(
        endpoint_id=name,
        organisation_id=organisation_id,
        road=RoadKind.MOBILE_4G,
        bearer=Bearer.DIAL_IN,
        address=name,
    )


def _surveyed(store: Store, organisation_id: int, meter_no: str) -> UUID:
    """Search the bus, and find a meter whose registers are known a moment later."""
    wish = SurveyWish(survey_id=an_id("survey"), organisation_id=organisation_id, endpoint_id="bus")
    surveying.ask(store, wish, actor=ANA, now=NOON)
    surveying.claim(store, {"bus"}, gateway="g1", now=NOON)
    registers = surveying.registers_of(MODELS["dlt645-remote-rs485"])
    for found, ended in (
        (FoundMeter(meter_no=meter_no), None),
        (FoundMeter(meter_no=meter_no, registers=registers, energy_wh=7_000), SurveyState.DONE),
    ):
        progress = Progress(survey_id=wish.survey_id, gateway="g1", probes=12, found=[found], ended=ended)
        assert surveying.tell(store, progress, models=MODELS, now=NOON + SECOND)
    return wish.survey_id
