"""A home for the rules of supply: on, with credit, with a policy, and what was wanted of its meter."""

import json
from datetime import datetime, timedelta

from tests.unit.services.town import (
    METER,
    NOON,
    PLATFORM,
    Home,
    a_town,
    an_id,
    paid,
    the_view,
)

from compuerta.adapters.memory import MemoryStore
from compuerta.domain.instruction import Instruction, Kind
from compuerta.domain.party import CreditAuthority
from compuerta.domain.supply import HoldKind
from compuerta.drivers.abilities import MeterState, Relay
from compuerta.services import holding, observe
from compuerta.services.acting import Actor
from compuerta.services.records import MeterSnapshot

MINUTE = timedelta(minutes=1)
KEPT = frozenset({"keep_power"})
ANA = Actor(who="ana", why="asked at the desk", origin="console")


def a_home(
    store: MemoryStore, *, authority: CreditAuthority = PLATFORM, credit_minor: int = 5_000, **policy: object
) -> Home:
    """Return a home that is on, with this credit, and with what it has settled."""
    home = a_town(store, authorities=(authority,)).homes[0]
    if authority is PLATFORM and credit_minor:
        paid(store, home, name="first", amount_minor=credit_minor)
        store.tables.instructions.clear()  # the relay was not known yet
    settle(store, home, **policy)
    saw(store, home, at=NOON, balance_minor=credit_minor if authority is METER else None)
    return home


def settle(store: MemoryStore, home: Home, **policy: object) -> None:
    with store.transaction() as tx:
        tx.put_policy(scope="account", scope_id=home.account_id, document=json.dumps(policy))


def saw(
    store: MemoryStore,
    home: Home,
    *,
    at: datetime,
    energy_wh: int = 0,
    relay: Relay = Relay.CLOSED,
    balance_minor: int | None = None,
    flags: frozenset[str] = frozenset(),
    overloads: int | None = None,
) -> None:
    state = MeterState(
        energy_wh=energy_wh,
        relay=relay,
        balance_minor=balance_minor,
        flags=flags,
        counts={} if overloads is None else {"overload": overloads},
    )
    observe.take_readings(store, [observe.MeterReport(meter_id=home.meter_id, at=at, state=state)], now=at)


def used_up(store: MemoryStore, home: Home, *, at: datetime, relay: Relay = Relay.CLOSED) -> None:
    """Let a home of 50 yuan at 0.53 yuan the kWh use its last."""
    saw(store, home, at=at, energy_wh=94_340, relay=relay)


def snapshot(store: MemoryStore, home: Home) -> MeterSnapshot:
    found = the_view(store, home.account_id).snapshot
    assert found is not None
    return found


def wanted(store: MemoryStore, home: Home) -> tuple[bool | None, str]:
    known = snapshot(store, home)
    return known.wanted_closed, known.wanted_reason


def orders(store: MemoryStore, kind: Kind = Kind.SWITCH) -> list[Instruction]:
    return [each for each in store.tables.instructions.values() if each.kind is kind]


def switched(store: MemoryStore) -> list[tuple[bool | None, bool]]:
    return [(each.relay_closed, each.kept) for each in orders(store)]


def lend(store: MemoryStore, home: Home, *, now: datetime, **until: object) -> None:
    holding.place_hold(
        store,
        home.account_id,
        kind=HoldKind.TEMPORARY,
        actor=ANA,
        hold_id=an_id(f"lent {now}"),
        now=now,
        **until,  # type: ignore[arg-type]
    )
