"""RS485 as lines are planned: how many meters one driver feeds, and how far."""

from typing import Final

METERS_USUAL_MAX: Final = 32  # unit loads of one driver, TIA-485; more needs transceivers of an eighth
METERS_MAX: Final = 128  # what we stand up for with such transceivers
CABLE_M_MAX: Final = 1_200  # TIA-485, at 100 kbit/s and less
