"""One device behind a broker as a `Link`: every frame travels in a letter that says until when it is good.

A frame that nobody waits for any more must not be obeyed, so a command lives as long as its answer is waited
for: the broker drops it then (message expiry), and the device does too (`exp`). Each command has a mark of
its own (`cid`); an answer is taken to a command that is still open, and each (`seq`) once.
"""

from collections.abc import Callable
from typing import Final

from compuerta.adapters.links.ear import Ear
from compuerta.domain.party import RoadKind
from compuerta.services.link_port import Listener
from compuerta.wire.pm.letters import FRAME_BYTES_MAX, Answer, Command

# What a line is patient for at most on such a road, and a second for the broker's way.
FRAME_LIFE_MS: Final = {RoadKind.MOBILE_4G: 3_000, RoadKind.RS485: 3_000, RoadKind.NBIOT: 31_000}
OPEN_MAX: Final = 16  # a frame and its repeats; of more, the oldest is no longer waited for


class MqttLink:
    """This will carry frames to one device, and tell what it answers."""

    def __init__(
        self,
        *,
        road: RoadKind,
        mark: str,
        send: Callable[["MqttLink", Command], None],
        now_ms: Callable[[], int],
        ended: Callable[["MqttLink"], None],
    ) -> None:
        self._life_ms = FRAME_LIFE_MS[road]
        self._mark = mark
        self._send = send
        self._now_ms = now_ms
        self._ended = ended
        self._ear = Ear()
        self._is_over = False
        self._seq = 0
        self._open: dict[str, tuple[int, int]] = {}  # until when it is waited for, and the last answer's seq
        self.refused = 0  # answers to nothing that is open: late, or repeated

    def attach(self, listener: Listener) -> None:
        """See `Link`."""
        self._ear.attach(listener)

    def write(self, data: bytes) -> None:
        """See `Link`; more than a letter may hold is sent in several."""
        for at in range(0, len(data), FRAME_BYTES_MAX):
            if not self._is_over:
                self._command(data[at : at + FRAME_BYTES_MAX])

    def shut(self) -> None:
        """See `Link`."""
        self._end()
        self._ear.close()

    def lose(self, reason: str) -> None:
        """Tell that the device is gone, once."""
        self._end()
        self._ear.lose(reason)

    def answered(self, answer: Answer) -> None:
        """Take an answer, or a part of one; one to nothing that is open, or again, is counted and dropped."""
        if not answer.cid.startswith(self._mark):
            return  # the answer to a knock, or to another gateway
        now_ms = self._now_ms()
        until_ms, heard_seq = self._open.get(answer.cid, (now_ms, 0))
        if now_ms >= until_ms or answer.seq <= heard_seq:
            self.refused += 1
            return
        self._open[answer.cid] = until_ms, answer.seq
        self._ear.hear(answer.frame)

    def spoken(self, frame: bytes) -> None:
        """Take what a meter said unasked."""
        if frame and not self._is_over:
            self._ear.hear(frame)

    def _command(self, frame: bytes) -> None:
        now_ms = self._now_ms()
        self._seq += 1
        cid = f"{self._mark}.{self._seq}"
        if len(self._open) >= OPEN_MAX:
            del self._open[next(iter(self._open))]
        self._open[cid] = now_ms + self._life_ms, 0
        self._send(
            self, Command(seq=self._seq, ts_ms=now_ms, cid=cid, exp_ms=now_ms + self._life_ms, frame=frame)
        )

    def _end(self) -> None:
        if not self._is_over:
            self._is_over = True
            self._ended(self)
