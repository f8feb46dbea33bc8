"""The editor of a tariff's draft: the page, what its script asks for, and saving."""

import json
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal, InvalidOperation

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import formats
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from compuerta.apps import wiring
from compuerta.apps.console import people, screens, tariff_acts, tariff_preview, tariff_reads, tariff_words
from compuerta.apps.console.people import Person, for_people
from compuerta.apps.console.screens import show
from compuerta.apps.console.tariff_preview import ENERGY_WH_MAX, SHAPES, Load
from compuerta.apps.console.tariff_reads import VersionRow
from compuerta.apps.console.templatetags.console import money
from compuerta.domain.errors import Refused, Unreachable
from compuerta.domain.party import zone_of
from compuerta.domain.tariff.bill import Bill
from compuerta.domain.tariff.checking import Fault, TariffFaulty, check
from compuerta.domain.tariff.components import Tariff
from compuerta.domain.tariff.document import tariff_from
from compuerta.domain.tariff.reading import TariffMalformed
from compuerta.services import tariffing

ACCOUNTS_OFFERED_MAX = 60


@for_people
def page(request: HttpRequest, person: Person, tariff_id: int, version_no: int) -> HttpResponse:
    """Show the editor of a draft; what is proposed is only looked at."""
    draft = one(person, tariff_id, version_no)
    if draft.stands != "draft" or not person.may_draft:
        return redirect("tariff_version", tariff_id, version_no)
    context = {
        "draft": draft,
        "document": draft.document,
        "effective_from": f"{draft.effective_from:%Y-%m-%dT%H:%M}",
        "words": tariff_words.for_scripts(),
        "labels": tariff_words.labels(),
        "choices": {**tariff_words.choices(), "shape": [(name, tariff_words.word(name)) for name in SHAPES]},
        "blanks": tariff_words.blanks(),
        "accounts": tariff_reads.metered(person.organisation_id, now=wiring.now())[:ACCOUNTS_OFFERED_MAX],
        "check_address": reverse("tariff_check", args=[tariff_id, version_no]),
        "save_address": reverse("tariff_save", args=[tariff_id, version_no]),
    }
    return show(request, person, "tariff_editor", context, title=draft.name)


@require_POST
@for_people
def checked(request: HttpRequest, person: Person, tariff_id: int, version_no: int) -> HttpResponse:
    """Tell what is wrong with a document and, where nothing is, what a month costs by it; keeps nothing."""
    if not person.may_draft:
        raise PermissionDenied
    draft, sent = one(person, tariff_id, version_no), _sent(request)
    tariff, faults = _read(sent.get("document"))
    answer: dict[str, object] = {"faults": _told(faults)}
    if tariff is not None and not faults:
        bill = _bill(person, draft, tariff, sent.get("load"))
        answer |= {} if bill is None else _shown(bill, tariff, zone=draft.zone)
    return JsonResponse(answer)


@require_POST
@for_people
def saved(request: HttpRequest, person: Person, tariff_id: int, version_no: int) -> HttpResponse:
    """Save a draft whole, or refuse it whole with the places named."""
    if not person.may_draft:
        raise PermissionDenied
    draft, sent = one(person, tariff_id, version_no), _sent(request)
    tariff, faults = _read(sent.get("document"))
    try:
        effective_from = datetime.fromisoformat(str(sent.get("effective_from", ""))).replace(tzinfo=None)
        tariffing.refuse_far(effective_from)
    except (ValueError, TariffFaulty):
        return _refused([Fault(place="effective_from", reason=_("write a day and a time"))])
    if tariff is None or faults:
        return _refused(faults)
    actor = people.actor(request, person, why="")
    try:
        tariff_acts.save(draft, tariff, effective_from=effective_from, actor=actor)
    except (Refused, Unreachable) as error:
        return _refused([Fault(place="", reason=screens.told(error))])
    return JsonResponse({"saved": True, "faults": [], "notice": _("Saved.")})


def one(person: Person, tariff_id: int, version_no: int) -> VersionRow:
    """Return a version of the person's organisation; any other is not there."""
    found = tariff_reads.version(person.organisation_id, tariff_id, version_no, now=wiring.now())
    if found is None:
        raise Http404
    return found


def _refused(faults: list[Fault]) -> JsonResponse:
    notice = _("Not saved: something has to be put right first.")
    return JsonResponse({"saved": False, "faults": _told(faults), "notice": notice}, status=422)


def _sent(request: HttpRequest) -> Mapping[str, object]:
    """Return what the page's script sent: a mapping, whose values nobody has looked at yet."""
    try:
        sent = json.loads(request.body)
    except (ValueError, RecursionError):
        raise Http404 from None
    if not isinstance(sent, dict):
        raise Http404
    return sent


def _read(document: object) -> tuple[Tariff | None, list[Fault]]:
    try:
        tariff = tariff_from(document)
    except TariffMalformed as malformed:
        return None, [Fault(place=malformed.place, reason=malformed.reason)]
    return tariff, check(tariff)


def _told(faults: list[Fault]) -> list[dict[str, str]]:
    return [{"place": fault.place, "reason": tariff_words.fault_told(fault.reason)} for fault in faults]


def _bill(person: Person, draft: VersionRow, tariff: Tariff, load: object) -> Bill | None:
    """Return the bill of an account's real use, or of the load that was typed; None where it is none."""
    if not isinstance(load, dict):
        return None
    now = wiring.now()
    account = str(load.get("account", ""))
    if account.isdecimal():
        return _bill_of_account(person, account, tariff, now=now)
    energy_wh = _energy_wh(str(load.get("kwh", "")))
    shape = str(load.get("shape", ""))
    if energy_wh is None or shape not in SHAPES:
        return None
    typed = Load(energy_wh=energy_wh, shape=shape)
    return tariff_preview.bill_of(tariff, typed, zone=draft.zone, month=now)


def _energy_wh(kwh: str) -> int | None:
    """Return typed kWh as Wh; None where it is no amount that an account could use."""
    try:
        energy = Decimal(kwh.strip().replace(",", "."))
        # Compared before it is made an int: a few letters such as 1e999999 are a million digits.
        return int(energy * 1000) if 0 <= energy <= ENERGY_WH_MAX // 1000 else None
    except InvalidOperation:
        return None


def _bill_of_account(person: Person, account_no: str, tariff: Tariff, *, now: datetime) -> Bill | None:
    accounts = tariff_reads.metered(person.organisation_id, now=now)
    account = next((each for each in accounts if str(each.account_id) == account_no), None)
    if account is None:
        return None
    month = tariff_acts.last_month(account.zone, now=now)
    use = tariff_reads.use(account.meter_id, since=max(month, account.opened_at))
    return tariff_preview.bill_of_use(tariff, tariff_reads.spans(use), zone=account.zone, terms=account.terms)


def _shown(bill: Bill, tariff: Tariff, *, zone: str) -> dict[str, object]:
    context = {
        "lines": bill.lines,
        "total_minor": bill.total_minor,
        "currency": tariff.currency,
        "many_periods": len(tariff.energy.periods) > 1,
        "span": formats.date_format(bill.start.astimezone(zone_of(zone)), "YEAR_MONTH_FORMAT"),
    }
    return {
        "bill": render_to_string("console/_tariff_bill.html", context),
        "total": money(bill.total_minor, tariff.currency),
    }
