"""What screens tell of roads: when what a meter has to do can reach it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from compuerta.adapters.postgres.road_figures import ACCOUNT_ENDS, account_expects
from compuerta.apps.console.reads import rows
from compuerta.apps.console.use_reads import reader
from compuerta.domain import wording
from compuerta.domain.party import zone_of
from compuerta.services.expecting import Prospect


@dataclass(frozen=True, slots=True, kw_only=True)
class _End:
    """One way's end, as the database has it; None = it never came."""

    is_alive: bool | None
    changed_at: datetime | None
    contact_at: datetime | None
    next_contact_at: datetime | None
    lost_reason: str | None
    is_awaited: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Coming:
    """That something does not go at once, and about when it will; `told` is "" where nobody knows."""

    sleeps: bool  # else its road is dead, since `told`
    told: str


_FIELDS: Final = tuple(_End.__dataclass_fields__)


def coming(account_id: int, *, zone: str, now: datetime, is_awaited: bool = True) -> Coming | None:
    """Return what to tell who waits for a meter; None = it goes at once, or nothing is under way.

    Without `is_awaited` it is told what a recharge would meet that is not paid yet.
    """
    found = rows(_End, ACCOUNT_ENDS, {"account_id": account_id})
    ends = [{name: getattr(each, name) for name in _FIELDS} for each in found]
    awaited = account_expects(ends, now=now, is_awaited=is_awaited)
    if awaited is None or awaited.prospect is Prospect.NOW:
        return None
    told = ""
    if awaited.at is not None:
        told = wording.instant(awaited.at, zone=zone_of(zone), now=now, language=reader())
    return Coming(sleeps=awaited.prospect is Prospect.AT_CONTACT, told=told)
