"""Tariffs for tests, and what people do with them: draft, propose, approve, withdraw, assign."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from tests.unit.services.town import (
    METER,
    MODELS,
    NOON,
    Town,
    a_tariff,
    a_town,
    an_id,
)

from compuerta.adapters.memory import MemoryStore
from compuerta.domain.instruction import Instruction, Kind
from compuerta.domain.party import CreditAuthority
from compuerta.domain.tariff.checking import TariffFaulty
from compuerta.domain.tariff.components import Tariff, Terms
from compuerta.domain.tariff.document import tariff_from
from compuerta.domain.tariff.flat import flat_tariff
from compuerta.domain.tariff.schedule import VersionKey
from compuerta.services import tariffing
from compuerta.services.acting import Actor
from compuerta.services.records import Assignment, VersionState

ANA = Actor(who="ana", why="prices change", origin="console")
BEA = Actor(who="bea", why="checked", origin="console")
EVA = Actor(who="eva", why="drafts", origin="console")
SILENT = replace(BEA, why="  ")
DECEMBER = datetime(2026, 12, 1)  # noqa: DTZ001 the site's wall clock
DECEMBER_AT = datetime(2026, 11, 30, 16, tzinfo=UTC)  # in Shanghai
DAY = timedelta(days=1)
STANDARD = "dlt645-standard-4g"
VENDOR = "dlt645-vendor-rs485"


def stepped(*, window: str = "month", on_change: str = "continue", bound: str = "100") -> Tariff:
    return tariff_from(
        {
            "name": "Two steps",
            "currency": "CNY",
            "components": [
                {
                    "kind": "energy",
                    "name": "Energy",
                    "periods": [{"name": "any time", "prices": ["0.50", "0.80"]}],
                    "steps": {"window": window, "bounds_kwh": [bound], "on_change": on_change},
                }
            ],
        }
    )


FLAT = flat_tariff("0.60", currency="CNY")
STANDING = tariff_from(
    {
        "name": "Standing",
        "currency": "CNY",
        "components": [
            {"kind": "energy", "name": "Energy", "periods": [{"name": "any time", "prices": ["0.60"]}]},
            {"kind": "fixed", "name": "Standing", "account": "fixed", "amount": "5", "per": "month"},
        ],
    }
)


def a_town_of(
    store: MemoryStore,
    *authorities: CreditAuthority,
    model: str = STANDARD,
    tariff: Tariff | None = None,
) -> Town:
    return a_town(store, authorities=authorities or (METER,), model=model, tariff=tariff)


def drafted(store: MemoryStore, town: Town, tariff: Tariff = FLAT, *, at: datetime = DECEMBER) -> VersionKey:
    return tariffing.draft(store, tariff, tariff_id=town.tariff_id, effective_from=at, actor=ANA, now=NOON)


def propose(store: MemoryStore, key: VersionKey, *, actor: Actor = ANA, now: datetime = NOON) -> None:
    tariffing.propose(store, key, actor=actor, act_id=an_id(f"propose {key}"), now=now)


def approve(
    store: MemoryStore,
    key: VersionKey,
    *,
    actor: Actor = BEA,
    now: datetime = NOON,
    by_hand: bool = False,
) -> None:
    tariffing.approve(
        store, key, actor=actor, act_id=an_id(f"approve {key}"), models=MODELS, now=now, by_hand=by_hand
    )


def withdraw(store: MemoryStore, key: VersionKey, *, actor: Actor = ANA) -> None:
    tariffing.withdraw(store, key, actor=actor, act_id=an_id(f"withdraw {key}"), now=NOON)


def proposed(store: MemoryStore, town: Town, tariff: Tariff = FLAT, *, at: datetime = DECEMBER) -> VersionKey:
    key = drafted(store, town, tariff, at=at)
    propose(store, key)
    return key


def approved(store: MemoryStore, town: Town, tariff: Tariff = FLAT, *, at: datetime = DECEMBER) -> VersionKey:
    key = proposed(store, town, tariff, at=at)
    approve(store, key)
    return key


def state(store: MemoryStore, key: VersionKey) -> VersionState:
    return store.tables.versions[key].state


def loadings(store: MemoryStore) -> list[Instruction]:
    return [each for each in store.tables.instructions.values() if each.kind is Kind.TARIFF]


def places(refused: TariffFaulty) -> list[str]:
    return [fault.place for fault in refused.faults]


def acts(store: MemoryStore) -> Mapping[str, str]:
    return {each.what: each.who for each in store.tables.audit}


def another_tariff(store: MemoryStore, town: Town, tariff: Tariff) -> int:
    with store.transaction() as tx:
        return a_tariff(tx, town.organisation_id, replace(tariff, name="Another"))


def assign(
    store: MemoryStore,
    town: Town,
    *,
    at: datetime,
    tariff_id: int,
    terms: Terms = Terms(),  # noqa: B008 frozen
    actor: Actor = ANA,
    account_id: int | None = None,
) -> None:
    line = Assignment(
        account_id=account_id or town.homes[0].account_id, starts_at=at, tariff_id=tariff_id, terms=terms
    )
    tariffing.assign(store, line, actor=actor, act_id=an_id(f"assign {at}"), models=MODELS, now=NOON)
