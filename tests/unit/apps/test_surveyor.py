"""The surveyor: what was asked of a line is carried out, told, and left to others where the line is lost."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from tests.unit.drivers.test_searching import ONE, a_meter
from tests.unit.services.town import NOON, a_town, an_id

from compuerta.adapters.memory import MemoryStore
from compuerta.adapters.models import load_models
from compuerta.apps.roads import Road
from compuerta.apps.surveyor import Surveyor
from compuerta.domain.party import Bearer, RoadKind
from compuerta.drivers.abilities import Result
from compuerta.drivers.model import RoadTiming
from compuerta.services import surveying
from compuerta.services.acting import Actor
from compuerta.services.commission_port import Survey, SurveyState
from compuerta.services.link_port import Listener
from compuerta.services.records import Endpoint
from compuerta.services.surveying import SurveyWish
from compuerta.virtual.meter.peer import VirtualMeter

ANA = Actor(who="ana", why="new meters", origin="console")
PATIENCE_S = 5.0
# As the shipped models, on a road without delay.
QUICK = {"4g": RoadTiming(first_byte_ms=20, gap_ms=2, tries_max=1)}
MODELS = {name: replace(each, roads=QUICK) for name, each in load_models(Path("models")).items()}
END = Endpoint(
    endpoint_id="module",
    organisation_id=1,
    road=RoadKind.MOBILE_4G,
    bearer=Bearer.DIAL_IN,
    address="module",
)
Outcome = TypeVar("Outcome")


@dataclass
class Wire:
    """A link to one meter that answers at once."""

    meter: VirtualMeter
    listener: Listener | None = None

    def attach(self, listener: Listener) -> None:
        self.listener = listener

    def write(self, data: bytes) -> None:
        assert self.listener is not None
        answer = self.meter.receive(data, now_ms=self.meter.core.now_ms)
        asyncio.get_running_loop().call_soon(self.listener.heard, answer)

    def shut(self) -> None:
        self.listener = None


@dataclass
class Counter:
    """A desk on a store in memory."""

    store: MemoryStore = field(default_factory=MemoryStore)

    async def run(self, work: Callable[[MemoryStore], Outcome]) -> Outcome:
        return work(self.store)


@dataclass
class Cellar:
    """A gateway's line with one meter, somebody who asks, and what was answered."""

    desk: Counter = field(default_factory=Counter)
    roads: dict[str, Road] = field(default_factory=dict)
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    def surveyor(self) -> Surveyor:
        return Surveyor(self.desk, MODELS, name="g1", roads=self.roads, meters_on=lambda _: [])

    def ask(self) -> None:
        town = a_town(self.desk.store)
        with self.desk.store.transaction() as tx:
            tx.add_endpoint(END)
        wish = SurveyWish(
            survey_id=an_id("survey"), organisation_id=town.organisation_id, endpoint_id=END.endpoint_id
        )
        surveying.ask(self.desk.store, wish, actor=ANA, now=NOON)

    def connect(self, surveyor: Surveyor) -> Road:
        road = Road(
            END,
            Wire(a_meter(ONE)),
            finished=lambda key, result: self._finished(surveyor, key, result),
            heard=lambda _: None,
            pushed=lambda _road, _numbers: None,
            lost=lambda _road, _reason: None,
        )
        self.roads[END.endpoint_id] = road
        return road

    @property
    def survey(self) -> Survey:
        return self.desk.store.tables.surveys[an_id("survey")]

    def _finished(self, surveyor: Surveyor, key: str, result: Result) -> None:
        assert surveyor.finished(key, result)
        self.ended.set()


def test_who_is_on_a_line_is_told_with_what_it_is() -> None:
    async def story() -> Cellar:
        cellar = Cellar()
        cellar.ask()
        surveyor = cellar.surveyor()
        cellar.connect(surveyor)
        await surveyor.step()
        async with asyncio.timeout(PATIENCE_S):
            await cellar.ended.wait()
        await surveyor.step()
        return cellar

    cellar = asyncio.run(story())

    (found,) = cellar.desk.store.tables.survey_findings.values()
    assert (found.address, found.models) == (ONE, ("dlt645-vendor-rs485",))
    assert cellar.survey.state is SurveyState.DONE
    assert cellar.survey.probes > len(found.models)


def test_a_search_whose_line_is_lost_is_left_to_whoever_holds_it_next() -> None:
    async def story() -> Cellar:
        cellar = Cellar()
        cellar.ask()
        surveyor = cellar.surveyor()
        road = cellar.connect(surveyor)
        await surveyor.step()
        road.lost("unplugged")
        await surveyor.step()
        return cellar

    cellar = asyncio.run(story())

    assert cellar.survey.state is SurveyState.RUNNING
    assert cellar.survey.lease_until is not None


def test_a_line_that_is_not_there_is_not_claimed() -> None:
    async def story() -> Cellar:
        cellar = Cellar()
        cellar.ask()
        await cellar.surveyor().step()
        return cellar

    assert asyncio.run(story()).survey.state is SurveyState.ASKED
