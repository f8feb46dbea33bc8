"""Searching: who is on a line, asked of the line itself and never of memory.

An abbreviated address asks many meters at once (DL/T 645-2007 5.2.2). Where several answer, their bytes spoil
each other: then each of the hundred next pairs of digits is asked, until everybody has answered alone. What
still collides under all twelve digits is two meters with one number.
"""

from collections.abc import Collection, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from compuerta.domain.errors import Unreachable
from compuerta.drivers.abilities import Ending, Result
from compuerta.drivers.model import RoadTiming
from compuerta.drivers.tongue import Ended, Heard, Speech, Spoken, Stray
from compuerta.wire import dlt645

ENERGY = 0x00010000  # every meter has it
# A hundred meters whose last digits are at odds take a thousand probes; more is a line that only makes noise.
PROBES_MAX = 20_000
FOUND_MAX = 256
SEARCHER = "searcher"  # who "answers" a probe that nobody answers: it is no meter, and never absent
PROBE_BYTES = 40  # a read is 16 bytes with its wake-up, and so many answer it at once
_PAIRS = tuple(f"{pair:02d}" for pair in range(100))


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """One question to everybody whose number ends so."""

    address: str
    request: dlt645.Request


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """All that a line said to a probe."""

    frames: tuple[dlt645.Frame, ...]
    is_spoilt: bool = False  # there was more than whole frames: several spoke at once, or the line is bad
    is_broken_off: bool = False  # nobody listened to the end: that nothing was heard says nothing

    @property
    def is_quiet(self) -> bool:
        """Whether nobody said anything."""
        return not self.frames and not self.is_spoilt

    @property
    def is_one(self) -> bool:
        """Whether exactly one meter answered."""
        return len(self.frames) == 1 and not self.is_spoilt


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundMeter:
    """A meter that answered by its own number."""

    meter_no: str
    is_twice: bool = False  # two meters have this number
    registers: frozenset[int] = frozenset()  # which of those asked it has
    energy_wh: int | None = None
    clock: datetime | None = None  # naive, as it shows
    models: tuple[str, ...] = ()  # that fit it, where the search could tell by itself


Probing = Generator[Probe, Answers, Result]


class BrokenOff(Unreachable):
    """The line was taken away in the middle of a probe."""


