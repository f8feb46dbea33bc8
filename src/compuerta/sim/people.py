"""The people of a town: residents who pay and use, a cashier, an administrator, a manager."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from compuerta.adapters.payments.http import converse_with
from compuerta.domain.errors import Refused, Unreachable
from compuerta.domain.payment import Attempt, AttemptState
from compuerta.domain.supply import HoldKind
from compuerta.domain.tariff.components import Tariff
from compuerta.drivers.abilities import Relay
from compuerta.drivers.model import Model
from compuerta.services import holding, ordering, tariffing, vend
from compuerta.services.acting import Actor
from compuerta.services.ordering import Order
from compuerta.services.promises import ProviderFact
from compuerta.sim.door import Door, nobody
from compuerta.sim.providers import Provider
from compuerta.sim.roads import House
from compuerta.sim.stage import Stage

EXPIRES_IN = timedelta(minutes=8)
AGAIN_MS = 5_000
TRIES_MAX = 300  # a cashier goes on until the sale is in the books; the calm is shorter than this
ADMINISTRATOR = Actor(who="administrator", why="works on the riser", origin="console")
MANAGER = Actor(who="manager", why="new prices of the utility", origin="console")
OWNER = Actor(who="owner", why="as agreed", origin="console")


class Resident:
    """Somebody with a flat, a telephone and a load."""

    def __init__(
        self,
        number: int,
        *,
        account_id: int,
        house: House,
        stage: Stage,
        door: Door,
        providers: Sequence[Provider],
    ) -> None:
        self.house = house
        self.name = f"flat {number}"
        self.account_id = account_id
        self._stage = stage
        self._door = door
        self._providers = providers
        self._orders = 0

    def use(self, power_w: int) -> None:
        """Switch things on or off."""
        self.house.now().core.set_load(power_w)

    def press(self) -> None:
        """Press the meter's button if it waits for that."""
        core = self.house.now().core
        if core.relay is Relay.PERMITTED:
            core.press_button()

    def recharge(self, *, amount_minor: int) -> None:
        """Open a pay page, look at it for a while, and pay: at once, late, twice, or never.

        Some change to another way to pay, and a few of those pay both: two attempts of one order.
        """
        order_id = UUID(int=self._stage.chance.getrandbits(128))
        provider = self._one_of(self._providers)
        self._at_the_door(lambda: self._open_page(order_id, provider, amount_minor))
        if self._stage.chance.randrange(6) == 0:
            other = self._one_of(self._providers)
            self._stage.later(
                self._stage.between(1_000, 90_000),
                lambda: self._at_the_door(lambda: self._open_page(order_id, other, amount_minor)),
            )

    def _one_of(self, providers: Sequence[Provider]) -> Provider:
        return providers[self._stage.between(0, len(providers) - 1)]

    def _at_the_door(self, step: Callable[[], None]) -> None:
        if self._door.body.alive:
            self._door.body.live(step)
        else:
            self._stage.note(self.name, "page is down")

    def _open_page(self, order_id: UUID, provider: Provider, amount_minor: int) -> None:
        door, stage = self._door, self._stage
        self._orders += 1
        order = Order(
            attempt_id=UUID(int=stage.chance.getrandbits(128)),
            account_id=self.account_id,
            provider=provider.name,
            reference=f"{self.name.replace(' ', '')}x{self._orders:04d}",
            amount_minor=amount_minor,
            order_id=order_id,
        )
        ours = door.providers[provider.name]
        try:
            attempt = ordering.open_attempt(
                door.body, order, capabilities=ours.capabilities, expires_in=EXPIRES_IN, now=door.now()
            )
            steps = ours.create(attempt, now=door.now(), chance=stage.chance.randbytes)
            presentation = converse_with(steps, provider.ask)
            ordering.presented(door.body, attempt.attempt_id, presentation)
        except (Unreachable, Refused) as reason:
            stage.note(self.name, "page fails", order.reference, reason)
            return
        stage.note(self.name, "sees the page", order.reference, order.amount_minor)
        for look in range(stage.between(0, 3)):
            stage.later(1_500 * (look + 1), lambda: self._at_the_door(lambda: self._watch(order.attempt_id)))
        if stage.chance.randrange(10) == 0:
            return  # changed their mind
        late = stage.chance.randrange(8) == 0
        life_ms = EXPIRES_IN // timedelta(milliseconds=1)
        delay_ms = stage.between(life_ms - 5_000, life_ms + 5_000) if late else stage.between(1_000, 60_000)

        def pay() -> None:
            provider.pay(order.reference, amount_minor=amount_minor)

        stage.later(delay_ms, pay)

    def _watch(self, attempt_id: UUID) -> None:
        try:
            ordering.watch(self._door.body, attempt_id, now=self._door.now())
        except Unreachable:
            self._stage.note(self.name, "page is stuck")


