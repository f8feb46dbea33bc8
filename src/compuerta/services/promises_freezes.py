"""The promise T2 as a check of midnights: what is told is what the meter froze, and what it keeps is told."""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime

from compuerta.domain.party import zone_of
from compuerta.drivers.abilities import NOT_FROZEN
from compuerta.services.facts import View, unless
from compuerta.services.freeze_port import FINAL, VALID, DayKey, DayStep, Freeze, FreezeBasis, SiteDay


def t2(view: View) -> Iterator[str | None]:
    """T2 A day that is done counts its freezes as they are, and no freeze is zero for want of an answer."""
    last = last_versions(view)
    counted = Counter((DayKey(each.site_id, each.day), each.basis) for each in last)
    for day in view.books.site_days:
        if day.step is DayStep.DONE:
            is_so = (
                sum(counted[day.key, basis] for basis in VALID),
                counted[day.key, FreezeBasis.PROVISIONAL],
                counted[day.key, FreezeBasis.MISSING],
            )
            told = (day.valid, day.provisional, day.missing)
            yield unless(
                told == is_so, f"site {day.site_id}: {day.day} counts {told}, its freezes are {is_so}"
            )
    for each in last:
        is_right = (each.basis is FreezeBasis.MISSING) <= (each.energy_wh is None)
        yield unless(is_right, f"meter {each.meter_id}: {each.day} is missing, and {each.energy_wh} Wh")


def t2_settled(view: View) -> Iterator[str | None]:
    """T2 A meter's midnight is as the meter froze it; what it keeps and nobody told is not forgotten."""
    days = {each.key: each for each in view.books.site_days if each.step is DayStep.DONE}
    facts = {meter.meter_id: fact for _, meter, fact in view.metered()}
    for each in last_versions(view):
        day, fact = days.get(DayKey(each.site_id, each.day)), facts.get(each.meter_id)
        kept_wh = None if day is None or fact is None else fact.midnights.get(_midnight(day))
        if kept_wh is not None:
            yield _told(each, kept_wh)


def last_versions(view: View) -> list[Freeze]:
    """Return the last version of each freeze, by meter and day."""
    versions = sorted(view.books.freezes, key=lambda each: each.version)
    last = {(each.meter_id, each.day): each for each in versions}
    return [each for _, each in sorted(last.items())]


def _told(freeze: Freeze, kept_wh: int) -> str | None:
    name = f"meter {freeze.meter_id}: its midnight of {freeze.day}"
    if freeze.basis is FreezeBasis.METER:
        return unless(freeze.energy_wh == kept_wh, f"{name} is {kept_wh} Wh, and we say {freeze.energy_wh}")
    is_lost = not freeze.is_told and (freeze.reason not in FINAL or freeze.reason == NOT_FROZEN)
    return unless(not is_lost, f"{name} is {kept_wh} Wh, and we have {freeze.basis.value}: {freeze.reason}")


def _midnight(day: SiteDay) -> datetime:
    """Return the midnight that ends a day, as clocks show it: naive."""
    return day.ends_at.astimezone(zone_of(day.zone)).replace(tzinfo=None)
