"""A small town to try everything on: one building, twenty flats and stalls, meters on every road.

Every meter begins empty; the first electricity is sold at the till, so that from the first minute the books
and the meters have the same history.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID, uuid4

from compuerta.adapters.tariffs import LIBRARY, load_tariff
from compuerta.domain.contact import RESIDENTS_TOPICS, Channel, Language, Topic
from compuerta.domain.party import AccountKind, Bearer, CreditAuthority, RoadKind
from compuerta.domain.road import Way
from compuerta.domain.tariff.components import Tariff
from compuerta.domain.tariff.flat import flat_tariff
from compuerta.services import contacting, shifts, tariffing
from compuerta.services.acting import Actor
from compuerta.services.contacting import ContactWish
from compuerta.services.joining import Joined
from compuerta.services.message_port import Contact
from compuerta.services.records import AccountOpening, Endpoint, MeterEntry, ProviderAccount
from compuerta.services.shifts import TillWish
from compuerta.services.store_port import Store, Transaction
from compuerta.services.tariffing import Founders

ZONE = "Asia/Shanghai"
UTC_OFFSET_MIN = 480
CURRENCY = "CNY"
# Where people pay by mobile money.
MOBILE_ZONE = "Africa/Nairobi"
MOBILE_CURRENCY = "KES"
# The town's accounts at providers: by name the kind, and the currency of what cannot be placed.
# Safaricom takes no address that has its own name in it, so that account is called by what it is.
PROVIDERS = {
    "wechat": ("wechat", CURRENCY),
    "alipay": ("alipay", CURRENCY),
    "card": ("stripe", CURRENCY),
    "paybill": ("mpesa", MOBILE_CURRENCY),
    "till": ("till", CURRENCY),
    "kiosk": ("biller", CURRENCY),  # a shop that takes money for the house
}
BAUD = 9600
BUSES = ("bus-1", "bus-2")
MQTT_PLACE, NB_PLACE = 8, 9
IN_STORY = frozenset({0, MQTT_PLACE, NB_PLACE, 10, 11})  # one for each road, and each kind of meter
PRICE = "1.0000"
# The story's accounts pay a high price, so that a balance falls while one looks. More load would do it too,
# but in accelerated time it would look like a register that jumps (promise T2).
PRICE_STORY = "30.0000"
STORY_LOAD_W = 600
MOBILE_PRICE = "25.0000"
COUNTER, DRAWER_MAX_MINOR = "counter", 300_000
BUILDING = "Torre Jacaranda"
MOBILE_BUILDING = "Nyumba Kijani"
SITES = {CURRENCY: (BUILDING, ZONE), MOBILE_CURRENCY: (MOBILE_BUILDING, MOBILE_ZONE)}
FOUNDERS = Founders(drafted_by="manager", approved_by="owner")
HOUSEKEEPER = Actor(who="admin", why="the town is built", origin="stage")
LANGUAGES = (Language.ENGLISH, Language.SPANISH, Language.CHINESE)
STAFF = {"admin": frozenset({Topic.WARNING, Topic.ALARM}), "technician": frozenset({Topic.ALARM})}

STANDARD = "dlt645-standard-4g"
VENDOR = "dlt645-vendor-rs485"
REMOTE = "dlt645-remote-rs485"

# What the platform deducts has steps and hours, so that there is something to open and look into.
RESIDENTIAL = "china-residential-annual-steps"


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """One supply point of the town, with the meter that measures it."""

    supply_point: str
    name: str
    meter_no: str
    model: str
    way: Way
    bearer: Bearer
    in_story: bool
    power_w: int
    opening_minor: int
    pay_token: UUID
    price: str = PRICE  # of a kWh, where the meter deducts it
    floor: int | None = None
    currency: str = CURRENCY
    reached: tuple[tuple[Channel, str], ...] = ()  # how its people are reached
    spare: Way | None = None  # the second way to its meter, by NB-IoT
    contact_s: int | None = None  # its module on NB-IoT sleeps, and says something so often
    account_id: int = 0

    @property
    def road(self) -> RoadKind:
        """The road that its meter is reached by first."""
        return self.way.road

    @property
    def endpoint_id(self) -> str:
        """The end of that road."""
        return self.way.endpoint_id

    @property
    def nb_module(self) -> str | None:
        """The name of its meter's module on NB-IoT, where it has one."""
        found = [way for way in (self.way, self.spare) if way is not None and way.road is RoadKind.NBIOT]
        return found[0].endpoint_id if found else None

    @property
    def tariff(self) -> str:
        """The tariff of the library, or the price, that it is billed by."""
        return RESIDENTIAL if self.model == REMOTE and not self.in_story else self.price


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """Where somebody moves in."""

    organisation_id: int
    sites: Mapping[str, int]  # by currency
    tariffs: Mapping[tuple[str, str], int]  # by name and currency


