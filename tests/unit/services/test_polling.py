"""When a meter is read next: in its turn, or soon after a hint, and never in a storm of hints."""

from compuerta.services.polling import HINTED_POLL_S, Polls

METER, OTHER = 1, 2
POLL_S = 900.0


def test_a_meter_that_was_never_read_is_due_at_once() -> None:
    assert Polls(poll_s=POLL_S).due_s(METER) == 0.0


def test_a_hint_makes_a_reading_due_that_would_have_waited_its_turn() -> None:
    polls = Polls(poll_s=POLL_S)
    for meter_id in (METER, OTHER):
        polls.begin(meter_id, now_s=100.0)

    polls.hint(METER)

    assert polls.due_s(METER) == 100.0 + HINTED_POLL_S
    assert polls.due_s(OTHER) == 100.0 + POLL_S


def test_many_hints_are_one_reading_in_ten_seconds() -> None:
    polls, readings = Polls(poll_s=POLL_S), 0

    for second in range(1_000, 1_100):
        polls.hint(METER)
        if polls.due_s(METER) <= second:
            polls.begin(METER, now_s=float(second))
            readings += 1

    assert readings == 100 / HINTED_POLL_S


def test_a_hint_that_was_followed_is_over() -> None:
    polls = Polls(poll_s=POLL_S)
    polls.hint(METER)

    polls.begin(METER, now_s=100.0)

    assert polls.due_s(METER) == 100.0 + POLL_S


def test_a_hint_never_puts_a_reading_off() -> None:
    polls = Polls(poll_s=4.0)
    polls.begin(METER, now_s=100.0)

    polls.hint(METER)

    assert polls.due_s(METER) == 104.0
