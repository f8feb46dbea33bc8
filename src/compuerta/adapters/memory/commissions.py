"""Commissioning, in memory."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from compuerta.adapters.memory.tables import Tables, require
from compuerta.services.commission_port import AT_WORK, Commission, Finding, StepDone, Survey, SurveyState


class MemoryCommissions:
    """See `commission_port.Commissions`."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def ask(self, survey: Survey) -> bool:
        busy = any(
            each.endpoint_id == survey.endpoint_id and each.state in AT_WORK
            for each in self._tables.surveys.values()
        )
        if busy or survey.survey_id in self._tables.surveys:
            return False
        require(survey.endpoint_id in self._tables.endpoints, "survey_endpoint_id_fkey")
        self._tables.surveys[survey.survey_id] = survey
        return True

    def survey(self, survey_id: UUID) -> Survey | None:
        return self._tables.surveys.get(survey_id)

    def claim_surveys(
        self, ends: Collection[str], *, gateway: str, now: datetime, until: datetime
    ) -> list[Survey]:
        due = [
            each
            for each in self._tables.surveys.values()
            if each.endpoint_id in ends
            and each.state in AT_WORK
            and (each.lease_until is None or each.lease_until <= now)
        ]
        taken = [
            replace(each, state=SurveyState.RUNNING, gateway=gateway, lease_until=until)
            for each in sorted(due, key=lambda each: (each.asked_at, each.survey_id))
        ]
        for each in taken:
            self._tables.surveys[each.survey_id] = each
        return taken

    def save_survey(self, survey: Survey) -> None:
        ended = survey.state not in AT_WORK
        require(ended == (survey.ended_at is not None), "survey_ends_once")
        self._tables.surveys[survey.survey_id] = survey

    def put_findings(self, findings: Sequence[Finding]) -> None:
        for each in findings:
            self._tables.survey_findings[each.survey_id, each.address] = each

    def findings(self, survey_id: UUID) -> list[Finding]:
        found = [each for (of, _), each in self._tables.survey_findings.items() if of == survey_id]
        return sorted(found, key=lambda each: each.address)

    def heard_on(self, endpoint_id: str, *, since: datetime) -> set[str]:
        return {
            each.address
            for each in self._tables.survey_findings.values()
            if each.found_at >= since and self._tables.surveys[each.survey_id].endpoint_id == endpoint_id
        }

    def taken(self, meter_nos: Iterable[str]) -> set[str]:
        return {each.meter_no for each in self._tables.meters.values()}.intersection(meter_nos)

    def ends_taken(self, names: Iterable[str]) -> set[str]:
        ends = self._tables.endpoints.values()
        return {name for each in ends for name in (each.endpoint_id, each.address)}.intersection(names)

    def begin(self, commissions: Sequence[Commission]) -> None:
        for each in commissions:
            self._tables.take("commission_pkey", each.account_id, each.commission_id)
            self._tables.commissions[each.commission_id] = each

    def commission(self, commission_id: UUID) -> Commission | None:
        return self._tables.commissions.get(commission_id)

    def end(self, commission: Commission) -> None:
        self._tables.commissions[commission.commission_id] = commission

    def under_way(self, *, limit: int) -> list[Commission]:
        found = [each for each in self._tables.commissions.values() if each.ended_at is None]
        return sorted(found, key=lambda each: (each.began_at, each.commission_id))[:limit]

    def put_steps(self, steps: Sequence[StepDone]) -> None:
        for each in steps:
            self._tables.commission_steps.setdefault(each.step_id, each)

    def steps(self, commission_ids: Iterable[UUID]) -> Mapping[UUID, tuple[StepDone, ...]]:
        found: dict[UUID, tuple[StepDone, ...]] = dict.fromkeys(commission_ids, ())
        done = sorted(self._tables.commission_steps.values(), key=lambda each: (each.at, each.step_id))
        for each in done:
            if each.commission_id in found:
                found[each.commission_id] += (each,)
        return found
