"""Twenty homes for a year: virtual meters on the wire, the services, and the way of a tariff into a meter."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from fractions import Fraction
from pathlib import Path
from random import Random

from tests.scenario.year_oracle import FIRST, HOLIDAYS, START, VERSIONS, ZONE, Prices
from tests.unit.services.town import WECHAT, Home, a_notice, an_id, an_opening, ordered

from compuerta.adapters.memory import MemoryStore
from compuerta.adapters.models import load_models
from compuerta.domain.party import AccountKind, Bearer, CreditAuthority, RoadKind
from compuerta.domain.tariff import document
from compuerta.domain.tariff.components import Tariff
from compuerta.domain.tariff.flat import flat_tariff
from compuerta.domain.tariff.schedule import VersionKey
from compuerta.drivers.abilities import Result
from compuerta.drivers.line import Job
from compuerta.drivers.mac import SoftEsam
from compuerta.services import dispatching, tariffing, vend
from compuerta.services.acting import Actor
from compuerta.services.dispatching import Dispatcher, Equipment
from compuerta.services.records import Assignment, Endpoint, MeterEntry, ProviderAccount
from compuerta.services.routing import Reached, own_way
from compuerta.services.store_port import Transaction
from compuerta.services.tariffing import Founders
from compuerta.virtual.meter import ConstantLoad, MeterSetup, VirtualMeter

HOMES = 20
LOADS_10_WH = (0, 3, 11, 24, 38, 55, 91, 140)
PAID_MINOR = 300_000
ESAM = SoftEsam(b"a key for a year of twenty meters")
MODELS = load_models(Path(__file__).parents[2] / "models")
DAY = timedelta(days=1)
OPENED = START - DAY  # under a flat price, and without use: the year's tariff has to get into the meters
TURNS_MAX = 20  # of the gateway, until nothing is due any more
_MILLISECOND = timedelta(milliseconds=1)


def tariff_of(prices: Prices) -> Tariff:
    """Return one of the oracle's versions as a tariff, the way a manager writes it."""
    slots, was = ["00:00 valley", "08:00 flat"], False
    for hour in range(9, 24):
        now = hour in prices.peaks
        if now != was:
            slots.append(f"{hour:02d}:00 {'peak' if now else 'flat'}")
        was = now
    names = ("valley", "flat", "peak")
    return document.tariff_from(
        {
            "name": "Year",
            "currency": "CNY",
            "components": [
                {
                    "kind": "energy",
                    "name": "Energy",
                    "periods": [
                        {"name": name, "role": name, "prices": [price]}
                        for name, price in zip(names, prices.base, strict=True)
                    ],
                    "add_on": [*prices.add_on],
                    "steps": {
                        "window": "month",
                        "bounds_kwh": [str(Fraction(bound, 1000)) for bound in prices.bounds_wh],
                    },
                    "day_tables": {"working": slots, "rest": ["00:00 valley"]},
                    "seasons": [
                        {
                            "name": "all year",
                            "from": "01-01",
                            "weekdays": "working",
                            "saturday": "rest",
                            "sunday": "rest",
                            "holidays": {"national": "rest"},
                        }
                    ],
                    "holidays": {"national": sorted(day.isoformat() for day in HOLIDAYS)},
                }
            ],
        }
    )


