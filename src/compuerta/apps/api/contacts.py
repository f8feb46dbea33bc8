"""The machines' API to contacts: where residents of an account are reached, and about what.

Whoever adds a contact vouches for it. Addresses are answered masked: who has them need not ask, and nobody
else is to learn them. Ids are the caller's, so that what got no answer can be sent again.
"""

from datetime import datetime
from functools import partial
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, HTTPException, Request, status
from pydantic import BaseModel, ConfigDict, Field

from compuerta.adapters.postgres.store import PostgresStore
from compuerta.apps import wiring
from compuerta.apps.api.callers import Caller, acting, needs
from compuerta.apps.api.machines import AccountId, Machines
from compuerta.apps.api.supply import REFUSALS, Why
from compuerta.domain.access import Place, Right
from compuerta.domain.address import masked
from compuerta.domain.contact import RESIDENTS_TOPICS, Channel, Language, Topic
from compuerta.services import contacting, message_port
from compuerta.services.contacting import ContactWish

Warner = Annotated[Caller, Depends(needs(Right.WARN))]
_PLACE = """
select a.site_id, p.building from account a join supply_point p using (supply_point_id)
where a.account_id = %(account_id)s and a.organisation_id = %(organisation_id)s
"""


class Contact(BaseModel):
    """Where somebody is reached."""

    contact_id: UUID
    channel: Channel
    address: str = Field(description="masked")
    language: Language
    wants: list[Topic]
    created_at: datetime
    confirmed_at: datetime | None
    opted_out_at: datetime | None


class NewContact(BaseModel):
    """A contact to add; the id is the caller's and makes repeating harmless."""

    model_config = ConfigDict(extra="forbid")

    contact_id: UUID
    channel: Channel
    address: str = Field(min_length=1, max_length=254, pattern=r"^[^\x00]*$")
    language: Language
    wants: set[Topic] = Field(default=set(RESIDENTS_TOPICS), min_length=1)
    why: Why


class NoMore(BaseModel):
    """Why a contact is to get nothing more."""

    model_config = ConfigDict(extra="forbid")

    act_id: UUID
    why: Why


def router_for(machines: Machines) -> APIRouter:
    """Return the routes of contacts."""
    router = APIRouter(prefix="/api/v1/accounts/{account_id}", tags=["contacts"], responses=REFUSALS)

    @router.get("/contacts", response_model=list[Contact])
    async def list_contacts(asker: Warner, account_id: AccountId) -> list[Contact]:
        """List an account's contacts, those that want no more among them."""
        await _require_place(machines, asker, account_id)
        return await _shown(machines, account_id)

    @router.post("/contacts", response_model=Contact)
    async def add_contact(
        asker: Warner, account_id: AccountId, wish: NewContact, request: Request
    ) -> Contact:
        """Add a contact; the same id again answers with the same contact."""
        await _require_place(machines, asker, account_id)
        wished = ContactWish(
            contact_id=wish.contact_id,
            account_id=account_id,
            channel=wish.channel,
            address=wish.address,
            language=wish.language,
            wants=frozenset(wish.wants),
        )
        actor = acting(asker, request, why=wish.why)
        add = partial(contacting.add, wish=wished, actor=actor, now=wiring.now())
        return _contact(await machines.desk.run(add))

    @router.post("/contacts/{contact_id}/remove", response_model=Contact)
    async def remove_contact(
        asker: Warner, account_id: AccountId, contact_id: UUID, wish: NoMore, request: Request
    ) -> Contact:
        """Send a contact nothing more; what was sent stays known."""
        await _require_place(machines, asker, account_id)
        if contact_id not in {each.contact_id for each in await _shown(machines, account_id)}:
            raise HTTPException(status.HTTP_404_NOT_FOUND, "the account has no such contact")
        actor = acting(asker, request, why=wish.why)
        remove = partial(contacting.remove, contact_id=contact_id, actor=actor, act_id=wish.act_id)
        await machines.desk.run(partial(remove, now=wiring.now()))
        return next(each for each in await _shown(machines, account_id) if each.contact_id == contact_id)

    return router


async def _require_place(machines: Machines, asker: Caller, account_id: int) -> None:
    """Answer 404 outside the organisation, and 403 without the right there."""
    row = await machines.one(_PLACE, account_id=account_id, organisation_id=asker.organisation_id)
    place = Place(
        organisation_id=asker.organisation_id, site_id=row["site_id"], building=row["building"] or None
    )
    if not asker.may(Right.WARN, place):
        raise HTTPException(status.HTTP_403_FORBIDDEN, f"this API key may not {Right.WARN.value} there")


async def _shown(machines: Machines, account_id: int) -> list[Contact]:
    found = await machines.desk.run(partial(_contacts, account_id=account_id))
    return [_contact(each) for each in found]


def _contacts(store: PostgresStore, *, account_id: int) -> list[message_port.Contact]:
    with store.transaction() as tx:
        return tx.messages.contacts_of([account_id])


def _contact(found: message_port.Contact) -> Contact:
    return Contact(
        contact_id=found.contact_id,
        channel=found.channel,
        address=masked(found.address),
        language=found.language,
        wants=sorted(found.wants, key=lambda topic: topic.value),
        created_at=found.created_at,
        confirmed_at=found.confirmed_at,
        opted_out_at=found.opted_out_at,
    )
