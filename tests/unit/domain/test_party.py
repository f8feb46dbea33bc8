"""Parties are made whole or refused."""

from datetime import UTC, datetime, timedelta

import pytest

from compuerta.domain.errors import Refused
from compuerta.domain.money import CurrencyUnknown
from compuerta.domain.party import (
    CreditAuthority,
    Meter,
    MeterNoMalformed,
    Period,
    PeriodBackwards,
    RoadKind,
    Site,
    ZoneUnknown,
    require_meter_no,
    zone_of,
)

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def a_meter(*, meter_no: str = "000000000001", customer_no: str = "000000000001") -> Meter:
    return Meter(
        meter_id=1,
        organisation_id=1,
        meter_no=meter_no,
        model="dlt645-vendor-rs485",
        credit_authority=CreditAuthority.METER,
        customer_no=customer_no,
        endpoint_id="bus",
        road=RoadKind.RS485,
    )


@pytest.mark.parametrize(
    "number",
    [
        "",
        "1",
        "00000000001",
        "0000000000001",
        "00000000000A",
        "00000000000１",
        "000000000001\n",
        " 00000000001",
    ],
)
def test_a_meter_number_is_twelve_digits_or_refused(number: str) -> None:
    with pytest.raises(MeterNoMalformed) as refused:
        require_meter_no(number)
    with pytest.raises(MeterNoMalformed):
        a_meter(meter_no=number)
    with pytest.raises(MeterNoMalformed):
        a_meter(customer_no=number)

    assert isinstance(refused.value, Refused)
    assert refused.value.meter_no == number


def test_twelve_digits_with_their_zeros_are_a_meter_number() -> None:
    assert a_meter(meter_no="000000000000").meter_no == "000000000000"


@pytest.mark.parametrize("zone", ["", "Mars/Olympus", "../../etc/passwd", "Asia", "/etc/localtime", "a\x00b"])
def test_a_zone_is_known_or_refused(zone: str) -> None:
    with pytest.raises(ZoneUnknown):
        zone_of(zone)
    with pytest.raises(ZoneUnknown):
        Site(site_id=1, organisation_id=1, name="North", zone=zone, currency="CNY")


def test_a_site_has_a_currency_that_is_known() -> None:
    with pytest.raises(CurrencyUnknown):
        Site(site_id=1, organisation_id=1, name="North", zone="Asia/Shanghai", currency="XXX")


def test_a_period_holds_its_start_and_not_its_end() -> None:
    period = Period(start=NOON, end=NOON + SECOND)

    assert [period.contains(NOON + seconds * SECOND) for seconds in (-1, 0, 1)] == [False, True, False]


def test_an_open_period_never_ends_and_an_empty_one_holds_nothing() -> None:
    assert Period(start=NOON).contains(NOON + timedelta(days=36_500))
    assert not Period(start=NOON, end=NOON).contains(NOON)


def test_a_period_that_ends_before_it_begins_is_refused() -> None:
    with pytest.raises(PeriodBackwards):
        Period(start=NOON, end=NOON - SECOND)
