"""Setting up Django for what runs outside its pages: commands, and words in the reader's language."""

import os

from compuerta.apps.config import Settings


def set_up_django(given: Settings, *, url: str) -> None:
    """Let Django know its settings and its database."""
    os.environ["DATABASE_URL"] = url
    os.environ.setdefault("COMPUERTA_SECRET_KEY", given.secret("console").hex())
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "compuerta.apps.console.settings")
    import django

    django.setup()
