"""What a virtual meter is before anything happened to it: its kind, its limits, its keys to programming."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from compuerta.domain.party import CreditAuthority
from compuerta.drivers.model import RechargeLayout
from compuerta.virtual.meter.load import ConstantLoad, LoadProfile
from compuerta.virtual.meter.tables import TariffTables

# Bit 0 of run feature word 04001101, as these meters use it: money closes at once; else the button does.
DIRECT_CLOSE = 0x01


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The parameters that decide warnings and trips; 0 = not used, unless said otherwise."""

    alarm_1_minor: int = 2_000  # 04001001
    alarm_2_minor: int = 1_000  # 04001002
    overdraft_minor: int = 0  # 04001003
    hoarding_minor: int = 0  # 04001004
    permit_minor: int = 0  # 04001005: the least balance at which supply comes back
    trip_delay_min: int = 0  # 04001401
    protected_current_ma: int = 0  # 04001402: a remote trip waits while more than this flows ...
    protection_min: int = 0  # 04001403: ... but no longer than this
    over_current_ma: int = 0  # 04090801
    power_w_max: int = 0  # 04090B01
    overload_min: int = 1  # 04090B02


def _usual_passwords() -> Mapping[int, str]:
    return MappingProxyType({0x00: "000000", 0x02: "000000", 0x04: "000000"})


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterSetup:
    """Everything that makes one virtual meter differ from another at the start."""

    meter_no: str  # 12 digits: the address on the wire
    credit_authority: CreditAuthority = CreditAuthority.METER
    layout: RechargeLayout = RechargeLayout.STANDARD
    customer_no: str | None = "000000000000"  # 12 digits; None = no account opened yet
    balance_minor: int = 0
    purchase_no: int = 0
    energy_wh: int = 0
    price_e4: int = 5_000  # 0.0001 of the major unit per kWh, at every hour ...
    tariff: TariffTables | None = None  # ... unless there are tables
    limits: Limits = field(default_factory=Limits)
    load: LoadProfile = field(default_factory=lambda: ConstantLoad(power_w=0))
    voltage_dv: int = 2_200  # tenths of a volt, of each phase when all is well
    phases: int = 1  # or 3
    passwords: Mapping[int, str] = field(default_factory=_usual_passwords)  # level -> 6 digits
    relay_levels: frozenset[int] = frozenset({0x00, 0x02, 0x04})  # the levels that may switch
    run_feature_word: int = DIRECT_CLOSE
    alarm_2_trips: bool = False  # the model opens at alarm 2 as a reminder; the button closes again
    baud: int = 2_400
    civil_offset_ms: int = 0  # civil time minus world time at the start: the zone, and the clock's error
    drift_ppm: int = 0
    unit_no: int | None = None  # 1 to 247: it speaks Modbus at this address, and no DL/T 645
    modbus_image: str = "generic"  # ... with the registers of this make
