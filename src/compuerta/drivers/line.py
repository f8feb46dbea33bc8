"""One end of one road, without the road: which meter is asked next, and what is made of the answers.

A road carries one exchange at a time: a bus because meters would talk into each other, a dialed-in session
because gateways lose the second of two requests. The line takes conversations, lets the most urgent one
speak, and between two of its exchanges lets a more urgent one go first. Each conversation brings its own
tongue, so that meters of several protocols may share a bus. The line owns no socket and no clock: whoever has
them calls it, writes `take_bytes()` and gives out `take_finished()`.
"""

from dataclasses import dataclass, field, replace
from enum import Enum

from compuerta.domain.errors import Unreachable
from compuerta.domain.road_figures import BUCKETS, bucket_of
from compuerta.drivers.abilities import Ending, Result
from compuerta.drivers.dlt645_tongue import Dlt645Ear
from compuerta.drivers.model import RoadTiming
from compuerta.drivers.tongue import Heard, Speech, Stray

BITS_PER_BYTE = 11  # DL/T 645-2007 5.1: start, eight data bits, parity, stop
PAUSE_MS = 50  # between an answer and the next request, so that the meter has let go of the bus
ABSENT_MS_MIN = 5_000  # first back-off of a meter that does not answer
ABSENT_MS_MAX = 600_000  # a meter that is back is found within ten minutes even if nobody asks for it
ABSENT_METERS_MAX = 1_024  # four times what a bus can carry
HEARD_METERS_MAX = 1_024
REPEATED_MS = 20_000  # status words that a meter says twice within this are a late or doubled answer
GAVE_WAY = "gave_way"  # why a job ended early that was in the way of somebody who waits
BROKEN_OFF_MAX = 16  # times that a conversation is told of silence; the first one ends most of them


class Priority(Enum):
    """Who goes first; a lower number is more urgent."""

    SAFETY = 0
    RECHARGE = 1  # and what credit switches
    POLL = 2


class LineFull(Unreachable):
    """A line that has as much to do as it may hold."""

    def __init__(self, *, name: str, jobs_max: int) -> None:
        super().__init__(f"line {name} already holds {jobs_max} jobs")
        self.name = name
        self.jobs_max = jobs_max


class LineShut(Unreachable):
    """A line whose road is gone."""

    def __init__(self, *, name: str) -> None:
        super().__init__(f"line {name} is shut")
        self.name = name


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A conversation to be had with a meter; `key` is the caller's name for it."""

    key: str
    meter_no: str
    conversation: Speech
    priority: Priority
    timing: RoadTiming
    deadline_ms: int  # no exchange begins at or after this instant
    gives_way: bool = False  # to what is more urgent at the same meter: it only reads, and may end early


@dataclass(slots=True, kw_only=True, eq=False)
class _Turn:
    """A job with its place in the line."""

    job: Job
    place: int
    is_begun: bool = False


@dataclass(slots=True, kw_only=True)
class _Absence:
    """A meter that does not answer, and until when polls leave it alone."""

    backoff_ms: int
    until_ms: int


@dataclass(slots=True, kw_only=True)
class LineCounts:
    """What the line has seen, for metrics."""

    exchanges: int = 0
    repeats: int = 0  # of requests within an exchange, after a silence
    silences: int = 0  # exchanges that nobody answered in all tries
    strays: int = 0
    done: int = 0  # conversations that were begun and answered, if only by a refusal
    failed: int = 0
    latencies: list[int] = field(default_factory=lambda: [0] * BUCKETS)  # of answered exchanges


