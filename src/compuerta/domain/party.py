"""Who and where: organisations, sites, supply points, meters, accounts.

An organisation owns everything below it, and nobody sees across. A meter is installed at a supply point from
an instant to an instant (to is exclusive, open = now); an account is one party's contract at a supply point
in the same manner, so that the next tenant never inherits the last one's history.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from types import MappingProxyType
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from compuerta.domain.errors import Refused
from compuerta.domain.money import minor_digits

_METER_NO = re.compile(r"[0-9]{12}", re.ASCII)


class CreditAuthority(Enum):
    """Who holds the balance and opens the relay."""

    METER = "meter"
    PLATFORM = "platform"


class RoadKind(Enum):
    """A way to a meter."""

    MOBILE_4G = "4g"
    RS485 = "rs485"
    NBIOT = "nbiot"


class Bearer(Enum):
    """What carries the bytes of a road; an endpoint has one."""

    DIAL_IN = "dial_in"  # a module or DTU opens a TCP connection to us
    DIAL_OUT = "dial_out"  # we open one to a converter that waits for it
    SERIAL = "serial"  # a port of the machine that a gateway runs on
    OUTPOST = "outpost"  # a line of a small gateway that stands beside the bus
    MQTT = "mqtt"
    COAP = "coap"  # the meter's own LwM2M
    OPERATOR = "operator"  # the platform of a network's operator stands between


# By which bearers a road can be travelled; the first is what is meant where nobody says.
BEARERS: Mapping[RoadKind, tuple[Bearer, ...]] = MappingProxyType(
    {
        RoadKind.MOBILE_4G: (Bearer.DIAL_IN, Bearer.MQTT),
        RoadKind.RS485: (Bearer.SERIAL, Bearer.OUTPOST, Bearer.DIAL_OUT, Bearer.DIAL_IN, Bearer.MQTT),
        RoadKind.NBIOT: (Bearer.COAP, Bearer.OPERATOR, Bearer.MQTT),
    }
)


class AccountKind(Enum):
    """What an account is for."""

    CUSTOMER = "customer"
    SUSPENSE = "suspense"  # one per organisation: money that cannot be placed yet
    HOUSE = "house"  # the landlord's own, at a supply point where nobody lives
    FEEDER = "feeder"  # buys nothing: its meter measures what goes to others


BUYING = frozenset({AccountKind.CUSTOMER, AccountKind.HOUSE})


class ZoneUnknown(Refused):
    """A time zone that the IANA database does not have."""

    def __init__(self, zone: str) -> None:
        super().__init__(f"time zone {zone!r} is not known; write an IANA name such as Asia/Shanghai")
        self.zone = zone


class MeterNoMalformed(Refused):
    """A meter number that is not twelve decimal digits (DL/T 645-2007 5.2.4, BCD address)."""

    def __init__(self, meter_no: str) -> None:
        super().__init__(f"meter number {meter_no!r}: write the twelve digits on the plate, zeros included")
        self.meter_no = meter_no


class PeriodBackwards(Refused):
    """A period that ends before it begins."""

    def __init__(self, start: datetime, end: datetime) -> None:
        super().__init__(f"a period cannot end ({end.isoformat()}) before it begins ({start.isoformat()})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """[start, end): the end is exclusive, and None while the period is open."""

    start: datetime
    end: datetime | None = None

    def __post_init__(self) -> None:
        if self.end is not None and self.end < self.start:
            raise PeriodBackwards(self.start, self.end)

    def contains(self, instant: datetime) -> bool:
        """Tell whether an instant lies in the period."""
        return self.start <= instant and (self.end is None or instant < self.end)


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A building or compound."""

    site_id: int
    organisation_id: int
    name: str
    zone: str
    currency: str

    def __post_init__(self) -> None:
        zone_of(self.zone)
        minor_digits(self.currency)


@dataclass(frozen=True, slots=True, kw_only=True)
class Meter:
    """A device with an address and a model, and the road end that it is reached by first.

    Further ways to it are in `tx.roads`.
    """

    meter_id: int
    organisation_id: int
    meter_no: str  # 12 digits: the DL/T 645 address
    model: str
    credit_authority: CreditAuthority
    customer_no: str  # 12 digits: what the meter compares in a recharge
    endpoint_id: str
    road: RoadKind
    unit_no: int | None = None  # 1 to 247: the address on a Modbus line

    def __post_init__(self) -> None:
        require_meter_no(self.meter_no)
        require_meter_no(self.customer_no)


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One party's prepaid contract at a supply point."""

    account_id: int
    organisation_id: int
    site_id: int
    kind: AccountKind
    name: str
    supply_point: str  # how people call the place: "302", "stall 14"
    building: str  # "" where the site has but one
    currency: str
    zone: str
    tariff_id: int | None  # that it was opened under; None for accounts that buy nothing
    meter_id: int | None
    pay_token: UUID
    period: Period


def zone_of(name: str) -> ZoneInfo:
    """Return the time zone of a name; refuses what the IANA database does not have."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ZoneUnknown(name) from None


def require_meter_no(meter_no: str) -> None:
    """Refuse a meter number that is not twelve digits."""
    if not _METER_NO.fullmatch(meter_no):
        raise MeterNoMalformed(meter_no)
