"""The port to commissioning: what was found, claimed and handed over."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Protocol
from uuid import UUID


class SurveyState(Enum):
    """Where a look at a line stands."""

    ASKED = "asked"  # no gateway holds the line, or it has not come to it yet
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


AT_WORK = frozenset({SurveyState.ASKED, SurveyState.RUNNING})


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """A look at who is on a line; with two numbers, the wish to give the only meter there another one."""

    survey_id: UUID
    organisation_id: int
    endpoint_id: str
    protocol: str  # "dlt645" or "modbus"
    meter_no: str | None = None
    new_no: str | None = None
    asked_by: str
    asked_at: datetime
    state: SurveyState = SurveyState.ASKED
    gateway: str = ""
    lease_until: datetime | None = None
    probes: int = 0
    ended_at: datetime | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A meter that answered to a survey."""

    survey_id: UUID
    organisation_id: int
    address: str  # its number, or its Modbus unit
    found_at: datetime
    twice: bool = False
    models: tuple[str, ...] = ()  # that fit what it answers, the likeliest first
    shows: int | None = None  # its register, in watt-hours
    clock: datetime | None = None  # naive, as it shows


class FoundBy(Enum):
    """How a meter came to be claimed."""

    SURVEY = "survey"
    LABEL = "label"
    TABLE = "table"


class Step(Enum):
    """What commissioning a meter is made of, in order."""

    CLAIMED = "claimed"
    HEARD = "heard"  # it was read, by its own number
    CLOCK = "clock"
    TARIFF = "tariff"
    LIMITS = "limits"  # alarms and power, where the model watches any
    DARK = "dark"  # the relay opened, and whoever stands there says that it is dark
    LIGHT = "light"
    HANDED_OVER = "handed_over"
    GIVEN_UP = "given_up"


class StepOutcome(Enum):
    """What became of a step."""

    BEGUN = "begun"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Commission:
    """A meter on its way from the fitter to who lives there."""

    account_id: int
    commission_id: UUID
    organisation_id: int
    meter_id: int
    found_by: FoundBy
    began_by: str
    began_at: datetime
    ended_at: datetime | None = None
    handed_over: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StepDone:
    """One thing that was done, by whom, and what shows it."""

    account_id: int
    commission_id: UUID
    step_id: UUID
    step: Step
    outcome: StepOutcome
    who: str
    at: datetime
    evidence: str


class Commissions(Protocol):
    """What a use case may ask about commissioning."""

    def ask(self, survey: Survey) -> bool:
        """Write a survey; False where another one of the same line is at work, or it is known."""
        ...

    def survey(self, survey_id: UUID) -> Survey | None:
        """Return a survey, locked until the transaction ends."""
        ...

    def claim_surveys(
        self, ends: Collection[str], *, gateway: str, now: datetime, until: datetime
    ) -> list[Survey]:
        """Take the surveys of these ends that nobody has in hand; nobody else takes them before `until`."""
        ...

    def save_survey(self, survey: Survey) -> None:
        """Write how far a survey is."""
        ...

    def put_findings(self, findings: Sequence[Finding]) -> None:
        """Write what a survey has found, or found out more about."""
        ...

    def findings(self, survey_id: UUID) -> list[Finding]:
        """Return what a survey has found, by address."""
        ...

    def heard_on(self, endpoint_id: str, *, since: datetime) -> set[str]:
        """Return the addresses that surveys of an end have found since an instant."""
        ...

    def taken(self, meter_nos: Iterable[str]) -> set[str]:
        """Return which of these numbers are entered, those of other organisations too."""
        ...

    def ends_taken(self, names: Iterable[str]) -> set[str]:
        """Return which of these are ids or addresses of ends, those of other organisations too."""
        ...

    def begin(self, commissions: Sequence[Commission]) -> None:
        """Write commissions that begin."""
        ...

    def commission(self, commission_id: UUID) -> Commission | None:
        """Return a commission, locked until the transaction ends."""
        ...

    def end(self, commission: Commission) -> None:
        """Write the end of a commission."""
        ...

    def under_way(self, *, limit: int) -> list[Commission]:
        """Return commissions that have not ended, the oldest first."""
        ...

    def put_steps(self, steps: Sequence[StepDone]) -> None:
        """Write steps; one that is there already is left as it is."""
        ...

    def steps(self, commission_ids: Iterable[UUID]) -> Mapping[UUID, tuple[StepDone, ...]]:
        """Return the steps of commissions, in the order in which they were done."""
        ...
