"""A carrier that fails in a row is left alone, tried by one letter at a time, and told of once."""

from datetime import timedelta

from tests.unit.services.town import NOON

from compuerta.adapters.memory import MemoryStore
from compuerta.services import circuits
from compuerta.services.circuits import FAILURES_MAX, REST, Circuit, Turn


def after(failures: int, circuit: Circuit = Circuit()) -> tuple[Circuit, list[Turn]]:  # noqa: B008  # frozen
    turns = []
    for _ in range(failures):
        circuit, turn = circuit.heard(healthy=False, now=NOON)
        turns += [turn] if turn else []
    return circuit, turns


def test_a_carrier_is_down_after_failures_in_a_row_and_that_is_told_once() -> None:
    circuit, turns = after(FAILURES_MAX + 3)

    assert turns == [Turn.DOWN]
    assert not circuit.lets_through(now=NOON)


def test_one_success_in_between_begins_the_count_anew() -> None:
    circuit, _ = after(FAILURES_MAX - 1)
    circuit, told = circuit.heard(healthy=True, now=NOON)
    _, turns = after(FAILURES_MAX - 1, circuit)

    assert (told, turns) == (None, [])


def test_one_letter_tries_it_after_the_rest_and_a_second_waits() -> None:
    circuit, _ = after(FAILURES_MAX)
    later = NOON + REST

    assert circuit.lets_through(now=later)
    assert not circuit.trying(now=later).lets_through(now=later + timedelta(seconds=1))


def test_its_return_is_told_once() -> None:
    circuit, _ = after(FAILURES_MAX)

    circuit, back = circuit.heard(healthy=True, now=NOON + REST)
    _, again = circuit.heard(healthy=True, now=NOON + REST)

    assert (back, again) == (Turn.BACK, None)
    assert circuit.lets_through(now=NOON)


def test_both_turns_are_alarms_at_the_border_with_what_the_carrier_said() -> None:
    store = MemoryStore()

    circuits.tell(store, {"texts": (Turn.DOWN, "no answer")}, now=NOON)
    circuits.tell(store, {"texts": (Turn.BACK, "OK")}, now=NOON)
    circuits.tell(store, {}, now=NOON)

    assert set(store.tables.alarms) == {("channel_down", "texts"), ("channel_back", "texts")}
