"""How the forms of commissioning become wishes: what was typed or scanned, parsed by its field."""

from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Protocol
from uuid import UUID

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from compuerta.apps import place_table
from compuerta.apps.console import fields
from compuerta.apps.console.fields import FieldOdd, Form
from compuerta.domain.label import meter_no_on
from compuerta.domain.party import BEARERS, Bearer, RoadKind
from compuerta.drivers.model import Model
from compuerta.services.founding import PlaceRow, PlacesWish, RowFault, RowsFaulty
from compuerta.services.surveying import DLT645, Renumber, SurveyWish

COLUMNS = ",".join(place_table.COLUMNS)
MORE_COLUMNS = ",".join(place_table.MORE_COLUMNS)
TABLE_BYTES_MAX = 60_000  # a form carries no more; a larger table goes by the command line
# How a new module or line is reached: the road, and what carries it.
ROADS: Mapping[str, Promise] = MappingProxyType(
    {
        "4g dial_in": _("4G module that dials in"),
        "4g mqtt": _("4G module by MQTT"),
        "nbiot coap": _("NB-IoT module"),
        "nbiot operator": _("NB-IoT by the operator's platform"),
    }
)


class SentFile(Protocol):
    """A file that came with a form."""

    def read(self, num_bytes: int = ..., /) -> bytes:
        """Return so much of it."""
        ...


def survey(form: Form, *, organisation_id: int) -> SurveyWish:
    """Read which line is to be searched, or which meter renumbered; raises `FieldOdd`."""
    new_no = form.get("new_no", "").strip()
    renumber = (
        Renumber(meter_no=meter_no_on(form.get("meter_no", "")), new_no=meter_no_on(new_no))
        if new_no
        else None
    )
    return SurveyWish(
        survey_id=_id(form),
        organisation_id=organisation_id,
        endpoint_id=form.get("endpoint_id", "")[: place_table.CELL_MAX],
        protocol=form.get("protocol", DLT645),
        renumber=renumber,
    )


def claim(
    form: Form, *, organisation_id: int, models: Mapping[str, Model], roads: Mapping[str, str]
) -> PlacesWish:
    """Read one meter with its place; `roads` are those of the lines. Raises `FieldOdd` or `LabelUnread`."""
    model = models.get(form.get("model", ""))
    if model is None:
        raise FieldOdd("model")
    meter_no = meter_no_on(form.get("meter_no", ""))
    line, module = form.get("endpoint_id", "").strip(), form.get("module", "").strip()
    road, bearer = _road(form, roads)
    tariff_id = fields.whole(form, "tariff_id")
    if tariff_id is None:
        raise FieldOdd("tariff_id")
    row = PlaceRow(
        building=form.get("building", "").strip()[: place_table.CELL_MAX],
        floor=fields.whole(form, "floor"),
        place=form.get("place", "").strip()[: place_table.CELL_MAX],
        meter_no=meter_no,
        customer_no=form.get("customer_no", "").strip() or meter_no,
        model=model.name,
        credit_authority=model.credit_authority,
        road=road,
        endpoint_id=(module or line)[: place_table.CELL_MAX],
        address=module[: place_table.CELL_MAX],
        baud=None,
        tariff_id=tariff_id,
        register_wh=fields.energy_wh(form, "register_kwh") or 0,
        contracted_w=fields.energy_wh(form, "contracted_kw"),
        bearer=bearer,
        unit_no=fields.whole(form, "unit_no"),
    )
    return _wish(form, [row], organisation_id)


def _road(form: Form, roads: Mapping[str, str]) -> tuple[RoadKind, Bearer | None]:
    """Read the road of a new module, or that of the line which was chosen."""
    if form.get("module", "").strip():
        road, _space, bearer = form.get("kind", "").partition(" ")
        if form.get("kind", "") not in ROADS:
            raise FieldOdd("kind")
        return RoadKind(road), Bearer(bearer)
    line = form.get("endpoint_id", "").strip()
    if line not in roads:
        raise FieldOdd("endpoint_id")
    return RoadKind(roads[line]), None


def text_of(form: Form, file: SentFile | None) -> str:
    """Return the table that was typed, or the file's; raises `FieldOdd` for more than a form carries."""
    if file is None:
        text = form.get("table", "")
    else:
        text = file.read(TABLE_BYTES_MAX + 1).decode("utf-8-sig", errors="replace")
    if len(text) > TABLE_BYTES_MAX:
        raise FieldOdd("file")
    return text


def table(form: Form, text: str, *, organisation_id: int, lines: Collection[str]) -> PlacesWish:
    """Read a table; `lines` are those that are there. Raises `RowsFaulty` with every fault, or `FieldOdd`."""
    found = place_table.rows_of(text.splitlines())
    faults = [
        RowFault(row=number, field="bearer", reason="a new line is entered by hand", code="line_by_hand")
        for number, row in enumerate(found, start=1)
        if row.endpoint_id not in lines and _carrier(row) not in ROADS
    ]
    if faults:
        raise RowsFaulty(faults)
    return _wish(form, found, organisation_id)


def _carrier(row: PlaceRow) -> str:
    """Return how a new end is reached, as `ROADS` names it.

    A new line has a device of the machine, a host that we dial, or somebody's outpost in its address: that is
    for whoever runs the installation to enter, and not for all who may hang up meters in it.
    """
    return f"{row.road.value} {(row.bearer or BEARERS[row.road][0]).value}"


def _wish(form: Form, found: list[PlaceRow], organisation_id: int) -> PlacesWish:
    site_id = fields.whole(form, "site")
    if site_id is None:
        raise FieldOdd("site")
    return PlacesWish(founding_id=_id(form), organisation_id=organisation_id, site_id=site_id, rows=found)


def _id(form: Form) -> UUID:
    try:
        return UUID(form.get("act_id", ""))
    except ValueError:
        raise FieldOdd("act_id") from None