class Line:
    """The engine of one road end; every accepted job finishes exactly once."""

    def __init__(
        self, name: str, *, byte_us: int = 0, pause_ms: int = PAUSE_MS, jobs_max: int = 1_000
    ) -> None:
        self.name = name
        self.counts = LineCounts()
        self._byte_us = byte_us
        self._pause_ms = pause_ms
        self._jobs_max = jobs_max
        self._is_shut = False
        self._places = 0
        self._waiting: list[_Turn] = []
        self._begun: dict[str, _Turn] = {}
        self._speaking: _Turn | None = None  # whose exchange is on the wire now
        self._asked_ms = 0  # when the request on the wire was written first
        self._quiet_until_ms = 0
        self._absences: dict[str, _Absence] = {}
        self._heard: dict[str, None] = {}
        self._pushed: dict[str, None] = {}
        self._words: dict[str, tuple[bytes, int]] = {}  # a meter's last status words, and when it said them
        self._idle_ear = Dlt645Ear()  # Modbus meters never speak unasked
        self._outgoing = bytearray()
        self._finished: list[tuple[str, Result]] = []

    def submit(self, job: Job, *, now_ms: int) -> None:
        """Take `job` and begin it when its turn comes; raises `LineFull` or `LineShut`."""
        if self._is_shut:
            raise LineShut(name=self.name)
        if self.jobs_open() >= self._jobs_max:
            raise LineFull(name=self.name, jobs_max=self._jobs_max)
        self._places += 1
        self._waiting.append(_Turn(job=job, place=self._places))
        self._advance(now_ms)

    def receive(self, data: bytes, *, now_ms: int) -> None:
        """Take bytes from the road."""
        if self._speaking is None:
            for stray in self._idle_ear.receive(data, now_ms=now_ms):
                self._overhear(stray, now_ms)
        else:
            self._listen(self._speaking, data, now_ms)
        self._advance(now_ms)

    def wake(self, *, now_ms: int) -> None:
        """Do what is due: repeat a request, give up on a meter, begin the next exchange."""
        turn = self._speaking
        if turn is not None:
            repeat = turn.job.conversation.wake(now_ms)
            self._listen(turn, b"", now_ms)
            if repeat and self._is_urged(turn):
                # Somebody has paid and waits: an absent meter's further tries are broken off.
                turn.job.conversation.break_off()
                self._conclude(turn, Heard(meter_no=None), now_ms)
            elif repeat:
                self._outgoing += repeat
                self.counts.repeats += 1
        self._advance(now_ms)

    def wake_at_ms(self) -> int | None:
        """Return when `wake` wants to be called; None = not before something else happens."""
        if self._speaking is not None:
            return self._speaking.job.conversation.wake_at_ms()
        return self._quiet_until_ms if self._waiting else None

    def take_counts(self) -> LineCounts:
        """Return what was counted since the last call."""
        counts, self.counts = self.counts, LineCounts()
        return counts

    def take_bytes(self) -> bytes:
        """Return what is to be written to the road now, once."""
        outgoing, self._outgoing = bytes(self._outgoing), bytearray()
        return outgoing

    def take_finished(self) -> list[tuple[str, Result]]:
        """Return the jobs that have ended since the last call, in the order of their ends."""
        finished, self._finished = self._finished, []
        return finished

    def take_heard(self) -> list[str]:
        """Return the meters heard since the last call: their open instructions are worth a try."""
        heard, self._heard = list(self._heard), {}
        return heard

    def take_pushed(self) -> list[str]:
        """Return the meters that told their status words unasked since the last call: a hint to read them."""
        pushed, self._pushed = list(self._pushed), {}
        return pushed

    def jobs_open(self) -> int:
        """Tell how many jobs have not ended."""
        return len(self._waiting) + (self._speaking is not None)

    def shut(self) -> None:
        """End every job as silent: the road is gone, and what was on it may have arrived."""
        self._is_shut = True
        turns = [self._speaking] if self._speaking else []
        turns += sorted(self._waiting, key=_rank)
        self._speaking, self._waiting = None, []
        self._outgoing.clear()
        for turn in turns:
            self._break_off(turn, "line_lost")

    def _advance(self, now_ms: int) -> None:
        """Begin the next exchange, unless one is on the wire or the bus needs its pause."""
        while self._speaking is None and self._waiting and now_ms >= self._quiet_until_ms:
            turn = self._pick()
            reason = self._reason_to_pass_over(turn.job, now_ms)
            if reason:
                self._break_off(turn, reason)
            elif turn.is_begun:
                self._send(turn, now_ms)
            else:
                turn.is_begun = True
                self._begun[turn.job.meter_no] = turn
                turn.job.conversation.begin()
                self._go_on(turn)

    def _pick(self) -> _Turn:
        """Take the most urgent turn out of the line.

        A conversation is never entered by another one with the same meter: its begun one is ended first, and
        at once where it gives way. What it has learned by then is kept.
        """
        first = min(self._waiting, key=_rank)
        turn = self._begun.get(first.job.meter_no, first)
        if turn is not first and turn.job.gives_way and first.job.priority is not turn.job.priority:
            self._waiting.remove(turn)
            self._break_off(turn, GAVE_WAY, ending=Ending.BUSY)
            turn = first
        self._waiting.remove(turn)
        return turn

    def _reason_to_pass_over(self, job: Job, now_ms: int) -> str:
        if now_ms >= job.deadline_ms:
            return "deadline_passed"
        absence = self._absences.get(job.meter_no)
        if job.priority is Priority.POLL and absence is not None and now_ms < absence.until_ms:
            return "meter_absent"
        return ""

    def _send(self, turn: _Turn, now_ms: int) -> None:
        timing, speech = turn.job.timing, turn.job.conversation
        once = turn.job.meter_no in self._absences or not speech.is_repeatable()
        wire_ms = -(-self._byte_us * speech.request_bytes() // 1_000)
        patience = RoadTiming(
            first_byte_ms=timing.first_byte_ms + wire_ms,
            gap_ms=timing.gap_ms,
            tries_max=1 if once else timing.tries_max,
        )
        octets = speech.send(timing=patience, now_ms=now_ms)
        if octets:
            self._outgoing += octets
            self._speaking = turn
            self._asked_ms = now_ms
            self.counts.exchanges += 1
        else:
            self._go_on(turn)

    def _listen(self, turn: _Turn, data: bytes, now_ms: int) -> None:
        for event in turn.job.conversation.receive(data, now_ms=now_ms):
            if isinstance(event, Stray):
                self.counts.strays += 1
                self._overhear(event, now_ms)
            else:
                self._conclude(turn, event, now_ms)

    def _conclude(self, turn: _Turn, heard: Heard, now_ms: int) -> None:
        """End the exchange on the wire; its conversation has gone on in its mind, and keeps its place."""
        self._speaking = None
        if heard.meter_no is None:
            # A late answer of this meter must not meet the next request: wait as long as a frame may pause.
            self._quiet_until_ms = now_ms + turn.job.timing.gap_ms
            self._absent(turn.job.meter_no, now_ms)
        else:
            self._quiet_until_ms = now_ms + self._pause_ms
            self.counts.latencies[bucket_of(now_ms - self._asked_ms)] += 1
            self._present(heard.meter_no)
            if heard.words:
                self._is_news(heard.meter_no, heard.words, now_ms)
        self._go_on(turn)

    def _go_on(self, turn: _Turn) -> None:
        """Put a conversation back into the line if it wants to say more, and end its job otherwise."""
        result = turn.job.conversation.result
        if result is None:
            self._waiting.append(turn)
        else:
            self._finish(turn, result)

    def _break_off(self, turn: _Turn, reason: str, *, ending: Ending = Ending.SILENT) -> None:
        """End a job without another byte; what its conversation has learned, or proved, by then is kept."""
        result = Result(ending=ending, reason=reason)
        speech = turn.job.conversation
        if turn.is_begun:
            for _ in range(BROKEN_OFF_MAX):
                if speech.result is None:
                    speech.break_off()
            learned = speech.result or result
            is_cut_short = learned.ending is Ending.SILENT
            result = replace(learned, ending=ending, reason=reason) if is_cut_short else learned
        self._finish(turn, result)

    def _finish(self, turn: _Turn, result: Result) -> None:
        if self._begun.get(turn.job.meter_no) is turn:
            del self._begun[turn.job.meter_no]
        if turn.is_begun:
            is_failed = result.ending is Ending.SILENT
            self.counts.failed += is_failed
            self.counts.done += not is_failed
        turn.job.conversation.close()
        self._finished.append((turn.job.key, result))

    def _is_urged(self, turn: _Turn) -> bool:
        return any(other.job.priority.value < turn.job.priority.value for other in self._waiting)

    def _absent(self, meter_no: str, now_ms: int) -> None:
        self.counts.silences += 1
        known = self._absences.pop(meter_no, None)
        backoff_ms = ABSENT_MS_MIN if known is None else min(2 * known.backoff_ms, ABSENT_MS_MAX)
        if len(self._absences) >= ABSENT_METERS_MAX:
            del self._absences[next(iter(self._absences))]
        self._absences[meter_no] = _Absence(backoff_ms=backoff_ms, until_ms=now_ms + backoff_ms)

    def _overhear(self, stray: Stray, now_ms: int) -> None:
        if stray.meter_no is None:
            return
        self._present(stray.meter_no)
        is_push = stray.words and self._is_news(stray.meter_no, stray.words, now_ms)
        if is_push and len(self._pushed) < HEARD_METERS_MAX:
            self._pushed[stray.meter_no] = None

    def _is_news(self, meter_no: str, words: bytes, now_ms: int) -> bool:
        """Keep a meter's status words; tells whether it said others, or nothing, of late.

        A late or doubled answer cannot be told from a push by its frame. Were it taken for one, it would be
        answered by a poll whose answer is doubled again.
        """
        before, at_ms = self._words.pop(meter_no, (b"", 0))
        if len(self._words) >= HEARD_METERS_MAX:
            del self._words[next(iter(self._words))]
        self._words[meter_no] = words, now_ms
        return before != words or now_ms - at_ms > REPEATED_MS

    def _present(self, meter_no: str) -> None:
        self._absences.pop(meter_no, None)
        if len(self._heard) < HEARD_METERS_MAX:
            self._heard[meter_no] = None


def byte_us_of(baud: int) -> int:
    """Return what a byte takes on a bus of so many baud; `Line` wants it."""
    return BITS_PER_BYTE * 1_000_000 // baud


def _rank(turn: _Turn) -> tuple[int, int]:
    return turn.job.priority.value, turn.place