@dataclass(frozen=True, slots=True, kw_only=True)
class Town:
    """What was built."""

    organisation_id: int
    homes: tuple[Home, ...]


_NAMES = (
    "Li Wei", "Wang Fang", "Ana Torres", "Zhang Min", "Luis Prado", "Chen Jie", "Marta Gil", "Liu Yang",
    "Sun Li", "Pablo Ruiz", "Zhao Lei", "Huang Yan", "Rosa Vidal", "Zhou Qiang", "Wu Xia", "Xu Bo",
    "Elena Soto", "Ma Chao", "Zhu Ting", "Hu Bin",
)  # fmt: skip


def plan(*, buses: tuple[str, ...] = BUSES) -> tuple[Home, ...]:
    """Say who lives where: ten meters by air, and ten on two RS485 lines, half of those without a purse.

    By air is mostly 4G over TCP; one goes over MQTT, and one by NB-IoT. The last one lives where people pay
    by mobile money.
    """
    homes = []
    for place in range(20):
        by_air = place < 10
        model = STANDARD if by_air else (VENDOR if place % 2 else REMOTE)
        in_story = place in IN_STORY
        meter_no = f"2026112200{place + 1:02d}"
        homes.append(
            Home(
                supply_point=f"{place // 5 + 1}0{place % 5 + 1}",
                name=_NAMES[place],
                meter_no=meter_no,
                model=model,
                way=_way(place, buses),
                bearer=_bearer(place),
                in_story=in_story,
                power_w=STORY_LOAD_W if in_story else 200 + 137 * place % 900,
                opening_minor=1_200 if in_story else 5_000 + 1_000 * (place % 4),
                pay_token=uuid4(),
                price=PRICE_STORY if in_story else PRICE,
                floor=place // 5 + 1,
                reached=_reached(place),
            )
        )
    homes[-1] = replace(
        homes[-1],
        supply_point="A1",
        floor=None,
        currency=MOBILE_CURRENCY,
        price=MOBILE_PRICE,
        opening_minor=50_000,
    )
    return tuple(homes)


def _bearer(place: int) -> Bearer:
    by_air = {MQTT_PLACE: Bearer.MQTT, NB_PLACE: Bearer.COAP}
    return by_air.get(place, Bearer.DIAL_IN) if place < 10 else Bearer.SERIAL


