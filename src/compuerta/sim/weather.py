"""A run's script: what people do, what goes wrong, and the calm in which everything must come right."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import TypeVar

from compuerta.adapters.payments.http import converse_with
from compuerta.domain.errors import Unreachable
from compuerta.domain.supply import HoldKind
from compuerta.domain.tariff.components import Tariff
from compuerta.sim import accounts
from compuerta.sim.faults import CALM
from compuerta.sim.incidents import DEEDS
from compuerta.sim.landlord import Exchange
from compuerta.sim.people import Resident, a_stranger_order
from compuerta.sim.roads import House, Road
from compuerta.sim.stage import START_MS
from compuerta.sim.tariffs import renewed
from compuerta.sim.town import SPARE, START_CIVIL, Town

T = TypeVar("T")

STORM_MS = 60 * 60_000
# Half a frame lies on every road when the calm begins: who waits for its rest is deaf.
LAST_BREATH = bytes.fromhex("68 99 99 99 99 99 99 68 14 c8")
HEARD_AGAIN_MS = 240_000  # from the calm: a contact of the longest sleeper, and the tables that wait for it
# The provider's slowest repeats, the longest rhythm of asking, two polls: everything has had its turn.
CALM_MS = 42 * 60_000
PRESS_EVERY_MS = 45_000
LOOKED_AFTER_MS = 400_000
OPEN_LINE_MS = 60_000  # a line is open before and after its meter is exchanged
RENEWED_AHEAD_MIN = (6, 20)
LOADS_W = (0, 200, 2_500, 9_000, 30_000, 60_000)  # accelerated: what a flat uses in a week
AMOUNTS_MINOR = (100, 250, 500, 1_000, 1_999, 3_000)


def plan(town: Town) -> None:
    """Lay out what will happen in the storm."""
    _plan_people(town)
    _plan_contacts(town)
    _plan_faults(town)


def clear(town: Town) -> None:
    """End all faults: roads, power, provider and database are back, and every process is started anew."""
    stage = town.stage
    stage.note("weather", "calm")
    stage.calm = True
    stage.faults = CALM
    for provider in town.providers:
        provider.down = False
        accounts.calm(provider.world)
    town.database.away = False
    for road in town.roads:
        road.cut = road.is_dead
    if town.outpost is not None:
        town.outpost.is_cut = False
    for house in town.houses.values():
        house.now().core.set_power(True)
        house.now().core.set_load(0)
    for road in town.roads:
        for house in road.houses:
            house.hear(LAST_BREATH, connector=road.name)
    for body in town.bodies():
        body.crash("for the calm")


def _plan_contacts(town: Town) -> None:
    """Let every sleeper say something now and then, in storm and calm."""
    for road in town.roads:
        if road.sleep is not None:
            town.stage.later(
                town.stage.between(0, road.sleep.contact_ms),
                lambda road=road: _contact(town, road),  # type: ignore[misc]
            )


def _contact(town: Town, road: Road) -> None:
    assert road.sleep is not None
    town.stage.later(road.sleep.contact_ms, lambda: _contact(town, road))
    if road.wake():
        for gateway in town.gateways:
            gateway.met(road)


def _plan_people(town: Town) -> None:
    stage = town.stage
    for resident in town.residents:
        stage.later(stage.between(0, PRESS_EVERY_MS), lambda resident=resident: _press(town, resident))  # type: ignore[misc]
        for _ in range(stage.between(3, 6)):
            stage.later(_some_time(town), lambda resident=resident: _use(town, resident))  # type: ignore[misc]
        for _ in range(stage.between(2, 5)):
            stage.later(_some_time(town), lambda resident=resident: _recharge(town, resident))  # type: ignore[misc]
        if stage.chance.randrange(2) == 0:
            _plan_hold(town, resident)
    _plan_butler(town)
    _plan_corrections(town)
    for tariff_id, tariff in town.tariffs.items():
        if stage.chance.randrange(3):
            continue
        stage.later(
            _some_time(town) // 2,
            lambda tariff_id=tariff_id, tariff=tariff: _renew(town, tariff_id, tariff),  # type: ignore[misc]
        )
    for _ in range(stage.between(1, 4)):
        resident = _one_of(town, town.residents)
        amount_minor = AMOUNTS_MINOR[stage.between(0, len(AMOUNTS_MINOR) - 1)]
        stage.later(
            _some_time(town),
            lambda resident=resident, amount_minor=amount_minor: town.cashier.sell(  # type: ignore[misc]
                resident.account_id, amount_minor=amount_minor
            ),
        )


def _plan_corrections(town: Town) -> None:
    """Lay out what an accountant puts right, and what somebody refunds past this house."""
    stage = town.stage
    for _ in range(stage.between(0, 8)):
        stage.later(_some_time(town), town.accountant.put_right)
    for at_ms in range(0, STORM_MS + CALM_MS // 2, LOOKED_AFTER_MS):
        stage.later(at_ms, town.accountant.look_after)
    if stage.chance.randrange(4) == 0:
        stage.later(_some_time(town), lambda: _give_back(town))


def _give_back(town: Town) -> None:
    provider = _one_of(town, town.providers)
    facts = provider.facts()
    if facts:
        fact = _one_of(town, facts)
        part_minor = town.stage.between(1, fact.amount_minor - fact.refunded_minor or 1)
        provider.give_back(fact.reference, amount_minor=part_minor)


def _plan_butler(town: Town) -> None:
    """Lay out what needs rights: holds with an end, emergency credit, tenants that change, an exchange."""
    stage, landlord = town.stage, town.landlord
    for resident in town.residents:
        if stage.chance.randrange(3) == 0:
            kind, stays_s, energy_wh = (
                (HoldKind.TEMPORARY, 300, None),
                (HoldKind.TEMPORARY, None, 2_000),
                (HoldKind.VACANCY, 600, None),
                (HoldKind.SAFETY, 200, None),
                (HoldKind.PROTECTED, 400, None),
            )[stage.between(0, 4)]
            stage.later(
                _some_time(town),
                lambda resident=resident, kind=kind, stays_s=stays_s, energy_wh=energy_wh: landlord.place(  # type: ignore[misc]
                    resident, kind=kind, stays_s=stays_s, energy_wh=energy_wh
                ),
            )
        for _ in range(5):
            stage.later(_some_time(town), lambda resident=resident: landlord.take_emergency(resident))  # type: ignore[misc]
            stage.later(_some_time(town), lambda resident=resident: landlord.lend(resident, stays_s=240))  # type: ignore[misc]
        if stage.chance.randrange(4) == 0:
            empty_s = stage.between(5, 900)
            stage.later(
                _some_time(town),
                lambda resident=resident, empty_s=empty_s: landlord.let(resident, empty_s=empty_s),  # type: ignore[misc]
            )
    for _ in range(stage.between(0, 3)):
        house = _one_of(town, [*town.houses.values()])
        deed = DEEDS[stage.between(0, len(DEEDS) - 1)]
        stage.later(_some_time(town), lambda house=house, deed=deed: town.incidents.happen(house, deed))  # type: ignore[misc]
    if town.boxed is not None:
        _plan_exchange(town, town.boxed)


def _plan_exchange(town: Town, boxed: Exchange) -> None:
    """Let a meter be exchanged; whoever does it has the line open meanwhile, and somebody has just paid."""
    stage = town.stage
    (resident,) = (each for each in town.residents if each.house is boxed.old)
    roads = [each for each in town.roads if boxed.old in each.houses]
    at_ms = stage.between(OPEN_LINE_MS, STORM_MS)
    stage.later(at_ms - OPEN_LINE_MS, lambda: _set_cut(roads, True))
    stage.later(at_ms - OPEN_LINE_MS // 2, lambda: town.cashier.sell(resident.account_id, amount_minor=700))
    stage.later(at_ms, lambda: town.landlord.exchange(resident, boxed))
    stage.later(at_ms + OPEN_LINE_MS, lambda: _set_cut(roads, False))


def _set_cut(roads: Sequence[Road], cut: bool) -> None:
    for road in roads:
        road.cut = cut or road.is_dead


def _renew(town: Town, tariff_id: int, tariff: Tariff) -> None:
    """Let a version begin some minutes from now; a meter's own money must not depend on when it has it."""
    minutes = town.stage.between(*RENEWED_AHEAD_MIN)
    civil = START_CIVIL + timedelta(milliseconds=town.stage.now_ms - START_MS)
    effective_from = civil.replace(second=0, microsecond=0) + timedelta(minutes=minutes)
    town.manager.renew(tariff_id, renewed(tariff), effective_from=effective_from)


