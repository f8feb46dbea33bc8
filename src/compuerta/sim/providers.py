"""The providers of a town: they answer, send their notices, and repeat, lose, reorder and lie on bad days."""

from collections.abc import Sequence
from dataclasses import replace

from compuerta.adapters.payments.http import RoadDown
from compuerta.services.payment_ports import HttpRequest, HttpResponse
from compuerta.services.promises import ProviderFact
from compuerta.sim.door import Door
from compuerta.sim.stage import Stage, ms_until
from compuerta.virtual.providers.notices import DueNotice
from compuerta.virtual.providers.worlds import Button, NotPressed, World

ROAD_MS_MIN, ROAD_MS_MAX = 20, 400


class Provider:
    """One simulated provider and the roads to it."""

    def __init__(self, world: World, *, stage: Stage, doors: Sequence[Door]) -> None:
        self.world = world
        self.down = False
        self.has_lied = False
        self.by_hand: set[str] = set()  # orders that somebody refunded in the provider's console
        self._stage = stage
        self._doors = doors
        self._wake_ms: int | None = None

    @property
    def name(self) -> str:
        """The name of our account there, which is the world's."""
        return self.world.name

    def ask(self, request: HttpRequest) -> HttpResponse:
        """Answer a request of ours, or let it get lost."""
        if self.down:
            raise RoadDown("outage")
        answer = self.world.answer(request, self._stage.now())
        self.look()  # the payer may have paid in the moment before a close
        return answer

    def pay(self, reference: str, *, amount_minor: int) -> bool:
        """Let a payer pay; tells whether the money moved."""
        if not self.press(Button.PAY, reference):
            return False
        stage = self._stage
        if stage.draws(stage.faults.wrong_amount_ppm):
            self.has_lied = True
            self.press(Button.FORGE, reference, amount_minor=amount_minor + 100)
        if stage.draws(stage.faults.wrong_amount_ppm):
            self.press(Button.REPEAT, reference)
        return True

    def give_back(self, reference: str, *, amount_minor: int) -> None:
        """Let somebody refund an order in the provider's console, past the house that it belongs to."""
        self.by_hand.add(reference)
        self.press(Button.REFUND, reference, amount_minor=amount_minor)

    def press(self, button: Button, reference: str, *, amount_minor: int = 0) -> bool:
        """Let somebody do something with an order; tells whether it could be done."""
        stage = self._stage
        try:
            self.world.press(button, reference, stage.now(), amount_minor=amount_minor)
        except NotPressed as refused:
            stage.note(self.name, "cannot", button.value, refused)
            return False
        stage.note(self.name, button.value, reference, amount_minor)
        self.look()
        return True

    def look(self) -> None:
        """Send what is due, when it is due."""
        wake_at = self.world.wake_at()
        if wake_at is None:
            return
        at_ms = self._stage.now_ms + max(ms_until(wake_at, now=self._stage.now()), 0) + 1
        if self._wake_ms is None or at_ms < self._wake_ms:
            self._wake_ms = at_ms
            self._stage.later(at_ms - self._stage.now_ms, lambda: self._send(at_ms))

    def _send(self, at_ms: int) -> None:
        if self._wake_ms != at_ms:
            return
        self._wake_ms = None
        for notice in self.world.due(self._stage.now()):
            self._deliver(notice)
        self.look()

    def _deliver(self, notice: DueNotice) -> None:
        stage = self._stage
        door = self._doors[stage.between(0, len(self._doors) - 1)]

        def reply(answer: HttpResponse) -> None:
            stage.later(stage.between(ROAD_MS_MIN, ROAD_MS_MAX), lambda: self._answered(notice, answer))

        stage.later(
            stage.between(ROAD_MS_MIN, ROAD_MS_MAX), lambda: door.hear(self.name, notice.request, reply)
        )
        if stage.draws(stage.faults.forged_ppm):
            changed = replace(notice.request, body=notice.request.body + b"0")
            stage.later(stage.between(0, 2_000), lambda: door.hear(self.name, changed, lambda answer: None))

    def _answered(self, notice: DueNotice, answer: HttpResponse) -> None:
        self.world.answered(notice, answer.status, self._stage.now(), body=answer.body)
        self.look()

    @property
    def holds_minor(self) -> int:
        """What it holds for us: payments less what went back."""
        return sum(fact.amount_minor - fact.refunded_minor for fact in self.world.facts())

    def facts(self) -> list[ProviderFact]:
        """Return the money that the provider really has, and whether we said that we know."""
        quiet = self.world.wake_at() is None
        return [
            ProviderFact(
                provider=self.name,
                transaction_no=fact.transaction_no,
                reference=fact.reference,
                amount_minor=fact.amount_minor,
                acknowledged=quiet,
                refunded_minor=fact.refunded_minor,
                by_hand=fact.reference in self.by_hand,
            )
            for fact in self.world.facts()
        ]
