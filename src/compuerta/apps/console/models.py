"""What the console keeps of its own: which organisation a person works for, and failed sign-ins.

Everything else is the domain's tables: read by SQL in `reads`, changed by services only.
"""

from datetime import datetime

from django.conf import settings
from django.contrib.auth.models import User
from django.db import models
from django.utils.translation import gettext_lazy as _


class Organisation(models.Model):
    """The domain's organisation, as Django's forms need it; Django does not manage the table."""

    organisation_id: "models.BigAutoField[int, int]" = models.BigAutoField(primary_key=True)
    name: "models.TextField[str, str]" = models.TextField()

    class Meta:
        managed = False
        db_table = "organisation"
        verbose_name = _("organisation")
        verbose_name_plural = _("organisations")

    def __str__(self) -> str:
        return self.name


class ConsoleUser(models.Model):
    """A person's one organisation and language."""

    user: "models.OneToOneField[User, User]" = models.OneToOneField(
        User, models.CASCADE, related_name="console"
    )
    organisation: "models.ForeignKey[Organisation, Organisation]" = models.ForeignKey(
        Organisation, models.PROTECT, verbose_name=_("organisation")
    )
    language: "models.CharField[str, str]" = models.CharField(
        _("language"), max_length=10, choices=settings.LANGUAGES, default="en"
    )
    # The password was made by another: nothing but choosing one's own is possible.
    must_change: "models.BooleanField[bool, bool]" = models.BooleanField(default=False)

    class Meta:
        db_table = "console_user"
        verbose_name = _("workplace")
        verbose_name_plural = _("workplaces")
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.organisation}"


class SignInFailure(models.Model):
    """A wrong password, kept for as long as it counts."""

    name: "models.CharField[str, str]" = models.CharField(max_length=150)
    address: "models.CharField[str, str]" = models.CharField(max_length=45, default="", db_index=True)
    at: "models.DateTimeField[datetime, datetime]" = models.DateTimeField(db_index=True)

    class Meta:
        db_table = "console_sign_in_failure"
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.name} {self.at}"


class SecondFactor(models.Model):
    """The secret that a person's authenticator shares with us, and what is left of the recovery codes."""

    user: "models.OneToOneField[User, User]" = models.OneToOneField(
        User, models.CASCADE, related_name="second_factor"
    )
    secret: "models.BinaryField[bytes, bytes]" = models.BinaryField()
    confirmed_at: "models.DateTimeField[datetime | None, datetime | None]" = models.DateTimeField(null=True)
    last_step: "models.BigIntegerField[int, int]" = models.BigIntegerField(default=0)  # a code is taken once
    recovery: "models.JSONField[list[str], list[str]]" = models.JSONField(default=list)  # hashes
    failures: "models.PositiveIntegerField[int, int]" = models.PositiveIntegerField(default=0)  # in a row

    class Meta:
        db_table = "console_second_factor"
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.user}"
