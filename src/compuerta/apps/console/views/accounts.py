"""An account's months, an account as of an instant, and pictures of use: for staff."""

from collections.abc import Callable, Mapping
from datetime import date
from functools import partial
from types import MappingProxyType
from typing import Final

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache

from compuerta.apps import wiring
from compuerta.apps.console import (
    account_reads,
    explaining,
    receipts,
    screens,
    sheets,
    statement_pages,
    use_reads,
    work,
)
from compuerta.apps.console.people import Person, for_people
from compuerta.apps.console.screens import show
from compuerta.domain.access import Place, Right
from compuerta.domain.errors import Refused
from compuerta.domain.party import zone_of
from compuerta.services import asof, asof_sheet, energy_pictures, energy_sheet
from compuerta.services.energy_pictures import Picture, Stretch
from compuerta.services.history_port import Tenancy
from compuerta.services.local_instants import YEAR_MAX, YEAR_MIN, InstantTwice
from compuerta.services.receipt_sheet import clock
from compuerta.services.resident_sheet import Paths, resident_sheet

STRETCHES: Final[Mapping[Stretch, Promise]] = MappingProxyType(
    {
        Stretch.DAY: gettext_lazy("Day"),
        Stretch.WEEK: gettext_lazy("Week"),
        Stretch.MONTH: gettext_lazy("Month"),
        Stretch.YEAR: gettext_lazy("Year"),
    }
)
_FIRST_YEAR: Final = 2000


@never_cache
@for_people
def statement(request: HttpRequest, person: Person, account_id: int) -> HttpResponse:
    """Show a month of an account, or hand it out as a file."""
    _require(person, account_id, Right.SEE_MONEY)
    stated = statement_pages.stated(request, account_id)
    paths = Paths(
        day=lambda day: reverse("account_day", args=[account_id, day.isoformat()]),
        recharge=lambda recharge_id: reverse("receipt", args=[account_id, recharge_id]),
    )
    sheet = resident_sheet(stated, language=use_reads.reader(), paths=paths)
    if (file := statement_pages.file(request, sheet)) is not None:
        return file
    context = {
        **sheets.shown(sheet),
        **statement_pages.months(stated),
        "account_id": account_id,
        "sees_money": True,
        "meter_id": account_reads.meter_of(account_id),
    }
    return show(request, person, "account_statement", context, title=sheet.title)


@for_people
def of_day(request: HttpRequest, person: Person, account_id: int, day: str) -> HttpResponse:
    """Show what a day of an account has cost, line by line."""
    _require(person, account_id, Right.SEE_MONEY)
    tenancy, on = _tenancy(account_id), _date(day)
    bills = explaining.day(account_id, on, zone=tenancy.zone, now=wiring.now())
    if not bills:
        raise Http404
    context = {"bills": bills, "account_id": account_id, "month": day[:7], "day": on}
    return show(request, person, "account_day", context, title=f"{tenancy.place} · {day}")


@never_cache
@for_people
def as_of(request: HttpRequest, person: Person, account_id: int) -> HttpResponse:
    """Show what we believed of an account at an instant, and what we know of it now."""
    _require(person, account_id, Right.SEE)
    tenancy, now = _tenancy(account_id), wiring.now()
    text = request.GET.get("at", "").strip()[:40] or f"{now.astimezone(zone_of(tenancy.zone)):%Y-%m-%dT%H:%M}"
    turn = {"0": 0, "1": 1}.get(request.GET.get("turn", ""))
    context: dict[str, object] = {
        "tenancy": tenancy,
        "account_id": account_id,
        "sees_money": _may(person, account_id, Right.SEE_MONEY),
        "meter_id": account_reads.meter_of(account_id),
        "at": text[:16],
    }
    try:
        at = work.run(lambda store: asof.instant_at(store, account_id, text, turn=turn))
        found = work.run(lambda store: asof.as_of(store, account_id, at=at, now=now))
    except InstantTwice as refusal:
        zone = zone_of(tenancy.zone)
        context["twice"] = [(number, clock(each, zone=zone)) for number, each in enumerate(refusal.instants)]
    except Refused as refusal:
        context["error"] = screens.told(refusal)
    else:
        context |= sheets.shown(asof_sheet.asof_sheet(found, language=use_reads.reader()))
    status = 422 if "error" in context else 200
    return show(request, person, "as_of", context, title=f"{tenancy.place} · {_('As of')}", status=status)


@never_cache
@for_people
def energy(request: HttpRequest, person: Person, account_id: int) -> HttpResponse:
    """Show pictures of an account's use: a day, a week, a month, a year."""
    _require(person, account_id, Right.SEE)
    tenancy = _tenancy(account_id)
    make = partial(energy_pictures.account_picture, account_id=account_id)
    context = {
        **_pictured(request, tenancy.zone, make),
        "account_id": account_id,
        "meter_id": account_reads.meter_of(account_id),
        "sees_money": _may(person, account_id, Right.SEE_MONEY),
    }
    return show(request, person, "energy", context, title=f"{tenancy.place} · {_('Use')}")


@never_cache
@for_people
def site_energy(request: HttpRequest, person: Person, site_id: int) -> HttpResponse:
    """Show pictures of the use of a site's accounts together."""
    sites = account_reads.sites(person.organisation_id)
    site = next((each for each in sites if each.site_id == site_id), None)
    here = Place(organisation_id=person.organisation_id, site_id=site_id)
    if site is None or not person.may(Right.SEE, here):
        raise Http404
    make = partial(energy_pictures.site_picture, site_id=site_id)
    context = _pictured(request, site.zone, make, of_site=True)
    return show(request, person, "energy", context, title=f"{site.name} · {_('Use')}")


def _require(person: Person, account_id: int, right: Right) -> None:
    if not _may(person, account_id, right):
        raise PermissionDenied


def _may(person: Person, account_id: int, right: Right) -> bool:
    place = receipts.place_of(person.organisation_id, account_id)
    if place is None:
        raise Http404
    return person.may(right, place)


def _tenancy(account_id: int) -> Tenancy:
    with work.store() as store, store.transaction() as tx:
        found = tx.histories.tenancy(account_id)
    if found is None:
        raise Http404
    return found


def _date(text: str) -> date:
    try:
        found = date.fromisoformat(text)
    except ValueError:
        raise Http404 from None
    if not YEAR_MIN <= found.year <= YEAR_MAX:
        raise Http404
    return found


def _pictured(
    request: HttpRequest, zone: str, make: Callable[..., Picture], *, of_site: bool = False
) -> dict[str, object]:
    """Return what `energy.html` shows around the day that is asked for; today, where none is."""
    now = wiring.now()
    wanted = request.GET.get("stretch", Stretch.MONTH.value)
    stretch = next((each for each in Stretch if each.value == wanted), Stretch.MONTH)
    today = now.astimezone(zone_of(zone)).date()
    on = _date(request.GET.get("on") or today.isoformat())
    if not _FIRST_YEAR <= on.year <= today.year:
        raise Http404
    picture = work.run(lambda store: make(store, stretch=stretch, day=on, now=now))
    return {
        **sheets.shown(energy_sheet.energy_sheet(picture, language=use_reads.reader(), of_site=of_site)),
        "stretches": [(each.value, STRETCHES[each]) for each in Stretch],
        "stretch": stretch.value,
        "on": on,
        "picture": picture,
        "has_after": picture.after <= today,
    }
