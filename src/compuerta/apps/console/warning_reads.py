"""What the screens of warnings, words and contacts read, held to one organisation (promise A1)."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import cast
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest

from compuerta.apps.console import work
from compuerta.apps.console.reads import rows
from compuerta.domain.address import masked
from compuerta.domain.contact import Language
from compuerta.domain.policy import Json
from compuerta.domain.wording import ADDRESS
from compuerta.services import forecasting
from compuerta.services.message_port import Contact, Message
from compuerta.services.records import AccountView, Warned

MESSAGES_SHOWN_MAX = 30
WARNINGS_SHOWN_MAX = 10
SITES_SHOWN_MAX = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What a policy is settled for."""

    scope: str
    scope_id: int
    name: str
    site_id: int | None
    building: str | None
    currency: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactRow:
    """A contact as a list shows it."""

    contact_id: UUID
    channel: str
    address: str  # masked
    language: str
    wants: Sequence[str]
    is_confirmed: bool
    opted_out_at: datetime | None


def scopes(organisation_id: int) -> list[Scope]:
    """Return the organisation and its sites."""
    return rows(
        Scope,
        """select 'organisation' as scope, o.organisation_id as scope_id, o.name, null::bigint as site_id,
            null as building, coalesce((select z.currency from site z
                where z.organisation_id = o.organisation_id order by z.site_id limit 1), 'EUR') as currency
        from organisation o where o.organisation_id = %(organisation_id)s
        union all
        (select 'site', z.site_id, z.name, z.site_id, null, z.currency from site z
        where z.organisation_id = %(organisation_id)s order by z.name, z.site_id limit %(limit)s)""",
        {"organisation_id": organisation_id, "limit": SITES_SHOWN_MAX},
    )


def account_scope(organisation_id: int, account_id: int) -> Scope | None:
    """Return an open account as a scope."""
    found = rows(
        Scope,
        """select 'account' as scope, a.account_id as scope_id,
            concat_ws(' · ', z.name, p.name, a.name) as name, z.site_id, p.building, z.currency
        from account a join site z using (site_id)
        join supply_point p on p.supply_point_id = a.supply_point_id
        where a.organisation_id = %(organisation_id)s and a.account_id = %(account_id)s
            and a.closed_at is null""",
        {"organisation_id": organisation_id, "account_id": account_id},
    )
    return found[0] if found else None


def document(scope: Scope) -> Mapping[str, Json]:
    """Return all that a scope has settled."""
    with work.store() as store, store.transaction() as tx:
        settled = tx.settled(scope=scope.scope, scope_id=scope.scope_id)
    return cast(Mapping[str, Json], json.loads(settled.document)) if settled is not None else {}


def example(scope: Scope, *, now: datetime) -> AccountView | None:
    """Return the account that a preview speaks of: the first of a scope that has a meter."""
    with work.store() as store, store.transaction() as tx:
        found = tx.accounts_in(scope=scope.scope, scope_id=scope.scope_id, after=0, limit=1)
        return tx.look_at(found, now=now).get(found[0]) if found else None


def zero_of(view: AccountView, *, balance_minor: int, now: datetime) -> datetime | None:
    """Return when a balance of an account would be used up."""
    with work.store() as store, store.transaction() as tx:
        shape = forecasting.shapes_of(tx, [view], now=now).get(view.account.account_id)
    if shape is None:
        return None
    found = forecasting.used_up(view, view.holdings, shape, balance_minor=balance_minor, at=now)
    return None if found is None else found.zero_at


def contacts_of(account_id: int) -> list[ContactRow]:
    """Return an account's contacts, masked."""
    with work.store() as store, store.transaction() as tx:
        return [shown(each) for each in tx.messages.contacts_of([account_id])]


def shown(contact: Contact) -> ContactRow:
    """Return a contact as a list shows it."""
    return ContactRow(
        contact_id=contact.contact_id,
        channel=contact.channel.value,
        address=masked(contact.address),
        language=contact.language.value,
        wants=sorted(topic.value for topic in contact.wants),
        is_confirmed=contact.confirmed_at is not None,
        opted_out_at=contact.opted_out_at,
    )


def messages_of(account_id: int) -> list[Message]:
    """Return the last messages about an account."""
    with work.store() as store, store.transaction() as tx:
        return tx.messages.of_account(account_id, limit=MESSAGES_SHOWN_MAX)


def warnings_of(account_id: int) -> list[Warned]:
    """Return the last warnings of an account."""
    return rows(
        Warned,
        """select account_id, level, value, balance_minor, at, zero_at from warning
        where account_id = %(account_id)s and level is not null
        order by at desc, level limit %(limit)s""",
        {"account_id": account_id, "limit": WARNINGS_SHOWN_MAX},
    )


def words_of(organisation_id: int) -> Mapping[tuple[str, Language], tuple[str, str]]:
    """Return an organisation's own words, by what is told and in which language."""
    with work.store() as store, store.transaction() as tx:
        found = tx.messages.templates([organisation_id])
    return {(each.name, each.language): (each.subject, each.body) for each in found}


def public_address(request: HttpRequest) -> str:
    """Return how residents reach this installation."""
    known: str = settings.PUBLIC_ADDRESS
    return known or request.build_absolute_uri("/").rstrip("/")


def with_address(text: str, request: HttpRequest) -> str:
    """Return words with the public address in them, as they are sent."""
    return text.replace(ADDRESS, public_address(request))
