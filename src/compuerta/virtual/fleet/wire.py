"""The wire between a modem and its meters: all hear, all who answer speak at once, and faults interfere."""

from dataclasses import dataclass
from random import Random

from compuerta.virtual.faults import Delivery, garbled, mistreat
from compuerta.virtual.fleet.road import Road
from compuerta.virtual.fleet.world import World


@dataclass(frozen=True, slots=True, kw_only=True)
class Wire:
    """By which connector meters hear, and how long they take to answer."""

    connector: str
    world: World
    chance: Random
    answer_delay_ms: tuple[int, int]  # Td: from the request to the meter's first byte

    def exchange(self, road: Road, request: bytes) -> list[Delivery]:
        """Return what the platform hears of a request, each with its delay since the meters heard it."""
        now_ms, line_ms = self.world.now_ms(), self.world.line_ms()
        said = [
            meter.receive(request, now_ms=now_ms, line_ms=line_ms, connector=self.connector)
            for meter in road.meters
        ]
        answers = [answer for answer in said if answer]
        answer = garbled(answers) if answers else b""
        td_ms = self.chance.randint(*self.answer_delay_ms)
        return [
            Delivery(delay_ms=td_ms + heard.delay_ms, octets=heard.octets)
            for heard in mistreat(answer, request=request, faults=road.faults, chance=self.chance)
        ]
