"""One's own page: the password, the authenticator, and what one may do."""

import base64
from datetime import datetime

from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.contrib.auth.forms import SetPasswordForm
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from compuerta.apps import wiring
from compuerta.apps.console import access_reads, drawing, sign_in, totp
from compuerta.apps.console.models import ConsoleUser, SecondFactor
from compuerta.apps.console.people import Person, for_oneself
from compuerta.apps.console.screens import show


@never_cache
@for_oneself
def page(request: HttpRequest, person: Person) -> HttpResponse:
    """Show it."""
    return _shown(request, person)


@never_cache
@require_POST
@for_oneself
def act(request: HttpRequest, person: Person, verb: str) -> HttpResponse:
    """Change the password, begin or confirm an authenticator, or give it up."""
    user, now = _user(request), wiring.now()
    if verb == "password":
        return _change_password(request, person, user, now=now)
    if verb == "begin":
        sign_in.begin_factor(user)
        return redirect("me")
    if verb == "confirm":
        return _confirm(request, person, user, now=now)
    if verb == "end":
        return _end(request, person, user, now=now)
    raise Http404


def _change_password(request: HttpRequest, person: Person, user: User, *, now: datetime) -> HttpResponse:
    form = SetPasswordForm(user, request.POST)
    try:
        with sign_in.counted(person.name, sign_in.address_of(request), now=now):
            sign_in.require_password(user, request.POST.get("old_password", ""))
            if form.is_valid():
                form.save()
    except ValidationError as wrong:
        return _shown(request, person, faults=wrong.messages)
    if form.errors:
        return _shown(
            request, person, faults=[str(each) for errors in form.errors.values() for each in errors]
        )
    # Every other session of this name ends: its signature holds the old password.
    update_session_auth_hash(request, user)
    ConsoleUser.objects.filter(user_id=user.pk).update(must_change=False)
    messages.success(request, _("Your password is changed. You were signed out everywhere else."))
    return redirect("me")


def _confirm(request: HttpRequest, person: Person, user: User, *, now: datetime) -> HttpResponse:
    codes = sign_in.confirm_factor(user, request.POST.get("code", "").strip()[:20], now=now)
    if codes is None:
        return _shown(request, person, faults=[_("The code is missing, wrong, or was used already.")])
    return _shown(request, person, codes=codes)


def _end(request: HttpRequest, person: Person, user: User, *, now: datetime) -> HttpResponse:
    try:
        with sign_in.counted(person.name, sign_in.address_of(request), now=now):
            sign_in.require_password(user, request.POST.get("password", ""))
    except ValidationError as wrong:
        return _shown(request, person, faults=wrong.messages)
    SecondFactor.objects.filter(user=user).delete()
    messages.success(request, _("No code is asked for any more."))
    return redirect("me")


def _shown(
    request: HttpRequest, person: Person, *, faults: list[str] | None = None, codes: list[str] | None = None
) -> HttpResponse:
    factor = SecondFactor.objects.filter(user=_user(request)).first()
    begun = factor is not None and factor.confirmed_at is None
    values = {
        "faults": faults or [],
        "codes": codes or [],
        "factor": factor,
        "begun": begun,
        "codes_left": len(factor.recovery) if factor else 0,
        "qr": drawing.qr(totp.address_of(bytes(factor.secret), name=person.name)) if factor and begun else "",
        "secret": base64.b32encode(bytes(factor.secret)).decode() if factor and begun else "",
        "grants": [
            each for each in access_reads.grants(person.organisation_id) if each.user_name == person.name
        ],
    }
    return show(request, person, "me", values, title=_("My sign-in"), status=422 if faults else 200)


def _user(request: HttpRequest) -> User:
    assert isinstance(request.user, User), "who is not signed in was sent to the sign-in page"
    return request.user
