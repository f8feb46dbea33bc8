"""Closing days: the steps of a day's end, and who does which."""

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType

from compuerta.services import day_end, drifting, freezing, reporting, rolling, sealing
from compuerta.services.day_end import Step
from compuerta.services.freeze_port import DayStep
from compuerta.services.store_port import Store

STEPS: Mapping[DayStep, Step] = MappingProxyType(
    {
        DayStep.FREEZING: freezing.freeze_day,
        DayStep.ROLLING: rolling.roll_day,
        DayStep.WEIGHING: drifting.weigh_day,
        DayStep.SEALING: sealing.seal_day,
        DayStep.REPORTING: reporting.report_day,
    }
)


def sweep(store: Store, *, now: datetime) -> int:
    """Begin the days that have ended, and do the steps that are due; returns how many steps were done."""
    return day_end.sweep(store, now=now, steps=STEPS)