class Search:
    """This will find and identify the meters of a line; what it has found may be looked at meanwhile."""

    def __init__(
        self, *, registers: Collection[int], expected: Sequence[str] = (), is_shared: bool = True
    ) -> None:
        self.found: dict[str, FoundMeter] = {}
        self.probes = 0
        self._registers = sorted(registers)
        self._expected = tuple(expected)
        self._is_shared = is_shared

    def speech(self) -> Speech:
        """Return the search as a line carries it out, among its other jobs."""
        return Spoken(_to_the_end(self._search()), Probes())

    def _search(self) -> Probing:
        waiting = [dlt645.WILDCARD, *self._expected]
        while waiting:
            if self.probes >= PROBES_MAX or len(self.found) >= FOUND_MAX:
                return Result(ending=Ending.REFUSED, reason="line_too_full")
            address = waiting.pop()
            answers = yield from self._ask(address)
            for meter_no in sorted({each.address for each in answers.frames} - self.found.keys()):
                self.found[meter_no] = FoundMeter(meter_no=meter_no)
            if self._is_to_be_split(address, answers):
                waiting += [*_within(address)]
                yield from self._look_twice(address)
            else:
                for each in answers.frames:
                    yield from self._identify(each.address)
        for meter_no in sorted(self.found):
            yield from self._identify(meter_no)
        return Result(ending=Ending.DONE)

    def _is_to_be_split(self, address: str, answers: Answers) -> bool:
        """Whether more than one may have answered.

        Two new meters that differ by one bit, and speak bit for bit together, are heard as one: on a bus one
        clean answer of everybody proves nothing, and the last two digits are asked in any case.
        """
        of_all = self._is_shared and address == dlt645.WILDCARD
        return not answers.is_quiet and (of_all or not answers.is_one)

    def _ask(self, address: str) -> Generator[Probe, Answers, Answers]:
        """Ask for the energy; of everybody also for the number, which is all that some tell."""
        answers = yield from self._probe(address, dlt645.ReadRegister(di=ENERGY))
        if address == dlt645.WILDCARD and answers.is_quiet:
            answers = yield from self._probe(address, dlt645.ReadAddress())
        return answers

    def _look_twice(self, address: str, register: int = ENERGY) -> Generator[Probe, Answers, bool]:
        """Ask once more before it is said that two meters have one whole number: lines click."""
        if dlt645.WILDCARD[:2] in address:
            return False
        answers = yield from self._probe(address, dlt645.ReadRegister(di=register))
        if not answers.is_one:
            known = self.found.get(address, FoundMeter(meter_no=address))
            self.found[address] = replace(known, is_twice=True, registers=frozenset())
        return not answers.is_one

    def _identify(self, meter_no: str) -> Generator[Probe, Answers, None]:
        """Ask one meter which registers it has, once; two that share a number seldom agree on all."""
        known = self.found[meter_no]
        if known.is_twice or known.registers:
            return
        values: dict[int, dlt645.Values] = {}
        for register in (ENERGY, *self._registers):
            answers = yield from self._probe(meter_no, dlt645.ReadRegister(di=register))
            clicks = not answers.is_quiet and not answers.is_one
            if clicks and (yield from self._look_twice(meter_no, register)):
                return
            read = _values(answers, register)
            if read is not None:
                values[register] = read
        self.found[meter_no] = _identified(known, values)

    def _probe(self, address: str, request: dlt645.Request) -> Generator[Probe, Answers, Answers]:
        self.probes += 1
        return (yield from _answers(address, request))


def _identified(known: FoundMeter, values: Mapping[int, dlt645.Values]) -> FoundMeter:
    energy_wh = values.get(ENERGY, {}).get("energy_wh")
    return replace(
        known,
        registers=frozenset(values),
        energy_wh=energy_wh if isinstance(energy_wh, int) else None,
        clock=next((each for read in values.values() for each in _clocks(read)), None),
    )


class Renumbering:
    """This will give the only meter of a line another number; its programming key has to be pressed."""

    def __init__(self, *, meter_no: str, new_no: str) -> None:
        self.found: dict[str, FoundMeter] = {}
        self.probes = 0
        self._meter_no = meter_no
        self._new_no = new_no

    def speech(self) -> Speech:
        """Return it as a line carries it out."""
        return Spoken(_to_the_end(self._renumber()), Probes())

    def _renumber(self) -> Probing:
        # Everybody on the line obeys a new number (DL/T 645-2007 7.1.11): nobody else may be there.
        answers = yield from self._probe(dlt645.WILDCARD, dlt645.ReadRegister(di=ENERGY))
        if not answers.is_one:
            return Result(ending=Ending.REFUSED, reason="not_alone" if answers.frames else "no_answer")
        if answers.frames[0].address not in (self._meter_no, self._new_no):
            return Result(ending=Ending.REFUSED, reason="another_meter")
        if answers.frames[0].address == self._meter_no:
            yield from self._probe(dlt645.WILDCARD, dlt645.WriteAddress(meter_no=self._new_no))
        answers = yield from self._probe(self._new_no, dlt645.ReadRegister(di=ENERGY))
        if not answers.is_one:
            return Result(ending=Ending.REFUSED, reason="number_not_taken")
        self.found[self._new_no] = FoundMeter(meter_no=self._new_no)
        return Result(ending=Ending.DONE)

    def _probe(self, address: str, request: dlt645.Request) -> Generator[Probe, Answers, Answers]:
        self.probes += 1
        return (yield from _answers(address, request))


def _answers(address: str, request: dlt645.Request) -> Generator[Probe, Answers, Answers]:
    answers = yield Probe(address=address, request=request)
    if answers.is_broken_off:
        raise BrokenOff
    return answers


