"""Words of commissioning: its steps, what they wait for, and what is wrong in a table."""

from collections.abc import Mapping
from types import MappingProxyType

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from compuerta.domain.errors import CompuertaError
from compuerta.domain.label import LabelUnread
from compuerta.services import commissioning, founding, surveying

STEPS: Mapping[str, Promise] = MappingProxyType(
    {
        "claimed": _("Claimed"),
        "heard": _("The meter answers"),
        "clock": _("Clock is right"),
        "tariff": _("Tariff is loaded"),
        "limits": _("Alarms and limits are set"),
        "dark": _("Switches off"),
        "light": _("Switches on"),
        "handed_over": _("Handed over"),
        "given_up": _("Given up"),
    }
)
SURVEY_STATES: Mapping[str, Promise] = MappingProxyType(
    {
        "asked": _("waits for the gateway"),
        "running": _("is searching"),
        "done": _("has searched"),
        "failed": _("could not finish"),
    }
)
REASONS: Mapping[str, Promise] = MappingProxyType(
    {
        "line_too_full": _("The line makes nothing but noise, or has more meters than a line can carry."),
        "not_alone": _("More than one meter is on the line: connect the new one alone."),
        "no_answer": _("Nobody answers alone: check wires, speed and parity."),
        "another_meter": _("Another meter is on the line than the one that was named."),
        "number_not_taken": _("The meter kept its number: press its programming key, and try again."),
        "deadline_passed": _("The line had no time for it. Try again when it is quieter."),
    }
)
FAULTS: Mapping[str, Promise] = MappingProxyType(
    {
        "place_missing": _("write how people call the place"),
        "there_already": _("is there already"),
        "theirs": _("is entered elsewhere; ask whoever runs the installation"),
        "malformed": _("write twelve digits, zeros included"),
        "model_unknown": _("is no model that is known"),
        "tariff_unfit": _("no approved tariff in the site's currency"),
        "below_zero": _("is below zero"),
        "end_missing": _("say by which module or line it is reached"),
        "end_elsewhere": _("is another road, or somebody else's"),
        "end_taken": _("another module or line has this name"),
        "bearer_unfit": _("does not travel on this road"),
        "bus_unsaid": _("a new line needs its device and speed"),
        "line_by_hand": _("a new line is entered by whoever runs the installation"),
        "column_missing": _("this column is missing"),
        "too_long": _("is too long"),
        "one_of": _("is none of the possible words"),
        "whole": _("write a whole number"),
        "number": _("write a number within bounds"),
        "no_csv": _("this is no table with commas"),
    }
)
FIELDS: Mapping[str, Promise] = MappingProxyType(
    {
        "place": _("Place"),
        "meter_no": _("Meter number"),
        "customer_no": _("Customer number"),
        "model": _("Model"),
        "tariff_id": _("Tariff"),
        "register_kwh": _("Register (kWh)"),
        "endpoint_id": _("Module or line"),
        "address": _("Address"),
        "bearer": _("Carried by"),
        "unit_no": _("Unit on the line"),
        "building": _("Building"),
        "floor": _("Floor"),
        "baud": _("Speed"),
        "contracted_kw": _("Contracted power (kW)"),
        "road": _("Road"),
        "credit_authority": _("Where its credit is"),
    }
)
TOLD: Mapping[type[CompuertaError], Promise] = MappingProxyType(
    {
        LabelUnread: _("No meter number could be read. Write the twelve digits on the plate."),
        surveying.EndUnknown: _("There is no such line here."),
        surveying.LineBusy: _("This line is being searched already. Wait for its end."),
        surveying.ProtocolNotSearched: _("Meters cannot be searched by this protocol."),
        surveying.NotAlone: _("Other meters are entered on this line: connect the new one alone elsewhere."),
        surveying.NumberTaken: _("Another meter has this number."),
        commissioning.CommissionUnknown: _("There is no such meter under way."),
        commissioning.CommissionOver: _("This is over already."),
        commissioning.NoTest: _("This test was not begun. Begin it again."),
        commissioning.RelayNotThere: _("The meter has not told yet that its relay moved. Wait a moment."),
        commissioning.StepsMissing: _("Something is still to be done before it is handed over."),
        founding.SiteUnknown: _("There is no such site here."),
        founding.RowsTooMany: _("These are too many rows. Bring them in by parts."),
    }
)
