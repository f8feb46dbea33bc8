"""Words of the adviser: roads, what stands on a bill, and why a place got its road."""

from collections.abc import Mapping
from types import MappingProxyType

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from compuerta.apps.console.templatetags.console import money
from compuerta.domain.party import RoadKind
from compuerta.services.advice_csv import Complaint, Wrong
from compuerta.services.advice_picture import Words

ROADS: Mapping[str, str] = MappingProxyType({"rs485": "RS485", "4g": "4G", "nbiot": "NB-IoT"})
# Titles stand beside the pictures, in the reader's language; in them are numbers, and names that have none.
DRAWN = Words(
    roads={**{road: ROADS[road.value] for road in RoadKind}, None: "✕"},
    gateway="▢",
    by_latency="s",
    by_success="%",
    alone="",
    best="★",
    unmet="✕",
)
ITEMS: Mapping[str, Promise] = MappingProxyType(
    {
        "module_4g": gettext_lazy("4G module"),
        "module_nb": gettext_lazy("NB-IoT module"),
        "sim_4g": gettext_lazy("4G card, month"),
        "sim_nb": gettext_lazy("NB-IoT card, month"),
        "port": gettext_lazy("RS485 port and wiring"),
        "cable": gettext_lazy("Cable, metre"),
        "floor": gettext_lazy("Passage through a ceiling"),
        "buried": gettext_lazy("Buried cable, metre"),
        "gateway": gettext_lazy("Gateway"),
        "converter": gettext_lazy("Converter of a line"),
        "upkeep": gettext_lazy("Visits to be expected"),
        "power": gettext_lazy("Electricity of devices"),
        "change": gettext_lazy("Visit to change a road"),
    }
)
PRICES: Mapping[str, Promise] = MappingProxyType(
    {
        "module_4g": ITEMS["module_4g"],
        "module_nb": ITEMS["module_nb"],
        "sim_4g_month": ITEMS["sim_4g"],
        "sim_nb_month": ITEMS["sim_nb"],
        "port_rs485": ITEMS["port"],
        "cable_metre": ITEMS["cable"],
        "cable_floor": ITEMS["floor"],
        "buried_metre": ITEMS["buried"],
        "gateway": ITEMS["gateway"],
        "converter": ITEMS["converter"],
        "visit": gettext_lazy("Visit"),
        "power_kwh": gettext_lazy("Power, kWh"),
    }
)
WRONG: Mapping[Wrong, Promise] = MappingProxyType(
    {
        Wrong.NO_TABLE: gettext_lazy("this is no table: %(error)s"),
        Wrong.COLUMN_MISSING: gettext_lazy("there is no column %(name)s"),
        Wrong.COLUMN_FOREIGN: gettext_lazy("'%(name)s' is no column of ours"),
        Wrong.COLUMN_TWICE: gettext_lazy("a column is there twice"),
        Wrong.TOO_MANY_ROWS: gettext_lazy("more than %(most)s rows"),
        Wrong.NO_PLACE: gettext_lazy("a site has at least one place"),
        Wrong.TOO_MANY_METERS: gettext_lazy("more than %(most)s in all"),
        Wrong.FIELDS: gettext_lazy("%(found)s fields under %(wanted)s columns"),
        Wrong.TWICE: gettext_lazy("'%(text)s' is there twice"),
        Wrong.NAME: gettext_lazy("a name of 1 to %(most)s characters"),
        Wrong.TOO_LONG: gettext_lazy("at most %(most)s characters"),
        Wrong.NOT_WHOLE: gettext_lazy("'%(text)s' is no whole number from %(least)s to %(most)s"),
        Wrong.NOT_DECIMAL: gettext_lazy("'%(text)s' is no number with at most two decimals"),
        Wrong.OUTSIDE: gettext_lazy("%(text)s does not lie between %(least)s and %(most)s"),
        Wrong.NONE_OF: gettext_lazy("'%(text)s' is none of %(known)s"),
        Wrong.NEEDED_BESIDE: gettext_lazy("is needed beside %(other)s"),
        Wrong.NO_ROAD: gettext_lazy("tells of a road, and there is none in the column road"),
        Wrong.NO_AMOUNT: gettext_lazy("'%(text)s' is no amount of %(currency)s"),
        Wrong.NEGATIVE: gettext_lazy("a price is not negative"),
    }
)
PRACTICE: Mapping[str, Promise] = MappingProxyType(
    {
        "years": gettext_lazy("Years"),
        "meters_per_line": gettext_lazy("Meters per line, at most"),
        "lines_per_gateway": gettext_lazy("Lines per gateway, at most"),
    }
)


def why(options: list[Mapping[str, object]], *, currency: str) -> list[str]:
    """Say of each road what it would cost at a place, or what is against it."""
    return [_option(option, currency) for option in options]


def _option(option: Mapping[str, object], currency: str) -> str:
    cost, latency, success = option["cost_minor"], option["latency_ms"], option["success_ppm"]
    told = {
        "road": ROADS[str(option["road"])],
        "cost": money(cost if isinstance(cost, int) else None, currency),
        "seconds": latency // 1000 if isinstance(latency, int) else "–",
        "percent": success // 10_000 if isinstance(success, int) else "–",
    }
    return {
        "chosen": _("%(road)s: %(cost)s, chosen"),
        "dearer": _("%(road)s: about %(cost)s"),
        "unknown": _("%(road)s: nobody knows the signal"),
        "unheard": _("%(road)s: not heard"),
        "slow": _("%(road)s: too slow, %(seconds)s s"),
        "unsure": _("%(road)s: %(percent)s %% at the first try is too little"),
        "no_gateway": _("%(road)s: a gateway would not reach us well enough"),
    }[str(option["reason"])] % told


def wrong(complaint: Complaint) -> str:
    """Tell what is wrong with a field, in the reader's language."""
    return str(WRONG[complaint.wrong]) % complaint.facts
