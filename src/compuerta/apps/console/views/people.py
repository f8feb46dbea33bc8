"""People: who may do what, where; roles as a picture; keys of machines."""

import secrets
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from django.contrib import messages
from django.contrib.auth.models import User
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import DataError, IntegrityError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from compuerta.adapters.postgres.access import rights_of
from compuerta.adapters.postgres.store import PostgresStore
from compuerta.apps import wiring
from compuerta.apps.api.callers import key_hash
from compuerta.apps.api.keys import fresh_key
from compuerta.apps.console import access_reads, screens, work
from compuerta.apps.console import people as house
from compuerta.apps.console.models import ConsoleUser, SecondFactor
from compuerta.apps.console.people import Person, for_people
from compuerta.apps.console.screens import show
from compuerta.domain.access import USUAL, Grant, Place, Right, Role
from compuerta.domain.errors import Refused, Unreachable
from compuerta.services import granting
from compuerta.services.access_port import ApiKey
from compuerta.services.acting import Actor

NAME_CHARS_MAX = 150
PASSWORD_BYTES = 9
KEY_DAYS_MAX = 3650


@never_cache
@for_people
def page(request: HttpRequest, person: Person) -> HttpResponse:
    """Show people with their roles, the roles with their rights, and keys."""
    _require_granter(person)
    return _shown(request, person)


@never_cache
@require_POST
@for_people
def invite(request: HttpRequest, person: Person) -> HttpResponse:
    """Add somebody, with a password that is shown once and changed at the first sign-in."""
    _require_granter(person)
    # As it is kept: a name in wide letters would be added as another, and its role given to nobody.
    name = User.normalize_username(request.POST.get("name", "").strip()[:NAME_CHARS_MAX])
    password = secrets.token_urlsafe(PASSWORD_BYTES)
    try:
        validate_password(password)
        house.invite(
            name,
            password=password,
            organisation_id=person.organisation_id,
            language=request.POST.get("language", "en"),
        )
    except (ValidationError, IntegrityError, DataError, ValueError):
        return _shown(request, person, fault=_("This name is taken, or cannot be used."))
    fault = _act(request, lambda store, actor: _granted(store, request, person, name, actor), person)
    return _shown(request, person, fault=fault, told=(name, password))


@require_POST
@for_people
def grant(request: HttpRequest, person: Person) -> HttpResponse:
    """Give somebody of the organisation a role."""
    _require_granter(person)
    name = request.POST.get("person", "")[:NAME_CHARS_MAX]
    if not ConsoleUser.objects.filter(user__username=name, organisation_id=person.organisation_id).exists():
        return _shown(request, person, fault=_("There is nobody of this name in your organisation."))
    fault = _act(request, lambda store, actor: _granted(store, request, person, name, actor), person)
    return _shown(request, person, fault=fault) if fault else _done(request)


@require_POST
@for_people
def revoke(request: HttpRequest, person: Person, grant_id: UUID) -> HttpResponse:
    """Take a role away."""
    _require_granter(person)
    fault = _act(
        request,
        lambda store, actor: granting.revoke(
            store,
            grant_id,
            organisation_id=person.organisation_id,
            actor=actor,
            audit_id=uuid4(),
            now=wiring.now(),
        ),
        person,
    )
    return _shown(request, person, fault=fault) if fault else _done(request)


@require_POST
@for_people
def reset_factor(request: HttpRequest, person: Person) -> HttpResponse:
    """Ask a colleague who has lost the authenticator for no code any more; nobody resets an operator's."""
    _require_granter(person)
    name = request.POST.get("person", "")[:NAME_CHARS_MAX]
    found = SecondFactor.objects.filter(
        user__username=name,
        user__console__organisation_id=person.organisation_id,
        user__is_superuser=False,
    )
    if not found.exists():
        return _shown(request, person, fault=_("There is nobody of this name in your organisation."))
    fault = _act(
        request,
        lambda store, actor: granting.reset_factor(
            store,
            name,
            organisation_id=person.organisation_id,
            actor=actor,
            audit_id=uuid4(),
            now=wiring.now(),
        ),
        person,
    )
    if fault:
        return _shown(request, person, fault=fault)
    found.delete()
    return _done(request)


@require_POST
@for_people
def define(request: HttpRequest, person: Person) -> HttpResponse:
    """Define a role of the organisation's own."""
    _require_granter(person)
    rights = rights_of(request.POST.getlist("right"))
    fault = _act(
        request,
        lambda store, actor: granting.define_role(
            store,
            request.POST.get("role", "").strip(),
            rights,
            organisation_id=person.organisation_id,
            actor=actor,
            audit_id=uuid4(),
            now=wiring.now(),
        ),
        person,
    )
    return _shown(request, person, fault=fault) if fault else _done(request)


