"""The store port: versions that never change, two persons, assignments, and what has to be told to meters."""

from dataclasses import replace
from datetime import datetime, timedelta
from fractions import Fraction

import pytest
from tests.unit.services.town import (
    HOUR,
    METER,
    NOON,
    PLATFORM,
    SECOND,
    Home,
    Town,
    a_delivery,
    a_town,
    an_id,
    the_view,
    told,
)

from compuerta.domain.instruction import Instruction, Kind, State
from compuerta.domain.tariff.civil import to_us
from compuerta.domain.tariff.components import Terms
from compuerta.domain.tariff.document import fingerprint
from compuerta.domain.tariff.flat import flat_tariff, price_fraction
from compuerta.domain.tariff.schedule import Version
from compuerta.services.records import AccountView, Assignment, TariffVersion, VersionState
from compuerta.services.store_port import Conflict, ConstraintBroken, Store

FEBRUARY = datetime(2027, 2, 1)  # noqa: DTZ001 the wall clock of any site
DAY = timedelta(days=1)
OLD, NEW, OTHER = (price_fraction(price) for price in ("0.53", "0.60", "0.70"))


class Regret(Exception):
    """What undoes a decision before it is kept."""


def a_draft(town: Town, *, number: int = 2, price: str = "0.60") -> TariffVersion:
    tariff = flat_tariff(price, currency="CNY")
    return TariffVersion(
        version=Version(tariff_id=town.tariff_id, version_no=number, effective_from=FEBRUARY, tariff=tariff),
        state=VersionState.DRAFT,
        fingerprint=fingerprint(tariff),
        drafted_by="ana",
        drafted_at=NOON,
    )


def proposed(draft: TariffVersion, *, by: str = "ana") -> TariffVersion:
    return replace(draft, state=VersionState.PROPOSED, proposed_by=by, proposed_at=NOON)


def approved(draft: TariffVersion, *, by: str = "bea") -> TariffVersion:
    return replace(proposed(draft), state=VersionState.APPROVED, decided_by=by, decided_at=NOON)


def put(store: Store, *versions: TariffVersion) -> None:
    """Write a draft, and then what becomes of it."""
    with store.transaction() as tx:
        tx.put_version(versions[0])
        for each in versions[1:]:
            tx.save_version(each)


def kept(store: Store, town: Town) -> list[TariffVersion]:
    with store.transaction() as tx:
        return tx.versions([town.tariff_id])


def generation(store: Store, town: Town) -> int:
    with store.transaction() as tx:
        line = tx.tariff(town.tariff_id)
    assert line is not None
    return line.generation


def price_at(view: AccountView, instant: datetime) -> Fraction:
    assert view.schedule is not None
    (period,) = view.schedule.version_at(to_us(instant)).tariff.energy.periods
    return period.ladder.prices[0]


def test_a_version_is_kept_as_it_was_written(store: Store) -> None:
    town = a_town(store)

    put(store, a_draft(town), proposed(a_draft(town)), approved(a_draft(town)))

    assert kept(store, town)[1:] == [approved(a_draft(town))]


def test_a_draft_may_be_written_anew(store: Store) -> None:
    town = a_town(store)

    put(store, a_draft(town), a_draft(town, price="0.70"))

    assert kept(store, town)[1:] == [a_draft(town, price="0.70")]


def test_what_was_proposed_never_changes(store: Store) -> None:
    town = a_town(store)
    put(store, a_draft(town), proposed(a_draft(town)))

    with pytest.raises(ConstraintBroken), store.transaction() as tx:
        tx.save_version(approved(a_draft(town, price="0.70")))

    assert kept(store, town)[1:] == [proposed(a_draft(town))]


def test_a_decision_stays(store: Store) -> None:
    town = a_town(store)
    put(store, a_draft(town), proposed(a_draft(town)), approved(a_draft(town)))
    regret = replace(approved(a_draft(town)), state=VersionState.WITHDRAWN)

    with pytest.raises(ConstraintBroken), store.transaction() as tx:
        tx.save_version(regret)

    assert kept(store, town)[1].state is VersionState.APPROVED


@pytest.mark.parametrize("by", ["ana", "eva"])
def test_a_version_needs_a_second_person(store: Store, by: str) -> None:
    town = a_town(store)
    draft = replace(a_draft(town), drafted_by="eva")
    put(store, draft, proposed(draft))

    with pytest.raises(ConstraintBroken), store.transaction() as tx:
        tx.save_version(approved(draft, by=by))

    assert kept(store, town)[1].state is VersionState.PROPOSED


def test_nothing_is_approved_that_nobody_proposed(store: Store) -> None:
    town = a_town(store)
    put(store, a_draft(town))
    unasked = replace(approved(a_draft(town)), proposed_by=None, proposed_at=None)

    with pytest.raises(ConstraintBroken), store.transaction() as tx:
        tx.save_version(unasked)

    assert kept(store, town)[1].state is VersionState.DRAFT


def test_two_versions_do_not_begin_at_one_moment(store: Store) -> None:
    town = a_town(store)
    put(store, a_draft(town), proposed(a_draft(town)), approved(a_draft(town)))
    other = a_draft(town, number=3)

    with pytest.raises(Conflict):
        put(store, other, proposed(other), approved(other))

    assert len(kept(store, town)) == 2