def _plan_hold(town: Town, resident: Resident) -> None:
    stage = town.stage
    kind = (HoldKind.ADMINISTRATOR, HoldKind.SAFETY, HoldKind.PROTECTED)[stage.between(0, 2)]
    placed_ms = _some_time(town)
    stage.later(placed_ms, lambda: town.administrator.place(resident.account_id, kind=kind))
    stays_ms = (20_000, 300_000, STORM_MS // 2, None)[stage.between(0, 3)]
    if stays_ms is not None:
        lifted_ms = placed_ms + stage.between(500, stays_ms)
        stage.later(lifted_ms, lambda: town.administrator.lift(resident.account_id, kind=kind))


def _some_time(town: Town) -> int:
    return town.stage.between(5_000, STORM_MS)


def _press(town: Town, resident: Resident) -> None:
    resident.press()
    town.stage.later(PRESS_EVERY_MS, lambda: _press(town, resident))


def _use(town: Town, resident: Resident) -> None:
    if not town.stage.calm and not resident.house.ran_backwards:
        resident.use(LOADS_W[town.stage.between(0, len(LOADS_W) - 1)])


def _recharge(town: Town, resident: Resident) -> None:
    stage = town.stage
    for _ in range(1 + (stage.chance.randrange(5) == 0)):  # some press twice and pay twice
        amount_minor = AMOUNTS_MINOR[stage.between(0, len(AMOUNTS_MINOR) - 1)]
        resident.recharge(amount_minor=amount_minor)


def _plan_faults(town: Town) -> None:
    stage, faults = town.stage, town.stage.faults
    stage.note("weather", "storm", faults)
    _every(town, faults.cut_every_s, lambda: _cut(town, _one_of(town, town.roads)))
    _every(town, faults.outpost_cut_every_s, lambda: _lose_platform(town))
    _every(town, faults.power_cut_every_s, lambda: _power_cut(town, _one_of(town, [*town.houses.values()])))
    _every(town, faults.outage_every_s, lambda: _outage(town))
    _every(town, faults.database_away_every_s, lambda: _database_away(town))
    _every(town, faults.crash_every_s, lambda: _one_of(town, town.bodies()).crash("between two steps"))
    if faults.first_way_dies:
        _plan_death(town)
    if faults.stuck_relay:
        house = _one_of(town, [*town.houses.values()])
        stage.later(_some_time(town), lambda: house.now().core.set_stuck(True))
    if faults.register_backwards:
        house = _one_of(town, [*town.houses.values()])
        stage.later(stage.between(STORM_MS // 2, STORM_MS), lambda: _lose_energy(town, house))
    if faults.stranger_orders:
        stage.later(_some_time(town), lambda: _stranger_pays(town))


def _plan_death(town: Town) -> None:
    """Let the first way of a meter that has a second one die, but not of one that may be exchanged."""
    spared = {house for road in town.roads if road.name.startswith(SPARE) for house in road.houses}
    if town.boxed is not None:
        spared.discard(town.boxed.old)
    doomed = [
        road
        for road in town.roads
        if not road.name.startswith(SPARE) and len(road.houses) == 1 and spared.issuperset(road.houses)
    ]
    if doomed:
        road = _one_of(town, doomed)
        town.stage.later(_some_time(town), lambda: _die(town, road))


def _die(town: Town, road: Road) -> None:
    town.stage.note("weather", "dies", road.name)
    road.cut = road.is_dead = True
    for gateway in town.gateways:
        gateway.lose(road)


def _every(town: Town, every_s: int, strike: Callable[[], None]) -> None:
    if not every_s:
        return

    def struck() -> None:
        if not town.stage.calm:
            strike()
            _every(town, every_s, strike)

    town.stage.later(1000 * town.stage.between(every_s // 2, every_s * 3 // 2), struck)


def _one_of(town: Town, things: Sequence[T]) -> T:
    return things[town.stage.between(0, len(things) - 1)]


def _cut(town: Town, road: Road) -> None:
    road.cut = True
    noticed = town.stage.chance.randrange(2) == 0
    town.stage.note("weather", "cut", road.name, "noticed" if noticed else "unnoticed")
    if noticed:
        for gateway in town.gateways:
            gateway.lose(road)
    town.stage.later(town.stage.between(5_000, 600_000), lambda: _set_cut([road], False))


def _lose_platform(town: Town) -> None:
    outpost = town.outpost
    if outpost is None or outpost.is_cut:
        return
    town.stage.note("weather", "outpost alone")
    outpost.cut_off()
    town.stage.later(town.stage.between(30_000, 1_200_000), outpost.restored)


def _power_cut(town: Town, house: House) -> None:
    town.stage.note("weather", "power cut", house.meter_no)
    house.now().core.set_power(False)
    town.stage.later(town.stage.between(5_000, 600_000), lambda: house.now().core.set_power(True))


def _outage(town: Town) -> None:
    provider = _one_of(town, town.providers)
    town.stage.note("weather", provider.name, "is down")
    provider.down = True
    town.stage.later(town.stage.between(5_000, 200_000), lambda: setattr(provider, "down", False))


def _database_away(town: Town) -> None:
    town.stage.note("weather", "database is away")
    town.database.away = True
    town.stage.later(town.stage.between(500, 60_000), lambda: setattr(town.database, "away", False))


def _lose_energy(town: Town, house: House) -> None:
    """Only a loss that a reading can show: one that is made up before the next reading is no loss."""
    billed_wh = _billed_wh(town, house)
    if billed_wh < 3_000 or house.now().core.energy_wh > 2 * billed_wh:
        return
    town.stage.note("weather", "register falls", house.meter_no)
    house.lose_energy()


def _billed_wh(town: Town, house: House) -> int:
    tables = town.database.store.tables
    for account_id, account in tables.accounts.items():
        if account.meter_id is not None and tables.meters[account.meter_id].meter_no == house.meter_no:
            return tables.holdings[account_id].register_wh or 0
    return 0


def _stranger_pays(town: Town) -> None:
    """Money for an order that nobody here knows: of another system under the same merchant number."""
    stage, provider = town.stage, _one_of(town, town.providers)
    now = stage.now()
    attempt = a_stranger_order("stranger0001", provider=provider.name, amount_minor=777, now=now)
    ours = town.doors[0].providers[provider.name]
    try:
        converse_with(ours.create(attempt, now=now, chance=stage.chance.randbytes), provider.ask)
    except Unreachable:
        return
    provider.pay(attempt.reference, amount_minor=777)
