"""Advice on roads: the places of a site, what roads cost and give there, and what is wanted of them.

Prices are whole minor units and lengths whole metres, so that a plan's cost is the sum of its bill, exactly.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum

from compuerta.domain.party import RoadKind
from compuerta.domain.rs485 import CABLE_M_MAX, METERS_USUAL_MAX

PPM = 1_000_000
_HOURS_PER_YEAR = 8_766
_CM_PER_M = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """How a network is heard at a place."""

    rsrp_dbm: int
    snr_db: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """The road by which the meters of a place are reached today, and how well."""

    road: RoadKind
    line: str = ""  # which of the site's RS485 lines
    retries_ppm: int | None = None  # share of conversations that needed more than one try
    latency_ms: int | None = None  # p95


@dataclass(frozen=True, slots=True, kw_only=True)
class Spot:
    """A place with meters: a flat, or a cabinet of many."""

    name: str
    building: str = ""
    floor: int = 0
    x_cm: int
    y_cm: int
    meters: int
    mobile: Signal | None = None  # None: nobody measured or estimated it, and nothing is built on it
    nbiot: Signal | None = None
    estimated: bool = False  # the signals are reckoned, not measured
    lan: bool = False  # a network and power that a gateway may use
    standing: Standing | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """What things cost, in minor units of one currency."""

    currency: str = "CNY"
    module_4g: int = 6_000  # what a meter with 4G costs more than the bare one
    module_nb: int = 4_500
    port_rs485: int = 1_500  # and one with RS485, with its wires to the terminal strip
    sim_4g_month: int = 200
    sim_nb_month: int = 60
    cable_metre: int = 450  # laid
    cable_floor: int = 6_000  # a passage through a ceiling
    buried_metre: int = 4_000  # between buildings, beside the cable itself
    gateway: int = 60_000
    converter: int = 18_000  # for each line
    visit: int = 12_000
    power_kwh: int = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Practice:
    """How lines are built here, and for how long costs are counted."""

    years: int = 8
    meters_per_line: int = METERS_USUAL_MAX
    lines_per_gateway: int = 4
    line_m_max: int = CABLE_M_MAX
    floor_height_cm: int = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What is wanted of every meter's road."""

    latency_ms: int = 10_000  # p95, from payment to relay
    success_ppm: int = 980_000  # share of conversations that succeed at the first try


class Item(Enum):
    """What stands on a bill of materials."""

    MODULE_4G = "module_4g"
    MODULE_NB = "module_nb"
    SIM_4G = "sim_4g"  # card-months
    SIM_NB = "sim_nb"
    PORT = "port"
    CABLE = "cable"  # metres
    FLOOR = "floor"
    BURIED = "buried"  # metres
    GATEWAY = "gateway"
    CONVERTER = "converter"
    UPKEEP = "upkeep"  # visits that are to be expected over the years, per device
    POWER = "power"  # over the years, per device
    CHANGE = "change"  # a visit to a place whose road changes


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """So many of an item, at a price for each."""

    item: Item
    quantity: int
    each_minor: int

    @property
    def amount_minor(self) -> int:
        """What they cost together."""
        return self.quantity * self.each_minor