def _way(place: int, buses: tuple[str, ...]) -> Way:
    match _bearer(place):
        case Bearer.SERIAL:
            return Way(endpoint_id=buses[place // 5 - 2], road=RoadKind.RS485)
        case Bearer.COAP:
            return Way(endpoint_id=f"nb-{place + 1}", road=RoadKind.NBIOT)
        case Bearer.MQTT:
            return Way(endpoint_id=f"mq-{place + 1}", road=RoadKind.MOBILE_4G)
        case _:
            return Way(endpoint_id=f"8600000000000{place + 1:02d}", road=RoadKind.MOBILE_4G)


def _reached(place: int) -> tuple[tuple[Channel, str], ...]:
    """Everybody by e-mail, and every third by a text or an app, too."""
    mail = (Channel.EMAIL, f"{_NAMES[place].lower().replace(' ', '.')}@example.org")
    more = {0: (Channel.SMS, f"138000000{place:02d}"), 1: (Channel.WEBHOOK, f"tenant-{place + 1}")}
    return (mail, more[place % 3]) if place % 3 in more else (mail,)


def build(store: Store, homes: tuple[Home, ...], *, bus_paths: dict[str, str], now: datetime) -> Town:
    """Enter the town into the database: parties, meters, roads, provider accounts."""
    with store.transaction() as tx:
        organisation_id = tx.add_organisation("Residencial La Compuerta", live=False)
        sites = {
            currency: tx.add_site(organisation_id=organisation_id, name=name, zone=zone, currency=currency)
            for currency, (name, zone) in SITES.items()
        }
        for endpoint in _endpoints(homes, bus_paths, organisation_id=organisation_id):
            tx.add_endpoint(endpoint)
        _add_providers(tx, organisation_id=organisation_id, sites=sites, now=now)
        tariffs = {
            named: tariffing.found(
                tx, _tariff(*named), organisation_id=organisation_id, founders=FOUNDERS, now=now
            )
            for named in sorted({(home.tariff, home.currency) for home in homes})
        }
        place = _Place(organisation_id=organisation_id, sites=sites, tariffs=tariffs)
        entered = tuple(_moved_in(tx, home, place, now=now) for home in homes)
        _add_contacts(tx, entered, organisation_id=organisation_id, now=now)
        _add_counter(tx, organisation_id=organisation_id, site_id=sites[CURRENCY], now=now)
    return Town(organisation_id=organisation_id, homes=entered)


def _tariff(name: str, currency: str) -> Tariff:
    if name == RESIDENTIAL:
        return load_tariff(LIBRARY / f"{name}.yaml")
    return flat_tariff(name, currency=currency)


def _add_providers(tx: Transaction, *, organisation_id: int, sites: Mapping[str, int], now: datetime) -> None:
    suspense = {currency: tx.add_account(_suspense(site_id, now=now)) for currency, site_id in sites.items()}
    for name, (kind, currency) in PROVIDERS.items():
        tx.add_provider_account(
            ProviderAccount(
                provider=name,
                organisation_id=organisation_id,
                kind=kind,
                suspense_account_id=suspense[currency],
                live=False,
            )
        )


def _suspense(site_id: int, *, now: datetime) -> AccountOpening:
    return AccountOpening(
        site_id=site_id,
        kind=AccountKind.SUSPENSE,
        name="Suspense",
        supply_point="-",
        tariff_id=None,
        meter_id=None,
        pay_token=uuid4(),
        opened_at=now,
    )


def _add_counter(tx: Transaction, *, organisation_id: int, site_id: int, now: datetime) -> None:
    """Put up a till at which a cashier opens a shift."""
    wish = TillWish(
        name=COUNTER,
        organisation_id=organisation_id,
        site_id=site_id,
        for_all=True,
        drawer_max_minor=DRAWER_MAX_MINOR,
        live=False,
        suspense_token=uuid4(),
    )
    shifts.found_till(Joined(tx), wish, actor=HOUSEKEEPER, act_id=uuid4(), now=now)


def _add_contacts(tx: Transaction, homes: tuple[Home, ...], *, organisation_id: int, now: datetime) -> None:
    """Say how tenants and staff are reached."""
    for number, home in enumerate(homes):
        for channel, address in home.reached:
            wish = ContactWish(
                contact_id=uuid4(),
                account_id=home.account_id,
                channel=channel,
                address=address,
                language=LANGUAGES[number % len(LANGUAGES)],
                wants=RESIDENTS_TOPICS,
            )
            contacting.added(tx, wish, HOUSEKEEPER, now=now)
    for name, wants in STAFF.items():
        tx.messages.put_contact(
            Contact(
                contact_id=uuid4(),
                organisation_id=organisation_id,
                account_id=None,
                user_name=name,
                channel=Channel.EMAIL,
                address=f"{name}@example.org",
                language=Language.ENGLISH,
                wants=wants,
                created_at=now,
                confirmed_at=now,
            )
        )


def _moved_in(tx: Transaction, home: Home, place: _Place, *, now: datetime) -> Home:
    entry = MeterEntry(
        organisation_id=place.organisation_id,
        meter_no=home.meter_no,
        model=home.model,
        credit_authority=authority(home),
        customer_no=home.meter_no,
        endpoint_id=home.endpoint_id,
        road=home.road,
    )
    meter_id = tx.add_meter(entry)
    if home.spare is not None:
        tx.roads.put_ways({meter_id: [home.spare.endpoint_id]})
    opening = AccountOpening(
        site_id=place.sites[home.currency],
        kind=AccountKind.CUSTOMER,
        name=home.name,
        supply_point=home.supply_point,
        building=SITES[home.currency][0],
        floor=home.floor,
        tariff_id=place.tariffs[home.tariff, home.currency],
        meter_id=meter_id,
        pay_token=home.pay_token,
        opened_at=now,
        register_wh=0,
    )
    return replace(home, account_id=tx.add_account(opening))


def authority(home: Home) -> CreditAuthority:
    """Return who holds the money of a home's meter."""
    return CreditAuthority.PLATFORM if home.model == REMOTE else CreditAuthority.METER


def _endpoints(homes: tuple[Home, ...], bus_paths: dict[str, str], *, organisation_id: int) -> list[Endpoint]:
    by_air = [
        Endpoint(
            endpoint_id=home.endpoint_id,
            organisation_id=organisation_id,
            road=home.road,
            bearer=home.bearer,
            address=home.endpoint_id,
            contact_s=home.contact_s if home.road is RoadKind.NBIOT else None,
        )
        for home in homes
        if home.bearer is not Bearer.SERIAL
    ]
    spares = [
        Endpoint(
            endpoint_id=home.spare.endpoint_id,
            organisation_id=organisation_id,
            road=home.spare.road,
            bearer=Bearer.COAP,
            address=home.spare.endpoint_id,
            contact_s=home.contact_s,
        )
        for home in homes
        if home.spare is not None
    ]
    buses = [
        Endpoint(
            endpoint_id=name,
            organisation_id=organisation_id,
            road=RoadKind.RS485,
            bearer=Bearer.SERIAL,
            address=path,
            baud=BAUD,
        )
        for name, path in bus_paths.items()
    ]
    return [*by_air, *spares, *buses]
