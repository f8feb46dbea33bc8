"""Words of the roads board: bearers, why ends are gone, doubts of lines, and refusals."""

from collections.abc import Mapping
from types import MappingProxyType

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from compuerta.domain.errors import CompuertaError
from compuerta.domain.party import Bearer
from compuerta.services import rerouting, revoking
from compuerta.services.bus_planning import Doubt
from compuerta.services.rerouting import Unfit

BEARERS: Mapping[str, Promise | str] = MappingProxyType(
    {
        Bearer.DIAL_IN.value: _("module dials in"),
        Bearer.DIAL_OUT.value: _("we dial a converter"),
        Bearer.SERIAL.value: _("serial port"),
        Bearer.OUTPOST.value: _("outpost"),
        Bearer.MQTT.value: "MQTT",
        Bearer.COAP.value: "CoAP",
        Bearer.OPERATOR.value: _("operator's platform"),
    }
)
DOUBTS: Mapping[Doubt, Promise] = MappingProxyType(
    {
        Doubt.MORE_THAN_USUAL: _("more than 32 meters: transceivers of an eighth of a load"),
        Doubt.MORE_THAN_ANY: _("more than 128 meters: lay a second line"),
        Doubt.CABLE_TOO_LONG: _("more than 1,200 m of cable: lay a second line, or a repeater"),
        Doubt.ROUND_TOO_LONG: _("the readings leave too little room"),
        Doubt.LIGHT_TOO_LATE: _("a payment may take longer than ten seconds"),
    }
)
_UNFIT: Mapping[Unfit, Promise] = MappingProxyType(
    {
        Unfit.COUNT: _("A meter has one to ten ways."),
        Unfit.TWICE: _("An end is named twice."),
        Unfit.UNKNOWN: _("There is no such end of a road."),
        Unfit.ROAD: _("The meter's model does not speak by the road of this end."),
        Unfit.STORED: _(
            "A Modbus meter cannot be reached by an operator's platform: late commands are obeyed."
        ),
    }
)
TOLD: Mapping[type[CompuertaError], Promise] = MappingProxyType(
    {
        rerouting.MeterUnknown: _("There is no such meter."),
        revoking.EndUnknown: _("There is no such end of a road."),
    }
)


def unfit_told(refused: rerouting.WaysUnfit) -> str:
    """Say why ways cannot be settled, and by which end."""
    told = str(_UNFIT[refused.reason])
    return f"{refused.endpoint_id}: {told}" if refused.endpoint_id else told
