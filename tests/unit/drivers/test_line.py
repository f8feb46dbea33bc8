"""The line: one exchange at a time, the urgent first, absent meters last, and every job ends exactly once."""

import inspect
from collections.abc import Generator
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compuerta.drivers import line as lines
from compuerta.drivers.abilities import Ending, MeterState, Result
from compuerta.drivers.dlt645 import Conversation, Reply
from compuerta.drivers.dlt645_tongue import in_dlt645
from compuerta.drivers.line import Job, Line, LineFull, LineShut, Priority
from compuerta.drivers.model import RoadTiming
from compuerta.wire import dlt645

TIMING = RoadTiming(first_byte_ms=700, gap_ms=500, tries_max=3)
FAR_AWAY_MS = 10**9
ENERGY = 0x00010000
STEPS_MAX = 2_000


LEARNED = MeterState(energy_wh=7)


def learning(times: int) -> Conversation:
    """A conversation that knows something after its first read, and keeps it when it ends early."""
    yield dlt645.ReadRegister(di=ENERGY)
    for _ in range(times - 1):
        if isinstance((yield dlt645.ReadRegister(di=ENERGY)), dlt645.Silent):
            return Result(ending=Ending.SILENT, state=LEARNED, reason="no_answer")
    return Result(ending=Ending.DONE, state=LEARNED)


def reading(times: int, *, seen: list[str] | None = None, name: str = "") -> Conversation:
    """A conversation of so many reads, which ends at the first silence."""
    for _ in range(times):
        if seen is not None:
            seen.append(name)
        reply: Reply = yield dlt645.ReadRegister(di=ENERGY)
        if isinstance(reply, dlt645.Silent):
            return Result(ending=Ending.SILENT, reason="no_answer")
    return Result(ending=Ending.DONE)


def a_job(
    key: str,
    *,
    meter: int = 1,
    conversation: Conversation | None = None,
    priority: Priority = Priority.POLL,
    deadline_ms: int = FAR_AWAY_MS,
    gives_way: bool = False,
) -> Job:
    return Job(
        key=key,
        meter_no=f"{meter:012d}",
        conversation=in_dlt645(conversation or reading(1), meter_no=f"{meter:012d}"),
        priority=priority,
        timing=TIMING,
        deadline_ms=deadline_ms,
        gives_way=gives_way,
    )


@dataclass
class Bus:
    """A line with meters behind it on a virtual clock; meters in `absent` say nothing."""

    line: Line = field(default_factory=lambda: Line("bus"))
    absent: set[str] = field(default_factory=set)
    now_ms: int = 0
    asked: list[tuple[int, str]] = field(default_factory=list)  # when, whom
    finished: dict[str, Result] = field(default_factory=dict)

    def submit(self, job: Job) -> None:
        self.line.submit(job, now_ms=self.now_ms)

    def step(self) -> bool:
        """One write, or one jump to the next wake-up; False when there is nothing to do."""
        written = self.line.take_bytes()
        if written:
            self._answer(written)
        else:
            wake_at_ms = self.line.wake_at_ms()
            if wake_at_ms is None:
                self.collect()
                return False
            self.now_ms = max(self.now_ms, wake_at_ms)
            self.line.wake(now_ms=self.now_ms)
        self.collect()
        return True

    def collect(self) -> None:
        for key, result in self.line.take_finished():
            assert key not in self.finished, f"{key} finished twice"
            self.finished[key] = result

    def run(self) -> None:
        for _ in range(STEPS_MAX):
            if not self.step():
                return
        raise AssertionError("the line does not come to rest")

    def _answer(self, written: bytes) -> None:
        for frame in dlt645.Deframer().receive(written, now_ms=self.now_ms):
            self.asked.append((self.now_ms, frame.address))
            if frame.address not in self.absent:
                answer = dlt645.RegisterAnswer(di=ENERGY, payload=bytes(4)).to_frame(frame.address)
                self.now_ms += 100
                self.line.receive(dlt645.encode(answer), now_ms=self.now_ms)


def test_jobs_of_one_priority_are_served_in_the_order_they_came() -> None:
    bus = Bus()
    for number in (3, 1, 2):
        bus.submit(a_job(f"poll {number}", meter=number))

    bus.run()

    assert list(bus.finished) == ["poll 3", "poll 1", "poll 2"]
    assert {result.ending for result in bus.finished.values()} == {Ending.DONE}


