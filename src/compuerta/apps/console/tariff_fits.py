"""Where a version is, or could be: in meters, in the platform; and which meter cannot hold it, and why."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from compuerta.apps import config, wiring
from compuerta.apps.console import labels, tariff_reads, tariff_words, work
from compuerta.apps.console.tariff_reads import BilledRow, VersionRow
from compuerta.drivers.model import Model
from compuerta.services import rollout
from compuerta.services.rollout import Stand

REASONS_SHOWN_MAX = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """An account whose meter does not deduct by a version yet."""

    account: BilledRow
    stand: str
    reasons: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitting:
    """Whether the meters of a model could deduct by a version that nobody has approved yet."""

    model: str
    meters: int
    reasons: Sequence[str]


def spread(organisation_id: int, version: VersionRow, *, now: datetime) -> dict[str, object]:
    """Return how many have a version and who does not; before it is approved, which meters could have it."""
    if version.stands in ("draft", "proposed", "withdrawn"):
        fits = _fits(version, now=now)
        return {"fits": fits, "unfit": sum(each.meters for each in fits if each.reasons)}
    key = (version.tariff_id, version.version_no)
    found = work.run(lambda store: rollout.rollout(store, key, models=models(), now=now))
    accounts = {each.account_id: each for each in tariff_reads.metered(organisation_id, now=now)}
    missing = [
        Missing(account=accounts[each.account_id], stand=each.stand.value, reasons=told(each.reasons))
        for each in found.meters
        if each.stand is not Stand.CONFIRMED and each.account_id in accounts
    ]
    reached = len(found.meters) + found.by_platform
    return {
        "reached": reached,
        "confirmed": reached - len(missing),
        "by_platform": found.by_platform,
        "missing": missing,
    }


@lru_cache(maxsize=1)
def models() -> Mapping[str, Model]:
    """Return the meter models of this installation."""
    return wiring.models(config.settings())


def _fits(row: VersionRow, *, now: datetime) -> list[Fitting]:
    version = tariff_reads.to_version(row)
    found = work.run(lambda store: rollout.fits(store, version, models=models(), now=now))
    return [
        Fitting(model=each.model, meters=each.meters, reasons=told([one.reason for one in each.misfits]))
        for each in found
    ]


def told(reasons: Sequence[str]) -> list[str]:
    """Return reasons in the reader's language, each once."""
    found = (labels.word(each) if each in labels.WORDS else tariff_words.fault_told(each) for each in reasons)
    return list(dict.fromkeys(found))[:REASONS_SHOWN_MAX]
