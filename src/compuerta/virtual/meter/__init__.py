"""Meters in software: the meter's side of the protocols, with the rules of real firmware."""

from compuerta.virtual.meter.load import ConstantLoad, DailyLoad, LoadProfile, LoadSegment, a_household
from compuerta.virtual.meter.peer import VirtualMeter
from compuerta.virtual.meter.security import Esam
from compuerta.virtual.meter.setup import DIRECT_CLOSE, Limits, MeterSetup
from compuerta.virtual.meter.tables import Counts, Holiday, Ladder, Settlement, Slot, TariffTables, Zone

__all__ = [
    "DIRECT_CLOSE",
    "ConstantLoad",
    "Counts",
    "DailyLoad",
    "Esam",
    "Holiday",
    "Ladder",
    "Limits",
    "LoadProfile",
    "LoadSegment",
    "MeterSetup",
    "Settlement",
    "Slot",
    "TariffTables",
    "VirtualMeter",
    "Zone",
    "a_household",
]
