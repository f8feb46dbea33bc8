"""The surveyor: carries out the searches of a gateway's lines that somebody asked for.

Each is one job of its line, behind everything that a tenant waits for. What it finds is told to the database
every few seconds; a line that is lost leaves the row to be taken again.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol, TypeVar

import structlog

from compuerta.apps import wiring
from compuerta.apps.roads import Road
from compuerta.domain.errors import Unreachable
from compuerta.drivers.abilities import Ending, Result
from compuerta.drivers.line import Job, Priority
from compuerta.drivers.model import Model, RoadTiming
from compuerta.drivers.searching import FoundMeter, Renumbering, Search
from compuerta.drivers.searching_units import UnitSearch
from compuerta.services import surveying
from compuerta.services.commission_port import Survey, SurveyState
from compuerta.services.store_port import Store
from compuerta.services.surveying import Progress

log = structlog.get_logger()

Outcome = TypeVar("Outcome")

TELL_S = 2.0  # somebody stands in a cellar and looks at a phone
LASTS_MS_MAX = 3_600_000  # a bus full of meters with look-alike numbers takes half an hour at 2,400 baud
# On a road that no model knows: as patient as with the slowest cable.
FIRST_BYTE_MS = 1_000
GAP_MS = 500


@dataclass(slots=True, kw_only=True)
class _Work:
    """A survey in hand."""

    survey: Survey
    search: Search | UnitSearch | Renumbering
    told: dict[str, FoundMeter] = field(default_factory=dict)
    result: Result | None = None


class Counter(Protocol):
    """Where use cases are run; see `desk.Desk`."""

    async def run(self, work: Callable[[Store], Outcome]) -> Outcome: ...


class Surveyor:
    """This will carry out surveys on the roads that a gateway holds."""

    def __init__(
        self,
        desk: Counter,
        models: Mapping[str, Model],
        *,
        name: str,
        roads: Mapping[str, Road],
        meters_on: Callable[[str], list[str]],
    ) -> None:
        self._desk = desk
        self._models = models
        self._name = name
        self._roads = roads
        self._meters_on = meters_on
        self._works: dict[str, _Work] = {}  # by the job's key

    async def run(self) -> None:
        """Look for surveys, and tell of those under way, until cancelled."""
        while True:
            await asyncio.sleep(TELL_S)
            try:
                await self.step()
            except Unreachable as error:
                log.warning("gateway.database.away", error=str(error))

    def finished(self, key: str, result: Result) -> bool:
        """Take the end of a job; False where it is none of ours."""
        if key not in self._works:
            return False
        self._works[key].result = result
        return True

    async def step(self) -> None:
        """Tell of the surveys in hand, and take those that are due on the lines that are there."""
        for key, work in list(self._works.items()):
            await self._tell(key, work)
        busy = {work.survey.endpoint_id for work in self._works.values()}
        ends = {end for end, road in self._roads.items() if not road.is_lost} - busy
        claimed = await self._desk.run(
            lambda store: surveying.claim(store, ends, gateway=self._name, now=wiring.now())
        )
        for survey in claimed:
            self._begin(survey)

    def _begin(self, survey: Survey) -> None:
        key = f"survey:{survey.survey_id}"
        work = _Work(survey=survey, search=self._search(survey))
        self._works[key] = work
        road = self._roads.get(survey.endpoint_id)
        if road is None:
            work.result = Result(ending=Ending.SILENT, reason="line_lost")
            return
        try:
            road.submit(self._job(key, work, road))
        except Unreachable as error:
            work.result = Result(ending=Ending.SILENT, reason=type(error).__name__)

    def _search(self, survey: Survey) -> Search | UnitSearch | Renumbering:
        if survey.meter_no is not None and survey.new_no is not None:
            return Renumbering(meter_no=survey.meter_no, new_no=survey.new_no)
        if survey.protocol == surveying.MODBUS:
            maps = {name: each.modbus for name, each in self._models.items() if each.modbus is not None}
            return UnitSearch(maps=maps)
        registers = frozenset[int]().union(*map(surveying.registers_of, self._models.values()))
        road = self._roads.get(survey.endpoint_id)
        return Search(
            registers=registers,
            expected=self._meters_on(survey.endpoint_id),
            is_shared=road is None or road.endpoint.baud is not None,
        )

    def _job(self, key: str, work: _Work, road: Road) -> Job:
        timings = [model.roads.get(road.endpoint.road.value) for model in self._models.values()]
        known = [each for each in timings if each is not None]
        return Job(
            key=key,
            meter_no=key,
            conversation=work.search.speech(),
            priority=Priority.POLL,
            timing=RoadTiming(
                first_byte_ms=max((each.first_byte_ms for each in known), default=FIRST_BYTE_MS),
                gap_ms=max((each.gap_ms for each in known), default=GAP_MS),
                tries_max=1,
            ),
            deadline_ms=road.now_ms() + LASTS_MS_MAX,
        )

    async def _tell(self, key: str, work: _Work) -> None:
        if work.result is not None and work.result.reason in ("line_lost", "LineShut"):
            # Its lease runs out, and whoever holds the line next begins anew.
            del self._works[key]
            return
        found = dict(work.search.found)
        news = [each for name, each in found.items() if work.told.get(name) != each]
        progress = Progress(
            survey_id=work.survey.survey_id,
            gateway=self._name,
            probes=work.search.probes,
            found=news,
            ended=_end_of(work.result),
            reason="" if work.result is None else work.result.reason,
        )
        tell = partial(surveying.tell, progress=progress, models=self._models, now=wiring.now())
        is_ours = await self._desk.run(tell)
        work.told = found
        if not is_ours or progress.ended is not None:
            self._works.pop(key, None)


def _end_of(result: Result | None) -> SurveyState | None:
    if result is None:
        return None
    return SurveyState.DONE if result.ending is Ending.DONE else SurveyState.FAILED
