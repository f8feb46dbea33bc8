"""What a meter model is: the facts in which two meters that speak the same protocol differ.

A model comes from a file in `models/`, whose shape `models/schema.json` has checked; here its words become
types, and what contradicts itself is refused.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import NotRequired, TypedDict, TypeVar

from compuerta.domain.errors import Refused
from compuerta.domain.party import CreditAuthority
from compuerta.domain.tariff.fitting import MeterProfile, PriceProfile
from compuerta.drivers.abilities import MeterEvent
from compuerta.drivers.modbus_map import ModbusMap, ModbusMapping, map_from
from compuerta.wire import dlt645

K = TypeVar("K", bound=Enum)


class RechargeLayout(Enum):
    """How a recharge is laid out on the wire."""

    STANDARD = "standard"  # counted by purchase number, with MACs over amount, count and customer
    VENDOR = "vendor"  # with an order number, and an answer that tells nothing


class RelayStyle(Enum):
    """What closing means."""

    DIRECT_CLOSE = "direct_close"
    PERMIT_AND_PRESS = "permit_and_press"  # the user presses the button; safer for what is plugged in


class Quantity(Enum):
    """What can be read of a meter's state; the model says where, or that it cannot."""

    ENERGY = "energy"
    ENERGY_RATES = "energy_rates"  # a block: the total and each rate, read at one instant
    BALANCE = "balance"
    OVERDRAFT = "overdraft"
    PURCHASE_NO = "purchase_no"
    PURCHASE_RECORD = "purchase_record"
    REFUND_RECORD = "refund_record"
    STATUS_WORDS = "status_words"
    POWER = "power"
    CLOCK = "clock"


class Limit(Enum):
    """What a meter can be told to watch by itself."""

    ALARM_1 = "alarm_1"
    ALARM_2 = "alarm_2"
    POWER = "power"


class Quirk(Enum):
    """A habit that differs from the standard."""

    PURCHASE_RECORD_MISSING = "purchase_record_missing"  # a balance that rose is the only evidence


@dataclass(frozen=True, slots=True, kw_only=True)
class RoadTiming:
    """How patient to be with this model on one road."""

    first_byte_ms: int
    gap_ms: int  # silence that ends a frame
    tries_max: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FreezeProfile:
    """What a meter keeps of its midnights."""

    days_max: int
    has_balance: bool  # remaining money lies beside the energy (05060Bnn, which no standard says)


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """One meter model; `recharge` is None where the platform holds the money, `tariff.prices` too."""

    name: str
    title: str
    protocol: str
    credit_authority: CreditAuthority
    recharge: RechargeLayout | None
    relay: RelayStyle
    password_level: int
    roads: Mapping[str, RoadTiming]
    registers: Mapping[Quantity, int]
    limits: Mapping[Limit, int]  # where they are written; what is not here it does not take
    events: Mapping[MeterEvent, int]  # where it counts them; what is not here is not asked for
    alarm_levels: int
    second_alarm_trips: bool
    quirks: frozenset[Quirk]
    tariff: MeterProfile | None = None  # None = it takes no tables
    freezes: FreezeProfile | None = None  # None = it keeps no midnights
    modbus: ModbusMap | None = None  # there for who speaks Modbus, and for nobody else


