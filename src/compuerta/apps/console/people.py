"""Who looks at the screens: sign-in, organisation, rights.

Every view of the console gets a `Person`, and every query is given that person's organisation (promise A1).
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import wraps
from threading import BoundedSemaphore
from typing import Any, Concatenate, ParamSpec, cast

from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import Permission, User
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy as _
from unfold.forms import AuthenticationForm

from compuerta.apps.console.models import ConsoleUser, SignInFailure
from compuerta.services.acting import Actor

FAILURES_MAX = 5  # wrong passwords per name ...
FAILURES_WITHIN = timedelta(
    minutes=1
)  # ... and minute; a guesser gets 7,200 tries a day, a tired cashier a rest
# A password is looked at with 100 MB of memory, which is what makes guessing dear: two at once, and no more.
_CHECKS = BoundedSemaphore(2)
CHECK_S_MAX = 5.0
SELL = "console.sell_recharge"
SWITCH = "console.switch_supply"
DRAFT = "console.draft_tariff"
APPROVE = "console.approve_tariff"
ASSIGN = "console.assign_tariff"

Arguments = ParamSpec("Arguments")


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody who is signed in, and works for one organisation."""

    name: str
    organisation_id: int
    organisation_name: str
    may_sell: bool
    may_switch: bool
    may_draft: bool
    may_approve: bool
    may_assign: bool
    operates: bool  # runs the whole installation, and so sees what belongs to no organisation


def for_people(
    view: Callable[Concatenate[HttpRequest, Person, Arguments], HttpResponse],
) -> Callable[Concatenate[HttpRequest, Arguments], HttpResponse]:
    """Show a screen to people who are signed in and belong to an organisation, and tell it who they are."""

    @wraps(view)
    def shown(request: HttpRequest, *args: Arguments.args, **kwargs: Arguments.kwargs) -> HttpResponse:
        return view(request, _person(request), *args, **kwargs)

    return cast(Callable[Concatenate[HttpRequest, Arguments], HttpResponse], login_required(shown))


def actor(request: HttpRequest, person: Person, *, why: str) -> Actor:
    """Name who acts, why, and from where, for the audit row."""
    return Actor(who=person.name, why=why, origin=f"console {request.META.get('REMOTE_ADDR', '')}".strip())


def may_sell(request: HttpRequest) -> bool:
    """Tell whether the till is shown in the menu."""
    return isinstance(request.user, User) and request.user.has_perm(SELL)


def may_administer(request: HttpRequest) -> bool:
    """Tell whether the list of people is shown in the menu."""
    return isinstance(request.user, User) and request.user.is_superuser


def add_person(
    name: str, *, password: str, organisation_id: int, language: str = "en", rights: tuple[str, ...] = ()
) -> None:
    """Add somebody who may sign in and work for an organisation; `rights` are those named above."""
    with transaction.atomic():
        user = User.objects.create_user(name, password=password, is_staff=True)
        ConsoleUser.objects.create(user=user, organisation_id=organisation_id, language=language)
        codenames = [right.removeprefix("console.") for right in rights]
        granted = Permission.objects.filter(content_type__app_label="console", codename__in=codenames)
        user.user_permissions.set(granted)


class SignInForm(AuthenticationForm):  # type: ignore[misc]  # unfold ships no types
    """A form that makes guessers wait: after five wrong passwords in a minute, even the right one waits."""

    def clean(self) -> dict[str, Any]:
        """Check name and password, unless the name has failed too often just now."""
        name = self.cleaned_data.get("username", "")
        now = datetime.now(UTC)
        # Written before the password is looked at, so that many guesses at once are counted too.
        guess = SignInFailure.objects.create(name=name, at=now)
        recent = SignInFailure.objects.filter(name=name, at__gt=now - FAILURES_WITHIN)
        if recent.count() > FAILURES_MAX or not _CHECKS.acquire(timeout=CHECK_S_MAX):
            guess.delete()
            raise ValidationError(_("Too many attempts. Wait a minute, then try again."), code="wait")
        try:
            cleaned = cast(dict[str, Any], super().clean())
        except ValidationError:
            SignInFailure.objects.filter(at__lte=now - FAILURES_WITHIN).delete()
            raise
        finally:
            _CHECKS.release()
        guess.delete()
        return cleaned


def _person(request: HttpRequest) -> Person:
    user = request.user
    assert isinstance(user, User), "who is not signed in was sent to the sign-in page"
    work = ConsoleUser.objects.select_related("organisation").filter(user_id=user.pk).first()
    if work is None:
        raise PermissionDenied(_("Your name belongs to no organisation yet. Ask whoever made it for you."))
    return Person(
        name=user.get_username(),
        organisation_id=work.organisation.organisation_id,
        organisation_name=work.organisation.name,
        may_sell=user.has_perm(SELL),
        may_switch=user.has_perm(SWITCH),
        may_draft=user.has_perm(DRAFT),
        may_approve=user.has_perm(APPROVE),
        may_assign=user.has_perm(ASSIGN),
        operates=user.is_superuser,
    )
