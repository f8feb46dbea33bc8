"""The adviser: a site drawn or brought as a table, the roads chosen for it, and plans that are kept."""

import csv
import io
from collections.abc import Mapping
from dataclasses import fields
from threading import Lock
from typing import Final
from uuid import UUID, uuid4

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from compuerta.adapters.postgres.store import PostgresStore
from compuerta.apps import wiring
from compuerta.apps.console import board_reads, plan_reads, plan_words, screens, work
from compuerta.apps.console.people import Person, for_people
from compuerta.apps.console.screens import show
from compuerta.apps.console.views.meters import act_id_of
from compuerta.domain.access import Right
from compuerta.domain.advice import PPM, Practice, Prices, Target
from compuerta.domain.errors import Refused, Unreachable
from compuerta.domain.money import MINOR_DIGITS, format_minor
from compuerta.services import advice_csv, planning
from compuerta.services.advice_csv import TableRefused
from compuerta.services.plan_port import RoadPlan
from compuerta.services.planning import PlanWish

PLANS_SHOWN_MAX = 30
NAME_MAX = 80
TABLE_MAX = 1_000_000  # characters
_FIELD_MAX = 20
_SECONDS_MAX, _PERCENT_MAX = 3_600, 100
_USUAL = "place,building,floor,x_m,y_m,meters,rsrp_4g_dbm,rsrp_nb_dbm,lan"
# A search takes all of the machine for some seconds; those who come meanwhile are asked to come again.
_ONE_AT_A_TIME: Final = Lock()


class AdviserBusy(Unreachable):
    """Somebody else's plan is being searched for."""


@for_people
def listing(request: HttpRequest, person: Person) -> HttpResponse:
    """Show the plans that are kept, and the form for another; make one when the form comes back."""
    _require(person)
    asked = _asked(request, person)
    context: dict[str, object] = {"asked": asked, "act_id": uuid4()}
    if request.method == "POST":
        try:
            return _make(request, person, asked)
        except TableRefused as refused:
            context["faults"] = [(each, plan_words.wrong(each)) for each in refused.complaints]
        except AdviserBusy:
            context["error"] = _("Another plan is being searched for: try again in some seconds.")
        except (Refused, Unreachable) as error:
            context["error"] = screens.told(error)
    ours = person.organisation_id
    context |= {
        "plans": work.run(lambda store: _latest(store, ours)),
        "sites": board_reads.sites(ours),
        "currencies": sorted(MINOR_DIGITS),
        "prices": [(name, label, asked[name]) for name, label in plan_words.PRICES.items()],
        "practice": [(name, label, asked[name]) for name, label in plan_words.PRACTICE.items()],
    }
    return show(request, person, "plans", context, title=_("Adviser"))


@for_people
def page(request: HttpRequest, person: Person, plan_id: UUID) -> HttpResponse:
    """Show a plan: its picture, its bill, what else there would be, and why."""
    plan = _one(person, plan_id)
    return show(request, person, "plan", {"plan": plan, **plan_reads.shown(plan)}, title=plan.name)


