"""The promises of alarms and of words as checks: what a meter tells is on the board once, and said once."""

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta

from compuerta.domain.alarms import AlarmKind
from compuerta.domain.supply import HoldKind
from compuerta.services.facts import View, unless
from compuerta.services.message_port import ENDED, MessageState

# What is due waits for its turn, or for a carrier that is down, no longer than all tries together.
SAID_WITHIN = timedelta(hours=2)


def w2(view: View) -> Iterator[str | None]:
    """W2 One alarm of a kind is open per meter, however often it is told."""
    opened = Counter((each.meter_id, each.kind) for each in view.books.alarms if each.closed_at is None)
    for (meter_id, kind), times in opened.items():
        yield unless(times == 1, f"meter {meter_id} has {times} open alarms of {kind.value}")


def w2_settled(view: View) -> Iterator[str | None]:
    """W2 What happened at a meter is on the board, and an overload made it rest."""
    raised = {(each.meter_id, each.kind) for each in view.books.alarms}
    rested = {each.meter_id for each in view.books.holds if each.kind is HoldKind.OVERLOAD}
    for _, meter, fact in view.metered():
        for kind in fact.felt:
            yield unless(
                (meter.meter_id, kind) in raised, f"meter {meter.meter_no}: no alarm of {kind.value}"
            )
        if AlarmKind.OVERLOAD in fact.felt:
            yield unless(meter.meter_id in rested, f"meter {meter.meter_no} was overloaded, and did not rest")


def w3(view: View) -> Iterator[str | None]:
    """W3 Nobody is told the same twice by one channel."""
    for letter in view.world.letters or ():
        yield unless(letter.times <= 1, f"message {letter.message_id} was said {letter.times} times")


def w3_settled(view: View) -> Iterator[str | None]:
    """W3 What is due is said, given up to the next contact, or not wanted any more; what was said is kept."""
    said = {letter.message_id for letter in view.world.letters or ()}
    for each in view.books.messages:
        waits = each.state not in ENDED and each.state is not MessageState.SENT
        late = waits and each.due_at + SAID_WITHIN < view.now
        yield unless(not late, f"message {each.message_id} is {each.state.value} since {each.due_at}")
        told = each.state is not MessageState.SENT or view.world.letters is None or each.message_id in said
        yield unless(told, f"message {each.message_id} is sent, and no carrier has it")
