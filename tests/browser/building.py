"""A realistic building in a database: two organisations, ten meters on two roads, a day of recharges."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID, uuid5

import psycopg

from compuerta.adapters.postgres.store import PostgresStore
from compuerta.domain.party import BEARERS, AccountKind, CreditAuthority, RoadKind
from compuerta.domain.payment import PaymentNotice
from compuerta.domain.tariff.flat import flat_tariff
from compuerta.drivers.abilities import Ending, MeterState, Relay, Result
from compuerta.services import deliver, observe, ordering, shifts, tariffing, vend
from compuerta.services.acting import Actor
from compuerta.services.payment_ports import Capabilities
from compuerta.services.records import AccountOpening, Alarm, Case, Endpoint, MeterEntry, ProviderAccount
from compuerta.services.shifts import Opening, TillWish
from compuerta.services.tariffing import Founders

NAMES = UUID(int=52)
SHIFT_ID = uuid5(NAMES, "shift")  # ana's, at the first till
PEOPLE = (
    "李娜", "Mercedes Gutiérrez Fernández", "王小明", "Ana", "赵磊",
    "John Okafor", "Cafetería La Luz", "陈静", "Lucía", "周洋",
)  # fmt: skip
ONLINE = Capabilities(
    currencies=frozenset({"CNY"}),
    notices=True,
    query=True,
    close=True,
    immediate=False,
    expiry_min=timedelta(minutes=1),
    expiry_max=timedelta(hours=2),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Flat:
    """One supply point of the building."""

    meter_id: int
    account_id: int
    pay_token: UUID
    platform: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Building:
    """What a test wants to name."""

    organisation_id: int
    flats: list[Flat]
    other_organisation_id: int
    other: Flat


def a_building(url: str, *, now: datetime) -> Building:
    """Fill an empty, migrated database."""
    store = PostgresStore(url)
    opened = now - timedelta(days=30)
    organisation_id, flats = _organisation(store, "Residencia Río 南苑", floor=3, flats=10, opened=opened)
    other_id, (other,) = _organisation(store, "Mercado Norte", floor=9, flats=1, opened=opened)
    _tills(store, organisation_id, now=now)
    for number, flat in enumerate(flats):
        _live(store, flat, number=number, now=now)
    _trouble(store, flats, now=now)
    store.shut()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            """insert into endpoint_state (endpoint_id, alive, gateway, changed_at)
            select endpoint_id, endpoint_id not like '%%-302', 'g1', %s from endpoint""",
            [now - timedelta(hours=3)],
        )
    return Building(organisation_id=organisation_id, flats=flats, other_organisation_id=other_id, other=other)


def pay(store: PostgresStore, flat: Flat, *, amount_minor: int, at: datetime, provider: str) -> None:
    """Order and pay a recharge at one instant."""
    attempt_id = uuid5(NAMES, f"{flat.meter_id} {at}")
    order = ordering.Order(
        attempt_id=attempt_id,
        account_id=flat.account_id,
        provider=provider,
        reference=attempt_id.hex,
        amount_minor=amount_minor,
    )
    ordering.open_attempt(store, order, capabilities=ONLINE, expires_in=timedelta(minutes=5), now=at)
    notice = PaymentNotice(
        provider=provider,
        transaction_no=f"42{attempt_id.int % 10**18}",
        reference=order.reference,
        amount_minor=amount_minor,
        currency="CNY",
        paid_at=at,
    )
    vend.accept_payments(store, [notice], now=at + timedelta(milliseconds=180))


def deliver_all(
    store: PostgresStore, flat: Flat, *, balance_minor: int, energy_wh: int, at: datetime
) -> None:
    """Do as a gateway does: carry out what is open, and read a closed relay back."""
    state = MeterState(energy_wh=energy_wh, balance_minor=balance_minor, relay=Relay.CLOSED, power_w=420)
    done = Result(ending=Ending.DONE, credited=True, state=replace(state, relay=Relay.PERMITTED))
    for claim in deliver.claim(store, [flat.meter_id], now=at, owner="g1"):
        deliver.conclude(store, [deliver.Conclusion(claim=claim, result=done, at=at)], now=at)
    seen = at + timedelta(milliseconds=650)
    observe.take_readings(
        store, [observe.MeterReport(meter_id=flat.meter_id, at=seen, state=state)], now=seen
    )


def _organisation(
    store: PostgresStore, name: str, *, floor: int, flats: int, opened: datetime
) -> tuple[int, list[Flat]]:
    made = []
    with store.transaction() as tx:
        organisation_id = tx.add_organisation(name)
        site_id = tx.add_site(
            organisation_id=organisation_id, name=f"Torre {floor}", zone="Asia/Shanghai", currency="CNY"
        )
        tariff_id = tariffing.found(
            tx,
            flat_tariff("0.5300", currency="CNY"),
            organisation_id=organisation_id,
            founders=Founders(drafted_by="manager", approved_by="owner"),
            now=opened,
        )
        for number in range(1, flats + 1):
            place = (organisation_id, site_id, tariff_id)
            made.append(_flat(tx, place, floor * 100 + number, number, opened))
        suspense = tx.add_account(
            AccountOpening(
                site_id=site_id, kind=AccountKind.SUSPENSE, name="suspense", supply_point="suspense",
                tariff_id=None, meter_id=None, pay_token=uuid5(NAMES, name), opened_at=opened,
            )
        )  # fmt: skip
        for kind in ("wechat", "till"):
            tx.add_provider_account(
                ProviderAccount(
                    provider=kind if floor == 3 else f"{kind}-{floor}",
                    organisation_id=organisation_id,
                    kind=kind,
                    suspense_account_id=suspense,
                )
            )
    return organisation_id, made


def _tills(store: PostgresStore, organisation_id: int, *, now: datetime) -> None:
    """Let the first till sell in shifts, with the shift of ana open at it, and add one that nobody is at."""
    actor = Actor(who="ana", why="the first till", origin="the tests")
    for name in ("till", "counter 2"):
        wish = TillWish(
            name=name,
            organisation_id=organisation_id,
            site_id=1,
            for_all=True,
            drawer_max_minor=None,
            live=True,
            suspense_token=uuid5(NAMES, name),
        )
        shifts.found_till(store, wish, actor=actor, act_id=uuid5(NAMES, f"found {name}"), now=now)
    opening = Opening(shift_id=SHIFT_ID, organisation_id=organisation_id, till="till", float_minor=100_000)
    shifts.open_shift(store, opening, actor=actor, now=now)


def _flat(tx, place: tuple[int, int, int], room: int, number: int, opened: datetime) -> Flat:  # type: ignore[no-untyped-def]
    organisation_id, site_id, tariff_id = place
    platform = number % 3 == 0
    road = RoadKind.RS485 if number % 2 else RoadKind.MOBILE_4G
    endpoint_id = f"{road.value}-{room}"
    tx.add_endpoint(
        Endpoint(
            endpoint_id=endpoint_id,
            organisation_id=organisation_id,
            road=road,
            bearer=BEARERS[road][0],
            address=f"866{room:012d}",
        )
    )
    meter_id = tx.add_meter(
        MeterEntry(
            organisation_id=organisation_id, meter_no=f"2026{room:08d}", model="dlt645-standard-4g",
            credit_authority=CreditAuthority.PLATFORM if platform else CreditAuthority.METER,
            customer_no=f"{room:012d}",
            endpoint_id=endpoint_id, road=road,
        )
    )  # fmt: skip
    pay_token = uuid5(NAMES, str(room))
    account_id = tx.add_account(
        AccountOpening(
            site_id=site_id, kind=AccountKind.CUSTOMER, name=PEOPLE[number - 1], supply_point=str(room),
            tariff_id=tariff_id, meter_id=meter_id, pay_token=pay_token, opened_at=opened, register_wh=0,
        )
    )  # fmt: skip
    return Flat(meter_id=meter_id, account_id=account_id, pay_token=pay_token, platform=platform)


def _live(store: PostgresStore, flat: Flat, *, number: int, now: datetime) -> None:
    """A day of a flat: some recharges with their seconds, readings in between, the last one just now."""
    wh = 0
    for step in range(6):
        at = now - timedelta(hours=22 - 3 * step, minutes=7 * number)
        pay(store, flat, amount_minor=2000 + 1000 * (step % 3), at=at, provider="wechat")
        slow = timedelta(
            milliseconds=900 + 350 * number + 400 * step + (9000 if (number, step) == (1, 4) else 0)
        )
        wh += 9_000 + 1_500 * number
        deliver_all(store, flat, balance_minor=6000 - 700 * step, energy_wh=wh, at=at + slow)
    out = number in (3, 6)
    balance = -150 if out else 900 if number == 4 else 5230 + 1111 * number
    heard = now - (timedelta(hours=4) if number == 7 else timedelta(seconds=9 + number))
    state = MeterState(
        energy_wh=wh + (80_000 if flat.platform and out else 1_200),
        balance_minor=balance,
        relay=Relay.OPEN if out else Relay.CLOSED,
        power_w=0 if out else 180 + 437 * number,
        flags=frozenset({"pre_trip_alarm"}) if number == 4 else frozenset(),
    )
    observe.take_readings(
        store, [observe.MeterReport(meter_id=flat.meter_id, at=heard, state=state)], now=heard
    )


def _trouble(store: PostgresStore, flats: list[Flat], *, now: datetime) -> None:
    pay(store, flats[3], amount_minor=5000, at=now - timedelta(seconds=40), provider="wechat")
    with store.transaction() as tx:
        tx.put_cases(
            [
                Case(
                    account_id=flats[1].account_id,
                    case_id=uuid5(NAMES, "case"),
                    kind="amount_differs",
                    detail="wechat 4200002026, order 8a7c: 4900 CNY (minor units)",
                    opened_at=now - timedelta(hours=6),
                )
            ]
        )
        tx.put_alarms([Alarm(kind="registration_unknown", subject="866000000000777", detail="", at=now)])
