"""What a line counts of its exchanges and conversations: taken once, by whoever writes it down."""

from tests.unit.drivers.test_line import Bus, a_job, reading

from compuerta.domain.road_figures import quantile_ms
from compuerta.drivers.line import LineCounts


def test_answers_repeats_and_silences_are_counted_and_taken_once() -> None:
    bus = Bus(absent={f"{2:012d}"})
    bus.submit(a_job("read", conversation=reading(2)))
    bus.submit(a_job("in vain", meter=2))

    bus.run()
    counts = bus.line.take_counts()

    assert (counts.exchanges, counts.silences, counts.repeats) == (3, 1, 2)
    assert (counts.done, counts.failed) == (1, 1)
    assert sum(counts.latencies) == 2  # who is silent has no latency
    assert quantile_ms(counts.latencies, percent=99) == 100
    assert bus.line.take_counts() == LineCounts()


def test_a_conversation_that_never_began_is_not_counted() -> None:
    bus = Bus()
    bus.submit(a_job("too late", deadline_ms=0))

    bus.run()

    assert bus.finished["too late"].reason == "deadline_passed"
    assert bus.line.take_counts() == LineCounts()
