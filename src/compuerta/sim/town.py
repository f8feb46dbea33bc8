"""The town: a handful of meters of every kind, with the books, the roles and the people around them."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import lru_cache
from pathlib import Path
from random import Random
from uuid import UUID

from compuerta.adapters.memory import MemoryTransaction
from compuerta.adapters.models import load_models
from compuerta.adapters.payments.till import CashTill
from compuerta.domain.contact import Channel, Language, Topic
from compuerta.domain.division import DebtKind
from compuerta.domain.party import BEARERS, AccountKind, Bearer, CreditAuthority, RoadKind
from compuerta.domain.policy import Json
from compuerta.domain.tariff.components import Tariff
from compuerta.domain.tariff.flat import flat_tariff
from compuerta.drivers.mac import SoftEsam
from compuerta.drivers.model import Model, RechargeLayout
from compuerta.services import indebting, tariffing
from compuerta.services.dispatching import Equipment
from compuerta.services.indebting import DebtOpening
from compuerta.services.message_port import Contact
from compuerta.services.outpost_port import Outpost as OutpostEntry
from compuerta.services.payment_ports import PaymentProvider
from compuerta.services.records import AccountOpening, Endpoint, MeterEntry, ProviderAccount
from compuerta.services.tariffing import Founders
from compuerta.sim import accounts, tariffs
from compuerta.sim.accountant import Accountant
from compuerta.sim.door import Door, Worker
from compuerta.sim.gateway import Gateway
from compuerta.sim.incidents import Incidents
from compuerta.sim.landlord import Exchange, Landlord
from compuerta.sim.mortal import Database, Mortal
from compuerta.sim.outpost import LINE, Outpost
from compuerta.sim.people import OWNER, Administrator, Cashier, Manager, Resident
from compuerta.sim.post import Carriers, Postman
from compuerta.sim.providers import Provider
from compuerta.sim.roads import OUTPOST, House, Road, Sleep
from compuerta.sim.stage import START, Stage
from compuerta.sim.tariffs import CURRENCY
from compuerta.virtual.meter import DIRECT_CLOSE, Limits, MeterSetup
from compuerta.virtual.providers.worlds import World

MODELS = Path(__file__).parents[3] / "models"
ZONE, ZONE_OFFSET_MS = "Asia/Shanghai", 8 * 3_600_000
START_CIVIL = (START + timedelta(milliseconds=ZONE_OFFSET_MS)).replace(tzinfo=None)
METERS_MIN, METERS_MAX = 4, 6
OVERLOAD_W = 40_000  # between the two largest loads
BOXED = 100  # numbers of meters in their boxes begin here
BUS_BYTE_US = 4_583  # 11 bits at 2,400 baud
BUS_DELAY_MS, MOBILE_DELAY_MS = 5, 90
NB_DELAY_MS = 600  # each way; awake, an answer takes one to three seconds
# A module on NB-IoT says something so often; the longest is less than the calm's first look.
CONTACT_MS = (60_000, 150_000)
AWAKE_MS = 20_000
SPARE = "spare"  # how the names of second roads begin


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind of meter as the town has them."""

    model: str
    road: RoadKind
    authority: CreditAuthority = CreditAuthority.METER
    layout: RechargeLayout = RechargeLayout.STANDARD
    run_feature_word: int = DIRECT_CLOSE

    @property
    def deducts_by_steps(self) -> bool:
        """Whether its meters can be given tables."""
        return self.authority is CreditAuthority.METER and self.layout is RechargeLayout.STANDARD


KINDS = (
    Kind(model="dlt645-standard-4g", road=RoadKind.MOBILE_4G),
    Kind(model="dlt645-vendor-rs485", road=RoadKind.RS485, layout=RechargeLayout.VENDOR),
    Kind(model="dlt645-remote-rs485", road=RoadKind.RS485, authority=CreditAuthority.PLATFORM),
    Kind(model="dlt645-remote-press-rs485", road=RoadKind.RS485, authority=CreditAuthority.PLATFORM),
    Kind(model="dlt645-standard-4g", road=RoadKind.MOBILE_4G, run_feature_word=0),
    Kind(model="dlt645-remote-rs485", road=RoadKind.MOBILE_4G, authority=CreditAuthority.PLATFORM),
    Kind(model="dlt645-standard-4g", road=RoadKind.NBIOT),
)