def test_a_version_number_is_given_once(store: Store) -> None:
    town = a_town(store)
    put(store, a_draft(town))

    with pytest.raises(Conflict):
        put(store, a_draft(town))


def test_every_decision_makes_a_generation_and_bills_by_it(store: Store) -> None:
    town = a_town(store)
    home = town.homes[0]
    was = generation(store, town)
    assert price_at(the_view(store, home.account_id), NOON + 100 * DAY) == OLD

    put(store, a_draft(town), proposed(a_draft(town)))
    unchanged = generation(store, town)
    with store.transaction() as tx:
        tx.save_version(approved(a_draft(town)))

    assert (unchanged, generation(store, town)) == (was, was + 1)
    view = the_view(store, home.account_id)
    assert (price_at(view, NOON), price_at(view, NOON + 100 * DAY)) == (OLD, NEW)


def test_a_decision_that_was_undone_is_forgotten(store: Store) -> None:
    town = a_town(store)
    home = town.homes[0]
    put(store, a_draft(town), proposed(a_draft(town)))
    other = a_draft(town, number=3, price="0.70")
    put(store, other, proposed(other))

    with pytest.raises(Regret), store.transaction() as tx:
        tx.save_version(approved(a_draft(town)))
        view = tx.look_at([home.account_id], now=NOON)[home.account_id]
        assert price_at(view, NOON + 100 * DAY) == NEW
        raise Regret
    with store.transaction() as tx:
        tx.save_version(approved(other))

    assert price_at(the_view(store, home.account_id), NOON + 100 * DAY) == OTHER


# Assignments.


def another_tariff(store: Store, town: Town) -> int:
    with store.transaction() as tx:
        tariff_id = tx.add_tariff(organisation_id=town.organisation_id, name="other", currency="CNY", at=NOON)
    other = replace(town, tariff_id=tariff_id)
    draft = a_draft(other, number=1, price="0.70")
    put(store, draft, proposed(draft), approved(draft))
    return tariff_id


def test_an_assignment_bills_and_holds_its_terms_from_its_instant_on(store: Store) -> None:
    town = a_town(store)
    home = town.homes[0]
    tariff_id = another_tariff(store, town)
    start = NOON + DAY
    terms = Terms(persons=5, contracted_w=4_600)

    with store.transaction() as tx:
        tx.assign(Assignment(account_id=home.account_id, starts_at=start, tariff_id=tariff_id, terms=terms))

    view = the_view(store, home.account_id, now=start)
    assert (price_at(view, start - SECOND), price_at(view, start)) == (OLD, OTHER)
    assert (view.terms_at(start - SECOND), view.terms_at(start)) == (Terms(), terms)
    assert the_view(store, home.account_id, now=NOON).terms_at(start) == terms


def test_an_account_changes_at_an_instant_once(store: Store) -> None:
    town = a_town(store)
    line = Assignment(account_id=town.homes[0].account_id, starts_at=NOON + DAY, tariff_id=town.tariff_id)
    with store.transaction() as tx:
        tx.assign(line)

    with pytest.raises(Conflict), store.transaction() as tx:
        tx.assign(line)


def test_accounts_are_on_the_tariffs_that_bill_them_now_or_will(store: Store) -> None:
    town = a_town(store, authorities=(METER, METER))
    stays, goes = town.homes
    tariff_id = another_tariff(store, town)
    with store.transaction() as tx:
        tx.assign(Assignment(account_id=goes.account_id, starts_at=NOON + DAY, tariff_id=tariff_id))

    with store.transaction() as tx:
        before = [tx.accounts_on(each, now=NOON) for each in (town.tariff_id, tariff_id)]
        after = [tx.accounts_on(each, now=NOON + DAY) for each in (town.tariff_id, tariff_id)]

    assert before == [[stays.account_id, goes.account_id], [goes.account_id]]
    assert after == [[stays.account_id], [goes.account_id]]


# Silence.


def test_silent_accounts_are_those_with_an_open_bill_and_no_reading_since(store: Store) -> None:
    town = a_town(store, authorities=(PLATFORM,) * 4)
    silent, heard, unread, late = town.homes
    for home in (silent, heard, late):
        told(store, home, at=NOON + HOUR, energy_wh=10)
        told(store, home, at=NOON + 2 * HOUR, energy_wh=20)
    told(store, heard, at=NOON + 4 * HOUR, energy_wh=30)

    with store.transaction() as tx:
        found = tx.silent_accounts(silent_since=NOON + 3 * HOUR, after=0, limit=10)
        first = tx.silent_accounts(silent_since=NOON + 3 * HOUR, after=0, limit=1)
        rest = tx.silent_accounts(silent_since=NOON + 3 * HOUR, after=silent.account_id, limit=10)

    assert found == [silent.account_id, late.account_id]
    assert unread.account_id not in found
    assert (first, rest) == ([silent.account_id], [late.account_id])


# Instructions.


