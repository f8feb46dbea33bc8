"""Who looks at the screens: sign-in, organisation, rights.

Every view of the console gets a `Person`, and every query is given that person's organisation (promise A1).
"""

from collections.abc import Callable, Iterable, Set
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import wraps
from typing import Concatenate, ParamSpec, cast
from uuid import uuid4

from django.contrib.auth import logout
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.db import connection, transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext_lazy as _

from compuerta.adapters.postgres.walls import Wall, around
from compuerta.apps import walls, wiring
from compuerta.apps.config import settings
from compuerta.apps.console import sign_in
from compuerta.apps.console.models import ConsoleUser
from compuerta.domain.access import USUAL, Place, Right, covers
from compuerta.services.acting import Actor

LOOKING = frozenset({Right.SEE, Right.SEE_MONEY, Right.AUDIT})

Arguments = ParamSpec("Arguments")


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody who is signed in, and works for one organisation."""

    name: str
    organisation_id: int
    organisation_name: str
    rights: tuple[tuple[Place, frozenset[Right]], ...]  # what each grant gives, and where
    operates: bool  # runs the whole installation, and so sees what belongs to no organisation
    must_change: bool = False  # the password, before anything else

    def may(self, right: Right, place: Place | None = None) -> bool:
        """Tell whether somebody has a right in a place; None = anywhere in the organisation."""
        return any(right in held and (place is None or covers(scope, place)) for scope, held in self.rights)

    @property
    def may_change(self) -> bool:
        """Whether there is anything that this person may do but look."""
        return any(rights - LOOKING for _, rights in self.rights)

    @property
    def wall(self) -> Wall:
        """What is there for this person: the places that they may see."""
        return self.wall_of(Right.SEE)

    def wall_of(self, *rights: Right) -> Wall:
        """What is there where this person has any of these rights: money of one site is seen there alone."""
        return around(
            self.organisation_id, [place for place, held in self.rights if held.intersection(rights)]
        )

    @property
    def may_sell(self) -> bool:
        return self.may(Right.SELL)

    @property
    def may_switch(self) -> bool:
        return self.may(Right.SWITCH)

    # A tariff is the whole organisation's, whatever site its accounts are in.
    @property
    def may_draft(self) -> bool:
        return self._may_everywhere(Right.DRAFT_TARIFF)

    @property
    def may_approve(self) -> bool:
        return self._may_everywhere(Right.APPROVE_TARIFF)

    @property
    def may_assign(self) -> bool:
        return self._may_everywhere(Right.ASSIGN_TARIFF)

    def _may_everywhere(self, right: Right) -> bool:
        return self.may(right, Place(organisation_id=self.organisation_id))


def for_people(
    view: Callable[Concatenate[HttpRequest, Person, Arguments], HttpResponse],
) -> Callable[Concatenate[HttpRequest, Arguments], HttpResponse]:
    """Show a screen to people who are signed in and belong to an organisation, and tell it who they are."""

    @wraps(view)
    def shown(request: HttpRequest, *args: Arguments.args, **kwargs: Arguments.kwargs) -> HttpResponse:
        person = person_of(request)
        if sign_in.is_over(request, may_change=person.may_change, now=wiring.now()):
            logout(request)
            return redirect_to_login(request.get_full_path())
        if person.must_change:
            return redirect("me")
        if not person.may(Right.SEE):
            raise PermissionDenied
        with walls.held(person.wall):
            return view(request, person, *args, **kwargs)

    return cast(Callable[Concatenate[HttpRequest, Arguments], HttpResponse], login_required(shown))


def for_oneself(
    view: Callable[Concatenate[HttpRequest, Person, Arguments], HttpResponse],
) -> Callable[Concatenate[HttpRequest, Arguments], HttpResponse]:
    """Show somebody their own page, whatever else they may see."""

    @wraps(view)
    def shown(request: HttpRequest, *args: Arguments.args, **kwargs: Arguments.kwargs) -> HttpResponse:
        person = person_of(request)
        if sign_in.is_over(request, may_change=person.may_change, now=wiring.now()):
            logout(request)
            return redirect_to_login(request.get_full_path())
        with walls.held(person.wall):
            return view(request, person, *args, **kwargs)

    return cast(Callable[Concatenate[HttpRequest, Arguments], HttpResponse], login_required(shown))


def actor(request: HttpRequest, person: Person, *, why: str) -> Actor:
    """Name who acts, why, and from where, for the audit row."""
    return Actor(who=person.name, why=why, origin=f"console {request.META.get('REMOTE_ADDR', '')}".strip())


def menu_shows(right: Right, *, of_all: bool = False) -> Callable[[HttpRequest], bool]:
    """Return what tells whether an entry is in somebody's menu: by a right anywhere, or of all sites."""

    def shown(request: HttpRequest) -> bool:
        if not isinstance(request.user, User):
            return False
        granted = _rights(request.user.get_username())
        return any(right in held and not (of_all and place.site_id) for place, held in granted)

    return shown