def test_a_recharge_goes_before_polls_between_two_exchanges() -> None:
    bus = Bus()
    seen: list[str] = []
    bus.submit(a_job("poll", meter=1, conversation=reading(3, seen=seen, name="poll")))
    bus.submit(a_job("next poll", meter=2, conversation=reading(1, seen=seen, name="next poll")))
    bus.step()

    recharge = reading(2, seen=seen, name="recharge")
    bus.submit(a_job("recharge", meter=3, conversation=recharge, priority=Priority.RECHARGE))
    bus.run()

    # The generator of the poll had asked its second question already; it is sent after the recharge.
    assert list(bus.finished) == ["recharge", "poll", "next poll"]
    assert [address for _, address in bus.asked] == [f"{meter:012d}" for meter in (1, 3, 3, 1, 1, 2)]


def test_a_conversation_is_not_entered_by_another_with_the_same_meter() -> None:
    bus = Bus()
    seen: list[str] = []
    bus.submit(a_job("poll", meter=1, conversation=reading(3, seen=seen, name="poll")))
    bus.step()

    recharge = reading(1, seen=seen, name="recharge")
    bus.submit(a_job("recharge", meter=1, conversation=recharge, priority=Priority.RECHARGE))
    bus.submit(a_job("other poll", meter=2))
    bus.run()

    assert seen == ["poll", "poll", "poll", "recharge"]
    # The poll inherits the recharge's urgency: the other meter waits.
    assert list(bus.finished) == ["poll", "recharge", "other poll"]


def test_there_is_a_pause_between_an_answer_and_the_next_request() -> None:
    bus = Bus()
    bus.submit(a_job("poll", conversation=reading(3)))

    bus.run()

    instants = [at_ms for at_ms, _ in bus.asked]
    assert instants == [0, 100 + lines.PAUSE_MS, 200 + 2 * lines.PAUSE_MS]


def test_after_a_silence_a_late_answer_has_time_to_pass() -> None:
    bus = Bus(absent={f"{1:012d}"})
    bus.submit(a_job("silent", meter=1))
    bus.submit(a_job("next", meter=2))

    bus.run()

    (silent_ms, _), (next_ms, _) = bus.asked[-2:]
    assert next_ms - silent_ms == TIMING.first_byte_ms + TIMING.gap_ms


def test_an_absent_meter_is_asked_so_many_times_and_then_polls_leave_it_alone() -> None:
    bus = Bus(absent={f"{1:012d}"})
    bus.submit(a_job("first", meter=1))
    bus.run()
    asked_first = len(bus.asked)

    bus.submit(a_job("second", meter=1))
    bus.run()

    assert asked_first == TIMING.tries_max
    assert bus.finished["first"] == Result(ending=Ending.SILENT, reason="no_answer")
    assert bus.finished["second"] == Result(ending=Ending.SILENT, reason="meter_absent")
    assert len(bus.asked) == asked_first


def test_a_recharge_gives_an_absent_meter_a_single_try() -> None:
    bus = Bus(absent={f"{1:012d}"})
    bus.submit(a_job("poll", meter=1))
    bus.run()
    asked_first = len(bus.asked)

    bus.submit(a_job("recharge", meter=1, priority=Priority.RECHARGE))
    bus.run()

    assert bus.finished["recharge"].ending is Ending.SILENT
    assert len(bus.asked) == asked_first + 1


def test_the_back_off_of_an_absent_meter_doubles_up_to_a_bound() -> None:
    bus = Bus(absent={f"{1:012d}"})
    waits = []
    for number in range(12):
        bus.submit(a_job(f"{number}", meter=1))
        bus.run()
        silent_ms = bus.now_ms
        while True:  # the first poll that is let through shows how long the back-off was
            bus.now_ms += 1_000
            bus.submit(a_job(f"{number} at {bus.now_ms}", meter=1))
            if bus.line.jobs_open():
                break
            bus.collect()
        waits.append(bus.now_ms - silent_ms)
        bus.run()

    assert waits[0] == lines.ABSENT_MS_MIN
    assert waits[-1] == lines.ABSENT_MS_MAX
    assert waits == sorted(waits)


def test_a_meter_that_is_heard_again_is_present_at_once() -> None:
    bus = Bus(absent={f"{1:012d}"})
    bus.submit(a_job("lost", meter=1))
    bus.run()
    bus.line.take_heard()

    late = dlt645.RegisterAnswer(di=ENERGY, payload=bytes(4)).to_frame(f"{1:012d}")
    bus.line.receive(dlt645.encode(late), now_ms=bus.now_ms)
    bus.absent.clear()
    heard = bus.line.take_heard()
    bus.submit(a_job("found", meter=1))
    bus.run()

    assert heard == [f"{1:012d}"]
    assert bus.line.take_heard() == [f"{1:012d}"]
    assert bus.finished["found"].ending is Ending.DONE


