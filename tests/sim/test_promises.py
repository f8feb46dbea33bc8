"""The promises' checks themselves: true books pass, and each check can fail."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cache
from random import Random
from uuid import UUID

import pytest

from compuerta.domain.instruction import Kind, State
from compuerta.domain.ledger import Line, PostingKind
from compuerta.domain.party import CreditAuthority
from compuerta.domain.supply import HoldKind
from compuerta.drivers.abilities import Relay
from compuerta.services import day_end, drifting, freezing, promises, rolling
from compuerta.services.freeze_port import DayStep, SiteDay
from compuerta.services.promises import Books, MeterFact, Purchase, World
from compuerta.services.records import Hold, Instant
from compuerta.services.store_port import Store
from compuerta.sim import weather
from compuerta.sim.faults import CALM
from compuerta.sim.looking import books_of, facts_of
from compuerta.sim.stage import START_MS, Stage
from compuerta.sim.town import a_town

END = Stage(chance=Random(23), faults=CALM, now_ms=START_MS + weather.STORM_MS + weather.CALM_MS).now()

Change = Callable[[Books, World], tuple[Books, World]]


@cache
def a_quiet_evening() -> tuple[Books, World]:
    """The books and the facts of a town after a day without faults."""
    stage = Stage(chance=Random(23), faults=CALM)
    town = a_town(stage)
    weather.plan(town)
    for body in town.bodies():
        body.start()
    stage.run_until(START_MS + weather.STORM_MS)
    weather.clear(town)
    stage.run_until(START_MS + weather.STORM_MS + weather.CALM_MS)
    day_end.sweep(town.database.store, now=END, steps=STEPS)
    return books_of(town.database.store, now=town.stage.now()), facts_of(town)


def done(store: Store, day: SiteDay, now: datetime) -> SiteDay:
    """End a day where the promises look no further."""
    ended = replace(day, step=DayStep.DONE, due_at=None, done_at=now)
    with store.transaction() as tx:
        tx.freezes.save_day(ended)
    return ended


STEPS = {
    DayStep.FREEZING: freezing.freeze_day,
    DayStep.ROLLING: rolling.roll_day,
    DayStep.WEIGHING: drifting.weigh_day,
    DayStep.SEALING: done,
}


def in_books(name: str, *, at: int = 0, **changes: object) -> Change:
    """Change one row of one table."""

    def change(books: Books, world: World) -> tuple[Books, World]:
        rows = list(getattr(books, name))
        rows[at] = replace(rows[at], **changes)
        return replace(books, **{name: tuple(rows)}), world

    return change


def without(name: str, **marks: object) -> Change:
    """Lose the first row of one table that has all of these marks."""

    def change(books: Books, world: World) -> tuple[Books, World]:
        rows = list(getattr(books, name))
        rows.remove(next(row for row in rows if all(getattr(row, mark) == marks[mark] for mark in marks)))
        return replace(books, **{name: tuple(rows)}), world

    return change


def without_what_was_paid(books: Books, world: World) -> tuple[Books, World]:
    delivered = next(each.recharge_id for each in books.instructions if each.recharge_id is not None)
    return without("recharges", recharge_id=delivered)(books, world)


def without_the_proof(books: Books, world: World) -> tuple[Books, World]:
    delivered = next(each.recharge_id for each in books.instructions if each.recharge_id is not None)
    return without("instants", recharge_id=delivered, instant=Instant.CREDITED)(books, world)


def a_meter(change: Callable[[MeterFact], MeterFact], *, holds: CreditAuthority) -> Change:
    """Change what the first meter of a kind, that has bought something, says of itself."""

    def changed(books: Books, world: World) -> tuple[Books, World]:
        kinds = {meter.meter_no: meter.credit_authority for meter in books.meters}
        facts = list(world.meters or ())
        place = next(
            place
            for place, fact in enumerate(facts)
            if kinds[fact.meter_no] is holds and (fact.credited or fact.balance_minor is None)
        )
        facts[place] = change(facts[place])
        return books, replace(world, meters=tuple(facts))

    return changed


def a_delivery(**changes: object) -> Change:
    """Change the first recharge instruction."""

    def change(books: Books, world: World) -> tuple[Books, World]:
        place = next(n for n, each in enumerate(books.instructions) if each.kind is Kind.RECHARGE)
        return in_books("instructions", at=place, **changes)(books, world)

    return change


def a_cut_for_no_reason(books: Books, world: World) -> tuple[Books, World]:
    place = next(n for n, each in enumerate(books.instructions) if each.relay_closed is False)
    return in_books("instructions", at=place, reason="mood")(books, world)


def a_wish_that_aged(books: Books, world: World) -> tuple[Books, World]:
    place = next(n for n, each in enumerate(books.instructions) if each.kind is Kind.SWITCH)
    aged = books.instructions[place]
    wanted = next(each.wanted_closed for each in books.snapshots if each.meter_id == aged.meter_id)
    change = in_books("instructions", at=place, state=State.WAITING, ended_at=None, relay_closed=not wanted)
    return change(books, world)


def everybody_is(relay: Relay, *, held: bool = False) -> Change:
    """Move every relay, and perhaps hold every meter."""

    def change(books: Books, world: World) -> tuple[Books, World]:
        facts = tuple(replace(fact, relay=relay) for fact in world.meters or ())
        hold = Hold(
            meter_id=0,
            hold_id=UUID(int=1),
            kind=HoldKind.SAFETY,
            owner="administrator",
            note="works",
            start=END - timedelta(hours=1),
        )
        holds = tuple(replace(hold, meter_id=meter.meter_id) for meter in books.meters) if held else ()
        return replace(books, holds=holds), replace(world, meters=facts)

    return change


def nobody_has_credit(books: Books, world: World) -> tuple[Books, World]:
    holdings = tuple(replace(each, delivered_minor=-1) for each in books.holdings)
    facts = tuple(
        replace(fact, relay=Relay.CLOSED, balance_minor=None if fact.balance_minor is None else -1)
        for fact in world.meters or ()
    )
    return replace(books, holdings=holdings, holds=()), replace(world, meters=facts)


def switched_on_under_a_hold(books: Books, world: World) -> tuple[Books, World]:
    books, world = everybody_is(Relay.OPEN, held=True)(books, world)
    facts = tuple(replace(fact, switched_on=(END,)) for fact in world.meters or ())
    return books, replace(world, meters=facts)


def twice(fact: MeterFact) -> MeterFact:
    return replace(fact, credited=(*fact.credited, fact.credited[-1]))


def never(fact: MeterFact) -> MeterFact:
    return replace(fact, credited=fact.credited[:-1])


def a_stranger(fact: MeterFact) -> MeterFact:
    return replace(fact, credited=(*fact.credited, Purchase(purchase_no=99, amount_minor=1, at=END)))


def an_unbooked_payment(books: Books, world: World) -> tuple[Books, World]:
    facts = list(world.provider or ())
    facts.append(replace(facts[0], transaction_no="4200000000"))
    return books, replace(world, provider=tuple(facts))


METER, PLATFORM = CreditAuthority.METER, CreditAuthority.PLATFORM
LIES: list[tuple[str, Change]] = [
    ("M1", in_books("postings", lines=(Line(code="undelivered", amount_minor=1),))),
    ("M1", in_books("holdings", delivered_minor=10**9)),
    ("M2", without("postings", kind=PostingKind.RECHARGE)),
    ("M2", lambda books, world: (replace(books, payments=books.payments * 2), world)),
    ("M2", lambda books, world: (books, replace(world, provider=()))),
    ("M2", an_unbooked_payment),
    ("M3", in_books("recharges", credit_minor=1)),
    ("M3", in_books("recharges", paid_minor=1, credit_minor=1)),
    ("M4", in_books("charges", bill_after_minor=10**9)),
    ("M4", without("charges")),
    ("M4", a_meter(lambda fact: replace(fact, energy_wh=fact.energy_wh + 10), holds=PLATFORM)),
    ("M5", in_books("payments", reference="another")),
    ("M5", without("charges")),
    ("D1", a_meter(twice, holds=METER)),
    ("D1", a_meter(never, holds=METER)),
    ("D1", a_meter(a_stranger, holds=METER)),
    ("D1", a_meter(lambda fact: replace(fact, balance_minor=10**9), holds=METER)),
    ("D1", a_delivery(purchase_no=77)),
    ("D1", a_delivery(amount_minor=77)),
    ("D2", without_what_was_paid),
    ("D2", a_delivery(recharge_id=UUID(int=5))),
    ("D3", a_delivery(state=State.REFUSED)),
    ("D3", a_delivery(state=State.WAITING, ended_at=None)),
    ("D3", a_delivery(ended_at=None)),
    ("D3", without_the_proof),
    ("D3", in_books("snapshots", relay=None)),
    ("S1", everybody_is(Relay.OPEN)),
    ("S1", a_cut_for_no_reason),
    ("S2", nobody_has_credit),
    ("S3", everybody_is(Relay.CLOSED, held=True)),
    ("S3", switched_on_under_a_hold),
    ("S4", a_wish_that_aged),
    ("S4", a_delivery(state=State.SUPERSEDED)),
    ("T1", in_books("account_days", closing_minor=1)),
    ("T1", in_books("account_days", recharged_minor=1, adjusted_minor=-1)),
    ("T1", in_books("site_days", step=DayStep.FREEZING)),
    ("T2", in_books("holdings", billing_held=True)),
    ("T2", in_books("freezes", at=1, energy_wh=1)),
    ("T2", without("freezes", meter_id=2)),
    ("T2", a_meter(lambda fact: replace(fact, ran_backwards=True), holds=METER)),
]


@pytest.mark.slow
def test_true_books_keep_every_promise() -> None:
    books, world = a_quiet_evening()

    verdicts = promises.check(books, world, now=END, settled=True, before=books)

    assert promises.broken(verdicts) == []
    assert all(each.checked > 0 for each in verdicts.values())
    everything = "D1 D2 D3 M1 M2 M3 M4 M5 S1 S2 S3 S4 T1 T2 W1 W2 W3"
    assert " ".join(sorted(verdicts)) == everything


@pytest.mark.slow
@pytest.mark.parametrize(("promise", "lie"), LIES)
def test_a_lie_breaks_its_promise(promise: str, lie: Change) -> None:
    books, world = a_quiet_evening()

    told_books, told_world = lie(books, world)
    verdicts = promises.check(told_books, told_world, now=END, settled=True, before=books)

    assert verdicts[promise].broken
    assert any(line.startswith(f"{promise}: ") for line in promises.broken(verdicts))


def test_empty_books_keep_every_promise() -> None:
    assert promises.broken(promises.check(Books(), now=END, settled=True)) == []
