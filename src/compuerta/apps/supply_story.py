"""The story of supply: why electricity is on, and why it is off; each reason is played by somebody.

All players play side by side on the same building; one look at the database in each round tells all of them
how things stand.
"""

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

from compuerta.adapters.postgres import books
from compuerta.adapters.postgres.store import PostgresStore
from compuerta.apps import parts, supply_facts, town, wiring
from compuerta.apps.playing import Play, checked_promises, money, recharge_facts, sale, wait_for_power
from compuerta.apps.stage import NotInTime
from compuerta.domain.alarms import AlarmOutcome
from compuerta.domain.contact import Channel, Language
from compuerta.domain.policy import Json
from compuerta.domain.supply import HoldKind, Reason
from compuerta.drivers.abilities import Relay
from compuerta.services import alarming, emergency, holding, moving_in, moving_out, settling
from compuerta.services.acting import Actor
from compuerta.services.alarming import Closing
from compuerta.services.moving_in import MoveIn, Reached
from compuerta.services.moving_out import MoveOut
from compuerta.services.settling import Settlement

STORY_WITHIN = timedelta(seconds=300)
FALL_WITHIN = timedelta(seconds=120)
SAID_WITHIN = timedelta(seconds=30)
STAYS_S = 8.0  # so long one looks whether a relay stays where it is
FRIENDLY_SHORT = timedelta(seconds=45)
# Longer than a reading is good for, so that the meter is looked at before the cut.
FRIENDLY_LONG = timedelta(seconds=145)
QUEUES = 4  # at the till: lines are slow, and who waits in one has not paid yet
LENT_WH = 300
DEPOSIT_MINOR = 20_000
STORY_W = town.STORY_LOAD_W
REST_W = 40
LIMIT_W = 300
TOO_MUCH_W = 700

