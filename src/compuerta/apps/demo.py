"""The demonstration: a balance falls, a warning, the relay opens, a payment, the relay closes; in seconds.

It is also a test: `compuerta demo --once --json` plays the story without a console, checks every promise on
the real database and the meters, prints the facts, and fails if something is not as promised. Another story,
`--story supply`, plays every reason for which electricity is on or off.
"""

import json
import signal
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from types import FrameType
from typing import Any

from rich.console import Console

from compuerta.adapters.postgres import books
from compuerta.adapters.postgres.store import PostgresStore
from compuerta.apps import month_story, month_world, payment_story, roads_story, supply_story, town, wiring
from compuerta.apps.playing import (
    Play,
    checked_promises,
    is_fast,
    money,
    recharge_facts,
    sale,
    seconds,
    wait_for_power,
)
from compuerta.apps.stage import PERSONS, Stage
from compuerta.domain.errors import Refused

AMOUNT_MINOR = 2_000
IDLE_W = 100
ENDINGS = (signal.SIGINT, signal.SIGTERM)
FALL_WITHIN = timedelta(seconds=120)
PROMISES = {
    "M1": "every posting sums to zero",
    "M2": "a payment credits once",
    "M3": "what is paid is what is credited, to the cent",
    "M4": "charges add up to the bill, to the cent",
    "M5": "no row of money was changed",
    "D1": "a recharge reaches its meter exactly once",
    "D2": "what is sent was written before",
    "D3": "no instruction vanishes",
    "S1": "who has credit has power",
    "S2": "who has none is off",
    "S3": "a recharge lifts no hold",
    "S4": "a later wish replaces an earlier one",
    "T1": "each day's closing is its opening and what has moved",
    "T2": "what is missing is not zero",
    "W1": "a level warns once each time that it is crossed",
    "W2": "what a meter tells is one alarm on the board",
    "W3": "what is due is told, and nobody hears it twice",
}


class StoryUnknown(Refused):
    """There is no story of this name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"there is no story {name!r}; there is: {', '.join(sorted(STORIES))}")


def run(*, story: str, once: bool, as_json: bool) -> int:
    """Play a story; returns the exit code: 0 when all was as promised."""
    if story not in STORIES:
        raise StoryUnknown(story)
    for number in ENDINGS:
        signal.signal(number, _interrupt)
    # Colours are given by hand below; rich would paint every number too.
    console = Console(stderr=as_json, quiet=once and as_json, highlight=False)
    with Stage(homes=STORIES[story].plan(), public=not once) as stage:
        play = Play(stage=stage, console=console)
        STORIES[story].opens(stage, lambda what: play.tell(f"[dim]{what}[/]"))
        facts = STORIES[story].play(play)
        facts["slow"] = [each["meter"] for each in _watched(facts) if not is_fast(each)]
        if as_json:
            sys.stdout.write(json.dumps(facts, ensure_ascii=False, indent=2) + "\n")
        good = _is_good(facts)
        _sum_up(play, facts, good=good)
        if not once:
            _serve(play, lives_on=STORIES[story].lives_on)
    return 0 if good else 1


def _loop(play: Play) -> dict[str, Any]:
    """The closed loop: first electricity for all, three balances that fall to zero, three payments."""
    stage = play.stage
    # Seconds are minutes here: what is drawn while a relay closes would look like use through an open one.
    _load(stage, dict.fromkeys(stage.town.homes, 0))
    openings = [
        sale(stage, home, provider="till", amount_minor=home.opening_minor) for home in stage.town.homes
    ]
    play.tell(f"{len(openings)} tenants buy their first electricity at the till")
    for home, attempt_id in zip(stage.town.homes, openings, strict=True):
        wait_for_power(play, home, attempt_id)
    play.tell("the building has power")
    _load(stage, {home: home.power_w for home in stage.town.homes})
    before = books.load(stage.url, now=wiring.now())
    players = [home for home in stage.town.homes if home.in_story]
    for home in players:
        play.tell(f"[bold]{home.supply_point}[/] {home.name} ({home.road.value}) uses {home.power_w} W")
    attempts = [_fall_and_pay(play, home) for home in players]
    sales = list(zip(stage.town.homes, openings, strict=True))
    sales += list(zip(players, attempts, strict=True))
    facts = [recharge_facts(home, stage.recharge_facts(attempt_id)) for home, attempt_id in sales]
    return {
        "recharges": facts,
        "promises": checked_promises(play, before=before),
        "missing": [],
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """What is played, and in which town."""

    plan: Callable[[], tuple[town.Home, ...]]
    play: Callable[[Play], dict[str, Any]]
    opens: Callable[[Stage, Callable[[str], None]], None] = Stage.open
    lives_on: bool = True  # meters, providers and the rest go on when it is told


STORIES = {
    "loop": Story(plan=town.plan, play=_loop),
    "supply": Story(plan=supply_story.plan, play=supply_story.play),
    "payments": Story(plan=payment_story.plan, play=payment_story.play),
    "roads": Story(plan=roads_story.plan, play=roads_story.play),
    "month": Story(
        plan=month_world.plan, play=month_story.play, opens=month_story.open_books, lives_on=False
    ),
}


def _load(stage: Stage, loads_w: Mapping[town.Home, int]) -> None:
    for home, power_w in loads_w.items():
        stage.order({"order": "set_load", "meter_no": home.meter_no, "power_w": power_w})


def _fall_and_pay(play: Play, home: town.Home) -> str:
    stage = play.stage
    _watch_falling(play, home)
    play.tell(f"[bold]{home.supply_point}[/] [red]relay open[/]: the balance is used up")
    _load(stage, {home: IDLE_W})
    attempt_id = sale(stage, home, provider="wechat", amount_minor=AMOUNT_MINOR)
    reference = stage.recharge_facts(attempt_id)["reference"]
    stage.pay(reference)
    play.tell(f"[bold]{home.supply_point}[/] pays {money(AMOUNT_MINOR)} by WeChat")
    wait_for_power(play, home, attempt_id)
    facts = stage.recharge_facts(attempt_id)
    waited_s = seconds(facts["paid_at"], facts["closed_at"])
    play.tell(
        f"[bold]{home.supply_point}[/] [green]relay closed[/]: power {waited_s:.1f} s after the payment"
    )
    return attempt_id


def _watch_falling(play: Play, home: town.Home) -> None:
    stage = play.stage
    shown_s = 0.0

    def is_off() -> bool:
        nonlocal shown_s
        row = _meter_row(stage, home)
        if row["relay"] == "open" and row["balance_minor"] <= 0:
            return True
        if time.monotonic() - shown_s > 2:
            shown_s = time.monotonic()
            warned = " [yellow]warned[/]" if _is_warned(stage, home) else ""
            play.tell(f"  {home.supply_point} balance {money(row['balance_minor'])}{warned}")
        return False

    stage.wait_for(f"{home.supply_point} to use up its balance", is_off, within=FALL_WITHIN)


def _meter_row(stage: Stage, home: town.Home) -> dict[str, Any]:
    store = PostgresStore(stage.url)
    try:
        (row,) = store.query(
            """select s.relay, case m.credit_authority
                when 'meter' then coalesce(s.balance_minor, 0) else h.delivered_minor end as balance_minor
            from meter m join meter_state s using (meter_id)
            join account_state h on h.account_id = %(account_id)s where m.meter_no = %(meter_no)s""",
            {"account_id": home.account_id, "meter_no": home.meter_no},
        )
    finally:
        store.shut()
    return row


def _is_warned(stage: Stage, home: town.Home) -> bool:
    store = PostgresStore(stage.url)
    try:
        return bool(
            store.query(
                "select from warning where account_id = %(account_id)s", {"account_id": home.account_id}
            )
        )
    finally:
        store.shut()


def _is_good(facts: dict[str, Any]) -> bool:
    kept = all(each["broken"] == 0 for each in facts["promises"].values())
    return kept and not facts["missing"]


def _watched(facts: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the recharges whose seconds count: nothing kept their power back."""
    return [each for each in facts.get("recharges", ()) if not each.get("held")]


