"""A version on its way: approved, claimed, loaded into a meter, and seen to run; or late, and told of."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from tests.scenario.loading_bench import MODELS, Bench, a_bench
from tests.unit.services.town import Home, Town, a_town, an_id, paid, the_view

from compuerta.adapters.memory import MemoryStore
from compuerta.domain.instruction import Kind, State
from compuerta.domain.tariff.document import tariff_from
from compuerta.domain.tariff.schedule import VersionKey
from compuerta.drivers.abilities import Ending, Result, TariffOrder
from compuerta.services import deliver, rollout, tariffing
from compuerta.services.acting import Actor
from compuerta.services.deliver import Conclusion
from compuerta.services.records import Claim
from compuerta.services.rollout import LEAD, Stand

ANA = Actor(who="ana", why="the grid's prices change", origin="console")
BEA = Actor(who="bea", why="checked against the decree", origin="console")
START = datetime(2026, 11, 22, 12, 0)  # noqa: DTZ001 the meter's clock when the town is built
TAKEOVER = datetime(2026, 12, 1)  # noqa: DTZ001 the site's wall clock
SHANGHAI = timedelta(hours=8)
MINUTE = timedelta(minutes=1)


def priced(price: str, *, holidays: bool = False) -> dict[str, object]:
    energy: dict[str, object] = {
        "kind": "energy",
        "name": "Energy",
        "periods": [
            {"name": "peak", "role": "peak", "prices": [price]},
            {"name": "valley", "role": "valley", "prices": ["0.30"]},
        ],
        "day_tables": {"work": ["00:00 valley", "08:00 peak", "22:00 valley"], "rest": ["00:00 valley"]},
        "seasons": [{"name": "all year", "from": "01-01", "every day": "work"}],
    }
    if holidays:
        season = {"name": "all year", "from": "01-01", "every day": "work", "holidays": {"feast": "rest"}}
        energy |= {"seasons": [season], "holidays": {"feast": ["2026-12-24", "2027-01-01"]}}
    return {"name": "By the hour", "currency": "CNY", "components": [energy]}


@dataclass
class World:
    """One home with a standard meter, its store, and the meter itself; time is the meter's."""

    store: MemoryStore
    town: Town
    bench: Bench

    @property
    def home(self) -> Home:
        return self.town.homes[0]

    @property
    def now(self) -> datetime:
        return (self.bench.civil - SHANGHAI).replace(tzinfo=UTC)

    def approve(self, *, at: datetime = TAKEOVER, **changes: object) -> VersionKey:
        key = tariffing.draft(
            self.store,
            tariff_from(priced("1.00", **changes)),  # type: ignore[arg-type]
            tariff_id=self.town.tariff_id,
            effective_from=at,
            actor=ANA,
            now=self.now,
        )
        tariffing.propose(self.store, key, actor=ANA, act_id=an_id(f"propose {key}"), now=self.now)
        tariffing.approve(
            self.store, key, actor=BEA, act_id=an_id(f"approve {key}"), models=MODELS, now=self.now
        )
        return key

    def claim(self) -> list[Claim]:
        return deliver.claim(self.store, [self.home.meter_id], now=self.now, owner="gateway")

    def visit(self, **losses: int) -> Result:
        """Claim the one thing that is due, carry it out at the meter, and write what came of it."""
        (claim,) = self.claim()
        order = deliver.order_for(claim, model=MODELS["dlt645-standard-4g"], now=self.now)
        assert isinstance(order, TariffOrder)
        result = self.bench.carry_out(order, **losses)
        deliver.conclude(self.store, [Conclusion(claim=claim, result=result, at=self.now)], now=self.now)
        return result

    def wait_until(self, civil: datetime) -> None:
        self.bench.wait_until(civil)

    def stands(self, key: VersionKey) -> list[Stand]:
        found = rollout.rollout(self.store, key, models=MODELS, now=self.now)
        return [each.stand for each in found.meters]

    def instruction(self, key: VersionKey) -> tuple[State, str]:
        (found,) = [
            each
            for each in self.store.tables.instructions.values()
            if (each.tariff_id, each.version_no) == key
        ]
        return found.state, found.last_answer


def a_world() -> World:
    store = MemoryStore()
    town = a_town(store, tariff=tariff_from(priced("0.60")), model="dlt645-standard-4g")
    return World(store=store, town=town, bench=a_bench(start=START))


def test_a_version_is_loaded_ahead_and_done_when_the_meter_runs_by_it() -> None:
    world = a_world()
    key = world.approve()
    assert world.stands(key) == [Stand.WAITING]

    loaded = world.visit()

    assert (loaded.ending, loaded.reason) == (Ending.DONE, "waits_for_switch")
    assert world.stands(key) == [Stand.LOADED]
    assert world.claim() == []
    world.wait_until(TAKEOVER + 4 * MINUTE)
    assert world.visit().ending is Ending.DONE
    assert world.stands(key) == [Stand.CONFIRMED]
    assert world.instruction(key) == (State.DONE, "done")
    assert world.store.tables.cases == {}


def test_holidays_go_first_and_by_themselves() -> None:
    world = a_world()
    key = world.approve(holidays=True)

    holidays = world.visit()
    first = world.instruction(key)
    sets = world.visit()

    assert (holidays.ending, first) == (Ending.DONE, (State.ACCEPTED, "holidays_in"))
    assert (sets.ending, sets.reason) == (Ending.DONE, "waits_for_switch")


@pytest.mark.parametrize("exchange", [0, 5, 20, 35])
def test_a_conversation_that_breaks_off_is_had_again(exchange: int) -> None:
    world = a_world()
    key = world.approve()

    broken = world.visit(unheard=exchange)
    world.wait_until(world.bench.civil + 10 * MINUTE)
    again = world.visit()

    assert broken.ending is Ending.SILENT
    assert (again.ending, again.reason) == (Ending.DONE, "waits_for_switch")
    assert world.stands(key) == [Stand.LOADED]


def test_a_meter_that_was_away_takes_it_as_soon_as_it_can_and_a_case_says_so() -> None:
    world = a_world()
    key = world.approve()
    world.wait_until(TAKEOVER + timedelta(days=1, hours=3))

    loaded = world.visit()

    assert (loaded.ending, loaded.reason) == (Ending.DONE, "waits_for_switch")
    assert [each.kind for each in world.store.tables.cases.values()] == ["tariff_late"]
    assert [alarm.subject for alarm, _ in world.store.tables.alarms.values()] == ["000000000001"]
    world.wait_until(world.bench.civil + 3 * LEAD)
    assert world.visit().ending is Ending.DONE
    assert world.stands(key) == [Stand.CONFIRMED]
    assert len(world.store.tables.cases) == 1


def test_a_meter_that_was_silent_after_its_takeover_is_not_taken_for_late() -> None:
    world = a_world()
    key = world.approve()
    world.visit()
    world.wait_until(TAKEOVER + 4 * MINUTE)

    silent = world.visit(unheard=0)
    world.wait_until(TAKEOVER + timedelta(hours=5))

    assert silent.ending is Ending.SILENT
    assert world.visit().ending is Ending.DONE
    assert world.stands(key) == [Stand.CONFIRMED]
    assert world.store.tables.cases == {}


def test_a_version_that_another_has_followed_is_not_loaded_any_more() -> None:
    world = a_world()
    earlier = world.approve()
    later = world.approve(at=TAKEOVER + timedelta(days=1))
    world.wait_until(TAKEOVER + timedelta(days=2))

    assert world.claim() == []
    result = world.visit()

    assert result.ending is Ending.DONE
    assert world.instruction(earlier)[0] is State.SUPERSEDED
    assert world.stands(later) == [Stand.LOADED]


def test_a_recharge_goes_before_a_tariff() -> None:
    world = a_world()
    world.approve()
    paid(world.store, world.home, now=world.now)

    (claim,) = world.claim()

    assert claim.instruction.kind is Kind.RECHARGE


def test_the_meter_and_the_books_price_by_the_same_version() -> None:
    world = a_world()
    world.approve()
    world.visit()
    world.wait_until(TAKEOVER + 4 * MINUTE)
    world.visit()
    balance_minor = world.bench.balance_minor()

    world.wait_until(datetime(2026, 12, 1, 10, 0))  # noqa: DTZ001
    before = world.bench.balance_minor()
    world.wait_until(datetime(2026, 12, 1, 20, 0))  # noqa: DTZ001 ten hours of 1 kW at the peak price

    assert before < balance_minor
    assert abs(before - world.bench.balance_minor() - 1_000) <= 1
    assert the_view(world.store, world.home.account_id).schedule is not None
