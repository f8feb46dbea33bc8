"""The machines' API to the past: an account as of an instant, and its months."""

from datetime import datetime
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query
from pydantic import AwareDatetime, BaseModel, Field, JsonValue

from compuerta.apps import statement_facts, wiring
from compuerta.apps.api import reading
from compuerta.apps.api.callers import Caller, needs
from compuerta.apps.api.machines import NOT_FOUND, AccountId, Machines
from compuerta.apps.api.supply import REFUSALS
from compuerta.apps.statement_facts import Facts
from compuerta.domain.access import Right
from compuerta.services import statement_months
from compuerta.services.asof import as_of
from compuerta.services.resident_statements import resident_statement

_MONTH = r"^[0-9]{4}-(0[1-9]|1[0-2])$"
Asker = Annotated[Caller, Depends(needs(Right.SEE))]
Accountant = Annotated[Caller, Depends(needs(Right.SEE_MONEY))]
Named = dict[str, JsonValue]


class AsOf(BaseModel):
    """An account at an instant: what we believed then, and what we know of that instant now."""

    at: datetime
    tenancy: Named
    standing: str = Field(description="not_yet, open or closed: whether the account existed")
    occupant: Named | None = Field(description="whose the place was then, perhaps another's")
    meter: Named | None
    books: Named = Field(description="balance_minor was believed; known_now_minor is known now")
    told: Named = Field(description="what the meter had told by then, each with its instant")
    decision: Named | None = Field(description="whether supply was wanted, and the reason that decided")
    priced: Named | None = Field(description="the tariff's version, and the prices of its period")
    holds: list[Named]
    pending: list[Named] = Field(description="instructions that were open then")
    frozen_then: Named | None
    frozen_now: Named | None


class AccountMonth(BaseModel):
    """A month of an account: opening + recharged + charged + adjusted = closing, all as signed amounts."""

    tenancy: Named
    month: str
    since: datetime
    until: datetime
    is_over: bool
    opening_minor: int
    recharged_minor: int
    charged_minor: int
    adjusted_minor: int
    closing_minor: int
    undelivered_minor: int
    used_wh: int | None = Field(description="of the days that are known")
    days_missing: int
    moved: list[Named]
    days: list[Named]
    owed: Named


def router_for(machines: Machines) -> APIRouter:
    """Return the routes to the past."""
    router = APIRouter(prefix="/api/v1", tags=["machines"], responses=REFUSALS | NOT_FOUND)

    @router.get("/accounts/{account_id}/as-of", response_model=AsOf)
    async def read_as_of(asker: Asker, account_id: AccountId, at: Annotated[AwareDatetime, Query()]) -> Facts:
        """Read an account as of an instant; one that lies ahead is refused."""
        await _require_theirs(machines, asker, account_id)
        asked = partial(as_of, account_id=account_id, at=at, now=wiring.now())
        return statement_facts.asof_facts(await machines.desk.run(asked))

    @router.get("/accounts/{account_id}/months/{month}", response_model=AccountMonth)
    async def read_month(
        asker: Accountant, account_id: AccountId, month: Annotated[str, Path(pattern=_MONTH)]
    ) -> Facts:
        """Read an account's statement of a month; of the running month, up to now."""
        await _require_theirs(machines, asker, account_id)
        wanted = statement_months.parsed(month)
        asked = partial(resident_statement, account_id=account_id, month=wanted, now=wiring.now())
        return statement_facts.resident_facts(await machines.desk.run(asked))

    return router


async def _require_theirs(machines: Machines, asker: Caller, account_id: int) -> None:
    """Answer 404 where the organisation, or the key's own site, has no such account."""
    await machines.one(reading.ONE_ACCOUNT, organisation_id=asker.organisation_id, account_id=account_id)