def a_loading(
    home: Home, town: Town, *, number: int = 1, at: datetime = NOON + DAY, due_at: datetime = NOON
) -> Instruction:
    return Instruction(
        meter_id=home.meter_id,
        instruction_id=an_id(f"loading {home.meter_id} {number}"),
        account_id=home.account_id,
        kind=Kind.TARIFF,
        created_at=NOON,
        due_at=due_at,
        tariff_id=town.tariff_id,
        version_no=number,
        effective_at=at,
    )


def given(store: Store, *instructions: Instruction) -> None:
    with store.transaction() as tx:
        tx.put_instructions(instructions)


def claimed(store: Store, *homes: Home, now: datetime = NOON) -> list[Instruction]:
    with store.transaction() as tx:
        claims = tx.claim([home.meter_id for home in homes], now=now, owner="gateway")
    return [each.instruction for each in claims]


def test_a_claimed_tariff_brings_by_what_its_account_is_billed(store: Store) -> None:
    town = a_town(store)
    given(store, a_loading(town.homes[0], town))

    with store.transaction() as tx:
        (claim,) = tx.claim([town.homes[0].meter_id], now=NOON, owner="gateway")

    assert claim.schedule is not None
    assert claim.schedule.by_key.keys() == {(town.tariff_id, 1)}
    assert (claim.terms, claim.instruction.effective_at) == (Terms(), NOON + DAY)


def test_a_tariff_waits_for_everything_else_of_its_meter(store: Store) -> None:
    town = a_town(store)
    home = town.homes[0]
    given(store, a_loading(home, town), a_delivery(home, created_at=NOON + SECOND))

    first = claimed(store, home, now=NOON + SECOND)

    assert [each.kind for each in first] == [Kind.RECHARGE]


def test_meters_with_a_tariff_due_come_after_all_others(store: Store) -> None:
    town = a_town(store, authorities=(METER, METER))
    tariff, recharge = town.homes
    given(store, a_loading(tariff, town), a_delivery(recharge, created_at=NOON + SECOND))

    with store.transaction() as tx:
        due = tx.due_meters([tariff.meter_id, recharge.meter_id], now=NOON + SECOND, limit=10)

    assert list(due.items()) == [
        (recharge.meter_id, Kind.RECHARGE),
        (tariff.meter_id, Kind.TARIFF),
    ]


def test_a_later_tariff_never_overtakes_an_earlier_one_that_waits(store: Store) -> None:
    town = a_town(store)
    home = town.homes[0]
    earlier = a_loading(home, town, number=1, due_at=NOON + HOUR)
    later = a_loading(home, town, number=2, at=NOON + 2 * DAY)
    given(store, earlier, later)

    too_soon = claimed(store, home)
    with store.transaction() as tx:
        tx.save_instructions([replace(earlier, state=State.DONE, ended_at=NOON)])

    assert too_soon == []
    assert [each.instruction_id for each in claimed(store, home)] == [later.instruction_id]


def test_loadings_are_told_by_meter_and_instant_open_or_ended(store: Store) -> None:
    town = a_town(store, authorities=(METER, METER))
    home, other = town.homes
    later = a_loading(home, town, number=2, at=NOON + 2 * DAY)
    ended = replace(a_loading(home, town), state=State.DONE, ended_at=NOON)
    given(store, later, a_loading(home, town), a_loading(other, town), a_delivery(home))
    with store.transaction() as tx:
        tx.save_instructions([ended])

    with store.transaction() as tx:
        found = tx.loadings([home.meter_id])

    assert found == [ended, later]


def test_loadings_are_overdue_that_wait_and_whose_instant_has_passed(store: Store) -> None:
    town = a_town(store, authorities=(METER,) * 5)
    late, early, told_of, accepted, later = town.homes
    loadings = [
        a_loading(late, town, at=NOON + HOUR),
        a_loading(early, town, at=NOON + 2 * HOUR + SECOND),
        a_loading(told_of, town, at=NOON + HOUR),
        a_loading(accepted, town, at=NOON + HOUR),
        a_loading(later, town, at=NOON + 2 * HOUR),
    ]
    given(store, *loadings)
    with store.transaction() as tx:
        tx.save_instructions(
            [
                replace(loadings[2], last_answer="told"),
                replace(loadings[3], state=State.ACCEPTED),
                replace(loadings[4], last_answer="no_answer"),
            ]
        )

    with store.transaction() as tx:
        found = tx.overdue_loadings(now=NOON + 2 * HOUR, told=["told"], limit=10)
        first = tx.overdue_loadings(now=NOON + 2 * HOUR, told=["told"], limit=1)

    assert [each.meter_id for each in found] == [late.meter_id, later.meter_id]
    assert [each.meter_id for each in first] == [late.meter_id]


def test_an_effective_instant_can_be_put_off(store: Store) -> None:
    town = a_town(store)
    loading = a_loading(town.homes[0], town)
    given(store, loading)
    put_off = replace(loading, effective_at=NOON + 3 * DAY)

    with store.transaction() as tx:
        tx.save_instructions([put_off])

    with store.transaction() as tx:
        assert tx.loadings([loading.meter_id]) == [put_off]