def _sum_up(play: Play, facts: dict[str, Any], *, good: bool) -> None:
    play.tell("all books, meters and payments are looked at:")
    for name, words in PROMISES.items():
        each = facts["promises"].get(name, {"checked": 0, "broken": 0})
        mark = "[green]kept[/]" if each["broken"] == 0 else f"[red]broken {each['broken']} times[/]"
        play.tell(f"  {mark} {name} {words} [dim]({each['checked']} checked)[/]")
    watched = _watched(facts)
    for road in sorted({each["road"] for each in watched}):
        waited_s = sorted(
            seconds(each["paid_at"], each["closed_at"]) for each in watched if each["road"] == road
        )
        play.tell(
            f"{road}: payment to power {waited_s[0]:.1f} to {waited_s[-1]:.1f} s, {len(waited_s)} recharges"
        )
    play.tell("[bold green]all as promised[/]" if good else "[bold red]not as promised[/]")


def _serve(play: Play, *, lives_on: bool) -> None:
    stage = play.stage
    lines = [
        f"[bold]Console[/]      {stage.console_url}/",
        f"[bold]Sign in as[/]   {', '.join(PERSONS)} / {stage.password}   [dim]a tariff needs two[/]",
        f"[bold]Pay page[/]     {stage.console_url}/p/{stage.town.homes[0].pay_token}",
    ]
    if lives_on:
        _load(
            stage, {home: home.power_w // 10 if home.in_story else home.power_w for home in stage.town.homes}
        )
        lines += [
            f"[bold]Its wallet[/]   {stage.provider_url}/pay/   no QR to scan: press Pay there",
            f"[bold]Letters[/]      {stage.carriers_url}/sim/received",
            f"[bold]Machines[/]     {stage.console_url}/api/docs   key {stage.api_key}",
        ]
    lines += [
        f"[bold]Status[/]       COMPUERTA_DATA={stage.directory} .venv/bin/compuerta status",
        f"[bold]Logs[/]         {stage.crew.logs}\n\nCtrl-C ends it.",
    ]
    play.console.print("", *lines, sep="\n", soft_wrap=True)
    try:
        while True:
            stage.tend()
            time.sleep(1)
    except KeyboardInterrupt:
        play.tell("ending")


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    # Once: a second Ctrl-C would interrupt the ending, and leave processes behind.
    for number in ENDINGS:
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt
