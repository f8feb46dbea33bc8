"""Unsigned words about money, kept until their provider was asked: both stores alike."""

from dataclasses import replace
from datetime import timedelta

import pytest
from tests.unit.services.town import HOUR, NOON, SECOND, WECHAT, a_town, ordered

from compuerta.domain.payment import Claim, short_reference
from compuerta.services.claim_port import ClaimState, KeptClaim
from compuerta.services.store_port import Store


def a_claim(*, number: str = "SIM1", provider: str = WECHAT, payee: str = "000000012345") -> Claim:
    return Claim(
        provider=provider,
        transaction_no=number,
        reference="",
        amount_minor=5000,
        currency="CNY",
        paid_at=NOON - SECOND,
        payee=payee,
    )


def kept(number: str = "SIM1", *, ask_in: timedelta = timedelta(0)) -> KeptClaim:
    return KeptClaim(claim=a_claim(number=number), heard_at=NOON, ask_at=NOON + ask_in)


def test_a_claim_comes_back_as_it_was_kept(store: Store) -> None:
    a_town(store)
    with store.transaction() as tx:
        tx.claims.put([kept()])

    with store.transaction() as tx:
        assert tx.claims.known([(WECHAT, "SIM1"), (WECHAT, "SIM2")]) == {(WECHAT, "SIM1"): kept()}
        assert tx.claims.waiting(WECHAT) == 1
        assert tx.claims.waiting("nobody") == 0


def test_the_first_word_stays(store: Store) -> None:
    a_town(store)
    other = replace(kept(), claim=replace(a_claim(), amount_minor=9))
    with store.transaction() as tx:
        tx.claims.put([kept()])
    with store.transaction() as tx:
        tx.claims.put([other])

    with store.transaction() as tx:
        assert tx.claims.known([(WECHAT, "SIM1")]) == {(WECHAT, "SIM1"): kept()}


def test_what_is_due_is_taken_once_and_the_longest_waiting_first(store: Store) -> None:
    a_town(store)
    with store.transaction() as tx:
        tx.claims.put([kept("SIM3", ask_in=HOUR), kept("SIM2"), kept("SIM1", ask_in=-SECOND)])

    with store.transaction() as tx:
        first = tx.claims.due(now=NOON, until=NOON + 2 * HOUR, limit=1)
    with store.transaction() as tx:
        rest = tx.claims.due(now=NOON, until=NOON + 2 * HOUR, limit=9)
    with store.transaction() as tx:
        later = tx.claims.due(now=NOON + HOUR, until=NOON + 2 * HOUR, limit=9)

    assert [each.claim.transaction_no for each in (*first, *rest, *later)] == ["SIM1", "SIM2", "SIM3"]


@pytest.mark.parametrize("state", [ClaimState.CONFIRMED, ClaimState.DENIED, ClaimState.GIVEN_UP])
def test_a_claim_that_has_ended_is_asked_about_no_more(store: Store, state: ClaimState) -> None:
    a_town(store)
    said = replace(kept().claim, reference="", amount_minor=1, paid_at=NOON - HOUR, payee="another")
    ended = replace(kept(), claim=said, state=state, asks=3, ask_at=None, last_answer="closed")
    with store.transaction() as tx:
        tx.claims.put([kept()])
    with store.transaction() as tx:
        tx.claims.save([ended])

    with store.transaction() as tx:
        assert tx.claims.due(now=NOON + HOUR, until=NOON + 2 * HOUR, limit=9) == []
        assert tx.claims.waiting(WECHAT) == 0
        assert tx.claims.known([(WECHAT, "SIM1")]) == {(WECHAT, "SIM1"): ended}


def test_an_order_is_found_by_the_end_of_its_number(store: Store) -> None:
    town = a_town(store)
    attempt = ordered(store, town.homes[0], reference="0a1b2c3d4e5f60718293a4b5c6d7e8f9")
    short = short_reference(attempt.reference)

    with store.transaction() as tx:
        assert tx.claims.order_named(WECHAT, short) == attempt.reference
        assert tx.claims.order_named("other", short) == ""
        assert tx.claims.order_named(WECHAT, short[:-1]) == ""
        assert tx.claims.order_named(WECHAT, "X" + short[1:]) == ""
        assert tx.claims.order_named(WECHAT, "") == ""


def test_two_orders_of_one_end_are_told_apart_by_nobody(store: Store) -> None:
    town = a_town(store)
    for start in ("a", "b"):
        ordered(store, town.homes[0], reference=f"{start}00000000000")

    with store.transaction() as tx:
        assert tx.claims.order_named(WECHAT, "R00000000000") == ""
