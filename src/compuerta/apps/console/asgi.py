"""The console as one ASGI application: Django's screens, and their static files."""

import os
from typing import cast

from django.core.asgi import get_asgi_application
from starlette.applications import Starlette
from starlette.middleware.gzip import GZipMiddleware
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from compuerta.apps.console import work
from compuerta.apps.console.turns import Turns
from compuerta.apps.console.work import Outside

STATIC_PACKAGES = ("compuerta.apps.console", "unfold", "django.contrib.admin")


def application_for(outside: Outside) -> Starlette:
    """Return the console; mount it at the root, behind everything that is more special."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "compuerta.apps.console.settings")
    work.attach(outside)
    # Django serves files by synchronous iterators only, which under ASGI are read whole into memory.
    files = StaticFiles(packages=[(package, "static") for package in STATIC_PACKAGES])
    return Starlette(
        routes=[
            Mount("/static", GZipMiddleware(files)),
            Mount("/", Turns(cast(ASGIApp, get_asgi_application()))),
        ]
    )
