"""Playing: what all stories share: who is told, sales, amounts, and the look at every promise at the end."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from rich.console import Console

from compuerta.apps import inspection, town, wiring
from compuerta.apps.stage import NotInTime, Stage
from compuerta.domain.money import format_minor
from compuerta.services import promises
from compuerta.services.promises import Books, Checked

QUIET_WITHIN = timedelta(seconds=60)
# What the trade promises, from payment to power.
POWER_WITHIN = timedelta(seconds=10)


@dataclass(slots=True, kw_only=True)
class Play:
    """A story on its stage, and who is told of it."""

    stage: Stage
    console: Console

    def tell(self, text: str) -> None:
        """Say what happens, with the time of day where the reader is."""
        self.console.print(f"[dim]{wiring.now().astimezone():%H:%M:%S}[/] {text}")


def sale(stage: Stage, home: town.Home, *, provider: str, amount_minor: int) -> str:
    """Order a recharge; returns its attempt id."""
    attempt_id = str(uuid4())
    stage.recharge(home, attempt_id=attempt_id, provider=provider, amount_minor=amount_minor)
    return attempt_id


def wait_for_power(play: Play, home: town.Home, attempt_id: str, *, within: timedelta = QUIET_WITHIN) -> None:
    """Wait until a recharge has brought power."""
    play.stage.wait_for(
        f"power at {home.supply_point}",
        lambda: play.stage.recharge_facts(attempt_id)["closed_at"] is not None,
        within=within,
    )


def checked_promises(play: Play, *, before: Books) -> dict[str, dict[str, Any]]:
    """Check every promise on the database, the meters, provider and carriers, when the town is quiet."""
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
    return {name: _verdict(each) for name, each in verdicts.items()}


def _verdict(each: Checked) -> dict[str, Any]:
    counted: dict[str, Any] = {"checked": each.checked, "broken": len(each.broken)}
    return {**counted, "lines": each.broken} if each.broken else counted


def recharge_facts(home: town.Home, row: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a story tells of a recharge: on which road, how much, and its four instants."""
    instants = {name: row[name] for name in ("paid_at", "posted_at", "credited_at", "closed_at")}
    return {
        "meter": home.meter_no,
        "road": row["road"] or home.road.value,
        "endpoint_id": row["endpoint_id"],
        "amount_minor": row["amount_minor"],
        "currency": row["currency"],
        **instants,
    }


def is_fast(recharge: Mapping[str, Any]) -> bool:
    """Tell whether a recharge brought power as soon as the trade promises."""
    return seconds(recharge["paid_at"], recharge["closed_at"]) < POWER_WITHIN.total_seconds()


def seconds(start: str | None, end: str | None) -> float:
    """Return the seconds between two instants; what never happened is endlessly late."""
    if start is None or end is None:
        return float("inf")
    return (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()


def money(amount_minor: int) -> str:
    """Return an amount as people read it."""
    return f"{format_minor(amount_minor, currency=town.CURRENCY)} {town.CURRENCY}"
