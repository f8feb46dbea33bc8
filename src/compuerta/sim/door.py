"""The door and the worker as roles: providers' words come in, and providers are asked.

A notice is answered only after the transaction that took it; what is due is asked until its end is known.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from compuerta.adapters.payments.http import Steps, converse_with
from compuerta.domain.errors import Refused, Unreachable
from compuerta.domain.payment import Attempt, PaymentNotice, Refund, RefundNotice
from compuerta.services import closing_days, correcting, holding, ordering, refunding, vend, watching
from compuerta.services.ordering import Question
from compuerta.services.payment_ports import (
    HttpRequest,
    HttpResponse,
    OrderAnswer,
    OrderState,
    PaymentProvider,
    RefundAnswer,
    Refusal,
    Rejected,
)
from compuerta.services.records import Alarm
from compuerta.sim.mortal import Database, Mortal
from compuerta.sim.stage import Stage, ms_until

BATCH_MS_MAX = 40  # notices that come together are taken together
ASKED_AT_ONCE_MAX = 10
WATCH_MS = 60_000  # silence and differences are told by the quarter of an hour
SWEEP_MS = 1_000
CORRECT_MS = 10_000
NIGHT_MS = 20_000

Asking = Callable[[HttpRequest], HttpResponse]
Reply = Callable[[HttpResponse], None]
Result = TypeVar("Result")


def nobody(request: HttpRequest) -> HttpResponse:
    """Answer for who asks nobody."""
    raise AssertionError(f"a till asks nobody, and asked for {request.path}")


class Door:
    """One process that hears providers and shows pay pages."""

    def __init__(
        self, name: str, *, stage: Stage, database: Database, providers: Mapping[str, PaymentProvider]
    ) -> None:
        self.body = Mortal(name, stage=stage, database=database, born=self._born, dies=self._born)
        self.providers = providers
        self._stage = stage
        self._waiting: list[tuple[PaymentNotice, Reply]] = []

    def _born(self) -> None:
        self._waiting = []

    def now(self) -> datetime:
        """Return what this process's wall clock shows."""
        return self._stage.now(skew_ms=self.body.skew_ms)

    def hear(self, name: str, request: HttpRequest, reply: Reply) -> None:
        """Take a message for one of our accounts; `reply` is called with the answer, or never."""
        if self.body.alive:
            self.body.live(lambda: self._hear(self.providers[name], request, reply))

    def _hear(self, provider: PaymentProvider, request: HttpRequest, reply: Reply) -> None:
        verdict = provider.hear(request, now=self.now())
        if isinstance(verdict, Rejected):
            if verdict.refusal is not Refusal.PROBE:
                self._alarm(provider.name, verdict)
            reply(verdict.answer)
        elif verdict.refund is not None:
            reply(provider.answer(accepted=self._hear_refund(verdict.refund)))
        elif verdict.notice is None:
            reply(provider.answer(accepted=True))
        else:
            self._waiting.append((verdict.notice, reply))
            if len(self._waiting) == 1:
                self.body.later(self._stage.between(1, BATCH_MS_MAX), self._accept)

    def _hear_refund(self, notice: RefundNotice) -> bool:
        try:
            heard = refunding.hear(self.body, [notice], now=self.now())
        except Unreachable as away:
            self._stage.note(self.body.name, "refund not heard", away)
            return False
        self._stage.note(self.body.name, "hears of a refund", notice.transaction_no, *heard)
        return refunding.HeardRefund.PAYMENT_UNKNOWN not in heard

    def _alarm(self, name: str, verdict: Rejected) -> None:
        alarm = Alarm(
            kind=f"notice_{verdict.refusal.value}", subject=name, detail=verdict.detail, at=self.now()
        )
        try:
            with self.body.transaction() as tx:
                tx.put_alarms([alarm])
        except Unreachable:
            self._stage.note(self.body.name, "alarm lost", verdict.refusal.value)

    def _accept(self) -> None:
        batch, self._waiting = self._waiting, []
        try:
            outcomes = vend.accept_payments(self.body, [notice for notice, _ in batch], now=self.now())
        except Unreachable as away:
            self._stage.note(self.body.name, "not accepted", away)
            accepted = False
        else:
            told = [
                f"{notice.reference}={each.value}" for (notice, _), each in zip(batch, outcomes, strict=True)
            ]
            self._stage.note(self.body.name, "accepts", *told)
            accepted = True
        for notice, reply in batch:
            reply(self.providers[notice.provider].answer(accepted=accepted))


