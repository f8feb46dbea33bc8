"""The link to a device behind a broker, without a broker: which answers are heard, and for how long."""

from dataclasses import dataclass, field

from compuerta.adapters.links.mqtt_link import FRAME_LIFE_MS, OPEN_MAX, MqttLink
from compuerta.domain.party import RoadKind
from compuerta.wire.pm.letters import Answer, Command

MARK = "gateway-1.link-1"
LIFE_MS = FRAME_LIFE_MS[RoadKind.MOBILE_4G]


@dataclass
class Desk:
    """What a link's two sides were told."""

    now_ms: int = 0
    sent: list[Command] = field(default_factory=list)
    ended: list[MqttLink] = field(default_factory=list)
    said: list[bytes] = field(default_factory=list)
    losses: list[str] = field(default_factory=list)

    def link(self) -> MqttLink:
        link = MqttLink(
            road=RoadKind.MOBILE_4G,
            mark=MARK,
            send=lambda _, command: self.sent.append(command),
            now_ms=lambda: self.now_ms,
            ended=self.ended.append,
        )
        link.attach(self)
        return link

    def heard(self, data: bytes) -> None:
        self.said.append(data)

    def lost(self, reason: str) -> None:
        self.losses.append(reason)


def answer_to(cid: str, *, seq: int = 1) -> Answer:
    return Answer(seq=seq, ts_ms=0, cid=cid, frame=b"answer")


def test_an_answer_is_heard_while_it_is_waited_for_and_not_later() -> None:
    desk = Desk()
    link = desk.link()
    link.write(b"asked")
    [command] = desk.sent

    desk.now_ms = LIFE_MS - 1
    link.answered(answer_to(command.cid))
    desk.now_ms = LIFE_MS
    link.answered(answer_to(command.cid, seq=2))

    assert desk.said == [b"answer"]
    assert link.refused == 1


def test_an_answer_that_comes_again_is_counted_and_one_to_others_is_not() -> None:
    desk = Desk()
    link = desk.link()
    link.write(b"asked")
    [command] = desk.sent

    for cid in (command.cid, command.cid, f"{MARK}.2", "gateway-1.knock", "gateway-2.link-1.1"):
        link.answered(answer_to(cid))

    assert desk.said == [b"answer"]
    assert link.refused == 2  # the second one, and the one to what was never asked


def test_of_too_many_frames_the_oldest_is_no_longer_waited_for() -> None:
    desk = Desk()
    link = desk.link()
    for _ in range(OPEN_MAX + 1):
        link.write(b"asked")

    link.answered(answer_to(desk.sent[0].cid))
    link.answered(answer_to(desk.sent[1].cid))

    assert desk.said == [b"answer"]
    assert link.refused == 1


def test_a_link_that_is_shut_sends_nothing_and_keeps_nothing() -> None:
    desk, late = Desk(), Desk()
    link = desk.link()
    link.shut()
    link.shut()

    link.write(b"asked")
    link.spoken(b"said")
    link.attach(late)

    assert (desk.sent, desk.said, desk.losses, late.said) == ([], [], [], [])
    assert desk.ended == [link]
