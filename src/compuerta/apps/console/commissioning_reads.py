"""What the screens of commissioning read: lines, searches, meters under way and their steps."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.utils.functional import Promise

from compuerta.apps.console import work
from compuerta.apps.console.commissioning_words import FAULTS, FIELDS, REASONS, STEPS, SURVEY_STATES
from compuerta.apps.console.reads import rows
from compuerta.domain.access import Place
from compuerta.services import commissioning
from compuerta.services.commission_port import Step, StepDone, StepOutcome
from compuerta.services.founding import RowFault

UNDER_WAY_SHOWN_MAX = 100
SURVEYS_SHOWN_MAX = 5
TARIFFS_SHOWN_MAX = 100
METER_NO_DIGITS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class CommissionRow:
    """A meter under way, with what is known of it."""

    commission_id: UUID
    account_id: int
    meter_id: int
    meter_no: str
    model: str
    place: str
    building: str
    site_id: int
    site: str
    zone: str
    found_by: str
    began_by: str
    began_at: datetime
    ended_at: datetime | None
    handed_over: bool
    relay: str | None
    energy_wh: int | None
    read_at: datetime | None
    alive: bool | None
    steps_done: int

    @property
    def steps_needed(self) -> int:
        """How many steps there are before it is handed over."""
        return len(commissioning.NEEDED)

    def place_in(self, organisation_id: int) -> Place:
        """Return where it is, for whoever is asked whether they may."""
        return Place(organisation_id=organisation_id, site_id=self.site_id, building=self.building)


_COMMISSIONS = """
select c.commission_id, c.account_id, c.meter_id, m.meter_no, m.model, p.name as place, p.building,
    z.site_id, z.name as site, z.zone, c.found_by, c.began_by, c.began_at, c.ended_at, c.handed_over,
    t.relay, t.energy_wh, t.read_at, e.alive,
    (select count(distinct s.step) from commission_step s where s.account_id = c.account_id
        and s.commission_id = c.commission_id and s.outcome = 'done'
        and s.step not in ('handed_over', 'given_up')) as steps_done
from commission c
join account a using (account_id)
join supply_point p using (supply_point_id)
join site z on z.site_id = a.site_id
join meter m on m.meter_id = c.meter_id
left join meter_state t on t.meter_id = c.meter_id
left join endpoint_state e on e.endpoint_id = m.endpoint_id
where c.organisation_id = %(organisation_id)s
"""


def commissions(organisation_id: int) -> list[CommissionRow]:
    """Return meters under way, and those handed over last."""
    return rows(
        CommissionRow,
        f"""{_COMMISSIONS} order by c.ended_at is not null, c.began_at desc, c.commission_id
        limit %(limit)s""",
        {"organisation_id": organisation_id, "limit": UNDER_WAY_SHOWN_MAX},
    )


def commission(organisation_id: int, commission_id: UUID) -> CommissionRow | None:
    """Return one meter under way, or None where the organisation has no such."""
    values = {"organisation_id": organisation_id, "id": commission_id}
    found = rows(CommissionRow, f"{_COMMISSIONS} and c.commission_id = %(id)s", values)
    return found[0] if found else None


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRow:
    """A step as the wizard shows it."""

    name: str
    title: Promise
    outcome: str  # "", "begun", "done", "failed"
    who: str
    at: datetime | None
    evidence: str


def steps_of(commission_id: UUID) -> list[StepRow]:
    """Return the steps of a commission in their order, each as it stands."""

    def told(steps: Sequence[StepDone]) -> Mapping[Step, StepDone]:
        return {each.step: each for each in steps}

    with work.store() as store, store.transaction() as tx:
        last = told(tx.commissions.steps([commission_id])[commission_id])
    shown = [*commissioning.NEEDED, *(each for each in (Step.HANDED_OVER, Step.GIVEN_UP) if each in last)]
    return [_row(each, last.get(each)) for each in shown]


def _row(step: Step, done: StepDone | None) -> StepRow:
    title = STEPS[step.value]
    if done is None:
        return StepRow(name=step.value, title=title, outcome="", who="", at=None, evidence="")
    return StepRow(
        name=step.value,
        title=title,
        outcome=done.outcome.value,
        who=done.who,
        at=done.at,
        evidence=done.evidence,
    )


def is_ready(steps: Sequence[StepRow]) -> bool:
    """Tell whether nothing is missing any more."""
    done = {each.name for each in steps if each.outcome == StepOutcome.DONE.value}
    return {each.value for each in commissioning.NEEDED} <= done


@dataclass(frozen=True, slots=True, kw_only=True)
class SurveyRow:
    """A search of a line, and how far it is."""

    survey_id: UUID
    endpoint_id: str
    state: str
    asked_by: str
    asked_at: datetime
    probes: int
    reason: str
    new_no: str | None
    found: int
    alive: bool | None

    @property
    def stands(self) -> Promise:
        """Where it stands, in words."""
        return SURVEY_STATES[self.state]

    @property
    def why(self) -> Promise | str:
        """Why it could not finish, in words."""
        return REASONS.get(self.reason, self.reason.replace("_", " "))

    @property
    def is_live(self) -> bool:
        """Whether it goes on."""
        return self.state in ("asked", "running")


_SURVEYS = """
select s.survey_id, s.endpoint_id, s.state, s.asked_by, s.asked_at, s.probes, s.reason, s.new_no, e.alive,
    (select count(*) from survey_finding f where f.survey_id = s.survey_id) as found