@dataclass(frozen=True, slots=True, kw_only=True)
class Costing:
    """Prices as they apply over the years of a practice."""

    prices: Prices = field(default_factory=Prices)
    practice: Practice = field(default_factory=Practice)

    def wireless(self, spot: Spot, road: RoadKind, *, meters: int, visits_ppm: int) -> Iterator[Part]:
        """Return what a module and a card in each meter cost; a module that is there already is free."""
        prices, months = self.prices, 12 * self.practice.years
        module, sim, module_minor, sim_minor, power_mw = (
            (Item.MODULE_4G, Item.SIM_4G, prices.module_4g, prices.sim_4g_month, _MODULE_4G_MW)
            if road is RoadKind.MOBILE_4G
            else (Item.MODULE_NB, Item.SIM_NB, prices.module_nb, prices.sim_nb_month, _MODULE_NB_MW)
        )
        if spot.standing is None or spot.standing.road is not road:
            yield Part(item=module, quantity=meters, each_minor=module_minor)
            yield from self._change(spot)
        yield Part(item=sim, quantity=meters * months, each_minor=sim_minor)
        yield self._upkeep(visits_ppm, devices=meters)
        yield self._power(power_mw, devices=meters)

    def wired(self, spot: Spot, *, meters: int) -> Iterator[Part]:
        """Return what it costs to make meters ready for a new line."""
        if spot.standing is None or spot.standing.road is not RoadKind.RS485:
            yield Part(item=Item.PORT, quantity=meters, each_minor=self.prices.port_rs485)
        yield self._upkeep(WIRED_VISITS_PPM, devices=meters)
        yield from self._change(spot)

    def kept(self, *, meters: int) -> Iterator[Part]:
        """Return what meters on a line that stands already go on to cost."""
        yield self._upkeep(WIRED_VISITS_PPM, devices=meters)

    def gateway(self, spot: Spot, *, mobile: bool) -> Iterator[Part]:
        """Return what a gateway costs there, over the mobile network or a LAN."""
        yield Part(item=Item.GATEWAY, quantity=1, each_minor=self.prices.gateway)
        yield from self.gateway_running(mobile=mobile)

    def gateway_running(self, *, mobile: bool) -> Iterator[Part]:
        """Return what a gateway that stands already goes on to cost."""
        if mobile:
            months = 12 * self.practice.years
            yield Part(item=Item.SIM_4G, quantity=months, each_minor=self.prices.sim_4g_month)
        yield self._upkeep(GATEWAY_VISITS_PPM, devices=1)
        yield self._power(_GATEWAY_MW, devices=1)

    def line(self) -> Iterator[Part]:
        """Return what beginning a line at a gateway costs."""
        yield Part(item=Item.CONVERTER, quantity=1, each_minor=self.prices.converter)

    def cable(self, source: Spot, target: Spot) -> Iterator[Part]:
        """Return what a cable from place to place costs: along walls, and underground between buildings."""
        yield Part(
            item=Item.CABLE, quantity=self.length_m(source, target), each_minor=self.prices.cable_metre
        )
        yield Part(item=Item.FLOOR, quantity=_floors(source, target), each_minor=self.prices.cable_floor)
        if source.building != target.building:
            across_m = -(-_across_cm(source, target) // _CM_PER_M)
            yield Part(item=Item.BURIED, quantity=across_m, each_minor=self.prices.buried_metre)

    def length_m(self, source: Spot, target: Spot) -> int:
        """Return how much cable lies between two places; a metre that is begun is bought."""
        up_cm = _floors(source, target) * self.practice.floor_height_cm
        return -(-(_across_cm(source, target) + up_cm) // _CM_PER_M)

    def _upkeep(self, visits_ppm: int, *, devices: int) -> Part:
        each_minor = -(-visits_ppm * self.practice.years * self.prices.visit // PPM)
        return Part(item=Item.UPKEEP, quantity=devices, each_minor=each_minor)

    def _power(self, power_mw: int, *, devices: int) -> Part:
        used_mwh = power_mw * _HOURS_PER_YEAR * self.practice.years
        return Part(item=Item.POWER, quantity=devices, each_minor=-(-used_mwh * self.prices.power_kwh // PPM))

    def _change(self, spot: Spot) -> Iterator[Part]:
        if spot.standing is not None:
            yield Part(item=Item.CHANGE, quantity=1, each_minor=self.prices.visit)


# What devices draw on average, and how often somebody has to go to one in a year: our estimates.
_MODULE_4G_MW = 600
_MODULE_NB_MW = 150
_GATEWAY_MW = 5_000
WIRED_VISITS_PPM = 5_000
GATEWAY_VISITS_PPM = 150_000


def _across_cm(source: Spot, target: Spot) -> int:
    return abs(source.x_cm - target.x_cm) + abs(source.y_cm - target.y_cm)


def _floors(source: Spot, target: Spot) -> int:
    if source.building == target.building:
        return abs(source.floor - target.floor)
    return abs(source.floor) + abs(target.floor)  # down to the ground here, and up again there
