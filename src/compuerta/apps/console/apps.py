"""The console as Django knows it."""

from django.apps import AppConfig


class ConsoleConfig(AppConfig):
    """People's screens on our tables."""

    name = "compuerta.apps.console"
    label = "console"
    default_auto_field = "django.db.models.BigAutoField"
