"""The post: a process that sends what is due, and carriers with bad days who count what they brought.

One carrier knows letters by their id and brings each once, however often it is given; the other brings what
it is given. So whoever sends has to know which of the two it speaks to.
"""

from collections import Counter
from datetime import timedelta
from uuid import UUID

from compuerta.domain.contact import Channel
from compuerta.domain.errors import Unreachable
from compuerta.services import sending
from compuerta.services.facts import LetterFact
from compuerta.services.notifier_port import Sent, Verdict
from compuerta.services.sending import CarrierTerms, Handover, Outcome, Sender
from compuerta.sim.mortal import Database, Mortal
from compuerta.sim.stage import Stage

ROUND_MS = 45_000
ROAD_MS_MIN, ROAD_MS_MAX = 50, 4_000
REPEATABLE = CarrierTerms(name="webhook", repeat_within=timedelta(days=1))
ONCE = CarrierTerms(name="text", repeat_within=timedelta(0))
TERMS = {Channel.WEBHOOK: REPEATABLE, Channel.SMS: ONCE}


class Carriers:
    """Both carriers: what they have brought, whatever they said."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._brought: Counter[UUID] = Counter()

    def carry(self, handover: Handover) -> Sent:
        """Take a letter, or not, and say so, or not."""
        stage, message_id = self._stage, handover.letter.message_id
        if stage.draws(stage.faults.carrier_down_ppm):
            return Sent(verdict=Verdict.LATER, detail="busy")
        if handover.carrier is ONCE or not self._brought[message_id]:
            self._brought[message_id] += 1
        if stage.draws(stage.faults.carrier_mute_ppm):
            return Sent(verdict=Verdict.UNKNOWN, detail="no answer")
        return Sent(verdict=Verdict.ACCEPTED, provider_id=f"{handover.carrier.name}-{message_id.hex[:8]}")

    def facts(self) -> tuple[LetterFact, ...]:
        """Return what was brought, and how often."""
        return tuple(
            LetterFact(message_id=message_id, times=times) for message_id, times in self._brought.items()
        )


class Postman:
    """One process that sends."""

    def __init__(self, name: str, *, stage: Stage, database: Database, carriers: Carriers) -> None:
        self.body = Mortal(name, stage=stage, database=database, born=self._born, dies=lambda: None)
        self._stage = stage
        self._carriers = carriers

    def _born(self) -> None:
        self.body.later(self._stage.between(1, ROUND_MS), self._round)

    def _round(self) -> None:
        self.body.later(ROUND_MS, self._round)
        try:
            handovers = sending.claim(
                self.body, self._sender(), now=self._stage.now(skew_ms=self.body.skew_ms)
            )
        except Unreachable:
            return
        for handover in handovers:
            delay_ms = self._stage.between(ROAD_MS_MIN, ROAD_MS_MAX)
            self.body.later(delay_ms, lambda handover=handover: self._hand_over(handover))  # type: ignore[misc]

    def _hand_over(self, handover: Handover) -> None:
        sent = self._carriers.carry(handover)
        self._stage.note(self.body.name, sent.verdict.value, handover.letter.template, handover.carrier.name)
        delay_ms = self._stage.between(ROAD_MS_MIN, ROAD_MS_MAX)
        self.body.later(delay_ms, lambda: self._conclude(Outcome(handover=handover, sent=sent)))

    def _conclude(self, outcome: Outcome) -> None:
        now = self._stage.now(skew_ms=self.body.skew_ms)
        try:
            sending.conclude(self.body, [outcome], owner=self._owner, now=now)
        except Unreachable:
            self.body.later(ROAD_MS_MAX, lambda: self._conclude(outcome))

    @property
    def _owner(self) -> str:
        return f"{self.body.name}.{self.body.lives}"

    def _sender(self) -> Sender:
        return Sender(
            owner=self._owner,
            carrier_of=lambda organisation_id, channel: TERMS.get(channel),
            public_url="https://pay.example.org",
            opt_out_url=lambda contact_id: f"https://pay.example.org/stop/{contact_id}",
        )
