"""The story of a month: every day is ended, and what was planted is found: the right case, and nothing else.

The month goes by on a clock of its own (`month_world`). Most days people use electricity and pay; on some,
something goes wrong that no provider and no meter tells of by itself.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

import psycopg

from compuerta.adapters.postgres import books
from compuerta.adapters.postgres.store import PostgresStore
from compuerta.apps import month_facts, town, wiring
from compuerta.apps.month_world import END, START, VISIT_AT, VISIT_EVERY, ZONE, Flat, MonthWorld
from compuerta.apps.playing import Play
from compuerta.apps.stage import Stage
from compuerta.domain.correction import CorrectionKind
from compuerta.domain.division import DebtKind
from compuerta.domain.payment import reference_of
from compuerta.services import correcting, indebting, promises, shifts, tilling
from compuerta.services.acting import Actor
from compuerta.services.indebting import DebtOpening
from compuerta.services.promises import ProviderFact
from compuerta.services.proposing import Proposal
from compuerta.services.shifts import Count, Opening
from compuerta.services.tilling import Sale
from compuerta.virtual.providers.worlds import Button

FIRST_MINOR = 6_000
LOST_MINOR = 5_000
CLOCK_AHEAD = timedelta(minutes=35)
JUST_AFTER = timedelta(minutes=1)  # midnight
REPEATS = 5
BYPASSED_W = 20
CASH_MINOR, FLOAT_MINOR, DEBT_MINOR, GOODWILL_MINOR = 4_000, 10_000, 2_500, 500
BILLS_AT_H, ACTS_AT_H = 10, 14
_NAMED = UUID(int=0x73746F7279)


@dataclass(slots=True, kw_only=True)
class Tale:
    """The month, as far as it has come."""

    play: Play
    world: MonthWorld
    noted: dict[str, Any] = field(default_factory=dict)

    @property
    def now(self) -> datetime:
        """The instant in the month."""
        return self.world.now

    def flat(self, place: str) -> Flat:
        """Return the flat at a place."""
        return self.world.flats[place]

    def named(self, what: str) -> UUID:
        """Return the id of something that happens once in the month."""
        return uuid5(_NAMED, what)


Act = Callable[[Tale], None]


def open_books(stage: Stage, told: Callable[[str], None]) -> None:
    """Build the town as of the month's first instant; whoever comes to look finds a door only."""
    stage.open_books(told, now=START)
    if stage.public:
        stage.open_door()


def play(play: Play) -> dict[str, Any]:
    """Play the month; returns the facts, and what did not come as it should have."""
    stage = play.stage
    store = PostgresStore(stage.url)
    try:
        models = wiring.models(stage.settings)
        world = MonthWorld(store, stage.town, models=models, key=stage.settings.secret("esam"))
        tale = Tale(play=play, world=world)
        _go_through(tale)
        held = books.load(stage.url, now=world.now)
        verdicts = promises.check(held, world.facts(), now=world.now, settled=True)
        facts = month_facts.gather(store, organisation_id=world.organisation_id, noted=tale.noted)
        facts["promises"] = {
            name: {"checked": each.checked, "broken": len(each.broken), "lines": each.broken}
            for name, each in verdicts.items()
        }
        facts["missing"] = list(month_facts.missing(facts))
        return facts
    finally:
        store.shut()


def _go_through(tale: Tale) -> None:
    world = tale.world
    for flat in world.flats.values():
        world.pay(flat, FIRST_MINOR)
    day = 0
    for instant in _visits():
        world.go_to(instant)
        world.end_days()
        world.visit()
        world.end_days()
        world.recharge_the_low()
        world.post()
        if world.civil.day != day:
            day = world.civil.day
            tale.play.tell(f"{world.civil:%d %B}")
        if world.civil.hour == BILLS_AT_H:
            world.audit()
        if world.civil.hour == ACTS_AT_H and day in ACTS:
            act = ACTS[day]
            tale.play.tell(f"  {act.__doc__}")
            act(tale)
    world.audit()  # the account's last bill, which comes after that of payments: the month can be closed
    world.rest()


def _visits() -> Iterator[datetime]:
    """Every two hours; and at each midnight once before its day is closed, as gateways do that run on."""
    instant = START
    # A morning beyond the month: its last day is ended, and its last bill is there.
    while instant < END + timedelta(hours=BILLS_AT_H + 4):
        if instant.astimezone(ZONE).hour == 0:
            yield instant + JUST_AFTER
        yield instant + VISIT_AT
        instant += VISIT_EVERY


# What people do, so that the month has every kind of event in it.


def _owe(tale: Tale) -> None:
    """Somebody owes the rent of the socket in the yard."""
    wish = DebtOpening(
        account_id=tale.flat("104").home.account_id,
        debt_id=tale.named("debt"),
        kind=DebtKind.ARREARS,
        name="Socket in the yard",
        amount_minor=DEBT_MINOR,
    )
    with tale.world.store.transaction() as tx:
        indebting.opened(tx, wish, actor=_by("accountant", "as agreed"), now=tale.now)