def test_the_tries_of_an_absent_meter_are_broken_off_when_somebody_has_paid() -> None:
    bus = Bus(absent={f"{1:012d}"})
    bus.submit(a_job("poll", meter=1))
    bus.step()
    bus.submit(a_job("recharge", meter=2, priority=Priority.RECHARGE))

    bus.run()

    assert [address for _, address in bus.asked] == [f"{1:012d}", f"{2:012d}"]
    assert bus.asked[1][0] <= TIMING.first_byte_ms + TIMING.gap_ms
    assert bus.finished["poll"].ending is Ending.SILENT
    assert bus.finished["recharge"].ending is Ending.DONE


def test_a_recharge_that_is_broken_off_for_danger_is_told_that_nobody_answered() -> None:
    bus = Bus(absent={f"{1:012d}"})
    bus.submit(a_job("recharge", meter=1, priority=Priority.RECHARGE))
    bus.step()
    bus.submit(a_job("danger", meter=2, priority=Priority.SAFETY))

    bus.run()

    assert [address for _, address in bus.asked] == [f"{1:012d}", f"{2:012d}"]
    assert bus.finished["recharge"] == Result(ending=Ending.SILENT, reason="no_answer")


def test_slow_bytes_add_to_the_patience() -> None:
    line = Line("1200 baud", byte_us=9_167)
    line.submit(a_job("poll"), now_ms=0)

    assert line.wake_at_ms() == TIMING.first_byte_ms + 459  # 50 bytes of 9.167 ms


def test_a_long_write_has_the_patience_that_its_bytes_take() -> None:
    def write(value: bytes) -> Generator[dlt645.Request, Reply, Result]:
        yield dlt645.WriteRegister(di=0x040605FF, password_level=2, password="000000", value=value)
        return Result(ending=Ending.DONE)

    waits_ms = []
    for length in (22, 23, 68):
        line = Line("1200 baud", byte_us=10_000)
        line.submit(a_job("write", conversation=write(bytes(length))), now_ms=0)
        waits_ms.append(line.wake_at_ms())

    assert waits_ms == [TIMING.first_byte_ms + wire_ms for wire_ms in (500, 510, 960)]


def test_a_vendor_recharge_is_never_repeated_unread() -> None:
    def vendor() -> Generator[dlt645.Request, Reply, Result]:
        yield dlt645.VendorRecharge(
            operator=bytes(4),
            amount_minor=1,
            order_no="0" * 16,
            mac1=bytes(4),
            meter_no="0" * 12,
            mac2=bytes(4),
        )
        return Result(ending=Ending.SILENT, reason="no_answer")

    bus = Bus(absent={f"{1:012d}"})
    bus.submit(a_job("recharge", conversation=vendor(), priority=Priority.RECHARGE))

    bus.run()

    assert len(bus.asked) == 1


def test_a_job_past_its_deadline_is_not_begun() -> None:
    bus = Bus(now_ms=50)
    bus.submit(a_job("late", deadline_ms=50))

    bus.run()

    assert bus.finished["late"] == Result(ending=Ending.SILENT, reason="deadline_passed")
    assert bus.asked == []


def test_a_conversation_past_its_deadline_ends_between_two_exchanges() -> None:
    bus = Bus()
    bus.submit(a_job("long", conversation=reading(50), deadline_ms=1_000))

    bus.run()

    assert bus.finished["long"] == Result(ending=Ending.SILENT, reason="deadline_passed")
    assert max(at_ms for at_ms, _ in bus.asked) < 1_000


def test_a_reading_ends_early_for_who_has_paid_at_the_same_meter_and_keeps_what_it_learned() -> None:
    bus = Bus()
    bus.submit(a_job("poll", conversation=learning(9), gives_way=True))
    bus.step()
    bus.step()

    bus.submit(a_job("recharge", priority=Priority.RECHARGE))
    bus.run()

    assert list(bus.finished) == ["poll", "recharge"]
    assert bus.finished["poll"] == Result(ending=Ending.BUSY, state=LEARNED, reason="gave_way")
    assert len(bus.asked) < 9


def test_a_reading_gives_way_to_no_other_reading() -> None:
    bus = Bus()
    bus.submit(a_job("poll", conversation=learning(3), gives_way=True))
    bus.step()

    bus.submit(a_job("another", conversation=learning(1), gives_way=True))
    bus.run()

    assert bus.finished["poll"] == Result(ending=Ending.DONE, state=LEARNED)


def test_what_was_learned_before_a_deadline_or_the_end_of_a_road_is_kept() -> None:
    late, lost = Bus(), Bus()
    late.submit(a_job("late", conversation=learning(50), deadline_ms=1_000))
    lost.submit(a_job("lost", conversation=learning(50)))

    late.run()
    lost.step()
    lost.step()
    lost.line.shut()
    lost.collect()

    assert late.finished["late"] == Result(ending=Ending.SILENT, state=LEARNED, reason="deadline_passed")
    assert lost.finished["lost"] == Result(ending=Ending.SILENT, state=LEARNED, reason="line_lost")