def _to_the_end(probing: Probing) -> Probing:
    try:
        return (yield from probing)
    except BrokenOff:
        return Result(ending=Ending.SILENT, reason="line_lost")


class Probes:
    """This will carry probes; see `Tongue`."""

    def session(self, timing: RoadTiming) -> "ProbeSession":
        """See `Tongue`."""
        return ProbeSession(timing)

    def request_bytes(self, request: Probe) -> int:
        """See `Tongue`."""
        return PROBE_BYTES

    def is_repeatable(self, request: Probe) -> bool:
        """See `Tongue`: whatever was heard is told."""
        return False

    def silence(self, request: Probe) -> Answers:
        """See `Tongue`."""
        return Answers(frames=(), is_broken_off=True)


class ProbeSession:
    """This will listen to all that answers within the time of an answer; see `Session`."""

    def __init__(self, timing: RoadTiming) -> None:
        self._timing = timing
        self._ear = dlt645.Deframer(timing.gap_ms)
        self._asked: dlt645.Frame | None = None
        self._frames: list[dlt645.Frame] = []
        self._due_ms = self._due_ms_max = 0
        self._is_over = False

    def send(self, request: Probe, *, now_ms: int) -> bytes:
        """See `Session`; raises `ProtocolError` for a number that is none."""
        self._asked = request.request.to_frame(request.address)
        self._due_ms = now_ms + self._timing.first_byte_ms
        self._due_ms_max = self._due_ms + dlt645.TALK_MS_MAX
        return dlt645.encode(self._asked)

    def receive(self, data: bytes, *, now_ms: int) -> list[Ended[Answers] | Stray]:
        """See `Session`; nothing is a stray to who wants to know everybody."""
        self._frames += self._ear.receive(data, now_ms=now_ms)
        if data:
            # Who else answers has begun by now: a road's whole patience is for the first word only.
            spoke = any(each != self._asked for each in self._frames) and self._ear.is_empty
            silence_ms = now_ms + self._timing.gap_ms + 1
            self._due_ms = min(silence_ms if spoke else max(self._due_ms, silence_ms), self._due_ms_max)
        if not self._is_over:
            return []
        told = self._frames
        heard = tuple(each for each in told if each != self._asked and each.control & dlt645.ANSWER_BIT)
        skipped_max = dlt645.WAKE_BYTES_MAX * len(told)
        is_spoilt = bool(self._ear.frames_damaged) or self._ear.bytes_skipped > skipped_max
        answered = Answers(frames=heard, is_spoilt=is_spoilt)
        return [Ended(reply=answered, heard=Heard(meter_no=SEARCHER))]

    def wake_at_ms(self) -> int:
        """See `Session`."""
        return self._due_ms

    def wake(self, now_ms: int) -> bytes:
        """See `Session`; a probe is never repeated."""
        if now_ms >= self._due_ms:
            self._frames += self._ear.flush()
            self._is_over = True
        return b""


def _within(address: str) -> Iterator[str]:
    """Yield the addresses of a hundredth of those whom an abbreviated address means; none of a whole one."""
    wild = dlt645.WILDCARD[:2]
    known = address.replace(wild, "")
    if len(known) < len(address):
        rest = wild * ((len(address) - len(known)) // len(wild) - 1)
        yield from (f"{rest}{pair}{known}" for pair in _PAIRS)


def _values(answers: Answers, register: int) -> dlt645.Values | None:
    """Return what one meter's register holds; {} where it has it and its layout is not known."""
    if not answers.is_one:
        return None
    answer = dlt645.parse_answer(answers.frames[0])
    if not isinstance(answer, dlt645.RegisterAnswer) or answer.di != register:
        return None
    try:
        return dlt645.decode_values(register, answer.payload)
    except dlt645.ProtocolError:
        return {}


def _clocks(values: dlt645.Values) -> list[datetime]:
    return [each for each in values.values() if isinstance(each, datetime)]
