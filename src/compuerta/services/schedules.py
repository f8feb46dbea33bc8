"""Schedules kept in memory: versions never change, so each is read and compiled once per process.

A tariff's generation grows with every decision on one of its versions; who sees another generation than the
one kept reads the versions anew.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from compuerta.domain.tariff.schedule import Schedule, Version, joined
from compuerta.services.records import TariffVersion, VersionState

# More than the tariffs and sites of any organisation; beyond it the memory begins anew.
SCHEDULES_MAX = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Billing:
    """By what an account is billed: (instant from which, tariff id, generation), rising, at a zone."""

    zone: str
    assignments: tuple[tuple[datetime | None, int, int], ...]


class Schedules:
    """This will hold the schedules of one process."""

    def __init__(self) -> None:
        self._made: dict[Billing, Schedule] = {}
        self._versions: dict[tuple[int, int], tuple[Version, ...]] = {}

    def of(
        self, billings: Iterable[Billing], *, read: Callable[[Sequence[int]], Iterable[TariffVersion]]
    ) -> Mapping[Billing, Schedule]:
        """Return the schedule of each; `read` fetches the versions of tariffs that are not known."""
        wanted = set(billings)
        missing = [billing for billing in wanted if billing not in self._made]
        if missing:
            self._learn(missing, read)
        found = {billing: self._made[billing] for billing in wanted}
        if len(self._made) > SCHEDULES_MAX:
            self._made.clear()
            self._versions.clear()
        return found

    def _learn(
        self, missing: Sequence[Billing], read: Callable[[Sequence[int]], Iterable[TariffVersion]]
    ) -> None:
        wanted = {
            (tariff_id, generation) for each in missing for _, tariff_id, generation in each.assignments
        }
        unknown = wanted - self._versions.keys()
        approved: dict[int, list[Version]] = {tariff_id: [] for tariff_id, _ in unknown}
        for row in read(sorted(approved)) if approved else ():
            if row.state is VersionState.APPROVED:
                approved[row.version.tariff_id].append(row.version)
        # A decision between two looks shows one tariff in two generations: what is read now serves both.
        for tariff_id, generation in unknown:
            self._versions[tariff_id, generation] = tuple(approved[tariff_id])
        for billing in missing:
            versions_of = {
                tariff_id: self._versions[tariff_id, generation]
                for _, tariff_id, generation in billing.assignments
            }
            rows = [(start, tariff_id) for start, tariff_id, _ in billing.assignments]
            self._made[billing] = joined(rows, versions_of, zone=billing.zone)
