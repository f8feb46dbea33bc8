"""The postman: carries letters from the outbox to their carriers, many at once, each within its lease.

Several may run, in as many workers. One that dies leaves letters in doubt, which `services.sending` settles.
"""

import asyncio
from dataclasses import replace
from functools import partial

import structlog

from compuerta.apps import poison, wiring
from compuerta.apps.beats import name_of
from compuerta.apps.channels import Channels, opt_out_url_of
from compuerta.apps.config import Settings
from compuerta.apps.desk import Desk
from compuerta.domain.address import masked
from compuerta.domain.errors import Unreachable
from compuerta.services import circuits, sending
from compuerta.services.circuits import Circuit, Turn
from compuerta.services.notifier_port import Sent, Verdict
from compuerta.services.sending import Handover, Outcome, Sender

log = structlog.get_logger()

ROUND_S = 0.5
UNDER_WAY_MAX = 50  # letters that one process carries at once
# What became of a letter is written as long as its lease runs; after that it is in doubt anyway.
WRITE_TRIES_MAX = 20
WRITE_AGAIN_S = 5.0


class Postman:
    """This will send what is due, for one process."""

    def __init__(self, desk: Desk, channels: Channels, given: Settings) -> None:
        self._desk = desk
        self._channels = channels
        self._circuits: dict[str, Circuit] = {}
        self._under_way = 0
        self._sender = Sender(
            owner=name_of("postman"),
            carrier_of=channels.terms_of,
            public_url=given.public_url,
            opt_out_url=opt_out_url_of(given),
        )

    async def run(self) -> None:
        """Send until cancelled."""
        async with asyncio.TaskGroup() as letters:
            while True:
                for handover in await self._claim():
                    self._under_way += 1
                    letters.create_task(self._carry(handover))
                await asyncio.sleep(ROUND_S)

    async def _claim(self) -> list[Handover]:
        room = UNDER_WAY_MAX - self._under_way
        if room == 0:
            return []
        claim = partial(sending.claim, sender=self._sender, now=wiring.now(), limit=room)
        try:
            return await self._desk.run(claim)
        except Unreachable as error:
            log.warning("worker.database.away", error=str(error))
        except Exception as error:
            await poison.told(self._desk, "letters", error)
        return []

    async def _carry(self, handover: Handover) -> None:
        try:
            await self._write(Outcome(handover=handover, sent=await self._send(handover)))
        except Exception as error:
            # A letter whose end is not written is in doubt, and is settled as such.
            await poison.told(self._desk, "a letter", error)
        finally:
            self._under_way -= 1

    async def _send(self, handover: Handover) -> Sent:
        name, now = handover.carrier.name, wiring.now()
        circuit = self._circuits.get(name, Circuit())
        if not circuit.lets_through(now=now):
            return Sent(verdict=Verdict.LATER, detail=f"{name} is down and is tried again soon")
        self._circuits[name] = circuit.trying(now=now)
        carrier = self._channels.accounts[name].carrier
        try:
            sent = await carrier.send(handover.letter, now=now, chance=wiring.chance)
        except Exception as error:
            # A defect of ours costs the one letter that met it, and not all those that are under way.
            log.exception("worker.letter.broke", carrier=name, template=handover.letter.template)
            sent = Sent(verdict=Verdict.UNKNOWN, detail=f"broke: {type(error).__name__}", healthy=False)
        log.info(
            "worker.letter.handed_over",
            carrier=name,
            to=masked(handover.letter.address),
            template=handover.letter.template,
            verdict=sent.verdict.value,
            detail=sent.detail,
        )
        await self._heard(name, sent)
        return sent

    async def _heard(self, name: str, sent: Sent) -> None:
        now = wiring.now()
        heard, turn = self._circuits[name].heard(healthy=sent.healthy, now=now)
        self._circuits[name] = heard
        if turn is not None:
            log.warning(f"worker.{turn.value}", carrier=name, detail=sent.detail)
            told: dict[str, tuple[Turn, str]] = {name: (turn, sent.detail)}
            try:
                await self._desk.run(partial(circuits.tell, turns=told, now=now))
            except Unreachable as error:
                # The next failure, or success, tells it.
                self._circuits[name] = replace(heard, rests_until=None) if turn is Turn.DOWN else heard
                log.warning("worker.database.away", error=str(error))

    async def _write(self, outcome: Outcome) -> None:
        for _ in range(WRITE_TRIES_MAX):
            conclude = partial(
                sending.conclude, outcomes=[outcome], owner=self._sender.owner, now=wiring.now()
            )
            try:
                return await self._desk.run(conclude)
            except Unreachable as error:
                log.warning("worker.database.away", error=str(error))
                await asyncio.sleep(WRITE_AGAIN_S)
        log.error("worker.letter.in_doubt", message_id=str(outcome.handover.letter.message_id))
        return None