@dataclass(slots=True, kw_only=True, eq=False)
class Town:
    """Everything that a run moves, looks at, or breaks."""

    stage: Stage
    database: Database
    houses: dict[str, House]
    roads: list[Road]
    providers: list[Provider]
    doors: list[Door]
    worker: Worker
    gateways: list[Gateway]
    outpost: Outpost | None  # in some runs
    residents: list[Resident]
    cashier: Cashier
    administrator: Administrator
    manager: Manager
    landlord: Landlord
    accountant: Accountant
    carriers: Carriers
    postman: Postman
    incidents: Incidents
    boxed: Exchange | None  # a meter that may be exchanged in this run
    account_ids: list[int]
    tariffs: dict[int, Tariff]  # those that get a new version

    @property
    def lies(self) -> bool:
        """Whether its providers tell of other amounts than they have."""
        return any(each.has_lied for each in self.providers)

    def bodies(self) -> list[Mortal]:
        """Return every process of the platform."""
        gateways = (each.body for each in self.gateways)
        outposts = [] if self.outpost is None else [self.outpost.body]
        doors = (each.body for each in self.doors)
        return [*doors, self.worker.body, *gateways, *outposts, self.postman.body]


def a_town(stage: Stage) -> Town:
    """Build a town whose every detail the stage's chance decides."""
    database = Database(stage)
    kinds = _kinds(stage)
    esam = SoftEsam(b"the simulator's own master key")
    houses, roads = _build(stage, kinds, esam)
    with database.store.transaction() as tx:
        has_outpost = stage.faults.outpost_cut_every_s > 0
        account_ids = _register(tx, kinds, houses, chance=stage.chance, has_outpost=has_outpost)
        _lay_spares(tx, roads)
        _settle(tx, stage)
        _introduce(tx, account_ids, chance=stage.chance)
    ours, worlds = _accounts(stage)
    doors = [Door(f"door{number}", stage=stage, database=database, providers=ours) for number in (1, 2)]
    providers = [Provider(world, stage=stage, doors=doors) for world in worlds]
    gateways = _gateways(stage, database, roads, esam)
    carriers = Carriers(stage)
    return Town(
        stage=stage,
        database=database,
        houses=houses,
        roads=roads,
        providers=providers,
        doors=doors,
        worker=_worker(stage, database, ours, providers),
        gateways=gateways,
        outpost=_outpost(stage, database, roads, esam, gateways=gateways),
        residents=_residents(account_ids, houses, stage=stage, door=doors[0], providers=providers),
        cashier=Cashier(stage=stage, door=doors[1]),
        administrator=Administrator(stage=stage, door=doors[1]),
        manager=Manager(stage=stage, door=doors[1], models=models()),
        carriers=carriers,
        postman=Postman("postman", stage=stage, database=database, carriers=carriers),
        incidents=Incidents(stage=stage, store=database.store),
        accountant=Accountant(
            stage=stage, door=doors[1], tables=database.store.tables, account_ids=account_ids
        ),
        landlord=Landlord(stage=stage, door=doors[0], models=models()),
        boxed=_boxed(stage, kinds, esam, houses=houses, roads=roads, gateways=gateways),
        account_ids=account_ids,
        tariffs=_renewable(database),
    )


def _accounts(stage: Stage) -> tuple[dict[str, PaymentProvider], list[World]]:
    opened = accounts.opened(stage)
    ours: dict[str, PaymentProvider] = {world.name: provider for provider, world in opened}
    ours["till"] = CashTill("till", frozenset({CURRENCY}))
    return ours, [world for _, world in opened]


def _worker(
    stage: Stage, database: Database, ours: dict[str, PaymentProvider], providers: list[Provider]
) -> Worker:
    asking = {each.name: each.ask for each in providers}
    return Worker("worker", stage=stage, database=database, providers=ours, asking=asking)


def _residents(
    account_ids: list[int],
    houses: dict[str, House],
    *,
    stage: Stage,
    door: Door,
    providers: list[Provider],
) -> list[Resident]:
    homes = zip(account_ids, houses.values(), strict=True)
    return [
        Resident(number, account_id=account_id, house=house, stage=stage, door=door, providers=providers)
        for number, (account_id, house) in enumerate(homes, start=1)
    ]


def _renewable(database: Database) -> dict[int, Tariff]:
    rows = database.store.tables.versions.values()
    every = {row.version.tariff_id: row.version.tariff for row in rows}
    return {tariff_id: each for tariff_id, each in every.items() if not each.name.startswith("Flat")}


@lru_cache(maxsize=1)
def models() -> dict[str, Model]:
    """Return the meter models that ship; read once per process."""
    return load_models(MODELS)


