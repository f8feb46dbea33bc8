"""What a meter says of its own accord: told to the caller as a hint, and never taken for more than that."""

import pytest
from tests.unit.drivers.test_line import TIMING, a_job

from compuerta.drivers.abilities import Ending
from compuerta.drivers.dlt645_tongue import STATUS_WORDS
from compuerta.drivers.line import HEARD_METERS_MAX, REPEATED_MS, Line
from compuerta.wire import dlt645

METER_NO, OTHER_NO = f"{1:012d}", f"{2:012d}"
CALM, COVER_OPEN = bytes(14), bytes(12) + b"\x00\x02"


def words(payload: bytes = COVER_OPEN, *, meter_no: str = METER_NO, di: int = STATUS_WORDS) -> bytes:
    return dlt645.encode(dlt645.RegisterAnswer(di=di, payload=payload).to_frame(meter_no))


def test_status_words_that_nobody_asked_for_are_a_push() -> None:
    line = Line("4g")

    line.receive(words(), now_ms=0)

    assert line.take_pushed() == [METER_NO]
    assert line.take_pushed() == []
    assert line.take_heard() == [METER_NO]
    assert line.take_bytes() == b""  # whether to ask is the caller's matter


@pytest.mark.parametrize(
    "said",
    [
        words(di=0x04000503, payload=bytes(2)),
        words(bytes(13)),
        dlt645.encode(dlt645.ReadRegister(di=STATUS_WORDS).to_frame(METER_NO)),
        dlt645.encode(dlt645.Acknowledged(function=dlt645.Function.WRITE).to_frame(METER_NO)),
        words()[:-2] + b"\x00\x16",
    ],
)
def test_whatever_else_is_said_is_no_push(said: bytes) -> None:
    line = Line("4g")

    line.receive(said, now_ms=0)

    assert line.take_pushed() == []


def test_a_push_during_an_exchange_with_another_meter_leaves_it_alone() -> None:
    line = Line("4g")
    line.submit(a_job("read", meter=2), now_ms=0)
    line.take_bytes()

    line.receive(words(), now_ms=10)
    answer = dlt645.RegisterAnswer(di=0x00010000, payload=bytes(4)).to_frame(OTHER_NO)
    line.receive(dlt645.encode(answer), now_ms=20)

    assert line.take_pushed() == [METER_NO]
    [(key, result)] = line.take_finished()
    assert (key, result.ending) == ("read", Ending.DONE)


def test_a_late_or_doubled_answer_is_no_push() -> None:
    line = Line("4g")
    line.receive(words(), now_ms=0)
    line.take_pushed()

    line.receive(words(), now_ms=REPEATED_MS)
    doubled = line.take_pushed()
    line.receive(words(CALM), now_ms=REPEATED_MS)
    changed = line.take_pushed()

    assert (doubled, changed) == ([], [METER_NO])


def test_the_same_words_again_after_a_while_are_a_push() -> None:
    line = Line("4g")
    line.receive(words(), now_ms=0)
    line.take_pushed()

    line.receive(words(), now_ms=REPEATED_MS + 1)

    assert line.take_pushed() == [METER_NO]


def test_strangers_fill_no_memory() -> None:
    line = Line("4g")

    for number in range(HEARD_METERS_MAX + 10):
        line.receive(words(meter_no=f"{number:012d}"), now_ms=number * TIMING.gap_ms)

    assert len(line.take_pushed()) == HEARD_METERS_MAX
