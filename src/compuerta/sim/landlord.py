"""The landlord's day: tenants come and go, meters are exchanged, and supply has more reasons than money."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from compuerta.domain.errors import Refused, Unreachable
from compuerta.domain.supply import HoldKind
from compuerta.drivers.abilities import Relay
from compuerta.services import emergency, holding, moving_in, moving_out, swapping
from compuerta.services.acting import Actor
from compuerta.services.moving import Shown, Steps
from compuerta.services.moving_in import Credit, MoveIn
from compuerta.services.moving_out import MoveOut
from compuerta.services.records import MeterEntry
from compuerta.services.rollout import Models
from compuerta.services.swapping import MeterSwap
from compuerta.sim.door import Door
from compuerta.sim.people import Resident
from compuerta.sim.roads import House
from compuerta.sim.stage import Stage

LANDLORD = Actor(who="landlord", why="the tenant leaves", origin="console")
TRIES_MAX = 40
AGAIN_MS = 60_000
Act = Callable[[datetime], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """A meter that waits in its box, and the one that it will replace."""

    old: House
    new: House
    entry: MeterEntry
    put_in: Callable[[], None]  # onto the road, in place of the old one


class Landlord:
    """Does what needs a person with rights; what is refused or fails is tried again, within bounds."""

    def __init__(self, *, stage: Stage, door: Door, models: Models) -> None:
        self._stage = stage
        self._door = door
        self._models = models

    def place(
        self, resident: Resident, *, kind: HoldKind, stays_s: int | None, energy_wh: int | None
    ) -> None:
        """Put a hold with an end on a meter; one that contradicts another is refused."""
        hold_id = self._id()

        def act(now: datetime) -> None:
            end = None if stays_s is None else now + timedelta(seconds=stays_s)
            holding.place_hold(
                self._door.body,
                resident.account_id,
                kind=kind,
                actor=replace(LANDLORD, why="works"),
                hold_id=hold_id,
                end=end,
                energy_wh=energy_wh,
                now=now,
            )

        self._do(f"places {kind.value}", resident, act, tries=1)

    def lend(self, resident: Resident, *, stays_s: int) -> None:
        """Lend supply for a while to somebody who is in the dark."""
        if resident.house.now().core.relay is Relay.OPEN:
            self.place(resident, kind=HoldKind.TEMPORARY, stays_s=stays_s, energy_wh=None)

    def take_emergency(self, resident: Resident) -> None:
        """Let a resident take what is offered; often it is not."""
        actor = Actor(who=resident.name, why="the lights", origin="pay page")
        self._do(
            "takes credit",
            resident,
            lambda now: emergency.take(self._door.body, resident.account_id, actor=actor, now=now),
            tries=1,
        )

    def let(self, resident: Resident, *, empty_s: int) -> None:
        """Move a tenant out, and the next one in some time later, by what the meter's display shows."""
        move_id = self._id()

        def leave(now: datetime) -> None:
            leaving = MoveOut(account_id=resident.account_id, shown=_shown(resident))
            move = moving_out.move_out(self._door.body, leaving, actor=LANDLORD, move_id=move_id, now=now)
            assert move.opened_account_id is not None
            house_id = move.opened_account_id
            self._stage.later(1_000 * empty_s, lambda: self._come(resident, house_id))

        self._do("moves out", resident, leave, tries=TRIES_MAX)

    def _come(self, resident: Resident, house_id: int) -> None:
        move_id = self._id()
        steps = (None, Steps.INHERIT)[self._stage.between(0, 1)]
        credit = tuple(Credit)[self._stage.between(0, 2)]
        deposit_minor = (0, 5_000)[self._stage.between(0, 1)]

        def arrive(now: datetime) -> None:
            coming = MoveIn(
                account_id=house_id,
                name=f"{resident.name} again",
                shown=_shown(resident),
                steps=steps,
                credit=credit,
                deposit_minor=deposit_minor,
            )
            move = moving_in.move_in(
                self._door.body, coming, models=self._models, actor=LANDLORD, move_id=move_id, now=now
            )
            assert move.opened_account_id is not None
            resident.account_id = move.opened_account_id

        self._do("moves in", resident, arrive, tries=TRIES_MAX)

    def exchange(self, resident: Resident, boxed: Exchange) -> None:
        """Exchange a meter: the old one is dark from then on, and what it showed is typed in."""
        move_id = self._id()

        def swap(now: datetime) -> None:
            core = boxed.old.now().core
            wish = MeterSwap(
                account_id=resident.account_id,
                new_meter=boxed.entry,
                closing=_shown(resident),
                display_minor=core.balance_minor,
                purchase_no=core.purchase_no if core.balance_minor is not None else None,
            )
            # Whoever stands before it has switched it off before reading it: nothing moves any more.
            core.set_power(False)
            try:
                swapping.swap_meter(
                    self._door.body, wish, models=self._models, actor=LANDLORD, move_id=move_id, now=now
                )
            except (Refused, Unreachable):
                core.set_power(True)
                raise
            boxed.put_in()
            resident.house = boxed.new

        self._do("exchanges", resident, swap, tries=TRIES_MAX)

    def _do(self, what: str, resident: Resident, act: Act, *, tries: int) -> None:
        done: list[bool] = []

        def step() -> None:
            try:
                act(self._door.now())
            except (Refused, Unreachable) as reason:
                self._stage.note("landlord", f"cannot: {what}", resident.account_id, reason)
            else:
                done.append(True)
                self._stage.note("landlord", what, resident.account_id)

        if self._door.body.alive:
            self._door.body.live(step)
        if not done and tries > 1:
            self._stage.later(AGAIN_MS, lambda: self._do(what, resident, act, tries=tries - 1))

    def _id(self) -> UUID:
        return UUID(int=self._stage.chance.getrandbits(128))


def _shown(resident: Resident) -> Shown:
    """Return what somebody reads off the display, and types."""
    return Shown(register_wh=resident.house.now().core.energy_wh)
