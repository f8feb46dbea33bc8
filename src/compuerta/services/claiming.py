"""Claiming: an unsigned word about money is kept, and its provider asked, before anybody believes it.

Whoever knows an address can send such a word, so nothing of it is ever booked: only what the provider
answers when we ask. Where the word is about an order of ours, its next question is made due at once too.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from enum import Enum

from compuerta.domain.money import told_minor
from compuerta.domain.naming import named
from compuerta.domain.payment import Attempt, AttemptState, Claim, PaymentNotice
from compuerta.services import vend
from compuerta.services.claim_port import ClaimState, KeptClaim
from compuerta.services.payment_ports import OrderAnswer, OrderState
from compuerta.services.records import Alarm, Case, Key
from compuerta.services.store_port import Store, Transaction

# After each question that was not answered: a day and a half in all, and then a person asks.
ASK_AGAIN = tuple(
    timedelta(seconds=seconds)
    for seconds in (2, 5, 15, 60, 180, 600, 1_800, 3_600, 10_800, 21_600, 43_200, 43_200)
)
# A word that comes again may be the true one after a false one: it is asked about, but not for ever.
ASKS_MAX = 2 * len(ASK_AGAIN)
# Whoever has found the address could fill the disk; beyond this, words are counted and not kept, and a
# provider that tells the truth tells it again, or its bill does.
WAITING_MAX = 5_000
ANSWER_CHARS_MAX = 200


class Heard(Enum):
    """What became of an unsigned word when it came."""

    KEPT = "claimed"
    KNOWN = "claimed_again"  # and its provider is asked about what it says now, if it was not proven yet
    TOO_MANY = "claims_too_many"
    PROVIDER_UNKNOWN = "provider_unknown"


def hear(store: Store, claims: Sequence[Claim], *, now: datetime) -> list[Heard]:
    """Keep unsigned words so that their provider is asked; returns one outcome per word, in order."""
    with store.transaction() as tx:
        known = tx.claims.known((claim.provider, claim.transaction_no) for claim in claims)
        room = {name: _room(tx, name) for name in sorted({claim.provider for claim in claims})}
        kept: dict[Key, KeptClaim] = {}
        outcomes = []
        for claim in claims:
            one = KeptClaim(claim=claim, heard_at=now, ask_at=now)
            outcome = _outcome(one, known={*known, *kept}, room=room[claim.provider])
            if outcome is Heard.KEPT:
                kept[one.key] = one
                room[claim.provider] = (room[claim.provider] or 0) - 1
            outcomes.append(outcome)
        tx.claims.put(list(kept.values()))
        newest = {(claim.provider, claim.transaction_no): claim for claim in claims}
        anew = {key: _anew(each, newest[key], now=now) for key, each in known.items()}
        tx.claims.save([each for key, each in anew.items() if each != known[key]])
        refused = [
            _alarm(claim, outcome, now=now)
            for claim, outcome in zip(claims, outcomes, strict=True)
            if outcome in (Heard.TOO_MANY, Heard.PROVIDER_UNKNOWN)
        ]
        tx.put_alarms(refused)
        _ask_soon(tx, claims, now=now)
    return outcomes


def _room(tx: Transaction, provider: str) -> int | None:
    """Return how many more claims are kept of a provider; None where nobody here has such an account."""
    if tx.provider_account(provider) is None:
        return None
    return WAITING_MAX - tx.claims.waiting(provider)


def _outcome(kept: KeptClaim, *, known: set[Key], room: int | None) -> Heard:
    if kept.key in known:
        return Heard.KNOWN
    if room is None:
        return Heard.PROVIDER_UNKNOWN
    return Heard.KEPT if room > 0 else Heard.TOO_MANY


def _anew(kept: KeptClaim, claim: Claim, *, now: datetime) -> KeptClaim:
    """Return a claim with what is said of it now, to be asked about; as it is, where that changes nothing.

    Whoever knows an address may say a false word first: the provider's own, which follows, is not lost.
    """
    is_said_before = kept.state is ClaimState.WAITING and claim == kept.claim
    if kept.state is ClaimState.CONFIRMED or is_said_before or kept.asks >= ASKS_MAX:
        return kept
    return replace(kept, claim=claim, state=ClaimState.WAITING, ask_at=now)


def _alarm(claim: Claim, outcome: Heard, *, now: datetime) -> Alarm:
    detail = f"{claim.transaction_no} for {claim.amount_minor} {claim.currency}"
    return Alarm(kind=outcome.value, subject=claim.provider, detail=detail, at=now)


def _ask_soon(tx: Transaction, claims: Sequence[Claim], *, now: datetime) -> None:
    """Make the next question about the attempts that are claimed to be paid due now."""
    keys = [(claim.provider, claim.reference) for claim in claims if claim.reference]
    attempts = tx.attempts_by_reference(keys).values()
    tx.save_attempts([_asked_soon(each, now=now) for each in attempts if each.state is not AttemptState.PAID])


def _asked_soon(attempt: Attempt, *, now: datetime) -> Attempt:
    return replace(attempt, ask_at=now if attempt.ask_at is None else min(attempt.ask_at, now))


def is_payee(store: Store, *, provider: str, payee: str) -> bool:
    """Tell whether what a payer typed means one open account, or one order, of who owns the provider."""
    with store.transaction() as tx:
        account = tx.provider_account(provider)
        if account is None:
            return False
        if tx.claims.order_named(provider, payee):
            return True
        return tx.dues.payee(organisation_id=account.organisation_id, named=payee.strip()) is not None


def due_claims(store: Store, *, now: datetime, limit: int) -> list[KeptClaim]:
    """Take the claims whose provider is to be asked now; a crash before `answered` asks again later."""
    with store.transaction() as tx:
        return tx.claims.due(now=now, until=now + ASK_AGAIN[3], limit=limit)


def answered(store: Store, answers: Mapping[Key, OrderAnswer], *, now: datetime) -> dict[Key, ClaimState]:
    """Keep what providers said of claims, and book the money that they have; returns where each stands.

    The money is booked first: a crash between the two asks again, and is told of the same money again.
    """
    notices = [answer.paid for _, answer in sorted(answers.items()) if answer.paid is not None]
    if notices:
        vend.accept_payments(store, _with_orders(store, notices), now=now)
    with store.transaction() as tx:
        waiting = [
            kept for _, kept in sorted(tx.claims.known(answers).items()) if kept.state is ClaimState.WAITING
        ]
        told = [_after(kept, answers[kept.key], now=now) for kept in waiting]
        tx.claims.save(told)
        tx.put_alarms([_denied(kept, now=now) for kept in told if kept.state is ClaimState.DENIED])
        tx.put_cases(_cases(tx, [kept for kept in told if kept.state is ClaimState.GIVEN_UP], now=now))
    return {kept.key: kept.state for kept in told}


def _with_orders(store: Store, notices: Sequence[PaymentNotice]) -> list[PaymentNotice]:
    """Name the order of those whose payee is one of ours in short: evidence, since the provider says it."""
    with store.transaction() as tx:
        named_orders = [
            notice.reference or tx.claims.order_named(notice.provider, notice.payee) for notice in notices
        ]
    return [
        replace(notice, reference=reference) for notice, reference in zip(notices, named_orders, strict=True)
    ]


def _after(kept: KeptClaim, answer: OrderAnswer, *, now: datetime) -> KeptClaim:
    asks = kept.asks + 1
    asked = replace(kept, asks=asks, ask_at=None, last_answer=_said(answer)[:ANSWER_CHARS_MAX])
    if answer.paid is not None:
        return replace(asked, state=ClaimState.CONFIRMED)
    if answer.state is OrderState.CLOSED:
        return replace(asked, state=ClaimState.DENIED)
    if asks > len(ASK_AGAIN):
        return replace(asked, state=ClaimState.GIVEN_UP)
    return replace(asked, ask_at=now + ASK_AGAIN[asks - 1])


def _said(answer: OrderAnswer) -> str:
    return f"{answer.state.value}: {answer.reason}" if answer.reason else answer.state.value


def _denied(kept: KeptClaim, *, now: datetime) -> Alarm:
    claim = kept.claim
    detail = f"{claim.transaction_no} for {claim.amount_minor} {claim.currency}: {kept.last_answer}"
    return Alarm(kind="claim_denied", subject=claim.provider, detail=detail, at=now)


def _cases(tx: Transaction, given_up: Sequence[KeptClaim], *, now: datetime) -> list[Case]:
    cases = []
    for kept in given_up:
        account = tx.provider_account(kept.claim.provider)
        assert account is not None  # the table of claims refers to it
        claim = kept.claim
        detail = (
            f"{claim.provider} {claim.transaction_no}: "
            f"{told_minor(claim.amount_minor, currency=claim.currency)} "
            f"for {claim.payee or claim.reference or 'nobody named'}; it was asked {kept.asks} times"
        )
        cases.append(
            Case(
                account_id=account.suspense_account_id,
                case_id=named("case:claim_unproven", *kept.key),
                kind="claim_unproven",
                detail=detail,
                opened_at=now,
            )
        )
    return cases