def _kinds(stage: Stage) -> list[Kind]:
    count = stage.between(METERS_MIN, METERS_MAX)
    first = list(KINDS[:4])  # every kind of conversation, in every town
    return first + [KINDS[stage.between(0, len(KINDS) - 1)] for _ in range(count - len(first))]


def _build(stage: Stage, kinds: list[Kind], esam: SoftEsam) -> tuple[dict[str, House], list[Road]]:
    houses: dict[str, House] = {}
    bus: list[House] = []
    roads: list[Road] = []
    for number, kind in enumerate(kinds, start=1):
        setup = _setup(stage, number, kind)
        house = houses[setup.meter_no] = House(setup, stage=stage, esam=esam)
        if kind.road is RoadKind.RS485:
            bus.append(house)
        else:
            is_nb = kind.road is RoadKind.NBIOT
            roads.append(_air(_endpoint_id(number, kind), house, stage=stage, is_nb=is_nb))
        if RoadKind.NBIOT.value in models()[kind.model].roads and stage.between(0, 2) == 0:
            roads.append(_air(f"{SPARE}{number}", house, stage=stage, is_nb=True))
    roads.append(Road("bus", stage=stage, byte_us=BUS_BYTE_US, delay_ms=BUS_DELAY_MS, houses=bus))
    return houses, roads


def _air(name: str, house: House, *, stage: Stage, is_nb: bool) -> Road:
    """Return the road of a module: on 4G always there, on NB-IoT mostly asleep."""
    sleep = Sleep(contact_ms=stage.between(*CONTACT_MS), awake_ms=AWAKE_MS) if is_nb else None
    delay_ms = NB_DELAY_MS if is_nb else MOBILE_DELAY_MS
    return Road(name, stage=stage, byte_us=0, delay_ms=delay_ms, houses=[house], sleep=sleep)


def _lay_spares(tx: MemoryTransaction, roads: list[Road]) -> None:
    """Enter the second ways of meters that have one, and the outpost that some ends belong to."""
    if any(each.bearer is Bearer.OUTPOST for each in tx.endpoints()):
        tx.outposts.put(OutpostEntry(outpost_id=OUTPOST, organisation_id=1))
    meter_ids = {each.meter_no: each.meter_id for each in tx.meters()}
    for road in roads:
        if road.name.startswith(SPARE):
            assert road.sleep is not None
            tx.add_endpoint(
                Endpoint(
                    endpoint_id=road.name,
                    organisation_id=1,
                    road=RoadKind.NBIOT,
                    bearer=Bearer.COAP,
                    address=road.name,
                    contact_s=road.sleep.contact_ms // 1_000,
                )
            )
            tx.roads.put_ways({meter_ids[house.meter_no]: [road.name] for house in road.houses})


def _setup(stage: Stage, number: int, kind: Kind) -> MeterSetup:
    off_s = stage.faults.clock_off_s_max
    return MeterSetup(
        meter_no=_meter_no(number),
        credit_authority=kind.authority,
        layout=kind.layout,
        customer_no=_customer_no(number),
        price_e4=_price_e4(number),
        tariff=tariffs.tables_of(_price_e4(number)) if kind.deducts_by_steps else None,
        run_feature_word=kind.run_feature_word,
        limits=Limits(power_w_max=(0, OVERLOAD_W)[stage.between(0, 1)]),
        civil_offset_ms=ZONE_OFFSET_MS + 1000 * stage.between(-off_s, off_s),
    )


def _boxed(
    stage: Stage,
    kinds: list[Kind],
    esam: SoftEsam,
    *,
    houses: dict[str, House],
    roads: list[Road],
    gateways: list[Gateway],
) -> Exchange | None:
    """Return a meter in its box, of the same kind as the one that it may replace; in some runs only."""
    if stage.between(0, 2):
        return None
    place = stage.between(0, len(kinds) - 1)
    kind, old = kinds[place], list(houses.values())[place]
    setup = replace(
        _setup(stage, place + 1, kind),
        meter_no=_meter_no(BOXED + place),
        customer_no=_customer_no(BOXED + place),
    )
    new = House(setup, stage=stage, esam=esam)
    road, *spares = sorted(
        (each for each in roads if old in each.houses), key=lambda each: each.name.startswith(SPARE)
    )

    def put_in() -> None:
        if new not in road.houses:
            road.houses[road.houses.index(old)] = new
            houses[new.meter_no] = new
            for spare in spares:
                spare.houses.remove(old)  # its second module stays in the box
        for gateway in gateways:
            gateway.lose(road)

    entry = MeterEntry(
        organisation_id=1,
        meter_no=new.meter_no,
        model=kind.model,
        credit_authority=kind.authority,
        customer_no=_customer_no(BOXED + place),
        endpoint_id=road.name,
        road=kind.road,
    )
    return Exchange(old=old, new=new, entry=entry, put_in=put_in)


