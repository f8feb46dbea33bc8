"""A town in each store that ships, somebody who moves people in and out of it, and a look at its books."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from tests.unit.services.town import (
    METER,
    MODELS,
    NOON,
    WECHAT,
    Home,
    a_meter_entry,
    a_town,
    an_id,
    concluded,
    paid,
    taken,
    the_view,
    told,
)

from compuerta.domain.instruction import Instruction, Kind, State
from compuerta.domain.ledger import MOVED
from compuerta.domain.party import CreditAuthority
from compuerta.domain.tariff.components import Tariff
from compuerta.drivers.abilities import Ending, MeterState, Relay
from compuerta.services import moving_in, moving_out, promises, swapping
from compuerta.services.acting import Actor
from compuerta.services.moving import Rest, Shown
from compuerta.services.moving_in import MoveIn
from compuerta.services.moving_out import MoveOut
from compuerta.services.occupancy_port import Move
from compuerta.services.promises import Books
from compuerta.services.records import AccountView, MeterEntry, ProviderAccount
from compuerta.services.store_port import Store
from compuerta.services.swapping import MeterSwap

ANA = Actor(who="ana", why="the lease ends", origin="console")
MINUTE = timedelta(minutes=1)
TILL = "till"


@dataclass
class Bench:
    """One store with a town in it; time is told to it."""

    store: Store
    books: Callable[[datetime], Books]
    homes: tuple[Home, ...]
    organisation_id: int
    tariff_id: int

    @property
    def home(self) -> Home:
        return self.homes[0]

    def view(self, account_id: int | None, *, now: datetime = NOON) -> AccountView:
        assert account_id is not None
        return the_view(self.store, account_id, now=now)

    def leave(
        self, leaving: MoveOut, *, name: str = "out", now: datetime = NOON + 10 * MINUTE, actor: Actor = ANA
    ) -> Move:
        return moving_out.move_out(self.store, leaving, actor=actor, move_id=an_id(name), now=now)

    def come(self, coming: MoveIn, *, name: str = "in", now: datetime = NOON + 11 * MINUTE) -> Move:
        return moving_in.move_in(self.store, coming, models=MODELS, actor=ANA, move_id=an_id(name), now=now)

    def swap(self, swap: MeterSwap, *, name: str = "swap", now: datetime = NOON + 10 * MINUTE) -> Move:
        return swapping.swap_meter(self.store, swap, models=MODELS, actor=ANA, move_id=an_id(name), now=now)

    def new_meter(self, number: int = 70, *, authority: CreditAuthority = METER) -> MeterEntry:
        return a_meter_entry(self.organisation_id, number=number, authority=authority)

    def codes(self, account_id: int | None, *codes: str) -> list[int]:
        assert account_id is not None
        with self.store.transaction() as tx:
            sums = tx.occupancy.codes_minor(account_id, codes)
        return [sums[code] for code in codes]

    def money_in(self, home: Home, *, amount_minor: int, name: str = "first") -> None:
        """Let a recharge arrive where the balance of a home is."""
        paid(self.store, home, name=name, amount_minor=amount_minor)
        view = self.view(home.account_id)
        if view.meter is not None and view.meter.credit_authority is METER:
            claim = taken(self.store, home, now=NOON)
            state = MeterState(energy_wh=0, balance_minor=amount_minor, purchase_no=1, relay=Relay.CLOSED)
            concluded(self.store, claim, ending=Ending.DONE, at=NOON + timedelta(seconds=1), state=state)

    def used(self, home: Home, *, energy_wh: int, balance_minor: int | None = None) -> None:
        """Let a meter say what it has measured, half a minute after noon."""
        at = NOON + timedelta(seconds=30)
        told(self.store, home, at=at, energy_wh=energy_wh, balance_minor=balance_minor, relay=Relay.CLOSED)

    def broken(self, *, now: datetime = NOON + timedelta(hours=1)) -> list[str]:
        """Return the promises that the books break."""
        return promises.broken(promises.check(self.books(now), now=now))

    def moved_minor(self) -> int:
        """Return what is on its way from account to account."""
        postings = self.books(NOON).postings
        return sum(line.amount_minor for posting in postings for line in posting.lines if line.code == MOVED)


def a_bench(
    store: Store,
    books: Callable[[datetime], Books],
    *authorities: CreditAuthority,
    tariff: Tariff | None = None,
) -> Bench:
    """Build a home per credit authority, each with a tenant, and a till."""
    town = a_town(store, authorities=authorities or (METER,), price_per_kwh="0.5000", tariff=tariff)
    with store.transaction() as tx:
        tx.add_provider_account(
            ProviderAccount(
                provider=TILL,
                organisation_id=town.organisation_id,
                kind="till",
                suspense_account_id=town.suspense_id,
            )
        )
    return Bench(
        store=store,
        books=books,
        homes=town.homes,
        organisation_id=town.organisation_id,
        tariff_id=town.tariff_id,
    )


def leaving(home: Home, *, register_wh: int | None = None, rest: Rest = Rest.CASH) -> MoveOut:
    return MoveOut(account_id=home.account_id, shown=Shown(register_wh=register_wh), rest=rest)


def a_loading(home: Home, *, tariff_id: int) -> Instruction:
    """Return the instruction by which a meter was seen to run by the first version of a tariff."""
    return Instruction(
        meter_id=home.meter_id,
        instruction_id=an_id("loading"),
        account_id=home.account_id,
        kind=Kind.TARIFF,
        created_at=NOON,
        due_at=NOON,
        state=State.DONE,
        ended_at=NOON,
        tariff_id=tariff_id,
        version_no=1,
        effective_at=NOON,
    )


def at(home: Home, account_id: int | None) -> Home:
    """Return a home as the account that has followed there."""
    assert account_id is not None
    return replace(home, account_id=account_id)


__all__ = ["ANA", "MINUTE", "TILL", "WECHAT", "Bench", "a_bench", "at", "leaving"]
