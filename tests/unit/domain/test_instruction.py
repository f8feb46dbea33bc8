"""The life of an instruction has exactly the ways that its table names."""

from datetime import UTC, datetime, timedelta
from itertools import product
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compuerta.domain.errors import Broken
from compuerta.domain.instruction import (
    OPEN,
    RETRY_FLAT,
    RETRY_FLAT_WHILE,
    RETRY_MAX,
    Event,
    Instruction,
    Kind,
    LifeViolated,
    State,
    after,
    retry_at,
)

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)

# Said a second time and not imported: a way that appears in the code has to be wanted here too.
WAYS = {
    (State.WAITING, Event.CLAIMED): State.IN_FLIGHT,
    (State.WAITING, Event.REPLACED): State.SUPERSEDED,
    (State.IN_FLIGHT, Event.CLAIMED): State.IN_FLIGHT,
    (State.IN_FLIGHT, Event.CONFIRMED): State.DONE,
    (State.IN_FLIGHT, Event.ACKNOWLEDGED): State.ACCEPTED,
    (State.IN_FLIGHT, Event.DENIED): State.REFUSED,
    (State.IN_FLIGHT, Event.MISSED): State.WAITING,
    (State.IN_FLIGHT, Event.REPLACED): State.SUPERSEDED,
    (State.ACCEPTED, Event.CLAIMED): State.IN_FLIGHT,
    (State.WAITING, Event.ABANDONED): State.CANCELLED,
    (State.ACCEPTED, Event.ABANDONED): State.CANCELLED,
}
NO_WAYS = sorted(set(product(State, Event)) - WAYS.keys(), key=str)


@pytest.mark.parametrize(("state", "event"), WAYS)
def test_an_instruction_goes_the_ways_that_its_life_has(state: State, event: Event) -> None:
    assert after(state, event) is WAYS[state, event]


@pytest.mark.parametrize(("state", "event"), NO_WAYS)
def test_any_other_way_is_a_bug(state: State, event: Event) -> None:
    with pytest.raises(LifeViolated) as violated:
        after(state, event)

    assert isinstance(violated.value, Broken)
    assert (violated.value.state, violated.value.event) == (state, event)


def test_what_has_ended_stays_ended() -> None:
    ended = set(State) - OPEN

    assert ended == {State.DONE, State.REFUSED, State.SUPERSEDED, State.CANCELLED}
    assert not {state for state, _ in WAYS} & ended


ages = st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=400))
young_ages = st.timedeltas(min_value=timedelta(0), max_value=RETRY_FLAT_WHILE - timedelta.resolution)


@given(age=ages, tries=st.integers(min_value=0, max_value=10_000))
def test_a_retry_is_never_at_once_and_never_beyond_its_bound(age: timedelta, tries: int) -> None:
    now = NOON + age

    wait = retry_at(created_at=NOON, tries=tries, now=now) - now

    assert RETRY_FLAT <= wait <= RETRY_MAX


@given(age=young_ages, tries=st.integers(min_value=0, max_value=99))
def test_while_somebody_waits_the_rhythm_is_flat(age: timedelta, tries: int) -> None:
    assert retry_at(created_at=NOON, tries=tries, now=NOON + age) == NOON + age + RETRY_FLAT


@given(tries=st.integers(min_value=0, max_value=10_000))
def test_every_try_waits_at_least_as_long_as_the_one_before(tries: int) -> None:
    now = NOON + RETRY_FLAT_WHILE

    assert retry_at(created_at=NOON, tries=tries, now=now) <= retry_at(
        created_at=NOON, tries=tries + 1, now=now
    )


def test_after_many_tries_the_bound_is_reached() -> None:
    now = NOON + timedelta(hours=1)

    assert retry_at(created_at=NOON, tries=13, now=now) == now + RETRY_MAX


def an_instruction(
    kind: Kind,
    *,
    amount_minor: int | None = None,
    purchase_no: int | None = None,
    recharge_id: UUID | None = None,
    relay_closed: bool | None = None,
) -> Instruction:
    return Instruction(
        meter_id=1,
        instruction_id=UUID(int=1),
        account_id=1,
        kind=kind,
        created_at=NOON,
        due_at=NOON,
        amount_minor=amount_minor,
        purchase_no=purchase_no,
        recharge_id=recharge_id,
        relay_closed=relay_closed,
    )


def test_a_recharge_and_a_switch_each_have_their_own_parts() -> None:
    recharge = an_instruction(Kind.RECHARGE, amount_minor=1, purchase_no=1, recharge_id=UUID(int=2))
    switch = an_instruction(Kind.SWITCH, relay_closed=False)

    assert (recharge.state, switch.state) == (State.WAITING, State.WAITING)


def test_an_instruction_that_is_neither_or_both_cannot_be_made() -> None:
    recharge_id = UUID(int=2)

    with pytest.raises(AssertionError):
        an_instruction(Kind.SWITCH)
    with pytest.raises(AssertionError):
        an_instruction(Kind.RECHARGE, amount_minor=1, purchase_no=1)
    with pytest.raises(AssertionError):
        an_instruction(Kind.RECHARGE, relay_closed=True)
    with pytest.raises(AssertionError):
        an_instruction(Kind.SWITCH, amount_minor=1, purchase_no=1, recharge_id=recharge_id)
    with pytest.raises(AssertionError):
        an_instruction(
            Kind.RECHARGE, amount_minor=1, purchase_no=1, recharge_id=recharge_id, relay_closed=True
        )