def _settle(tx: MemoryTransaction, stage: Stage) -> None:
    """Settle what this landlord grants: stages before a cut, friendly hours, emergency credit, levels."""
    emergency_minor = (0, 500, 500)[stage.between(0, 2)]
    levels: list[Json] = [
        {"kind": "money", "value": 1_000},
        {"kind": "money", "value": 300},
        {"kind": "energy", "value": 4_000},
        {"kind": "days", "value": 24},
    ]
    document: dict[str, Json] = {
        "last_chance_min": (0, 0, 2, 6)[stage.between(0, 3)],
        "emergency_minor": emergency_minor,
        "emergency_below_minor": 300,
        "emergency_automatic": bool(emergency_minor) and stage.between(0, 1) == 1,
        "friendly_slots": ([], ["23:35-00:05"], ["23:55-00:45"], ["01:00-01:55"])[stage.between(0, 3)],
        "overload_closings_max": 2,
        "overload_rest_min": (1, 5)[stage.between(0, 1)],
        "recharge_fee_minor": (0, 0, 7)[stage.between(0, 2)],
        "recharge_fee_ppm": (0, 0, 15_000)[stage.between(0, 2)],
        "recharge_fee_tax_ppm": (0, 160_000)[stage.between(0, 1)],
        "monthly_fee_minor": (0, 0, 150)[stage.between(0, 2)],
        "debt_share_ppm": (200_000, 500_000, 1_000_000)[stage.between(0, 2)],
        "debt_leaves_minor": (0, 100)[stage.between(0, 1)],
        "hoarding_minor": (0, 0, 9_000)[stage.between(0, 2)],
        "paid_twice": ("credit", "suspend")[stage.between(0, 1)],
        # Nobody settles any, as often as some: then the usual ones hold.
        "levels": None if stage.between(0, 1) else levels[: stage.between(0, len(levels))],
    }
    tx.put_policy(scope="site", scope_id=1, document=json.dumps(document))


def _introduce(tx: MemoryTransaction, account_ids: Iterable[int], *, chance: Random) -> None:
    """Say where tenants and the manager are reached: each tenant by two channels."""
    for account_id in account_ids:
        addresses = {Channel.SMS: f"+8613800{account_id:06d}", Channel.WEBHOOK: f"flat{account_id}"}
        for channel, address in addresses.items():
            tx.messages.put_contact(_contact(channel, address, account_id=account_id, chance=chance))
    tx.messages.put_contact(_contact(Channel.WEBHOOK, "manager", account_id=None, chance=chance))


def _contact(channel: Channel, address: str, *, account_id: int | None, chance: Random) -> Contact:
    return Contact(
        contact_id=UUID(int=chance.getrandbits(128)),
        organisation_id=1,
        account_id=account_id,
        user_name="manager" if account_id is None else None,
        channel=channel,
        address=address,
        language=Language.SPANISH,
        wants=frozenset(Topic),
        created_at=START,
        confirmed_at=START,
    )


def _register(
    tx: MemoryTransaction, kinds: list[Kind], houses: Iterable[str], *, chance: Random, has_outpost: bool
) -> list[int]:
    organisation_id = tx.add_organisation("Casa Compuerta")
    site_id = tx.add_site(organisation_id=organisation_id, name="Patio", zone=ZONE, currency=CURRENCY)
    account_ids = []
    known: dict[str, int] = {}
    for number, (kind, meter_no) in enumerate(zip(kinds, houses, strict=True), start=1):
        endpoint_id = _endpoint_id(number, kind)
        if endpoint_id not in {endpoint.endpoint_id for endpoint in tx.endpoints()}:
            tx.add_endpoint(_end(endpoint_id, kind, organisation_id=organisation_id, has_outpost=has_outpost))
        meter_id = tx.add_meter(
            MeterEntry(
                organisation_id=organisation_id,
                meter_no=meter_no,
                model=kind.model,
                credit_authority=kind.authority,
                customer_no=_customer_no(number),
                endpoint_id=endpoint_id,
                road=kind.road,
            )
        )
        home = _opening(site_id, str(number), meter_id=meter_id, chance=chance)
        tariff_id = _tariff(tx, organisation_id, kind, _price_e4(number), known=known)
        account_ids.append(tx.add_account(replace(home, tariff_id=tariff_id)))
        if chance.randrange(3) == 0:
            owed = _debt(account_ids[-1], chance=chance)
            indebting.opened(tx, owed, actor=OWNER, now=START)
    suspense_id = tx.add_account(_opening(site_id, "suspense", meter_id=None, chance=chance))
    for name in ("wechat", "alipay", "till"):
        tx.add_provider_account(
            ProviderAccount(
                provider=name, organisation_id=organisation_id, kind=name, suspense_account_id=suspense_id
            )
        )
    return account_ids