# Who plays what: the price of a kWh, and what is bought first. Prices are high, so that balances fall while
# one looks; more load would do it too, but in accelerated time it would look like a register that jumps.
_PARTS: Mapping[str, tuple[str, int]] = MappingProxyType(
    {
        "101": ("60.0000", 5_500),
        "102": ("30.0000", 400),
        "103": ("30.0000", 400),
        "104": ("1.0000", 5_000),
        "105": ("1.0000", 5_000),
        "201": ("1.0000", 20_000),
        "202": ("1.0000", 5_000),
        "203": ("1.0000", 5_000),
        "301": ("60.0000", 5_500),
        "303": ("30.0000", 1_500),
        "402": ("30.0000", 400),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """How a supply point stands at one look."""

    account_id: int
    relay: str | None
    reason: str
    kept: bool
    balance_minor: int
    warnings: int
    alarms: tuple[str, ...]
    is_locked: bool

    def shows(self, relay: Relay, reason: Reason) -> bool:
        """Tell whether the relay is there, and for this reason."""
        return self.relay == relay.value and self.reason == reason.value


Wait = parts.Wait[Seen]
Steps = parts.Steps[Seen]


@dataclass(slots=True, kw_only=True)
class Tale:
    """A story that is being played."""

    play: Play
    store: PostgresStore
    homes: Mapping[str, town.Home]
    sold: list[tuple[town.Home, str]] = field(default_factory=list)
    paid_under_hold: set[str] = field(default_factory=set)  # attempts that bring no power at once
    late: list[str] = field(default_factory=list)  # what somebody waited for in vain
    caused_at: dict[str, datetime] = field(default_factory=dict)  # when somebody did it at the meter

    def order(self, home: town.Home, order: str, **wish: object) -> None:
        """Let something happen at a meter."""
        self.play.stage.order({"order": order, "meter_no": home.meter_no, **wish})

    def load(self, home: town.Home, power_w: int) -> None:
        """Let a home draw so much."""
        self.order(home, "set_load", power_w=power_w)

    def settle(self, home: town.Home, document: Mapping[str, Json]) -> None:
        """Settle a policy of one account."""
        wish = Settlement(scope="account", scope_id=home.account_id, document=document, act_id=uuid4())
        models = wiring.models(self.play.stage.settings)
        settling.settle(self.store, wish, actor=_by("admin", "agreed"), models=models, now=wiring.now())

    def pay(self, home: town.Home, amount_minor: int) -> str:
        """Pay by WeChat, and use little from then on."""
        self.load(home, REST_W)
        stage = self.play.stage
        attempt_id = sale(stage, home, provider="wechat", amount_minor=amount_minor)
        stage.pay(stage.recharge_facts(attempt_id)["reference"])
        self.sold.append((home, attempt_id))
        self.play.tell(f"[bold]{home.supply_point}[/] pays {money(amount_minor)} by WeChat")
        return attempt_id


def plan() -> tuple[town.Home, ...]:
    """Say who lives where, and what each is there for."""
    return tuple(_cast(home) for home in town.plan())


def play(play: Play) -> dict[str, Any]:
    """Play all parts side by side; returns the facts, and what did not come as it should have."""
    store = PostgresStore(play.stage.url)
    try:
        facts = _facts(
            Tale(play=play, store=store, homes={home.supply_point: home for home in play.stage.town.homes})
        )
    finally:
        store.shut()
    for line in facts["missing"]:
        play.tell(f"[red]missing[/] {line}")
    return facts


def _facts(tale: Tale) -> dict[str, Any]:
    """Play, and return what the database, the meters and the counterparts say then."""
    stage = tale.play.stage
    _open(tale)
    before = books.load(stage.url, now=wiring.now())
    _side_by_side(tale)
    _wait_for_words(tale)
    verdicts = checked_promises(tale.play, before=before)
    recharges = []
    for home, attempt_id in tale.sold:
        told = recharge_facts(home, stage.recharge_facts(attempt_id))
        held = attempt_id in tale.paid_under_hold
        recharges.append({**told, "held": True} if held else told)
    facts = supply_facts.gather(tale.store, caused_at=tale.caused_at)
    facts |= {"recharges": recharges, "promises": verdicts}
    return {**facts, "missing": [*tale.late, *supply_facts.missing(facts)]}


def _cast(home: town.Home) -> town.Home:
    part = _PARTS.get(home.supply_point)
    if part is None:
        price = town.PRICE if home.in_story else home.price
        return replace(home, in_story=False, price=price, opening_minor=max(home.opening_minor, 5_000))
    price, opening_minor = part
    return replace(home, in_story=True, price=price, power_w=0, opening_minor=opening_minor)


def _open(tale: Tale) -> None:
    """Sell the first electricity, a few homes at a time, and wait until everybody has power."""
    stage = tale.play.stage
    homes = list(tale.homes.values())
    for home in homes:
        tale.load(home, 0)
    tale.play.tell(f"{len(homes)} tenants buy their first electricity at the till")
    for queue in (homes[turn::QUEUES] for turn in range(QUEUES)):
        sold = [(home, sale(stage, home, provider="till", amount_minor=home.opening_minor)) for home in queue]
        for home, attempt_id in sold:
            wait_for_power(tale.play, home, attempt_id)
            tale.load(home, home.power_w)
        tale.sold += sold
    tale.play.tell("the building has power; eleven homes have a story, side by side")


# Who plays.


def _warned_then_cut(tale: Tale, home: town.Home) -> Steps:
    """Warned at levels on the way down; the meter cuts at zero, and closes when it is paid."""
    yield from _fall_slowly_at_first(tale, home)
    yield Wait(what="to be used up", is_so=_shows(Relay.OPEN, Reason.OUT_OF_CREDIT), within=FALL_WITHIN)
    tale.pay(home, 2_000)
    yield Wait(what="power again", is_so=_shows(Relay.CLOSED, Reason.IN_CREDIT))


def _fall_slowly_at_first(tale: Tale, home: town.Home) -> Steps:
    """Fall through the first level, and then faster: levels that lie between two readings speak as one."""
    tale.load(home, STORY_W // 2)
    yield Wait(what="a warning", is_so=lambda seen: seen.warnings > 0)
    tale.load(home, STORY_W)


def _last_chance(tale: Tale, home: town.Home) -> Steps:
    """The same where the platform holds the credit: the cut is told a minute ahead."""
    tale.settle(home, {"last_chance_min": 1})
    yield from _fall_slowly_at_first(tale, home)
    yield Wait(what="a last chance", is_so=_shows(Relay.CLOSED, Reason.LAST_CHANCE), within=FALL_WITHIN)
    tale.load(home, REST_W)
    yield Wait(what="a cut", is_so=_shows(Relay.OPEN, Reason.OUT_OF_CREDIT), within=FALL_WITHIN)
    tale.pay(home, 4_000)
    yield Wait(what="power again", is_so=_shows(Relay.CLOSED, Reason.IN_CREDIT))


def _friendly(tale: Tale, home: town.Home) -> Steps:
    """Used up in friendly hours: the meter is told to stay on, and released when they end."""
    tale.settle(home, _friendly_until(wiring.now() + FRIENDLY_SHORT))
    tale.load(home, STORY_W)
    yield Wait(what="to be kept on", is_so=_kept(Reason.FRIENDLY_HOURS))
    tale.load(home, REST_W)
    yield Wait(
        what="the end of the hours", is_so=_shows(Relay.OPEN, Reason.OUT_OF_CREDIT), within=FALL_WITHIN
    )
    tale.pay(home, 3_000)
    yield Wait(what="power again", is_so=_shows(Relay.CLOSED, Reason.IN_CREDIT))


def _friendly_and_silent(tale: Tale, home: town.Home) -> Steps:
    """The meter falls silent in friendly hours: before the cut it is looked at once more."""
    tale.settle(home, _friendly_until(wiring.now() + FRIENDLY_LONG))
    tale.load(home, STORY_W)
    yield Wait(what="friendly hours", is_so=_shows(Relay.CLOSED, Reason.FRIENDLY_HOURS))
    tale.load(home, REST_W)
    tale.order(home, "set_silent", silent=True)
    look = Wait(what="a look", is_so=lambda seen: seen.reason == Reason.LOOK_FIRST.value, within=STORY_WITHIN)
    yield look
    tale.order(home, "set_silent", silent=False)
    yield Wait(what="a cut", is_so=_shows(Relay.OPEN, Reason.OUT_OF_CREDIT))
    tale.pay(home, 6_000)
    yield Wait(what="power again", is_so=_shows(Relay.CLOSED, Reason.IN_CREDIT))


def _emergency(tale: Tale, home: town.Home) -> Steps:
    """Emergency credit is offered, taken and spent; the recharge after it repays it."""
    tale.settle(home, {"emergency_minor": 1_000, "emergency_below_minor": 1_000})
    tale.load(home, STORY_W)
    seen = yield Wait(what="the offer", is_so=lambda seen: seen.balance_minor <= 1_000, within=FALL_WITHIN)
    actor = _by("cashier", "asked for at the counter")
    emergency.take(tale.store, seen.account_id, actor=actor, now=wiring.now())
    yield Wait(what="emergency credit", is_so=_shows(Relay.CLOSED, Reason.EMERGENCY_CREDIT))
    yield Wait(what="it to be spent", is_so=_shows(Relay.OPEN, Reason.OUT_OF_CREDIT), within=FALL_WITHIN)
    tale.pay(home, 4_000)
    yield Wait(what="power again", is_so=_shows(Relay.CLOSED, Reason.IN_CREDIT))


def _lent(tale: Tale, home: town.Home) -> Steps:
    """A meter whose money is used up is told to stay on, for so many kWh."""
    tale.load(home, STORY_W)
    yield Wait(what="to be used up", is_so=_shows(Relay.OPEN, Reason.OUT_OF_CREDIT))
    holding.place_hold(
        tale.store,
        home.account_id,
        kind=HoldKind.TEMPORARY,
        actor=_by("admin", "the bank is closed until Monday"),
        hold_id=uuid4(),
        energy_wh=LENT_WH,
        now=wiring.now(),
    )
    yield Wait(what="temporary supply", is_so=_kept(Reason.TEMPORARY_SUPPLY))
    yield Wait(what="its end", is_so=_shows(Relay.OPEN, Reason.OUT_OF_CREDIT), within=FALL_WITHIN)
    tale.pay(home, 3_000)
    yield Wait(what="power again", is_so=_shows(Relay.CLOSED, Reason.IN_CREDIT))


def _unlawful(tale: Tale, home: town.Home) -> Steps:
    """A hold for unlawful use: a recharge arrives, and lifts nothing; a second act does."""
    tale.load(home, REST_W)
    holding.place_hold(
        tale.store,
        home.account_id,
        kind=HoldKind.ADMINISTRATOR,
        actor=_by("admin", "a wire around the meter was found"),
        hold_id=uuid4(),
        now=wiring.now(),
    )
    yield Wait(what="to be off", is_so=_shows(Relay.OPEN, Reason.ADMINISTRATOR_HOLD))
    attempt_id = tale.pay(home, 3_000)
    tale.paid_under_hold.add(attempt_id)

    def is_credited(_: Seen) -> bool:
        return tale.play.stage.recharge_facts(attempt_id)["credited_at"] is not None

    yield Wait(what="the credit", is_so=is_credited)
    tale.play.tell(f"[bold]{home.supply_point}[/] has the credit, and stays off")
    until_s = time.monotonic() + STAYS_S
    yield Wait(what="a while", is_so=lambda _: time.monotonic() > until_s)
    holding.lift_holds(
        tale.store,
        home.account_id,
        kind=HoldKind.ADMINISTRATOR,
        actor=_by("owner", "the wire is gone, and the fine is paid"),
        audit_id=uuid4(),
        now=wiring.now(),
    )
    yield Wait(what="power again", is_so=_shows(Relay.CLOSED, Reason.IN_CREDIT))


def _move(tale: Tale, home: town.Home) -> Steps:
    """A tenant leaves and is paid out; the place is off until the next one has paid for what is there."""
    tale.load(home, REST_W)
    models = wiring.models(tale.play.stage.settings)
    moving_out.move_out(
        tale.store,
        MoveOut(account_id=home.account_id),
        actor=_by("admin", "the lease ends"),
        move_id=uuid4(),
        now=wiring.now(),
    )
    house = yield Wait(what="to be empty", is_so=_shows(Relay.OPEN, Reason.VACANCY))
    reached = Reached(channel=Channel.EMAIL, address="nina.roth@example.org", language=Language.ENGLISH)
    moving_in.move_in(
        tale.store,
        MoveIn(account_id=house.account_id, name="Nina Roth", deposit_minor=DEPOSIT_MINOR, reached=reached),
        models=models,
        actor=_by("admin", "a new lease"),
        move_id=uuid4(),
        now=wiring.now(),
    )
    yield Wait(what="power for who moved in", is_so=_shows(Relay.CLOSED, Reason.IN_CREDIT))


def _overloaded(tale: Tale, home: town.Home) -> Steps:
    """Too much is drawn: a rest; again within the hour: a lock, until a technician has looked."""
    tale.settle(home, {"overload_rest_min": 1, "overload_closings_max": 1})
    tale.order(home, "set_limits", power_w_max=LIMIT_W, overload_min=1)
    _overload(tale, home)
    yield Wait(what="a rest", is_so=_shows(Relay.OPEN, Reason.OVERLOAD_LOCK))
    tale.load(home, REST_W)
    yield Wait(what="the end of the rest", is_so=_shows(Relay.CLOSED, Reason.IN_CREDIT), within=FALL_WITHIN)
    _overload(tale, home)
    yield Wait(what="a lock", is_so=lambda seen: seen.is_locked and seen.relay == Relay.OPEN.value)
    tale.load(home, REST_W)
    holding.lift_holds(
        tale.store,
        home.account_id,
        kind=HoldKind.OVERLOAD,
        actor=_by("technician", "two heaters on one plug"),
        audit_id=uuid4(),
        now=wiring.now(),
    )
    yield Wait(what="power again", is_so=_shows(Relay.CLOSED, Reason.IN_CREDIT))


def _opened(tale: Tale, home: town.Home) -> Steps:
    """A cover is opened: an alarm at the next reading, which somebody looks after and closes."""
    tale.load(home, REST_W)
    tale.caused_at[home.supply_point] = wiring.now()
    tale.order(home, "set_cover", open=True)
    yield Wait(what="an alarm", is_so=lambda seen: "cover_open" in seen.alarms)
    organisation_id = tale.play.stage.town.organisation_id
    alarm_id = supply_facts.open_alarm(tale.store, home.meter_no)
    actor = _by("technician", "a loose screw; the seal is new")
    alarming.acknowledge(
        tale.store,
        alarm_id,
        organisation_id=organisation_id,
        actor=actor,
        audit_id=uuid4(),
        now=wiring.now(),
    )
    tale.order(home, "set_cover", open=False)
    yield Wait(what="it to be shut", is_so=lambda _: supply_facts.is_over(tale.store, alarm_id))
    closing_of = Closing(
        organisation_id=organisation_id, alarm_id=alarm_id, outcome=AlarmOutcome.REPAIRED, audit_id=uuid4()
    )
    alarming.close(tale.store, closing_of, actor=actor, now=wiring.now())
    yield Wait(what="a board without it", is_so=lambda seen: "cover_open" not in seen.alarms)


def _reversed(tale: Tale, home: town.Home) -> Steps:
    """Current runs backwards through the meter: an alarm at the next reading, which stays on the board."""
    tale.load(home, REST_W)
    tale.caused_at[home.supply_point] = wiring.now()
    tale.order(home, "set_reverse", reversed=True)
    yield Wait(what="an alarm", is_so=lambda seen: "reverse_flow" in seen.alarms)
    tale.order(home, "set_reverse", reversed=False)


PLAYERS: Mapping[str, Callable[[Tale, town.Home], Steps]] = MappingProxyType(
    {
        "101": _warned_then_cut,
        "102": _friendly,
        "103": _lent,
        "104": _unlawful,
        "105": _move,
        "201": _overloaded,
        "202": _opened,
        "203": _reversed,
        "301": _last_chance,
        "303": _emergency,
        "402": _friendly_and_silent,
    }
)


def _overload(tale: Tale, home: town.Home) -> None:
    tale.caused_at[home.supply_point] = wiring.now()
    tale.load(home, TOO_MUCH_W)


def _friendly_until(end: datetime) -> dict[str, Json]:
    """Return a policy whose one slot begins now and ends then, by the site's wall clock."""
    zone = ZoneInfo(town.ZONE)
    start = wiring.now().astimezone(zone)
    return {"friendly_slots": [f"{start:%H:%M:%S}-{end.astimezone(zone):%H:%M:%S}"]}


def _by(who: str, why: str) -> Actor:
    return Actor(who=who, why=why, origin="stage")


def _shows(relay: Relay, reason: Reason) -> Callable[[Seen], bool]:
    return lambda seen: seen.shows(relay, reason)


def _kept(reason: Reason) -> Callable[[Seen], bool]:
    return lambda seen: seen.kept and seen.shows(Relay.CLOSED, reason)


# All at once.


def _side_by_side(tale: Tale) -> None:
    """Let everybody play until all have ended, or have waited too long."""
    told: dict[str, Seen] = {}

    def look() -> Mapping[str, Seen]:
        tale.play.stage.tend()
        seen = _look(tale)
        _tell_changes(tale, told, seen)
        return seen

    def ended(supply_point: str) -> None:
        tale.play.tell(f"[bold]{supply_point}[/] [dim]has no more to tell[/]")

    players = {
        supply_point: player(tale, tale.homes[supply_point]) for supply_point, player in PLAYERS.items()
    }
    tale.late += parts.side_by_side(players, look=look, ended=ended)


def _tell_changes(tale: Tale, told: dict[str, Seen], seen: Mapping[str, Seen]) -> None:
    for supply_point in PLAYERS:
        before, after = told.get(supply_point), seen[supply_point]
        told[supply_point] = after
        if before is None:
            continue
        name = f"[bold]{supply_point}[/]"
        if (before.relay, before.reason) != (after.relay, after.reason):
            colour = "green" if after.relay == Relay.CLOSED.value else "red"
            kept = ", kept on beyond zero" if after.kept else ""
            tale.play.tell(f"{name} [{colour}]relay {after.relay}[/]: {after.reason.replace('_', ' ')}{kept}")
        if after.warnings > before.warnings:
            tale.play.tell(f"{name} [yellow]warned[/] at {money(after.balance_minor)}")
        for kind in set(after.alarms) - set(before.alarms):
            tale.play.tell(f"{name} [magenta]alarm[/]: {kind.replace('_', ' ')}")


def _look(tale: Tale) -> dict[str, Seen]:
    return {
        row["supply_point"]: Seen(
            account_id=row["account_id"],
            relay=row["relay"],
            reason=row["reason"],
            kept=row["kept"],
            balance_minor=row["balance_minor"],
            warnings=row["warnings"],
            alarms=tuple(row["alarms"]),
            is_locked=row["is_locked"],
        )
        for row in supply_facts.standing(tale.store)
    }


def _wait_for_words(tale: Tale) -> None:
    """Wait until nothing waits to be said; what waits too long is among the facts."""
    with suppress(NotInTime):
        tale.play.stage.wait_for(
            "all that is due to be said", lambda: not supply_facts.unsaid(tale.store), within=SAID_WITHIN
        )
