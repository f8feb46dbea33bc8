"""What people do with tariffs: drafts from several beginnings, saving, proposing, deciding."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path
from uuid import UUID

from django.utils.translation import gettext as _

from compuerta.adapters.tariffs import load_tariffs
from compuerta.apps import wiring
from compuerta.apps.console import tariff_fits, tariff_reads, work
from compuerta.apps.console.tariff_reads import VersionRow
from compuerta.domain.errors import Refused
from compuerta.domain.party import zone_of
from compuerta.domain.tariff.checking import refuse_faults
from compuerta.domain.tariff.components import Tariff
from compuerta.domain.tariff.document import tariff_from
from compuerta.domain.tariff.flat import flat_tariff
from compuerta.domain.tariff.schedule import VersionKey
from compuerta.domain.tariff.urdb import tariff_from_urdb
from compuerta.services import rollout, tariffing
from compuerta.services.acting import Actor

LIBRARY = Path(__file__).parents[4] / "tariffs"
SAME_NAME_MAX = 20


class FileUnreadable(Refused):
    """A file that is no JSON."""

    def __init__(self) -> None:
        super().__init__("this file is no JSON of one rate")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """A tariff of the library, as the list offers it."""

    key: str
    name: str
    currency: str
    periods: int


def library() -> list[Ready]:
    """Return what the library offers."""
    return [
        Ready(key=key, name=each.name, currency=each.currency, periods=len(each.energy.periods))
        for key, each in _library().items()
    ]


def draft_ready(key: str, organisation_id: int, *, actor: Actor) -> VersionKey:
    """Begin a tariff like one of the library, or of one price where the library has none of that name."""
    home = tariff_reads.home(organisation_id)
    tariff = _library().get(key) or _one_price(home.currency)
    return _begin(tariff, organisation_id, actor=actor)


def _one_price(currency: str) -> Tariff:
    """Return the simplest tariff, in the words of who begins it: they come onto bills."""
    flat = flat_tariff("1.00", currency=currency, name=_("One price"))
    period = replace(flat.energy.periods[0], name=_("all day"))
    return replace(flat, components=(replace(flat.energy, name=_("Energy"), periods=(period,)),))


def draft_urdb(text: bytes, organisation_id: int, *, actor: Actor) -> VersionKey:
    """Begin a tariff from a rate of the OpenEI database."""
    try:
        rate = json.loads(text)
    except (ValueError, RecursionError):
        raise FileUnreadable from None
    # The service's answer holds a list; a saved rate is the item alone.
    items = rate.get("items") if isinstance(rate, dict) else None
    rate = items[0] if isinstance(items, list) and items else rate
    if not isinstance(rate, dict):
        raise FileUnreadable
    tariff = tariff_from_urdb(rate)
    refuse_faults(tariff)
    return _begin(tariff, organisation_id, actor=actor)


def draft_like(version: VersionRow, *, actor: Actor) -> VersionKey:
    """Begin the next version of a tariff, like one that is there."""
    tariff, now = tariff_from(version.document), wiring.now()
    effective_from = max(next_month(version.zone, now=now), version.effective_from)
    return work.run(
        lambda store: tariffing.draft(
            store, tariff, tariff_id=version.tariff_id, effective_from=effective_from, actor=actor, now=now
        )
    )


def save(draft: VersionRow, tariff: Tariff, *, effective_from: datetime, actor: Actor) -> None:
    """Write a draft anew."""
    key = (draft.tariff_id, draft.version_no)
    work.run(
        lambda store: tariffing.redraft(
            store, tariff, key=key, effective_from=effective_from, actor=actor, now=wiring.now()
        )
    )


def approve(key: VersionKey, *, actor: Actor, act_id: UUID, by_hand: bool) -> None:
    """Approve a version; with `by_hand` each meter that cannot hold it becomes a case."""
    work.run(
        lambda store: tariffing.approve(
            store,
            key,
            actor=actor,
            act_id=act_id,
            models=tariff_fits.models(),
            now=wiring.now(),
            by_hand=by_hand,
        )
    )


def tell(key: VersionKey, *, actor: Actor, act_id: UUID) -> None:
    """Tell the meters that lack an approved version, and that nothing is open for."""
    work.run(
        lambda store: rollout.send_again(
            store, key, actor=actor, act_id=act_id, models=tariff_fits.models(), now=wiring.now()
        )
    )


def next_month(zone: str, *, now: datetime) -> datetime:
    """Return when the site's next month begins: by its wall clock."""
    here = now.astimezone(zone_of(zone))
    later = here.replace(day=1) + timedelta(days=32)
    return later.replace(day=1, hour=0, minute=0, second=0, microsecond=0, tzinfo=None)


def last_month(zone: str, *, now: datetime) -> datetime:
    """Return when the site's last month began."""
    here = now.astimezone(zone_of(zone))
    earlier = here.replace(day=1) - timedelta(days=1)
    return earlier.replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def _begin(tariff: Tariff, organisation_id: int, *, actor: Actor) -> VersionKey:
    """Begin a line of versions; a name that is taken gets a number."""
    home = tariff_reads.home(organisation_id)
    taken, now = tariff_reads.names(organisation_id), wiring.now()
    tried = (tariff.name, *(f"{tariff.name} {number}" for number in range(2, SAME_NAME_MAX)))
    name = next((each for each in tried if each not in taken), tariff.name)
    named = replace(tariff, name=name)
    return work.run(
        lambda store: tariffing.begin(
            store,
            named,
            organisation_id=organisation_id,
            effective_from=next_month(home.zone, now=now),
            actor=actor,
            now=now,
        )
    )


@lru_cache(maxsize=1)
def _library() -> Mapping[str, Tariff]:
    return load_tariffs(LIBRARY)
