"""Commissioning, in PostgreSQL."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from compuerta.adapters.postgres import rows
from compuerta.adapters.postgres.rows import Asked, Row
from compuerta.services.commission_port import (
    Commission,
    Finding,
    FoundBy,
    Step,
    StepDone,
    StepOutcome,
    Survey,
    SurveyState,
)

_PROGRESS = ("state", "gateway", "lease_until", "probes", "ended_at", "reason")


class PostgresCommissions:
    """See `commission_port.Commissions`."""

    def __init__(self, tx: Asked) -> None:
        self._tx = tx

    def ask(self, survey: Survey) -> bool:
        new = self._tx.query(
            """insert into survey select * from jsonb_populate_recordset(null::survey, %(rows)s)
            on conflict do nothing returning survey_id""",
            {"rows": rows.packed([rows.columns(survey)])},
        )
        return bool(new)

    def survey(self, survey_id: UUID) -> Survey | None:
        found = self._tx.query("select * from survey where survey_id = %(id)s for update", {"id": survey_id})
        return _to_survey(found[0]) if found else None

    def claim_surveys(
        self, ends: Collection[str], *, gateway: str, now: datetime, until: datetime
    ) -> list[Survey]:
        taken = self._tx.query(
            """update survey set state = 'running', gateway = %(gateway)s, lease_until = %(until)s
            where ended_at is null and endpoint_id = any(%(ends)s)
                and (lease_until is null or lease_until <= %(now)s)
            returning *""",
            {"ends": sorted(ends), "gateway": gateway, "now": now, "until": until},
        )
        return sorted(map(_to_survey, taken), key=lambda each: (each.asked_at, each.survey_id))

    def save_survey(self, survey: Survey) -> None:
        self._tx.update("survey", [rows.columns(survey)], key=("survey_id",), changed=_PROGRESS)

    def put_findings(self, findings: Sequence[Finding]) -> None:
        self._tx.insert(
            "survey_finding",
            [{**rows.columns(each), "models": list(each.models)} for each in findings],
            on_conflict="""(survey_id, address) do update set twice = excluded.twice,
                models = excluded.models, shows = excluded.shows, clock = excluded.clock""",
        )

    def findings(self, survey_id: UUID) -> list[Finding]:
        found = self._tx.query(
            'select * from survey_finding where survey_id = %(id)s order by address collate "C"',
            {"id": survey_id},
        )
        return [Finding(**{**row, "models": tuple(row["models"])}) for row in found]

    def heard_on(self, endpoint_id: str, *, since: datetime) -> set[str]:
        found = self._tx.query(
            """select distinct f.address from survey_finding f join survey s using (survey_id)
            where s.endpoint_id = %(end)s and f.found_at >= %(since)s""",
            {"end": endpoint_id, "since": since},
        )
        return {row["address"] for row in found}

    def taken(self, meter_nos: Iterable[str]) -> set[str]:
        found = self._tx.query(
            "select meters_taken(%(nos)s::text[]) as meter_no", {"nos": sorted(set(meter_nos))}
        )
        return {row["meter_no"] for row in found}

    def ends_taken(self, names: Iterable[str]) -> set[str]:
        found = self._tx.query("select ends_taken(%(names)s::text[]) as name", {"names": sorted(set(names))})
        return {row["name"] for row in found}

    def begin(self, commissions: Sequence[Commission]) -> None:
        self._tx.insert(
            "commission", [{**rows.columns(each), "found_by": each.found_by.value} for each in commissions]
        )

    def commission(self, commission_id: UUID) -> Commission | None:
        found = self._tx.query(
            "select * from commission where commission_id = %(id)s for update", {"id": commission_id}
        )
        return _to_commission(found[0]) if found else None

    def end(self, commission: Commission) -> None:
        self._tx.update(
            "commission",
            [{**rows.columns(commission), "found_by": commission.found_by.value}],
            key=("account_id", "commission_id"),
            changed=("ended_at", "handed_over"),
        )

    def under_way(self, *, limit: int) -> list[Commission]:
        found = self._tx.query(
            """select * from commission where ended_at is null
            order by began_at, commission_id limit %(limit)s""",
            {"limit": limit},
        )
        return [_to_commission(row) for row in found]

    def put_steps(self, steps: Sequence[StepDone]) -> None:
        self._tx.insert(
            "commission_step",
            [
                {**rows.columns(each), "step": each.step.value, "outcome": each.outcome.value}
                for each in steps
            ],
            on_conflict="do nothing",
        )

    def steps(self, commission_ids: Iterable[UUID]) -> Mapping[UUID, tuple[StepDone, ...]]:
        found: dict[UUID, tuple[StepDone, ...]] = dict.fromkeys(commission_ids, ())
        done = self._tx.query(
            "select * from commission_step where commission_id = any(%(ids)s) order by at, step_id",
            {"ids": sorted(found)},
        )
        for row in done:
            told = StepDone(**{**row, "step": Step(row["step"]), "outcome": StepOutcome(row["outcome"])})
            found[told.commission_id] += (told,)
        return found


def _to_survey(row: Row) -> Survey:
    return Survey(**{**row, "state": SurveyState(row["state"])})


def _to_commission(row: Row) -> Commission:
    return Commission(**{**row, "found_by": FoundBy(row["found_by"])})
