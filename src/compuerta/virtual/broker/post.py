"""What a broker keeps: who listens to what, and what waits for whom. It has neither sockets nor a clock.

MQTT 5, quality of service 0 and 1, shared subscriptions, message expiry, sessions that outlive their
connection, and wills; no retained messages.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final

from compuerta.wire.mqtt.packets import PubAck, Publish, Reason, SubAck, Subscribe

QUEUE_MAX: Final = 10_000  # messages for one client that it has not taken; further ones are dropped
SHARED: Final = "$share"


@dataclass(slots=True, kw_only=True, eq=False)
class Box:
    """One client's session: its filters, and what waits for it."""

    client_id: str
    user: str
    filters: set[str] = field(default_factory=set)
    waiting: deque[tuple[Publish, int | None]] = field(default_factory=deque)  # with until when, in ms
    in_flight: dict[int, Publish] = field(default_factory=dict)
    receive_max: int = 65_535
    last_id: int = 0
    session_expiry_s: int = 0
    gone_ms: int | None = None  # since when its client is away; None while it is here

    def next_id(self) -> int:
        """Return a packet number that is free."""
        while True:
            self.last_id = self.last_id % 65_535 + 1
            if self.last_id not in self.in_flight:
                return self.last_id


class PostOffice:
    """This will bring messages to the boxes whose filters they meet."""

    def __init__(self) -> None:
        self._boxes: dict[str, Box] = {}
        self._turns: dict[str, int] = {}  # of shared filters: whose turn it was
        self._exact: dict[str, set[str]] = {}  # client ids by filters without wildcards
        self._wild: dict[str, set[str]] = {}

    def open_box(self, client_id: str, *, user: str, clean_start: bool, now_ms: int) -> tuple[Box, bool]:
        """Return a client's box, and whether it was there already."""
        box = self._boxes.get(client_id)
        if box is not None and (clean_start or box.user != user or _is_over(box, now_ms)):
            self.forget(box)
            box = None
        if box is None:
            self._boxes[client_id] = box = Box(client_id=client_id, user=user)
            return box, False
        # What was not acknowledged comes again, before what has waited since (MQTT 5.0 4.4).
        again = [(replace(each, packet_id=0), None) for each in box.in_flight.values()]
        box.in_flight.clear()
        box.waiting.extendleft(reversed(again))
        box.gone_ms = None
        return box, True

    def leave(self, box: Box, *, now_ms: int) -> None:
        """Keep a box for later, or forget it."""
        if box.session_expiry_s:
            box.gone_ms = now_ms
        elif self._boxes.get(box.client_id) is box:
            self.forget(box)

    def forget(self, box: Box) -> None:
        """Drop a box with all that is in it."""
        del self._boxes[box.client_id]
        for wanted in box.filters:
            for known in (self._exact, self._wild):
                known.get(wanted, set()).discard(box.client_id)

    def subscribe(self, box: Box, asked: Subscribe, *, may: Callable[[str], bool]) -> SubAck:
        """Take filters that are allowed, and say which."""
        reasons = []
        for wanted, qos in asked.filters:
            meant = wanted.split("/", 2)[2] if wanted.startswith(f"{SHARED}/") else wanted
            if not may(meant):
                reasons.append(int(Reason.NOT_AUTHORIZED))
                continue
            known = self._wild if "+" in wanted or "#" in wanted or meant != wanted else self._exact
            known.setdefault(wanted, set()).add(box.client_id)
            box.filters.add(wanted)
            reasons.append(min(qos, 1))
        return SubAck(packet_id=asked.packet_id, reasons=tuple(reasons))

    def post(self, message: Publish, *, now_ms: int) -> list[Box]:
        """Put a message into every box that it is for; returns those boxes."""
        until_ms = None if message.expiry_s is None else now_ms + message.expiry_s * 1_000
        boxes = [box for box in self._meant(message.topic) if not _is_over(box, now_ms)]
        for box in boxes:
            if len(box.waiting) < QUEUE_MAX and (message.qos or box.gone_ms is None):
                box.waiting.append((replace(message, packet_id=0), until_ms))
        return boxes

    def due(self, box: Box, *, now_ms: int) -> list[Publish]:
        """Return what a client is to be sent now: no more than it takes, and nothing whose life is over."""
        sent = []
        while box.waiting and len(box.in_flight) < box.receive_max:
            message, until_ms = box.waiting.popleft()
            if until_ms is not None:
                if now_ms >= until_ms:
                    continue
                message = replace(message, expiry_s=-(-(until_ms - now_ms) // 1_000))
            if message.qos:
                message = replace(message, packet_id=box.next_id())
                box.in_flight[message.packet_id] = message
            sent.append(message)
        return sent

    def acknowledged(self, box: Box, ack: PubAck) -> None:
        """Forget what a client has kept."""
        box.in_flight.pop(ack.packet_id, None)

    def _meant(self, topic: str) -> list[Box]:
        ids = dict.fromkeys(self._exact.get(topic, ()))
        for wanted, client_ids in self._wild.items():
            if wanted.startswith(f"{SHARED}/"):
                if client_ids and matches(wanted.split("/", 2)[2], topic):
                    ids[self._whose_turn(wanted, sorted(client_ids))] = None
            elif matches(wanted, topic):
                ids |= dict.fromkeys(client_ids)
        return [self._boxes[each] for each in ids]

    def _whose_turn(self, wanted: str, client_ids: list[str]) -> str:
        """Return the next client of a group; those who are here come before those who are away."""
        here = [each for each in client_ids if self._boxes[each].gone_ms is None] or client_ids
        turn = self._turns[wanted] = (self._turns.get(wanted, -1) + 1) % len(here)
        return here[turn]


def _is_over(box: Box, now_ms: int) -> bool:
    return box.gone_ms is not None and now_ms >= box.gone_ms + box.session_expiry_s * 1_000


def matches(wanted: str, topic: str) -> bool:
    """Tell whether a topic meets a filter (MQTT 5.0 4.7)."""
    levels = topic.split("/")
    for place, level in enumerate(wanted.split("/")):
        if level == "#":
            return True
        if place >= len(levels) or level not in ("+", levels[place]):
            return False
    return wanted.count("/") == topic.count("/")