class Cashier:
    """Takes cash, and does not give up before the sale is in the books; a double click is one sale."""

    def __init__(self, *, stage: Stage, door: Door) -> None:
        self.facts: list[ProviderFact] = []
        self._stage = stage
        self._door = door

    def sell(self, account_id: int, *, amount_minor: int) -> None:
        """Sell a recharge for cash that is in the drawer now."""
        reference = f"till{len(self.facts):06d}"
        order = Order(
            attempt_id=UUID(int=self._stage.chance.getrandbits(128)),
            account_id=account_id,
            provider="till",
            reference=reference,
            amount_minor=amount_minor,
        )
        self.facts.append(
            ProviderFact(
                provider="till",
                transaction_no=f"till:{reference}",
                reference=reference,
                amount_minor=amount_minor,
            )
        )
        self._try(order, 1)
        if self._stage.chance.randrange(3) == 0:
            self._stage.later(self._stage.between(1, 300), lambda: self._try(order, TRIES_MAX))

    def _try(self, order: Order, tries: int) -> None:
        sold: list[bool] = []
        if self._door.body.alive:
            self._door.body.live(lambda: sold.append(self._sell(order)))
        if sold != [True] and tries < TRIES_MAX:
            self._stage.later(AGAIN_MS, lambda: self._try(order, tries + 1))

    def _sell(self, order: Order) -> bool:
        door = self._door
        till = door.providers["till"]
        try:
            attempt = ordering.open_attempt(
                door.body, order, capabilities=till.capabilities, expires_in=EXPIRES_IN, now=door.now()
            )
            steps = till.create(attempt, now=door.now(), chance=self._stage.chance.randbytes)
            presentation = converse_with(steps, nobody)
            assert presentation.paid is not None
            (outcome,) = vend.accept_payments(door.body, [presentation.paid], now=door.now())
        except Unreachable:
            return False
        except Refused as reason:
            return self._hand_back(order, reason)
        self._stage.note("cashier", "sells", order.reference, order.amount_minor, outcome.value)
        return True

    def _hand_back(self, order: Order, reason: Refused) -> bool:
        """Give the cash back, unless an earlier try has booked it and was not heard; ends the sale."""
        transaction_no = f"till:{order.reference}"
        try:
            with self._door.body.transaction() as tx:
                is_booked = bool(tx.payments_known([("till", transaction_no)]))
        except Unreachable:
            return False
        if not is_booked:
            self.facts[:] = [fact for fact in self.facts if fact.transaction_no != transaction_no]
        self._stage.note("cashier", "hands back", order.reference, reason)
        return True


class Administrator:
    """Places holds and lifts them, and lets billing go on after a look at the meter."""

    def __init__(self, *, stage: Stage, door: Door) -> None:
        self._stage = stage
        self._door = door

    def place(self, account_id: int, *, kind: HoldKind) -> None:
        """Put a hold on an account's meter, and lift it some time later."""
        hold_id = UUID(int=self._stage.chance.getrandbits(128))
        self._act(
            f"places {kind.value}",
            account_id,
            lambda door, now: holding.place_hold(
                door.body, account_id, kind=kind, actor=ADMINISTRATOR, hold_id=hold_id, now=now
            ),
        )

    def lift(self, account_id: int, *, kind: HoldKind) -> None:
        """Lift all holds of a kind."""
        audit_id = UUID(int=self._stage.chance.getrandbits(128))
        self._act(
            f"lifts {kind.value}",
            account_id,
            lambda door, now: holding.lift_holds(
                door.body, account_id, kind=kind, actor=ADMINISTRATOR, audit_id=audit_id, now=now
            ),
        )

    def release(self, account_id: int) -> None:
        """Let billing go on from the register as it stands."""
        audit_id = UUID(int=self._stage.chance.getrandbits(128))
        self._act(
            "releases",
            account_id,
            lambda door, now: holding.release_billing(
                door.body, account_id, actor=ADMINISTRATOR, audit_id=audit_id, now=now
            ),
        )

    def _act(self, what: str, account_id: int, act: Callable[[Door, datetime], object]) -> None:
        door = self._door

        def step() -> None:
            try:
                act(door, door.now())
                self._stage.note("admin", what, account_id)
            except (Refused, Unreachable) as reason:
                self._stage.note("admin", "cannot", what, account_id, reason)

        if door.body.alive:
            door.body.live(step)


class Manager:
    """Writes new versions of tariffs, and has the owner approve them; whatever fails is left as it stands."""

    def __init__(self, *, stage: Stage, door: Door, models: Mapping[str, Model]) -> None:
        self._stage = stage
        self._door = door
        self._models = models

    def renew(self, tariff_id: int, tariff: Tariff, *, effective_from: datetime) -> None:
        """Draft, propose and approve a version that holds from a moment of the wall clock."""
        if self._door.body.alive:
            self._door.body.live(lambda: self._renew(tariff_id, tariff, effective_from))

    def _renew(self, tariff_id: int, tariff: Tariff, effective_from: datetime) -> None:
        store, now = self._door.body, self._door.now()
        act_ids = [UUID(int=self._stage.chance.getrandbits(128)) for _ in range(2)]
        try:
            key = tariffing.draft(
                store, tariff, tariff_id=tariff_id, effective_from=effective_from, actor=MANAGER, now=now
            )
            tariffing.propose(store, key, actor=MANAGER, act_id=act_ids[0], now=now)
            tariffing.approve(store, key, actor=OWNER, act_id=act_ids[1], models=self._models, now=now)
        except (Unreachable, Refused) as reason:
            self._stage.note("manager", "cannot renew", tariff_id, reason)
        else:
            self._stage.note("manager", "renews", *key, effective_from.time())


def a_stranger_order(reference: str, *, provider: str, amount_minor: int, now: datetime) -> Attempt:
    """Return an order that is at the provider under our name, and in nobody's books."""
    return Attempt(
        attempt_id=UUID(int=0),
        account_id=0,
        provider=provider,
        reference=reference,
        amount_minor=amount_minor,
        currency="CNY",
        description="an order of another system",
        created_at=now,
        expires_at=now + EXPIRES_IN,
        state=AttemptState.CREATED,
    )
