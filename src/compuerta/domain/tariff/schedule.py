"""Which version of which tariff an account is billed by, and what its calendars say at the account's site."""

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from compuerta.domain.party import zone_of
from compuerta.domain.tariff.civil import Almanac, Run, civil_us, from_us, to_us
from compuerta.domain.tariff.components import Tariff, Terms

VersionKey = tuple[int, int]  # (tariff id, version number)
# (instant from which, terms), rising: what a contract says changes only where a bill begins.
Agreed = tuple[tuple[datetime, Terms], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """A tariff as it holds from an instant of local civil time; never changed once it is approved."""

    tariff_id: int
    version_no: int
    effective_from: datetime  # naive: the site's wall clock
    tariff: Tariff

    @property
    def key(self) -> VersionKey:
        """What tells this version from all others."""
        return self.tariff_id, self.version_no


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of time with one version and one period."""

    start_us: int
    end_us: int
    version: Version
    period: int


class Schedule:
    """The versions in force for an account, by rising instants. One object serves all accounts alike."""

    __slots__ = ("_almanacs", "_starts_us", "_versions", "by_key", "zone")

    def __init__(self, *, zone: str, versions: tuple[tuple[datetime, Version], ...]) -> None:
        """Take (UTC instant from which, version); the first holds also before its instant."""
        assert versions, "an account without a tariff cannot be billed"
        self.zone = zone_of(zone)
        self._starts_us = [to_us(start) for start, _ in versions]
        assert self._starts_us == sorted(self._starts_us), "versions are given in order"
        self._versions = tuple(version for _, version in versions)
        self.by_key = {version.key: version for version in self._versions}
        self._almanacs = {
            version.key: (
                Almanac(version.tariff.energy.calendar, zone=self.zone),
                *(Almanac(demand.calendar, zone=self.zone) for demand in version.tariff.demands),
            )
            for version in self._versions
        }

    def version_at(self, instant_us: int) -> Version:
        """Return the version in force at an instant."""
        return self._versions[max(bisect_right(self._starts_us, instant_us) - 1, 0)]

    def reign_at(self, instant_us: int) -> tuple[int | None, int | None]:
        """Return from when until when the version of an instant holds; None = none is before it, or after it.

        An account that comes back to a tariff has the same version again, for another time; one that only
        gets other terms goes on by it.
        """
        first = last = max(bisect_right(self._starts_us, instant_us) - 1, 0)
        key = self._versions[first].key
        while first and self._versions[first - 1].key == key:
            first -= 1
        while last + 1 < len(self._versions) and self._versions[last + 1].key == key:
            last += 1
        start_us = self._starts_us[first] if first else None
        return start_us, self._starts_us[last + 1] if last + 1 < len(self._versions) else None

    def entries(self) -> Iterator[tuple[datetime, Version]]:
        """Yield the versions with the UTC instants from which they hold, rising."""
        for start_us, version in zip(self._starts_us, self._versions, strict=True):
            yield from_us(start_us), version

    def period_at(self, instant_us: int) -> int:
        """Return the energy period at an instant."""
        return self._almanacs[self.version_at(instant_us).key][0].run_at(instant_us).period

    def demand_run(self, version: Version, demand: int, instant_us: int) -> Run:
        """Return the run of a demand component's own calendar."""
        return self._almanacs[version.key][1 + demand].run_at(instant_us)

    def pieces(self, start_us: int, end_us: int) -> Iterator[Piece]:
        """Cut [start, end) wherever the period, the local day or the version changes."""
        while start_us < end_us:
            at = max(bisect_right(self._starts_us, start_us) - 1, 0)
            version = self._versions[at]
            run = self._almanacs[version.key][0].run_at(start_us)
            until_us = min(run.end_us, end_us)
            if at + 1 < len(self._starts_us):
                until_us = min(until_us, self._starts_us[at + 1])
            yield Piece(start_us, until_us, version, run.period)
            start_us = until_us


def terms_at(agreed: Agreed, instant: datetime) -> Terms:
    """Return the terms that hold at an instant; the first hold also before theirs."""
    found = agreed[0][1] if agreed else Terms()
    for start, terms in agreed:
        if start <= instant:
            found = terms
    return found


def in_force(versions: Sequence[Version], *, zone: str) -> Schedule:
    """Return the schedule of one tariff's versions at a site."""
    tariff_id = versions[0].tariff_id
    return joined([(None, tariff_id)], {tariff_id: tuple(versions)}, zone=zone)


def joined(
    assignments: Sequence[tuple[datetime | None, int]],
    versions: Mapping[int, tuple[Version, ...]],
    *,
    zone: str,
) -> Schedule:
    """Return the schedule of an account that was given one tariff after the other.

    `assignments` are (instant from which, tariff id), rising; the first begins with the account (None).
    """
    place = zone_of(zone)
    entries: list[tuple[datetime, Version]] = []
    for at, (start, tariff_id) in enumerate(assignments):
        end = assignments[at + 1][0] if at + 1 < len(assignments) else None
        rising = sorted(
            ((from_us(civil_us(each.effective_from, zone=place)), each) for each in versions[tariff_id]),
            key=lambda entry: entry[0],
        )
        if start is not None:
            earlier = [entry for entry in rising if entry[0] <= start] or rising[:1]
            rising = [(start, earlier[-1][1]), *(entry for entry in rising if entry[0] > start)]
        entries += [entry for entry in rising if end is None or entry[0] < end]
    return Schedule(zone=zone, versions=tuple(entries))