def _founded(tx: Transaction, tariff: Tariff, organisation_id: int) -> int:
    founders = Founders(drafted_by="manager", approved_by="owner")
    return tariffing.found(tx, tariff, organisation_id=organisation_id, founders=founders, now=OPENED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the homes stand, and the tariff that they are opened under."""

    organisation_id: int
    site_id: int
    tariff_id: int


@dataclass(slots=True)
class House:
    """A home, and the meter in it."""

    home: Home
    number: int
    meter: VirtualMeter

    def load_wh(self, hour: int) -> int:
        """Return the use of the nth hour: whole units of the register, and different in every home."""
        mixed = (self.number * 7_919 + hour) * 2_654_435_761 % 2**32
        return 10 * LOADS_10_WH[mixed >> 29]


class Town:
    """Will hold twenty homes, and go through the year with them."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.now = OPENED
        self._dispatcher = Dispatcher(Equipment(models=MODELS, mac=ESAM, chance=Random(1).randbytes))
        with self.store.transaction() as tx:
            organisation_id = tx.add_organisation("Casa")
            site_id = tx.add_site(
                organisation_id=organisation_id, name="North", zone=ZONE.key, currency="CNY"
            )
            suspense = an_opening(site_id, name="suspense", kind=AccountKind.SUSPENSE, meter_id=None)
            tx.add_provider_account(
                ProviderAccount(
                    provider=WECHAT,
                    organisation_id=organisation_id,
                    kind="wechat",
                    suspense_account_id=tx.add_account(suspense),
                )
            )
            flat_id = _founded(tx, flat_tariff("0.5", currency="CNY"), organisation_id)
            self.tariff_id = _founded(tx, tariff_of(VERSIONS[0]), organisation_id)
        place = Place(organisation_id=organisation_id, site_id=site_id, tariff_id=flat_id)
        self.houses = [self._house(number, place) for number in range(1, HOMES + 1)]
        with self.store.transaction() as tx:
            self._reached = [Reached(meter=each, way=own_way(each)) for each in tx.meters()]
            self._dispatcher.follow(tx.zones())
        self._by_meter_no = {house.meter.meter_no: house for house in self.houses}

    def _house(self, number: int, place: Place) -> House:
        in_meter = number % 2 == 1
        meter_no = f"2027{number:08d}"
        with self.store.transaction() as tx:
            endpoint_id = f"module{number}"
            tx.add_endpoint(
                Endpoint(
                    endpoint_id=endpoint_id,
                    organisation_id=place.organisation_id,
                    road=RoadKind.MOBILE_4G if in_meter else RoadKind.RS485,
                    bearer=Bearer.DIAL_IN if in_meter else Bearer.SERIAL,
                    address=endpoint_id,
                    baud=None if in_meter else 9_600,
                )
            )
            meter_id = tx.add_meter(
                MeterEntry(
                    organisation_id=place.organisation_id,
                    meter_no=meter_no,
                    model="dlt645-standard-4g" if in_meter else "dlt645-remote-rs485",
                    credit_authority=CreditAuthority.METER if in_meter else CreditAuthority.PLATFORM,
                    customer_no=meter_no,
                    endpoint_id=endpoint_id,
                    road=RoadKind.MOBILE_4G if in_meter else RoadKind.RS485,
                )
            )
            opening = an_opening(
                place.site_id, name=f"flat {number}", meter_id=meter_id, tariff_id=place.tariff_id
            )
            account_id = tx.add_account(replace(opening, opened_at=OPENED))
        setup = MeterSetup(
            meter_no=meter_no,
            customer_no=meter_no,
            credit_authority=CreditAuthority.METER if in_meter else CreditAuthority.PLATFORM,
            load=ConstantLoad(power_w=0),
            civil_offset_ms=(FIRST - DAY - datetime(1970, 1, 1)) // _MILLISECOND,  # noqa: DTZ001
        )
        meter = VirtualMeter(setup, now_ms=0, esam=ESAM, chance=Random(number))
        return House(home=Home(meter_id=meter_id, account_id=account_id), number=number, meter=meter)

    # What people do.

    def pay(self, house: House) -> None:
        """Order, and let the provider say that it has the money."""
        name = f"{house.number}"
        ordered(self.store, house.home, reference=f"order{name}", amount_minor=PAID_MINOR, now=self.now)
        notice = a_notice(transaction_no=f"t{name}", reference=f"order{name}", amount_minor=PAID_MINOR)
        vend.accept_payments(self.store, [notice], now=self.now)

    def assign(self, house: House) -> None:
        """Give a home the year's tariff, from the year's beginning."""
        manager = Actor(who="manager", why="the year's tariff", origin="console")
        assignment = Assignment(account_id=house.home.account_id, starts_at=START, tariff_id=self.tariff_id)
        act_id = an_id(f"assign {house.number}")
        tariffing.assign(self.store, assignment, actor=manager, act_id=act_id, models=MODELS, now=self.now)

    def change(self, prices: Prices) -> VersionKey:
        """Draft a version, propose it, and let another person approve it."""
        manager = Actor(who="manager", why="prices of the utility", origin="console")
        owner = Actor(who="owner", why="as agreed", origin="console")
        key = tariffing.draft(
            self.store,
            tariff_of(prices),
            tariff_id=self.tariff_id,
            effective_from=prices.since,
            actor=manager,
            now=self.now,
        )
        act_ids = an_id(f"propose {key}"), an_id(f"approve {key}")
        tariffing.propose(self.store, key, actor=manager, act_id=act_ids[0], now=self.now)
        tariffing.approve(self.store, key, actor=owner, act_id=act_ids[1], models=MODELS, now=self.now)
        return key

    # What the world does.

    def go_to(self, instant: datetime) -> None:
        """Let time pass in every meter."""
        self.now = instant
        for house in self.houses:
            house.meter.advance(to_ms=self._now_ms())

    def use(self, hour: int) -> None:
        """Set every home's load for an hour."""
        for house in self.houses:
            house.meter.core.set_load(house.load_wh(hour))

    def read(self) -> None:
        """Read every meter, and do what is due, as a gateway does."""
        for each in self._reached:
            job = self._dispatcher.poll(each, now=self.now, now_ms=self._now_ms())
            self._dispatcher.finish(job.key, self._carry_out(job), at=self.now)
        for _ in range(TURNS_MAX):
            batch = self._dispatcher.batch(self._reached)
            written = dispatching.write(self.store, batch, now=self.now, owner="gateway")
            self._dispatcher.settle(batch, written)
            for claim in written.claims:
                job = self._dispatcher.job(claim, now=self.now, now_ms=self._now_ms())
                self._dispatcher.finish(job.key, self._carry_out(job), at=self.now)
            if not (written.claims or batch.conclusions):
                return
        raise AssertionError("the gateway is never done")

    def _carry_out(self, job: Job) -> Result:
        """Play a conversation on the meter's own bytes; no time passes in it."""
        meter = self._by_meter_no[job.meter_no].meter
        speech = job.conversation
        speech.begin()
        while speech.result is None:
            asked = speech.send(timing=job.timing, now_ms=self._now_ms())
            speech.receive(meter.receive(asked, now_ms=self._now_ms()), now_ms=self._now_ms())
        return speech.result

    def _now_ms(self) -> int:
        return (self.now - OPENED) // _MILLISECOND
