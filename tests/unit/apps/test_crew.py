"""Processes that die are started again, ever more slowly, and all end together."""

import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from compuerta.apps.crew import RESTART_S_MAX, RESTART_S_MIN, WELL_AFTER_S, Crew, Member, MemberFailed

ENDS_AT_ONCE = (sys.executable, "-S", "-c", "print('my last words')")
LIVES = ("sleep", "1000")
PATIENCE_S = 10.0


@dataclass
class Clock:
    """Seconds that pass when a test says so."""

    now_s: float = 1_000.0

    def __call__(self) -> float:
        return self.now_s


@dataclass
class Watch:
    """A crew, and the clock it is watched by."""

    crew: Crew
    clock: Clock

    def after(self, seconds: float) -> list[str]:
        self.clock.now_s += seconds
        return self.crew.tend()

    def dies(self, member: Member) -> list[str]:
        """Wait for the death of a process and let the crew see it."""
        assert member.process is not None
        member.process.wait(PATIENCE_S)
        return self.crew.tend()


@pytest.fixture
def watch(tmp_path: Path) -> Iterator[Watch]:
    clock = Clock()
    crew = Crew(logs=tmp_path / "logs", environment={"MOOD": "calm"}, clock=clock)
    yield Watch(crew, clock)
    crew.end()


def is_running(member: Member) -> bool:
    assert member.process is not None
    return member.process.poll() is None


def test_what_dies_is_started_again_after_a_while(watch: Watch) -> None:
    member = watch.crew.start("door", *LIVES)
    first = member.process
    watch.crew.kill("door")

    down = watch.crew.tend()
    too_early = watch.after(RESTART_S_MIN / 2)
    back = watch.after(RESTART_S_MIN / 2)

    assert (down, too_early, back) == (["door"], ["door"], [])
    assert member.process is not first
    assert is_running(member)
    assert member.restarts == 1


def test_what_lives_is_left_alone(watch: Watch) -> None:
    member = watch.crew.start("door", *LIVES)
    process = member.process

    assert watch.after(1_000) == []
    assert member.process is process


def test_what_dies_at_once_is_started_ever_more_slowly_but_within_a_bound(watch: Watch) -> None:
    member = watch.crew.start("door", "true")
    waits = []

    for _ in range(10):
        watch.dies(member)
        assert member.again_s is not None
        waits.append(member.again_s - watch.clock.now_s)
        assert watch.after(waits[-1] * 0.99) == ["door"]
        watch.after(waits[-1] * 0.02)

    assert waits[0] == pytest.approx(RESTART_S_MIN)
    assert waits[:4] == pytest.approx([RESTART_S_MIN * 2**power for power in range(4)])
    assert waits[-2:] == pytest.approx([RESTART_S_MAX, RESTART_S_MAX])
    assert max(waits) > WELL_AFTER_S, "waiting is not living"


def test_who_lived_well_is_started_again_soon(watch: Watch) -> None:
    member = watch.crew.start("door", *LIVES)
    member.restart_s = RESTART_S_MAX
    watch.after(WELL_AFTER_S)
    watch.crew.kill("door")

    watch.crew.tend()

    assert watch.after(RESTART_S_MIN) == []
    assert is_running(member)


def test_a_dead_member_is_told_with_its_last_words(watch: Watch) -> None:
    member = watch.crew.start("door", *ENDS_AT_ONCE)
    watch.dies(member)

    with pytest.raises(MemberFailed, match="door ended") as failed:
        watch.crew.require("door")

    assert "my last words" in str(failed.value)
    assert watch.crew.log_of("door").read_text() == "my last words\n"


def test_a_living_member_is_as_required(watch: Watch) -> None:
    watch.crew.start("door", *LIVES)

    watch.crew.require("door")


def test_all_end_together_also_who_does_not_listen(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("compuerta.apps.crew.END_S_MAX", 0.1)
    polite = watch.crew.start("polite", *LIVES)
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)  # what is ignored is inherited
    deaf = watch.crew.start("deaf", *LIVES)
    signal.signal(signal.SIGTERM, before)
    assert deaf.process is not None and polite.process is not None

    watch.crew.end()

    assert (polite.process.returncode, deaf.process.returncode) == (-signal.SIGTERM, -signal.SIGKILL)


def test_a_member_gets_our_environment_and_a_session_of_its_own(watch: Watch, tmp_path: Path) -> None:
    told = "import os; print(os.environ['MOOD'], os.getsid(0) == os.getpid())"
    member = watch.crew.start("curious", sys.executable, "-S", "-c", told)

    watch.dies(member)

    assert watch.crew.log_of("curious").read_text() == "calm True\n"
