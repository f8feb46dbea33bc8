"""The life of a correction is one table, and who proposes does not decide."""

from itertools import product

import pytest
from tests.unit.services.town import NOON, an_id

from compuerta.domain.correction import (
    ENDED,
    LIFE,
    Correction,
    CorrectionKind,
    CorrectionLifeViolated,
    CorrectionState,
    Event,
    OwnProposal,
)


def a_correction(state: CorrectionState) -> Correction:
    return Correction(
        account_id=1,
        correction_id=an_id("correction"),
        organisation_id=1,
        kind=CorrectionKind.ADJUST,
        amount_minor=1,
        currency="CNY",
        why="goodwill",
        proposed_by="ana",
        proposed_at=NOON,
        state=state,
    )


def test_what_the_table_does_not_have_is_a_bug() -> None:
    for state, event in product(CorrectionState, Event):
        if (state, event) in LIFE:
            assert a_correction(state).after(event, now=NOON).state is LIFE[state, event]
        else:
            with pytest.raises(CorrectionLifeViolated):
                a_correction(state).after(event, now=NOON)


def test_what_has_ended_stays_ended_unless_its_money_comes_back_and_nothing_else_has_an_end() -> None:
    for (state, event), after in LIFE.items():
        assert state not in ENDED or (state, event) == (CorrectionState.DONE, Event.CAME_BACK)
        ended = a_correction(state).after(event, now=NOON)
        assert (ended.ended_at is not None) == (after in ENDED)


def test_money_is_paid_only_after_it_has_come_back() -> None:
    ways = {(state, event) for (state, event), after in LIFE.items() if after is CorrectionState.PAYING}

    assert ways == {
        (CorrectionState.TAKING_BACK, Event.RETURNED),
        (CorrectionState.STUCK, Event.PAID_ANEW),
    }


@pytest.mark.parametrize("event", [Event.APPROVED, Event.REJECTED])
def test_nobody_decides_on_their_own(event: Event) -> None:
    correction = a_correction(CorrectionState.PROPOSED)

    for same in ("ana", "Ana", "ANA"):
        with pytest.raises(OwnProposal):
            correction.decided(event, by=same, note="", now=NOON)
    assert correction.decided(event, by="bea", note="", now=NOON).decided_by == "bea"
