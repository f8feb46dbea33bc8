"""Feeders, what hangs behind them, and the map of what is lost."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import uuid4

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from compuerta.apps import wiring
from compuerta.apps.console import alarm_reads, histories, people, screens, work
from compuerta.apps.console.alarm_reads import BehindRow, FeederRow
from compuerta.apps.console.people import Person, for_people
from compuerta.apps.console.screens import show
from compuerta.apps.console.views.meters import act_id_of
from compuerta.domain.access import Place, Right
from compuerta.domain.errors import Refused, Unreachable
from compuerta.domain.losses import HourLoss, Suspect, lost_share
from compuerta.domain.party import AccountKind, zone_of
from compuerta.services import losses
from compuerta.services.losses import FeedingWish
from compuerta.services.records import AccountOpening

DAYS_SHOWN = 7
# Steps of a colour, by thousandths of what was fed; what wires lose is no colour.
SHADES = (30, 60, 100, 200, 400)


@dataclass(frozen=True, slots=True, kw_only=True)
class DayLine:
    """A day of the map, with its hours as cells."""

    day: date
    cells: list["Cell"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One hour of the map: how dark it is drawn, and its figures."""

    hour: HourLoss
    at: datetime
    shade: int  # 0 nothing lost, up; -1 = not known

    @property
    def percent(self) -> int | None:
        """The loss in hundredths of what was fed, for people."""
        permille = self.hour.share_permille
        return None if permille is None else (permille + 5) // 10


@for_people
def listing(request: HttpRequest, person: Person) -> HttpResponse:
    """Show the feeders, and the form that makes a meter one; make it when the form comes back."""
    if request.method == "POST":
        return _install(request, person)
    return _listing(request, person)


@for_people
def page(request: HttpRequest, person: Person, meter_id: int) -> HttpResponse:
    """Show the map of one feeder: hours by days, and who is looked at."""
    feeder = _feeder(person, meter_id)
    loss_map = work.run(
        lambda store: losses.loss_map(
            store,
            meter_id,
            organisation_id=person.organisation_id,
            days=DAYS_SHOWN,
            now=wiring.now(),
        )
    )
    behind = alarm_reads.behind(person.organisation_id, feeder)
    sums = lost_share(loss_map.hours)
    facts = {
        "feeder": feeder,
        "days": _days(loss_map.hours, zone=feeder.zone),
        "columns": range(24),
        "fed_wh": sums and sums[0],
        "lost_wh": sums and sums[1],
        "lost_percent": sums and sums[0] and (sums[1] * 100 + sums[0] // 2) // sums[0],
        "suspects": _named(loss_map.suspects, behind),
        "unknown": sum(hour.loss_wh is None for hour in loss_map.hours),
        "hours": len(loss_map.hours),
        "behind": behind,
        "may_act": _may(person, feeder),
        "act_id": uuid4(),
    }
    return show(request, person, "loss_map", facts, title=_("Losses"))


@require_POST
@for_people
def feed(request: HttpRequest, person: Person, meter_id: int) -> HttpResponse:
    """Write down which meters hang behind a feeder."""
    if not person.may(Right.ALARMS):
        raise PermissionDenied
    feeder = _feeder(person, meter_id)
    if not _may(person, feeder):
        raise PermissionDenied
    wish = FeedingWish(
        organisation_id=person.organisation_id,
        feeder_meter_id=meter_id,
        meter_ids=frozenset(
            int(each) for each in request.POST.getlist("meters") if each.isascii() and each.isdigit()
        ),
        audit_id=act_id_of(request),
    )
    actor = people.actor(request, person, why=request.POST.get("why", "").strip()[:500])
    try:
        if not histories.was_done(person.organisation_id, wish.audit_id):
            work.run(lambda store: losses.feed(store, wish, actor=actor, now=wiring.now()))
    except (Refused, Unreachable) as error:
        messages.error(request, screens.told(error))
    else:
        messages.success(request, _("Written down."))
    return redirect("loss_map", meter_id)


def _install(request: HttpRequest, person: Person) -> HttpResponse:
    if not person.may(Right.ALARMS):
        raise PermissionDenied
    typed = {
        name: request.POST.get(name, "").strip() for name in ("meter", "site", "name", "building", "why")
    }
    sites = {str(each.site_id): each for each in alarm_reads.sites(person.organisation_id)}
    free = {str(each.meter_id): each for each in alarm_reads.free_meters(person.organisation_id)}
    if typed["site"] not in sites or typed["meter"] not in free or not typed["name"]:
        return _listing(request, person, error=_("Choose a meter and a site, and write a name."))
    site, audit_id = sites[typed["site"]], act_id_of(request)
    if not person.may(Right.ALARMS, Place(organisation_id=person.organisation_id, site_id=site.site_id)):
        raise PermissionDenied
    opening = AccountOpening(
        site_id=site.site_id,
        kind=AccountKind.FEEDER,
        name=typed["name"][:100],
        supply_point=typed["name"][:100],
        building=typed["building"][:100],
        tariff_id=None,
        meter_id=free[typed["meter"]].meter_id,
        pay_token=uuid4(),
        opened_at=wiring.now(),
    )
    actor = people.actor(request, person, why=typed["why"][:500])
    try:
        work.run(
            lambda store: losses.install_feeder(
                store, opening, actor=actor, audit_id=audit_id, now=wiring.now()
            )
        )
    except (Refused, Unreachable) as error:
        return _listing(request, person, error=screens.told(error))
    return redirect("loss_map", free[typed["meter"]].meter_id)


def _listing(request: HttpRequest, person: Person, *, error: str = "") -> HttpResponse:
    context = {
        "feeders": alarm_reads.feeders(person.organisation_id),
        "sites": alarm_reads.sites(person.organisation_id),
        "free": alarm_reads.free_meters(person.organisation_id),
        "may_act": person.may(Right.ALARMS),
        "typed": request.POST,
        "error": error,
        "act_id": uuid4(),
    }
    return show(request, person, "losses", context, title=_("Losses"), status=422 if error else 200)


def _feeder(person: Person, meter_id: int) -> FeederRow:
    found = alarm_reads.feeder(person.organisation_id, meter_id)
    if found is None:
        raise Http404
    return found


def _may(person: Person, feeder: FeederRow) -> bool:
    place = Place(organisation_id=person.organisation_id, site_id=feeder.site_id, building=feeder.building)
    return person.may(Right.ALARMS, place)


def _days(hours: Sequence[HourLoss], *, zone: str) -> list[DayLine]:
    """Draw each hour into its local day; a day of 23 or 25 hours has as many cells."""
    place, days = zone_of(zone), dict[date, list[Cell]]()
    for hour in hours:
        at = hour.start.astimezone(place)
        days.setdefault(at.date(), []).append(Cell(hour=hour, at=at, shade=_shade(hour)))
    return [DayLine(day=day, cells=cells) for day, cells in sorted(days.items(), reverse=True)]


def _shade(hour: HourLoss) -> int:
    permille = hour.share_permille
    if permille is None:
        return 0 if hour.loss_wh == 0 else -1
    return sum(permille >= bound for bound in SHADES)


def _named(suspects: Sequence[Suspect], behind: Sequence[BehindRow]) -> list[tuple[Suspect, BehindRow]]:
    rows = {row.meter_id: row for row in behind}
    return [(suspect, rows[suspect.meter_id]) for suspect in suspects if suspect.meter_id in rows]