may_sell = menu_shows(Right.SELL)
may_grant = menu_shows(Right.GRANT)
may_audit = menu_shows(Right.AUDIT)
may_commission = menu_shows(Right.COMMISSION)


def may_play(request: HttpRequest) -> bool:
    """Tell whether the fault panel is in somebody's menu: in a demonstration, for who commissions meters."""
    return settings().virtual_meters is not None and may_commission(request)


sees_operations = menu_shows(Right.PROPOSE_MASS)
sees_money = menu_shows(Right.SEE_MONEY)
sees_all_money = menu_shows(Right.SEE_MONEY, of_all=True)


def may_administer(request: HttpRequest) -> bool:
    """Tell whether the list of people is shown in the menu."""
    return isinstance(request.user, User) and request.user.is_superuser


def add_person(
    name: str,
    *,
    password: str,
    organisation_id: int,
    language: str = "en",
    roles: Iterable[str] = (),
    rights: Iterable[Right] = (),
) -> None:
    """Add somebody who may sign in, with roles in the whole organisation.

    `rights` make a role of the organisation's own with these and `see`, `see_money`.
    """
    with transaction.atomic():
        user = User.objects.create_user(name, password=password, is_staff=True)
        ConsoleUser.objects.create(user=user, organisation_id=organisation_id, language=language)
        given = list(roles)
        if rights or not given:
            given.append(_own_role(organisation_id, {Right.SEE, Right.SEE_MONEY, *rights}))
        with connection.cursor() as cursor:
            cursor.executemany(
                """insert into role_grant
                (grant_id, organisation_id, user_name, role, granted_by, granted_at)
                values (%s, %s, %s, %s, 'the installation', %s)""",
                [(uuid4(), organisation_id, name, role, datetime.now(UTC)) for role in given],
            )


def invite(name: str, *, password: str, organisation_id: int, language: str) -> None:
    """Add somebody without any role, who has to choose another password first."""
    with transaction.atomic():
        user = User(username=name, is_staff=True)
        user.set_password(password)
        user.full_clean()
        user.save()
        work = ConsoleUser(user=user, organisation_id=organisation_id, language=language, must_change=True)
        work.full_clean()
        work.save()


def _own_role(organisation_id: int, rights: Set[Right]) -> str:
    values = sorted(right.value for right in rights)
    name = ", ".join(values)
    with connection.cursor() as cursor:
        cursor.execute(
            "insert into role values (%s, %s, %s) on conflict do nothing", [organisation_id, name, values]
        )
    return name


def person_of(request: HttpRequest) -> Person:
    """Return who is signed in; raises `PermissionDenied` for a name without an organisation."""
    user = request.user
    assert isinstance(user, User), "who is not signed in was sent to the sign-in page"
    work = ConsoleUser.objects.select_related("organisation").filter(user_id=user.pk).first()
    if work is None:
        raise PermissionDenied(_("Your name belongs to no organisation yet. Ask whoever made it for you."))
    return Person(
        name=user.get_username(),
        organisation_id=work.organisation.organisation_id,
        organisation_name=work.organisation.name,
        rights=_rights(user.get_username()),
        operates=user.is_superuser,
        must_change=work.must_change,
    )


def _rights(name: str) -> tuple[tuple[Place, frozenset[Right]], ...]:
    with connection.cursor() as cursor:
        cursor.execute(
            """select g.organisation_id, g.site_id, g.building, g.role, r.rights
            from role_grant g
            join auth_user u on u.username = g.user_name
            join console_user c on c.user_id = u.id and c.organisation_id = g.organisation_id
            left join role r on r.organisation_id = g.organisation_id and r.role = g.role
            where g.user_name = %s and g.revoked_at is null""",
            [name],
        )
        return tuple(
            (Place(organisation_id=organisation_id, site_id=site_id, building=building), _held(role, own))
            for organisation_id, site_id, building, role, own in cursor.fetchall()
        )


def _held(role: str, own: list[str] | None) -> frozenset[Right]:
    # An organisation's own role goes before the usual one of that name.
    if own is None:
        return USUAL.get(role, frozenset())
    return frozenset(right for right in Right if right.value in own)