from survey s left join endpoint_state e using (endpoint_id)
where s.organisation_id = %(organisation_id)s
"""


def surveys(organisation_id: int) -> list[SurveyRow]:
    """Return the last searches."""
    return rows(
        SurveyRow,
        f"{_SURVEYS} order by s.asked_at desc, s.survey_id limit %(limit)s",
        {"organisation_id": organisation_id, "limit": SURVEYS_SHOWN_MAX},
    )


def survey(organisation_id: int, survey_id: UUID) -> SurveyRow | None:
    """Return one search, or None where the organisation has no such."""
    values = {"organisation_id": organisation_id, "id": survey_id}
    found = rows(SurveyRow, f"{_SURVEYS} and s.survey_id = %(id)s", values)
    return found[0] if found else None


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingRow:
    """A meter that answered, and whether it is entered already."""

    address: str
    twice: bool
    models: list[str]
    shows: int | None
    meter_id: int | None

    @property
    def is_unit(self) -> bool:
        """Whether it is a unit of a Modbus line, whose number is on its plate alone."""
        return len(self.address) < METER_NO_DIGITS


def findings(organisation_id: int, survey_id: UUID) -> list[FindingRow]:
    """Return what a search has found, what is new first."""
    return rows(
        FindingRow,
        """select f.address, f.twice, f.models, f.shows, m.meter_id
        from survey_finding f join survey s using (survey_id)
        left join meter m on m.meter_no = f.address
            or (m.endpoint_id = s.endpoint_id and m.unit_no::text = f.address)
        where f.organisation_id = %(organisation_id)s and f.survey_id = %(id)s
        order by m.meter_id is not null, f.address collate "C" """,
        {"organisation_id": organisation_id, "id": survey_id},
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class TariffRow:
    """A tariff that a new place may begin with."""

    tariff_id: int
    name: str
    currency: str


def tariffs(organisation_id: int) -> list[TariffRow]:
    """Return tariffs that have an approved version."""
    return rows(
        TariffRow,
        """select t.tariff_id, t.name, t.currency from tariff t
        where t.organisation_id = %(organisation_id)s and exists (
            select from tariff_version v where v.tariff_id = t.tariff_id and v.state = 'approved')
        order by t.name, t.tariff_id limit %(limit)s""",
        {"organisation_id": organisation_id, "limit": TARIFFS_SHOWN_MAX},
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class LineRow:
    """A road end that a meter may hang on."""

    endpoint_id: str
    road: str
    alive: bool | None
    meters: int


def lines(organisation_id: int) -> list[LineRow]:
    """Return the ends of roads, those that are reached first."""
    return rows(
        LineRow,
        """select e.endpoint_id, e.road, s.alive, count(m.meter_id) as meters
        from endpoint e
        left join endpoint_state s using (endpoint_id)
        left join meter m using (endpoint_id)
        where e.organisation_id = %(organisation_id)s
        group by e.endpoint_id, s.endpoint_id
        order by coalesce(s.alive, false) desc, e.road desc, e.endpoint_id""",
        {"organisation_id": organisation_id},
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultRow:
    """What is wrong in a row of a table, in words."""

    row: int
    field: Promise | str
    told: Promise | str


def faults(found: Sequence[RowFault]) -> list[FaultRow]:
    """Return the faults of a table in the reader's language."""
    return [
        FaultRow(
            row=each.row,
            field=FIELDS.get(each.field, each.field),
            told=FAULTS.get(each.code, each.reason),
        )
        for each in found
    ]
