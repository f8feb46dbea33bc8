"""Virtual meters on real wires: TCP connections that dial in, and serial lines that are pseudo terminals."""

from compuerta.virtual.fleet.bus import Bus
from compuerta.virtual.fleet.control import Fleet, serve
from compuerta.virtual.fleet.dial import DialPlan, Modem
from compuerta.virtual.fleet.fields import Json
from compuerta.virtual.fleet.road import Road
from compuerta.virtual.fleet.world import World

__all__ = ["Bus", "DialPlan", "Fleet", "Json", "Modem", "Road", "World", "serve"]