def _debt(account_id: int, *, chance: Random) -> DebtOpening:
    return DebtOpening(
        account_id=account_id,
        debt_id=UUID(int=chance.getrandbits(128)),
        kind=DebtKind.ARREARS,
        name="from before",
        amount_minor=chance.randint(50, 1_500),
        share_ppm=(None, 100_000)[chance.randrange(2)],
        least_minor=(0, 40)[chance.randrange(2)],
    )


def _tariff(
    tx: MemoryTransaction, organisation_id: int, kind: Kind, price_e4: int, *, known: dict[str, int]
) -> int:
    """Return the town's tariff for a kind of meter at a price; who has the same shares it."""
    if kind.authority is CreditAuthority.PLATFORM:
        tariff = tariffs.hourly(price_e4, start=START_CIVIL)
    elif kind.deducts_by_steps:
        tariff = tariffs.stepped(price_e4)
    else:
        whole, rest = divmod(price_e4, tariffs.PRICE_E4)
        tariff = flat_tariff(f"{whole}.{rest:04d}", currency=CURRENCY)
    if tariff.name in known:
        return known[tariff.name]
    founders = Founders(drafted_by="manager", approved_by="owner")
    known[tariff.name] = tariffing.found(
        tx, tariff, organisation_id=organisation_id, founders=founders, now=START
    )
    return known[tariff.name]


def _price_e4(number: int) -> int:
    return tariffs.PRICES_E4[number % len(tariffs.PRICES_E4)]


def _opening(site_id: int, name: str, *, meter_id: int | None, chance: Random) -> AccountOpening:
    return AccountOpening(
        site_id=site_id,
        kind=AccountKind.SUSPENSE if meter_id is None else AccountKind.CUSTOMER,
        name=f"flat {name}",
        supply_point=name,
        tariff_id=None,
        meter_id=meter_id,
        pay_token=UUID(int=chance.getrandbits(128)),
        opened_at=START,
        register_wh=None if meter_id is None else 0,
    )


def _gateways(stage: Stage, database: Database, roads: list[Road], esam: SoftEsam) -> list[Gateway]:
    equipment = Equipment(models=models(), mac=esam, chance=stage.chance.randbytes)
    names = ("gateway1", "gateway2") if stage.faults.two_gateways else ("gateway1",)
    return [Gateway(name, stage=stage, database=database, equipment=equipment, roads=roads) for name in names]


def _outpost(
    stage: Stage, database: Database, roads: list[Road], esam: SoftEsam, *, gateways: list[Gateway]
) -> Outpost | None:
    """Return what stands beside the bus in some runs, and lends it to the gateways."""
    if not stage.faults.outpost_cut_every_s:
        return None
    (bus,) = (each for each in roads if each.byte_us)
    equipment = Equipment(models=models(), mac=esam, chance=stage.chance.randbytes)
    outpost = Outpost(stage=stage, database=database, equipment=equipment, road=bus)

    def lend() -> None:
        for gateway in gateways:
            gateway.borrow(bus)

    def take() -> None:
        for gateway in gateways:
            gateway.lose(bus)

    outpost.lends, outpost.takes = lend, take
    return outpost


def _meter_no(number: int) -> str:
    return f"26030551{number:04d}"


def _customer_no(number: int) -> str:
    return f"{700_000 + number:012d}"


def _end(endpoint_id: str, kind: Kind, *, organisation_id: int, has_outpost: bool) -> Endpoint:
    is_posted = has_outpost and kind.road is RoadKind.RS485
    return Endpoint(
        endpoint_id=endpoint_id,
        organisation_id=organisation_id,
        road=kind.road,
        bearer=Bearer.OUTPOST if is_posted else BEARERS[kind.road][0],
        address=f"{OUTPOST}/{LINE}" if is_posted else endpoint_id,
        contact_s=CONTACT_MS[1] // 1_000 if kind.road is RoadKind.NBIOT else None,
    )


def _endpoint_id(number: int, kind: Kind) -> str:
    return "bus" if kind.road is RoadKind.RS485 else f"module{number}"
