"""Sabotage: each guard of the house, and how to switch it off in one place.

A guard that can be switched off without the simulator noticing guards nothing, or is not tested. Where two
guards hold one promise and either suffices, an entry switches off both and says so.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from types import MappingProxyType
from typing import Any

from compuerta.adapters.memory import MemoryTransaction, Tables, outbox
from compuerta.adapters.memory import store as memory
from compuerta.domain import instruction as life
from compuerta.domain import ledger
from compuerta.domain.energy import Delta
from compuerta.domain.instruction import Event, Instruction, State
from compuerta.domain.ledger import Line
from compuerta.domain.payment import PaymentNotice
from compuerta.domain.tariff.packing import unpacked
from compuerta.domain.tariff.tally import Tally, opened
from compuerta.drivers import dlt645 as driver
from compuerta.drivers.abilities import Order, RechargeOrder, Result
from compuerta.drivers.model import Model
from compuerta.services import charging, converging, crediting, deliver, observe, vend
from compuerta.services.records import AccountView, Claim, Holdings, Key, Payment
from compuerta.services.store_port import Store
from compuerta.sim import sabotage_butler as butler
from compuerta.sim import sabotage_days as days
from compuerta.sim import sabotage_payments as payments
from compuerta.sim import sabotage_roads as roads
from compuerta.wire.dlt645 import frame as framing
from compuerta.wire.dlt645 import session
from compuerta.wire.dlt645.frame import Deframer, Frame

Change = tuple[object, str, object]  # whose attribute, its name, what it becomes


@dataclass(frozen=True, slots=True, kw_only=True)
class Sabotage:
    """A guard, the promises one of which must break without it, and the changes that switch it off."""

    guard: str
    promises: frozenset[str]
    changes: Callable[[], Sequence[Change]]  # made anew for each run: some remember

    @contextmanager
    def off(self) -> Iterator[None]:
        """Switch the guard off, and on again whatever happens."""
        with ExitStack() as stack:
            for owner, name, instead in self.changes():
                stack.callback(setattr, owner, name, getattr(owner, name))
                setattr(owner, name, instead)
            yield


# Money.


def _no_dedupe() -> Sequence[Change]:
    def nothing_known(self: MemoryTransaction, keys: object) -> dict[Key, Payment]:
        return {}

    return [(MemoryTransaction, "payments_known", nothing_known)]


def _no_unique_payment() -> Sequence[Change]:
    def take_again(self: Tables, index: str, *key: object) -> None:
        self.taken.add((index, *key))

    return [*_no_dedupe(), (Tables, "take", take_again)]


def _no_amount_check() -> Sequence[Change]:
    judge = vend._judge

    def credulous(*args: Any) -> vend.Outcome:
        outcome = judge(*args)
        return vend.Outcome.CREDITED if outcome is vend.Outcome.AMOUNT_DIFFERS else outcome

    return [(vend, "_judge", credulous)]


def _no_sum_zero() -> Sequence[Change]:
    lines_of = crediting._lines

    def leaky(*args: Any, **named: Any) -> tuple[Line, ...]:
        debit, *owed = lines_of(*args, **named)
        return replace(debit, amount_minor=debit.amount_minor + 1), *owed

    return [(ledger, "_refusal", lambda lines: None), (crediting, "_lines", leaky)]


def _no_bill_difference() -> Sequence[Change]:
    def forgetful(view: AccountView, holdings: Holdings) -> Tally:
        assert view.schedule is not None
        begun = opened(schedule=view.schedule, at=holdings.register_at or view.account.period.start)
        if not holdings.tally:
            return begun
        return replace(begun, bill_start_us=unpacked(holdings.tally).bill_start_us)  # of a bill that is known

    return [(charging, "tally_of", forgetful)]


# The wire.


class _EqualsAll(int):
    """A checksum that is always right."""

    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = int.__hash__


def _no_checksum() -> Sequence[Change]:
    checksum = framing._checksum

    # What is sent is still summed rightly: `encode` does that by itself.
    return [(framing, "_checksum", lambda body: _EqualsAll(checksum(body)))]


def _no_silence() -> Sequence[Change]:
    receive = Deframer.receive

    def patient(self: Deframer, data: bytes, *, now_ms: int) -> list[Frame]:
        self._heard_ms = now_ms
        return receive(self, data, now_ms=now_ms)

    return [(Deframer, "receive", patient), (Deframer, "flush", lambda self: [])]


def _no_address_match() -> Sequence[Change]:
    why_not = session._why_not

    def trusting(heard: Frame, asked: Frame | None) -> session.Why | None:
        return why_not(heard._replace(address=asked.address) if asked else heard, asked)

    return [(session, "_why_not", trusting)]


# Delivery.


def _no_purchase_number() -> Sequence[Change]:
    delivery = crediting._delivery

    def skipping(batch: Any, *args: Any, **named: Any) -> Instruction:
        instruction = delivery(batch, *args, **named)
        assert instruction.purchase_no is not None
        batch.purchase_no_last[instruction.meter_id] = instruction.purchase_no + 1
        return replace(instruction, purchase_no=instruction.purchase_no + 1)

    return [(crediting, "_delivery", skipping)]


def _no_outbox() -> Sequence[Change]:
    accept, kept = vend.accept_payments, []
    write = vend._write

    def without_instructions(tx: Any, batch: Any, inbound: Any) -> None:
        kept.extend(batch.credits.instructions)
        batch.credits.instructions = []
        write(tx, batch, inbound)

    def then_from_memory(
        store: Store, notices: Sequence[PaymentNotice], *, now: datetime
    ) -> list[vend.Outcome]:
        kept.clear()
        outcomes = accept(store, notices, now=now)
        with store.transaction() as tx:
            tx.put_instructions(kept)
        return outcomes

    return [(vend, "_write", without_instructions), (vend, "accept_payments", then_from_memory)]


def _no_single_flight() -> Sequence[Change]:
    def due(tables: Tables, meter_id: int, *, now: datetime) -> Instruction | None:
        waiting = (
            each
            for each in tables.instructions.values()
            if each.meter_id == meter_id
            and each.state in (State.WAITING, State.ACCEPTED)
            and each.due_at <= now
        )
        return min(waiting, key=lambda each: (each.created_at, each.instruction_id), default=None)

    return [(outbox, "_due", due)]


def _no_fencing() -> Sequence[Change]:
    return [(deliver, "_is_ours", lambda current, claimed: True)]


def _no_read_back() -> Sequence[Change]:
    return [(driver, "_refuse_gap", lambda count, wanted, *, ending: None)]


def _no_retry() -> Sequence[Change]:
    dropping = {**life.LIFE, (State.IN_FLIGHT, Event.MISSED): State.DONE}
    return [(life, "LIFE", MappingProxyType(dropping))]


# Supply and truth.


def _no_superseding() -> Sequence[Change]:
    difference = converging._difference

    def forgetful(*args: Any, **named: Any) -> tuple[list[Instruction], list[Instruction]]:
        _, wanted = difference(*args, **named)
        return [], wanted

    return [(converging, "_difference", forgetful)]


def _no_hold_in_recharge() -> Sequence[Change]:
    order_for = deliver.order_for

    def closing(claim: Claim, *, model: Model, now: datetime) -> Order | Result:
        order = order_for(claim, model=model, now=now)
        return replace(order, close=True) if isinstance(order, RechargeOrder) else order

    return [(deliver, "order_for", closing)]


def _no_dark_before_money() -> Sequence[Change]:
    def left_as_it_is(talk: object) -> Iterator[None]:
        yield from ()

    return [(driver, "_keep_dark", left_as_it_is)]


def _no_billing_hold() -> Sequence[Change]:
    return [(observe, "judge_delta", lambda **named: Delta.PLAUSIBLE)]


def _no_rollback() -> Sequence[Change]:
    return [(memory.Watched, "undo", lambda self: None)]


def _entry(guard: str, promises: str, changes: Callable[[], Sequence[Change]]) -> Sabotage:
    return Sabotage(guard=guard, promises=frozenset(promises.split()), changes=changes)


SABOTAGES: Mapping[str, Sabotage] = MappingProxyType(
    {
        "dedupe": _entry("payments that are known are not credited again", "M2", _no_dedupe),
        "unique_payment": _entry(
            "a transaction number is unique in the database; together with `dedupe`, as when two doors race",
            "M2 M3 M5 D1 D2 Broken",
            _no_unique_payment,
        ),
        "amount": _entry(
            "a payment of another amount than ordered waits for a person", "M2 M3", _no_amount_check
        ),
        "sum_zero": _entry("a posting that does not sum to zero is refused", "M1", _no_sum_zero),
        "bill_difference": _entry(
            "a charge is the difference of two rounded bills", "M4", _no_bill_difference
        ),
        "rollback": _entry("what a crash left half is undone", "M1 M2 M4 D1 D2 D3 Broken", _no_rollback),
        "checksum": _entry("a frame whose sum is wrong is no frame", "D1 M4 T2", _no_checksum),
        "silence": _entry("silence ends a frame", "D1 D3 M4 S1 S2", _no_silence),
        "address_match": _entry("only the meter that was asked answers", "D1 D3 M4 T2 S2", _no_address_match),
        "purchase_number": _entry("purchase numbers go up by one", "D1", _no_purchase_number),
        "outbox": _entry("the instruction is in the payment's transaction", "D2", _no_outbox),
        "one_in_flight": _entry("a meter has one instruction at a time", "D1", _no_single_flight),
        "fencing": _entry("who lost the lease writes nothing", "Broken D1 D3", _no_fencing),
        "read_back": _entry("a meter's yes is not the deed", "D1", _no_read_back),
        "retry": _entry("what met silence is due again", "D1 D3 Broken", _no_retry),
        "supersede": _entry("a later wish replaces one that waits", "S4", _no_superseding),
        "hold_in_recharge": _entry("a recharge under a hold does not close", "S3", _no_hold_in_recharge),
        "dark_before_money": _entry(
            "a held meter is told to trip before it is paid", "S3", _no_dark_before_money
        ),
        "release": _entry("a meter that was kept on is let go", "S2 D3", butler.no_release),
        "look": _entry("a cut rests on a look at the meter", "S1", butler.no_look),
        "last_chance": _entry("a cut comes after its last chance", "S1", butler.no_last_chance),
        "friendly": _entry("nobody is cut in friendly hours", "S1", butler.no_friendly_hours),
        "emergency": _entry(
            "emergency credit that is spent is over until it is repaid", "S2", butler.no_end_of_emergency
        ),
        "lent_energy": _entry("what is lent by energy ends with it", "S2", butler.no_end_of_energy),
        "rest": _entry("an overload makes a meter rest", "W2", butler.no_rest),
        "one_alarm": _entry("an alarm is one row until it is closed", "W2", butler.no_one_alarm),
        "doubt": _entry("words that may be on their way are not sent again", "W3", butler.no_doubt),
        "armed": _entry("a level that has spoken is silent", "W1", butler.no_armed_levels),
        "arming": _entry("a recharge arms levels again", "W1", butler.no_arming_again),
        "steps": _entry("steps follow the meter that deducts", "D1 M4", butler.no_steps_of_the_meter),
        "carried": _entry(
            "what an exchanged meter never got is carried", "D1 D3", butler.no_end_of_instructions
        ),
        "credit_back_first": _entry(
            "money goes back after the credit has come back", "M2 Broken", payments.no_credit_back_first
        ),
        "second_person": _entry("nobody decides on their own proposal", "Broken", payments.no_second_person),
        "lines": _entry("every part of a payment is a line", "M3", payments.no_last_line),
        "lowering": _entry("a debt is less by what was paid of it", "M3", payments.no_lowering),
        "failover": _entry(
            "a meter whose first way is dead is reached by another", "S1 D1 D3 S2 M4", roads.no_second_way
        ),
        "failed_way": _entry(
            "a way that a meter was silent by is left to the others", "S1 D1 D3 S2 M4", roads.no_failures
        ),
        "read_anew": _entry(
            "a meter that was read in vain is read by its other way", "S1 S2 M4", roads.no_reading_anew
        ),
        "long_leases": _entry("a slow road is given more time", "M4 T2", roads.no_long_leases),
        "midnights": _entry("meters are asked for the midnights that they keep", "T2", days.no_asking),
        "late_midnights": _entry("what comes late opens its day again", "T2", days.no_late_midnights),
        "roll": _entry("a day is all that was booked in it", "T1", days.no_adjustments),
        "seal": _entry("every posting of a day is sealed", "M5", days.no_last_seal),
        "billing_hold": _entry("a register that runs backwards is not billed", "T2 Broken", _no_billing_hold),
    }
)
