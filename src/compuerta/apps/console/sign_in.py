"""Signing in: a password, a code from the phone where somebody set that up, and patience with neither.

A session ends after twelve hours whatever happens, and after an hour without a click where its owner may
change anything.
"""

import hashlib
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from threading import BoundedSemaphore
from typing import Any, cast

from django import forms
from django.conf import settings
from django.contrib.auth.models import User
from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.db import transaction
from django.db.models import Q
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from unfold.forms import AuthenticationForm
from unfold.widgets import UnfoldAdminTextInputWidget

from compuerta.apps.console import totp
from compuerta.apps.console.models import SecondFactor, SignInFailure

FAILURES_MAX = 5  # wrong passwords per name ...
FAILURES_WITHIN = timedelta(
    minutes=1
)  # ... and minute; a guesser gets 7,200 tries a day, a tired cashier a rest
FAILURES_OF_ADDRESS_MAX = 30  # an office behind one address; a guesser of names beyond it waits too
# A password is looked at with 100 MB of memory, which is what makes guessing dear: two at once, and no more.
_CHECKS = BoundedSemaphore(2)
CHECK_S_MAX = 5.0
# Wrong codes in a row beside a right password; then an authenticator opens nothing until it is set up anew.
CODES_MAX = 20
RECOVERY_CODES = 8
RECOVERY_BYTES = 5
SEEN_KEPT_S = 60  # when somebody last clicked is written this exactly


class SignInForm(AuthenticationForm):  # type: ignore[misc]  # unfold ships no types
    """A form that makes guessers wait: after five wrong passwords in a minute, even the right one waits."""

    code = forms.CharField(
        label=_("Code from the authenticator"),
        required=False,
        max_length=20,
        # The frame's page has no place for a third field: this one stands below the form, and is part of it.
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "one-time-code", "form": "login-form"}),
    )

    @property
    def asks_code(self) -> bool:
        """Whether the password was right and the code is what is missing."""
        return bool(self.has_error(NON_FIELD_ERRORS, code="code"))

    def clean(self) -> dict[str, Any]:
        """Check name, password and code, unless the name or the address has failed too often just now."""
        name, address = self.cleaned_data.get("username", ""), address_of(self.request)
        now = datetime.now(UTC)
        with counted(name, address, now=now):
            cleaned = cast(dict[str, Any], super().clean())
            _require_second_factor(self.get_user(), self.cleaned_data.get("code", ""), now=now)
        return cleaned


@contextmanager
def counted(name: str, address: str, *, now: datetime) -> Iterator[None]:
    """Let a block look at a password: it raises `ValidationError` where that is wrong, and has failed then.

    Whoever failed too often just now waits, and so does whoever comes while as many are looked at as may be.
    """
    # Written before the password is looked at, so that many guesses at once are counted too.
    guess = SignInFailure.objects.create(name=name, address=address, at=now)
    if _failed_too_often(name, address, now=now) or not _CHECKS.acquire(timeout=CHECK_S_MAX):
        guess.delete()
        raise ValidationError(_("Too many attempts. Wait a minute, then try again."), code="wait")
    try:
        yield
    except ValidationError:
        SignInFailure.objects.filter(at__lte=now - FAILURES_WITHIN).delete()
        raise
    finally:
        _CHECKS.release()
    guess.delete()


def require_password(user: User, typed: str) -> None:
    """Refuse whoever sits at somebody's open session and does not know the password; only where `counted`."""
    if not user.check_password(typed):
        raise ValidationError(_("This is not your password."), code="password")


def address_of(request: HttpRequest | None) -> str:
    """Return from where somebody asks."""
    return "" if request is None else str(request.META.get("REMOTE_ADDR", ""))[:45]


def begin_factor(user: User) -> SecondFactor:
    """Return the factor that somebody is setting up; it asks nobody for codes until it is confirmed."""
    factor, _made = SecondFactor.objects.get_or_create(
        user=user, defaults={"secret": secrets.token_bytes(totp.SECRET_BYTES)}
    )
    return factor


def confirm_factor(user: User, typed: str, *, now: datetime) -> list[str] | None:
    """Confirm a factor by its first code, and return the recovery codes, shown once; None = a wrong code."""
    with transaction.atomic():
        factor = SecondFactor.objects.select_for_update().filter(user=user, confirmed_at=None).first()
        step = None if factor is None else totp.step_of(bytes(factor.secret), typed, now=now)
        if factor is None or step is None:
            return None
        codes = [secrets.token_hex(RECOVERY_BYTES) for _number in range(RECOVERY_CODES)]
        factor.confirmed_at, factor.last_step = now, step
        factor.recovery = [_hashed(each) for each in codes]
        factor.save()
        return codes


def is_over(request: HttpRequest, *, may_change: bool, now: datetime) -> bool:
    """Tell whether a session has lasted too long, or was left alone by somebody who may change things."""
    session, now_s = request.session, int(now.timestamp())
    began_s, seen_s = session.setdefault("began_s", now_s), session.get("seen_s", now_s)
    if now_s - began_s > settings.SESSION_S_MAX:
        return True
    if may_change and now_s - seen_s > settings.SESSION_IDLE_S_MAX:
        return True
    # What a page asks for by itself is nobody's click.
    if "HX-Request" not in request.headers and (now_s - seen_s > SEEN_KEPT_S or "seen_s" not in session):
        session["seen_s"] = now_s
    return False


def _failed_too_often(name: str, address: str, *, now: datetime) -> bool:
    recent = SignInFailure.objects.filter(
        Q(name=name) | Q(address=address), at__gt=now - FAILURES_WITHIN
    ).values_list("name", "address")
    failures = list(recent[: FAILURES_MAX + FAILURES_OF_ADDRESS_MAX + 1])
    of_name = sum(each == name for each, _address in failures)
    of_address = sum(each == address for _name, each in failures)
    return of_name > FAILURES_MAX or (bool(address) and of_address > FAILURES_OF_ADDRESS_MAX)


def _require_second_factor(user: User, typed: str, *, now: datetime) -> None:
    with transaction.atomic():
        # Locked, so that one code lets in once, however often it is sent at the same instant.
        factor = SecondFactor.objects.select_for_update().filter(user=user).first()
        if factor is None or factor.confirmed_at is None:
            return
        lets_in = _opens(factor, "".join(typed.split()).lower(), now=now)
        factor.save()
    # Beyond the block: what was counted stays.
    if not lets_in and factor.failures >= CODES_MAX:
        raise ValidationError(
            _("Too many wrong codes. Use a recovery code, or ask an owner to reset your authenticator."),
            code="code",
        )
    if not lets_in:
        raise ValidationError(_("The code is missing, wrong, or was used already."), code="code")


def _opens(factor: SecondFactor, written: str, *, now: datetime) -> bool:
    """Tell whether a code lets in, and note in the factor what it was; a missing code is no wrong one."""
    step = totp.step_of(bytes(factor.secret), written, now=now, used=range(factor.last_step + 1))
    if step is not None and factor.failures < CODES_MAX:
        factor.last_step = step
    elif _hashed(written) in factor.recovery:
        factor.recovery = [each for each in factor.recovery if each != _hashed(written)]
    else:
        factor.failures += bool(written) and factor.failures < CODES_MAX
        return False
    factor.failures = 0
    return True


def _hashed(code: str) -> str:
    # Forty random bits that are asked for at five guesses a minute need no slow hash.
    return hashlib.sha256(code.encode()).hexdigest()