@for_people
def table(request: HttpRequest, person: Person, plan_id: UUID) -> HttpResponse:
    """Return the table of a plan's site, to be changed and brought again."""
    plan = _one(person, plan_id)
    response = HttpResponse(plan.site_table, content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = 'attachment; filename="site.csv"'
    return response


@require_POST
@for_people
def forget(request: HttpRequest, person: Person, plan_id: UUID) -> HttpResponse:
    """Delete a plan."""
    _one(person, plan_id)
    work.run(lambda store: _forget(store, person.organisation_id, plan_id))
    messages.success(request, _("The plan is deleted."))
    return redirect("plans")


def _make(request: HttpRequest, person: Person, asked: Mapping[str, str]) -> HttpResponse:
    # The solver is large, and only who plans pays for it.
    from compuerta.adapters.solver.search import solve

    wish = PlanWish(
        plan_id=act_id_of(request),
        organisation_id=person.organisation_id,
        name=asked["name"] or _("Site"),
        site_table=asked["table"],
        price_table=_price_table(asked),
        target=_target(asked),
        made_by=person.name,
    )
    if not _ONE_AT_A_TIME.acquire(blocking=False):
        raise AdviserBusy
    try:
        work.run(
            lambda store: planning.plan(store, wish, solve=solve, words=plan_words.DRAWN, now=wiring.now())
        )
    finally:
        _ONE_AT_A_TIME.release()
    return redirect("plan", wish.plan_id)


def _asked(request: HttpRequest, person: Person) -> dict[str, str]:
    """Return the form as it came; the usual prices, and a site that stands, where it did not."""
    asked = {"name": "", "table": "", "latency_s": "10", "success_percent": "98", "currency": "CNY"}
    asked |= {
        each.name: format_minor(getattr(Prices(), each.name), currency="CNY")
        for each in fields(Prices)
        if each.name != "currency"
    }
    asked |= {name: str(getattr(Practice(), name)) for name in plan_words.PRACTICE}
    if request.method == "POST":
        came = {name: request.POST.get(name, "").strip()[:_FIELD_MAX] for name in asked}
        typed = request.POST.get("table", "")[:TABLE_MAX].replace("\r\n", "\n")
        came["table"] = _file(request) or typed
        return {
            **came,
            "name": request.POST.get("name", "").strip()[:NAME_MAX],
            "table": _file(request) or typed,
        }
    site = request.GET.get("site", "")
    asked["table"] = _standing(person, int(site)) if site.isascii() and site.isdecimal() else f"{_USUAL}\n"
    return asked


def _standing(person: Person, site_id: int) -> str:
    hung = plan_reads.hung(person.organisation_id, site_id)
    spots = work.run(lambda store: planning.standing_site(store, hung, now=wiring.now()))
    written = io.StringIO()
    csv.writer(written, lineterminator="\n").writerows(advice_csv.write_site(spots))
    return written.getvalue()


def _file(request: HttpRequest) -> str:
    came = request.FILES.get("file")
    if came is None or not came.size or came.size > TABLE_MAX:
        return ""
    text: str = came.read().decode("utf-8-sig", errors="replace")
    return text.replace("\r\n", "\n")


def _price_table(asked: Mapping[str, str]) -> str:
    named = ["currency", *plan_words.PRICES, *plan_words.PRACTICE]
    written = io.StringIO()
    rows = [(name, asked[name]) for name in named if asked[name]]
    csv.writer(written, lineterminator="\n").writerows([("what", "value"), *rows])
    return written.getvalue()


def _target(asked: Mapping[str, str]) -> Target:
    return Target(
        latency_ms=1000 * _whole(asked["latency_s"], 10, most=_SECONDS_MAX),
        success_ppm=_whole(asked["success_percent"], 98, most=_PERCENT_MAX) * PPM // 100,
    )


def _whole(text: str, usual: int, *, most: int) -> int:
    return min(int(text), most) if text.isascii() and text.isdecimal() and int(text) else usual


def _latest(store: PostgresStore, organisation_id: int) -> list[RoadPlan]:
    with store.transaction() as tx:
        return tx.plans.latest(organisation_id, limit=PLANS_SHOWN_MAX)


def _forget(store: PostgresStore, organisation_id: int, plan_id: UUID) -> None:
    with store.transaction() as tx:
        tx.plans.forget(organisation_id, plan_id)


def _one(person: Person, plan_id: UUID) -> RoadPlan:
    _require(person)

    def found(store: PostgresStore) -> RoadPlan | None:
        with store.transaction() as tx:
            return tx.plans.plan(person.organisation_id, plan_id)

    plan = work.run(found)
    if plan is None:
        raise Http404
    return plan


def _require(person: Person) -> None:
    if not person.may(Right.COMMISSION):
        raise PermissionDenied
