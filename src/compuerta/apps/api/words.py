"""The machines' API to words: what residents are told, in an organisation's own words or in ours."""

from collections.abc import Mapping
from functools import partial
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Depends, HTTPException, Request, status
from pydantic import BaseModel, ConfigDict, Field

from compuerta.adapters.postgres.store import PostgresStore
from compuerta.apps import wiring
from compuerta.apps.api.callers import Caller, acting, needs
from compuerta.apps.api.machines import Machines
from compuerta.apps.api.supply import REFUSALS, Why
from compuerta.domain import wording
from compuerta.domain.access import Place, Right
from compuerta.domain.contact import Language
from compuerta.domain.wording import BODY_CHARS_MAX, FIELDS, SUBJECT_CHARS_MAX, Told
from compuerta.services import rewording
from compuerta.services.message_port import Template

Warner = Annotated[Caller, Depends(needs(Right.WARN))]
_TEXT: Final = r"^[^\x00]*$"


class Words(BaseModel):
    """What is told in one language; `fields` are those that it may have."""

    name: Told
    language: Language
    subject: str
    body: str
    is_own: bool
    fields: list[str]


class NewWords(BaseModel):
    """An organisation's own words."""

    model_config = ConfigDict(extra="forbid")

    act_id: UUID
    subject: str = Field(max_length=SUBJECT_CHARS_MAX, pattern=_TEXT)
    body: str = Field(min_length=1, max_length=BODY_CHARS_MAX, pattern=_TEXT)
    why: Why


def router_for(machines: Machines) -> APIRouter:
    """Return the routes of words."""
    router = APIRouter(prefix="/api/v1/words", tags=["words"], responses=REFUSALS)

    @router.get("", response_model=list[Words])
    async def list_words(asker: Warner) -> list[Words]:
        """List all messages in all languages, with the fields that each may have."""
        own = await machines.desk.run(partial(_own, organisation_id=asker.organisation_id))
        return [_words(own, told, language) for told in Told for language in Language]

    @router.post("/{name}/{language}", response_model=Words)
    async def write_words(
        asker: Warner, name: Told, language: Language, wish: NewWords, request: Request
    ) -> Words:
        """Write own words; a field that the message does not have is refused by its name."""
        if not asker.may(Right.WARN, Place(organisation_id=asker.organisation_id)):
            raise HTTPException(status.HTTP_403_FORBIDDEN, "this API key may not warn for the organisation")
        template = Template(
            organisation_id=asker.organisation_id,
            name=name.value,
            language=language,
            subject=wish.subject,
            body=wish.body,
            changed_by=asker.name,
            changed_at=wiring.now(),
        )
        actor = acting(asker, request, why=wish.why)
        await machines.desk.run(
            partial(rewording.reword, template=template, actor=actor, audit_id=wish.act_id)
        )
        own = await machines.desk.run(partial(_own, organisation_id=asker.organisation_id))
        return _words(own, name, language)

    return router


_Own = Mapping[tuple[str, Language], Template]


def _own(store: PostgresStore, *, organisation_id: int) -> _Own:
    with store.transaction() as tx:
        found = tx.messages.templates([organisation_id])
    return {(each.name, each.language): each for each in found}


def _words(own: _Own, told: Told, language: Language) -> Words:
    found = own.get((told.value, language))
    subject, body = (found.subject, found.body) if found else wording.ours(told, language)
    return Words(
        name=told,
        language=language,
        subject=subject,
        body=body,
        is_own=found is not None,
        fields=list(FIELDS[told]),
    )
