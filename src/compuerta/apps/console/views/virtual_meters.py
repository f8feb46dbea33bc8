"""The fault panel: what happens to meters in the world, done to virtual ones. Of demonstrations only."""

import json
import socket
from collections.abc import Mapping
from types import MappingProxyType

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST

from compuerta.apps.config import settings
from compuerta.apps.console import virtual_reads
from compuerta.apps.console.people import Person, for_people
from compuerta.apps.console.screens import show
from compuerta.apps.console.virtual_reads import VirtualRow
from compuerta.domain.access import Right

ANSWER_S_MAX = 2.0
ANSWER_BYTES_MAX = 1 << 22
# What can be done to a meter: the button, and the order of the fleet that does it.
FAULTS: Mapping[str, tuple[Promise, Mapping[str, object]]] = MappingProxyType(
    {
        "cover": (gettext_lazy("Open the cover"), {"order": "set_cover", "open": True}),
        "cover_off": (gettext_lazy("Close the cover"), {"order": "set_cover", "open": False}),
        "reverse": (gettext_lazy("Turn the current round"), {"order": "set_reverse", "reversed": True}),
        "reverse_off": (gettext_lazy("Turn it back"), {"order": "set_reverse", "reversed": False}),
        "over_current": (gettext_lazy("Draw too much"), {"order": "set_load", "power_w": 20_000}),
        "over_current_off": (gettext_lazy("Draw as usual"), {"order": "set_load", "power_w": 500}),
        "magnet": (gettext_lazy("Lay a magnet on it"), {"order": "set_magnet", "present": True}),
        "magnet_off": (gettext_lazy("Take the magnet away"), {"order": "set_magnet", "present": False}),
        "silent": (gettext_lazy("Fall silent"), {"order": "set_silent", "silent": True}),
        "silent_off": (gettext_lazy("Speak again"), {"order": "set_silent", "silent": False}),
        "clock": (
            gettext_lazy("Put the clock an hour off"),
            {"order": "set_faults", "clock_offset_s": 3_600},
        ),
        "power": (gettext_lazy("Cut its power"), {"order": "set_power", "powered": False}),
        "power_off": (gettext_lazy("Give power back"), {"order": "set_power", "powered": True}),
        "twice": (gettext_lazy("Take the number of its neighbour"), {"order": "set_number"}),
        "twice_off": (gettext_lazy("Take its own number back"), {"order": "set_number"}),
    }
)


@for_people
def page(request: HttpRequest, person: Person) -> HttpResponse:
    """Show the virtual meters, and what may be done to them."""
    _require(person)
    states = {str(each["meter_no"]): each for each in _told({"order": "dump"}).get("meters", [])}
    found = virtual_reads.meters(person.organisation_id, sorted(states))
    context = {
        "meters": [(each, states[each.meter_no]) for each in found],
        "faults": [(verb, label) for verb, (label, _order) in FAULTS.items()],
    }
    return show(request, person, "virtual_meters", context, title=_("Virtual meters"))


@require_POST
@for_people
def act(request: HttpRequest, person: Person, meter_id: int, verb: str) -> HttpResponse:
    """Do one thing to one virtual meter of one's own organisation."""
    _require(person)
    if verb not in FAULTS:
        raise Http404
    ours = virtual_reads.meters_by_id(person.organisation_id)
    if meter_id not in ours:
        raise Http404
    order = {**FAULTS[verb][1], "meter_no": ours[meter_id].meter_no}
    if order["order"] == "set_number":
        order["number"] = _neighbour(ours, meter_id) if verb == "twice" else ours[meter_id].meter_no
    if _told(order).get("ok"):
        messages.success(request, _("Done. Its alarm comes with the next readings."))
    else:
        messages.error(request, _("The virtual meters do not answer."))
    return redirect("virtual_meters")


def _neighbour(ours: Mapping[int, VirtualRow], meter_id: int) -> str:
    """Return the number of another meter on the same end; its own where it is alone there."""
    here = ours[meter_id]
    others = [
        each
        for each in ours.values()
        if each.endpoint_id == here.endpoint_id and each.meter_id != here.meter_id
    ]
    return others[0].meter_no if others else here.meter_no


def _require(person: Person) -> None:
    if settings().virtual_meters is None:
        raise Http404
    if not person.may(Right.COMMISSION):
        raise PermissionDenied


def _told(order: Mapping[str, object]) -> dict[str, list[dict[str, object]]]:
    """Return the fleet's answer to an order; {} where it does not answer."""
    path = settings().virtual_meters
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as wire:
            wire.settimeout(ANSWER_S_MAX)
            wire.connect(str(path))
            wire.sendall(json.dumps(order).encode() + b"\n")
            with wire.makefile("rb") as answers:
                answer: dict[str, list[dict[str, object]]] = json.loads(answers.readline(ANSWER_BYTES_MAX))
    except (OSError, ValueError):
        return {}
    return answer
