"""The story of roads: the closed loop on each of them, one that dies, and a meter that sleeps.

The same recharge goes by 4G over TCP, by 4G over MQTT, by RS485 and by NB-IoT. A meter with two ways loses
the first just when somebody pays; another one's module is asleep, and is paid for meanwhile.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

from compuerta.adapters.postgres import books
from compuerta.adapters.postgres.store import PostgresStore
from compuerta.apps import town, wiring
from compuerta.apps.playing import (
    Play,
    checked_promises,
    money,
    recharge_facts,
    sale,
    seconds,
    wait_for_power,
)
from compuerta.apps.stage import NotInTime, Stage
from compuerta.apps.town import Home
from compuerta.domain.party import Bearer, RoadKind
from compuerta.domain.road import Way

OPENING_MINOR = 1_000
AMOUNT_MINOR = 2_000
FALL_WITHIN = timedelta(seconds=180)
# A module that found no platform sleeps before it looks again.
POWER_WITHIN = timedelta(seconds=300)
IDLE_W = 40
# Who plays: a road each; one with a second way, and one whose module on NB-IoT sleeps.
LOOPS = {"101": "4g tcp", "204": "4g mqtt", "205": "nbiot", "301": "rs485", "302": "rs485"}
TWO_WAYS, SLEEPER = "102", "103"
CONTACT_S = 40


def plan() -> tuple[Home, ...]:
    """Say who lives where; who is in the story pays a high price, so that balances fall while one looks."""
    return tuple(_cast(home) for home in town.plan())


def _cast(home: Home) -> Home:
    plays = home.supply_point in LOOPS or home.supply_point in (TWO_WAYS, SLEEPER)
    cast = replace(
        home,
        in_story=plays,
        power_w=town.STORY_LOAD_W if plays else home.power_w,
        price=town.PRICE_STORY if plays else home.price,
        opening_minor=OPENING_MINOR if plays else home.opening_minor,
    )
    match home.supply_point:
        case "102":
            return replace(cast, spare=Way(endpoint_id="nb-102", road=RoadKind.NBIOT))
        case "103":
            way = Way(endpoint_id="nb-103", road=RoadKind.NBIOT)
            return replace(cast, way=way, bearer=Bearer.COAP, contact_s=CONTACT_S)
        case _:
            return cast


def play(story: Play) -> dict[str, Any]:
    """Play it, and return what happened: instants per road, the fail-over, the sleeper, and every promise."""
    stage = story.stage
    homes = {home.supply_point: home for home in stage.town.homes}
    _load(stage, list(homes.values()), 0)
    sold = _sell_first(story)
    before = books.load(stage.url, now=wiring.now())
    missing: list[str] = []
    loops = [homes[name] for name in LOOPS]
    players = [*loops, homes[TWO_WAYS], homes[SLEEPER]]
    for home in players:
        story.tell(f"[bold]{home.supply_point}[/] {_road(home)} uses {home.power_w} W")
        _load(stage, [home], home.power_w)
    roads = []
    for home in loops:
        with _told(missing, f"{home.supply_point} by {_road(home)}"):
            sold.append((home, _fall_and_pay(story, home)))
            roads.append({**_fact(stage, home, sold[-1][1]), "by": _road(home)})
    failover = _lose_the_first_way(story, homes[TWO_WAYS], sold, missing)
    sleeping = _pay_for_a_sleeper(story, homes[SLEEPER], sold, missing)
    return {
        "roads": roads,
        "failover": failover,
        "sleeping": sleeping,
        "recharges": [_fact(stage, home, attempt_id) for home, attempt_id in sold],
        "promises": checked_promises(story, before=before),
        "missing": missing,
    }


@contextmanager
def _told(missing: list[str], what: str) -> Iterator[None]:
    """Keep what somebody waited for in vain, and let the others play on."""
    try:
        yield
    except NotInTime as late:
        missing.append(f"{what}: {late}")


def _road(home: Home) -> str:
    return LOOPS.get(home.supply_point, home.road.value)


def _load(stage: Stage, homes: list[Home], power_w: int) -> None:
    for home in homes:
        stage.order({"order": "set_load", "meter_no": home.meter_no, "power_w": power_w})


def _sell_first(story: Play) -> list[tuple[Home, str]]:
    stage = story.stage
    sold = [
        (home, sale(stage, home, provider="till", amount_minor=home.opening_minor))
        for home in stage.town.homes
    ]
    story.tell(f"{len(sold)} tenants buy their first electricity at the till")
    for home, attempt_id in sold:
        wait_for_power(story, home, attempt_id, within=POWER_WITHIN)
    story.tell("the building has power")
    return sold


def _fall(story: Play, home: Home) -> None:
    """Wait until a balance is used up and the relay is open, by the platform's own rows."""
    stage = story.stage

    def is_off() -> bool:
        row = stage.meter(home.meter_no)
        return row["relay"] == "open" and _known_relay(stage, home) == "open"

    stage.wait_for(f"{home.supply_point} to use up its balance", is_off, within=FALL_WITHIN)
    story.tell(f"[bold]{home.supply_point}[/] [red]relay open[/]: the balance is used up")
    _load(stage, [home], IDLE_W)