class Worker:
    """One process that asks providers what became of attempts, and supply what the clock has changed."""

    def __init__(
        self,
        name: str,
        *,
        stage: Stage,
        database: Database,
        providers: Mapping[str, PaymentProvider],
        asking: Mapping[str, Asking],
    ) -> None:
        self.body = Mortal(name, stage=stage, database=database, born=self._born, dies=self._forget)
        self._stage = stage
        self._tables = database.store
        self._providers = providers
        self._asking = asking
        self._sweep_ms: int | None = None
        database.listen(self.hint)

    def _born(self) -> None:
        self._forget()
        self.hint()
        self._watch()
        self._correct()
        self._end_days()

    def _end_days(self) -> None:
        """Take the ends of days one step on; a crash falls between any two of their transactions."""
        self.body.later(NIGHT_MS, self._end_days)
        try:
            done = closing_days.sweep(self.body, now=self._now())
        except Unreachable as away:
            self._stage.note(self.body.name, "ends no day", away)
            return
        if done:
            self._stage.note(self.body.name, "ends days", done)

    def _watch(self) -> None:
        self.body.later(WATCH_MS, self._watch)
        try:
            watching.sweep(self.body, after=0, now=self._now())
        except Unreachable:
            return

    def _correct(self) -> None:
        """Take corrections one step on, and tell or ask providers about refunds."""
        self.body.later(CORRECT_MS, self._correct)
        able = {name: each.capabilities for name, each in self._providers.items()}
        try:
            correcting.sweep(self.body, after=0, now=self._now())
            due = refunding.due(self.body, now=self._now(), limit=ASKED_AT_ONCE_MAX, capabilities=able)
        except Unreachable as away:
            self._stage.note(self.body.name, "no corrections", away)
            return
        if due:
            self.body.later(self._stage.between(20, 400), lambda: self._refund(due))

    def _refund(self, due: Sequence[refunding.RefundQuestion]) -> None:
        answers: list[tuple[Refund, RefundAnswer]] = []
        for question in due:
            provider = self._providers[question.refund.provider]
            ask = provider.query_refund if question.is_sent else provider.refund
            steps = ask(question.wish, now=self._now(), chance=self._stage.chance.randbytes)
            try:
                answer = converse_with(steps, self._asking[provider.name])
            except (Unreachable, Refused) as reason:
                answer = RefundAnswer(state=None, reason=str(reason))
            answers.append((question.refund, answer))
            self._stage.note(self.body.name, "refunds", question.refund.reference, answer)
        self.body.later(self._stage.between(1, 20), lambda: self._keep_refunds(answers))

    def _keep_refunds(self, answers: Sequence[tuple[Refund, RefundAnswer]]) -> None:
        try:
            refunding.answered(self.body, answers, now=self._now())
        except Unreachable as away:
            self._stage.note(self.body.name, "refunds not kept", away)

    def _forget(self) -> None:
        self._sweep_ms = None

    def hint(self) -> None:
        """Look again when the next attempt, or the next decision on supply, is due."""
        tables = self._tables.tables
        dues = [each.ask_at for each in tables.attempts.values() if each.ask_at is not None]
        known = (tables.snapshots[meter_id] for meter_id in tables.account_of_meter)
        dues += [each.decide_at for each in known if each.decide_at is not None]
        if self.body.alive and dues:
            self._sweep_at(self._stage.now_ms + max(ms_until(min(dues), now=self._now()), 0) + 10)

    def _sweep_at(self, at_ms: int) -> None:
        if self._sweep_ms is None or at_ms < self._sweep_ms:
            self._sweep_ms = at_ms
            self.body.later(at_ms - self._stage.now_ms, lambda: self._sweep(at_ms))

    def _sweep(self, at_ms: int) -> None:
        if self._sweep_ms != at_ms:
            return  # an earlier one has taken its place
        self._sweep_ms = None
        try:
            holding.sweep(self.body, now=self._now())
            due = ordering.due_attempts(self.body, now=self._now(), limit=ASKED_AT_ONCE_MAX)
        except Unreachable:
            self._sweep_at(self._stage.now_ms + SWEEP_MS)
            return
        if due:
            self.body.later(self._stage.between(20, 400), lambda: self._ask_about(due))
        self.hint()

    def _ask_about(self, due: list[Attempt]) -> None:
        answers: dict[UUID, OrderAnswer] = {}
        for attempt in due:
            try:
                answers[attempt.attempt_id] = self._answer(attempt)
            except (Unreachable, Refused) as reason:
                self._stage.note(self.body.name, "no answer", attempt.reference, reason)
        self.body.later(self._stage.between(1, 20), lambda: self._keep(answers))

    def _answer(self, attempt: Attempt) -> OrderAnswer:
        provider, now, chance = self._providers[attempt.provider], self._now(), self._stage.chance.randbytes
        steps: Steps[OrderAnswer]
        match ordering.question(attempt, now=now):
            case Question.CLOSE:
                steps = provider.close(attempt, now=now, chance=chance)
            case Question.QUERY:
                steps = provider.query(attempt, now=now, chance=chance)
        return converse_with(steps, self._asking.get(attempt.provider, nobody))

    def _keep(self, answers: Mapping[UUID, OrderAnswer]) -> None:
        paid = [answer.paid for answer in answers.values() if answer.paid is not None]
        others = {key: each for key, each in answers.items() if each.state is not OrderState.PAID}
        try:
            if paid:
                outcomes = vend.accept_payments(self.body, paid, now=self._now())
                told = [f"{each.reference}={out.value}" for each, out in zip(paid, outcomes, strict=True)]
                self._stage.note(self.body.name, "found paid", *told)
            ordering.answered(self.body, others, now=self._now())
        except Unreachable as away:
            self._stage.note(self.body.name, "not kept", away)

    def _now(self) -> datetime:
        return self._stage.now(skew_ms=self.body.skew_ms)
