"""Tariffs: the list, one version, and what people decide about it."""

from itertools import groupby
from uuid import uuid4

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from compuerta.apps import wiring
from compuerta.apps.console import (
    histories,
    people,
    screens,
    tariff_acts,
    tariff_fits,
    tariff_reads,
    tariff_words,
    work,
)
from compuerta.apps.console.people import Person, for_people
from compuerta.apps.console.screens import show
from compuerta.apps.console.tariff_reads import VersionRow
from compuerta.apps.console.views.meters import act_id_of
from compuerta.apps.console.views.tariff_editor import one
from compuerta.apps.console.views.tariff_replay import REPLAY_DAYS, crowds
from compuerta.domain.errors import Refused, Unreachable
from compuerta.domain.tariff.diff import differences
from compuerta.domain.tariff.document import tariff_from
from compuerta.services import tariffing

FILE_BYTES_MAX = 60_000  # the console takes no longer body; a rate has ten thousand


@for_people
def listing(request: HttpRequest, person: Person) -> HttpResponse:
    """Show all tariffs with their versions, and what waits for this person."""
    found = tariff_reads.versions(person.organisation_id, now=wiring.now())
    by_tariff = [list(versions) for _id, versions in groupby(found, key=lambda row: row.tariff_id)]
    context = {
        "tariffs": [(versions[0], versions) for versions in by_tariff],
        "waiting": [row for row in found if _may_approve(person, row)],
        "movable": {row.tariff_id for row in found if row.stands in tariff_reads.APPROVED},
        "library": tariff_acts.library(),
    }
    return show(request, person, "tariffs", context, title=_("Tariffs"))


@require_POST
@for_people
def new(request: HttpRequest, person: Person) -> HttpResponse:
    """Begin a draft: of one price, from the library, from a file, or like a version that is there."""
    if not person.may_draft:
        raise PermissionDenied
    actor = people.actor(request, person, why="")
    try:
        if like := request.POST.get("like", ""):
            key = tariff_acts.draft_like(_named(person, like), actor=actor)
        elif file := request.FILES.get("urdb"):
            key = tariff_acts.draft_urdb(file.read(FILE_BYTES_MAX), person.organisation_id, actor=actor)
        else:
            key = tariff_acts.draft_ready(request.POST.get("ready", ""), person.organisation_id, actor=actor)
    except (Refused, Unreachable) as error:
        messages.error(request, screens.told(error))
        return redirect("tariffs")
    return redirect("tariff_edit", *key)


@for_people
def page(request: HttpRequest, person: Person, tariff_id: int, version_no: int) -> HttpResponse:
    """Show one version: what it says, what it changes, whom it would cost what, and where it is."""
    version, now = one(person, tariff_id, version_no), wiring.now()
    before = tariff_reads.version_before(version, person.organisation_id, now=now)
    tariff = tariff_from(version.document)
    context = {
        "version": version,
        "before": before,
        "differences": differences(tariff_from(before.document) if before else None, tariff),
        "words": tariff_words.for_scripts(),
        "may_edit": version.stands == "draft" and person.may_draft,
        "may_decide": version.stands == "proposed" and (person.may_draft or person.may_approve),
        "may_approve": _may_approve(person, version),
        "may_tell": version.stands in ("in_force", "coming") and person.may_approve,
        "may_move": version.stands in ("in_force", "coming") and person.may_assign,
        "replay_days": REPLAY_DAYS,
        "crowds": crowds(version, person.organisation_id, now=now),
        "act_id": uuid4(),
        "verbs": _verbs(version),
        **tariff_fits.spread(person.organisation_id, version, now=now),
    }
    return show(request, person, "tariff_version", context, title=version.name)


@require_POST
@for_people
def decide(request: HttpRequest, person: Person, tariff_id: int, version_no: int, verb: str) -> HttpResponse:
    """Propose, approve or withdraw a version, or tell meters of it again; with a reason."""
    version, act_id = one(person, tariff_id, version_no), act_id_of(request)
    rights = {
        "propose": person.may_draft,
        "approve": person.may_approve,
        "withdraw": person.may_draft or person.may_approve,
        "tell": person.may_approve,
    }
    if verb not in rights:
        raise Http404
    if not rights[verb]:
        raise PermissionDenied
    actor = people.actor(request, person, why=request.POST.get("why", "").strip()[:500])
    try:
        if not histories.was_done(person.organisation_id, act_id):
            key = (version.tariff_id, version.version_no)
            if verb == "approve":
                by_hand = "by_hand" in request.POST
                tariff_acts.approve(key, actor=actor, act_id=act_id, by_hand=by_hand)
            elif verb == "tell":
                tariff_acts.tell(key, actor=actor, act_id=act_id)
            else:
                act = tariffing.propose if verb == "propose" else tariffing.withdraw
                work.run(lambda store: act(store, key, actor=actor, act_id=act_id, now=wiring.now()))
    except (Refused, Unreachable) as error:
        messages.error(request, screens.told(error))
    return redirect("tariff_version", tariff_id, version_no)


def _named(person: Person, like: str) -> VersionRow:
    try:
        tariff_id, version_no = (int(part) for part in like.split())
    except ValueError:
        raise Http404 from None
    return one(person, tariff_id, version_no)


def _may_approve(person: Person, version: VersionRow) -> bool:
    hands = (version.drafted_by, version.proposed_by)
    return version.stands == "proposed" and person.may_approve and person.name not in hands


def _verbs(version: VersionRow) -> list[dict[str, str]]:
    """Return the dialogs of a version's page."""
    told = {
        "propose": (
            _("Propose this version?"),
            _("From now on it cannot be changed. A second person approves or withdraws it."),
            _("Propose"),
        ),
        "approve": (
            _("Approve this version?"),
            _("It comes into force at its time, and goes to the meters."),
            _("Approve"),
        ),
        "withdraw": (
            _("Withdraw this version?"),
            _("It never comes into force. A new draft may begin from it."),
            _("Withdraw"),
        ),
        "tell": (
            _("Tell these meters?"),
            _(
                "Each that lacks this version, and has no open instruction for it, gets one now."
                " Where a meter cannot hold it, a case opens."
            ),
            _("Tell these meters"),
        ),
    }
    where = [version.tariff_id, version.version_no]
    return [
        {"name": verb, "address": reverse("tariff_decide", args=[*where, verb]), "title": title, "told": body,
         "button": button}
        for verb, (title, body, button) in told.items()
    ]  # fmt: skip