@never_cache
@require_POST
@for_people
def make_key(request: HttpRequest, person: Person) -> HttpResponse:
    """Make an API key, which is shown once."""
    _require_granter(person)
    made, now = fresh_key(), wiring.now()
    days = request.POST.get("days", "")
    whole = days.isascii() and days.isdigit() and 0 < int(days[:5]) <= KEY_DAYS_MAX
    key = ApiKey(
        key_id=uuid4(),
        key_hash=key_hash(made),
        name=request.POST.get("name", "").strip()[:NAME_CHARS_MAX] or "-",
        rights=rights_of(request.POST.getlist("right")),
        place=_place(request, person),
        made_by=person.name,
        created_at=now,
        expires_at=now + timedelta(days=int(days[:5])) if whole else None,
    )
    fault = _act(request, lambda store, actor: granting.make_key(store, key, actor=actor, now=now), person)
    return _shown(request, person, fault=fault, told=None if fault else (key.name, made))


@require_POST
@for_people
def revoke_key(request: HttpRequest, person: Person, key_id: UUID) -> HttpResponse:
    """Let a machine in no longer."""
    _require_granter(person)
    fault = _act(
        request,
        lambda store, actor: granting.revoke_key(
            store,
            key_id,
            organisation_id=person.organisation_id,
            actor=actor,
            audit_id=uuid4(),
            now=wiring.now(),
        ),
        person,
    )
    return _shown(request, person, fault=fault) if fault else _done(request)


def _require_granter(person: Person) -> None:
    if not person.may(Right.GRANT):
        raise PermissionDenied


def _act(request: HttpRequest, act: Callable[[PostgresStore, Actor], None], person: Person) -> str:
    """Run an act, and return what was refused in the reader's words; "" where nothing was."""
    actor = house.actor(request, person, why=request.POST.get("why", "").strip()[:500])
    try:
        work.run(lambda store: act(store, actor))
    except (Refused, Unreachable) as error:
        return screens.told(error)
    return ""


def _granted(store: PostgresStore, request: HttpRequest, person: Person, name: str, actor: Actor) -> None:
    wished = Grant(
        grant_id=uuid4(),
        user_name=name,
        role=request.POST.get("role", "")[: granting.ROLE_CHARS_MAX],
        place=_place(request, person),
        granted_by=person.name,
        granted_at=datetime.now(UTC),
    )
    granting.grant(store, wished, actor=actor, now=wiring.now())


def _place(request: HttpRequest, person: Person) -> Place:
    """Return the place of a form: '' = the whole organisation, else '<site>' or '<site>/<building>'."""
    site, _bar, building = request.POST.get("place", "").partition("/")
    number = int(site[:18]) if site.isascii() and site.isdigit() else None
    if site and number is None:
        number = 0  # no site is called so; the refusal says it
    return Place(organisation_id=person.organisation_id, site_id=number, building=building or None)


def _done(request: HttpRequest) -> HttpResponse:
    messages.success(request, _("Written down. It holds from now on."))
    return redirect("people")


def _shown(
    request: HttpRequest, person: Person, *, fault: str = "", told: tuple[str, str] | None = None
) -> HttpResponse:
    granted = access_reads.grants(person.organisation_id)
    names = ConsoleUser.objects.filter(organisation_id=person.organisation_id).order_by("user__username")
    roles = roles_of(person.organisation_id)
    keys = access_reads.keys(person.organisation_id)
    values = {
        "fault": fault,
        "secured": SecondFactor.objects.filter(
            user__console__organisation_id=person.organisation_id, user__is_superuser=False
        ).values_list("user__username", flat=True),
        "told": told,
        "people": [
            (
                each.user.get_username(),
                each.user.last_login,
                [row for row in granted if row.user_name == each.user.get_username()],
                ", ".join(key.name for key in keys if key.made_by == each.user.get_username()),
            )
            for each in names.select_related("user")
        ],
        "roles": roles,
        "matrix": [
            (right.value, [(role, right in rights) for role, rights in roles.items()]) for right in Right
        ],
        "rights": [right.value for right in Right],
        "key_rights": [right.value for right in Right if right not in granting.NEVER_FOR_KEYS],
        "usual": list(USUAL),
        "spots": access_reads.spots(person.organisation_id),
        "keys": keys,
    }
    return show(request, person, "people", values, title=_("People"), status=422 if fault else 200)


def roles_of(organisation_id: int) -> Mapping[str, frozenset[Right]]:
    """Return an organisation's roles, the usual ones first, by what they mean there."""
    own = {each.role: rights_of(each.rights) for each in access_reads.own_roles(organisation_id)}
    return {**{role.value: USUAL[role.value] for role in Role}, **own}