def _sell_for_cash(tale: Tale) -> None:
    """The cashier opens a shift, sells for cash, and counts the drawer."""
    store, organisation_id = tale.world.store, tale.world.organisation_id
    cashier = _by("cashier", "at the counter")
    opening = Opening(
        shift_id=tale.named("shift"),
        organisation_id=organisation_id,
        till=town.COUNTER,
        float_minor=FLOAT_MINOR,
    )
    shifts.open_shift(store, opening, actor=cashier, now=tale.now)
    sale = Sale(
        attempt_id=tale.named("sale"),
        organisation_id=organisation_id,
        account_id=tale.flat("103").home.account_id,
        currency=town.CURRENCY,
        amount_minor=CASH_MINOR,
        tenders={"cash": CASH_MINOR},
    )
    tilling.sell(store, sale, actor=cashier, now=tale.now)
    tale.world.handed.append(
        ProviderFact(
            provider=town.COUNTER,
            transaction_no=tilling.transaction_no_of(reference_of(sale.attempt_id)),
            reference=reference_of(sale.attempt_id),
            amount_minor=CASH_MINOR,
        )
    )
    counted = Count(
        act_id=tale.named("count"),
        organisation_id=organisation_id,
        counted_minor=FLOAT_MINOR + CASH_MINOR,
    )
    shifts.count(store, counted, actor=cashier, now=tale.now)


def _give(tale: Tale) -> None:
    """A dark evening is made good with some credit."""
    wish = Proposal(
        correction_id=tale.named("goodwill"),
        kind=CorrectionKind.ADJUST,
        account_id=tale.flat("301").home.account_id,
        amount_minor=GOODWILL_MINOR,
    )
    store = tale.world.store
    proposer = _by("accountant", "the lift stood still")
    correcting.propose(store, wish, actor=proposer, capabilities=None, now=tale.now)
    correcting.approve(
        store,
        wish.account_id,
        wish.correction_id,
        actor=_by("owner", "so be it"),
        act_id=tale.named("so be it"),
        now=tale.now,
    )
    correcting.sweep(store, after=0, now=tale.now)


# What goes wrong.


def _lose_a_recharge(tale: Tale) -> None:
    """A meter takes a recharge, says so, and has forgotten it after a flash of lightning."""
    flat = tale.flat("101")
    tale.world.pay(flat, LOST_MINOR)
    tale.world.visit()
    flat.meter.core.forget_money(LOST_MINOR)
    flat.forgot_minor = LOST_MINOR


def _tell_again(tale: Tale) -> None:
    """A payment is told of again and again."""
    flat = tale.flat("102")
    before = month_facts.credited(tale.world.store, flat.home.account_id)
    for _ in range(REPEATS):
        tale.world.wechat.press(Button.REPEAT, flat.paid[-1], tale.now)
        tale.world.hear()
    after = month_facts.credited(tale.world.store, flat.home.account_id)
    tale.noted["double_entry"] = {"told_again": REPEATS, "credited_again": after - before}


def _edit(tale: Tale) -> None:
    """Somebody with the keys to the database changes a row, and is found."""
    with psycopg.connect(tale.play.stage.url, autocommit=True) as owner:
        altered = month_facts.edit(owner, tale.flat("104").home.account_id)
        found = month_facts.verified(tale.play.stage.url, now=tale.now)
        month_facts.put_back(owner, altered)
    tale.noted["edited_row"] = {
        "posting_id": str(altered.posting_id),
        "found": found,
        "after_it_was_put_back": month_facts.verified(tale.play.stage.url, now=tale.now),
    }


def _go_deaf(tale: Tale) -> None:
    """A road is cut for two nights."""
    tale.flat("105").deaf = True


def _hear_again(tale: Tale) -> None:
    """The road is mended: the meter still has its freezes."""
    tale.flat("105").deaf = False


def _go_ahead(tale: Tale) -> None:
    """A meter's clock is off by half an hour."""
    core = tale.flat("201").meter.core
    core.set_clock(core.civil_ms + CLOCK_AHEAD // timedelta(milliseconds=1))


def _bypass(tale: Tale) -> None:
    """A cover is opened, and from then on most of what is used goes past the meter."""
    flat = tale.flat("303")
    flat.pays = False
    flat.meter.core.set_cover(True)
    flat.meter.core.set_load(BYPASSED_W)


def _close_the_cover(tale: Tale) -> None:
    """The cover is closed again, and nobody is to notice."""
    tale.flat("303").meter.core.set_cover(False)


def _misprint(tale: Tale) -> None:
    """Tomorrow's bill lacks a line, and has one of a payment that nobody knows."""
    tale.world.pay(tale.flat("202"), LOST_MINOR)
    day = tale.world.civil.date().isoformat()
    tale.world.wechat.behave({"bill_day": day, "bill_missing": 1, "bill_extra": 1})
    tale.world.handed.append(
        ProviderFact(
            provider=tale.world.wechat.name,
            transaction_no=month_facts.NOBODYS,
            reference="NOBODY000000",
            amount_minor=month_facts.NOBODYS_MINOR,
        )
    )


def _by(who: str, why: str) -> Actor:
    return Actor(who=who, why=why, origin="stage")


# By the day of the month, in the afternoon.
ACTS: dict[int, Act] = {
    2: _owe,
    3: _sell_for_cash,
    5: _give,
    7: _lose_a_recharge,
    10: _tell_again,
    13: _edit,
    15: _go_deaf,
    17: _hear_again,
    19: _go_ahead,
    21: _bypass,
    22: _close_the_cover,
    24: _misprint,
}
