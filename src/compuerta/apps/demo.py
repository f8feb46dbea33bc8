"""The demonstration: a balance falls, a warning, the relay opens, a payment, the relay closes; in seconds.

It is also a test: `compuerta demo --once --json` plays the story without a console, checks every promise on
the real database and the meters, prints the facts, and fails if something is not as promised.
"""

import json
import signal
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import FrameType
from typing import Any
from uuid import uuid4

from rich.console import Console

from compuerta.adapters.postgres import books
from compuerta.adapters.postgres.store import PostgresStore
from compuerta.apps import inspection, town, wiring
from compuerta.apps.stage import PERSONS, NotInTime, Stage
from compuerta.domain.errors import Refused
from compuerta.domain.money import format_minor
from compuerta.services import promises
from compuerta.services.promises import Books, Checked

AMOUNT_MINOR = 2_000
ENDINGS = (signal.SIGINT, signal.SIGTERM)
# What the trade promises, from payment to power.
POWER_WITHIN = timedelta(seconds=10)
FALL_WITHIN = timedelta(seconds=120)
QUIET_WITHIN = timedelta(seconds=60)
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
    "T2": "what is missing is not zero",
}


class StoryUnknown(Refused):
    """There is no story of this name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"there is no story {name!r}; there is: {', '.join(sorted(STORIES))}")


@dataclass(slots=True, kw_only=True)
class Play:
    """A story on its stage, and who is told of it."""

    stage: Stage
    console: Console

    def tell(self, text: str) -> None:
        """Say what happens, with the time of day where the reader is."""
        self.console.print(f"[dim]{wiring.now().astimezone():%H:%M:%S}[/] {text}")


def run(*, story: str, once: bool, as_json: bool) -> int:
    """Play a story; returns the exit code: 0 when all was as promised."""
    if story not in STORIES:
        raise StoryUnknown(story)
    for number in ENDINGS:
        signal.signal(number, _interrupt)
    # Colours are given by hand below; rich would paint every number too.
    console = Console(stderr=as_json, quiet=once and as_json, highlight=False)
    with Stage(homes=town.plan(), public=not once) as stage:
        play = Play(stage=stage, console=console)
        stage.open(lambda what: play.tell(f"[dim]{what}[/]"))
        facts = STORIES[story](play)
        if as_json:
            sys.stdout.write(json.dumps(facts, ensure_ascii=False, indent=2) + "\n")
        good = _is_good(facts)
        _sum_up(play, facts, good=good)
        if not once:
            _serve(play)
    return 0 if good else 1


def _loop(play: Play) -> dict[str, Any]:
    """The closed loop: first electricity for all, three balances that fall to zero, three payments."""
    stage = play.stage
    openings = [
        _sale(stage, home, provider="till", amount_minor=home.opening_minor) for home in stage.town.homes
    ]
    play.tell(f"{len(openings)} tenants buy their first electricity at the till")
    for home, attempt_id in zip(stage.town.homes, openings, strict=True):
        _wait_for_power(play, home, attempt_id, quiet=True)
    play.tell("the building has power")
    before = books.load(stage.url, now=wiring.now())
    players = [home for home in stage.town.homes if home.in_story]
    for home in players:
        play.tell(f"[bold]{home.supply_point}[/] {home.name} ({home.road.value}) uses {home.power_w} W")
    attempts = [_fall_and_pay(play, home) for home in players]
    sales = list(zip(stage.town.homes, openings, strict=True))
    sales += list(zip(players, attempts, strict=True))
    facts = [_facts(home, stage.recharge_facts(attempt_id)) for home, attempt_id in sales]
    return {"recharges": facts, "promises": _promises(play, before=before)}


STORIES: dict[str, Callable[[Play], dict[str, Any]]] = {"loop": _loop}


def _sale(stage: Stage, home: town.Home, *, provider: str, amount_minor: int) -> str:
    attempt_id = str(uuid4())
    stage.recharge(home, attempt_id=attempt_id, provider=provider, amount_minor=amount_minor)
    return attempt_id


def _fall_and_pay(play: Play, home: town.Home) -> str:
    stage = play.stage
    _watch_falling(play, home)
    play.tell(f"[bold]{home.supply_point}[/] [red]relay open[/]: the balance is used up")
    attempt_id = _sale(stage, home, provider="wechat", amount_minor=AMOUNT_MINOR)
    reference = stage.recharge_facts(attempt_id)["reference"]
    stage.pay(reference)
    play.tell(f"[bold]{home.supply_point}[/] pays {_money(AMOUNT_MINOR)} by WeChat")
    _wait_for_power(play, home, attempt_id, quiet=False)
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
            play.tell(f"  {home.supply_point} balance {_money(row['balance_minor'])}{warned}")
        return False

    stage.wait_for(f"{home.supply_point} to use up its balance", is_off, within=FALL_WITHIN)


def _wait_for_power(play: Play, home: town.Home, attempt_id: str, *, quiet: bool) -> None:
    stage = play.stage
    stage.wait_for(
        f"power at {home.supply_point}",
        lambda: stage.recharge_facts(attempt_id)["closed_at"] is not None,
        within=QUIET_WITHIN,
    )
    if not quiet:
        facts = stage.recharge_facts(attempt_id)
        seconds = _seconds(facts["paid_at"], facts["closed_at"])
        play.tell(
            f"[bold]{home.supply_point}[/] [green]relay closed[/]: power {seconds:.1f} s after the payment"
        )


def _promises(play: Play, *, before: Books) -> dict[str, dict[str, int]]:
    """Check every promise on the database, the meters and the provider, when the town is quiet."""
    stage = play.stage
    for home in stage.town.homes:
        stage.order({"order": "set_load", "meter_no": home.meter_no, "power_w": 0})
    verdicts: Mapping[str, Checked] = {}

    def is_kept() -> bool:
        nonlocal verdicts
        verdicts = inspection.check(stage, settled=True, before=before)
        return not promises.broken(verdicts)

    try:
        stage.wait_for("the town to be quiet", is_kept, within=QUIET_WITHIN)
    except NotInTime:
        for line in promises.broken(verdicts):
            play.tell(f"[red]broken[/] {line}")
    return {name: {"checked": each.checked, "broken": len(each.broken)} for name, each in verdicts.items()}


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


def _facts(home: town.Home, row: dict[str, Any]) -> dict[str, Any]:
    instants = {name: row[name] for name in ("paid_at", "posted_at", "credited_at", "closed_at")}
    return {
        "meter": home.meter_no,
        "road": home.road.value,
        "amount_minor": row["amount_minor"],
        "currency": row["currency"],
        **instants,
    }


def _is_good(facts: dict[str, Any]) -> bool:
    kept = all(each["broken"] == 0 for each in facts["promises"].values())
    fast = all(
        _seconds(each["paid_at"], each["closed_at"]) < POWER_WITHIN.total_seconds()
        for each in facts["recharges"]
    )
    return kept and fast


def _sum_up(play: Play, facts: dict[str, Any], *, good: bool) -> None:
    play.tell("all books, meters and payments are looked at:")
    for name, words in PROMISES.items():
        each = facts["promises"][name]
        mark = "[green]kept[/]" if each["broken"] == 0 else f"[red]broken {each['broken']} times[/]"
        play.tell(f"  {mark} {name} {words} [dim]({each['checked']} checked)[/]")
    for road in ("4g", "rs485"):
        seconds = sorted(
            _seconds(each["paid_at"], each["closed_at"])
            for each in facts["recharges"]
            if each["road"] == road
        )
        play.tell(
            f"{road}: payment to power {seconds[0]:.1f} to {seconds[-1]:.1f} s, {len(seconds)} recharges"
        )
    play.tell("[bold green]all as promised[/]" if good else "[bold red]not as promised[/]")


def _serve(play: Play) -> None:
    stage = play.stage
    for home in stage.town.homes:
        power_w = home.power_w // 10 if home.in_story else home.power_w
        stage.order({"order": "set_load", "meter_no": home.meter_no, "power_w": power_w})
    token = stage.town.homes[0].pay_token
    play.console.print(
        f"\n[bold]Console[/]      {stage.console_url}/"
        f"\n[bold]Sign in as[/]   {PERSONS[0]} / {stage.password}"
        f"\n[bold]or as[/]        {PERSONS[1]} / {stage.password}   [dim]a tariff needs two persons[/]"
        f"\n[bold]Pay page[/]     {stage.console_url}/p/{token}"
        f"\n[bold]Its wallet[/]   {stage.provider_url}/sim/   no QR to scan: press Pay there"
        f"\n[bold]Machines[/]     {stage.console_url}/api/docs   key {stage.api_key}"
        f"\n[bold]Status[/]       COMPUERTA_DATA={stage.directory} .venv/bin/compuerta status"
        f"\n[bold]Logs[/]         {stage.crew.logs}\n\nCtrl-C ends it.",
        soft_wrap=True,
    )
    try:
        while True:
            stage.tend()
            time.sleep(1)
    except KeyboardInterrupt:
        play.tell("ending")


def _seconds(start: str | None, end: str | None) -> float:
    if start is None or end is None:
        return float("inf")
    return (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()


def _money(amount_minor: int) -> str:
    return f"{format_minor(amount_minor, currency=town.CURRENCY)} {town.CURRENCY}"


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    # Once: a second Ctrl-C would interrupt the ending, and leave processes behind.
    for number in ENDINGS:
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt
