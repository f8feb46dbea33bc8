"""Putting right: an accountant proposes what to do with payments and debts, and the owner decides."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from compuerta.adapters.memory import Tables
from compuerta.domain.correction import Correction, CorrectionKind, CorrectionState, OwnProposal, Way
from compuerta.domain.errors import Broken, Refused, Unreachable
from compuerta.services import correcting
from compuerta.services.acting import Actor
from compuerta.services.proposing import Proposal
from compuerta.services.records import Payment, PaymentVerdict
from compuerta.sim.door import Door
from compuerta.sim.stage import Stage

ACCOUNTANT = Actor(who="accountant", why="the payer has called", origin="console")
OWNER = Actor(who="owner", why="it is as they say", origin="console")
DECIDES_MS_MAX = 120_000
AGAIN_MS, TRIES_MAX = 20_000, 60
GIVEN_MINOR = 500


class DecidedAlone(Broken):
    """Somebody could decide on their own proposal (promise A2)."""


class Accountant:
    """Looks at what came, and proposes; whatever is refused is left as it stands."""

    def __init__(self, *, stage: Stage, door: Door, tables: Tables, account_ids: Sequence[int]) -> None:
        self._stage = stage
        self._door = door
        self._tables = tables
        self._account_ids = account_ids

    def put_right(self) -> None:
        """Propose something about a payment, or give credit, or write a debt off."""
        wish = self._wish()
        if wish is None:
            return
        paid_by = next(
            (each for each in self._tables.payments.values() if each.payment_id == wish.payment_id), None
        )
        capabilities = self._door.providers[paid_by.provider].capabilities if paid_by else None

        def propose(now: datetime) -> None:
            correcting.propose(self._door.body, wish, actor=ACCOUNTANT, capabilities=capabilities, now=now)
            self._stage.later(self._stage.between(100, DECIDES_MS_MAX), lambda: self._decide(wish, TRIES_MAX))

        self._do(f"proposes to {wish.kind.value}", propose)

    def look_after(self) -> None:
        """Take up again what was stuck."""
        stuck = [each for each in self._tables.corrections.values() if each.state is CorrectionState.STUCK]
        for each in stuck:
            self._take_up(each)

    def _take_up(self, stuck: Correction) -> None:
        act_id = self._id()
        self._do(
            "takes up",
            lambda now: correcting.take_up(
                self._door.body, stuck.account_id, stuck.correction_id, actor=OWNER, act_id=act_id, now=now
            ),
        )

    def _decide(self, wish: Proposal, tries: int) -> None:
        act_id = self._id()
        decide = correcting.approve if self._stage.between(0, 9) else correcting.reject
        done: list[bool] = []

        def step(now: datetime) -> None:
            store, account_id, correction_id = self._door.body, wish.account_id, wish.correction_id
            try:
                decide(store, account_id, correction_id, actor=ACCOUNTANT, act_id=act_id, now=now)
            except OwnProposal:
                pass
            else:
                raise DecidedAlone
            decide(store, account_id, correction_id, actor=OWNER, act_id=act_id, now=now)
            done.append(True)

        self._do(f"decides on {wish.kind.value}", step)
        if not done and tries > 1:
            self._stage.later(AGAIN_MS, lambda: self._decide(wish, tries - 1))

    def _wish(self) -> Proposal | None:
        payments = [each for each in self._tables.payments.values() if each.provider != "till"]
        whom = self._account_ids[self._stage.between(0, len(self._account_ids) - 1)]
        given = Proposal(
            correction_id=self._id(), kind=CorrectionKind.ADJUST, account_id=whom, amount_minor=GIVEN_MINOR
        )
        if not payments or self._stage.between(0, 7) == 0:
            return given
        payment = payments[self._stage.between(0, len(payments) - 1)]
        return self._of(payment, given, whom)

    def _of(self, payment: Payment, given: Proposal, whom: int) -> Proposal:
        part_minor = self._stage.between(1, payment.amount_minor)
        amount_minor = (payment.amount_minor, part_minor)[self._stage.between(0, 1)]
        of_it = replace(
            given, account_id=payment.account_id, payment_id=payment.payment_id, amount_minor=amount_minor
        )
        refund = replace(of_it, kind=CorrectionKind.REFUND, way=Way.PROVIDER)
        if self._stage.between(0, 1):
            return refund
        suspended = payment.verdict is PaymentVerdict.SUSPENDED
        kind = CorrectionKind.PLACE if suspended else CorrectionKind.MOVE
        return replace(of_it, kind=kind, to_account_id=whom)

    def _do(self, what: str, act: Callable[[datetime], object]) -> None:
        door = self._door

        def step() -> None:
            try:
                act(door.now())
                self._stage.note("accountant", what)
            except (Refused, Unreachable) as reason:
                self._stage.note("accountant", "cannot", what, reason)

        if door.body.alive:
            door.body.live(step)

    def _id(self) -> UUID:
        return UUID(int=self._stage.chance.getrandbits(128))
