"""When a meter is read next: in its turn, or soon after a hint, and never in a storm of hints."""

from compuerta.services.polling import HINTED_POLL_MS, Polls

METER, OTHER = 1, 2
POLL_MS = 900_000


def test_a_meter_that_was_never_read_is_due_at_once() -> None:
    assert Polls(poll_ms=POLL_MS).due_ms(METER) == 0


def test_a_hint_makes_a_reading_due_that_would_have_waited_its_turn() -> None:
    polls = Polls(poll_ms=POLL_MS)
    for meter_id in (METER, OTHER):
        polls.begin(meter_id, now_ms=100_000)

    polls.hint(METER)

    assert polls.due_ms(METER) == 100_000 + HINTED_POLL_MS
    assert polls.due_ms(OTHER) == 100_000 + POLL_MS


def test_many_hints_are_one_reading_in_ten_seconds() -> None:
    polls, readings = Polls(poll_ms=POLL_MS), 0

    for now_ms in range(1_000_000, 1_100_000, 1_000):
        polls.hint(METER)
        if polls.due_ms(METER) <= now_ms:
            polls.begin(METER, now_ms=now_ms)
            readings += 1

    assert readings == 100_000 // HINTED_POLL_MS


def test_a_hint_that_was_followed_is_over() -> None:
    polls = Polls(poll_ms=POLL_MS)
    polls.hint(METER)

    polls.begin(METER, now_ms=100_000)

    assert polls.due_ms(METER) == 100_000 + POLL_MS


def test_a_hint_never_puts_a_reading_off() -> None:
    polls = Polls(poll_ms=4_000)
    polls.begin(METER, now_ms=100_000)

    polls.hint(METER)

    assert polls.due_ms(METER) == 104_000


def test_a_sleeper_is_read_once_at_each_contact_however_short_the_turns_are() -> None:
    polls = Polls(poll_ms=1_000)
    polls.begin(7, now_ms=50_000, rest_ms=20_000)

    polls.hint(7)

    assert polls.due_ms(7) == 70_000