def _pay(story: Play, home: Home) -> str:
    stage = story.stage
    attempt_id = sale(stage, home, provider="wechat", amount_minor=AMOUNT_MINOR)
    stage.pay(stage.recharge_facts(attempt_id)["reference"])
    story.tell(f"[bold]{home.supply_point}[/] pays {money(AMOUNT_MINOR)} by WeChat")
    return attempt_id


def _fall_and_pay(story: Play, home: Home) -> str:
    _fall(story, home)
    attempt_id = _pay(story, home)
    wait_for_power(story, home, attempt_id, within=POWER_WITHIN)
    _tell_power(story, home, attempt_id)
    return attempt_id


def _tell_power(story: Play, home: Home, attempt_id: str) -> None:
    row = story.stage.recharge_facts(attempt_id)
    waited_s = seconds(row["paid_at"], row["closed_at"])
    story.tell(
        f"[bold]{home.supply_point}[/] [green]relay closed[/]: power {waited_s:.1f} s after the payment"
        f" ({_road(home)})"
    )


def _lose_the_first_way(
    story: Play, home: Home, sold: list[tuple[Home, str]], missing: list[str]
) -> dict[str, Any]:
    """Cut the road just when somebody pays: the recharge goes by the other one, once."""
    stage, facts = story.stage, dict[str, Any]()
    with _told(missing, "the fail-over"):
        _fall(story, home)
        stage.order({"order": "cut_road", "road": home.endpoint_id, "cut": True})
        story.tell(f"[bold]{home.supply_point}[/] loses its 4G road")
        sold.append((home, _pay(story, home)))
        wait_for_power(story, home, sold[-1][1], within=POWER_WITHIN)
        _tell_power(story, home, sold[-1][1])
        stage.order({"order": "cut_road", "road": home.endpoint_id, "cut": False})
        facts = _fact(stage, home, sold[-1][1])
        credited = [each["amount_minor"] for each in stage.meter(home.meter_no)["credited"]]
        facts["credited_times"] = credited.count(AMOUNT_MINOR)
        if facts["credited_times"] != 1 or facts["endpoint_id"] == home.endpoint_id:
            missing.append(f"the fail-over: {facts}")
    return facts


def _pay_for_a_sleeper(
    story: Play, home: Home, sold: list[tuple[Home, str]], missing: list[str]
) -> dict[str, Any]:
    """Pay while a module sleeps: the page says when it will be delivered, and then it is."""
    stage, facts = story.stage, dict[str, Any]()
    with _told(missing, "the sleeper"):
        _fall(story, home)
        stage.wait_for("the module to sleep", lambda: not _is_alive(stage, home), within=FALL_WITHIN)
        sold.append((home, _pay(story, home)))
        stage.wait_for(
            "the payment to be posted",
            lambda: stage.recharge_facts(sold[-1][1])["posted_at"] is not None,
            within=POWER_WITHIN,
        )
        row = stage.recharge_facts(sold[-1][1])
        expected = {"delivery": row["delivery"], "delivery_at": row["delivery_at"]}
        story.tell(f"[bold]{home.supply_point}[/] sleeps: {row['delivery']}, about {row['delivery_at']}")
        wait_for_power(story, home, sold[-1][1], within=POWER_WITHIN)
        _tell_power(story, home, sold[-1][1])
        facts = {**_fact(stage, home, sold[-1][1]), "expected": expected, "contact_s": CONTACT_S}
        if expected["delivery"] != "at_contact" or expected["delivery_at"] is None:
            missing.append(f"when the sleeper would be reached: {expected}")
    return facts


def _fact(stage: Stage, home: Home, attempt_id: str) -> dict[str, Any]:
    """Return a recharge's facts; what a sleeper or a dead road keeps back is not judged by its seconds."""
    held = home.supply_point in (TWO_WAYS, SLEEPER)
    return {**recharge_facts(home, stage.recharge_facts(attempt_id)), **({"held": True} if held else {})}


def _known_relay(stage: Stage, home: Home) -> str | None:
    (row,) = _asked(
        stage,
        "select relay from meter_state join meter using (meter_id) where meter_no = %(no)s",
        {"no": home.meter_no},
    )
    known: str | None = row["relay"]
    return known


def _is_alive(stage: Stage, home: Home) -> bool:
    rows = _asked(
        stage, "select alive from endpoint_state where endpoint_id = %(end)s", {"end": home.endpoint_id}
    )
    return any(row["alive"] for row in rows)


def _asked(stage: Stage, statement: str, values: dict[str, object]) -> list[dict[str, Any]]:
    store = PostgresStore(stage.url)
    try:
        return store.query(statement, values)
    finally:
        store.shut()
