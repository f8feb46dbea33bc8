"""A case is taken by somebody, and closed with what came of it."""

import pytest
from tests.unit.services.town import NOON, SECOND, a_town, an_id

from compuerta.adapters.memory import MemoryStore
from compuerta.services import casework
from compuerta.services.acting import Actor, ReasonMissing
from compuerta.services.casework import CaseUnknown
from compuerta.services.records import Case

ANA = Actor(who="ana", why="the payer was called", origin="console")
BEA = Actor(who="bea", why="", origin="console")


def a_case(store: MemoryStore) -> tuple[int, object]:
    account_id = a_town(store).homes[0].account_id
    case = Case(
        account_id=account_id, case_id=an_id("case"), kind="charge_back", detail="why", opened_at=NOON
    )
    with store.transaction() as tx:
        tx.put_cases([case])
    return account_id, case.case_id


def test_a_case_is_taken_handed_on_and_closed_with_a_note() -> None:
    store = MemoryStore()
    account_id, _ = a_case(store)

    taken = casework.take(store, account_id, an_id("case"), actor=ANA, act_id=an_id("1"), now=NOON)
    handed = casework.take(store, account_id, an_id("case"), actor=BEA, act_id=an_id("2"), now=NOON)
    closed = casework.close(store, account_id, an_id("case"), actor=ANA, act_id=an_id("3"), now=NOON + SECOND)

    assert (taken.owner, handed.owner, closed.owner) == ("ana", "bea", "bea")
    assert (closed.outcome, closed.closed_at) == (ANA.why, NOON + SECOND)
    assert [each.what for each in store.tables.audit] == ["take case", "take case", "close case"]


def test_a_case_is_not_closed_without_a_word() -> None:
    store = MemoryStore()
    account_id, _ = a_case(store)

    with pytest.raises(ReasonMissing):
        casework.close(store, account_id, an_id("case"), actor=BEA, act_id=an_id("1"), now=NOON)


def test_a_case_that_is_closed_or_of_somebody_else_is_not_there() -> None:
    store = MemoryStore()
    account_id, _ = a_case(store)
    casework.close(store, account_id, an_id("case"), actor=ANA, act_id=an_id("1"), now=NOON)

    with pytest.raises(CaseUnknown):
        casework.take(store, account_id, an_id("case"), actor=ANA, act_id=an_id("2"), now=NOON)
    with pytest.raises(CaseUnknown):
        casework.take(store, account_id + 1, an_id("case"), actor=ANA, act_id=an_id("3"), now=NOON)
