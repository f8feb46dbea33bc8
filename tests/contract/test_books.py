"""The books that the promises are checked on: both stores tell of the same history in the same rows."""

from dataclasses import fields

import pytest
from tests.contract.test_days import rolled
from tests.contract.test_store_alarms import an_alarm
from tests.contract.test_store_messages import a_contact, a_message
from tests.unit.services.town import (
    METER,
    MODELS,
    NOON,
    PLATFORM,
    SECOND,
    WECHAT,
    Home,
    a_hold,
    a_meter_entry,
    a_notice,
    a_town,
    an_id,
    concluded,
    paid,
    taken,
    told,
)
from tests.unit.services.vending import in_debt

from compuerta.adapters.memory import MemoryStore
from compuerta.adapters.postgres import books
from compuerta.adapters.postgres.store import PostgresStore
from compuerta.domain.correction import Correction, CorrectionKind
from compuerta.domain.division import DebtKind
from compuerta.domain.payment import DisputeNotice, DisputeState, RefundNotice, RefundState
from compuerta.drivers.abilities import Ending, MeterState, Relay
from compuerta.services import disputing, promises, refunding, swapping, vend
from compuerta.services.acting import Actor
from compuerta.services.freeze_port import Freeze, FreezeBasis
from compuerta.services.indebting import DebtOpening
from compuerta.services.moving import Shown
from compuerta.services.records import EmergencyCredit, LoadDay
from compuerta.services.store_port import Store
from compuerta.services.swapping import MeterSwap
from compuerta.sim.looking import books_of

pytestmark = [pytest.mark.postgres, pytest.mark.slow]


# Of rooms whose rows have contract tests of their own.
TOLD_ELSEWHERE = {"alarms", "messages"}


def a_history(store: Store) -> None:
    """One recharge in the meter, one on its way, one on the platform, use, a hold, and money for nobody."""
    town = a_town(store, authorities=(METER, PLATFORM))
    in_meter, on_platform = town.homes
    actor = Actor(who="ana", why="it is broken", origin="console")
    paid(store, in_meter, name="1")
    seen = MeterState(energy_wh=0, balance_minor=5_000, relay=Relay.CLOSED)
    claim = taken(store, in_meter, now=NOON + SECOND)
    concluded(store, claim, ending=Ending.DONE, at=NOON + 2 * SECOND, state=seen)
    paid(store, in_meter, name="2", now=NOON + 3 * SECOND)
    owes = DebtOpening(
        account_id=on_platform.account_id,
        debt_id=an_id("debt"),
        kind=DebtKind.ARREARS,
        name="from before",
        amount_minor=900,
    )
    in_debt(store, owes)
    paid(store, on_platform, name="3", amount_minor=5_901, now=NOON + 3 * SECOND)
    told(store, on_platform, at=NOON + 4 * SECOND, energy_wh=20, relay=Relay.CLOSED)
    with store.transaction() as tx:
        tx.put_hold(a_hold(on_platform))
        tx.put_emergency(
            EmergencyCredit(account_id=on_platform.account_id, taken_at=NOON, limit_minor=500, taken_by="ana")
        )
        tx.alarms.put([an_alarm(town)])
        tx.messages.put_contact(a_contact(town))
        tx.messages.put_messages([a_message(a_contact(town))])
        tx.put_load_days([LoadDay(meter_id=in_meter.meter_id, starts_at=NOON, minutes=60, wh=(10, 0) * 12)])
    wish = Correction(
        account_id=on_platform.account_id,
        correction_id=an_id("correction"),
        organisation_id=town.organisation_id,
        kind=CorrectionKind.WRITE_OFF,
        amount_minor=100,
        currency="CNY",
        why="nobody will pay it",
        proposed_by="ana",
        proposed_at=NOON,
        debt_id=an_id("debt"),
    )
    with store.transaction() as tx:
        tx.corrections.put(wish)
    vend.accept_payments(store, [a_notice(transaction_no="t9", reference="nobody's")], now=NOON + 5 * SECOND)
    back = RefundNotice(
        provider=WECHAT,
        transaction_no="t9",
        reference="nobody's",
        refund_reference="by hand",
        refunded_minor=100,
        is_total=False,
        currency="CNY",
        state=RefundState.DONE,
        at=NOON + 5 * SECOND,
    )
    refunding.hear(store, [back], now=NOON + 5 * SECOND)
    lost = DisputeNotice(
        provider=WECHAT,
        transaction_no="t9",
        dispute_no="d1",
        amount_minor=200,
        currency="CNY",
        state=DisputeState.OPENED,
        at=NOON + 5 * SECOND,
    )
    disputing.hear(store, [lost], now=NOON + 5 * SECOND)
    swap = MeterSwap(
        account_id=in_meter.account_id,
        new_meter=a_meter_entry(1, number=70),
        closing=Shown(register_wh=0),
        display_minor=5_000,
    )
    swapping.swap_meter(store, swap, models=MODELS, actor=actor, move_id=an_id("swap"), now=NOON + 5 * SECOND)
    with store.transaction() as tx:
        tx.freezes.put_freezes([a_freeze(in_meter)])
    rolled(store, town)


def a_freeze(home: Home) -> Freeze:
    return Freeze(
        meter_id=home.meter_id,
        day=NOON.date(),
        version=1,
        site_id=1,
        account_id=home.account_id,
        at=NOON,
        basis=FreezeBasis.METER,
        known_at=NOON + SECOND,
        energy_wh=0,
    )


def test_both_stores_tell_the_same_history(postgres_url: str) -> None:
    memory, postgres = MemoryStore(), PostgresStore(postgres_url)
    a_history(memory)
    a_history(postgres)
    postgres.shut()

    held = books.load(postgres_url, now=NOON + 6 * SECOND)

    expected = books_of(memory, now=NOON + 6 * SECOND)
    for field in fields(promises.Books):
        rows = getattr(held, field.name)
        assert rows or field.name in TOLD_ELSEWHERE, f"the history has no {field.name}"
        wanted = getattr(expected, field.name)
        assert all(row in wanted for row in rows), field.name
        assert all(row in rows for row in wanted), field.name
        assert len(rows) == len(wanted)


def test_the_books_of_a_good_history_keep_every_promise(postgres_url: str) -> None:
    postgres = PostgresStore(postgres_url)
    a_history(postgres)
    postgres.shut()

    verdicts = promises.check(books.load(postgres_url, now=NOON + 6 * SECOND), now=NOON + 6 * SECOND)

    assert not promises.broken(verdicts)
    assert verdicts["M2"].checked > 0