class ModelContradictory(Refused):
    """A model whose fields are each allowed, but not together."""

    def __init__(self, *, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason


class RechargeMapping(TypedDict):
    """`recharge` of a model file."""

    layout: str


class RelayMapping(TypedDict):
    """`relay` of a model file."""

    style: str
    password_level: NotRequired[int]


class RoadMapping(TypedDict):
    """One entry of `roads` of a model file."""

    first_byte_ms: int
    gap_ms: int
    tries_max: int


class AlarmsMapping(TypedDict):
    """`alarms` of a model file."""

    levels: int
    second_trips: bool


class PricesMapping(TypedDict):
    """`tariff.prices` of a model file."""

    bounds_max: int
    settlements_max: int


class TariffMapping(TypedDict):
    """`tariff` of a model file."""

    zones_max: int
    day_tables_max: int
    slots_max: int
    rates_max: int
    holidays_max: int
    weekend: bool
    prices: NotRequired[PricesMapping]


class FreezesMapping(TypedDict):
    """`freezes` of a model file."""

    days_max: int
    balance: bool


class ModelMapping(TypedDict):
    """A model file after the schema has passed it."""

    name: str
    title: str
    protocol: str
    credit_authority: str
    recharge: NotRequired[RechargeMapping]
    relay: RelayMapping
    roads: dict[str, RoadMapping]
    registers: NotRequired[dict[str, str]]
    limits: NotRequired[dict[str, str]]
    events: NotRequired[dict[str, str]]
    alarms: AlarmsMapping
    quirks: list[str]
    tariff: NotRequired[TariffMapping]
    freezes: NotRequired[FreezesMapping]
    modbus: NotRequired[ModbusMapping]


def model_from(mapping: ModelMapping) -> Model:
    """Return the model that `mapping`, which the schema has passed, describes.

    Raises `ModelContradictory` where credit authority, recharge layout, registers and alarms do not agree.
    """
    recharge = mapping.get("recharge")
    freezes = mapping.get("freezes")
    model = Model(
        name=mapping["name"],
        title=mapping["title"],
        protocol=mapping["protocol"],
        credit_authority=CreditAuthority(mapping["credit_authority"]),
        recharge=RechargeLayout(recharge["layout"]) if recharge else None,
        relay=RelayStyle(mapping["relay"]["style"]),
        password_level=mapping["relay"].get("password_level", 0),
        roads=MappingProxyType({road: RoadTiming(**timing) for road, timing in mapping["roads"].items()}),
        registers=_identifiers(Quantity, mapping.get("registers", {})),
        limits=_identifiers(Limit, mapping.get("limits", {})),
        events=_identifiers(MeterEvent, mapping.get("events", {})),
        alarm_levels=mapping["alarms"]["levels"],
        second_alarm_trips=mapping["alarms"]["second_trips"],
        quirks=frozenset(Quirk(quirk) for quirk in mapping["quirks"]),
        tariff=_profile_from(mapping["tariff"]) if "tariff" in mapping else None,
        freezes=FreezeProfile(days_max=freezes["days_max"], has_balance=freezes["balance"])
        if freezes
        else None,
        modbus=_modbus_from(mapping["modbus"]) if "modbus" in mapping else None,
    )
    _refuse_contradictions(model)
    return model


def _identifiers(kind: type[K], words: Mapping[str, str]) -> Mapping[K, int]:
    return MappingProxyType({kind(name): int(identifier, 16) for name, identifier in words.items()})


def _profile_from(mapping: TariffMapping) -> MeterProfile:
    prices = mapping.get("prices")
    return MeterProfile(
        zones_max=mapping["zones_max"],
        day_tables_max=mapping["day_tables_max"],
        slots_max=mapping["slots_max"],
        rates_max=mapping["rates_max"],
        holidays_max=mapping["holidays_max"],
        has_weekend=mapping["weekend"],
        prices=PriceProfile(**prices) if prices else None,
    )


def _modbus_from(mapping: ModbusMapping) -> ModbusMap:
    """Return the map of a model; refuses what could be taken for its opposite."""
    relay, switch = mapping.get("relay"), mapping.get("switch")
    if relay is not None and frozenset(relay["open"]) & frozenset(relay["closed"]):
        raise ModelContradictory(field="modbus.relay", reason="open and closed share a value")
    if switch is not None and switch["open"] == switch["closed"]:
        raise ModelContradictory(field="modbus.switch", reason="open and closed are the same command")
    if switch is not None and switch["function"] != "write_registers" and len(switch["open"]) != 1:
        raise ModelContradictory(field="modbus.switch.open", reason=f"{switch['function']} writes one value")
    return map_from(mapping)


_ALARMS = frozenset({Limit.ALARM_1, Limit.ALARM_2})
_MONEY = (
    Quantity.BALANCE,
    Quantity.OVERDRAFT,
    Quantity.PURCHASE_NO,
    Quantity.PURCHASE_RECORD,
    Quantity.REFUND_RECORD,
)


def _refuse_contradictions(model: Model) -> None:
    _refuse_what_does_not_count(model)
    deducts = model.tariff is not None and model.tariff.prices is not None
    if model.credit_authority is CreditAuthority.PLATFORM:
        if model.recharge is not None:
            raise ModelContradictory(field="recharge", reason="the platform holds the money of this model")
        for quantity in _MONEY:
            if quantity in model.registers:
                reason = "the platform holds the money of this model"
                raise ModelContradictory(field=f"registers.{quantity.value}", reason=reason)
        if model.alarm_levels or model.limits.keys() & _ALARMS:
            raise ModelContradictory(field="alarms.levels", reason="a meter without money cannot watch it")
        if deducts:
            raise ModelContradictory(field="tariff.prices", reason="a meter without money deducts none")
        if model.freezes is not None and model.freezes.has_balance:
            raise ModelContradictory(field="freezes.balance", reason="a meter without money freezes none")
        return
    if model.recharge is None:
        raise ModelContradictory(field="credit_authority", reason="a meter that holds money needs `recharge`")
    for quantity in (Quantity.BALANCE, _evidence(model.recharge, model.quirks)):
        if quantity not in model.registers:
            reason = f"{model.recharge.value} recharges cannot be read back without {quantity.value}"
            raise ModelContradictory(field="registers", reason=reason)
    if model.second_alarm_trips and model.alarm_levels < 2:
        raise ModelContradictory(field="alarms.second_trips", reason="there is no second alarm")
    if model.tariff is not None and not deducts:
        reason = "a meter that holds money deducts by prices: a calendar alone would leave the old ones"
        raise ModelContradictory(field="tariff", reason=reason)


def _refuse_what_does_not_count(model: Model) -> None:
    for event, identifier in model.events.items():
        register = dlt645.lookup(identifier)
        if register is None or [field.name for field in register.fields] != ["count"]:
            reason = f"{identifier:08X} is not known to be a counter"
            raise ModelContradictory(field=f"events.{event.value}", reason=reason)


def _evidence(layout: RechargeLayout, quirks: frozenset[Quirk]) -> Quantity:
    """Return the quantity that proves a recharge: without it none could ever be proved."""
    if layout is RechargeLayout.STANDARD:
        return Quantity.PURCHASE_NO
    return Quantity.BALANCE if Quirk.PURCHASE_RECORD_MISSING in quirks else Quantity.PURCHASE_RECORD
