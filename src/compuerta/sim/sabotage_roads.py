"""Sabotage of roads: what takes a meter's further ways, and what is late on them; see `sabotage`."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from compuerta.domain.road import Way
from compuerta.services import routing, standing_alone
from compuerta.services.mandating import Mandate
from compuerta.services.observe import MeterReport
from compuerta.services.standing_alone import Judged

Change = tuple[object, str, object]


def no_second_way() -> Sequence[Change]:
    """Know of each meter its own end alone."""
    living = routing.Routing._living

    def first_only(self: routing.Routing, meter_id: int) -> list[Way]:
        first = self._known.ways.get(meter_id, ())[:1]
        return [way for way in living(self, meter_id) if way in first]

    return [(routing.Routing, "_living", first_only)]


def no_doubt_of_mandates() -> Sequence[Change]:
    """Let an outpost open by a mandate what somebody has lit since it was given."""
    judge = standing_alone.judge

    def trusting(mandate: Mandate, report: MeterReport, *, now: datetime) -> Judged:
        return judge(replace(mandate, opened_here=True), report, now=now)

    return [(standing_alone, "judge", trusting)]