def test_what_is_proved_when_a_road_ends_stays_done() -> None:
    def proving() -> Conversation:
        yield dlt645.ReadRegister(di=ENERGY)
        yield dlt645.ReadRegister(di=ENERGY)
        return Result(ending=Ending.DONE, reason="relay_unknown", credited=True)

    bus = Bus()
    bus.submit(a_job("recharge", conversation=proving(), priority=Priority.RECHARGE))
    bus.step()
    bus.step()

    bus.line.shut()
    bus.collect()

    assert bus.finished["recharge"].credited


def test_a_full_line_refuses_by_name() -> None:
    line = Line("small", jobs_max=2)
    line.submit(a_job("1"), now_ms=0)
    line.submit(a_job("2", meter=2), now_ms=0)

    with pytest.raises(LineFull) as full:
        line.submit(a_job("3", meter=3), now_ms=0)

    assert (full.value.name, full.value.jobs_max) == ("small", 2)


def test_a_line_that_is_lost_ends_all_its_jobs_as_silent() -> None:
    bus = Bus()
    conversation = reading(2)
    bus.submit(a_job("on the wire", meter=1, conversation=conversation))
    bus.step()
    bus.submit(a_job("waiting", meter=2))

    bus.line.shut()
    bus.collect()

    assert bus.finished == dict.fromkeys(
        ["on the wire", "waiting"], Result(ending=Ending.SILENT, reason="line_lost")
    )
    assert inspect.getgeneratorstate(conversation) == inspect.GEN_CLOSED
    assert bus.line.take_bytes() == b""
    assert bus.line.wake_at_ms() is None
    with pytest.raises(LineShut):
        bus.submit(a_job("too late"))


def test_a_request_that_cannot_be_written_is_told_to_its_conversation() -> None:
    def unsendable() -> Generator[dlt645.Request, Reply, Result]:
        try:
            yield dlt645.ReadFollowUp(di=ENERGY, sequence=999)
        except dlt645.ProtocolError:
            return Result(ending=Ending.REFUSED, reason="told")
        return Result(ending=Ending.DONE)

    bus = Bus()
    bus.submit(a_job("odd", conversation=unsendable()))
    bus.submit(a_job("even", meter=2))

    bus.run()

    assert bus.finished["odd"].reason == "told"
    assert bus.finished["even"].ending is Ending.DONE


def test_noise_and_strangers_on_an_idle_line_do_no_harm() -> None:
    line = Line("idle")
    request = dlt645.ReadRegister(di=ENERGY).to_frame(f"{7:012d}")

    line.receive(b"\xfe\x68\x00noise" + dlt645.encode(request), now_ms=0)

    assert line.take_bytes() == b""
    assert line.take_heard() == []  # a request is another master's, not a meter's


Deed = tuple[str, int]
DEEDS = st.lists(
    st.one_of(
        st.tuples(st.just("submit"), st.integers(0, 4 * 4 * 4 - 1)),  # meter, priority, length
        st.tuples(st.just("step"), st.integers(1, 6)),
        st.tuples(st.just("wait"), st.integers(1, 20_000)),
        st.tuples(st.just("absent"), st.integers(0, 3)),
        st.tuples(st.just("noise"), st.integers(0, 255)),
    ),
    max_size=40,
)


@settings(max_examples=60, deadline=None)
@given(deeds=DEEDS, is_shut=st.booleans())
def test_every_accepted_job_ends_exactly_once(deeds: list[Deed], is_shut: bool) -> None:
    bus = Bus(line=Line("any", jobs_max=12))
    accepted: set[str] = set()
    for place, (deed, number) in enumerate(deeds):
        match deed:
            case "submit":
                meter, rest = number % 4, number // 4
                key = f"job {place}"
                job = a_job(
                    key,
                    meter=meter,
                    conversation=reading(rest // 4),
                    priority=Priority(rest % len(Priority)),
                    deadline_ms=bus.now_ms + 5_000,
                )
                if bus.line.jobs_open() < 12:
                    bus.submit(job)
                    accepted.add(key)
            case "step":
                for _ in range(number):
                    bus.step()
            case "wait":
                bus.now_ms += number
                bus.line.wake(now_ms=bus.now_ms)
            case "absent":
                bus.absent ^= {f"{number:012d}"}
            case _:
                bus.line.receive(bytes((number, 0x68, number)), now_ms=bus.now_ms)
        bus.collect()
    if is_shut:
        bus.line.shut()
        bus.collect()
    bus.run()

    assert set(bus.finished) == accepted
    assert bus.line.jobs_open() == 0
