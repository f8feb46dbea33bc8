"""What the screens of days say: how far a day's end is, what a freeze rests on, and why it is no better."""

from collections.abc import Mapping
from types import MappingProxyType

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from compuerta.drivers.abilities import FROZEN_AT_ANOTHER_TIME, NOT_FROZEN
from compuerta.services.freeze_port import CLOCK_OFF, NOT_TOLD, DayStep, FreezeBasis

STEPS: Mapping[str, Promise] = MappingProxyType(
    {
        DayStep.FREEZING.value: _("meters are read"),
        DayStep.ROLLING.value: _("being closed"),
        DayStep.WEIGHING.value: _("being closed"),
        DayStep.SEALING.value: _("being closed"),
        DayStep.REPORTING.value: _("being closed"),
        DayStep.DONE.value: _("day closed"),
    }
)
BASES: Mapping[str, Promise] = MappingProxyType(
    {
        FreezeBasis.METER.value: _("the meter's own midnight"),
        FreezeBasis.READING.value: _("a reading at midnight"),
        FreezeBasis.PROVISIONAL.value: _("supposed"),
        FreezeBasis.MISSING.value: _("not known"),
        FreezeBasis.HELD.value: _("held until somebody looks"),
    }
)
REASONS: Mapping[str, Promise] = MappingProxyType(
    {
        NOT_TOLD: _("the meter has not told it yet; it is asked again"),
        NOT_FROZEN: _("the meter keeps nothing of this midnight"),
        FROZEN_AT_ANOTHER_TIME: _("its clock was set over midnight"),
        CLOCK_OFF: _("its clock was wrong"),
        "register_backwards": _("its register ran backwards; see its case"),
        "register_jump": _("its register jumped; see its case"),
    }
)
